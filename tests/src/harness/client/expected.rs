//! The result JSON that the contract prescribes, to the byte.

/// The expected outcome of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row<'a> {
    /// `User Created`
    Created,
    /// `User Updated`
    Updated,
    /// A failed row, with the text of each problem followed by a space.
    Failed(&'a str),
}

/// The result JSON of an import whose rows have these outcomes.
pub fn result(rows: &[Row<'_>]) -> String {
    let users = |count: usize| if count == 1 { "1 user".to_owned() } else { format!("{count} users") };
    let count = |wanted: fn(&Row<'_>) -> bool| rows.iter().filter(|row| wanted(row)).count();
    let failed = count(|row| matches!(row, Row::Failed(_)));
    let mut json = format!(
        r#"{{"success":{},"summary":"{} processed. {} created. {} updated. {} failed.""#,
        failed == 0,
        users(rows.len()),
        users(count(|row| *row == Row::Created)),
        users(count(|row| *row == Row::Updated)),
        users(failed)
    );
    if failed > 0 {
        let details: Vec<String> = rows
            .iter()
            .enumerate()
            .map(|(index, row)| match row {
                Row::Created => format!(r#""{}":"User Created""#, index + 1),
                Row::Updated => format!(r#""{}":"User Updated""#, index + 1),
                Row::Failed(text) => format!(r#""{}":"{text}User failed to import: {text}""#, index + 1),
            })
            .collect();
        json += r#","details":{"#;
        json += &details.join(",");
        json += "}";
    }
    json + "}"
}
