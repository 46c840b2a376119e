//! Ways to break what surrounds the service.

pub mod proxy;
