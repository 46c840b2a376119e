//! What Postgres says of a failed statement quotes rows. No log, span, answer or table repeats it (invariant 12): of the
//! error, only its code, the constraint and the table.

use rollcall_tests::harness::{DedicatedServer, Options, OtlpCollector, eventually};

/// The rows' values, each with the mark.
const MARK: &str = "zq7marked";

/// A trigger that raises with the row in its message, details and hint, with this code; and in a NOTICE and a WARNING.
fn raising(code: &str) -> String {
    format!(
        "create or replace function customers_rule() returns trigger language plpgsql as $$
         begin
             raise notice 'noticed %', new.surname;
             raise warning 'warned of %', new.surname;
             raise exception 'refused %', new.surname using detail = new.email_address, hint = new.username, errcode = '{code}';
         end $$"
    )
}

const TRIGGER: &str = "create or replace trigger customers_rule before insert on users for each row
                           when (new.surname like 'zq7marked%') execute function customers_rule()";

const OTHER_RULES: [(&str, &str); 3] = [
    (
        "alter table users add constraint customers_check check (surname not like '%marked%') not valid",
        "customers_check",
    ),
    // The message quotes the value: invalid input syntax for type integer: "…".
    ("create index customers_index on users ((form_class::int))", "22P02"),
    ("create unique index customers_key on users (given_name) where given_name like '%marked%'", "given up"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_the_database_quote_no_row() {
    let mut collector = OtlpCollector::start().await;
    let server = DedicatedServer::postgres().await;
    let stack = Options::fast_recovery()
        .postgres(&server)
        .env("RUST_LOG", "trace")
        .worker_env("ROLLCALL_MAX_ATTEMPTS", 1)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint)
        .env("OTEL_BSP_SCHEDULE_DELAY", 50)
        .start()
        .await;
    let file = format!(
        "username,surname,givenname,emailaddress,formclass,enabled,staffmember\n\
         {MARK}1,{MARK}surname,{MARK}given,{MARK}@example.org,{MARK}class,y,y\n\
         {MARK}2,{MARK}surname,{MARK}given,{MARK}@example.org,{MARK}class,y,y\n"
    );
    let mut answers = Vec::new();
    // A CHECK's code, a value's, and the plain one of RAISE, which may be anything.
    for code in ["23514", "22023", "P0001"] {
        stack.execute(&raising(code)).await;
        stack.execute(TRIGGER).await;
        answers.push(stack.post_users(&file).await.text().to_owned());
    }
    stack.execute("drop trigger customers_rule on users").await;
    for (rule, said) in OTHER_RULES {
        stack.execute("delete from users where username_key <> 'autoimport'").await;
        stack.execute(rule).await;
        let answer = stack.post_users(&file).await.text().to_owned();
        let log = stack.worker_log();
        assert!(log.contains(said) || answer.contains(said), "{rule}: {answer}");
        stack.execute("drop index if exists customers_index, customers_key").await;
        stack.execute("alter table users drop constraint if exists customers_check").await;
        answers.push(answer);
    }
    for answer in &answers {
        assert!(answer.contains(r#""success":false"#), "{answer}");
    }
    let log = eventually("the worker logged the errors", async || {
        let log = stack.worker_log();
        log.contains("SQLSTATE").then_some(log)
    })
    .await;
    let line = log.lines().find(|line| line.contains("customers_check")).expect("the constraint is named");
    println!("logged: {}", line.chars().take(400).collect::<String>());
    let spans =
        collector.wait_for(|spans| spans.iter().filter(|span| span.span.name == "chunk").count() > 4).await;

    answers.extend([log, stack.api_log(), server.log(), format!("{spans:?}")]);
    answers.push(stack.get("/api/import/jobs?limit=500").await.text().to_owned());
    answers.push(format!("{:?}", stack.rows("select * from imports").await));
    answers.push(format!("{:?}", stack.rows("select * from chunk_outcomes").await));
    let bytes: usize = answers.iter().map(String::len).sum();
    println!("{} answers, logs, spans and tables, {bytes} bytes searched", answers.len());
    for text in &answers {
        if let Some(at) = text.to_lowercase().find("marked") {
            let from = text.floor_char_boundary(at.saturating_sub(300));
            let to = text.floor_char_boundary(at + 100);
            panic!("a row is quoted: {}", &text[from..to]);
        }
    }
}
