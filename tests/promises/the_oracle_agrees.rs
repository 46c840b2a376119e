//! Rows take effect as if applied one after another in file order: thousands of small hostile files, imported by the
//! service and by the oracle, end in the same answers and the same tables.
//!
//! `ROLLCALL_SEED` and `ROLLCALL_CASES` try others: the seed of the first case, and how many.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_types::{Binary, Bool, Nullable, SmallInt, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use rollcall_schema::database::Connection;
use rollcall_schema::ids::TenantId;
use rollcall_schema::seal::{PasswordKeys, ServiceKey};
use rollcall_schema::{account, password, tenant};
use rollcall_tests::harness::{ADMINISTRATOR, KEY, Options, Stack, cheap_hash_of, multipart};
use rollcall_tests::oracle::{self, PasswordPolicy, Snapshot, User, username_key};
use rollcall_tests::rosters::hostile::{Case, Step, Upload};

/// Cases in an ordinary run; each imports some files into a tenant of its own.
const CASES: u64 = 600;
/// Cases under way at once.
const AT_ONCE: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_files_within_one_chunk() {
    try_cases(Options::default(), number("ROLLCALL_SEED", 1)).await;
}

/// The same with chunks of a few rows, several at once: what a row does in one chunk must hold in the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_files_of_many_chunks() {
    let options = Options::default().worker_env("ROLLCALL_CHUNK_ROWS", 3).worker_env("ROLLCALL_LANES", 4);
    try_cases(options, number("ROLLCALL_SEED", 1_000_001)).await;
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a whole number"))
}

async fn try_cases(options: Options, first: u64) {
    // Passwords stay sealed, so that what they are can be read.
    let stack = options.worker_env("ROLLCALL_WORKER_HASHING_THREADS", 0).without_tenant().start().await;
    let end = first + number("ROLLCALL_CASES", CASES);
    let next = std::sync::atomic::AtomicU64::new(first);
    let work = || async {
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
    let mut under_way: Vec<_> = (0..AT_ONCE).map(|_| Box::pin(work())).collect();
    // Joined by hand: the first failure ends the test, with the others dropped.
    std::future::poll_fn(|context| {
        under_way.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if under_way.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

/// Leaves out of a failing case what it does not need to fail.
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

/// Takes a case through the service and the oracle, each step in turn.
async fn try_case(stack: &Stack, case: &Case, suffix: &str) -> Result<(), String> {
    let keys = ServiceKey::from_hex(KEY).unwrap().password_keys();
    let ours = stack.add_tenant(&format!("case-{}{suffix}", case.seed)).await;
    stack.define_groups(&ours, &case.library_groups, &case.system_groups).await;
    let mut conn = stack.database.connection().await.unwrap();
    let policy = match case.password_policy {
        PasswordPolicy::WhenChanged => tenant::PasswordPolicy::WhenChanged,
        PasswordPolicy::Always => tenant::PasswordPolicy::Always,
        PasswordPolicy::OnCreate => tenant::PasswordPolicy::OnCreate,
    };
    tenant::set_password_policy(&mut conn, ours.id, policy).await.unwrap();

    let mut theirs = case.tenant();
    theirs.define_system_group(account::ADMINISTRATORS);
    theirs.put_user(User {
        username: ADMINISTRATOR.to_owned(),
        enabled: true,
        staff_member: true,
        ..User::default()
    });
    theirs.put_system_member(ADMINISTRATOR, account::ADMINISTRATORS);

    for (at, step) in case.steps.iter().enumerate() {
        match step {
            Step::Import(upload) => {
                let answer = post(stack, &ours.name, upload).await;
                let expected = theirs.apply(upload.endpoint, &upload.bytes(), upload.charset);
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
                theirs.owner_changes_password(username, password);
                change_password(&mut conn, ours.id, username, password).await;
            }
        }
        let differences = compare(&mut conn, ours.id, &keys, &theirs).await;
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

#[derive(QueryableByName)]
struct StoredUser {
    #[diesel(sql_type = Text)]
    username: String,
    #[diesel(sql_type = Text)]
    username_key: String,
    #[diesel(sql_type = Nullable<Text>)]
    given_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    surname: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    middle_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    preferred_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    email_address: Option<String>,
    #[diesel(sql_type = Nullable<SmallInt>)]
    graduation_year: Option<i16>,
    #[diesel(sql_type = Nullable<Text>)]
    library_barcode: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    admin_system_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    gender: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    form_class: Option<String>,
    #[diesel(sql_type = Bool)]
    enabled: bool,
    #[diesel(sql_type = Bool)]
    staff_member: bool,
    #[diesel(sql_type = Nullable<Text>)]
    presentation_group: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    password_hash: Option<String>,
    #[diesel(sql_type = Nullable<Binary>)]
    password_sealed: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    password_fingerprint: Option<Vec<u8>>,
}

#[derive(QueryableByName)]
struct Member {
    #[diesel(sql_type = Text)]
    group: String,
    #[diesel(sql_type = Nullable<Text>)]
    username: Option<String>,
}

/// What differs between the tables and the oracle.
async fn compare(
    conn: &mut Connection,
    tenant: TenantId,
    keys: &PasswordKeys,
    theirs: &oracle::Tenant,
) -> Vec<String> {
    let users: Vec<StoredUser> = diesel::sql_query(
        "select users.*, label as presentation_group
           from users left join presentation_groups groups
                on groups.tenant_id = users.tenant_id and groups.id = presentation_group_id
          where users.tenant_id = $1",
    )
    .bind::<SqlUuid, _>(tenant)
    .load(conn)
    .await
    .unwrap();
    let mut differences = Vec::new();
    for user in &users {
        let Some(expected) = theirs.user(&user.username) else { continue };
        let owner = password::owner(tenant, &user.username_key);
        let applied_agrees = match (&expected.password_applied, &user.password_fingerprint) {
            (None, None) => true,
            (Some(clear), Some(stored)) => keys.fingerprint(&owner, clear.as_bytes()).matches(stored),
            _ => false,
        };
        let login_agrees = match (&expected.login_password, &user.password_sealed, &user.password_hash) {
            _ if expected.username == ADMINISTRATOR && expected.login_password.is_none() => true,
            (None, None, None) => true,
            (Some(clear), Some(sealed), None) => {
                keys.open(&owner, sealed).is_some_and(|open| *open == clear.as_bytes())
            }
            (Some(clear), None, Some(hash)) => password::verify(clear.as_bytes(), hash),
            _ => false,
        };
        if !applied_agrees || !login_agrees {
            differences.push(format!(
                "password of {}: applied agrees: {applied_agrees}, login agrees: {login_agrees}, oracle {expected:?}",
                user.username
            ));
        }
    }
    let labels: Vec<Member> = diesel::sql_query(
        r#"select label as "group", null as username from presentation_groups where tenant_id = $1"#,
    )
    .bind::<SqlUuid, _>(tenant)
    .load(conn)
    .await
    .unwrap();
    let ours = Snapshot {
        users: users.into_iter().map(|user| (user.username_key.clone(), user.into())).collect(),
        presentation_groups: labels.into_iter().map(|label| label.group).collect(),
        library_groups: members(conn, tenant, "library").await,
        system_groups: members(conn, tenant, "system").await,
    };
    differences.extend(ours.differences(&theirs.snapshot().without_passwords()));
    differences
}

async fn members(conn: &mut Connection, tenant: TenantId, kind: &str) -> BTreeMap<String, BTreeSet<String>> {
    let rows: Vec<Member> = diesel::sql_query(format!(
        r#"select groups.name as "group", users.username
             from {kind}_groups groups
             left join {kind}_group_members members
                  on members.tenant_id = groups.tenant_id and members.group_id = groups.id
             left join users on users.tenant_id = members.tenant_id and users.id = members.user_id
            where groups.tenant_id = $1"#
    ))
    .bind::<SqlUuid, _>(tenant)
    .load(conn)
    .await
    .unwrap();
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        groups.entry(row.group).or_default().extend(row.username);
    }
    groups
}

impl From<StoredUser> for User {
    fn from(user: StoredUser) -> Self {
        Self {
            username: user.username,
            given_name: user.given_name,
            surname: user.surname,
            middle_name: user.middle_name,
            preferred_name: user.preferred_name,
            email_address: user.email_address,
            graduation_year: user.graduation_year.map(|year| year.try_into().unwrap()),
            library_barcode: user.library_barcode,
            admin_system_id: user.admin_system_id,
            gender: user.gender.map(|gender| gender.parse().unwrap()),
            form_class: user.form_class,
            enabled: user.enabled,
            staff_member: user.staff_member,
            presentation_group: user.presentation_group,
            password_applied: None,
            login_password: None,
        }
    }
}
