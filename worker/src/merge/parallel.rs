//! Merges the chunks of an attempt, several at the same time.

use rollcall_schema::imports::progress::FileFormat;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::chunk::Chunk;
use super::commit_order::CommitOrder;
use super::error::ChunkError;
use super::transaction::{MergeContext, merge_chunk};

/// The chunks of an attempt that are being merged. Dropped with the attempt, however it ends: then no chunk continues.
pub struct ParallelMerges {
    context: MergeContext,
    limit: usize,
    /// What the survey found: stored with the first chunk.
    format: Option<FileFormat>,
    order: CommitOrder,
    merges: JoinSet<Result<(), ChunkError>>,
}

impl ParallelMerges {
    /// Merges at most `limit` chunks at the same time, each on a connection of its own.
    pub fn new(context: MergeContext, limit: usize, format: FileFormat) -> Self {
        Self { context, limit, format: Some(format), order: CommitOrder::default(), merges: JoinSet::new() }
    }

    /// Starts to merge the next chunk of the file, as soon as fewer than `limit` chunks are pending and none of them
    /// overlaps with it. Fails if a chunk that was started earlier has failed.
    pub async fn start(&mut self, chunk: Chunk) -> Result<(), ChunkError> {
        while self.order.len() >= self.limit || self.order.overlaps(&chunk.write_set) {
            self.wait_for_one().await?;
        }
        let ticket = self.order.start(&chunk.write_set);
        let merge = merge_chunk(self.context.clone(), self.format.take(), chunk, ticket);
        self.merges.spawn(merge.in_current_span());
        Ok(())
    }

    /// Waits until every chunk that was started has committed.
    pub async fn wait_for_all(&mut self) -> Result<(), ChunkError> {
        while !self.order.is_empty() {
            self.wait_for_one().await?;
        }
        Ok(())
    }

    async fn wait_for_one(&mut self) -> Result<(), ChunkError> {
        let Some(merged) = self.merges.join_next().await else { return Ok(()) };
        self.order.remove_committed();
        merged.map_err(ChunkError::Panicked)?
    }
}
