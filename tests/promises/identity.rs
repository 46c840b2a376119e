//! Which user a row means, and what it may claim: a username is one user in any case, a barcode belongs to one user, and
//! both are the tenant's own (contract §4, invariant 9).

use rollcall_tests::harness::{Row, Stack, result};
use serde_json::{Value, json};

const TAKEN: &str = "Field (libraryBarcode) is already used by another user. ";

#[tokio::test]
async fn barcode_belongs_to_one_user_and_failed_rows_claim_none() {
    let stack = Stack::new().await;
    let cases: [(&str, Row<'_>); 16] = [
        ("a,y,y,B-1,", Row::Created),
        ("b,y,y,B-1,", Row::Failed(TAKEN)),
        ("a,y,y,B-1,", Row::Updated),
        ("a,y,y,,", Row::Updated),
        ("b,y,y,B-1,", Row::Failed(TAKEN)),
        // Released by the previous row.
        ("a,y,y,B-2,", Row::Updated),
        ("b,y,y,B-1,", Row::Created),
        // It would own B-3 if its email address were valid.
        ("c,y,y,B-3,bad", Row::Failed("Field (emailAddress) is not a well-formed email address. ")),
        ("d,y,y,B-3,", Row::Created),
        // It keeps B-2, so that no other user can get it.
        ("a,y,y,B-4,bad", Row::Failed("Field (emailAddress) is not a well-formed email address. ")),
        ("e,y,y,B-2,", Row::Failed(TAKEN)),
        (
            "e,,y,B-2,",
            Row::Failed(
                "Field (libraryBarcode) is already used by another user. Field (enabled) is required to create a user. ",
            ),
        ),
        ("e,y,y,B-4,", Row::Created),
        // Barcodes are case-sensitive.
        ("f,y,y,b-4,", Row::Created),
        // A row without a username claims nothing.
        (",y,y,B-1,", Row::Failed("Field (username) may not be empty. ")),
        ("b,y,y,B-2,", Row::Failed(TAKEN)),
    ];
    let file: String = cases.iter().map(|(row, _)| format!("{row}\n")).collect();
    let expected = cases.map(|(_, outcome)| outcome);
    let header = "username,enabled,staffmember,librarybarcode,emailaddress";
    stack.post_users(format!("{header}\n{file}")).await.is(200, &result(&expected));
    let barcodes = async |expected: &[(&str, &str)]| {
        let stored = stack
            .rows("select username, library_barcode from users where library_barcode is not null order by username")
            .await;
        let expected: Vec<Value> = expected
            .iter()
            .map(|(username, barcode)| json!({"username": username, "library_barcode": barcode}))
            .collect();
        assert_eq!(stored, expected);
    };
    barcodes(&[("a", "B-2"), ("b", "B-1"), ("d", "B-3"), ("e", "B-4"), ("f", "b-4")]).await;

    // In another file, two users swap barcodes through a third one.
    let swap = "username,barcode\na,B-1\na,B-9\nb,B-2\na,B-1\nb,B-2\n";
    stack
        .post_users(swap)
        .await
        .is(200, &result(&[Row::Failed(TAKEN), Row::Updated, Row::Updated, Row::Updated, Row::Updated]));
    barcodes(&[("a", "B-1"), ("b", "B-2"), ("d", "B-3"), ("e", "B-4"), ("f", "b-4")]).await;

    // Another tenant's barcodes are its own.
    let elsewhere = stack.add_tenant("elsewhere").await;
    let file = "username,enabled,staffmember,barcode\nz,y,y,B-1\n";
    stack.post_users_of(&elsewhere, file).await.is(200, &result(&[Row::Created]));
}

#[tokio::test]
async fn username_ignores_case_and_keeps_its_first_spelling() {
    let stack = Stack::new().await;
    let file = "username,enabled,staffmember,surname\nJDoe,y,y,One\njdoe,,,Two\nJDOE,,,\nÉmile Ö,y,y,One\néMILE ö,,,Two\n";
    stack.post_users(file).await.is(
        200,
        r#"{"success":true,"summary":"5 users processed. 2 users created. 3 users updated. 0 users failed."}"#,
    );
    assert_eq!(
        stack.row("select username, surname from users where username_key = 'jdoe'").await,
        json!({"username": "JDoe", "surname": null})
    );
    stack.post_users("username,surname\nJdOe,Three\n").await.is(200, &result(&[Row::Updated]));
    assert_eq!(
        stack.row("select username, surname from users where username_key = 'jdoe'").await,
        json!({"username": "JDoe", "surname": "Three"})
    );
    let emile = "select username, surname from users where username like '%mile%'";
    assert_eq!(stack.row(emile).await, json!({"username": "Émile Ö", "surname": "Two"}));

    // The same name in another tenant is another user.
    let elsewhere = stack.add_tenant("elsewhere").await;
    let answer = stack.post_users_of(&elsewhere, "username,enabled,staffmember\njdoe,y,y\n").await;
    answer.is(200, &result(&[Row::Created]));
    assert_eq!(stack.rows("select id from users where username_key = 'jdoe'").await.len(), 2);

    // Twice in a file: the first row fails and creates nothing, so the second one creates the user.
    let twice = "username,enabled,staffmember,email\nkim,y,y,bad\nkim,y,y,\nkim,y,y,bad\n";
    let bad = Row::Failed("Field (emailAddress) is not a well-formed email address. ");
    let answer = stack.post_users_of(&elsewhere, twice).await;
    answer.is(200, &result(&[bad, Row::Created, bad]));
}
