//! Each column of a user import (contract §4): which values it accepts, which it rejects and with which message, and what a
//! blank cell does.

use rollcall_tests::harness::{Row, Stack, result};
use serde_json::{Value, json};

const ALL: &str = "username,givenname,surname,middlename,preferredname,emailaddress,graduationyear,librarybarcode,\
                   adminsystemid,gender,password,formclass,enabled,staffmember,presentationgrouplabel";

/// A file with all columns.
fn file(rows: &[&str]) -> String {
    format!("{ALL}\n{}\n", rows.join("\n"))
}

/// The stored values of a user of `school`.
async fn user(stack: &Stack, username_key: &str) -> Value {
    stack
        .row(&format!(
            "select username, given_name, surname, middle_name, preferred_name, email_address, graduation_year,
                    library_barcode, admin_system_id, gender, form_class, enabled, staff_member,
                    label as presentation_group
               from users
               left join presentation_groups on presentation_groups.tenant_id = users.tenant_id
                                            and presentation_groups.id = presentation_group_id
              where users.tenant_id = '{}' and username_key = '{username_key}'",
            stack.school().id
        ))
        .await
}

/// The number of users, including the administrator.
async fn user_count(stack: &Stack) -> usize {
    stack.rows("select id from users").await.len()
}

#[tokio::test]
async fn every_column_is_stored_under_each_of_its_names() {
    let stack = Stack::new().await;
    let full =
        "JDoe1, Jane ,Doe,Mary,Jan,jdoe1@yourschool.com,2016,123456,S-9,f,change,12A,Y,no,\"Year 12, blue\"";
    stack.post_users(file(&[full])).await.is(200, &result(&[Row::Created]));
    let stored = json!({
        "username": "JDoe1", "given_name": "Jane", "surname": "Doe", "middle_name": "Mary", "preferred_name": "Jan",
        "email_address": "jdoe1@yourschool.com", "graduation_year": 2016, "library_barcode": "123456",
        "admin_system_id": "S-9", "gender": "F", "form_class": "12A", "enabled": true, "staff_member": false,
        "presentation_group": "Year 12, blue",
    });
    assert_eq!(user(&stack, "jdoe1").await, stored);

    // A row that changes nothing counts as an update.
    stack.post_users(file(&[full])).await.is(200, &result(&[Row::Updated]));
    assert_eq!(user(&stack, "jdoe1").await, stored);

    for (column, value, name) in [
        ("middleinitialname", "A", "middle_name"),
        ("middleinitial", "B", "middle_name"),
        ("middlename", "C", "middle_name"),
        ("email", "a@b.c", "email_address"),
        ("emailaddress", "b@c.d", "email_address"),
        ("barcode", "B-1", "library_barcode"),
        ("librarybarcode", "B-2", "library_barcode"),
        ("presentationgroup", "Blue", "presentation_group"),
        ("presentationgrouplabel", "Red", "presentation_group"),
        ("givenname", "Janet", "given_name"),
        ("surname", "Dough", "surname"),
        ("preferredname", "J", "preferred_name"),
        ("adminsystemid", "S-1", "admin_system_id"),
        ("gender", "M", "gender"),
        ("formclass", "12B", "form_class"),
    ] {
        let answer = stack.post_users(format!("username,{column}\njdoe1,{value}\n")).await;
        answer.is(200, &result(&[Row::Updated]));
        assert_eq!(user(&stack, "jdoe1").await[name], value, "{column}");
    }
    for (column, name) in
        [("staffmember", "staff_member"), ("staffmemberid", "staff_member"), ("enabled", "enabled")]
    {
        for (value, stored) in [("y", true), ("0", false)] {
            let answer = stack.post_users(format!("username,{column}\njdoe1,{value}\n")).await;
            answer.is(200, &result(&[Row::Updated]));
            assert_eq!(user(&stack, "jdoe1").await[name], stored, "{column}");
        }
    }
    stack.post_users("username,graduationyear\njdoe1,2017\n").await.is(200, &result(&[Row::Updated]));
    assert_eq!(user(&stack, "jdoe1").await["graduation_year"], 2017);
}

#[tokio::test]
async fn blank_clears_or_keeps_and_absent_column_keeps() {
    let stack = Stack::new().await;
    let full = "jane,Jane,Doe,Mary,Jan,jane@school.org,2016,123456,S-9,F,change,12A,Y,no,Blue";
    stack.post_users(file(&[full])).await.is(200, &result(&[Row::Created]));
    let before = user(&stack, "jane").await;
    let credentials = "select password_fingerprint from users where username = 'jane'";
    let password = stack.row(credentials).await;

    // A file without the other columns, and a row without their cells.
    for file in ["username\njane\n".to_owned(), file(&["jane"])] {
        stack.post_users(file).await.is(200, &result(&[Row::Updated]));
        assert_eq!(user(&stack, "jane").await, before);
    }
    stack.post_users(file(&["jane,,,,,,,,,,,,,,"])).await.is(200, &result(&[Row::Updated]));
    assert_eq!(
        user(&stack, "jane").await,
        json!({
            "username": "jane", "given_name": null, "surname": null, "middle_name": null, "preferred_name": null,
            "email_address": null, "graduation_year": 2016, "library_barcode": "123456", "admin_system_id": "S-9",
            "gender": null, "form_class": null, "enabled": true, "staff_member": false, "presentation_group": null,
        })
    );
    assert_eq!(stack.row(credentials).await, password, "a blank password keeps the old one");
}

/// A valid row of a staff member, except for one cell.
fn row_with(username: &str, column: &str, cell: &str) -> String {
    let quoted = format!("\"{}\"", cell.replace('"', "\"\""));
    let cells = ALL.split(',').map(|name| match name {
        _ if name == column => quoted.as_str(),
        "username" => username,
        "enabled" | "staffmember" => "y",
        _ => "",
    });
    cells.collect::<Vec<_>>().join(",")
}

#[tokio::test]
async fn problems_use_the_contracts_words() {
    let stack = Stack::new().await;
    let long = "é".repeat(256);
    let long_email = format!("{}@b.cd", "a".repeat(65));
    let long_label = format!("a@{}.org", "b".repeat(64));
    let longest_email =
        format!("{}@{}", "a".repeat(64), ["b".repeat(63), "c".repeat(63), "d".repeat(63)].join("."));
    let long_password = "é".repeat(513);
    let mut cases: Vec<(&str, &str, &str)> = vec![
        ("username", "", "Field (username) may not be empty. "),
        ("username", " \t ", "Field (username) may not be empty. "),
        ("username", &long, "Field (username) is longer than 255 characters. "),
        ("username", "a\u{7}b", "Field (username) contains control characters. "),
        ("username", "a\nb", "Field (username) contains control characters. "),
        ("username", "a\u{9f}b", "Field (username) contains control characters. "),
        ("givenname", &long, "Field (givenName) is longer than 255 characters. "),
        ("surname", &long, "Field (surname) is longer than 255 characters. "),
        ("middlename", &long, "Field (middleName) is longer than 255 characters. "),
        ("preferredname", &long, "Field (preferredName) is longer than 255 characters. "),
        ("librarybarcode", &long, "Field (libraryBarcode) is longer than 255 characters. "),
        ("adminsystemid", &long, "Field (adminSystemId) is longer than 255 characters. "),
        ("formclass", &long, "Field (formClass) is longer than 255 characters. "),
        ("presentationgrouplabel", &long, "Field (presentationGroupLabel) is longer than 255 characters. "),
        ("password", &long_password, "Field (password) is longer than 1024 bytes. "),
    ];
    for bad in [
        "jane",
        "@",
        "jane@",
        "@school.org",
        "a@b@c",
        "a b@c",
        "a@b c",
        "a@-b",
        "a@b-",
        "a@b..c",
        "a@.b",
        "a@b.",
        "jané@school.org",
        "<a@b>",
        "a,b@c",
        "\"a\"@b",
        "a@[127.0.0.1]",
        &long_email,
        &long_label,
        &longest_email,
    ] {
        cases.push(("emailaddress", bad, "Field (emailAddress) is not a well-formed email address. "));
    }
    for bad in ["1899", "2201", "16", "02016", "2016.0", "+2016", "-2016", "2O16", "２０１６", "20 16"] {
        cases.push(("graduationyear", bad, "Field (graduationYear) is not a valid year. "));
    }
    for bad in ["X", "Male", "MF", "-", "0"] {
        cases.push(("gender", bad, "Field (gender) must be M, F or blank. "));
    }
    for bad in ["maybe", "2", "j", "tru", "on", "-1", "y,n", "00"] {
        cases.push(("enabled", bad, "Field (enabled) is not a valid boolean. "));
        cases.push(("staffmember", bad, "Field (staffMember) is not a valid boolean. "));
    }
    let rows: Vec<String> = cases
        .iter()
        .enumerate()
        .map(|(index, (column, cell, _))| row_with(&format!("user{index}"), column, cell))
        .collect();
    let expected: Vec<Row<'_>> = cases.iter().map(|(_, _, text)| Row::Failed(text)).collect();
    let answer = stack.post_users(file(&rows.iter().map(String::as_str).collect::<Vec<_>>())).await;
    answer.is(200, &result(&expected));
    assert_eq!(user_count(&stack).await, 1, "none of them was created");
}

#[tokio::test]
async fn unusual_valid_values_are_accepted() {
    let stack = Stack::new().await;
    let long = "é".repeat(255);
    let long_email = format!("{}@{}.org", "a".repeat(64), "b".repeat(63));
    let password = "é".repeat(512);
    let mut cases: Vec<(&str, &str)> = vec![
        ("givenname", "O'Neill-Šťastná 李 \u{1F600}"),
        ("surname", "=cmd|' /C calc'!A0"),
        ("surname", "a \"b\" c, d; e\nf"),
        ("password", &password),
        ("password", "pässwörd, \"quoted\""),
        ("adminsystemid", "same"),
        ("adminsystemid", "same"),
    ];
    for column in [
        "givenname",
        "surname",
        "middlename",
        "preferredname",
        "adminsystemid",
        "formclass",
        "presentationgrouplabel",
    ] {
        cases.push((column, &long));
    }
    cases.push(("librarybarcode", &long));
    for good in [
        "jane@school.org",
        "jane@localhost",
        "a@b",
        "JANE.Doe+x@sub-domain.example.ORG",
        "a@1.2.3.4",
        "!#$%&'*+/=?^_`{|}~-@x",
        "jane@school.org",
        &long_email,
    ] {
        cases.push(("emailaddress", good));
    }
    for good in ["1900", "2200", "2026"] {
        cases.push(("graduationyear", good));
    }
    for good in ["M", "F", "m", "f", ""] {
        cases.push(("gender", good));
    }
    for good in ["y", "Y", "yes", "YES", "true", "True", "1", "n", "N", "no", "No", "false", "FALSE", "0"] {
        cases.push(("enabled", good));
    }
    // Staff members, who need no graduation year.
    for good in ["y", "yes", "Yes", "true", "TRUE", "1"] {
        cases.push(("staffmember", good));
    }
    let rows: Vec<String> = cases
        .iter()
        .enumerate()
        .map(|(index, (column, cell))| row_with(&format!("user{index}"), column, cell))
        .collect();
    let answer = stack.post_users(file(&rows.iter().map(String::as_str).collect::<Vec<_>>())).await;
    answer.is(200, &result(&vec![Row::Created; cases.len()]));

    for (index, (column, cell)) in cases.iter().enumerate() {
        let stored = user(&stack, &format!("user{index}")).await;
        let (name, value) = match *column {
            "password" => continue,
            "givenname" => ("given_name", json!(cell)),
            "surname" => ("surname", json!(cell)),
            "middlename" => ("middle_name", json!(cell)),
            "preferredname" => ("preferred_name", json!(cell)),
            "adminsystemid" => ("admin_system_id", json!(cell)),
            "formclass" => ("form_class", json!(cell)),
            "presentationgrouplabel" => ("presentation_group", json!(cell)),
            "librarybarcode" => ("library_barcode", json!(cell)),
            "emailaddress" => ("email_address", json!(cell)),
            "graduationyear" => ("graduation_year", json!(cell.parse::<i32>().unwrap())),
            "gender" if cell.is_empty() => ("gender", Value::Null),
            "gender" => ("gender", json!(cell.to_uppercase())),
            "enabled" => ("enabled", json!("yYtT1".contains(cell.chars().next().unwrap()))),
            _ => ("staff_member", json!(true)),
        };
        assert_eq!(stored[name], value, "{column} {cell}");
    }
}

#[tokio::test]
async fn create_requires_the_contracts_fields() {
    const ENABLED: &str = "Field (enabled) is required to create a user. ";
    const STAFF: &str = "Field (staffMember) is required to create a user. ";
    const YEAR: &str = "Field (graduationYear) is required to create a student. ";

    let stack = Stack::new().await;
    let year_and_enabled = format!("{YEAR}{ENABLED}");
    let both = format!("{ENABLED}{STAFF}");
    let cases: [(&str, Row<'_>); 15] = [
        ("staff1,y,y,", Row::Created),
        ("staff2,n,y,2020", Row::Created),
        ("student1,y,n,2020", Row::Created),
        ("a,y,n,", Row::Failed(YEAR)),
        ("a,y,n", Row::Failed(YEAR)),
        ("a,,y,", Row::Failed(ENABLED)),
        ("a,y,,", Row::Failed(STAFF)),
        ("a,y,,2020", Row::Failed(STAFF)),
        ("a,,,", Row::Failed(&both)),
        ("a", Row::Failed(&both)),
        ("a,,n,", Row::Failed(&year_and_enabled)),
        // An invalid value is not also reported as missing.
        ("a,maybe,y,", Row::Failed("Field (enabled) is not a valid boolean. ")),
        ("a,y,maybe,", Row::Failed("Field (staffMember) is not a valid boolean. ")),
        ("a,y,n,soon", Row::Failed("Field (graduationYear) is not a valid year. ")),
        // A row without a username creates nothing, and so requires nothing.
        (
            ",maybe,,",
            Row::Failed("Field (username) may not be empty. Field (enabled) is not a valid boolean. "),
        ),
    ];
    let file: String = cases.iter().map(|(row, _)| format!("{row}\n")).collect();
    let expected = cases.map(|(_, outcome)| outcome);
    let answer = stack.post_users(format!("username,enabled,staffmember,graduationyear\n{file}")).await;
    answer.is(200, &result(&expected));
    // An update requires none of them, not even of a staff member who becomes a student.
    let update = "username,enabled,staffmember,graduationyear\nstaff1,,n,\nstudent1,,,\n";
    stack.post_users(update).await.is(200, &result(&[Row::Updated, Row::Updated]));
    assert_eq!(user_count(&stack).await, 4);
}

#[tokio::test]
async fn all_problems_are_listed_in_the_contracts_order() {
    let stack = Stack::new().await;
    stack
        .post_users("username,barcode,enabled,staffmember\nowner,B-1,y,y\n")
        .await
        .is(200, &result(&[Row::Created]));
    // The file's columns are in another order.
    let long = "x".repeat(256);
    let file = format!(
        "presentationgroup,staffmember,enabled,formclass,gender,adminsystemid,barcode,graduationyear,email,preferredname,\
         middlename,surname,givenname,username\n\
         {long},,,{long},X,{long},B-1,x,x,{long},{long},{long},{long},john\n"
    );
    let expected = "Field (givenName) is longer than 255 characters. \
                    Field (surname) is longer than 255 characters. \
                    Field (middleName) is longer than 255 characters. \
                    Field (preferredName) is longer than 255 characters. \
                    Field (emailAddress) is not a well-formed email address. \
                    Field (graduationYear) is not a valid year. \
                    Field (libraryBarcode) is already used by another user. \
                    Field (adminSystemId) is longer than 255 characters. \
                    Field (gender) must be M, F or blank. \
                    Field (formClass) is longer than 255 characters. \
                    Field (enabled) is required to create a user. \
                    Field (staffMember) is required to create a user. \
                    Field (presentationGroupLabel) is longer than 255 characters. ";
    stack.post_users(&file).await.is(200, &result(&[Row::Failed(expected)]));
    // One cell too many: the cells may be in other columns than they seem, so nothing is said of them.
    let file = file.replace(",john\n", ",john,surplus\n");
    let surplus = "Row has 15 values but the header has 14 columns. ";
    stack.post_users(file).await.is(200, &result(&[Row::Failed(surplus)]));
}

#[tokio::test]
async fn file_of_four_columns_updates_existing_users() {
    let stack = Stack::new().await;
    stack.post_users("username,enabled,staffmember\njane,y,y\n").await.is(200, &result(&[Row::Created]));
    let file = "username,password,emailaddress,formclass\njane,swordfish,jane@gmail.com,10A\njohn,password1,john@gmail.com,10B\n";
    let lacks =
        "Field (enabled) is required to create a user. Field (staffMember) is required to create a user. ";
    stack.post_users(file).await.is(200, &result(&[Row::Updated, Row::Failed(lacks)]));
    let jane = user(&stack, "jane").await;
    assert_eq!((&jane["email_address"], &jane["form_class"]), (&json!("jane@gmail.com"), &json!("10A")));
    assert_eq!(user_count(&stack).await, 2);
}

#[tokio::test]
async fn new_presentation_group_is_created() {
    let stack = Stack::new().await;
    let labels = async || stack.rows("select label from presentation_groups order by label").await;
    let file = "username,enabled,staffmember,presentationgroup,email\n\
                a,y,y,Blue,\nb,y,y, Blue ,\nc,y,y,Red,bad\nd,y,y,blue,\n,y,y,Green,\ne,y,y,,\n";
    let answer = stack.post_users(file).await;
    let bad = Row::Failed("Field (emailAddress) is not a well-formed email address. ");
    let empty_username = Row::Failed("Field (username) may not be empty. ");
    answer.is(200, &result(&[Row::Created, Row::Created, bad, Row::Created, empty_username, Row::Created]));
    assert_eq!(
        labels().await,
        [json!({"label": "Blue"}), json!({"label": "blue"})],
        "failed rows create none"
    );
    let members =
        stack.rows("select distinct presentation_group_id from users where username in ('a', 'b')").await;
    assert_eq!(members.len(), 1);

    // A user has one group: the next replaces the last.
    let file = "username,presentationgroup\na,Red\nb,\na,Yellow\n";
    stack.post_users(file).await.is(200, &result(&[Row::Updated; 3]));
    assert_eq!(user(&stack, "a").await["presentation_group"], "Yellow");
    assert_eq!(user(&stack, "b").await["presentation_group"], Value::Null);
    let elsewhere = stack.add_tenant("elsewhere").await;
    let file = "username,enabled,staffmember,presentationgroup\na,y,y,Blue\n";
    stack.post_users_of(&elsewhere, file).await.is(200, &result(&[Row::Created]));
    let blue = stack.rows("select id from presentation_groups where label = 'Blue'").await;
    assert_eq!(blue.len(), 2, "each tenant has its own");
}
