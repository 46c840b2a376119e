//! Equal conditions for both sides: nothing that the one left behind is done at the expense of the other.

use tokio_postgres::{Client, NoTls};

use crate::harness::servers;

/// Vacuums and analyses every table that autovacuum would, in every database, then writes everything out. So there is
/// nothing left to do when the next part begins, and no side profits from the other's checkpoint. Tables of a few rows stay
/// as they were created: whoever imports for the first time has no statistics.
pub async fn settle() {
    let server = connect(&servers().database_url).await;
    let databases = server
        .query("select datname from pg_database where datallowconn and not datistemplate", &[])
        .await
        .expect("databases can be listed");
    for database in databases {
        vacuum(&url_of(&database.get::<_, String>(0))).await;
    }
    server.batch_execute("checkpoint").await.expect("the superuser may ask for a checkpoint");
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

/// A connection to the database of this URL. It ends when the client is dropped.
pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("Postgres takes connections");
    // What goes wrong with it, the client's next statement says.
    tokio::spawn(connection);
    client
}

fn url_of(database: &str) -> String {
    let (server, _) =
        servers().database_url.rsplit_once('/').expect("a URL names its database behind a slash");
    format!("{server}/{database}")
}
