//! The rows of a generated file, as cells.

use super::columns::{Field, Focus};
use super::oddities::with_invisible;
use super::values::{self, PASSWORDS, Values};
use crate::rosters::rng::Rng;

pub fn random_rows(
    rng: &mut Rng,
    values: &Values,
    focus: Focus,
    fields: &[Field],
    count: usize,
    invisible_percent: u64,
) -> Vec<Vec<String>> {
    let mut rows = Vec::with_capacity(count);
    while rows.len() < count {
        if focus == Focus::Barcodes && rng.chance(30) {
            rows.extend(barcode_rotation(rng, values, fields));
            continue;
        }
        let mut row = random_row(rng, values, focus, fields);
        if rng.chance(3) {
            name_administrator(rng, fields, &mut row);
        }
        for cell in &mut row {
            if rng.chance(invisible_percent) {
                *cell = with_invisible(rng, cell);
            }
        }
        // Repeat a row within the file.
        if rng.chance(4) {
            rows.push(row.clone());
        }
        rows.push(row);
    }
    rows.truncate(count);
    rows
}

/// A few users claim barcodes that other users may hold: with what they hold already, this makes chains, swaps and longer
/// cycles. Whether a row succeeds depends on which user holds its barcode at that moment.
fn barcode_rotation(rng: &mut Rng, values: &Values, fields: &[Field]) -> Vec<Vec<String>> {
    let mut usernames = values.usernames.clone();
    rng.shuffle(&mut usernames);
    usernames.truncate(2 + rng.below(3));
    let mut barcodes = values.barcodes.clone();
    rng.shuffle(&mut barcodes);
    let spare = rng.chance(50).then_some("spare");
    let order = spare.into_iter().chain(barcodes);
    let mut rows: Vec<Vec<String>> = usernames
        .iter()
        .zip(order)
        .map(|(username, barcode)| {
            let cell = |field: &Field| match field {
                Field::Username => (*username).to_owned(),
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

/// Makes a row one that would disable the administrator who imports, or change the password.
fn name_administrator(rng: &mut Rng, fields: &[Field], row: &mut [String]) {
    let spelling = rng.pick(&["autoimport", "AutoImport", "AUTOIMPORT", " autoimport "]);
    let password = rng.pick(&PASSWORDS);
    for (field, cell) in fields.iter().zip(row) {
        match field {
            Field::Username => spelling.clone_into(cell),
            Field::Enabled => rng.pick(&["n", "NO", "y", ""]).clone_into(cell),
            Field::Password if rng.chance(70) => password.clone_into(cell),
            _ => {}
        }
    }
}

fn random_row(rng: &mut Rng, values: &Values, focus: Focus, fields: &[Field]) -> Vec<String> {
    let blank_percent = rng.pick(&[0, 5, 15, 40]);
    let mut row: Vec<String> =
        fields.iter().map(|field| random_cell(rng, values, focus, *field, blank_percent)).collect();
    let invalid = match rng.below(100) {
        _ if focus == Focus::Barcodes && rng.chance(80) => 0,
        0..80 => 0,
        80..94 => 1,
        94..97 => 3,
        97..99 => fields.len(),
        _ => fields.len() * 3,
    };
    for _ in 0..invalid {
        let at = rng.below(fields.len());
        row[at] = values::invalid(rng, fields[at]);
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

/// A cell that is valid by itself, or blank. Most rows describe a student who can be created.
fn random_cell(rng: &mut Rng, values: &Values, focus: Focus, field: Field, blank_percent: u64) -> String {
    let blank_percent = match field {
        Field::Username | Field::Enabled | Field::StaffMember => blank_percent / 10,
        Field::GraduationYear => blank_percent / 5,
        Field::Barcode if focus != Focus::Barcodes => blank_percent + 40,
        _ => blank_percent,
    };
    if rng.chance(blank_percent) { values::blank(rng) } else { values.valid(rng, field) }
}
