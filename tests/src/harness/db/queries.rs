//! SQL on the service's database.

use diesel::QueryableByName;
use diesel_async::RunQueryDsl as _;

use crate::harness::stack::Stack;

impl Stack {
    /// The rows of a query, each as an object of its columns. A `bytea` is text that begins with `\\x`.
    pub async fn rows(&self, query: &str) -> Vec<serde_json::Value> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Text)]
            row: String,
        }
        let mut conn = self.database.connection().await.expect("the database answers");
        let rows: Vec<Row> =
            diesel::sql_query(format!("select to_jsonb(result)::text as row from ({query}) result"))
                .load(&mut conn)
                .await
                .unwrap_or_else(|error| panic!("{error}: {query}"));
        let parse = |row: &Row| serde_json::from_str(&row.row).expect("Postgres writes JSON");
        rows.iter().map(parse).collect()
    }

    /// The row of a query that returns exactly one.
    pub async fn row(&self, query: &str) -> serde_json::Value {
        let mut rows = self.rows(query).await;
        assert_eq!(rows.len(), 1, "{query}: {rows:?}");
        rows.remove(0)
    }

    pub async fn execute(&self, statement: &str) {
        let mut conn = self.database.connection().await.expect("the database answers");
        diesel::sql_query(statement)
            .execute(&mut conn)
            .await
            .unwrap_or_else(|error| panic!("{error}: {statement}"));
    }
}
