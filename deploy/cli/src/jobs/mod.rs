//! `rollcall jobs`: lists and shows imports, cancels one, or retries one.

use clap::{Args, Subcommand};
use rollcall_schema::ids::ImportId;
use rollcall_schema::imports::job_view::{JobView, RowCounts};
use rollcall_schema::imports::model;
use rollcall_schema::imports::operator::{self as imports_operator, CancelOutcome, RetryOutcome};
use rollcall_schema::postgres::pool::Connection;
use rollcall_schema::settings::OwnerSettings;
use rollcall_schema::tenants::tenant::{FoundTenant, of_import};

use crate::database;
use crate::error::CommandError;
use crate::operator;
use crate::output::{Output, fields, table};
use crate::size::Size;
use crate::tenant;
use crate::time::timestamp;

const IMPORT_KEYS: &str = "  id, tenant
  state        \"queued\", \"running\" or \"finished\"
  ending       null until finished, then \"imported\", \"refused\" (the file cannot be imported),
               \"abandoned\" (too many attempts failed) or \"cancelled\"
  summary      the sentence that the client sees
  waiting      why it makes no progress, such as \"the database is away\"; left out where it does
  endpoint     \"users\" or \"userGroups\": the URL that the file was posted to
  kind         \"users\" or \"memberships\": what the file contains; null until it has been read
  bytes        of the upload
  submittedBy, submittedAt, startedAt, finishedAt (RFC 3339 in UTC, or null)
  attempt      how many times a worker has started the import
  rows         {\"processed\":…,\"total\":…,\"created\":…,\"updated\":…,\"failed\":…};
               total is null until the rows have been counted
  encoding, delimiter, ignoredColumns: how the file was read
  warnings     sentences about what the sender should know although no row failed for it
  traceId      32 hexadecimal digits, or null";

/// List, show, cancel and retry imports
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rollcall jobs list riverside
  rollcall jobs show 01939d5e-0f6a-7cc3-98c5-3f8a4a5e1b2c
  rollcall jobs cancel 01939d5e-0f6a-7cc3-98c5-3f8a4a5e1b2c")]
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
{IMPORT_KEYS}"))]
pub struct List {
    /// The tenant's name
    tenant: String,
    /// How many imports to list
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
    #[command(flatten)]
    database: OwnerSettings,
}

/// Selects one import.
#[derive(Debug, Args)]
struct Selection {
    /// The import's id
    #[arg(value_parser = id)]
    id: ImportId,
    /// Fail unless the import belongs to this tenant
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    #[command(flatten)]
    database: OwnerSettings,
}

/// Show one import: its progress, how its file was read, how it ended, its warnings, and its trace id
#[derive(Debug, Args)]
#[command(after_help = format!("\
The id is the last part of the `Location` header in the response to the upload. For the outcome of each row, GET that \
location.

Examples:
  rollcall jobs show 01939d5e-0f6a-7cc3-98c5-3f8a4a5e1b2c
  rollcall jobs show 01939d5e-0f6a-7cc3-98c5-3f8a4a5e1b2c --json | jq -r .traceId

With --json: an object with the keys
{IMPORT_KEYS}"))]
pub struct Show {
    #[command(flatten)]
    selection: Selection,
}

/// Cancel a queued or running import
#[derive(Debug, Args)]
#[command(after_help = format!("\
A running import stops within its current chunk. Rows that are already merged are kept, and the result says how many. \
The tenant's next import starts within seconds.

Example:
  rollcall jobs cancel 01939d5e-0f6a-7cc3-98c5-3f8a4a5e1b2c

With --json: an object with the keys
{IMPORT_KEYS}"))]
pub struct Cancel {
    #[command(flatten)]
    selection: Selection,
}

/// Run an abandoned or cancelled import again
#[derive(Debug, Args)]
#[command(after_help = format!("\
The import goes to the end of its tenant's line, resumes after the rows that are already processed, and may fail as \
often as a new import before it is abandoned again. Its upload must still exist: the workers keep uploads for \
ROLLCALL_UPLOAD_RETENTION_DAYS after an import has finished.

Example:
  rollcall jobs retry 01939d5e-0f6a-7cc3-98c5-3f8a4a5e1b2c

With --json: an object with the keys
{IMPORT_KEYS}"))]
pub struct Retry {
    #[command(flatten)]
    selection: Selection,
}

pub async fn run(command: Command, output: Output) -> Result<(), CommandError> {
    match command {
        Command::List(list) => run_list(&list, output).await,
        Command::Show(show) => run_show(&show.selection, output).await,
        Command::Cancel(cancel) => run_cancel(&cancel.selection, output).await,
        Command::Retry(retry) => run_retry(&retry.selection, output).await,
    }
}

async fn run_list(list: &List, output: Output) -> Result<(), CommandError> {
    let database = database::open_migrated(&list.database).await?;
    let mut conn = database.connection().await?;
    let tenant = tenant::find(&mut conn, &list.tenant).await?;
    let imports: Vec<JobView> = model::list(&mut conn, tenant.id, None, list.limit)
        .await?
        .into_iter()
        .map(|import| JobView::new(import, &tenant.name))
        .collect();
    output.print(&imports, || {
        if imports.is_empty() {
            return format!("{} has no imports yet.", tenant.name);
        }
        let rows: Vec<_> = imports
            .iter()
            .map(|import| {
                [
                    import.id.to_string(),
                    timestamp(import.submitted_at),
                    import.submitted_by.clone(),
                    import.status().to_owned(),
                    summary_and_waiting(import),
                ]
            })
            .collect();
        table(["IMPORT", "SUBMITTED", "BY", "STATE", "SUMMARY"], &rows)
    })?;
    Ok(())
}

async fn run_show(selection: &Selection, output: Output) -> Result<(), CommandError> {
    let database = database::open_migrated(&selection.database).await?;
    let mut conn = database.connection().await?;
    let tenant = tenant_of(&mut conn, selection).await?;
    let import = model::find(&mut conn, tenant.id, selection.id).await?.ok_or_else(|| {
        CommandError::UnknownImportOfTenant { tenant: tenant.name.clone(), id: selection.id }
    })?;
    let import = JobView::new(import, &tenant.name);
    output.print(&import, || details(&import))?;
    Ok(())
}

async fn run_cancel(selection: &Selection, output: Output) -> Result<(), CommandError> {
    let database = database::open_migrated(&selection.database).await?;
    let mut conn = database.connection().await?;
    let tenant = tenant_of(&mut conn, selection).await?;
    let import =
        match imports_operator::cancel(&mut conn, tenant.id, selection.id, &operator::actor()).await? {
            CancelOutcome::Cancelled(import) => import,
            CancelOutcome::TooLate(_) => return Err(CommandError::ImportFinished(selection.id)),
            CancelOutcome::NotFound => {
                return Err(CommandError::UnknownImportOfTenant { tenant: tenant.name, id: selection.id });
            }
        };
    let import = JobView::new(import, &tenant.name);
    output.print(&import, || import.summary.clone())?;
    Ok(())
}

async fn run_retry(selection: &Selection, output: Output) -> Result<(), CommandError> {
    let database = database::open_migrated(&selection.database).await?;
    let mut conn = database.connection().await?;
    let tenant = tenant_of(&mut conn, selection).await?;
    let import = match imports_operator::retry(&mut conn, tenant.id, selection.id, &operator::actor()).await?
    {
        RetryOutcome::Queued(import) => import,
        RetryOutcome::NothingToRetry(import) => {
            let status = JobView::new(import, &tenant.name).status();
            return Err(CommandError::NotRetryable { id: selection.id, status });
        }
        RetryOutcome::UploadDeleted(_) => return Err(CommandError::UploadDeleted(selection.id)),
        RetryOutcome::NotFound => {
            return Err(CommandError::UnknownImportOfTenant { tenant: tenant.name, id: selection.id });
        }
    };
    let import = JobView::new(import, &tenant.name);
    output.print(&import, || {
        let start = match import.rows.processed {
            0 => "start from the beginning".to_owned(),
            processed => format!("resume after its {processed} processed rows"),
        };
        format!(
            "The import is at the end of {}'s line and will {start}. To see its progress, run: rollcall jobs show {}",
            tenant.name, import.id
        )
    })?;
    Ok(())
}

/// Finds the tenant given with `--tenant` or, without that option, the one that the import belongs to.
async fn tenant_of(conn: &mut Connection, selection: &Selection) -> Result<FoundTenant, CommandError> {
    if let Some(name) = &selection.tenant {
        return tenant::find(conn, name).await;
    }
    of_import(conn, selection.id).await?.ok_or(CommandError::UnknownImport(selection.id))
}

/// The summary, and why the import makes no progress.
fn summary_and_waiting(import: &JobView) -> String {
    match &import.waiting {
        None => import.summary.clone(),
        Some(reason) => format!("{} Waiting: {reason}.", import.summary),
    }
}

/// One import as text, a line for each property.
fn details(import: &JobView) -> String {
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let state = match import.ending {
        Some(ending) => format!("finished, {ending}"),
        None => import.status().to_owned(),
    };
    let RowCounts { processed, total, created, updated, failed } = &import.rows;
    let progress =
        total.map_or_else(|| format!("{processed} rows"), |total| format!("{processed} of {total} rows"));
    let ignored = (!import.ignored_columns.is_empty()).then(|| import.ignored_columns.join(", "));
    let mut shown = vec![
        ("Import", import.id.to_string()),
        ("Tenant", import.tenant.clone()),
        ("State", state),
        ("Summary", import.summary.clone()),
        ("Waiting", or_dash(import.waiting.clone())),
        ("Progress", format!("{progress}: {created} created, {updated} updated, {failed} failed")),
        ("Attempts", import.attempt.to_string()),
        ("Posted to", format!("/api/import/{}", import.endpoint.as_str())),
        ("Read as", or_dash(import.kind.map(|kind| kind.as_str().to_owned()))),
        ("Encoding", or_dash(import.encoding.clone())),
        ("Delimiter", or_dash(import.delimiter.clone())),
        ("Ignored columns", or_dash(ignored)),
        ("Upload", Size::from_bytes(import.bytes).to_string()),
        ("Submitted by", import.submitted_by.clone()),
        ("Submitted", timestamp(import.submitted_at)),
        ("Started", or_dash(import.started_at.map(timestamp))),
        ("Finished", or_dash(import.finished_at.map(timestamp))),
        ("Trace id", or_dash(import.trace_id.clone())),
    ];
    shown.extend(import.warnings.iter().map(|warning| ("Warning", warning.clone())));
    fields(&shown)
}

fn id(text: &str) -> Result<ImportId, &'static str> {
    text.parse().map_err(|_| "an import's id is a UUID, such as 01939d5e-0f6a-7cc3-98c5-3f8a4a5e1b2c")
}
