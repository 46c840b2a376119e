//! The service's binaries, and what the kernel knows of a process.

use std::path::{Path, PathBuf};

/// The path of one of the service's binaries, which are next to the tests' binary or one folder up.
pub fn binary_path(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a process knows its executable");
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|folder: &Path| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is not built: run cargo build --workspace --bins"))
}

/// A port on which no process listens, and which no outgoing connection takes while the process that it is for is down.
pub fn free_port() -> u16 {
    rollcall_servers::free_port().expect("there is a free port")
}

/// The resident memory of a process and its peak, in KiB.
pub fn rss_kib(process: u32) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse().ok()).unwrap_or(0)
    };
    (field("VmRSS:"), field("VmHWM:"))
}
