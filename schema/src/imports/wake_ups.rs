//! Which wake-ups and dead letters are due: the imports' own rows say so, so it commits together with what makes them due
//! (invariant 2).

use std::time::Duration;

use tokio_postgres::Row;

use crate::crash_point::{self, CrashPoint};
use crate::ids::{ImportId, TenantId};
use crate::lane::Lane;
use crate::postgres::client::{Session, Transaction};
use crate::rabbitmq::messages::WakeUp;
use crate::telemetry::TraceContext;

const DUE_WAKE_UPS: &str = include_str!("sql/due_wake_ups.sql");
const OVERDUE_HEADS: &str = include_str!("sql/overdue_heads.sql");
const NEXT_IN_LINE: &str = include_str!("sql/next_in_line.sql");
const MARK_PUBLISHED: &str = include_str!("sql/mark_published.sql");
const TAKE_DEAD_LETTER: &str = include_str!("sql/take_dead_letter.sql");
const MARK_DEAD_LETTERED: &str = include_str!("sql/mark_dead_lettered.sql");

pub(crate) const STATEMENTS: &[(&str, &str)] = &[
    ("due_wake_ups", DUE_WAKE_UPS),
    ("overdue_heads", OVERDUE_HEADS),
    ("next_in_line", NEXT_IN_LINE),
    ("mark_published", MARK_PUBLISHED),
    ("take_dead_letter", TAKE_DEAD_LETTER),
    ("mark_dead_lettered", MARK_DEAD_LETTERED),
];

type Result<T> = std::result::Result<T, tokio_postgres::Error>;

/// A wake-up that is to be published.
#[derive(Debug, Clone)]
pub struct DueWakeUp {
    pub lane: Lane,
    pub wake_up: WakeUp,
    /// How often the import has been claimed so far.
    pub attempts: i32,
}

impl DueWakeUp {
    fn from_row(row: &Row) -> Result<Self> {
        let trace = TraceContext { traceparent: row.try_get(4)?, tracestate: row.try_get(5)? };
        Ok(Self {
            lane: row.try_get(2)?,
            attempts: row.try_get(3)?,
            wake_up: WakeUp { tenant: row.try_get(0)?, import: row.try_get(1)?, trace },
        })
    }
}

/// The wake-ups that the relay is to publish: the heads of all lines that may be claimed and whose wake-up was never
/// confirmed, or so long ago that the message may be lost. The interval doubles with each message, so that the queues do
/// not fill with copies on a busy night.
pub async fn due_wake_ups(
    session: &Session,
    republish_after: Duration,
    limit: i64,
) -> Result<Vec<DueWakeUp>> {
    let rows = session.query(DUE_WAKE_UPS, &[&republish_after.as_secs_f64(), &limit]).await?;
    rows.iter().map(DueWakeUp::from_row).collect()
}

/// The heads of lines that may be claimed and whose wake-up no worker has answered within `answer_time`: it was lost with its
/// queue, waits at a worker that is frozen, or could not be published. For a worker with a free slot, which claims them without RabbitMQ.
pub async fn overdue_heads(
    session: &Session,
    lane: Lane,
    answer_time: Duration,
    limit: i64,
) -> Result<Vec<WakeUp>> {
    let rows = session.query(OVERDUE_HEADS, &[&lane, &answer_time.as_secs_f64(), &limit]).await?;
    rows.iter().map(|row| Ok(DueWakeUp::from_row(row)?.wake_up)).collect()
}

/// The head of a tenant's line, if it waits to be claimed: its wake-up is due when another import of the tenant ends.
pub async fn next_in_line(session: &Session, tenant: TenantId) -> Result<Option<DueWakeUp>> {
    let row = session.query_opt(NEXT_IN_LINE, &[&tenant]).await?;
    row.as_ref().map(DueWakeUp::from_row).transpose()
}

/// Records that a wake-up was published and confirmed, for an import that had been claimed `attempts` times.
pub async fn mark_published(
    session: &Session,
    tenant: TenantId,
    import: ImportId,
    attempts: i32,
) -> Result<()> {
    crash_point::reached_for(tenant, CrashPoint::BeforePublishedCommit);
    session.execute(MARK_PUBLISHED, &[&tenant, &import, &attempts]).await?;
    crash_point::reached_for(tenant, CrashPoint::AfterPublishedCommit);
    Ok(())
}

/// Takes the wake-up of an abandoned import that is not known to be a dead letter: until the transaction ends, no other
/// relay takes it. `None` if there is none, or others have taken them all.
pub async fn take_dead_letter_in_txn(txn: &Transaction) -> Result<Option<WakeUp>> {
    let row = txn.query_opt(TAKE_DEAD_LETTER, &[]).await?;
    row.map(|row| Ok(DueWakeUp::from_row(&row)?.wake_up)).transpose()
}

/// Records that the wake-up of an abandoned import is a dead letter, in the transaction that has taken it.
pub async fn mark_dead_lettered_in_txn(txn: &Transaction, wake_up: &WakeUp) -> Result<()> {
    txn.execute(MARK_DEAD_LETTERED, &[&wake_up.tenant, &wake_up.import]).await?;
    Ok(())
}
