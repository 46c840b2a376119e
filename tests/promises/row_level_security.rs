//! Nothing crosses tenants (invariant 9), even if a statement forgets its tenant: the service's role sees and changes the
//! rows of the tenant that its transaction has set, and no others. It owns no table and cannot free itself.

use std::error::Error;
use std::pin::pin;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::SinkExt as _;
use rollcall_schema::ids::TenantId;
use rollcall_schema::postgres::address::DatabaseAddress;
use rollcall_schema::postgres::client::SessionPool;
use rollcall_tests::harness::{Options, Stack, TestDatabase};
use rollcall_worker::users::row_version::RowVersion;
use serde_json::json;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::statements::statements;

/// An id of nothing.
const UNUSED: Uuid = Uuid::from_u128(0xFFFF_FFFF);
/// The id of every user, group and import of the tenant whose rows the statements are after.
const ROW: Uuid = Uuid::from_u128(7);

/// Statements of no tenant: what processes check and report, and the sweeps, which read ids, states and times of every
/// tenant's.
const OF_NO_TENANT: [&str; 21] = [
    "applied_migrations",
    "isolates_tenants",
    "set_service_role",
    "grant_service",
    "locked_tables",
    "connected_processes",
    "report_worker",
    "mark_worker_stopping",
    "forget_workers",
    "due_wake_ups",
    "overdue_heads",
    "take_dead_letter",
    "mark_dead_lettered",
    "expire_uploads",
    "orphaned_uploads",
    "forget_expired_keys",
    "claim_due_requests",
    "sample_waiting",
    "tenants_to_sweep",
    "find_token",
    "tenant_of_id",
];

/// Fills every table of a tenant with a row, as the owner.
fn rows_of(tenant: Uuid) -> String {
    format!(
        "insert into presentation_groups (tenant_id, id, label) values ('{tenant}', '{ROW}', 'jane');
         insert into library_groups (tenant_id, id, name) values ('{tenant}', '{ROW}', 'jane');
         insert into system_groups (tenant_id, id, name) values ('{tenant}', '{ROW}', 'jane');
         insert into users (tenant_id, id, username, username_key, library_barcode, enabled, staff_member, password_sealed)
         values ('{tenant}', '{ROW}', 'jane', 'jane', 'jane', true, true, '\\x01');
         insert into library_group_members (tenant_id, user_id, group_id) values ('{tenant}', '{ROW}', '{ROW}');
         insert into system_group_members (tenant_id, user_id, group_id) values ('{tenant}', '{ROW}', '{ROW}');
         insert into imports (tenant_id, id, queue_position, endpoint, lane, state, attempt, lease_until, upload_bytes,
                              upload_sha256, submitted_by, submitted_as)
         values ('{tenant}', '{ROW}', 1, 'users', 'small', 'running', 1, now() - interval '1 hour', 1, '', '{ROW}', 'jane');
         insert into chunk_outcomes (tenant_id, import_id, first_row, rows, outcomes, problems)
         values ('{tenant}', '{ROW}', 1000, 1, '\\x01', '{{jane}}');
         insert into idempotency_keys (tenant_id, key, import_id) values ('{tenant}', 'jane', '{ROW}');
         insert into hash_queue (tenant_id) values ('{tenant}');
         insert into import_tokens (tenant_id, id, name, digest) values ('{tenant}', '{ROW}', 'jane', sha256('jane'));
         insert into login_networks (tenant_id, user_id, network, pair) values ('{tenant}', '{ROW}', 'jane', 1);
         insert into audit (tenant_id, actor_kind, actor, origin, action, object)
         values ('{tenant}', 'administrator', 'jane', '192.0.2.1', 'import submitted', 'jane');
         insert into tenant_hosts (tenant_id, host) values ('{tenant}', 'jane.example.org');"
    )
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A value for a parameter: what the rows hold, for the tenant given first.
fn value(number: usize, parameter: &Type, tenant: Uuid) -> Box<dyn ToSql + Sync> {
    match *parameter {
        Type::UUID if number == 0 => Box::new(tenant),
        Type::UUID => Box::new(ROW),
        Type::TEXT => Box::new("jane"),
        Type::INT2 => Box::new(1_i16),
        Type::INT4 => Box::new(1_i32),
        Type::INT8 => Box::new(1_i64),
        Type::FLOAT8 => Box::new(60.0),
        Type::BOOL => Box::new(false),
        Type::BYTEA => Box::new(vec![1_u8]),
        Type::TIMESTAMPTZ => Box::new(SystemTime::UNIX_EPOCH),
        Type::TEXT_ARRAY => Box::new(vec!["jane"]),
        // The first rows of the table, whosever they are.
        Type::TID_ARRAY => Box::new((1..8).map(|offset| RowVersion { block: 0, offset }).collect::<Vec<_>>()),
        Type::UUID_ARRAY => Box::new(vec![ROW]),
        Type::TIMESTAMPTZ_ARRAY => Box::new(vec![SystemTime::UNIX_EPOCH]),
        Type::INT2_ARRAY => Box::new(vec![None::<i16>]),
        Type::BOOL_ARRAY => Box::new(vec![true]),
        Type::BYTEA_ARRAY => Box::new(vec![Some(vec![1_u8])]),
        _ => panic!("no value for a parameter of type {parameter}"),
    }
}

/// A value of any type, as it is sent.
#[derive(Debug, PartialEq)]
struct Raw(Option<Vec<u8>>);

impl FromSql<'_> for Raw {
    fn from_sql(_: &Type, bytes: &[u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Some(bytes.to_vec())))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// What a statement returns and how many rows it writes, or the code of its error. It is rolled back.
async fn outcome(
    client: &Client,
    setting: &str,
    sql: &str,
    tenant: Uuid,
) -> Result<(u64, Vec<Vec<Raw>>), String> {
    let code = |error: tokio_postgres::Error| {
        error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned())
    };
    let statement = client.prepare(sql).await.map_err(code)?;
    let values: Vec<_> =
        statement.params().iter().enumerate().map(|(number, kind)| value(number, kind, tenant)).collect();
    let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value).collect();
    client.batch_execute(&format!("begin; set local rollcall.tenant = '{setting}'")).await.unwrap();
    let ran = if statement.columns().is_empty() {
        client.execute(&statement, &values).await.map(|rows| (rows, Vec::new()))
    } else {
        client.query(&statement, &values).await.map(|rows| {
            let raw = rows.iter().map(|row| (0..row.len()).map(|column| row.get(column)).collect()).collect();
            (rows.len() as u64, raw)
        })
    };
    client.batch_execute("rollback").await.unwrap();
    ran.map_err(code)
}

/// The rows of every table that tenants have rows in.
async fn snapshot(stack: &Stack) -> Vec<(String, Vec<serde_json::Value>)> {
    let mut snapshot = Vec::new();
    let tables = stack
        .rows("select tablename from pg_policies where schemaname = current_schema() order by tablename")
        .await;
    assert!(tables.len() >= 12, "{tables:?}");
    for table in tables {
        let table = table["tablename"].as_str().unwrap();
        snapshot.push((table.to_owned(), stack.rows(&format!("select * from {table}")).await));
    }
    snapshot
}

/// A tenant with a row in every table, and another one.
struct TwoTenants {
    stack: Stack,
    hers: Uuid,
    other: Uuid,
    owner: Client,
    service: Client,
}

impl TwoTenants {
    async fn start() -> Self {
        let stack = Options::default().workers(0).without_api().start().await;
        let hers = stack.school().id.as_uuid();
        let other = stack.add_tenant("other").await.id.as_uuid();
        let owner = connect(&stack.test_database.url).await;
        owner.batch_execute(&rows_of(hers)).await.unwrap();
        let service = connect(&stack.test_database.service_url).await;
        Self { stack, hers, other, owner, service }
    }
}

#[tokio::test]
async fn no_statement_crosses_tenants() {
    let TwoTenants { stack, hers, other, owner, service } = TwoTenants::start().await;
    let before = snapshot(&stack).await;

    let (mut checked, mut would, mut crossing) = (0, 0, Vec::new());
    for (name, sql) in statements() {
        if OF_NO_TENANT.contains(name) || sql.starts_with("copy") {
            continue;
        }
        checked += 1;
        // Another tenant's transaction, and one of no tenant, that ask for her rows learn what they learn of a tenant that
        // does not exist.
        let nothing = outcome(&service, &other.to_string(), sql, UNUSED).await;
        for setting in [other.to_string(), String::new()] {
            let found = outcome(&service, &setting, sql, hers).await;
            if found != nothing && !matches!(&found, Err(code) if code == "42501") {
                crossing.push(format!("{name} as {setting:?}: {found:?} instead of {nothing:?}"));
            }
        }
        // Without row-level security it would find or write them.
        would += u32::from(outcome(&owner, &other.to_string(), sql, hers).await != nothing);
    }
    println!(
        "{checked} statements with the wrong tenant: none sees or writes a row; {would} would without the policies"
    );
    assert!(crossing.is_empty(), "{crossing:#?}");
    assert!(would > 25, "the rows are there to be found: {would} of {checked}");
    assert_eq!(snapshot(&stack).await, before);

    // The sweeps see every tenant, and return ids, states and times.
    let sweep = statements().find(|(known, _)| *known == "due_wake_ups").unwrap().1;
    assert!(outcome(&service, "", sweep, hers).await.unwrap().0 > 0, "the relay finds what is due");
    for name in OF_NO_TENANT {
        let sql = statements().find(|(known, _)| *known == name).unwrap().1;
        for column in service.prepare(sql).await.unwrap().columns() {
            let harmless = [
                "version",
                "row_security_active",
                "set_config",
                "tenant_id",
                "id",
                "lane",
                "attempt",
                "relname",
                "application_name",
            ];
            let is_trace = ["traceparent", "tracestate"].contains(&column.name());
            // A request names its tenant by its name or its id.
            let is_of_request =
                name == "tenant_of_id" && ["name", "upload_limit_bytes"].contains(&column.name());
            assert!(
                harmless.contains(&column.name()) || is_trace || is_of_request,
                "{name} returns {}",
                column.name()
            );
        }
    }
}

#[tokio::test]
async fn every_table_of_tenants_is_protected() {
    let stack = Options::default().workers(0).without_api().without_tenant().start().await;
    let unprotected = stack
        .rows(
            "select distinct relname from pg_class join pg_attribute on attrelid = pg_class.oid
              where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p') and relname <> 'new_users'
                and (attname = 'tenant_id' or relname = 'tenants')
                and not (relrowsecurity and exists (select from pg_policy where polrelid = pg_class.oid))",
        )
        .await;
    assert!(unprotected.is_empty(), "{unprotected:?}");
    // Through the door for COPY rows go in, and nothing comes out.
    let rights = stack
        .rows(
            "select string_agg(distinct privilege_type, ',') as rights,
                    bool_or(column_name = 'tenant_id') as names_tenant
               from information_schema.column_privileges
              where grantee = 'rollcall_service' and table_name = 'new_users'",
        )
        .await;
    assert_eq!((&rights[0]["rights"], &rights[0]["names_tenant"]), (&json!("INSERT"), &json!(false)));
    let views = stack
        .rows("select column_name from information_schema.columns
                where table_schema = current_schema() and table_name like 'every\\_%'
                  and column_name ~ 'name|mail|password|_hash|sealed|submitted_(as|by)|warning|failure$|digest|sha'
                  and (table_name, column_name) <> ('every_tenant', 'name')")
        .await;
    assert!(views.is_empty(), "the views of every tenant show ids, states and times: {views:?}");
}

#[tokio::test]
async fn the_service_cannot_free_itself() {
    let TwoTenants { stack: _stack, hers, other, service, .. } = TwoTenants::start().await;
    let refused = [
        "alter table users disable row level security",
        "alter table users no force row level security",
        "drop policy own_tenant on users",
        "create policy mine on users using (true)",
        "alter table users owner to current_user",
        "drop table users",
        "truncate users",
        "create table mine (id int)",
        "create function mine() returns int language sql as 'select 1'",
        "create role mine",
        "alter role current_user bypassrls",
        "alter role current_user superuser",
        "set role rollcall",
        "set session authorization rollcall",
        "grant rollcall to current_user",
        "insert into tenants (id, name, upload_limit_bytes) values (gen_random_uuid(), 'mine', 1)",
        "delete from tenants",
        "insert into system_groups select tenant_id, gen_random_uuid(), 'mine', true from tenants",
        "update every_import set tenant_id = tenant_id",
        "update every_tenant set name = 'mine'",
        "select * from new_users",
        "set row_security = off; select * from users",
        "copy users (tenant_id) from stdin",
        "alter system set log_statement = 'all'",
        "create extension pg_trgm",
    ];
    for statement in refused {
        let error = service.batch_execute(statement).await.err();
        let code = error.as_ref().and_then(tokio_postgres::Error::code).map(|code| code.code().to_owned());
        assert!(code.as_deref().is_some_and(|code| code != "42P01"), "{statement}: {code:?}");
        service.batch_execute("reset all").await.unwrap();
    }
    // Nothing of any tenant without a tenant, and only its own with one.
    for (setting, count) in
        [(String::new(), 0_i64), (UNUSED.to_string(), 0), (other.to_string(), 1), (hers.to_string(), 2)]
    {
        service.batch_execute(&format!("begin; set local rollcall.tenant = '{setting}'")).await.unwrap();
        let users: i64 = service.query_one("select count(*) from users", &[]).await.unwrap().get(0);
        assert_eq!(users, count, "users seen as {setting:?}");
        service.batch_execute("commit").await.unwrap();
    }
    println!("{} ways out refused", refused.len());
}

/// What COPY brings in becomes the transaction's tenant's, also on a connection that has copied for another one. Only the
/// owner names the tenant, and without one nothing comes in.
#[tokio::test]
async fn copied_users_belong_to_the_transactions_tenant() {
    let TwoTenants { stack: _stack, hers, other, owner, service } = TwoTenants::start().await;
    let copy = "copy new_users (id, username, username_key, enabled, staff_member) from stdin";
    let prepared = service.prepare(copy).await.unwrap();
    let copied = async |setting: &str| -> Result<u64, String> {
        service.batch_execute(&format!("begin; set local rollcall.tenant = '{setting}'")).await.unwrap();
        let row = format!("{}\tx\tx\ttrue\ttrue\n", Uuid::now_v7());
        let rows = async {
            let mut sink = pin!(service.copy_in(&prepared).await?);
            sink.send(Bytes::from(row)).await?;
            sink.finish().await
        };
        let rows = rows.await.map_err(|error| error.code().unwrap().code().to_owned());
        service.batch_execute("commit").await.unwrap();
        rows
    };
    assert_eq!(copied(&hers.to_string()).await, Ok(1));
    assert_eq!(copied(&other.to_string()).await, Ok(1));
    assert_eq!(copied("").await, Err("23502".to_owned()), "the tenant is not null");
    let tenants: Vec<Uuid> = owner
        .query("select tenant_id from users where username = 'x' order by id", &[])
        .await
        .unwrap()
        .iter()
        .map(|user| user.get(0))
        .collect();
    assert_eq!(tenants, [hers, other]);

    for setting in [String::new(), hers.to_string(), other.to_string()] {
        for naming in [
            "copy new_users (tenant_id, id, username, username_key, enabled, staff_member) from stdin"
                .to_owned(),
            format!(
                "insert into new_users (tenant_id, id, username, username_key, enabled, staff_member)
                 values ('{hers}', gen_random_uuid(), 'y', 'y', true, true)"
            ),
        ] {
            service.batch_execute(&format!("begin; set local rollcall.tenant = '{setting}'")).await.unwrap();
            let error =
                service.batch_execute(&naming).await.expect_err("the tenant is not the service's to name");
            assert_eq!(error.code().map(SqlState::code), Some("42501"), "{naming}");
            service.batch_execute("rollback").await.unwrap();
        }
    }
    // Its default is good for COPY only.
    for (name, sql) in statements().filter(|(_, sql)| sql.contains("new_users")) {
        assert!(sql.starts_with("copy new_users ") || *name == "grant_service", "{name}");
    }
}

/// A session's tenant lasts for one transaction: the next user of a pooled connection, also in another process, starts
/// without one.
#[tokio::test]
async fn a_tenant_lasts_for_one_transaction() {
    let database = TestDatabase::create().await;
    let pool = SessionPool::new(&DatabaseAddress::parse(&database.service_url).unwrap(), 1);
    let tenant = TenantId::generate();
    let set = "select current_tenant()";
    let seen = async |session: rollcall_schema::postgres::client::Session| -> Option<Uuid> {
        session.query_one(set, &[]).await.unwrap().get(0)
    };
    assert_eq!(seen(pool.session_for(tenant).await.unwrap()).await, Some(tenant.as_uuid()));
    assert_eq!(seen(pool.session_for_all().await.unwrap()).await, None);
    let txn = pool.transaction_for(tenant).await.unwrap();
    txn.begin().await.unwrap();
    assert_eq!(txn.query_one(set, &[]).await.unwrap().get::<_, Option<Uuid>>(0), Some(tenant.as_uuid()));
    txn.commit().await.unwrap();
    assert_eq!(seen(pool.session_for_all().await.unwrap()).await, None);
    // A statement that fails ends its transaction as well.
    let session = pool.session_for(tenant).await.unwrap();
    assert!(session.query_one("select 1 / 0", &[]).await.is_err());
    assert_eq!(seen(session).await, Some(tenant.as_uuid()));
    assert_eq!(seen(pool.session_for_all().await.unwrap()).await, None);
}

/// An installation from before the service had a role of its own works on, with a warning.
#[tokio::test]
async fn one_role_works_on_with_a_warning() {
    let stack = Options::default().as_owner().start().await;
    let answer = stack.post_users("username,enabled,staffmember\njane,y,y\n").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for log in [stack.api_log(), stack.worker_log()] {
        assert_eq!(log.matches("row-level security is not in effect").count(), 1, "{log}");
    }
}
