//! Ways to break what surrounds the service.

pub mod crash_points;
pub mod lock;
pub mod proxy;
