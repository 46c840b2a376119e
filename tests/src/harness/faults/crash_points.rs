//! Processes that kill or freeze themselves at a crash point (see [`rollcall_schema::crash_point`]).

use std::os::unix::process::ExitStatusExt as _;

use rollcall_servers::Process;

use crate::harness::condition::eventually;
use crate::harness::processes::binary::binary_path;
use crate::harness::stack::Stack;

/// The environment variable that arms a crash point.
const CRASH_POINT_VARIABLE: &[u8] = b"ROLLCALL_CRASH_POINT";

/// Whether the service was built with crash points.
pub fn has_crash_points() -> bool {
    ["rollcall-api", "rollcall-worker"].iter().all(|name| {
        let binary = std::fs::read(binary_path(name)).expect("the service's binaries can be read");
        binary.windows(CRASH_POINT_VARIABLE.len()).any(|bytes| bytes == CRASH_POINT_VARIABLE)
    })
}

impl Stack {
    /// Waits until the API has killed itself at its crash point.
    pub async fn wait_until_api_killed(&mut self) {
        let api = self.api.as_mut().expect("the API runs");
        killed("the API", api).await;
        self.api = None;
    }

    /// Waits until the worker that was started last has killed itself at its crash point.
    pub async fn wait_until_worker_killed(&mut self) {
        let mut worker = self.workers.pop().expect("a worker runs");
        killed("the worker", &mut worker).await;
    }

    /// Waits until a worker is frozen.
    pub async fn wait_until_worker_frozen(&mut self, number: usize) {
        let id = self.workers[number].id();
        eventually("the worker is frozen", async || is_frozen(id).then_some(())).await;
    }
}

/// Waits until a process has ended by SIGKILL, and not otherwise.
async fn killed(what: &str, process: &mut Process) {
    let ended = eventually(&format!("{what} is killed at its crash point"), async || process.ended()).await;
    assert_eq!(ended.signal(), Some(9), "{what} did not end by SIGKILL: {ended}");
}

/// Whether a signal has stopped every thread of a process.
fn is_frozen(process: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { return false };
    threads.flatten().all(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
    })
}
