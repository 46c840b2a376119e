//! The results: a table on standard output, printed line by line, and a JSON file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::measured::Measured;

/// A figure and its reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub name: String,
    pub ours: f64,
    pub reference: f64,
    /// The unit of both figures.
    pub unit: &'static str,
    pub bound: Option<Bound>,
}

/// A bound on `ours` ÷ `reference`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// For costs.
    AtMost(f64),
    /// For throughput.
    AtLeast(f64),
}

impl Line {
    fn ratio(&self) -> f64 {
        self.ours / self.reference
    }

    fn is_met(&self) -> Option<bool> {
        self.bound.map(|bound| match bound {
            Bound::AtMost(limit) => self.ratio() <= limit,
            Bound::AtLeast(limit) => self.ratio() >= limit,
        })
    }

    fn bound_text(&self) -> Option<String> {
        self.bound.map(|bound| match bound {
            Bound::AtMost(limit) => format!("at most {limit}"),
            Bound::AtLeast(limit) => format!("at least {limit}"),
        })
    }
}

/// All results so far.
#[derive(Debug)]
pub struct Report {
    file: PathBuf,
    checks_bounds: bool,
    lines: Vec<Line>,
    failures: Vec<String>,
}

impl Report {
    /// An empty report, written to `file` after each benchmark. Unless `checks_bounds`, it does not say whether a bound is
    /// met.
    pub fn new(file: &Path, checks_bounds: bool) -> Self {
        Self { file: file.to_owned(), checks_bounds, lines: Vec::new(), failures: Vec::new() }
    }

    /// The service's figure with this name, if it was measured.
    pub fn ours(&self, name: &str) -> Option<f64> {
        self.lines.iter().find(|line| line.name == name).map(|line| line.ours)
    }

    /// Adds the results of a benchmark and prints them.
    pub(super) fn record(&mut self, benchmark: &str, measured: Measured<Vec<Line>>) {
        match measured {
            Ok(lines) => {
                if self.lines.is_empty() {
                    print_row(["name", "ours", "reference", "ratio", "unit", "bound", "met"]);
                }
                for line in &lines {
                    self.print(line);
                }
                self.lines.extend(lines);
            }
            Err(failure) => {
                eprintln!("{benchmark} FAILED: {}", failure.0);
                self.failures.push(format!("{benchmark}: {}", failure.0));
            }
        }
        self.write();
    }

    /// Prints the failures and returns the exit code.
    pub fn finish(self) -> ExitCode {
        for failure in &self.failures {
            println!("FAILED {failure}");
        }
        let missed = self.lines.iter().filter(|line| self.met(line) == Some(false)).count();
        if missed > 0 {
            println!("{missed} bounds missed");
        }
        if missed == 0 && self.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn met(&self, line: &Line) -> Option<bool> {
        line.is_met().filter(|_| self.checks_bounds)
    }

    fn print(&self, line: &Line) {
        let met = self.met(line).map_or("", |met| if met { "yes" } else { "NO" });
        print_row([
            &line.name,
            &format_figure(line.ours),
            &format_figure(line.reference),
            &format!("{:.3}", line.ratio()),
            line.unit,
            &line.bound_text().unwrap_or_default(),
            met,
        ]);
    }

    fn write(&self) {
        let lines: Vec<_> = self
            .lines
            .iter()
            .map(|line| {
                json!({
                    "name": line.name,
                    "ours": line.ours,
                    "reference": line.reference,
                    "ratio": line.ratio(),
                    "unit": line.unit,
                    "bound": line.bound_text(),
                    "met": self.met(line),
                })
            })
            .collect();
        let text = serde_json::to_string_pretty(&lines).expect("figures are numbers") + "\n";
        self.file
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&self.file, text))
            .unwrap_or_else(|error| panic!("writing {} failed: {error}", self.file.display()));
    }
}

fn print_row([name, ours, reference, ratio, unit, bound, met]: [&str; 7]) {
    let row = format!("{name:<24}{ours:>12}{reference:>12}{ratio:>8}  {unit:<10}{bound:<14}{met}");
    println!("{}", row.trim_end());
}

/// A figure with about four significant digits.
fn format_figure(figure: f64) -> String {
    let decimals = match figure.abs() {
        1000.0.. => 0,
        100.0.. => 1,
        10.0.. => 2,
        1.0.. => 3,
        _ => 5,
    };
    format!("{figure:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::measured::Failure;

    fn line(bound: Option<Bound>) -> Line {
        Line { name: "create".to_owned(), ours: 3.0, reference: 4.0, unit: "s", bound }
    }

    #[test]
    fn a_bound_limits_the_ratio() {
        assert_eq!(line(None).is_met(), None);
        assert_eq!(line(Some(Bound::AtMost(0.75))).is_met(), Some(true));
        assert_eq!(line(Some(Bound::AtMost(0.74))).is_met(), Some(false));
        assert_eq!(line(Some(Bound::AtLeast(0.75))).is_met(), Some(true));
        assert_eq!(line(Some(Bound::AtLeast(0.76))).is_met(), Some(false));
    }

    #[test]
    fn the_file_contains_every_line() {
        let folder = tempfile::tempdir().expect("a temporary folder can be created");
        let file = folder.path().join("target/bench.json");
        let mut report = Report::new(&file, true);
        report.record("create", Ok(vec![line(Some(Bound::AtMost(0.5))), line(None)]));
        report.record("other", Err(Failure("no answer".to_owned())));
        let text = fs::read_to_string(&file).expect("the file is there");
        let lines: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(
            lines[0],
            json!({
                "name": "create", "ours": 3.0, "reference": 4.0, "ratio": 0.75, "unit": "s",
                "bound": "at most 0.5", "met": false,
            })
        );
        assert_eq!((&lines[1]["bound"], &lines[1]["met"]), (&json!(null), &json!(null)));
        assert_eq!(report.ours("create"), Some(3.0));
        assert_eq!(report.failures, ["other: no answer"]);
    }
}
