//! Counts and durations as figures.

#[expect(clippy::cast_precision_loss, reason = "counts are small enough to be exact")]
pub fn to_f64(count: u64) -> f64 {
    count as f64
}

pub fn micros_per_row(seconds: f64, rows: u64) -> f64 {
    seconds * 1e6 / to_f64(rows)
}

pub fn per_second(count: u64, seconds: f64) -> f64 {
    to_f64(count) / seconds
}
