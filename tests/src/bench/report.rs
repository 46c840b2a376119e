//! What was measured: a table for people, a line at a time, and a file for programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::measured::Measured;

/// One figure beside its reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What was done.
    pub name: String,
    /// The service's figure.
    pub ours: f64,
    /// What it is compared to.
    pub reference: f64,
    /// The unit of both.
    pub unit: &'static str,
    /// What the ratio of the two may be, where that is promised.
    pub bound: Option<Bound>,
}

/// A bound on ours ÷ reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// For what costs.
    AtMost(f64),
    /// For what gets done.
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

/// Everything measured so far.
#[derive(Debug)]
pub struct Report {
    file: PathBuf,
    judges: bool,
    lines: Vec<Line>,
    failures: Vec<String>,
}

impl Report {
    /// An empty one that writes itself to `file` whenever a benchmark is done. One that does not judge leaves the bounds
    /// unsaid.
    pub fn new(file: &Path, judges: bool) -> Self {
        Self { file: file.to_owned(), judges, lines: Vec::new(), failures: Vec::new() }
    }

    /// The service's figure of that name, if it was measured.
    pub fn ours(&self, name: &str) -> Option<f64> {
        self.lines.iter().find(|line| line.name == name).map(|line| line.ours)
    }

    /// Takes what a benchmark came to, and prints it.
    pub(super) fn take(&mut self, benchmark: &str, measured: Measured<Vec<Line>>) {
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

    /// Says what failed and whether all is well.
    pub fn end(self) -> ExitCode {
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
        line.is_met().filter(|_| self.judges)
    }

    fn print(&self, line: &Line) {
        let met = self.met(line).map_or("", |met| if met { "yes" } else { "NO" });
        print_row([
            &line.name,
            &figure(line.ours),
            &figure(line.reference),
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
            .unwrap_or_else(|error| panic!("{} can be written: {error}", self.file.display()));
    }
}

fn print_row([name, ours, reference, ratio, unit, bound, met]: [&str; 7]) {
    let row = format!("{name:<24}{ours:>12}{reference:>12}{ratio:>8}  {unit:<10}{bound:<14}{met}");
    println!("{}", row.trim_end());
}

/// A figure with about four digits that count.
fn figure(figure: f64) -> String {
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

    fn line(bound: Option<Bound>) -> Line {
        Line { name: "create".to_owned(), ours: 3.0, reference: 4.0, unit: "s", bound }
    }

    #[test]
    fn a_bound_is_on_the_ratio() {
        assert_eq!(line(None).is_met(), None);
        assert_eq!(line(Some(Bound::AtMost(0.75))).is_met(), Some(true));
        assert_eq!(line(Some(Bound::AtMost(0.74))).is_met(), Some(false));
        assert_eq!(line(Some(Bound::AtLeast(0.75))).is_met(), Some(true));
        assert_eq!(line(Some(Bound::AtLeast(0.76))).is_met(), Some(false));
    }

    #[test]
    fn the_file_holds_every_line() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join("target/bench.json");
        let mut report = Report::new(&file, true);
        report.take("create", Ok(vec![line(Some(Bound::AtMost(0.5))), line(None)]));
        report.take("other", Err(crate::bench::measured::Failure("no answer".to_owned())));
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
