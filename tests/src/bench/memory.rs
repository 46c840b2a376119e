//! The memory that an import takes.

use super::report::{Bound, Line};
use super::units::to_f64;
use crate::harness::{Stack, rss_kib};

/// The limit on the API's peak memory.
const API_LIMIT_MIB: f64 = 64.0;
/// The limit on a worker's peak memory.
const WORKER_LIMIT_MIB: f64 = 256.0;

/// Peak resident memory, in MiB.
#[derive(Debug, Clone, Copy, Default)]
pub struct Peak {
    api: f64,
    worker: f64,
}

impl Peak {
    /// The maximum of this peak and that of the stack's processes.
    pub fn max(self, stack: &Stack) -> Self {
        let worker = stack.worker_ids().into_iter().map(peak_mib).fold(self.worker, f64::max);
        Self { api: self.api.max(peak_mib(stack.api_id())), worker }
    }

    /// The peaks against their limits, under the names of the API's and of the worker's.
    pub fn lines(self, [api, worker]: [&str; 2]) -> [Line; 2] {
        [(api, self.api, API_LIMIT_MIB), (worker, self.worker, WORKER_LIMIT_MIB)].map(
            |(name, ours, reference)| Line {
                name: name.to_owned(),
                ours,
                reference,
                unit: "MiB",
                bound: Some(Bound::AtMost(1.0)),
            },
        )
    }
}

fn peak_mib(process: u32) -> f64 {
    to_f64(rss_kib(process).1) / 1024.0
}
