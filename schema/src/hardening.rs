//! What a process gives up at its start, so that what it holds in memory and what it writes stay its own.

/// No core dump of this process or of one that it starts holds a key, and no other process of the same user reads its
/// memory. Best effort: a system that cannot do it is no reason not to run.
pub fn protect_memory() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// Files that this process creates are for its user alone: 0600, folders 0700.
pub fn write_private_files() {
    #[cfg(target_os = "linux")]
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}
