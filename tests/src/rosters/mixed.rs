//! A small roster with rows of every kind.

use std::fmt::Write as _;

/// Writes rows that create or update users, repeat a user, claim another user's barcode, or have a malformed email
/// address. Every row has `mark` in its form class, which shows which roster was applied last. A few rows have passwords,
/// and each has `padding` bytes in a column that the import ignores.
pub fn mixed(rows: usize, mark: &str, padding: usize) -> String {
    let mut file =
        "username,emailaddress,librarybarcode,enabled,staffmember,presentationgrouplabel,formclass,\
                    password,ignored\n"
            .to_owned();
    let padding = "x".repeat(padding);
    for row in 0..rows {
        let user = if row % 20 == 19 { row - 14 } else { row };
        let email = if row % 7 == 3 { "no address" } else { "someone@example.org" };
        let barcode = if row % 20 == 10 { row - 6 } else { user };
        let group = row % 3;
        let password = if row < 20 && row % 8 == 1 { "a secret" } else { "" };
        writeln!(file, "user{user},{email},b{barcode},y,y,group {group},{mark} {row},{password},{padding}")
            .expect("writing to a String cannot fail");
    }
    file
}
