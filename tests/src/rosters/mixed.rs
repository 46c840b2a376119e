//! A small roster with rows of every kind.

use std::fmt::Write as _;

/// Rows of users who are created or updated, of one who comes twice, of one who claims another's barcode, and with
/// addresses that are none. Every user has `mark` in the form class, so that it is seen which roster came last; a few have
/// passwords, and each row so many bytes of `padding` in a column that nobody reads.
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
            .expect("a text can be written to");
    }
    file
}
