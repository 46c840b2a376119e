//! Rows take effect as if applied one after another in file order (contract §2): thousands of small hostile files, imported
//! by the service and by the oracle, give the same answers and the same tables.
//!
//! `ROLLCALL_SEED` sets the seed of the first case and `ROLLCALL_CASES` the number of cases.

use diesel::sql_types::{Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use rollcall_schema::ids::TenantId;
use rollcall_schema::postgres::pool::Connection;
use rollcall_schema::tenants::tenant;
use rollcall_tests::harness::{Options, Stack, cheap_hash_of, multipart};
use rollcall_tests::oracle::{PasswordPolicy, username_key};
use rollcall_tests::rosters::hostile::{Case, Step, Upload};
use rollcall_tests::tables;

/// Cases in an ordinary run. Each imports a few files into its own tenant.
const CASES: u64 = 600;
/// Cases that run at a time.
const AT_ONCE: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_chunk_files_match_the_oracle() {
    try_cases(Options::default(), number("ROLLCALL_SEED", 1)).await;
}

/// The same with parallel chunks of a few rows: the effect of a row in one chunk must hold in the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn multi_chunk_files_match_the_oracle() {
    let options =
        Options::default().worker_env("ROLLCALL_CHUNK_ROWS", 3).worker_env("ROLLCALL_PARALLEL_CHUNKS", 4);
    try_cases(options, number("ROLLCALL_SEED", 1_000_001)).await;
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
}

async fn try_cases(options: Options, first: u64) {
    // Passwords stay sealed, so that they can be opened and compared.
    let stack = options.worker_env("ROLLCALL_WORKER_HASHING_THREADS", 0).without_tenant().start().await;
    let end = first + number("ROLLCALL_CASES", CASES);
    let next = std::sync::atomic::AtomicU64::new(first);
    let worker = || async {
        loop {
            let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if seed >= end {
                return;
            }
            let case = Case::generate(seed);
            if let Err(why) = try_case(&stack, &case, "").await {
                let (case, why) = shrink(&stack, case, why).await;
                panic!("{why}\n{case}");
            }
        }
    };
    let mut workers: Vec<_> = (0..AT_ONCE).map(|_| Box::pin(worker())).collect();
    // Polled here rather than joined: the first failure ends the test and drops the others.
    std::future::poll_fn(|context| {
        workers.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if workers.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

/// Reduces a failing case to what it needs to fail.
async fn shrink(stack: &Stack, mut case: Case, mut why: String) -> (Case, String) {
    let mut round = 0;
    'smaller: loop {
        for smaller in case.smaller() {
            round += 1;
            if round > 400 {
                return (case, why);
            }
            if let Err(still) = Box::pin(try_case(stack, &smaller, &format!("-{round}"))).await {
                (case, why) = (smaller, still);
                continue 'smaller;
            }
        }
        return (case, why);
    }
}

/// Runs each step of a case on the service and the oracle.
async fn try_case(stack: &Stack, case: &Case, suffix: &str) -> Result<(), String> {
    let tenant = stack.add_tenant(&format!("case-{}{suffix}", case.seed)).await;
    stack.define_groups(&tenant, &case.library_groups, &case.system_groups).await;
    let mut conn = stack.database.connection().await.unwrap();
    let policy = match case.password_policy {
        PasswordPolicy::WhenChanged => tenant::PasswordPolicy::WhenChanged,
        PasswordPolicy::Always => tenant::PasswordPolicy::Always,
        PasswordPolicy::OnCreate => tenant::PasswordPolicy::OnCreate,
    };
    tenant::set_password_policy(&mut conn, tenant.id, policy).await.unwrap();

    let mut oracle_tenant = case.tenant();
    tables::add_administrator(&mut oracle_tenant);

    for (at, step) in case.steps.iter().enumerate() {
        match step {
            Step::Import(upload) => {
                let answer = post(stack, &tenant.name, upload).await;
                let expected = oracle_tenant.apply(upload.endpoint, &upload.bytes(), upload.charset);
                if !expected.agrees_with(answer.status, &answer.body) {
                    return Err(format!(
                        "step {}: the service answered {} {}\nthe oracle {} {}",
                        at + 1,
                        answer.status,
                        answer.text(),
                        expected.status,
                        expected.body
                    ));
                }
            }
            Step::OwnerChangesPassword { username, password } => {
                oracle_tenant.owner_changes_password(username, password);
                change_password(&mut conn, tenant.id, username, password).await;
            }
        }
        let differences = tables::differences(&mut conn, tenant.id, &oracle_tenant).await;
        if !differences.is_empty() {
            return Err(format!("after step {}, service / oracle:\n{}", at + 1, differences.join("\n")));
        }
    }
    Ok(())
}

async fn post(stack: &Stack, tenant: &str, upload: &Upload) -> rollcall_tests::harness::Answer {
    let charset = upload.charset.map_or(String::new(), |charset| format!("; charset={charset}"));
    let (content_type, body) = multipart(&format!("Content-Type: text/csv{charset}\r\n"), &upload.bytes());
    let path = format!("{}?tenantId={tenant}", upload.endpoint.path());
    let request = stack.request(reqwest::Method::POST, &path).header("content-type", content_type).body(body);
    stack.send(request).await
}

async fn change_password(conn: &mut Connection, tenant: TenantId, username: &str, password: &str) {
    diesel::sql_query(
        "update users set password_hash = $3, password_sealed = null where tenant_id = $1 and username_key = $2",
    )
    .bind::<SqlUuid, _>(tenant)
    .bind::<Text, _>(username_key(username))
    .bind::<Text, _>(cheap_hash_of(password))
    .execute(conn)
    .await
    .unwrap();
}
