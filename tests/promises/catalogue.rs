//! diesel's definitions of the tables agree with the database: every column that they name exists with the same type and
//! nullability, and every table has the same primary key. A query that compiles is a query that runs.

use std::collections::BTreeMap;

use rollcall_schema::postgres::fault::KEYS_OF_USERS;
use rollcall_tests::harness::Options;
use serde_json::Value;

/// The source of diesel's definitions. Its text names all tables, so that no list of them can be incomplete.
const DEFINITIONS: &str = include_str!("../../schema/src/postgres/tables.rs");

/// A table: its primary key, and the type of each column as diesel writes it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Table {
    primary_key: Vec<String>,
    columns: BTreeMap<String, String>,
}

/// Parses the `diesel::table!` definitions of a source file.
fn definitions(source: &str) -> BTreeMap<String, Table> {
    let mut tables = BTreeMap::new();
    for definition in source.split("diesel::table! {").skip(1) {
        let (head, body) = definition.split_once('{').expect("a definition has a body");
        let (name, primary_key) = head.trim().split_once('(').expect("a definition has a primary key");
        let primary_key = primary_key.trim_end_matches(')').split(',').map(|column| column.trim().to_owned());
        let (body, _) = body.split_once('}').expect("a definition ends");
        let columns = body.lines().filter_map(|line| line.trim().trim_end_matches(',').split_once(" -> "));
        let columns = columns.map(|(column, sql_type)| (column.to_owned(), sql_type.to_owned()));
        let table = Table { primary_key: primary_key.collect(), columns: columns.collect() };
        let name = name.trim().to_owned();
        tables.insert(name.rsplit_once('\n').map_or(name.clone(), |(_, name)| name.trim().to_owned()), table);
    }
    tables
}

/// The type of a column in diesel's words.
fn diesel_type(column: &Value) -> String {
    let name = column["udt_name"].as_str().expect("a column has a type");
    let element = |name: &str| match name {
        "bool" => "Bool".to_owned(),
        "bytea" => "Binary".to_owned(),
        "int2" => "SmallInt".to_owned(),
        "int4" => "Integer".to_owned(),
        "int8" => "BigInt".to_owned(),
        "text" => "Text".to_owned(),
        "timestamptz" => "Timestamptz".to_owned(),
        "uuid" => "Uuid".to_owned(),
        other => format!("(unknown: {other})"),
    };
    let sql_type = match name.strip_prefix('_') {
        Some(name) => format!("Array<{}>", element(name)),
        None => element(name),
    };
    if column["is_nullable"] == "YES" { format!("Nullable<{sql_type}>") } else { sql_type }
}

#[tokio::test]
async fn table_definitions_match_the_database() {
    let definitions = definitions(DEFINITIONS);
    assert!(definitions.len() > 5, "the definitions can be parsed: {definitions:#?}");
    assert!(definitions.values().all(|table| table.columns.len() > 1), "{definitions:#?}");

    let stack = Options::default().workers(0).without_api().without_tenant().start().await;
    let mut catalogue: BTreeMap<String, Table> = BTreeMap::new();
    let text = |row: &Value, name: &str| row[name].as_str().expect("a name").to_owned();
    for column in stack
        .rows(
            "select table_name, column_name, udt_name, is_nullable
               from information_schema.columns
              where table_schema = current_schema()",
        )
        .await
    {
        let table = catalogue.entry(text(&column, "table_name")).or_default();
        table.columns.insert(text(&column, "column_name"), diesel_type(&column));
    }
    for column in stack
        .rows(
            "select keys.table_name, keys.column_name
               from information_schema.table_constraints constraints
               join information_schema.key_column_usage keys using (constraint_schema, constraint_name, table_name)
              where constraint_type = 'PRIMARY KEY' and constraint_schema = current_schema()
              order by ordinal_position",
        )
        .await
    {
        let table = catalogue.entry(text(&column, "table_name")).or_default();
        table.primary_key.push(text(&column, "column_name"));
    }

    let mut differences = Vec::new();
    for (name, defined) in &definitions {
        let Some(stored) = catalogue.get(name) else {
            differences.push(format!("{name}: there is no such table"));
            continue;
        };
        // A view has no key, and its columns count as nullable.
        let is_view = name.starts_with("every_");
        if defined.primary_key != stored.primary_key && !is_view {
            differences.push(format!(
                "{name}: the primary key is {:?}, defined as {:?}",
                stored.primary_key, defined.primary_key
            ));
        }
        for (column, sql_type) in &defined.columns {
            match stored.columns.get(column) {
                None => differences.push(format!("{name}.{column}: there is no such column")),
                Some(stored) if stored == sql_type => {}
                Some(stored) if is_view && *stored == format!("Nullable<{sql_type}>") => {}
                Some(stored) => {
                    differences
                        .push(format!("{name}.{column}: {stored} in the database, defined as {sql_type}"));
                }
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

/// A violated key of ours means that another session wrote the same user; any other one is a rule of the operator's.
#[tokio::test]
async fn own_keys_of_users_are_known() {
    let stack = Options::default().without_api().workers(0).without_tenant().start().await;
    let keys = stack
        .rows(
            "select conname from pg_constraint
              where conrelid = 'users'::regclass and contype in ('p', 'u') order by conname",
        )
        .await;
    let keys: Vec<&str> = keys.iter().filter_map(|key| key["conname"].as_str()).collect();
    let mut known = KEYS_OF_USERS;
    known.sort_unstable();
    assert_eq!(keys, known);
}
