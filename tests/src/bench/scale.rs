//! Rosters of increasing size: the time per row, and the memory that the largest takes.

use super::benchmark::Benchmark;
use super::comparison::median;
use super::conditions::settle;
use super::fixture::Fixture;
use super::measured::Measured;
use super::memory::Peak;
use super::report::{Bound, Line};
use super::service::{all, import};
use super::units::micros_per_row;
use crate::harness::{Row, Stack};
use crate::oracle::Endpoint;
use crate::rosters::large::RosterOptions;

/// The names of the report's lines, by size.
const NAMES: [&str; 4] = ["scale_10k", "scale_100k", "scale_1m", "scale_5m"];
/// Imports of each size. Fewer than in other benchmarks, because the largest takes minutes.
const ROUNDS: usize = 2;

/// Imports each size on a stack of its own. `scale` compares the time per row with the lowest from the second size on, and
/// `memory` is the peak of the largest. If only `memory` is wanted, imports only the largest, once.
pub async fn run(fixture: &Fixture, wanted: impl Fn(Benchmark) -> bool) -> Measured<Vec<Line>> {
    let largest = fixture.sizes.scale.len() - 1;
    let (sizes, rounds) =
        if wanted(Benchmark::Scale) { (0..=largest, ROUNDS) } else { (largest..=largest, 1) };
    let mut costs: [Vec<f64>; NAMES.len()] = Default::default();
    let mut peak = Peak::default();
    for _ in 0..rounds {
        for size in sizes.clone() {
            let rows = fixture.sizes.scale[size];
            let file = fixture.files.users("users", rows, &RosterOptions::default());
            let stack = Stack::new().await;
            settle().await;
            let seconds = import(&stack, Endpoint::Users, &file, &all(rows, Row::Created)).await?;
            eprintln!("{}: {rows} rows in {seconds:.3} s", NAMES[size]);
            costs[size].push(micros_per_row(seconds, rows));
            if size == largest {
                peak = peak.max(&stack);
            }
        }
    }
    let mut lines = if wanted(Benchmark::Scale) { scale_lines(&costs) } else { Vec::new() };
    if wanted(Benchmark::Memory) {
        lines.extend(peak.lines(["memory_api", "memory_worker"]));
    }
    Ok(lines)
}

fn scale_lines(costs: &[Vec<f64>; NAMES.len()]) -> Vec<Line> {
    let costs = costs.each_ref().map(|costs| median(costs));
    let cheapest = costs.iter().skip(1).copied().fold(f64::INFINITY, f64::min);
    NAMES
        .into_iter()
        .zip(costs)
        .enumerate()
        .map(|(size, (name, cost))| Line {
            name: name.to_owned(),
            ours: cost,
            reference: cheapest,
            unit: "µs/row",
            // The smallest size has no bound: the fixed cost of an import dominates it.
            bound: (size > 0).then_some(Bound::AtMost(1.5)),
        })
        .collect()
}
