//! Counts the rows of a file while they are imported, so that clients can see how far the import is.

use std::io::{self, Read};
use std::time::Duration;

use rollcall_schema::imports::lease::Lease;
use rollcall_schema::imports::progress;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument as _;

use crate::attempt::AttemptError;
use crate::engine::Engine;
use crate::read;
use crate::read::format::Format;

/// How long an import runs before its rows are counted. Most imports finish earlier, and their files are not read a third
/// time.
const DELAY: Duration = Duration::from_secs(3);

/// Starts to count the rows of an import's file. Nothing depends on the result. Counting ends when the guard is dropped.
pub fn count_rows(engine: Engine, lease: Lease, format: Format) -> DropGuard {
    let ended = CancellationToken::new();
    let guard = ended.clone().drop_guard();
    let count = {
        let ended = ended.clone();
        async move {
            tokio::time::sleep(DELAY).await;
            let upload = engine.uploads.open(lease.tenant, lease.import).await?;
            let upload = CancellableRead { ended, source: upload };
            let rows = tokio::task::spawn_blocking(move || read::count_rows(upload, format)).await??;
            let mut conn = engine.database.connection().await?;
            progress::record_total(&mut conn, &lease, rows).await?;
            Ok::<_, AttemptError>(())
        }
    };
    let logged = async move {
        if let Err(error) = count.await {
            tracing::debug!(error = &error as &dyn std::error::Error, "counting the rows failed");
        }
    };
    let cancellable = async move {
        let _ = ended.run_until_cancelled(logged).await;
    };
    tokio::spawn(cancellable.instrument(tracing::info_span!("count rows")));
    guard
}

/// Fails once `ended` is cancelled, so that the thread that reads it ends.
struct CancellableRead<R> {
    ended: CancellationToken,
    source: R,
}

impl<R: Read> Read for CancellableRead<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended.is_cancelled() {
            return Err(io::Error::other("the attempt has ended"));
        }
        self.source.read(buffer)
    }
}
