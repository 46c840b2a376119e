//! Every hand-written statement is valid: Postgres prepares each of them on a freshly migrated database, which checks its
//! syntax, tables, columns and types. And none is missing from the lists: every `.sql` file is in one.

use std::path::{Path, PathBuf};

use rollcall_tests::harness::TestDatabase;
use tokio_postgres::NoTls;

/// All statements, by name.
pub fn statements() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    let of_schema = rollcall_schema::statements::ALL.iter().copied().flatten();
    of_schema.chain(rollcall_worker::statements::STATEMENTS)
}

#[tokio::test]
async fn every_statement_can_be_prepared() {
    let database = TestDatabase::create().await;
    let (client, connection) = tokio_postgres::connect(&database.url, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut invalid = Vec::new();
    for (name, sql) in statements() {
        if let Err(error) = client.prepare(sql).await {
            let message = error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string);
            invalid.push(format!("{name}: {message}"));
        }
    }
    assert!(invalid.is_empty(), "{invalid:#?}");
    drop(client);
    connection.await.unwrap().unwrap();
}

#[test]
fn every_sql_file_is_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace");
    let mut files = Vec::new();
    for source in ["schema/src", "api/src", "worker/src", "deploy"] {
        sql_files(&root.join(source), &mut files);
    }
    assert!(!files.is_empty(), "there are .sql files");
    files.retain(|file| {
        let text = std::fs::read_to_string(file).unwrap();
        statements().all(|(_, sql)| *sql != text)
    });
    assert!(files.is_empty(), "not among the statements: {files:#?}");
}

fn sql_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sql_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
}
