//! A seed → a case.

use super::case::{Case, Step, Upload};
use super::columns::{Focus, random_fields};
use super::encode::encode;
use super::format::{Format, blank_line, header_cell, quote};
use super::oddities::{Oddities, preamble, tail};
use super::rows::random_rows;
use super::values::{LIBRARY_GROUPS, PASSWORDS, SYSTEM_GROUPS, Values};
use crate::oracle::encoding::Encoding;
use crate::oracle::{Endpoint, PasswordPolicy};
use crate::rosters::rng::Rng;

impl Case {
    /// Generates the case of a seed.
    pub fn generate(seed: u64) -> Self {
        let rng = &mut Rng::new(seed);
        let values = Values::new(rng);
        let policies = [
            PasswordPolicy::WhenChanged,
            PasswordPolicy::WhenChanged,
            PasswordPolicy::Always,
            PasswordPolicy::OnCreate,
        ];
        let password_policy = rng.pick(&policies);
        let library_groups = random_prefix(rng, &LIBRARY_GROUPS);
        let system_groups = random_prefix(rng, &SYSTEM_GROUPS);

        let mut steps: Vec<Step> = Vec::new();
        for import in 0..=rng.below(4) {
            if import > 0 && rng.chance(30) {
                steps.push(Step::OwnerChangesPassword {
                    username: values.username(rng),
                    password: rng.pick(&PASSWORDS).to_owned(),
                });
            }
            // Send the first file again, as a nightly import does.
            if rng.chance(12)
                && let Some(Step::Import(again)) =
                    steps.iter().find(|step| matches!(step, Step::Import(_))).cloned()
            {
                steps.push(Step::Import(again));
                continue;
            }
            let focus = match rng.below(100) {
                _ if import == 0 && rng.chance(80) => Focus::Anything,
                0..50 => Focus::Anything,
                50..65 => Focus::Barcodes,
                65..78 => Focus::Update,
                _ => Focus::Groups,
            };
            let upload = random_upload(rng, &values, focus);
            steps.push(Step::Import(upload));
        }
        Case { seed, password_policy, library_groups, system_groups, steps }
    }
}

/// Usually all names, else the first few or none.
fn random_prefix(rng: &mut Rng, names: &[&'static str]) -> Vec<&'static str> {
    let count = if rng.chance(60) { names.len() } else { rng.below(names.len()) };
    names[..count].to_vec()
}

fn random_upload(rng: &mut Rng, values: &Values, focus: Focus) -> Upload {
    let endpoint = match focus {
        Focus::Groups if rng.chance(70) => Endpoint::UserGroups,
        Focus::Groups => Endpoint::Users,
        // A user file at this URL is refused.
        _ if rng.chance(2) => Endpoint::UserGroups,
        _ => Endpoint::Users,
    };
    if rng.chance(2) {
        let parts = vec![lost_line_breaks(rng, values).into_bytes()];
        return Upload { endpoint: Endpoint::Users, charset: None, parts };
    }
    let (encoding, mut mark, charset) = rng.pick(&[
        (Encoding::Utf8, false, None),
        (Encoding::Utf8, false, None),
        (Encoding::Utf8, false, None),
        (Encoding::Utf8, false, None),
        (Encoding::Utf8, false, None),
        (Encoding::Utf8, true, None),
        (Encoding::Utf8, true, None),
        (Encoding::Utf8, false, Some("utf-8")),
        (Encoding::Utf8, true, Some("UTF-8")),
        (Encoding::Utf8, false, Some("windows-1252")),
        (Encoding::Utf16Le, true, None),
        (Encoding::Utf16Be, true, None),
        (Encoding::Utf16Le, false, Some("utf-16le")),
        (Encoding::Utf16Be, false, Some("UTF-16BE")),
        (Encoding::Windows1252, false, None),
        (Encoding::Windows1252, false, None),
        (Encoding::Windows1252, false, Some("Windows-1252")),
        (Encoding::Windows1252, false, Some("iso-8859-1")),
        // UTF-16 that only its bytes show.
        (Encoding::Utf16Le, false, None),
        (Encoding::Utf16Be, false, None),
        // Labels that name no encoding.
        (Encoding::Utf8, false, Some("binary")),
        (Encoding::Utf8, false, Some("us-ascii")),
        (Encoding::Windows1252, false, Some("unknown-8bit")),
        (Encoding::Utf16Le, false, Some("x-unknown")),
        // The byte-order mark beats the label.
        (Encoding::Utf8, true, Some("windows-1252")),
        (Encoding::Utf16Le, true, Some("utf-8")),
    ]);
    let oddities = Oddities::random(rng);
    let lines = if rng.chance(2) { Vec::new() } else { random_lines(rng, values, focus, &oddities) };
    let mut parts: Vec<Vec<u8>> = lines.iter().map(|line| encode(line, encoding)).collect();
    let is_utf16 = matches!(encoding, Encoding::Utf16Le | Encoding::Utf16Be);
    if !is_utf16 {
        oddities.spoil(rng, &mut parts);
    }
    // A file with too many letters of other scripts does not show that it is UTF-16.
    let shows_itself = || Encoding::by_weight(&parts.concat()) == encoding;
    if is_utf16
        && !charset.is_some_and(|label| label.to_ascii_lowercase().starts_with("utf-16"))
        && !shows_itself()
    {
        mark = true;
    }
    if mark {
        parts.insert(0, encode("\u{FEFF}", encoding));
        if parts.len() > 1 {
            let header = parts.remove(1);
            parts[0].extend(header);
        }
    }
    Upload { endpoint, charset, parts }
}

/// A file whose line breaks have become something else.
fn lost_line_breaks(rng: &mut Rng, values: &Values) -> String {
    let delimiter = rng.pick(&[",", ";", "\t"]);
    let names = ["username", "enabled", rng.pick(&["staffmember", "Staff Member"])].join(delimiter);
    let row = |name: &&str| [name.replace([',', ';', '"'], "."), "y".into(), "n".into()].join(delimiter);
    let rows: Vec<String> = values.usernames.iter().map(row).collect();
    let lost = rng.pick(&[" ", " ", "\\n", "\u{85}", "\u{2028}", "\u{1E}", "<br>", "<BR>"]);
    let end = if rng.chance(50) { lost } else { rng.pick(&["", "\n", "\r\n"]) };
    format!("{names}{lost}{}{end}", rows.join(lost))
}

/// Draws the lines of a file: first the header and the blank lines before it, then each record and blank line. Each ends
/// with its line end.
fn random_lines(rng: &mut Rng, values: &Values, focus: Focus, oddities: &Oddities) -> Vec<String> {
    let format = Format::random(rng);
    let fields = random_fields(rng, focus);
    let count = match rng.below(100) {
        0..4 => 0,
        4..40 => 1 + rng.below(5),
        40..75 => 4 + rng.below(12),
        _ => 10 + rng.below(31),
    };

    let names: Vec<String> = fields.iter().map(|field| header_cell(rng, *field)).collect();
    let mut header = String::new();
    while rng.chance(format.blank_lines / 3) {
        // No character that is not blank in another charset: such a line would be read as a header without delimiters.
        header += rng.pick(&["", "", " ", "\t"]);
        header += format.line_end(rng);
    }
    let names: Vec<String> =
        names.iter().map(|name| quote(name, rng.chance(format.quoted), format.delimiter)).collect();
    let line_end = format.line_end(rng);
    header += &preamble(rng, format.delimiter, line_end);
    header += &names.join(&format.delimiter.to_string());
    header += format.line_end(rng);

    let mut lines = vec![header];
    let rows = random_rows(rng, values, focus, &fields, count, oddities.invisible);
    let unclosed_at = if rng.chance(2) { rng.below(count + 1) } else { usize::MAX };
    for (at, row) in rows.iter().enumerate() {
        if rng.chance(format.blank_lines) {
            lines.push(format!("{}{}", blank_line(rng), format.line_end(rng)));
        }
        let mut line = format.record(rng, row);
        if at == unclosed_at && !line.is_empty() {
            line.push(format.delimiter);
            line += "\"never closed";
        }
        line += format.line_end(rng);
        lines.push(line);
    }
    oddities.disturb(rng, &mut lines, format.delimiter, fields.len());
    let tail = tail(rng, format.delimiter, line_end);
    if let Some(last) = lines.last_mut() {
        if rng.chance(25) {
            last.truncate(last.trim_end_matches(['\r', '\n']).len());
        }
        last.push_str(&tail);
    }
    lines
}
