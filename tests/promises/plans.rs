//! No statistics make an import crawl: whatever Postgres believes about its tables, the worker's statements look up each key
//! in the index of that key, and never read all users of a tenant.

use std::error::Error;
use std::time::SystemTime;

use rollcall_schema::ids::TenantId;
use rollcall_schema::postgres::address::DatabaseAddress;
use rollcall_schema::postgres::client::{Session, SessionPool};
use rollcall_tests::harness::{TestDatabase, eventually};
use rollcall_worker::query_plans::plan_key_lookups;
use rollcall_worker::users::row_version::RowVersion;
use serde_json::Value;
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::statements::statements;

const TENANT: Uuid = Uuid::from_u128(1);
const OTHER_TENANT: Uuid = Uuid::from_u128(2);
const USERS: u32 = 5_000;
/// Keys in one statement.
const KEYS: u32 = 500;

/// What each statement reads of the large tables: the tables and indexes, and a condition on which the index must be
/// searched. Every statement that joins or searches one of these tables is here or in [`OF_ONE_IMPORT`].
const LOOKUPS: &[(&str, &[Lookup])] = &[
    ("find_account", &[USERNAME, SYSTEM_MEMBER]),
    ("store_hash", &[WAITING_ID, VERSION]),
    ("users/probe_key_ranges", &[USERNAME, BARCODE]),
    ("users/compare_row_digests", &[USERNAME]),
    ("users/load_users", &[USERNAME, SYSTEM_MEMBER]),
    ("users/load_barcode_owners", &[BARCODE]),
    ("users/release_barcodes", &[ID, VERSION]),
    ("users/update_users", &[VERSION]),
    ("users/update_row_digests", &[VERSION]),
    ("memberships/find_users", &[USERNAME]),
    // Only a waiting password is looked for, so the index of these serves as well.
    ("store_hashes", &[WAITING_ID, VERSION]),
    ("next_batch", &[WAITING_ID]),
    // Its second search is planned like the first, but not explained.
    ("claim_due_requests", &[WAITING]),
    ("due_wake_ups", &[UNFINISHED]),
    ("next_in_line", &[UNFINISHED]),
    ("is_head", &[UNFINISHED]),
];

/// Statements that find one import, by its id or among the tenant's unfinished imports.
const OF_ONE_IMPORT: &[&str] = &[
    "claim",
    "judge_lost_workers",
    "is_charged",
    "renew",
    "is_held",
    "advance",
    "release",
    "finish",
    "mark_published",
];

/// The statements that run in the API; the others run in a worker.
const OF_API: [&str; 2] = ["find_account", "store_hash"];

/// A scan of a large table: one of these indexes, and what its condition must contain.
type Lookup = (&'static [&'static str], &'static str);

const USERNAME: Lookup = (&["users_tenant_id_username_key_key"], "(username_key >=");
const BARCODE: Lookup = (&["users_tenant_id_library_barcode_key"], "(library_barcode >=");
const ID: Lookup = (&["users_pkey"], "(id >=");
const VERSION: Lookup = (&["Tid Scan"], "(ctid = ");
const SYSTEM_MEMBER: Lookup = (&["system_group_members_pkey"], "(user_id >=");
const WAITING_ID: Lookup = (&["users_waiting_for_hash", "users_pkey"], "(id >");
const WAITING: Lookup = (&["users_waiting_for_hash"], "");
const UNFINISHED: Lookup = (&["imports_unfinished"], "");

/// What Postgres may believe about the tables, and how it comes to believe that.
const STATES: [(&str, &[Step]); 8] = [
    ("empty, never analysed", &[]),
    ("filled, never analysed", &[Step::Fill(TENANT, USERS)]),
    ("analysed while empty", &[Step::Analyse]),
    ("analysed while empty, then filled", &[Step::Analyse, Step::Fill(TENANT, USERS)]),
    (
        "analysed with one user, then filled",
        &[Step::Fill(TENANT, 1), Step::Analyse, Step::Empty, Step::Fill(TENANT, USERS)],
    ),
    (
        "analysed when all users were deleted, then filled",
        &[Step::Fill(TENANT, USERS), Step::Empty, Step::Analyse, Step::Fill(TENANT, USERS)],
    ),
    (
        "analysed with another tenant's users, then filled",
        &[Step::Fill(OTHER_TENANT, USERS), Step::Analyse, Step::Fill(TENANT, USERS)],
    ),
    ("fresh", &[Step::Fill(TENANT, USERS), Step::Analyse]),
];

#[derive(Debug, Clone, Copy)]
enum Step {
    /// This many users, each with a barcode, members of a system group, and as many imports that have finished.
    Fill(Uuid, u32),
    Empty,
    Analyse,
}

impl Step {
    async fn run(self, client: &Client) {
        let statement = match self {
            Self::Fill(tenant, rows) => format!(
                "insert into tenants (id, name, upload_limit_bytes) values ('{tenant}', '{tenant}', 1) on conflict do nothing;
                 insert into users (tenant_id, id, username, username_key, library_barcode, enabled, staff_member)
                 select '{tenant}', {user}, {key}, {key}, {key}, true, true from generate_series(1, {rows}) as n;
                 insert into system_group_members (tenant_id, user_id, group_id)
                 select '{tenant}', {user}, '{tenant}' from generate_series(1, {rows}) as n;
                 insert into imports (tenant_id, id, queue_position, endpoint, lane, state, finished_at, upload_bytes,
                                      upload_sha256, submitted_by, submitted_as)
                 select '{tenant}', {user}, n, 'users', 'bulk', 'finished', now(), 1, '', {user}, ''
                   from generate_series(1, {rows}) as n",
                user = "lpad(to_hex(n), 32, '0')::uuid",
                key = "lpad(n::text, 9, '0')",
            ),
            Self::Empty => "delete from users; delete from system_group_members; delete from imports".to_owned(),
            Self::Analyse => "analyze users; analyze system_group_members; analyze imports".to_owned(),
        };
        client.batch_execute(&statement).await.unwrap();
    }
}

#[tokio::test]
async fn keys_are_looked_up_whatever_the_statistics_say() {
    let mut wrong = Vec::new();
    for (state, steps) in STATES {
        let database = TestDatabase::create().await;
        let client = connect(&database).await;
        for table in ["users", "system_group_members", "imports"] {
            let statement = format!("alter table {table} set (autovacuum_enabled = off)");
            client.batch_execute(&statement).await.unwrap();
        }
        for step in steps {
            step.run(&client).await;
        }
        for name in OF_ONE_IMPORT {
            let session = session(&database, false).await;
            let plan = explain_for_all_values(&client, &session, statement(name)).await;
            let (mut scans, mut problems) = (Vec::new(), Vec::new());
            collect(&plan, false, &mut scans, &mut problems);
            let is_lookup =
                |(scan, on): &(String, String)| scan == "imports_unfinished" || on.contains("(id = ");
            if scans.is_empty() || !scans.iter().all(is_lookup) {
                problems.push(format!("{scans:?}"));
            }
            wrong.extend(problems.into_iter().map(|problem| format!("{state}: {name}: {problem}")));
        }
        for (name, lookups) in LOOKUPS {
            let sql = statement(name);
            let session = session(&database, OF_API.contains(name)).await;
            for (kind, plan) in [
                ("planned for its values", explain_for_values(&client, &session, sql).await),
                ("planned for all values", explain_for_all_values(&client, &session, sql).await),
            ] {
                for problem in problems(&plan, lookups) {
                    wrong.push(format!("{state}: {name}, {kind}: {problem}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn statement(name: &str) -> &'static str {
    statements().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no statement {name}")).1
}

/// The plan that is kept for a statement, with row-level security.
async fn explain_for_all_values(client: &Client, session: &Session, sql: &'static str) -> Value {
    let parameters = client.prepare(sql).await.unwrap().params().len();
    let values =
        if parameters == 0 { String::new() } else { format!("({})", vec!["null"; parameters].join(", ")) };
    session
        .batch_execute(&format!("set plan_cache_mode = force_generic_plan; prepare explained as {sql}"))
        .await
        .unwrap();
    explained(session, format!("execute explained{values}"), &[]).await
}

/// The plan of a statement for the keys of users that are stored, where any are.
async fn explain_for_values(client: &Client, session: &Session, sql: &'static str) -> Value {
    let parameters = client.prepare(sql).await.unwrap();
    let values: Vec<Box<dyn ToSql + Sync>> = parameters.params().iter().map(value).collect();
    let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value).collect();
    explained(session, sql.to_owned(), &values).await
}

async fn session(database: &TestDatabase, of_api: bool) -> Session {
    let address = DatabaseAddress::parse(&database.service_url).unwrap();
    let address =
        // As `Session::with_cached_plans` sets it.
        if of_api { address.setting("enable_seqscan", "off") } else { plan_key_lookups(address) };
    SessionPool::new(&address, 1).session_for(TenantId::from(TENANT)).await.unwrap()
}

async fn explained(session: &Session, sql: String, values: &[&(dyn ToSql + Sync)]) -> Value {
    let row = session.query_one(format!("explain (format json) {sql}").leak(), values).await.unwrap();
    let Explained(explained) = row.get(0);
    explained[0]["Plan"].clone()
}

/// What `explain (format json)` returns.
struct Explained(Value);

impl FromSql<'_> for Explained {
    fn from_sql(_: &Type, json: &[u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(serde_json::from_slice(json)?))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::JSON
    }
}

/// A value for a parameter of this type. Usernames and barcodes are the same numbers, not in their order.
fn value(parameter: &Type) -> Box<dyn ToSql + Sync> {
    let numbers = || (1..=KEYS).map(|n| n * 7919 % USERS + 1);
    match *parameter {
        Type::UUID => Box::new(TENANT),
        Type::TEXT => Box::new("000000100"),
        Type::INT4 => Box::new(1_i32),
        Type::INT8 => Box::new(100_i64),
        Type::BOOL => Box::new(false),
        Type::BYTEA => Box::new(vec![1_u8]),
        Type::FLOAT8 => Box::new(60.0),
        Type::TEXT_ARRAY => Box::new(numbers().map(|n| format!("{n:09}")).collect::<Vec<_>>()),
        Type::TID_ARRAY => Box::new(Vec::<RowVersion>::new()),
        Type::UUID_ARRAY => Box::new(numbers().map(|n| Uuid::from_u128(n.into())).collect::<Vec<_>>()),
        Type::TIMESTAMPTZ_ARRAY => Box::new(numbers().map(|_| SystemTime::now()).collect::<Vec<_>>()),
        Type::INT2_ARRAY => Box::new(numbers().map(|_| None).collect::<Vec<Option<i16>>>()),
        Type::BOOL_ARRAY => Box::new(numbers().map(|_| true).collect::<Vec<_>>()),
        Type::BYTEA_ARRAY => Box::new(numbers().map(|_| Some(vec![1])).collect::<Vec<Option<Vec<u8>>>>()),
        _ => panic!("no value for a parameter of type {parameter}"),
    }
}

/// What is wrong with a plan. A large table may be scanned only as in `lookups`, and what is read of it not kept to be
/// searched again.
fn problems(plan: &Value, lookups: &[Lookup]) -> Vec<String> {
    let mut scans = Vec::new();
    let mut problems = Vec::new();
    collect(plan, false, &mut scans, &mut problems);
    // The unfinished imports, which `claim_due_requests` looks through, are few.
    scans.retain(|(scan, _)| scan != "imports_unfinished" || lookups == [UNFINISHED]);
    if scans.len() != lookups.len() {
        problems.push(format!("{} scans instead of {}", scans.len(), lookups.len()));
    }
    for (indexes, condition) in lookups {
        let matches =
            |(scan, on): &(String, String)| indexes.contains(&scan.as_str()) && on.contains(condition);
        if !scans.iter().any(matches) {
            problems.push(format!("no search of {indexes:?} for {condition:?}"));
        }
    }
    if !problems.is_empty() {
        problems.push(format!("{scans:?}"));
    }
    problems
}

/// Collects the scans of large tables: the index, or the kind of scan if it uses none, and the condition on it.
fn collect(node: &Value, kept: bool, scans: &mut Vec<(String, String)>, problems: &mut Vec<String>) {
    let text = |name: &str| node[name].as_str().unwrap_or_default().to_owned();
    let kind = text("Node Type");
    let kept = kept || ["Materialize", "Memoize", "Hash"].contains(&kind.as_str());
    let index = text("Index Name");
    let table = text("Relation Name");
    let is_large = |name: &str| {
        ["users", "imports", "system_group_members", "library_group_members"]
            .iter()
            .any(|table| name == *table || name.starts_with(&format!("{table}_")))
    };
    match kind.as_str() {
        // What is modified, and what a bitmap points at, is searched by a node below.
        "ModifyTable" | "Bitmap Heap Scan" => {}
        _ if is_large(&table) || is_large(&index) => {
            if kept && index != "imports_unfinished" {
                problems.push(format!("what is read of {table}{index} is kept"));
            }
            let condition = if index.is_empty() { text("TID Cond") } else { text("Index Cond") };
            scans.push((if index.is_empty() { kind } else { index }, condition));
        }
        _ => {}
    }
    for child in node["Plans"].as_array().into_iter().flatten() {
        collect(child, kept, scans, problems);
    }
}

async fn connect(database: &TestDatabase) -> Client {
    let (client, connection) = tokio_postgres::connect(&database.url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Two users are written while another transaction changes one of them, after they were loaded. That one keeps the other
/// transaction's values, and is missing from the count.
#[tokio::test]
async fn a_user_that_changes_meanwhile_is_not_written() {
    let database = TestDatabase::create().await;
    let (other, writer, observer) =
        (connect(&database).await, connect(&database).await, connect(&database).await);
    Step::Fill(TENANT, 2).run(&other).await;
    let stored = "select max(updated_at), array_agg(ctid order by id) from users";
    let stored = other.query_one(stored, &[]).await.unwrap();
    let (seen_at, versions): (SystemTime, Vec<RowVersion>) = (stored.get(0), stored.get(1));
    other
        .batch_execute("begin; update users set given_name = 'Hers', updated_at = clock_timestamp() where username_key = '000000001'")
        .await
        .unwrap();
    let ids = vec![Uuid::from_u128(1), Uuid::from_u128(2)];
    let none: Vec<Option<&str>> = vec![None; 2];
    let names = vec!["Ours"; 2];
    let years: Vec<Option<i16>> = vec![None; 2];
    let yes = vec![true; 2];
    let uuids: Vec<Option<Uuid>> = vec![None; 2];
    let bytes: Vec<Option<&[u8]>> = vec![None; 2];
    let seen = vec![seen_at; 2];
    let values: [&(dyn ToSql + Sync); 20] = [
        &TENANT, &versions, &names, &none, &none, &none, &none, &years, &none, &none, &none, &none, &yes,
        &yes, &uuids, &bytes, &bytes, &uuids, &ids, &seen,
    ];
    let write = writer.execute(statement("users/update_users"), &values);
    let change = async {
        let blocked =
            "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        eventually("the update waits", async || {
            (!observer.query(blocked, &[]).await.unwrap().is_empty()).then_some(())
        })
        .await;
        other.batch_execute("commit").await.unwrap();
    };
    let (written, ()) = tokio::join!(write, change);
    assert_eq!(written.unwrap(), 1);
    let names: Vec<Option<String>> = other
        .query("select given_name from users order by id", &[])
        .await
        .unwrap()
        .iter()
        .map(|user| user.get(0))
        .collect();
    assert_eq!(names, [Some("Hers".to_owned()), Some("Ours".to_owned())]);
}

/// The few statements that every import runs are planned once per connection; the others for each execution.
#[tokio::test]
async fn plans_are_kept_for_lookups_of_an_import_only() {
    let database = TestDatabase::create().await;
    let pool = SessionPool::new(&DatabaseAddress::parse(&database.service_url).unwrap(), 1);
    let tenant = TenantId::generate();
    for (cached, sql) in [
        (true, "select state from imports where tenant_id = $1 and id = $1"),
        (false, "select username from users where tenant_id = $1 and id = $1"),
    ] {
        let session = pool.session_for(tenant).await.unwrap();
        let session = if cached { session.with_cached_plans() } else { session };
        // Postgres compares the costs of the first five plans with that of one to keep.
        for _ in 0..8 {
            session.query_opt(sql, &[&tenant]).await.unwrap();
        }
        // Back to the pool, whose one connection has prepared the statement.
        drop(session);
        let plans = "select generic_plans from pg_prepared_statements where statement = $1";
        let kept: i64 = pool.session_for_all().await.unwrap().query_one(plans, &[&sql]).await.unwrap().get(0);
        assert_eq!(kept > 0, cached, "{sql}: {kept} executions with a kept plan");
    }
}
