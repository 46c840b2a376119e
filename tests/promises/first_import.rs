//! The main path: a school posts a roster, and the answer is the result (contract §1).

use rollcall_tests::harness::Stack;

const HEADER: &str = "username,givenname,surname,enabled,staffmember,graduationyear";

#[tokio::test]
async fn first_import_creates_and_second_updates() {
    let stack = Stack::new().await;
    let file = format!("{HEADER}\njdoe1,Jane,Doe,Y,N,2027\nmhenry1,Mark,Henry,Y,Y,\n");
    stack
        .post_users(&file)
        .await
        .is(200, r#"{"success":true,"summary":"2 users processed. 2 users created. 0 users updated. 0 users failed."}"#);
    stack
        .post_users(&file)
        .await
        .is(200, r#"{"success":true,"summary":"2 users processed. 0 users created. 2 users updated. 0 users failed."}"#);
}
