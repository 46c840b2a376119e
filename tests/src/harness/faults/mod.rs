//! Faults: processes that crash or freeze, chunks that block, networks that break.

pub mod crash_points;
pub mod lock;
pub mod proxy;
