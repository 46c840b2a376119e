#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use super::values::long_email;
use super::*;

#[test]
fn a_seed_always_gives_the_same_case() {
    assert_eq!(Case::generate(7), Case::generate(7));
    assert_ne!(Case::generate(7), Case::generate(8));
    assert!(Case::generate(7).to_string().starts_with("case of seed 7"));
}

#[test]
fn shrinking_ends() {
    let mut case = Case::generate(3);
    while let Some(smaller) = case.smaller().into_iter().next_back() {
        case = smaller;
    }
    assert_eq!(case.steps, []);
}

#[test]
fn a_long_address_has_the_maximum_length() {
    assert_eq!(long_email(64, 189).len(), 254);
}

/// In a thousand cases about half of the rows are good, every outcome occurs, and few imports are refused.
#[test]
fn cases_exercise_every_rule() {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 0..1000 {
        let case = Case::generate(seed);
        let mut tenant = case.tenant();
        for step in &case.steps {
            let upload = match step {
                Step::Import(upload) => upload,
                Step::OwnerChangesPassword { username, password } => {
                    tenant.owner_changes_password(username, password);
                    continue;
                }
            };
            let answer = tenant.apply(upload.endpoint, &upload.bytes(), upload.charset);
            assert!(answer.agrees_with(answer.status, &answer.body), "{case}{}", answer.body);
            let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            let summary = body["summary"].as_str().unwrap();
            let mut add = |what: &str, n: u64| *counts.entry(what.to_owned()).or_default() += n;
            add(&format!("status {}", answer.status), 1);
            if answer.status != 200 {
                add(summary.split_once(' ').unwrap().1, 1);
                continue;
            }
            for sentence in summary.split_terminator('.') {
                let mut words = sentence.split_whitespace();
                let count = words.next().unwrap().parse().unwrap();
                add(words.last().unwrap(), count);
            }
            for outcome in body["details"].as_object().into_iter().flat_map(|details| details.values()) {
                let outcome = outcome.as_str().unwrap();
                if let Some((_, problems)) = outcome.split_once("User failed to import: ") {
                    for problem in problems.split_terminator(". ") {
                        let general = problem.starts_with("Row has").then_some("Row has N values");
                        add(general.unwrap_or(problem), 1);
                    }
                }
            }
        }
    }
    let listing = counts.iter().fold(String::new(), |all, (what, n)| format!("{all}{n:>8} {what}\n"));
    println!("{listing}");
    let percent_good = (counts["created"] + counts["updated"]) * 100 / counts["processed"];
    assert!((40..=65).contains(&percent_good), "{percent_good} % good\n{listing}");
    assert!(counts["status 400"] * 12 < counts["status 200"], "{listing}");
    assert!(counts.len() >= 50, "{listing}");
}
