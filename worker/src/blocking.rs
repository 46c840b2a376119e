//! Work that would keep a thread of the runtime from its other tasks.

/// Rows that a thread works on at once, at a microsecond or two for each, before it hands its other tasks to another thread.
/// To hand them over takes as long as to check a hundred.
const ROWS_IN_PLACE: usize = 500;

/// Does work on so many rows.
pub fn with_rows<T>(rows: usize, work: impl FnOnce() -> T) -> T {
    if rows <= ROWS_IN_PLACE { work() } else { tokio::task::block_in_place(work) }
}
