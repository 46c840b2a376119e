//! The census: a large file asks once what its tenant has, and its outcome is that of rows looked up one by one (contract §2).

use std::fmt::Write as _;

use rollcall_tests::harness::{Options, Row, Stack, result};

const TAKEN: Row<'static> = Row::Failed("Field (libraryBarcode) is already used by another user. ");

/// A stack whose files have many chunks, merged one after another.
fn options() -> Options {
    Options::default().worker_env("ROLLCALL_CHUNK_ROWS", 10).worker_env("ROLLCALL_PARALLEL_CHUNKS", 1)
}

/// A file of users with these numbers.
fn file(users: impl IntoIterator<Item = usize>) -> String {
    let mut file =
        "username,givenname,surname,emailaddress,librarybarcode,formclass,enabled,staffmember\n".to_owned();
    for user in users {
        writeln!(
            file,
            "user{user},A given name,A surname that makes the row long,user{user}@school.example,barcode{user},7A,y,y"
        )
        .unwrap();
    }
    file
}

/// While the first chunk waits, an operator changes a user, removes one, creates one, and gives a barcode away. The chunks
/// after it do not rely on what the census has said of them.
#[tokio::test]
async fn what_others_change_after_the_census_is_noticed() {
    let stack = options().start().await;
    stack.post_users(file(0..100)).await.is(200, &result(&[Row::Created; 100]));

    let lock = stack.lock_user("user0").await;
    // The first row changes its user; 100 and 101 are new.
    let night = file(0..102).replacen("7A", "8A", 1);
    let mut expected = [Row::Updated; 102];
    (expected[98], expected[101]) = (Row::Created, TAKEN);
    let operate = async {
        stack.wait_for_blocked_chunk().await;
        stack.execute("update users set surname = 'Theirs' where username = 'user99'").await;
        stack.execute("delete from users where username = 'user98'").await;
        stack
            .execute(
                "insert into users (tenant_id, id, username, username_key, enabled, staff_member)
                 select tenant_id, gen_random_uuid(), 'user100', 'user100', true, true from users limit 1",
            )
            .await;
        stack.execute("update users set library_barcode = 'barcode101' where username = 'autoimport'").await;
        drop(lock);
    };
    let (answer, ()) = tokio::join!(stack.post_users(&night), operate);
    answer.is(200, &result(&expected));
    let as_in_the_file = stack
        .rows("select from users where surname = 'A surname that makes the row long' and library_barcode is not null")
        .await;
    assert_eq!(as_in_the_file.len(), 101);

    // The next census knows of all that.
    stack.post_users(file(0..100).replacen("7A", "8A", 1)).await.is(200, &result(&[Row::Updated; 100]));
    assert_eq!(stack.rows("select from roster_changes").await, [0; 0]);
}

/// A user who is named in two chunks has the values of the last row, night after night.
#[tokio::test]
async fn a_row_is_not_skipped_after_another_row_of_its_user() {
    let stack = options().start().await;
    let night = file((0..60).chain([0])).replacen("7A", "first", 1);
    let mut expected = [Row::Created; 61];
    expected[60] = Row::Updated;
    for _ in 0..3 {
        stack.post_users(&night).await.is(200, &result(&expected));
        let stored = stack.row("select form_class from users where username = 'user0'").await;
        assert_eq!(stored["form_class"], "7A");
        expected = [Row::Updated; 61];
    }
}

/// A barcode that passes from one user to another in a later chunk, and one that two new users claim.
#[tokio::test]
async fn barcodes_that_earlier_chunks_write_are_looked_up() {
    let stack = options().start().await;
    stack.post_users(file(0..60)).await.is(200, &result(&[Row::Created; 60]));
    let night = file(0..62)
        // Released by the first row and taken by the last but one.
        .replacen("barcode0,", "another,", 1)
        .replace("barcode60,", "barcode0,")
        // Taken by the first row.
        .replace("barcode61,", "another,");
    let mut expected = [Row::Updated; 62];
    (expected[60], expected[61]) = (Row::Created, TAKEN);
    stack.post_users(&night).await.is(200, &result(&expected));
}

/// A roster that is larger than the census may be is looked up row by row.
#[tokio::test]
async fn without_memory_for_a_census_the_outcome_is_the_same() {
    let stack = options().worker_env("ROLLCALL_CENSUS_MEMORY_MIB", 0).start().await;
    stack.post_users(file(0..60)).await.is(200, &result(&[Row::Created; 60]));
    let versions = "select username, ctid::text from users order by username";
    let before = stack.rows(versions).await;
    stack.post_users(file(0..60)).await.is(200, &result(&[Row::Updated; 60]));
    assert_eq!(stack.rows(versions).await, before);
}

/// A group import knows users by the census. One that is removed meanwhile is unknown, and one that is created is found.
#[tokio::test]
async fn memberships_are_of_users_that_exist() {
    let stack = options().start().await;
    stack.define_groups(stack.school(), &["Readers", "Writers"], &[]).await;
    stack.post_users(file(0..60)).await.is(200, &result(&[Row::Created; 60]));
    let mut night = "username,library-group,system-group\n".to_owned();
    for user in 0..61 {
        writeln!(night, "user{user},Readers,").unwrap();
    }
    // The first chunk waits for the membership that another transaction inserts.
    let lock = stack.lock(&insert_membership("user0", "Readers")).await;
    let mut expected = [Row::Updated; 61];
    expected[58] = Row::Failed("Field (username) is not a known user. ");
    let operate = async {
        stack.wait_for_blocked_chunk().await;
        stack.execute("delete from users where username = 'user58'").await;
        stack
            .execute(
                "insert into users (tenant_id, id, username, username_key, enabled, staff_member)
                 select tenant_id, gen_random_uuid(), 'user60', 'user60', true, true from users limit 1",
            )
            .await;
        drop(lock);
    };
    let (answer, ()) = tokio::join!(stack.post_groups(&night), operate);
    answer.is(200, &result(&expected));
    let members = "select from library_group_members join users on users.id = user_id";
    assert_eq!(stack.rows(members).await.len(), 60);
    assert_eq!(stack.rows("select from library_group_members").await.len(), 60);
}

/// A group import knows the memberships by the census. One that is removed meanwhile is made again, and one that is made
/// meanwhile is no fault.
#[tokio::test]
async fn memberships_that_others_change_are_noticed() {
    let stack = start_with_groups().await;
    stack.post_groups(group_file(0..40)).await.is(200, &result(&[Row::Updated; 40]));

    let lock = stack.lock(&insert_membership("user40", "Readers")).await;
    // The first chunk waits for the membership that another transaction inserts.
    let night = group_file((40..60).chain(0..40));
    let operate = async {
        stack.wait_for_blocked_chunk().await;
        stack
            .execute(
                "delete from library_group_members using users where id = user_id and username = 'user30'",
            )
            .await;
        stack
            .execute(
                "delete from system_group_members using users where id = user_id and username = 'user31'",
            )
            .await;
        stack.execute(&insert_membership("user59", "Readers")).await;
        drop(lock);
    };
    let (answer, ()) = tokio::join!(stack.post_groups(&night), operate);
    answer.is(200, &result(&[Row::Updated; 60]));
    assert_memberships(&stack, 60).await;
    // The next census knows of all that.
    stack.post_groups(&night).await.is(200, &result(&[Row::Updated; 60]));
    assert_eq!(stack.rows("select from roster_changes").await, [0; 0]);
}

/// A file may say the same twice, in one chunk or in several.
#[tokio::test]
async fn rows_that_are_in_the_file_twice_are_no_fault() {
    let stack = start_with_groups().await;
    let night = group_file((0..60).chain([59, 59]).chain(0..60));
    for _ in 0..2 {
        stack.post_groups(&night).await.is(200, &result(&[Row::Updated; 122]));
        assert_memberships(&stack, 60).await;
    }
}

/// What is there already is not written again: the version of its row stays.
#[tokio::test]
async fn known_memberships_are_not_written() {
    let stack = start_with_groups().await;
    stack.post_groups(group_file(0..50)).await.is(200, &result(&[Row::Updated; 50]));
    let versions =
        "select user_id::text, ctid::text, xmin::text from library_group_members order by user_id limit 50";
    let before = stack.rows(versions).await;
    stack.post_groups(group_file(0..60)).await.is(200, &result(&[Row::Updated; 60]));
    assert_eq!(stack.rows(versions).await, before);
    assert_memberships(&stack, 60).await;
}

/// A stack with sixty users and the groups that [`group_file`] names.
async fn start_with_groups() -> Stack {
    let stack = options().start().await;
    stack.define_groups(stack.school(), &["Readers", "Writers"], &["Pupils"]).await;
    stack.post_users(file(0..60)).await.is(200, &result(&[Row::Created; 60]));
    stack
}

/// A file of memberships of these users: each in a library group and in a system group.
fn group_file(users: impl IntoIterator<Item = usize>) -> String {
    let mut file = "username,library-group,system-group\n".to_owned();
    for user in users {
        writeln!(file, "user{user},Readers,Pupils").unwrap();
    }
    file
}

fn insert_membership(username: &str, library_group: &str) -> String {
    format!(
        "insert into library_group_members (tenant_id, user_id, group_id)
         select users.tenant_id, users.id, library_groups.id
           from users join library_groups using (tenant_id)
          where username = '{username}' and name = '{library_group}'"
    )
}

/// So many users of the file are in each of the two groups.
async fn assert_memberships(stack: &Stack, users: usize) {
    for table in ["library_group_members", "system_group_members"] {
        let members = format!("select from {table} join users on id = user_id where username like 'user%'");
        assert_eq!(stack.rows(&members).await.len(), users, "{table}");
    }
}
