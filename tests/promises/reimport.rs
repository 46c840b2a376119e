//! The nightly file: what is unchanged is not written, what anybody else changed meanwhile is put right, and chunks that
//! are merged side by side come to what one after another would.

use std::fmt::Write as _;

use rollcall_schema::tenant::{self, PasswordPolicy};
use rollcall_tests::harness::{Options, Row, Stack, result};

const FILE: &str = "username,givenname,surname,emailaddress,librarybarcode,password,formclass,enabled,staffmember,\
                    graduationyear,presentationgroup\n\
                    jane,Jane,Doe,jane@school.example,B1,swordfish,7A,Y,N,2027,Blue\n\
                    john,John,Roe,,B2,,,yes,true,,\n\
                    mary,Mary,Poe,mary@school.example,,,8B,1,N,2028,Blue\n";

/// Who has which version of which row: a row that is written gets a new version.
async fn versions(stack: &Stack) -> Vec<serde_json::Value> {
    stack.rows("select username, xmin::text, ctid::text from users order by username_key").await
}

#[tokio::test]
async fn unchanged_rows_are_not_written() {
    let stack = Options::default().worker_env("ROLLCALL_WORKER_HASHING_THREADS", 0).start().await;
    stack.post_users(FILE).await.is(200, &result(&[Row::Created; 3]));
    let before = versions(&stack).await;
    stack.post_users(FILE).await.is(200, &result(&[Row::Updated; 3]));
    assert_eq!(versions(&stack).await, before);

    // The same said in another way: other columns, other words.
    let again = "Given Name;USERNAME;enabled\nJane;JANE;true\n";
    stack.post_users(again).await.is(200, &result(&[Row::Updated]));
    assert_eq!(versions(&stack).await, before);
    // The file with one user changed writes one user.
    stack.post_users(FILE.replace("Poe", "Noe")).await.is(200, &result(&[Row::Updated; 3]));
    let after = versions(&stack).await;
    let differences = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    assert_eq!(differences, 1, "{before:?} {after:?}");
}

#[tokio::test]
async fn outside_changes_are_overwritten() {
    let stack = Stack::new().await;
    stack.post_users(FILE).await.is(200, &result(&[Row::Created; 3]));
    let people = "select u.*, g.label from users u left join presentation_groups g on g.id = presentation_group_id \
                  where u.username = 'jane'";
    let fields = |row: &serde_json::Value| {
        ["given_name", "library_barcode", "enabled", "graduation_year", "form_class", "label"]
            .map(|field| row[field].clone())
    };
    let before = fields(&stack.row(people).await);
    for change in [
        "update users set given_name = 'Joan' where username = 'jane'",
        "update users set library_barcode = null, form_class = '9Z' where username = 'jane'",
        "update users set enabled = false, graduation_year = 1999 where username = 'jane'",
        "update users set presentation_group_id = null where username = 'jane'",
        "update presentation_groups set label = 'Azure' where label = 'Blue'",
    ] {
        stack.execute(change).await;
        assert_ne!(fields(&stack.row(people).await), before, "{change}");
        stack.post_users(FILE).await.is(200, &result(&[Row::Updated; 3]));
        assert_eq!(fields(&stack.row(people).await), before, "{change}");
    }
    stack.execute("delete from users where username = 'jane'").await;
    stack.post_users(FILE).await.is(200, &result(&[Row::Created, Row::Updated, Row::Updated]));
    assert_eq!(fields(&stack.row(people).await), before);
}

#[tokio::test]
async fn new_password_policy_applies_to_an_unchanged_file() {
    let stack = Options::default().worker_env("ROLLCALL_WORKER_HASHING_THREADS", 0).start().await;
    let sealed = "select username from users where password_sealed is not null";
    let mut conn = stack.database.connection().await.unwrap();
    tenant::set_password_policy(&mut conn, stack.school().id, PasswordPolicy::OnCreate).await.unwrap();
    stack.post_users(FILE.replace("swordfish", "")).await.is(200, &result(&[Row::Created; 3]));
    stack.post_users(FILE).await.is(200, &result(&[Row::Updated; 3]));
    assert!(stack.rows(sealed).await.is_empty());
    tenant::set_password_policy(&mut conn, stack.school().id, PasswordPolicy::WhenChanged).await.unwrap();
    stack.post_users(FILE).await.is(200, &result(&[Row::Updated; 3]));
    assert_eq!(stack.rows(sealed).await.len(), 1);
    tenant::set_password_policy(&mut conn, stack.school().id, PasswordPolicy::Always).await.unwrap();
    stack
        .execute("update users set password_sealed = null, password_hash = 'her own' where username = 'jane'")
        .await;
    for _ in 0..2 {
        stack.execute("update users set password_sealed = null where username = 'jane'").await;
        stack.post_users(FILE).await.is(200, &result(&[Row::Updated; 3]));
        assert_eq!(stack.rows(sealed).await.len(), 1, "each time");
    }
}

/// Barcodes that go from hand to hand, a username in every chunk, a group that each chunk would make: with chunks of two
/// rows on four connections nothing of it may be judged before what stands above it in the file.
#[tokio::test]
async fn parallel_chunks_match_sequential_ones() {
    const USERS: usize = 60;
    let stack =
        Options::default().worker_env("ROLLCALL_CHUNK_ROWS", 2).worker_env("ROLLCALL_LANES", 4).start().await;
    let mut first = "username,librarybarcode,enabled,staffmember,presentationgroup\n".to_owned();
    for user in 0..USERS {
        writeln!(first, "u{user},b{user},y,y,").unwrap();
    }
    stack.post_users(&first).await.is(200, &result(&[Row::Created; USERS]));

    let mut second = "username,librarybarcode,surname,presentationgroup\n".to_owned();
    let mut expected = Vec::new();
    // The last user lets go of a barcode, and everybody takes the one that the user before has just given up.
    writeln!(second, "u{},new,,", USERS - 1).unwrap();
    expected.push(Row::Updated);
    for user in (0..USERS - 1).rev() {
        writeln!(second, "u{user},b{},,G{}", user + 1, user / 8).unwrap();
        expected.push(Row::Updated);
        if user % 7 == 0 {
            writeln!(second, "U{},,version {user},", USERS - 1).unwrap();
            expected.push(Row::Updated);
        }
        if user % 9 == 0 {
            // The one that was just given up, at the very end; else one whose owner comes next.
            writeln!(second, "u{},b{},version {user},", USERS - 1, user.saturating_sub(1)).unwrap();
            expected.push(if user == 0 {
                Row::Updated
            } else {
                Row::Failed("Field (libraryBarcode) is already used by another user. ")
            });
        }
    }
    stack.post_users(&second).await.is(200, &result(&expected));
    let moved = stack
        .rows("select n from generate_series(0, 100) n join users on username = 'u' || n and library_barcode = 'b' || (n + 1)")
        .await;
    assert_eq!(moved.len(), USERS - 1);
    let last = stack
        .row(&format!("select surname, library_barcode from users where username = 'u{}'", USERS - 1))
        .await;
    assert_eq!((&last["surname"], &last["library_barcode"]), (&"version 0".into(), &"b0".into()));
    assert_eq!(stack.rows("select label from presentation_groups").await.len(), USERS.div_ceil(8));
    // Once more, from its own end: everybody's barcode is in somebody else's hands now or again where it is claimed.
    stack.post_users(&first.replace("enabled,staffmember,", "").replace(",y,y", "")).await.is(
        200,
        &result(&std::array::from_fn::<_, USERS, _>(|_| {
            Row::Failed("Field (libraryBarcode) is already used by another user. ")
        })),
    );
}
