//! Rows.

use super::columns::{Field, Focus};
use super::values::{self, Values};
use crate::rosters::rng::Rng;

pub fn rows(
    rng: &mut Rng,
    values: &Values,
    focus: Focus,
    fields: &[Field],
    count: usize,
) -> Vec<Vec<String>> {
    let mut rows = Vec::with_capacity(count);
    while rows.len() < count {
        if focus == Focus::Barcodes && rng.chance(30) {
            rows.extend(barcode_dance(rng, values, fields));
            continue;
        }
        let row = row(rng, values, focus, fields);
        // The same row twice in a file.
        if rng.chance(4) {
            rows.push(row.clone());
        }
        rows.push(row);
    }
    rows.truncate(count);
    rows
}

/// Users hand their barcodes on, one to the next; the first may get the last one's: a swap or a longer ring. Whether
/// each step of it succeeds depends on who held what.
fn barcode_dance(rng: &mut Rng, values: &Values, fields: &[Field]) -> Vec<Vec<String>> {
    let mut people = values.people.clone();
    rng.shuffle(&mut people);
    people.truncate(2 + rng.below(3));
    let mut barcodes = values.barcodes.clone();
    rng.shuffle(&mut barcodes);
    let spare = rng.chance(50).then_some("spare");
    let order = spare.into_iter().chain(barcodes);
    let mut rows: Vec<Vec<String>> = people
        .iter()
        .zip(order)
        .map(|(person, barcode)| {
            let cell = |field: &Field| match field {
                Field::Username => (*person).to_owned(),
                Field::Barcode => barcode.to_owned(),
                Field::Enabled | Field::StaffMember => "y".to_owned(),
                _ => String::new(),
            };
            fields.iter().map(cell).collect()
        })
        .collect();
    if rng.chance(30) {
        rows.reverse();
    }
    rows
}

fn row(rng: &mut Rng, values: &Values, focus: Focus, fields: &[Field]) -> Vec<String> {
    let blanks = rng.pick(&[0, 5, 15, 40]);
    let mut row: Vec<String> = fields.iter().map(|field| cell(rng, values, focus, *field, blanks)).collect();
    let bad = match rng.below(100) {
        _ if focus == Focus::Barcodes && rng.chance(80) => 0,
        0..80 => 0,
        80..94 => 1,
        94..97 => 3,
        97..99 => fields.len(),
        _ => fields.len() * 3,
    };
    for _ in 0..bad {
        let at = rng.below(fields.len());
        row[at] = values::bad(rng, fields[at]);
    }
    match rng.below(100) {
        0..4 => row.truncate(1 + rng.below(row.len())),
        4..8 => {
            for _ in 0..=rng.below(3) {
                row.push(values::blank(rng));
            }
        }
        8..10 => {
            for _ in 0..=rng.below(3) {
                let cell = if rng.chance(60) { values::text(rng) } else { values::blank(rng) };
                row.push(cell);
            }
        }
        _ => {}
    }
    row
}

/// A cell that is good by itself, or blank. Students who could be created are the rule.
fn cell(rng: &mut Rng, values: &Values, focus: Focus, field: Field, blanks: u64) -> String {
    let blanks = match field {
        Field::Username | Field::Enabled | Field::StaffMember => blanks / 10,
        Field::GraduationYear => blanks / 5,
        Field::Barcode if focus != Focus::Barcodes => blanks + 40,
        _ => blanks,
    };
    if rng.chance(blanks) { values::blank(rng) } else { values.good(rng, field) }
}
