//! A password of a file is applied as the tenant's policy says (contract §4), and is never at rest in clear (invariant 10).

use reqwest::Method;
use rollcall_schema::tenants::tenant::{self, PasswordPolicy};
use rollcall_tests::harness::{Options, Row, Stack, Tenant, cheap_hash_of, eventually, result};

/// Whether a user can log in: one who is not an administrator gets a 403 with the right password and a 401 otherwise.
async fn can_log_in(stack: &Stack, tenant: &Tenant, username: &str, password: &str) -> bool {
    let path = format!("/api/import/jobs?tenantId={}", tenant.name);
    let answer = stack.send(stack.anonymous(Method::GET, &path).basic_auth(username, Some(password))).await;
    match answer.status {
        401 => false,
        403 => true,
        status => panic!("{status}: {}", answer.text()),
    }
}

async fn set_policy(stack: &Stack, tenant: &Tenant, policy: PasswordPolicy) {
    let mut conn = stack.database.connection().await.unwrap();
    tenant::set_password_policy(&mut conn, tenant.id, policy).await.unwrap();
}

/// Waits until no password is sealed.
async fn wait_until_hashed(stack: &Stack) {
    eventually("every password is hashed", async || {
        let waiting = stack.rows("select id from users where password_sealed is not null").await;
        waiting.is_empty().then_some(())
    })
    .await;
}

/// Changes a user's password, as the library's own pages do.
async fn change_password(stack: &Stack, tenant: &Tenant, username: &str, password: &str) {
    wait_until_hashed(stack).await;
    let hash = cheap_hash_of(password);
    stack
        .execute(&format!(
            "update users set password_hash = '{hash}' where tenant_id = '{}' and username = '{username}'",
            tenant.id
        ))
        .await;
}

#[tokio::test]
async fn policy_decides_when_a_password_is_applied() {
    let stack = Stack::new().await;
    let always = stack.add_tenant("always").await;
    set_policy(&stack, &always, PasswordPolicy::Always).await;
    let on_create = stack.add_tenant("on-create").await;
    set_policy(&stack, &on_create, PasswordPolicy::OnCreate).await;
    let file = |password: &str| format!("username,enabled,staffmember,password\njane,y,y,{password}\n");

    // Which password works after each file, under each policy.
    let steps: [(&str, [&str; 3]); 4] = [
        // The file is unchanged since the last import; only the user has changed the password.
        ("first", ["own", "first", "own"]),
        ("second", ["second", "second", "own"]),
        ("", ["second", "second", "own"]),
        ("second", ["second", "second", "own"]),
    ];
    let tenants = [stack.school().clone(), always, on_create];
    for tenant in &tenants {
        stack.post_users_of(tenant, file("first")).await.is(200, &result(&[Row::Created]));
        assert!(can_log_in(&stack, tenant, "jane", "first").await, "{}", tenant.name);
        assert!(!can_log_in(&stack, tenant, "jane", "First").await);
        change_password(&stack, tenant, "jane", "own").await;
        assert!(can_log_in(&stack, tenant, "jane", "own").await);
    }
    for (index, (password, valid)) in steps.iter().enumerate() {
        for (tenant, valid) in tenants.iter().zip(valid) {
            stack.post_users_of(tenant, file(password)).await.is(200, &result(&[Row::Updated]));
            for tried in ["first", "second", "own"] {
                let accepted = can_log_in(&stack, tenant, "jane", tried).await;
                assert_eq!(accepted, tried == *valid, "{} after step {index}: {tried}", tenant.name);
            }
        }
    }

    // A user without a password, who gets one later.
    for (tenant, applied) in tenants.iter().zip([true, true, false]) {
        let created = "username,enabled,staffmember,password\njohn,y,y,\n";
        stack.post_users_of(tenant, created).await.is(200, &result(&[Row::Created]));
        assert!(!can_log_in(&stack, tenant, "john", "").await);
        stack.post_users_of(tenant, "username,password\njohn,late\n").await.is(200, &result(&[Row::Updated]));
        assert_eq!(can_log_in(&stack, tenant, "john", "late").await, applied, "{}", tenant.name);
    }

    // A row that fails sets nothing.
    let bad = "username,password,email\njane,third,bad\n";
    let failed = Row::Failed("Field (emailAddress) is not a well-formed email address. ");
    stack.post_users_of(&tenants[1], bad).await.is(200, &result(&[failed]));
    assert!(can_log_in(&stack, &tenants[1], "jane", "second").await);
    // Twice in a file: the last one wins.
    let twice = "username,password\njane,fourth\njane,fifth\n";
    stack.post_users_of(&tenants[0], twice).await.is(200, &result(&[Row::Updated, Row::Updated]));
    assert!(!can_log_in(&stack, &tenants[0], "jane", "fourth").await);
    assert!(can_log_in(&stack, &tenants[0], "jane", "fifth").await);
    // Special characters, and the greatest length.
    let long = "é€".repeat(204);
    let odd = format!(
        "username,enabled,staffmember,password\nodd,y,y,\"a:b \"\"c\"\", pässwörd\"\nlong,y,y,{long}\n"
    );
    stack.post_users_of(&tenants[0], odd).await.is(200, &result(&[Row::Created, Row::Created]));
    assert!(can_log_in(&stack, &tenants[0], "odd", "a:b \"c\", pässwörd").await);
    assert!(can_log_in(&stack, &tenants[0], "long", &long).await);
    wait_until_hashed(&stack).await;
    assert!(can_log_in(&stack, &tenants[0], "odd", "a:b \"c\", pässwörd").await);
    assert!(can_log_in(&stack, &tenants[0], "long", &long).await);
}

const SECRET: &str = "xyzzy-swordfish-plugh";

/// Asserts that no stored upload, no table and no log contains the password in clear.
async fn assert_no_clear_password(stack: &Stack) {
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    let files = stack.stored_files();
    assert!(!files.is_empty(), "the upload is stored");
    for path in files {
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        assert!(!found, "{}", path.display());
    }
    for table in ["users", "imports", "chunk_outcomes"] {
        for row in stack.rows(&format!("select * from {table}")).await {
            let row = row.to_string();
            assert!(!row.contains(SECRET) && !row.contains(&hex), "{table}: {row}");
        }
    }
    assert!(!stack.all_logs().contains(SECRET));
}

#[tokio::test]
async fn password_is_never_stored_in_clear() {
    let file =
        format!("username,enabled,staffmember,password,email\njane,y,y,{SECRET},\njohn,y,y,{SECRET},bad\n");
    let failed = Row::Failed("Field (emailAddress) is not a well-formed email address. ");
    let expected = result(&[Row::Created, failed]);
    let query = "select password_hash, password_sealed from users where username = 'jane'";

    // With a worker that hashes nothing, the first login hashes the password.
    let stack = Options::default()
        .env("RUST_LOG", "trace")
        .worker_env("ROLLCALL_WORKER_HASHING_THREADS", 0)
        .start()
        .await;
    stack.post_users(&file).await.is(200, &expected);
    let stored = stack.row(query).await;
    assert!(stored["password_hash"].is_null() && stored["password_sealed"].is_string(), "{stored}");
    assert_no_clear_password(&stack).await;
    assert!(!can_log_in(&stack, stack.school(), "jane", "wrong").await);
    let stored = stack.row(query).await;
    assert!(stored["password_hash"].is_null(), "a wrong password changes nothing: {stored}");
    assert!(can_log_in(&stack, stack.school(), "jane", SECRET).await);
    wait_until_hashed(&stack).await;
    let stored = stack.row(query).await;
    assert!(stored["password_hash"].as_str().unwrap().starts_with("$argon2id$v=19$"), "{stored}");
    assert!(can_log_in(&stack, stack.school(), "jane", SECRET).await);
    assert_no_clear_password(&stack).await;

    // With an ordinary worker, it is hashed after the import.
    let stack = Options::default().env("RUST_LOG", "trace").start().await;
    stack.post_users(&file).await.is(200, &expected);
    wait_until_hashed(&stack).await;
    let stored = stack.row(query).await;
    assert!(stored["password_hash"].as_str().unwrap().starts_with("$argon2id$v=19$"), "{stored}");
    assert!(can_log_in(&stack, stack.school(), "jane", SECRET).await);
    assert_no_clear_password(&stack).await;
}
