//! Arrays through `unnest`, or COPY? Both ways of bringing a chunk to Postgres, in SQL alone: the service is no part of it.
//!
//! A chunk is one transaction, its ids are ordered by time, and the table is like `users`. `ours` is the arrays.

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
use super::reference::{Reference, twin};
use super::report::Line;

/// Rows of a chunk.
const CHUNK_ROWS: u64 = 20_000;

/// The first import of a large roster, and then the search for rows that differ in the same roster once more: none do.
pub async fn run(fixture: &Fixture) -> Measured<Vec<Line>> {
    let chunks = fixture.sizes.large.div_ceil(CHUNK_ROWS);
    let mut direct = Comparison::new("bulk_first_copy_direct", "s");
    let mut through_temporary = Comparison::new("bulk_first_copy_temp", "s");
    let mut again = Comparison::new("bulk_again_copy", "s");
    for _ in 0..fixture.sizes.rounds.min(2) {
        direct
            .round(
                async || Table::new().await.fill(Way::Arrays, chunks).await,
                async || Table::new().await.fill(Way::CopyDirect, chunks).await,
            )
            .await?;
        // The tables of this comparison are searched afterwards.
        let (arrays, copied) = (Table::new().await, Table::new().await);
        through_temporary
            .round(
                async || arrays.fill(Way::Arrays, chunks).await,
                async || copied.fill(Way::CopyTemporary, chunks).await,
            )
            .await?;
        again
            .round(
                async || arrays.search(Way::Arrays, chunks).await,
                async || copied.search(Way::CopyTemporary, chunks).await,
            )
            .await?;
    }
    Ok([direct, through_temporary, again].iter().map(|comparison| comparison.line(None)).collect())
}

/// How a chunk gets to Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As an array for each column, bound to the statement that uses them.
    Arrays,
    /// By COPY into the table itself.
    CopyDirect,
    /// By COPY into a temporary table, which the statement reads.
    CopyTemporary,
}

/// A table like `users` in a database of its own, and a warm connection to it.
struct Table {
    client: Client,
    tenant: Uuid,
    insert_arrays: Statement,
    insert_copied: Statement,
    search_arrays: Statement,
    search_copied: Statement,
    copy: Statement,
    copy_direct: Statement,
    // After the client: the database goes with it.
    _reference: Reference,
}

impl Table {
    async fn new() -> Self {
        let reference = Reference::new().await;
        let client = reference.connect().await;
        twin(&client, "users", "bulk_users").await;
        Self::prepare(client, reference).await.expect("the statements are good")
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
        // The ids are no part of it: a file knows none.
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

    /// Brings every chunk in; returns the seconds.
    async fn fill(&self, way: Way, chunks: u64) -> Measured<f64> {
        let mut seconds = 0.0;
        for number in 0..chunks {
            let chunk = Chunk::new(number * CHUNK_ROWS, CHUNK_ROWS);
            let begun = Instant::now();
            let inserted = self.insert(way, &chunk).await.map_err(|error| failure(&error))?;
            seconds += begun.elapsed().as_secs_f64();
            if inserted != CHUNK_ROWS {
                return Err(Failure(format!("{inserted} of {CHUNK_ROWS} rows were inserted")));
            }
        }
        Ok(seconds)
    }

    async fn insert(&self, way: Way, chunk: &Chunk) -> Result<u64, Error> {
        self.client.batch_execute("begin").await?;
        let inserted = match way {
            Way::Arrays => self.client.execute(&self.insert_arrays, &chunk.arrays(&self.tenant)).await?,
            Way::CopyDirect => self.copy(&self.copy_direct, Some(&self.tenant), chunk).await?,
            Way::CopyTemporary => {
                self.copy(&self.copy, None, chunk).await?;
                self.client.execute(&self.insert_copied, &[&self.tenant]).await?
            }
        };
        self.client.batch_execute("commit").await?;
        Ok(inserted)
    }

    /// Looks in every chunk for rows that differ from what is stored; returns the seconds.
    async fn search(&self, way: Way, chunks: u64) -> Measured<f64> {
        let mut seconds = 0.0;
        for number in 0..chunks {
            let chunk = Chunk::new(number * CHUNK_ROWS, CHUNK_ROWS);
            let begun = Instant::now();
            let different = self.differences(way, &chunk).await.map_err(|error| failure(&error))?;
            seconds += begun.elapsed().as_secs_f64();
            if different != 0 {
                return Err(Failure(format!("{different} rows differ from themselves")));
            }
        }
        Ok(seconds)
    }

    async fn differences(&self, way: Way, chunk: &Chunk) -> Result<i64, Error> {
        // Who knows that a chunk is small looks its rows up by their key; the planner has no statistics of a chunk. The
        // temporary table can only be read as a whole: what that seems to cost then must not set the compiler off.
        self.client
            .batch_execute(
                "begin; set local enable_seqscan = off; set local enable_hashjoin = off;
                 set local enable_mergejoin = off; set local jit = off",
            )
            .await?;
        let row = if way == Way::Arrays {
            self.client.query_one(&self.search_arrays, &chunk.arrays(&self.tenant)).await?
        } else {
            self.copy(&self.copy, None, chunk).await?;
            self.client.query_one(&self.search_copied, &[&self.tenant]).await?
        };
        self.client.batch_execute("commit").await?;
        Ok(row.get(0))
    }

    /// Copies a chunk, with the tenant in front where the target has such a column.
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
    Failure(format!("a chunk could not be merged: {error}"))
}
