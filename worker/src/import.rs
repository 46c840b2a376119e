//! An import, from its upload to its result:
//!
//! 1. **Survey**: read the file once, to find its encoding, its delimiter and what its header line says. A file that
//!    cannot be imported is refused with a result that says how to fix it.
//!    Meanwhile, of a large file of users: **census**, what the tenant's roster holds ([`crate::users::census`]).
//! 2. **Chunks**: read the file again, check its rows, and merge them chunk by chunk, each chunk in one transaction, several
//!    at the same time where they do not overlap ([`crate::merge`]).
//! 3. **End**: the last chunk's transaction also finishes the import.
//!
//! A worker that is killed at any point leaves whole chunks, each with its outcomes, and the cursor. The next
//! worker that claims the import surveys the file again and resumes at the cursor.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures_util::future::join;
use rollcall_schema::imports::lease::{ClaimedImport, Lease};
use rollcall_schema::imports::model::{Ending, Endpoint};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::attempt::{AttemptError, AttemptOutcome};
use crate::chunk_reader::{ChunkLimits, ChunkReader};
use crate::engine::Engine;
use crate::lease::{Heartbeat, end_import};
use crate::merge::parallel::ParallelMerges;
use crate::merge::transaction::MergeContext;
use crate::row_counter::count_rows;
use crate::survey::{Refusal, Survey, SurveyError, survey};
use crate::users::census::{Census, CensusLimits};
use crate::users::forecast::Forecaster;
use crate::users::merge::ImportRules;
use crate::users::row_digest::RowDigester;

/// The usual size of a row, by which the rows of a file are estimated.
const BYTES_PER_ROW: u64 = 100;
/// How many users are counted for each row of the file, at most. To look up a row takes longer than to count as many users.
const COUNTED_USERS_PER_ROW: u64 = 4;

/// Processes a claimed import until it has its result, or until `stop`. `sealed_passwords` counts the passwords that the
/// attempt has sealed, which are to be hashed however it ends.
pub async fn run(
    engine: Engine,
    claimed: ClaimedImport,
    sealed_passwords: Arc<AtomicU64>,
    stop: CancellationToken,
) -> Result<AttemptOutcome, AttemptError> {
    let heartbeat = Heartbeat::start(engine.database.clone(), claimed.lease);
    tokio::select! {
        biased;
        outcome = survey_and_merge(&engine, &claimed, sealed_passwords, &stop) => outcome,
        // Dropping the merges closes their connections, which ends their transactions.
        () = heartbeat.lost() => Err(AttemptError::LeaseLost),
    }
}

async fn survey_and_merge(
    engine: &Engine,
    claimed: &ClaimedImport,
    sealed_passwords: Arc<AtomicU64>,
    stop: &CancellationToken,
) -> Result<AttemptOutcome, AttemptError> {
    let reading = join(survey_upload(engine, claimed), forecaster(engine, claimed));
    let Some((surveyed, forecaster)) = stop.run_until_cancelled(reading).await else {
        return Ok(AttemptOutcome::Interrupted);
    };
    let survey = match surveyed? {
        Surveyed::Importable(survey) => survey,
        Surveyed::Refused(refusal) => return refuse(engine, &claimed.lease, &refusal).await,
    };

    let mut chunks = read_chunks(engine, claimed, &survey, forecaster?).await?;
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
    Importable(Arc<Survey>),
    /// The file is at fault: every attempt would end in the same way.
    Refused(Refusal),
}

async fn survey_upload(engine: &Engine, claimed: &ClaimedImport) -> Result<Surveyed, AttemptError> {
    let upload = engine.uploads.open(claimed.lease.tenant, claimed.lease.import).await?;
    let (endpoint, charset) = (claimed.endpoint, claimed.charset.clone());
    let span = tracing::info_span!("survey");
    let surveyed =
        tokio::task::spawn_blocking(move || span.in_scope(|| survey(upload, endpoint, charset.as_deref())));
    match surveyed.await? {
        Ok(survey) => Ok(Surveyed::Importable(Arc::new(survey))),
        Err(SurveyError::Refused(refusal)) => Ok(Surveyed::Refused(refusal)),
        Err(SurveyError::Io(error)) => Err(error.into()),
    }
}

async fn refuse(engine: &Engine, lease: &Lease, refusal: &Refusal) -> Result<AttemptOutcome, AttemptError> {
    end_import(&engine.database, lease, &Ending::Refused(refusal.to_string())).await?;
    Ok(AttemptOutcome::Finished)
}

/// Takes the census for a file that has several chunks. The rows of a smaller one are looked up as they are merged, which takes
/// one round trip.
async fn forecaster(engine: &Engine, claimed: &ClaimedImport) -> Result<Option<Forecaster>, AttemptError> {
    let rows = claimed.upload_bytes / BYTES_PER_ROW;
    if claimed.endpoint != Endpoint::Users || rows <= engine.chunk_rows as u64 {
        return Ok(None);
    }
    let limits = CensusLimits { memory: engine.census_memory, users: rows * COUNTED_USERS_PER_ROW };
    let tenant = claimed.lease.tenant;
    let census = Census::take(&engine.sessions, tenant, limits)
        .instrument(tracing::info_span!("census", rollcall.census.users = tracing::field::Empty))
        .await?;
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    Ok(census.map(|census| Forecaster::new(census, rows)))
}

/// Starts the second reading.
async fn read_chunks(
    engine: &Engine,
    claimed: &ClaimedImport,
    survey: &Arc<Survey>,
    forecaster: Option<Forecaster>,
) -> Result<ChunkReader, AttemptError> {
    let lease = &claimed.lease;
    let upload = engine.uploads.open(lease.tenant, lease.import).await?;
    let digester = RowDigester::new(engine.row_key.clone(), lease.tenant, claimed.password_policy);
    let limits = ChunkLimits { rows: engine.chunk_rows, done: claimed.rows_done };
    Ok(ChunkReader::start(upload, Arc::clone(survey), digester, forecaster, limits))
}
