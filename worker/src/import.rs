//! An import, from its upload to its result:
//!
//! 1. **Survey**: read the file once, to find its encoding, its delimiter and what its header line says. A file that
//!    cannot be imported is refused with a result that says how to fix it.
//!    Meanwhile, for a large file: **census**, what the tenant's roster holds ([`crate::census`]).
//! 2. **Chunks**: read the file again, check its rows, and merge them chunk by chunk, each chunk in one transaction, several
//!    at the same time where they do not overlap ([`crate::merge`]).
//! 3. **End**: the last chunk's transaction also finishes the import.
//!
//! A worker that is killed at any point leaves whole chunks, each with its outcomes, and the cursor. The next
//! worker that claims the import surveys the file again and resumes at the cursor.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use futures_util::future::join;
use rollcall_schema::imports::lease::{ClaimedImport, Lease};
use rollcall_schema::imports::model::{Ending, Endpoint, ImportKind};
use rollcall_schema::uploads::SMALL_UPLOAD_BYTES;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::attempt::{AttemptError, AttemptOutcome};
use crate::blocking;
use crate::census::CensusLimits;
use crate::chunk_reader::{ChunkLimits, ChunkReader, Outlook};
use crate::engine::Engine;
use crate::lease::{Heartbeat, end_import};
use crate::memberships;
use crate::merge::parallel::ParallelMerges;
use crate::merge::transaction::MergeContext;
use crate::row_counter::count_rows;
use crate::survey::{Refusal, Survey, SurveyError, survey};
use crate::users;
use crate::users::forecast::Forecaster;
use crate::users::merge::ImportRules;
use crate::users::row_digest::RowDigester;

/// How many users, or memberships, are counted for each row of the file, at most. To look up a row takes longer than to count
/// as many.
const COUNTED_PER_ROW: u64 = 4;

/// An upload that is ready to be read.
pub type OpenedUpload = Box<dyn Read + Send>;

/// Processes a claimed import until it has its result, or until `stop`. `upload` is its upload if it was opened already,
/// `sealed_passwords` counts the passwords that the
/// attempt has sealed, which are to be hashed however it ends.
pub async fn run(
    engine: Engine,
    claimed: ClaimedImport,
    upload: Option<OpenedUpload>,
    sealed_passwords: Arc<AtomicU64>,
    stop: CancellationToken,
) -> Result<AttemptOutcome, AttemptError> {
    let heartbeat = Heartbeat::start(engine.database.clone(), claimed.lease);
    tokio::select! {
        biased;
        outcome = survey_and_merge(&engine, &claimed, upload, sealed_passwords, &stop) => outcome,
        // Dropping the merges closes their connections, which ends their transactions.
        () = heartbeat.lost() => Err(AttemptError::LeaseLost),
    }
}

async fn survey_and_merge(
    engine: &Engine,
    claimed: &ClaimedImport,
    upload: Option<OpenedUpload>,
    sealed_passwords: Arc<AtomicU64>,
    stop: &CancellationToken,
) -> Result<AttemptOutcome, AttemptError> {
    let began = Instant::now();
    // The endpoint of users also takes group imports: their rows are looked up.
    let kind = match claimed.endpoint {
        Endpoint::Users => ImportKind::Users,
        Endpoint::UserGroups => ImportKind::Memberships,
    };
    let reading = join(survey_upload(engine, claimed, upload), outlook(engine, claimed, kind));
    let Some((surveyed, outlook)) = stop.run_until_cancelled(reading).await else {
        return Ok(AttemptOutcome::Interrupted);
    };
    let (survey, small_file) = match surveyed? {
        Surveyed::Importable { survey, small_file } => (survey, small_file),
        Surveyed::Refused(refusal) => return refuse(engine, &claimed.lease, &refusal).await,
    };

    let mut chunks = read_chunks(engine, claimed, &survey, small_file, outlook?).await?;
    let context = MergeContext {
        sessions: engine.sessions.clone(),
        password_keys: engine.password_keys.clone(),
        password_policy: claimed.password_policy,
        rules: ImportRules {
            import: claimed.lease.import,
            protect_administrators: claimed.protect_administrators,
            new_group_limit: claimed.new_group_limit,
        },
        lease: claimed.lease,
        began,
        sealed_passwords,
    };
    let mut merges = ParallelMerges::new(context, engine.parallel_chunks, survey.file_format());
    let mut row_counter = None;
    let mut last_started = false;
    while !last_started && !stop.is_cancelled() {
        let Some(chunk) = chunks.next().await else { break };
        if !chunk.is_last && row_counter.is_none() {
            // Only the progress of a file with several chunks is worth another reading.
            row_counter = Some(count_rows(engine.clone(), claimed.lease, survey.format));
        }
        last_started = chunk.is_last;
        merges.start(chunk).await?;
    }
    merges.wait_for_all().await?;

    if last_started {
        Ok(AttemptOutcome::Finished)
    } else if stop.is_cancelled() {
        Ok(AttemptOutcome::Interrupted)
    } else {
        Err(chunks.into_error().await)
    }
}

/// What the survey says of a file.
enum Surveyed {
    Importable {
        survey: Arc<Survey>,
        /// The file, if it is small: it was read to be surveyed, and need not be read again.
        small_file: Option<Vec<u8>>,
    },
    /// The file is at fault: every attempt would end in the same way.
    Refused(Refusal),
}

async fn survey_upload(
    engine: &Engine,
    claimed: &ClaimedImport,
    upload: Option<OpenedUpload>,
) -> Result<Surveyed, AttemptError> {
    let mut upload = match upload {
        Some(upload) => upload,
        None => Box::new(engine.uploads.open(claimed.lease.tenant, claimed.lease.import).await?),
    };
    let (endpoint, charset) = (claimed.endpoint, claimed.charset.clone());
    let span = tracing::info_span!("survey");
    let (surveyed, small_file) = if claimed.upload_bytes <= SMALL_UPLOAD_BYTES {
        // To survey a small file takes less time than to have another thread do so.
        let mut file = Vec::new();
        upload.read_to_end(&mut file)?;
        (span.in_scope(|| survey(&*file, endpoint, charset.as_deref())), Some(file))
    } else {
        let survey = move || span.in_scope(|| survey(upload, endpoint, charset.as_deref()));
        (tokio::task::spawn_blocking(survey).await?, None)
    };
    match surveyed {
        Ok(survey) => Ok(Surveyed::Importable { survey: Arc::new(survey), small_file }),
        Err(SurveyError::Refused(refusal)) => Ok(Surveyed::Refused(refusal)),
        Err(SurveyError::Io(error)) => Err(error.into()),
    }
}

async fn refuse(engine: &Engine, lease: &Lease, refusal: &Refusal) -> Result<AttemptOutcome, AttemptError> {
    end_import(&engine.database, lease, &Ending::Refused(refusal.to_string())).await?;
    Ok(AttemptOutcome::Finished)
}

/// Takes the census for a file that has several chunks of this kind. The rows of a smaller one are looked up as they are merged,
/// which takes one round trip.
async fn outlook(
    engine: &Engine,
    claimed: &ClaimedImport,
    kind: ImportKind,
) -> Result<Outlook, AttemptError> {
    let rows = estimated_rows(claimed, kind);
    if rows <= engine.chunk_rows as u64 {
        return Ok(Outlook::None);
    }
    let limits = CensusLimits { memory: engine.census_memory, rows: rows * COUNTED_PER_ROW };
    let (sessions, tenant) = (&engine.sessions, claimed.lease.tenant);
    let span = tracing::info_span!(
        "census",
        rollcall.census.users = tracing::field::Empty,
        rollcall.census.memberships = tracing::field::Empty,
    );
    Ok(match kind {
        ImportKind::Users => {
            match users::census::Census::take(sessions, tenant, limits).instrument(span).await? {
                Some(census) => {
                    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
                    Outlook::Users(Box::new(Forecaster::new(census, rows)))
                }
                None => Outlook::None,
            }
        }
        ImportKind::Memberships => {
            let census = memberships::census::Census::take(sessions, tenant, limits).instrument(span).await?;
            census.map_or(Outlook::None, |census| Outlook::Memberships(Arc::new(census)))
        }
    })
}

/// The rows of a file, by the usual size of a row.
fn estimated_rows(claimed: &ClaimedImport, kind: ImportKind) -> u64 {
    let bytes_per_row = match kind {
        ImportKind::Users => 100,
        ImportKind::Memberships => 20,
    };
    claimed.upload_bytes / bytes_per_row
}

/// Starts the second reading. That of a small file, whose content is there, is done at once.
async fn read_chunks(
    engine: &Engine,
    claimed: &ClaimedImport,
    survey: &Arc<Survey>,
    small_file: Option<Vec<u8>>,
    outlook: Outlook,
) -> Result<ChunkReader, AttemptError> {
    let lease = &claimed.lease;
    let digester = RowDigester::new(engine.row_key.clone(), lease.tenant, claimed.password_policy);
    let limits = ChunkLimits { rows: engine.chunk_rows, done: claimed.rows_done };
    if let Some(file) = small_file {
        let rows = usize::try_from(estimated_rows(claimed, ImportKind::Users)).unwrap_or(usize::MAX);
        let read = || ChunkReader::read(&file, survey, digester, outlook, limits);
        return Ok(blocking::with_rows(rows, read)?);
    }
    let upload = engine.uploads.open(lease.tenant, lease.import).await?;
    Ok(ChunkReader::start(upload, Arc::clone(survey), digester, outlook, limits))
}
