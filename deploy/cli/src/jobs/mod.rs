//! `rollcall jobs`: shows what became of the imports, cancels one, or has one run again.

use chrono::{DateTime, SubsecRound as _, Utc};
use clap::{Args, Subcommand};
use rollcall_schema::config::DatabaseSettings;
use rollcall_schema::database::Connection;
use rollcall_schema::ids::ImportId;
use rollcall_schema::import::by_hand::{self, Cancelled, Retried};
use rollcall_schema::import::{self, Ending, Import, State};
use rollcall_schema::result;
use rollcall_schema::tenant::{self as tenants, FoundTenant};
use serde::Serialize;

use crate::database;
use crate::error::Failure;
use crate::output::{Output, facts, table};
use crate::size::Size;
use crate::tenant;

const JOB_KEYS: &str = "  id, tenant
  state        \"queued\", \"running\" or \"finished\"
  ending       null until finished, then \"imported\", \"refused\" (the file cannot be imported),
               \"abandoned\" (the service gave up) or \"cancelled\"
  summary      the sentence that the client reads
  endpoint     \"users\" or \"userGroups\": where the file was posted
  kind         \"users\" or \"memberships\": what it turned out to be; null until it was read
  upload_bytes, submitted_as, submitted_at, started_at, finished_at (RFC 3339 in UTC, or null)
  attempts     how often a worker began
  rows         {\"processed\":…,\"total\":…,\"created\":…,\"updated\":…,\"failed\":…};
               total is null until counted
  encoding, delimiter, ignored_columns: what the reader chose and ignored
  trace_id     32 hexadecimal digits, or null";

/// Look at the imports: what waits, what runs, and how it ended; cancel one, or run it again
#[derive(Debug, Subcommand)]
pub enum Command {
    List(List),
    Show(Show),
    Cancel(Cancel),
    Retry(Retry),
}

/// List a tenant's imports, newest first
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  rollcall jobs list riverside
  rollcall jobs list riverside --limit 1 --json | jq -r '.[0].state'

With --json: an array of objects with the keys
{JOB_KEYS}"))]
pub struct List {
    /// The tenant's name
    tenant: String,
    /// How many to show
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// Which import.
#[derive(Debug, Args)]
struct Which {
    /// The job's id
    #[arg(value_parser = id)]
    id: ImportId,
    /// Look only among this tenant's jobs
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// Show one import: how far it is, how it was read, how it ended, and its trace
#[derive(Debug, Args)]
#[command(after_help = format!("\
The id is the last part of the `Location` that the upload's answer carries. What became of each row is in the \
result: GET that location.

Examples:
  rollcall jobs show 01939d5e-0f6a-7cc3-98c5-3f8a4a5e1b2c
  rollcall jobs show 01939d5e-0f6a-7cc3-98c5-3f8a4a5e1b2c --json | jq -r .trace_id

With --json: an object with the keys
{JOB_KEYS}"))]
pub struct Show {
    #[command(flatten)]
    which: Which,
}

/// Cancel an import that waits or runs
#[derive(Debug, Args)]
#[command(after_help = format!("\
A running import stops within the chunk at hand. Rows that were merged stay so, and its result says how far it got. The \
tenant's next import begins within seconds.

Example:
  rollcall jobs cancel 01939d5e-0f6a-7cc3-98c5-3f8a4a5e1b2c

With --json: an object with the keys
{JOB_KEYS}"))]
pub struct Cancel {
    #[command(flatten)]
    which: Which,
}

/// Run an import again that was given up or cancelled
#[derive(Debug, Args)]
#[command(after_help = format!("\
It goes on behind the rows that were processed, with all its attempts before it, at the end of its tenant's line. Its \
upload must still be there: the workers keep it for ROLLCALL_UPLOAD_RETENTION_DAYS after the import has ended.

Example:
  rollcall jobs retry 01939d5e-0f6a-7cc3-98c5-3f8a4a5e1b2c

With --json: an object with the keys
{JOB_KEYS}"))]
pub struct Retry {
    #[command(flatten)]
    which: Which,
}

/// Does what was asked of the jobs.
pub async fn run(command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::List(list) => run_list(&list, output).await,
        Command::Show(show) => run_show(&show.which, output).await,
        Command::Cancel(cancel) => run_cancel(&cancel.which, output).await,
        Command::Retry(retry) => run_retry(&retry.which, output).await,
    }
}

async fn run_list(list: &List, output: Output) -> Result<(), Failure> {
    let database = database::open_migrated(&list.database).await?;
    let mut conn = database.connection().await?;
    let tenant = tenant::named(&mut conn, &list.tenant).await?;
    let jobs: Vec<Job> = import::list(&mut conn, tenant.id, None, list.limit)
        .await?
        .into_iter()
        .map(|import| Job::new(import, &tenant.name))
        .collect();
    output.answer(&jobs, || {
        if jobs.is_empty() {
            return format!("{} has sent no imports yet.", tenant.name);
        }
        let rows: Vec<_> = jobs
            .iter()
            .map(|job| {
                let state = job.ending.unwrap_or(state_name(job.state)).to_owned();
                [
                    job.id.to_string(),
                    instant(job.submitted_at),
                    job.submitted_as.clone(),
                    state,
                    job.summary.clone(),
                ]
            })
            .collect();
        table(["JOB", "SUBMITTED", "BY", "STATE", "SUMMARY"], &rows)
    })?;
    Ok(())
}

async fn run_show(which: &Which, output: Output) -> Result<(), Failure> {
    let database = database::open_migrated(&which.database).await?;
    let mut conn = database.connection().await?;
    let tenant = tenant_of(&mut conn, which).await?;
    let import = import::find(&mut conn, tenant.id, which.id)
        .await?
        .ok_or_else(|| Failure::UnknownJobOfTenant { tenant: tenant.name.clone(), job: which.id })?;
    let job = Job::new(import, &tenant.name);
    output.answer(&job, || job.in_full())?;
    Ok(())
}

async fn run_cancel(which: &Which, output: Output) -> Result<(), Failure> {
    let database = database::open_migrated(&which.database).await?;
    let mut conn = database.connection().await?;
    let tenant = tenant_of(&mut conn, which).await?;
    let import = match by_hand::cancel(&mut conn, tenant.id, which.id, "the operator").await? {
        Cancelled::Yes(import) => import,
        Cancelled::TooLate(_) => return Err(Failure::JobEnded(which.id)),
        Cancelled::Unknown => {
            return Err(Failure::UnknownJobOfTenant { tenant: tenant.name, job: which.id });
        }
    };
    let job = Job::new(import, &tenant.name);
    output.answer(&job, || job.summary.clone())?;
    Ok(())
}

async fn run_retry(which: &Which, output: Output) -> Result<(), Failure> {
    let database = database::open_migrated(&which.database).await?;
    let mut conn = database.connection().await?;
    let tenant = tenant_of(&mut conn, which).await?;
    let import = match by_hand::retry(&mut conn, tenant.id, which.id).await? {
        Retried::InLine(import) => import,
        Retried::NothingToDo(import) => {
            return Err(Failure::NothingToRetry {
                job: which.id,
                state: import.ending.as_ref().map_or(state_name(import.state), ending_name),
            });
        }
        Retried::UploadDeleted(_) => return Err(Failure::UploadDeleted(which.id)),
        Retried::Unknown => {
            return Err(Failure::UnknownJobOfTenant { tenant: tenant.name, job: which.id });
        }
    };
    let job = Job::new(import, &tenant.name);
    output.answer(&job, || {
        format!(
            "The import waits at the end of {}'s line, and goes on behind its {} processed rows. Watch it: rollcall jobs \
             show {}",
            tenant.name, job.rows.processed, job.id
        )
    })?;
    Ok(())
}

/// The tenant that was named, else the one whose job it is.
async fn tenant_of(conn: &mut Connection, which: &Which) -> Result<FoundTenant, Failure> {
    if let Some(name) = &which.tenant {
        return tenant::named(conn, name).await;
    }
    tenants::of_import(conn, which.id).await?.ok_or(Failure::UnknownJob(which.id))
}

/// An import as it is shown. Its keys are documented in the help: scripts hold on to them.
#[derive(Debug, Serialize)]
struct Job {
    id: ImportId,
    tenant: String,
    state: State,
    ending: Option<&'static str>,
    summary: String,
    endpoint: &'static str,
    kind: Option<String>,
    upload_bytes: i64,
    submitted_as: String,
    submitted_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    attempts: i32,
    rows: Rows,
    encoding: Option<String>,
    delimiter: Option<String>,
    ignored_columns: Vec<String>,
    trace_id: Option<String>,
}

#[derive(Debug, Serialize)]
struct Rows {
    processed: u64,
    total: Option<u64>,
    created: u64,
    updated: u64,
    failed: u64,
}

impl Job {
    fn new(import: Import, tenant: &str) -> Self {
        let summary = match &import.ending {
            None => import.pending_summary(),
            Some(Ending::Imported) => result::summary(import.tally),
            Some(Ending::Refused(why) | Ending::Abandoned(why) | Ending::Cancelled(why)) => why.clone(),
        };
        Self {
            id: import.id,
            tenant: tenant.to_owned(),
            state: import.state,
            ending: import.ending.as_ref().map(ending_name),
            summary,
            endpoint: import.endpoint.as_str(),
            kind: import.kind,
            upload_bytes: import.upload_bytes,
            submitted_as: import.submitted_as,
            submitted_at: import.submitted_at,
            started_at: import.started_at,
            finished_at: import.finished_at,
            attempts: import.attempt,
            rows: Rows {
                processed: import.tally.rows(),
                total: import.rows_total,
                created: import.tally.created,
                updated: import.tally.updated,
                failed: import.tally.failed,
            },
            encoding: import.encoding,
            delimiter: import.delimiter,
            ignored_columns: import.ignored_columns,
            trace_id: import.traceparent.as_deref().and_then(trace_id),
        }
    }

    fn in_full(&self) -> String {
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let state = match self.ending {
            Some(ending) => format!("finished, {ending}"),
            None => state_name(self.state).to_owned(),
        };
        let Rows { processed, total, created, updated, failed } = &self.rows;
        let progress =
            total.map_or_else(|| format!("{processed} rows"), |total| format!("{processed} of {total} rows"));
        let ignored = (!self.ignored_columns.is_empty()).then(|| self.ignored_columns.join(", "));
        facts(&[
            ("Job", self.id.to_string()),
            ("Tenant", self.tenant.clone()),
            ("State", state),
            ("Summary", self.summary.clone()),
            ("Progress", format!("{progress}: {created} created, {updated} updated, {failed} failed")),
            ("Attempts", self.attempts.to_string()),
            ("Posted to", format!("/api/import/{}", self.endpoint)),
            ("Read as", or_dash(self.kind.clone())),
            ("Encoding", or_dash(self.encoding.clone())),
            ("Delimiter", or_dash(self.delimiter.clone())),
            ("Ignored columns", or_dash(ignored)),
            ("Upload", Size::from_bytes(self.upload_bytes).to_string()),
            ("Submitted by", self.submitted_as.clone()),
            ("Submitted", instant(self.submitted_at)),
            ("Started", or_dash(self.started_at.map(instant))),
            ("Finished", or_dash(self.finished_at.map(instant))),
            ("Trace id", or_dash(self.trace_id.clone())),
        ])
    }
}

fn id(text: &str) -> Result<ImportId, &'static str> {
    text.parse().map_err(|_| "a job's id is a UUID, such as 01939d5e-0f6a-7cc3-98c5-3f8a4a5e1b2c")
}

fn ending_name(ending: &Ending) -> &'static str {
    match ending {
        Ending::Imported => "imported",
        Ending::Refused(_) => "refused",
        Ending::Abandoned(_) => "abandoned",
        Ending::Cancelled(_) => "cancelled",
    }
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Queued => "queued",
        State::Running => "running",
        State::Finished => "finished",
    }
}

/// To the second, in UTC, as logs and traces have it.
fn instant(at: DateTime<Utc>) -> String {
    format!("{}", at.trunc_subsecs(0).format("%Y-%m-%d %H:%M:%SZ"))
}

/// The trace id in a `traceparent`: `00-TRACE-SPAN-FLAGS`.
fn trace_id(traceparent: &str) -> Option<String> {
    let id = traceparent.split('-').nth(1)?;
    (id.len() == 32).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trace_id_is_the_second_part_of_the_traceparent() {
        let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(trace_id(traceparent).as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
        assert_eq!(trace_id("nonsense"), None);
        assert_eq!(trace_id("00-short-b7ad6b7169203331-01"), None);
    }
}
