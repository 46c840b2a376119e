//! Two sides measured alternately over several rounds, and their medians.

use super::conditions::settle;
use super::measured::{Failure, Measured};
use super::report::{Bound, Line};

/// The figures of both sides so far.
pub struct Comparison {
    name: &'static str,
    unit: &'static str,
    settles: bool,
    ours: Vec<f64>,
    reference: Vec<f64>,
}

impl Comparison {
    pub fn new(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit, settles: true, ours: Vec::new(), reference: Vec::new() }
    }

    /// Leaves the tables to both sides as they are. Only the server itself vacuums, analyses and runs checkpoints.
    #[must_use]
    pub fn unsettled(mut self) -> Self {
        self.settles = false;
        self
    }

    /// Runs both sides once more, under settled conditions unless they are [`unsettled`](Self::unsettled). The side that runs first alternates from round to round.
    pub async fn round(
        &mut self,
        ours: impl AsyncFnOnce() -> Measured<f64>,
        reference: impl AsyncFnOnce() -> Measured<f64>,
    ) -> Result<(), Failure> {
        self.settle().await;
        let (ours, reference) = if self.ours.len().is_multiple_of(2) {
            let ours = ours().await?;
            self.settle().await;
            (ours, reference().await?)
        } else {
            let reference = reference().await?;
            self.settle().await;
            (ours().await?, reference)
        };
        self.ours.push(ours);
        self.reference.push(reference);
        let (name, unit, round) = (self.name, self.unit, self.ours.len());
        eprintln!("{name}, round {round}: ours {ours:.3}, reference {reference:.3} {unit}");
        Ok(())
    }

    async fn settle(&self) {
        if self.settles {
            settle().await;
        }
    }

    /// The medians as a line of the report.
    pub fn line(&self, bound: Option<Bound>) -> Line {
        Line {
            name: self.name.to_owned(),
            ours: median(&self.ours),
            reference: median(&self.reference),
            unit: self.unit,
            bound,
        }
    }
}

/// The middle figure, or the mean of the two middle ones if their number is even.
pub fn median(figures: &[f64]) -> f64 {
    let sorted = sorted(figures);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    }
}

/// The smallest figure that `percent` of the figures do not exceed.
pub fn percentile(figures: &[f64], percent: usize) -> f64 {
    let sorted = sorted(figures);
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
}

fn sorted(figures: &[f64]) -> Vec<f64> {
    assert!(!figures.is_empty(), "nothing was measured");
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp)]

    use super::*;

    #[test]
    fn medians_and_percentiles() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0]), 2.5);
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!((percentile(&hundred, 50), percentile(&hundred, 99)), (50.0, 99.0));
        assert_eq!((percentile(&[7.0], 1), percentile(&[7.0, 8.0], 99)), (7.0, 8.0));
    }
}
