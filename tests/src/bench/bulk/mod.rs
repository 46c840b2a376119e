//! Arrays through `unnest`, or COPY? Compares the two ways to send a chunk to Postgres, in plain SQL without the service.
//!
//! A chunk is one transaction, its ids are ordered by time, and the table is a copy of `users`. Arrays are `ours`.

mod chunk;

use std::pin::pin;
use std::time::Instant;

use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Statement};
use uuid::Uuid;

use self::chunk::{COLUMNS, Chunk};
use super::comparison::Comparison;
use super::fixture::Fixture;
use super::measured::{Failure, Measured};
use super::reference::{Reference, create_copy};
use super::report::Line;

/// Rows of a chunk.
const CHUNK_ROWS: u64 = 20_000;

/// Imports a large roster into an empty table, then searches the same roster for rows that differ from the table: none do.
pub async fn run(fixture: &Fixture) -> Measured<Vec<Line>> {
    let chunks = fixture.sizes.large.div_ceil(CHUNK_ROWS);
    let mut direct = Comparison::new("bulk_first_copy_direct", "s");
    let mut through_temporary = Comparison::new("bulk_first_copy_temp", "s");
    let mut again = Comparison::new("bulk_again_copy", "s");
    for _ in 0..fixture.sizes.rounds.min(2) {
        direct
            .round(
                async || Table::new().await.fill(Method::Arrays, chunks).await,
                async || Table::new().await.fill(Method::CopyDirect, chunks).await,
            )
            .await?;
        // `again` searches the tables that this comparison fills.
        let (arrays, copied) = (Table::new().await, Table::new().await);
        through_temporary
            .round(
                async || arrays.fill(Method::Arrays, chunks).await,
                async || copied.fill(Method::CopyTemporary, chunks).await,
            )
            .await?;
        again
            .round(
                async || arrays.search(Method::Arrays, chunks).await,
                async || copied.search(Method::CopyTemporary, chunks).await,
            )
            .await?;
    }
    Ok([direct, through_temporary, again].iter().map(|comparison| comparison.line(None)).collect())
}

/// How a chunk is sent to Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    /// As one array per column, bound to the statement that uses them.
    Arrays,
    /// With COPY into the table itself.
    CopyDirect,
    /// With COPY into a temporary table that the statement reads.
    CopyTemporary,
}

/// A copy of `users` in a database of its own, and a warm connection to it.
struct Table {
    client: Client,
    tenant: Uuid,
    insert_arrays: Statement,
    insert_copied: Statement,
    search_arrays: Statement,
    search_copied: Statement,
    copy: Statement,
    copy_direct: Statement,
    // Dropped after the client, because it drops the database.
    _reference: Reference,
}

impl Table {
    async fn new() -> Self {
        let reference = Reference::new().await;
        let client = reference.connect().await;
        create_copy(&client, "users", "bulk_users").await;
        Self::prepare(client, reference).await.expect("the statements are valid")
    }

    async fn prepare(client: Client, reference: Reference) -> Result<Self, Error> {
        let names = COLUMNS.map(|(name, _)| name).join(", ");
        let new_names = COLUMNS.map(|(name, _)| format!("new.{name}")).join(", ");
        let definitions = COLUMNS.map(|(name, kind)| format!("{name} {kind}")).join(", ");
        client
            .batch_execute(&format!("create temporary table chunk ({definitions}) on commit delete rows"))
            .await?;
        let arrays = COLUMNS
            .iter()
            .enumerate()
            .map(|(index, (_, kind))| format!("${}::{kind}[]", index + 2))
            .collect::<Vec<_>>()
            .join(", ");
        let arrays = format!("unnest({arrays})");

        let insert = |source: &str| {
            format!(
                "insert into bulk_users (tenant_id, {names})
                 select $1::uuid, {new_names} from {source} as new ({names})"
            )
        };
        // Ids are not compared: a file has none.
        let compared =
            |of: &str| COLUMNS[1..].iter().map(|(name, _)| format!("{of}.{name}")).collect::<Vec<_>>();
        let search = |source: &str| {
            format!(
                "select count(*) from {source} as new ({names})
                 left join bulk_users as old on old.tenant_id = $1::uuid and old.username_key = new.username_key
                 where ({}) is distinct from ({})",
                compared("old").join(", "),
                compared("new").join(", ")
            )
        };
        Ok(Self {
            tenant: Uuid::now_v7(),
            insert_arrays: client.prepare(&insert(&arrays)).await?,
            insert_copied: client.prepare(&insert("chunk")).await?,
            search_arrays: client.prepare(&search(&arrays)).await?,
            search_copied: client.prepare(&search("chunk")).await?,
            copy: client.prepare(&format!("copy chunk ({names}) from stdin (format binary)")).await?,
            copy_direct: client
                .prepare(&format!("copy bulk_users (tenant_id, {names}) from stdin (format binary)"))
                .await?,
            client,
            _reference: reference,
        })
    }

    /// Inserts every chunk. Returns the seconds that this took.
    async fn fill(&self, method: Method, chunks: u64) -> Measured<f64> {
        let mut seconds = 0.0;
        for number in 0..chunks {
            let chunk = Chunk::new(number * CHUNK_ROWS, CHUNK_ROWS);
            let started = Instant::now();
            let inserted = self.insert(method, &chunk).await.map_err(|error| failure(&error))?;
            seconds += started.elapsed().as_secs_f64();
            if inserted != CHUNK_ROWS {
                return Err(Failure(format!("{inserted} of {CHUNK_ROWS} rows were inserted")));
            }
        }
        Ok(seconds)
    }

    async fn insert(&self, method: Method, chunk: &Chunk) -> Result<u64, Error> {
        self.client.batch_execute("begin").await?;
        let inserted = match method {
            Method::Arrays => self.client.execute(&self.insert_arrays, &chunk.arrays(&self.tenant)).await?,
            Method::CopyDirect => self.copy(&self.copy_direct, Some(&self.tenant), chunk).await?,
            Method::CopyTemporary => {
                self.copy(&self.copy, None, chunk).await?;
                self.client.execute(&self.insert_copied, &[&self.tenant]).await?
            }
        };
        self.client.batch_execute("commit").await?;
        Ok(inserted)
    }

    /// Searches every chunk for rows that differ from the table. Returns the seconds that this took.
    async fn search(&self, method: Method, chunks: u64) -> Measured<f64> {
        let mut seconds = 0.0;
        for number in 0..chunks {
            let chunk = Chunk::new(number * CHUNK_ROWS, CHUNK_ROWS);
            let started = Instant::now();
            let different = self.differences(method, &chunk).await.map_err(|error| failure(&error))?;
            seconds += started.elapsed().as_secs_f64();
            if different != 0 {
                return Err(Failure(format!("{different} rows differ from themselves")));
            }
        }
        Ok(seconds)
    }

    async fn differences(&self, method: Method, chunk: &Chunk) -> Result<i64, Error> {
        // A chunk is small, so its rows should be looked up by their key, but the planner has no statistics of a chunk.
        // The temporary table can only be scanned as a whole. With sequential scans disabled that looks expensive, and
        // must not start the JIT compiler.
        self.client
            .batch_execute(
                "begin; set local enable_seqscan = off; set local enable_hashjoin = off;
                 set local enable_mergejoin = off; set local jit = off",
            )
            .await?;
        let row = if method == Method::Arrays {
            self.client.query_one(&self.search_arrays, &chunk.arrays(&self.tenant)).await?
        } else {
            self.copy(&self.copy, None, chunk).await?;
            self.client.query_one(&self.search_copied, &[&self.tenant]).await?
        };
        self.client.batch_execute("commit").await?;
        Ok(row.get(0))
    }

    /// Copies a chunk. The tenant comes first if the target has a column for it.
    async fn copy(&self, statement: &Statement, tenant: Option<&Uuid>, chunk: &Chunk) -> Result<u64, Error> {
        let tenant: Vec<&(dyn ToSql + Sync)> =
            tenant.into_iter().map(|tenant| tenant as &(dyn ToSql + Sync)).collect();
        let types: Vec<Type> = tenant.iter().map(|_| Type::UUID).chain(chunk.types()).collect();
        let mut writer = pin!(BinaryCopyInWriter::new(self.client.copy_in(statement).await?, &types));
        for index in 0..chunk.rows() {
            let mut row = tenant.clone();
            row.extend(chunk.row(index));
            writer.as_mut().write(&row).await?;
        }
        writer.finish().await
    }
}

fn failure(error: &Error) -> Failure {
    Failure(format!("merging a chunk failed: {error}"))
}
