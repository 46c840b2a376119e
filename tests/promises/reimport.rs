//! Importing the same file again, as schools do every night: unchanged rows are not written, and changes made outside the
//! imports are overwritten.

use std::fmt::Write as _;

use rollcall_schema::tenants::tenant::{self, PasswordPolicy};
use rollcall_tests::harness::{Options, Row, Stack, result};

const FILE: &str = "username,givenname,surname,emailaddress,librarybarcode,password,formclass,enabled,staffmember,\
                    graduationyear,presentationgroup\n\
                    jane,Jane,Doe,jane@school.example,B1,swordfish,7A,Y,N,2027,Blue\n\
                    john,John,Roe,,B2,,,yes,true,,\n\
                    mary,Mary,Poe,mary@school.example,,,8B,1,N,2028,Blue\n";

/// The version of each user's row: every write makes a new one.
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

    // The same values, written in another way and with other columns.
    let again = "Given Name;USERNAME;enabled\nJane;JANE;true\n";
    stack.post_users(again).await.is(200, &result(&[Row::Updated]));
    assert_eq!(versions(&stack).await, before);
    // Changing one user writes one row.
    stack.post_users(FILE.replace("Poe", "Noe")).await.is(200, &result(&[Row::Updated; 3]));
    let after = versions(&stack).await;
    let differences = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    assert_eq!(differences, 1, "{before:?} {after:?}");
}

/// Rows in any order, in chunks that overlap: whichever way a user came into being, the row that made it is recognised.
#[tokio::test]
async fn every_row_of_an_unordered_file_is_recognised() {
    let stack = Options::default()
        .worker_env("ROLLCALL_CHUNK_ROWS", 16)
        .worker_env("ROLLCALL_PARALLEL_CHUNKS", 1)
        .start()
        .await;
    let file = |form_class: &str| {
        let mut file = "username,librarybarcode,formclass,enabled,staffmember\n".to_owned();
        for user in (0..200).map(|row| row * 79 % 200) {
            writeln!(file, "user{user:03},b{user:03},{form_class},y,y").unwrap();
        }
        file
    };
    let undigested = "select username from users where row_digest is null and username like 'user%'";
    stack.post_users(file("7A")).await.is(200, &result(&[Row::Created; 200]));
    stack.post_users(file("7A")).await.is(200, &result(&[Row::Updated; 200]));
    assert_eq!(stack.rows(undigested).await, [0; 0]);
    let before = versions(&stack).await;
    stack.post_users(file("7A")).await.is(200, &result(&[Row::Updated; 200]));
    assert_eq!(versions(&stack).await, before);

    // Each row changes its user once, and is recognised from then on.
    stack.post_users(file("8A")).await.is(200, &result(&[Row::Updated; 200]));
    assert_eq!(stack.rows(undigested).await, [0; 0]);
    let before = versions(&stack).await;
    stack.post_users(file("8A")).await.is(200, &result(&[Row::Updated; 200]));
    assert_eq!(versions(&stack).await, before);

    // The same in other words: its digests differ, and are not written night after night.
    for _ in 0..2 {
        let again = file("8A").replace(",formclass", ",gender").replace(",8A,", ",,");
        stack.post_users(again).await.is(200, &result(&[Row::Updated; 200]));
        assert_eq!(versions(&stack).await, before);
    }
}

#[tokio::test]
async fn outside_changes_are_overwritten() {
    let stack = Stack::new().await;
    stack.post_users(FILE).await.is(200, &result(&[Row::Created; 3]));
    let query = "select u.*, g.label from users u left join presentation_groups g on g.id = presentation_group_id \
                  where u.username = 'jane'";
    let fields = |row: &serde_json::Value| {
        ["given_name", "library_barcode", "enabled", "graduation_year", "form_class", "label"]
            .map(|field| row[field].clone())
    };
    let before = fields(&stack.row(query).await);
    for change in [
        "update users set given_name = 'Joan' where username = 'jane'",
        "update users set library_barcode = null, form_class = '9Z' where username = 'jane'",
        "update users set enabled = false, graduation_year = 1999 where username = 'jane'",
        "update users set presentation_group_id = null where username = 'jane'",
        "update presentation_groups set label = 'Azure' where label = 'Blue'",
    ] {
        stack.execute(change).await;
        assert_ne!(fields(&stack.row(query).await), before, "{change}");
        stack.post_users(FILE).await.is(200, &result(&[Row::Updated; 3]));
        assert_eq!(fields(&stack.row(query).await), before, "{change}");
    }
    stack.execute("delete from users where username = 'jane'").await;
    stack.post_users(FILE).await.is(200, &result(&[Row::Created, Row::Updated, Row::Updated]));
    assert_eq!(fields(&stack.row(query).await), before);
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
