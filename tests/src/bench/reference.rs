//! The reference: what an expert would type into psql.
//!
//! Its tables are copied from the service's at run time, so they keep the same columns, keys and indexes when the schema
//! changes. Triggers are not copied.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio_postgres::Client;

use super::conditions::connect;
use super::files::RosterFile;
use super::measured::{Failure, Measured};
use crate::harness::TestDatabase;

/// The tenant that owns all rows but those of a neighbour.
const TENANT: &str = "0198c0de-0000-7000-8000-000000000001";
/// The tenant that owns the rows of a district beside it.
const NEIGHBOUR: &str = "0198c0de-0000-7000-8000-000000000002";

/// The columns of the table that a roster is copied into with `\copy`, in the order of the file. Passwords go no further.
pub const ROSTER_COLUMNS: &str = "\
username text, givenname text, surname text, middlename text, preferredname text, emailaddress text, \
graduationyear smallint, librarybarcode text, adminsystemid text, gender text, password text, formclass text, \
enabled boolean, staffmember boolean";

/// One statement for new, changed and unchanged users.
pub fn upsert() -> String {
    upsert_as(TENANT, Groups::None)
}

/// What a roster says of presentation groups.
#[derive(Debug, Clone, Copy)]
enum Groups {
    /// It has no such column.
    None,
    /// Its groups exist.
    Exist,
}

fn upsert_as(tenant: &str, groups: Groups) -> String {
    let [column, value, source, update] = match groups {
        Groups::None => [""; 4],
        Groups::Exist => [
            ", presentation_group_id",
            ", presentation_groups.id",
            " left join presentation_groups on tenant_id = '{tenant}' and label = presentationgrouplabel",
            "presentation_group_id = excluded.presentation_group_id,",
        ],
    };
    let source = source.replace("{tenant}", tenant);
    format!(
        "
insert into reference_users (
    tenant_id, id, username, username_key, given_name, surname, middle_name, preferred_name, email_address,
    graduation_year, library_barcode, admin_system_id, gender, form_class, enabled, staff_member{column}
)
select
    '{tenant}', gen_random_uuid(), username, lower(username), givenname, surname,
    middlename, preferredname, emailaddress, graduationyear, librarybarcode, adminsystemid, gender, formclass,
    enabled, staffmember{value}
from roster{source}
on conflict (tenant_id, username_key) do update set
    given_name = excluded.given_name,
    surname = excluded.surname,
    middle_name = excluded.middle_name,
    preferred_name = excluded.preferred_name,
    email_address = excluded.email_address,
    graduation_year = excluded.graduation_year,
    library_barcode = excluded.library_barcode,
    admin_system_id = excluded.admin_system_id,
    gender = excluded.gender,
    form_class = excluded.form_class,
    enabled = excluded.enabled,
    staff_member = excluded.staff_member,
    {update}
    updated_at = now()"
    )
}

/// A database with a table `reference_users`.
pub struct Reference {
    database: TestDatabase,
    psql: PathBuf,
}

impl Reference {
    pub async fn new() -> Self {
        let database = TestDatabase::create().await;
        let client = connect(&database.url).await;
        let psql = psql(&client).await;
        create_copy(&client, "users", "reference_users").await;
        Self { database, psql }
    }

    pub async fn connect(&self) -> Client {
        connect(&self.database.url).await
    }

    /// Copies a file of `rows` users into a temporary table and upserts them. Returns the seconds that psql took.
    pub async fn upsert_users(&self, file: &Path, rows: u64) -> Measured<f64> {
        let script = format!(
            "create temporary table roster ({ROSTER_COLUMNS});\n\
             \\copy roster from '{}' with (format csv, header)\n\
             {};\n",
            file.display(),
            upsert()
        );
        self.run(&script, rows).await
    }

    /// The same for a roster of a district, which has presentation groups: those that are new are inserted first.
    pub async fn upsert_district(&self, file: &RosterFile) -> Measured<f64> {
        self.upsert_district_as(TENANT, file).await
    }

    /// The same for a district beside it.
    pub async fn upsert_neighbour(&self, file: &RosterFile) -> Measured<f64> {
        self.upsert_district_as(NEIGHBOUR, file).await
    }

    async fn upsert_district_as(&self, tenant: &str, file: &RosterFile) -> Measured<f64> {
        let script = format!(
            "insert into tenants (id, name, upload_limit_bytes) values ('{tenant}', '{tenant}', 1) on conflict do nothing;\n\
             create temporary table roster ({ROSTER_COLUMNS}, presentationgrouplabel text);\n\
             \\copy roster from '{}' with (format csv, header)\n\
             insert into presentation_groups (tenant_id, id, label)
             select '{tenant}', gen_random_uuid(), label
             from (select distinct presentationgrouplabel from roster) as named (label)
             where label is not null
             on conflict do nothing;\n\
             {};\n",
            file.path.display(),
            upsert_as(tenant, Groups::Exist)
        );
        self.run(&script, file.rows).await
    }

    pub async fn define_groups(&self, names: &[&str]) {
        let client = self.connect().await;
        let define = format!(
            "with tenant as (
                 insert into tenants (id, name, upload_limit_bytes) values ('{TENANT}', 'reference', 1)
                 on conflict (id) do update set name = 'reference' returning id
             )
             insert into library_groups (tenant_id, id, name)
             select tenant.id, gen_random_uuid(), name from tenant, unnest($1::text[]) as name"
        );
        client.execute(&define, &[&names]).await.expect("groups can be defined");
    }

    /// Removes every membership, by creating the table again. Before the first round there is none.
    pub async fn remove_memberships(&self) {
        let client = self.connect().await;
        client.batch_execute("drop table if exists reference_members").await.expect("a table can be dropped");
        create_copy(&client, "library_group_members", "reference_members").await;
    }

    /// Copies a file of `rows` memberships into a temporary table and inserts them. Returns the seconds that psql took.
    pub async fn insert_memberships(&self, file: &Path, rows: u64) -> Measured<f64> {
        let script = format!(
            "create temporary table memberships (username text, library_group text, system_group text);\n\
             \\copy memberships from '{}' with (format csv, header)\n\
             insert into reference_members (tenant_id, user_id, group_id)
             select '{TENANT}', reference_users.id, library_groups.id
             from memberships
             join reference_users on reference_users.tenant_id = '{TENANT}'
                 and reference_users.username_key = lower(memberships.username)
             join library_groups on library_groups.tenant_id = '{TENANT}'
                 and library_groups.name = memberships.library_group
             on conflict do nothing;\n",
            file.display()
        );
        self.run(&script, rows).await
    }

    /// Runs a script that ends with an `INSERT` of `rows` rows. Returns the seconds that psql took.
    pub async fn run(&self, script: &str, rows: u64) -> Measured<f64> {
        let started = Instant::now();
        let mut psql = Command::new(&self.psql)
            .args(["--no-psqlrc", "--set=ON_ERROR_STOP=1", "--dbname", &self.database.url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql is installed with the server");
        let mut input = psql.stdin.take().expect("stdin is piped");
        input.write_all(script.as_bytes()).await.expect("a script is shorter than a pipe's buffer");
        drop(input);
        let output = psql.wait_with_output().await.expect("psql can be waited for");
        let seconds = started.elapsed().as_secs_f64();
        let printed = String::from_utf8_lossy(&output.stdout);
        if output.status.success() && printed.trim_end().ends_with(&format!("INSERT 0 {rows}")) {
            return Ok(seconds);
        }
        Err(Failure(format!("the reference failed: {printed}{}", String::from_utf8_lossy(&output.stderr))))
    }
}

/// Creates a table with the same columns, defaults, keys and indexes as `table`. Foreign keys to `users` refer to
/// `reference_users` instead.
pub async fn create_copy(client: &Client, table: &str, copy: &str) {
    let statement = format!(
        "create table {copy} (like {table} including all);
         do $$
         declare
             definition text;
         begin
             for definition in
                 select replace(pg_get_constraintdef(oid), 'REFERENCES users(', 'REFERENCES reference_users(')
                 from pg_constraint where conrelid = '{table}'::regclass and contype = 'f'
             loop
                 execute 'alter table {copy} add ' || definition;
             end loop;
         end
         $$;"
    );
    client.batch_execute(&statement).await.expect("a table can be copied");
}

/// The psql that belongs to the server's installation.
async fn psql(client: &Client) -> PathBuf {
    let row = client
        .query_one("select setting from pg_config where name = 'BINDIR'", &[])
        .await
        .expect("the superuser may read the server's configuration");
    Path::new(&row.get::<_, String>(0)).join("psql")
}
