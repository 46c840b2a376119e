//! The samples and commands of the two source documents work as the documents say (contract §§1–5).

use std::path::Path;

use rollcall_tests::harness::{Options, Row, Stack, curl, eventually, result};
use serde_json::json;

/// The users document's sample. The line break after its header, after `staffmemberid`, is missing.
const SAMPLE: &str = "\
username,givenname,surname,middleinitialname,preferredname,emailaddress,graduationyear,librarybarcode,adminsystemid,gender,password,formclass,enabled,staffmemberid,jdoe1,Jane,Doe,Mary,Jane,jdoe1@yourschool.com,2016,123456,123456,F,change,12A,Y,N,style1
mhenry1,Mark,Steven,Henry,Henry,mhenry1@yourschool.com,2018,123457,123457,M,change,10C,Y,N,style2
";

/// The users document's sample of an update.
const UPDATE: &str = "\
username,password,emailaddress,formclass
jane,swordfish,jane@gmail.com,10A
john,password1,john@gmail.com,10B
";

#[tokio::test]
async fn sample_without_its_line_break_is_one_row_of_29_columns() {
    let stack = Stack::new().await;
    stack.post_users(SAMPLE).await.is(
        200,
        r#"{"success":true,"summary":"1 user processed. 1 user created. 0 users updated. 0 users failed."}"#,
    );
    let stored = stack
        .row(
            "select username, given_name, surname, middle_name, preferred_name, email_address, graduation_year,
                    library_barcode, admin_system_id, gender, form_class, enabled, staff_member
               from users where username <> 'autoimport'",
        )
        .await;
    assert_eq!(
        stored,
        json!({
            "username": "mhenry1", "given_name": "Mark", "surname": "Steven", "middle_name": "Henry",
            "preferred_name": "Henry", "email_address": "mhenry1@yourschool.com", "graduation_year": 2018,
            "library_barcode": "123457", "admin_system_id": "123457", "gender": "M", "form_class": "10C",
            "enabled": true, "staff_member": false,
        })
    );
    // The cells of the first line's row are not repeated: they are no column names.
    let jobs = stack.get("/api/import/jobs").await.json();
    let ignored: Vec<_> = (15..=29).map(|number| format!("column {number}")).collect();
    assert_eq!(jobs["jobs"][0]["ignoredColumns"], json!(ignored));
}

#[tokio::test]
async fn repaired_sample_has_one_value_too_many_per_row() {
    let stack = Stack::new().await;
    let repaired = SAMPLE.replace("staffmemberid,", "staffmemberid\n");
    stack.post_users(&repaired).await.is(
        200,
        r#"{"success":false,"summary":"2 users processed. 0 users created. 0 users updated. 2 users failed.","details":{"1":"Row has 15 values but the header has 14 columns. User failed to import: Row has 15 values but the header has 14 columns. ","2":"Row has 15 values but the header has 14 columns. User failed to import: Row has 15 values but the header has 14 columns. "}}"#,
    );
    // Without the surplus values, or with a column for them, it works as its author meant.
    let trimmed = repaired.replace(",style1", "").replace(",style2", "");
    let named = repaired.replace("staffmemberid\n", "staffmemberid,style\n");
    stack.post_users(trimmed).await.is(
        200,
        r#"{"success":true,"summary":"2 users processed. 2 users created. 0 users updated. 0 users failed."}"#,
    );
    stack.post_users(named).await.is(
        200,
        r#"{"success":true,"summary":"2 users processed. 0 users created. 2 users updated. 0 users failed."}"#,
    );
}

#[tokio::test]
async fn update_sample_updates_users_and_creates_none() {
    let stack = Stack::new().await;
    stack.post_users(UPDATE).await.is(
        200,
        r#"{"success":false,"summary":"2 users processed. 0 users created. 0 users updated. 2 users failed.","details":{"1":"Field (enabled) is required to create a user. Field (staffMember) is required to create a user. User failed to import: Field (enabled) is required to create a user. Field (staffMember) is required to create a user. ","2":"Field (enabled) is required to create a user. Field (staffMember) is required to create a user. User failed to import: Field (enabled) is required to create a user. Field (staffMember) is required to create a user. "}}"#,
    );
    let create = "username,enabled,staffmember,graduationyear\njane,y,n,2027\njohn,y,n,2027\n";
    stack.post_users(create).await.is(
        200,
        r#"{"success":true,"summary":"2 users processed. 2 users created. 0 users updated. 0 users failed."}"#,
    );
    stack.post_users(UPDATE).await.is(
        200,
        r#"{"success":true,"summary":"2 users processed. 0 users created. 2 users updated. 0 users failed."}"#,
    );
    let stored = stack
        .rows("select username, email_address, form_class, enabled from users where username like 'j%' order by 1")
        .await;
    assert_eq!(
        stored,
        [
            json!({"username": "jane", "email_address": "jane@gmail.com", "form_class": "10A", "enabled": true}),
            json!({"username": "john", "email_address": "john@gmail.com", "form_class": "10B", "enabled": true}),
        ]
    );
}

#[tokio::test]
async fn result_of_three_rows_matches() {
    let stack = Stack::new().await;
    let header = "username,emailaddress,enabled,staffmember\n";
    stack.post_users(format!("{header}one,one@school.org,y,y\n")).await.is(200, &result(&[Row::Created]));
    let file =
        format!("{header}one,one@school.org,y,y\ntwo,two at school.org,y,y\nthree,three@school.org,y,y\n");
    stack.post_users(file).await.is(
        200,
        r#"{"success":false,"summary":"3 users processed. 1 user created. 1 user updated. 1 user failed.","details":{"1":"User Updated","2":"Field (emailAddress) is not a well-formed email address. User failed to import: Field (emailAddress) is not a well-formed email address. ","3":"User Created"}}"#,
    );
}

#[tokio::test]
async fn result_of_a_hundred_users_matches() {
    let stack = Stack::new().await;
    let rows = |count: u32| (0..count).map(|n| format!("user{n},y,y\n")).collect::<String>();
    stack.post_users(format!("username,enabled,staffmember\n{}", rows(50))).await.is(
        200,
        r#"{"success":true,"summary":"50 users processed. 50 users created. 0 users updated. 0 users failed."}"#,
    );
    stack.post_users(format!("username,enabled,staffmember\n{}", rows(100))).await.is(
        200,
        r#"{"success":true,"summary":"100 users processed. 50 users created. 50 users updated. 0 users failed."}"#,
    );
}

/// Writes a certificate for `localhost` and its key.
fn certify(folder: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

#[tokio::test]
async fn curl_commands_work() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certify(folder.path());
    let stack = Options::default().tls(&certificate, &key).start().await;
    stack.define_groups(stack.school(), &["Year 12"], &["Borrowers"]).await;
    // The documents' account, with a password that needs no escaping.
    let hash = rollcall_tests::harness::cheap_hash_of("s3cret");
    stack.execute(&format!("update users set password_hash = '{hash}'")).await;

    let users = folder.path().join("users.csv");
    std::fs::write(&users, SAMPLE.replace("staffmemberid,", "staffmemberid,style\n")).unwrap();
    let groups = folder.path().join("user-groups.csv");
    std::fs::write(
        &groups,
        "username,library-group,system-group\njdoe1,Year 12,Borrowers\nmhenry1,Year 12,\n",
    )
    .unwrap();

    // curl -X POST -F "file=@users.csv" https://[user]:[password]@[yourschool.concordinfiniti.com]/api/import/users
    let host = format!("localhost:{}", stack.port());
    let file = format!("file=@{}", users.display());
    let url = format!("https://autoimport:s3cret@{host}/api/import/users");
    let trusting = ["--cacert", certificate.to_str().unwrap()];
    let output = curl(trusting.into_iter().chain(["-X", "POST", "-F", &file, &url])).await;
    output.is(
        200,
        r#"{"success":true,"summary":"2 users processed. 2 users created. 0 users updated. 0 users failed."}"#,
    );

    // curl -k -X POST -F "file=@user-groups.csv" https://[user]:[password]@[host]:[ssl port]/api/import/userGroups?tenantId=[tenant]
    let file = format!("file=@{}", groups.display());
    let url = format!("https://autoimport:s3cret@{host}/api/import/userGroups?tenantId=school");
    let output = curl(["-k", "-X", "POST", "-F", &file, &url]).await;
    output.is(
        200,
        r#"{"success":true,"summary":"2 users processed. 0 users created. 2 users updated. 0 users failed."}"#,
    );

    // The text of the groups document gives the users' URL for the same file.
    let url = format!("https://autoimport:s3cret@{host}/api/import/users");
    let output = curl(["-k", "-X", "POST", "-F", &file, &url]).await;
    output.is(
        200,
        r#"{"success":true,"summary":"2 users processed. 0 users created. 2 users updated. 0 users failed."}"#,
    );

    // "The CSV file may be empty for schools performing scheduled incremental imports."
    std::fs::write(&users, "").unwrap();
    let file = format!("file=@{}", users.display());
    let nothing = r#"{"success":true,"summary":"0 users processed. 0 users created. 0 users updated. 0 users failed."}"#;
    curl(["-k", "-X", "POST", "-F", &file, &url]).await.is(200, nothing);

    // The documents' result for wrong credentials.
    let url = format!("https://autoimport:wrong@{host}/api/import/users");
    let output = curl(["-k", "-X", "POST", "-F", &file, &url]).await;
    output.is(401, r#"{"success":false,"summary":"Unauthorised. Check credentials."}"#);
    eventually("every import is finished", async || {
        stack.rows("select id from imports where state <> 'finished'").await.is_empty().then_some(())
    })
    .await;
    assert_eq!(stack.rows("select id from imports").await.len(), 4);
}
