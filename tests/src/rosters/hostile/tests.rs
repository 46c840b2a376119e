#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use super::values::long_email;
use super::*;
use crate::oracle::encoding::decode;

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

/// In the cases of an ordinary run about half of the rows are good, every outcome occurs, few imports are refused, and each
/// oddity of real files is met dozens of times.
#[test]
fn cases_exercise_every_rule() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 1..=600 {
        let case = Case::generate(seed);
        let mut tenant = case.tenant();
        crate::tables::add_administrator(&mut tenant);
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
            let mut add = |what: &str, n: usize| *counts.entry(what.to_owned()).or_default() += n;
            add(&format!("status {}", answer.status), 1);
            if answer.status != 200 {
                add(summary.split_once(' ').unwrap().1, 1);
                continue;
            }
            for oddity in oddities_of(upload) {
                add(oddity, 1);
            }
            add("rows that protect an administrator", answer.protected_rows);
            for sentence in summary.split_terminator('.') {
                let mut words = sentence.split_whitespace();
                let count = words.next().unwrap().parse().unwrap();
                add(words.last().unwrap(), count);
            }
            for outcome in body["details"].as_object().into_iter().flat_map(|details| details.values()) {
                let outcome = outcome.as_str().unwrap();
                if let Some((_, problems)) = outcome.split_once("User failed to import: ") {
                    for problem in problems.split_terminator(". ") {
                        let general = problem.ends_with("columns").then_some("Row has N values");
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
    assert!(counts["status 400"] * 8 < counts["status 200"], "{listing}");
    assert!(counts.len() >= 70, "{listing}");
    for often in [
        "Row contains bytes that are not valid UTF-8",
        "Row has a quote that does not close",
        "Field (username) contains invisible characters",
        "rows that protect an administrator",
        "file holds users and groups. Send them as two files.",
        "file is one line: its line breaks were lost.",
    ]
    .into_iter()
    .chain(ODDITIES)
    {
        assert!(counts.get(often).is_some_and(|n| *n >= 24), "{often}\n{listing}");
    }
}

const ODDITIES: [&str; 11] = [
    "a blank before a quote",
    "an equals sign before a quote",
    "a row of nothing",
    "a tail of Ctrl-Z or NUL",
    "an invisible character",
    "a decomposed character",
    "another spelling of ß or of a final sigma",
    "a sep line",
    "a type line",
    "UTF-16 without a mark",
    "a label that names none",
];

/// What is odd about a file, by its looks.
fn oddities_of(upload: &Upload) -> Vec<&'static str> {
    let bytes = upload.bytes();
    let text = decode(&bytes, upload.charset).unwrap();
    let text: String = text.chars.into_iter().collect();
    let starts = |what: &str| {
        let start = text.trim_start().trim_start_matches('"');
        start.get(..what.len()).is_some_and(|start| start.eq_ignore_ascii_case(what))
    };
    let before_quote = |before: char| {
        [',', ';', '\t'].iter().any(|delimiter| text.contains(&format!("{delimiter}{before}\"")))
    };
    let is_ghost = |line: &str| {
        let cells = line.matches([',', ';', '\t']).count();
        cells > 0 && line.chars().all(|c| c.is_whitespace() || matches!(c, ',' | ';' | '"'))
    };
    let labels = ["binary", "us-ascii", "unknown-8bit", "x-unknown"];
    let has_mark = bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF");
    let found = [
        [' ', '\u{a0}', '\u{FEFF}'].into_iter().any(before_quote),
        before_quote('='),
        text.split(['\r', '\n']).any(is_ghost),
        text.trim_end().ends_with(['\u{1A}', '\0']),
        text.contains(['\u{200B}', '\u{FEFF}', '\u{200E}', '\u{2060}']),
        text.contains(['\u{301}', '\u{308}', '\u{30C}']),
        ["STRASSE", "strasse", "straSSe", "straẞe", "σοφοσ", "ΣΟΦΟΣ"].iter().any(|name| text.contains(name)),
        starts("sep="),
        starts("#type "),
        bytes[..bytes.len().min(2)].contains(&0)
            && !has_mark
            && !upload.charset.is_some_and(|charset| charset.to_ascii_lowercase().starts_with("utf-16")),
        upload.charset.is_some_and(|charset| labels.contains(&charset)),
    ];
    ODDITIES.into_iter().zip(found).filter(|(_, found)| *found).map(|(oddity, _)| oddity).collect()
}
