//! The migration that brings stored names into the form that [`names`] gives them: keys of usernames, barcodes, labels of
//! presentation groups, names of library and system groups.
//!
//! It is not SQL because SQL does not fold case as Unicode does. It changes nothing where two names of a tenant would
//! become the same: which of two users stays is for the operator to decide.
//!
//! The rows that have to change are collected in a table of the transaction, so that memory is bounded and collisions are
//! found set-based. The statements stand here and not among the others, which are checked on the newest tables: a
//! migration runs on the tables of its own time.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use diesel::connection::{BoxableConnection, SimpleConnection as _};
use diesel::migration::{self, Migration, MigrationMetadata, MigrationName, MigrationVersion};
use diesel::pg::Pg;
use diesel::sql_types::{Array, BigInt, Text, Uuid as SqlUuid};
use diesel::{QueryResult, QueryableByName, RunQueryDsl as _, sql_query};
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use uuid::Uuid;

use super::name_collisions::{LISTED, NameCollision, NameCollisions};
use crate::names;
use crate::postgres::pool::Connection;

const NAME: &str = "2026-11-25-000003_recompute_names";
const VERSION: &str = "20261125000003";

/// Rows read at a time.
const BATCH: usize = 5000;

pub struct RecomputeNames;

impl Migration<Pg> for RecomputeNames {
    fn run(&self, conn: &mut dyn BoxableConnection<Pg>) -> migration::Result<()> {
        let conn =
            conn.downcast_mut::<Harnessed>().ok_or("migrations run on a connection of another type")?;
        recompute(conn)
    }

    fn revert(&self, _: &mut dyn BoxableConnection<Pg>) -> migration::Result<()> {
        Err("the names as they were before are not kept: restore a backup".into())
    }

    fn metadata(&self) -> &dyn MigrationMetadata {
        self
    }

    fn name(&self) -> &dyn MigrationName {
        self
    }
}

/// In a transaction, as by default.
impl MigrationMetadata for RecomputeNames {}

impl MigrationName for RecomputeNames {
    fn version(&self) -> MigrationVersion<'_> {
        VERSION.into()
    }
}

impl Display for RecomputeNames {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

/// The connection as diesel's harness passes it.
type Harnessed = AsyncConnectionWrapper<Connection>;

/// A column of names.
struct Names {
    /// What the names are.
    kind: &'static str,
    table: &'static str,
    /// The name as it was written.
    written: &'static str,
    /// The column to bring into the form. The same as `written`, except for usernames.
    stored: &'static str,
    form: fn(&str) -> Cow<'_, str>,
    /// Selects the rows that may have to change: so few that the rest of a large table need not leave the server.
    may_change: &'static str,
    /// See [`NameCollision::remedy`].
    remedy: &'static str,
}

const COLUMNS: [Names; 5] = [
    Names {
        kind: "username",
        table: "users",
        written: "username",
        stored: "username_key",
        form: names::username_key,
        may_change: "octet_length(username) <> char_length(username)
                     or username_key <> lower(btrim(username, E' \\t\\n\\x0B\\f\\r') collate \"C\")",
        remedy:
            "  rename one:  update users set username = 'NEW', username_key = lower('NEW') where id = 'ID';
  or delete it, if no file names it any more:  delete from users where id = 'ID';",
    },
    Names {
        kind: "barcode",
        table: "users",
        written: "library_barcode",
        stored: "library_barcode",
        form: names::normalized,
        may_change: MAY_CHANGE_BARCODE,
        remedy: "  clear one, or give it another value:  update users set library_barcode = null where id = 'ID';",
    },
    Names {
        kind: "presentation group",
        table: "presentation_groups",
        written: "label",
        stored: "label",
        form: names::normalized,
        may_change: MAY_CHANGE_LABEL,
        remedy: "  rename one:  update presentation_groups set label = 'NEW' where id = 'ID';
  or move its members to the other, and delete it:
    update users set presentation_group_id = 'OTHER-ID' where presentation_group_id = 'ID';
    delete from presentation_groups where id = 'ID';",
    },
    Names {
        kind: "library group",
        table: "library_groups",
        written: "name",
        stored: "name",
        form: names::normalized,
        may_change: MAY_CHANGE_NAME,
        remedy: "  rename one:  update library_groups set name = 'NEW' where id = 'ID';
  or add its members to the other, and delete it:
    insert into library_group_members select tenant_id, user_id, 'OTHER-ID' from library_group_members
        where group_id = 'ID' on conflict do nothing;
    delete from library_groups where id = 'ID';",
    },
    Names {
        kind: "system group",
        table: "system_groups",
        written: "name",
        stored: "name",
        form: names::normalized,
        may_change: MAY_CHANGE_NAME,
        remedy: "  rename one:  update system_groups set name = 'NEW' where id = 'ID';
  or, if both grant the same, add its members to the other, and delete it:
    insert into system_group_members select tenant_id, user_id, 'OTHER-ID' from system_group_members
        where group_id = 'ID' on conflict do nothing;
    delete from system_groups where id = 'ID';",
    },
];

macro_rules! not_ascii_or_spaced {
    ($column:literal) => {
        concat!(
            "octet_length(",
            $column,
            ") <> char_length(",
            $column,
            ") or ",
            $column,
            " ~ E'^ | $|  |[\\t-\\r]'"
        )
    };
}
const MAY_CHANGE_BARCODE: &str = not_ascii_or_spaced!("library_barcode");
const MAY_CHANGE_LABEL: &str = not_ascii_or_spaced!("label");
const MAY_CHANGE_NAME: &str = not_ascii_or_spaced!("name");

/// In the order in which a chunk writes to these tables. Nothing is written to them until the commit; reading goes on.
const LOCK: &str =
    "lock table presentation_groups, users, library_groups, system_groups in share row exclusive mode";

fn recompute(conn: &mut Harnessed) -> migration::Result<()> {
    conn.batch_execute(LOCK)?;
    let mut changing = Vec::new();
    let mut collisions = NameCollisions::default();
    for (index, names) in COLUMNS.iter().enumerate() {
        // A table of this transaction. Not a temporary one: that would take a right that no migration has needed so far.
        let new_names = format!("new_names_{index}");
        names.collect(conn, &new_names)?;
        let colliding = names.colliding_rows(conn, &new_names)?;
        let count = colliding.first().map_or(0, |row| row.count);
        collisions.add(count, colliding.into_iter().map(|row| names.collision(row)));
        changing.push((names, new_names));
    }
    if !collisions.is_empty() {
        return Err(Box::new(collisions));
    }
    for (names, new_names) in changing {
        names.update(conn, &new_names)?;
        conn.batch_execute(&format!("drop table {new_names}"))?;
    }
    Ok(())
}

impl Names {
    /// Fills a new table with the names that are not in their form yet.
    fn collect(&self, conn: &mut Harnessed, new_names: &str) -> QueryResult<()> {
        let Self { table, written, stored, may_change, .. } = self;
        conn.batch_execute(&format!(
            "create unlogged table {new_names} (tenant_id uuid, id uuid, name text, primary key (tenant_id, id));
             declare stored_names no scroll cursor for
             select tenant_id, id, {written} as written, {stored} as stored from {table} where {may_change}"
        ))?;
        let fetch = format!("fetch {BATCH} from stored_names");
        let insert = format!("insert into {new_names} select * from unnest($1, $2, $3)");
        loop {
            let rows: Vec<StoredName> = sql_query(&fetch).load(conn)?;
            if rows.is_empty() {
                break;
            }
            let (mut tenants, mut ids, mut new) = (Vec::new(), Vec::new(), Vec::new());
            for row in &rows {
                let name = (self.form)(&row.written);
                // A name of invisible characters only stays as it is: no file can name it.
                if name != row.stored && !name.is_empty() {
                    tenants.push(row.tenant_id);
                    ids.push(row.id);
                    new.push(name);
                }
            }
            sql_query(&insert)
                .bind::<Array<SqlUuid>, _>(tenants)
                .bind::<Array<SqlUuid>, _>(ids)
                .bind::<Array<Text>, _>(new)
                .execute(conn)?;
        }
        conn.batch_execute(&format!("close stored_names; analyze {new_names}"))
    }

    /// The rows that would have the same name as another one of their tenant, each with the first that would have it.
    fn colliding_rows(&self, conn: &mut Harnessed, new_names: &str) -> QueryResult<Vec<CollidingRow>> {
        let Self { table, written, stored, .. } = self;
        sql_query(format!(
            "with named as (
                 select tenant_id, id, name from {new_names}
                 union
                 select tenant_id, old.id, new.name
                   from {new_names} new
                   join {table} old using (tenant_id)
                  where old.{stored} = new.name
                    and not exists (select from {new_names} also
                                     where also.tenant_id = old.tenant_id and also.id = old.id)
             ), numbered as (
                 select named.*,
                        row_number() over same as number,
                        first_value(id) over same as other_id
                   from named
                 window same as (partition by tenant_id, name order by id)
             )
             select coalesce(tenants.name, numbered.tenant_id::text) as tenant, numbered.name,
                    one.id, one.{written} as written, other.id as other_id, other.{written} as other_written,
                    count(*) over () as count
               from numbered
               join {table} one on one.tenant_id = numbered.tenant_id and one.id = numbered.id
               join {table} other on other.tenant_id = numbered.tenant_id and other.id = numbered.other_id
               left join tenants on tenants.id = numbered.tenant_id
              where number > 1
              order by tenant, numbered.name, one.id
              limit {LISTED}"
        ))
        .load(conn)
    }

    fn collision(&self, row: CollidingRow) -> NameCollision {
        NameCollision {
            tenant: row.tenant,
            kind: self.kind,
            remedy: self.remedy,
            holder: if self.table == "users" { "user" } else { "group" },
            name: row.name,
            first: (row.other_written, row.other_id),
            second: (row.written, row.id),
        }
    }

    /// A user that a chunk has loaded but not written yet is then no longer as it was loaded.
    fn update(&self, conn: &mut Harnessed, new_names: &str) -> QueryResult<()> {
        let Self { table, stored, .. } = self;
        let touch = if *table == "users" { ", updated_at = now()" } else { "" };
        conn.batch_execute(&format!(
            "update {table} set {stored} = new.name{touch}
               from {new_names} new
              where {table}.tenant_id = new.tenant_id and {table}.id = new.id"
        ))
    }
}

#[derive(QueryableByName)]
struct StoredName {
    #[diesel(sql_type = SqlUuid)]
    tenant_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    written: String,
    #[diesel(sql_type = Text)]
    stored: String,
}

#[derive(QueryableByName)]
struct CollidingRow {
    #[diesel(sql_type = Text)]
    tenant: String,
    /// The name that both would have.
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    written: String,
    #[diesel(sql_type = SqlUuid)]
    other_id: Uuid,
    #[diesel(sql_type = Text)]
    other_written: String,
    /// All collisions of the column, listed or not.
    #[diesel(sql_type = BigInt)]
    count: i64,
}
