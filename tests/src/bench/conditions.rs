//! Equal conditions for both sides: neither pays for the vacuum or the checkpoint that the other caused.

use tokio_postgres::{Client, NoTls};

use crate::harness::servers;

/// Vacuums and analyses the tables of every database as autovacuum would, then runs a checkpoint. This leaves no work for
/// the next measurement, and no side profits from the other's checkpoint. Tables of a few rows are skipped: a first import
/// in production has no statistics either.
pub async fn settle() {
    let server = connect(&servers().database_url).await;
    let databases = server
        .query("select datname from pg_database where datallowconn and not datistemplate", &[])
        .await
        .expect("databases can be listed");
    for database in databases {
        vacuum(&database_url(&database.get::<_, String>(0))).await;
    }
    server.batch_execute("checkpoint").await.expect("the superuser may run a checkpoint");
}

async fn vacuum(url: &str) {
    let client = connect(url).await;
    let filled = client
        .query(
            "select oid::regclass::text from pg_class
             where relkind = 'r' and relnamespace = 'public'::regnamespace and pg_relation_size(oid) > 8192",
            &[],
        )
        .await
        .expect("tables can be listed");
    for table in filled {
        let statement = format!("vacuum (analyze) {}", table.get::<_, String>(0));
        client.batch_execute(&statement).await.expect("the superuser may vacuum");
    }
}

/// Connects to a database. The connection closes when the client is dropped.
pub async fn connect(url: &str) -> Client {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.expect("Postgres accepts connections");
    // The client's next statement reports an error of the connection.
    tokio::spawn(connection);
    client
}

fn database_url(database: &str) -> String {
    let (server, _) =
        servers().database_url.rsplit_once('/').expect("a URL names its database after a slash");
    format!("{server}/{database}")
}
