//! Rosters of growing size: what a row costs, and what memory the largest takes.

use super::benchmark::Benchmark;
use super::comparison::median;
use super::conditions::settle;
use super::fixture::Fixture;
use super::measured::Measured;
use super::report::{Bound, Line};
use super::service::{all, import};
use super::units::{micros_per_row, to_f64};
use crate::harness::{Row, Stack, rss_kib};
use crate::oracle::Endpoint;
use crate::rosters::large::RosterOptions;

/// The lines of the sizes, in their order.
const NAMES: [&str; 4] = ["scale_10k", "scale_100k", "scale_1m", "scale_5m"];
/// How often each size is imported: fewer than elsewhere, for the largest takes minutes.
const ROUNDS: usize = 2;
/// What the API may take at its peak, in MiB.
const API_LIMIT: f64 = 64.0;
/// What a worker may take at its peak, in MiB.
const WORKER_LIMIT: f64 = 256.0;

/// Imports each size on a stack of its own: `scale` against the cheapest row from the second size on, `memory` of the
/// largest. Where only memory is wanted, only the largest, once.
pub async fn run(fixture: &Fixture, wanted: impl Fn(Benchmark) -> bool) -> Measured<Vec<Line>> {
    let largest = fixture.sizes.growing.len() - 1;
    let (sizes, rounds) =
        if wanted(Benchmark::Scale) { (0..=largest, ROUNDS) } else { (largest..=largest, 1) };
    let mut costs: [Vec<f64>; NAMES.len()] = Default::default();
    let mut peak = Peak::default();
    for _ in 0..rounds {
        for size in sizes.clone() {
            let rows = fixture.sizes.growing[size];
            let file = fixture.files.users("users", rows, &RosterOptions::default());
            let stack = Stack::new().await;
            settle().await;
            let seconds = import(&stack, Endpoint::Users, &file, &all(rows, Row::Created)).await?;
            eprintln!("{}: {rows} rows in {seconds:.3} s", NAMES[size]);
            costs[size].push(micros_per_row(seconds, rows));
            if size == largest {
                peak = peak.or_higher(&stack);
            }
        }
    }
    let mut lines = if wanted(Benchmark::Scale) { scale(&costs) } else { Vec::new() };
    if wanted(Benchmark::Memory) {
        lines.extend(peak.lines());
    }
    Ok(lines)
}

fn scale(costs: &[Vec<f64>; NAMES.len()]) -> Vec<Line> {
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
            // What every import costs, whatever its size, stands out of the smallest.
            bound: (size > 0).then_some(Bound::AtMost(1.5)),
        })
        .collect()
}

/// Peaks of resident memory, in MiB.
#[derive(Debug, Clone, Copy, Default)]
struct Peak {
    api: f64,
    worker: f64,
}

impl Peak {
    /// The higher of these and of what the stack's processes took so far.
    fn or_higher(self, stack: &Stack) -> Self {
        let worker = stack.worker_ids().into_iter().map(peak_mib).fold(self.worker, f64::max);
        Self { api: self.api.max(peak_mib(stack.api_id())), worker }
    }

    fn lines(self) -> [Line; 2] {
        [("memory_api", self.api, API_LIMIT), ("memory_worker", self.worker, WORKER_LIMIT)].map(
            |(name, ours, reference)| Line {
                name: name.to_owned(),
                ours,
                reference,
                unit: "MiB",
                bound: Some(Bound::AtMost(1.0)),
            },
        )
    }
}

fn peak_mib(process: u32) -> f64 {
    to_f64(rss_kib(process).1) / 1024.0
}
