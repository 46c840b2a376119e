//! Names of columns that are nearly right.

/// Whether two names differ by one edit: a character inserted, left out or replaced, or two neighbours exchanged.
pub fn is_one_edit_away(name: &str, known: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let known: Vec<char> = known.chars().collect();
    let same_start = name.iter().zip(&known).take_while(|(one, other)| one == other).count();
    let (name, known) = (&name[same_start..], &known[same_start..]);
    match (name, known) {
        ([], []) => false,
        ([a, b, ..], [c, d, ..]) if a == d && b == c && name[2..] == known[2..] => true,
        ([], [_]) | ([_], []) => true,
        ([_, rest @ ..], _) if rest == known => true,
        (_, [_, rest @ ..]) if rest == name => true,
        ([_, rest @ ..], [_, other @ ..]) => rest == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_edit_and_no_more() {
        for (name, known) in [
            ("enabeld", "enabled"),
            ("surnane", "surname"),
            ("surnam", "surname"),
            ("surnames", "surname"),
            ("usename", "username"),
            ("ueername", "username"),
            ("suername", "username"),
            ("xgender", "gender"),
            ("genderx", "gender"),
        ] {
            assert!(is_one_edit_away(name, known), "{name}");
            assert!(is_one_edit_away(known, name), "{name}");
        }
        for (name, known) in [
            ("surname", "surname"),
            ("firstname", "surname"),
            ("sname", "surname"),
            ("suranem", "surname"),
            ("", "surname"),
            ("enbaeld", "enabled"),
        ] {
            assert!(!is_one_edit_away(name, known), "{name}");
        }
    }
}
