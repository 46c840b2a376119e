//! The result of a measurement.

/// What a benchmark comes to.
pub type Measured<T> = Result<T, Failure>;

/// Why something could not be measured: an answer that is not the right one, or a reference that did not run.
#[derive(Debug)]
pub struct Failure(pub String);
