use super::*;

#[test]
fn every_text_is_the_contracts() {
    let field = |field, fault| Problem::Field(field, fault).to_string();
    let texts = [
        (field(Field::Username, Fault::Empty), "Field (username) may not be empty."),
        (
            field(Field::EmailAddress, Fault::NotAnEmailAddress),
            "Field (emailAddress) is not a well-formed email address.",
        ),
        (field(Field::Enabled, Fault::NotABoolean), "Field (enabled) is not a valid boolean."),
        (field(Field::StaffMember, Fault::NotABoolean), "Field (staffMember) is not a valid boolean."),
        (field(Field::GraduationYear, Fault::NotAYear), "Field (graduationYear) is not a valid year."),
        (field(Field::Gender, Fault::NotAGender), "Field (gender) must be M, F or blank."),
        (
            field(Field::PresentationGroupLabel, Fault::TooManyCharacters),
            "Field (presentationGroupLabel) is longer than 255 characters.",
        ),
        (field(Field::Password, Fault::TooManyBytes), "Field (password) is longer than 1024 bytes."),
        (field(Field::GivenName, Fault::ControlCharacters), "Field (givenName) contains control characters."),
        (Problem::BARCODE_TAKEN.to_string(), "Field (libraryBarcode) is already used by another user."),
        (
            Problem::required_to_create(Field::Enabled).to_string(),
            "Field (enabled) is required to create a user.",
        ),
        (
            Problem::GRADUATION_YEAR_REQUIRED.to_string(),
            "Field (graduationYear) is required to create a student.",
        ),
        (
            Problem::TOO_MANY_GROUPS.to_string(),
            "Field (presentationGroupLabel) names one presentation group too many.",
        ),
        (Problem::UNKNOWN_USER.to_string(), "Field (username) is not a known user."),
        (
            Problem::UNDEFINED_LIBRARY_GROUP.to_string(),
            "Field (libraryGroup) is not a defined library group.",
        ),
        (Problem::UNDEFINED_SYSTEM_GROUP.to_string(), "Field (systemGroup) is not a defined system group."),
        (Problem::NamesNoGroup.to_string(), "Row names no group."),
        (Problem::RowTooLong.to_string(), "Row is longer than 1 MiB."),
        (Problem::QuoteNotClosed.to_string(), "Row has a quote that does not close."),
        (
            Problem::SurplusValues { values: 16, columns: 14 }.to_string(),
            "Row has 16 values but the header has 14 columns.",
        ),
        (
            Problem::SurplusValues { values: 2, columns: 1 }.to_string(),
            "Row has 2 values but the header has 1 columns.",
        ),
    ];
    for (text, expected) in texts {
        assert_eq!(text, expected);
    }
}

#[test]
fn problems_are_listed_in_the_order_of_the_field_table_whatever_the_order_of_finding() {
    let mut problems = Problems::default();
    assert!(problems.is_empty());
    assert_eq!(problems.to_text(), "");
    problems.push(Problem::required_to_create(Field::StaffMember));
    problems.push(Problem::BARCODE_TAKEN);
    problems.push(Problem::Field(Field::Username, Fault::ControlCharacters));
    problems.push(Problem::Field(Field::EmailAddress, Fault::NotAnEmailAddress));
    problems.push(Problem::Field(Field::Username, Fault::TooManyCharacters));
    problems.push(Problem::BARCODE_TAKEN);
    problems.push(Problem::SurplusValues { values: 16, columns: 14 });
    assert!(!problems.is_empty());
    assert_eq!(
        problems.to_text(),
        "Row has 16 values but the header has 14 columns. \
         Field (username) is longer than 255 characters. \
         Field (username) contains control characters. \
         Field (emailAddress) is not a well-formed email address. \
         Field (libraryBarcode) is already used by another user. \
         Field (staffMember) is required to create a user. "
    );
}

#[test]
fn a_membership_lists_username_then_groups() {
    let mut problems = Problems::default();
    problems.push(Problem::UNDEFINED_SYSTEM_GROUP);
    problems.push(Problem::UNDEFINED_LIBRARY_GROUP);
    problems.push(Problem::NamesNoGroup);
    problems.push(Problem::UNKNOWN_USER);
    assert_eq!(
        problems.to_text(),
        "Field (username) is not a known user. Row names no group. \
         Field (libraryGroup) is not a defined library group. \
         Field (systemGroup) is not a defined system group. "
    );
}
