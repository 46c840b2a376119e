//! The result of a measurement, or why there is none.

pub type Measured<T> = Result<T, Failure>;

/// Why a measurement failed, such as a wrong answer from the service or a reference that did not run.
#[derive(Debug)]
pub struct Failure(pub String);
