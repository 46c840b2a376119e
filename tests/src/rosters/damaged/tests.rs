#![allow(clippy::unwrap_used)]

use super::*;
use crate::oracle::{AnsweredRow, Endpoint, PasswordPolicy, Tenant};

const ROSTERS: u64 = 4000;

/// What the oracle loses of a damaged roster.
fn losses(roster: &DamagedRoster) -> Vec<String> {
    let mut tenant = Tenant::new(PasswordPolicy::WhenChanged);
    let answer = tenant.apply(Endpoint::Users, &roster.damaged_bytes(), None);
    let mut losses = roster.losses(answer.status, &answer.body, &tenant.snapshot().users);
    if answer.status == 200 && roster.is_judged() {
        losses.extend(lost_lines(roster, &answer.rows));
    }
    losses
}

/// The lines of the file that are neither blank nor part of a row, and the rows that succeeded and yet hold two lines on
/// which a row begins.
fn lost_lines(roster: &DamagedRoster, rows: &[AnsweredRow]) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n");
    let is_nothing =
        |c: char| c.is_whitespace() || c == roster.delimiter || matches!(c, '"' | '=' | '\0' | '\u{1A}');
    let all = text(&roster.damaged_bytes());
    let unread = (1..)
        .zip(all.split('\n'))
        .skip(1)
        .filter(|(_, line)| !line.chars().all(is_nothing))
        .filter(|(number, _)| !rows.iter().any(|row| row.lines.contains(number)))
        .map(|(number, line)| format!("line {number} is no part of a row: {line:?}"));

    let line_of = |row: usize| {
        let before: Vec<u8> = roster.parts().take(1 + row).flat_map(|part| part.damaged.clone()).collect();
        1 + text(&before).matches('\n').count()
    };
    let starts: Vec<usize> = roster.row_starts().into_iter().map(line_of).collect();
    let swallowed = rows
        .iter()
        .filter(|row| !row.failed && starts.iter().filter(|start| row.lines.contains(start)).count() > 1)
        .map(|row| format!("the lines {:?} are one row that succeeded", row.lines));
    unread.chain(swallowed).collect()
}

#[test]
fn an_undamaged_roster_is_imported_in_full() {
    for seed in 0..500 {
        let roster = DamagedRoster::generate(seed);
        let mut tenant = Tenant::new(PasswordPolicy::WhenChanged);
        let answer = tenant.apply(Endpoint::Users, &roster.good_bytes(), None);
        let n = roster.rows.len();
        assert!(answer.body.contains(&format!("{n} users created")), "{roster}\n{}", answer.body);
        for row in &roster.rows {
            assert_eq!(tenant.user(&row.user.username), Some(&row.user), "{roster}");
        }
    }
}

/// The rules themselves lose nothing. `ROLLCALL_SEED` sets the first seed and `ROLLCALL_CASES` the number of rosters.
#[test]
fn the_oracle_loses_nothing_of_a_damaged_roster() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (first, count) = (number("ROLLCALL_SEED", 1), number("ROLLCALL_CASES", ROSTERS));
    for seed in first..first + count {
        let mut roster = DamagedRoster::generate(seed);
        if losses(&roster).is_empty() {
            continue;
        }
        while let Some(smaller) = roster.smaller().into_iter().find(|smaller| !losses(smaller).is_empty()) {
            roster = smaller;
        }
        panic!("{}\n{roster}", losses(&roster).join("\n"));
    }
}

/// Most rosters are judged, and of most of their undamaged rows something is certain.
#[test]
fn the_promise_says_something() {
    let (mut refused, mut failed, mut judged, mut undamaged, mut certain) = (0, 0, 0, 0, 0);
    for seed in 0..1000 {
        let roster = DamagedRoster::generate(seed);
        let mut tenant = Tenant::new(PasswordPolicy::WhenChanged);
        let answer = tenant.apply(Endpoint::Users, &roster.damaged_bytes(), None);
        refused += usize::from(answer.status == 400);
        failed += usize::from(answer.rows.iter().any(|row| row.failed));
        if answer.status == 200 && roster.is_judged() {
            judged += 1;
            undamaged += roster.rows.iter().filter(|row| !row.part.is_damaged()).count();
            certain += roster.certain_rows().len();
        }
    }
    let counts = format!(
        "refused {refused}, failed {failed}, judged {judged}, undamaged {undamaged}, certain {certain}"
    );
    println!("{counts}");
    assert!(refused < 100 && failed > 700 && judged > 800, "{counts}");
    assert!(undamaged > 12 * judged && certain * 100 > undamaged * 95, "{counts}");
}
