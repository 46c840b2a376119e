//! A file that is refused is not quoted: no cell of it is in the answer, the stored import, the list of imports, a span or a
//! log (invariant 12). A first line that is a row is called that.

use rollcall_tests::harness::{Options, OtlpCollector};

const SECRET: &str = "Hunter2hunter2";

/// First lines that are rows, or that are mistaken for one.
const FIRST_LINES: [&str; 10] = [
    "jane,Jane,Doe,Hunter2hunter2",
    "jane;Jane;Doe;Hunter2hunter2",
    "jane\tHunter2hunter2",
    "jane|Hunter2hunter2",
    "Hunter2hunter2",
    "\"jane,Hunter2hunter2\"",
    "sep=;\njane,Hunter2hunter2",
    "jane,gender,Hunter2hunter2",
    "usernam1,Hunter2hunter2",
    "Hunter2hunter2,email,Email",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_refusal_repeats_the_file() {
    let collector = OtlpCollector::start().await;
    let stack = Options::default()
        .env("RUST_LOG", "trace")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint)
        .env("OTEL_BSP_SCHEDULE_DELAY", 50)
        .start()
        .await;
    let mut answers = Vec::new();
    for line in FIRST_LINES {
        let file = format!("{line}\njohn,John,Roe,{SECRET}\n");
        for answer in [stack.post_users(&file).await, stack.post_groups(&file).await] {
            let summary = answer.is_failure(400);
            assert!(summary.contains("column"), "{summary}");
            let poll = stack.get(&answer.location()).await;
            answers.extend([
                answer.text().to_owned(),
                poll.text().to_owned(),
                format!("{:?}", answer.headers),
            ]);
        }
    }
    assert!(
        answers[0]
            .contains("The first line is not a header: none of its 4 cells is the name of a known column."),
        "{}",
        answers[0]
    );
    // A row with the name of a column in it is imported; its other cells are no names of columns.
    let named = stack.post_users(format!("username,{SECRET},jane@example.org,Doe,y\njohn,x,x,x,x\n")).await;
    answers.extend([named.text().to_owned(), format!("{:?}", named.headers)]);
    assert!(format!("{:?}", named.headers).contains("column 3"), "{:?}", named.headers);

    answers.push(stack.get("/api/import/jobs?limit=500").await.text().to_owned());
    answers.push(stack.rollcall(&["jobs", "list", "school", "--json"]).await.unwrap());
    answers.push(format!("{:?}", stack.rows("select * from imports").await));
    answers.extend([stack.api_log(), stack.worker_log(), format!("{:?}", collector.spans())]);
    let bytes: usize = answers.iter().map(String::len).sum();
    println!("{} texts, {bytes} bytes searched, none holds a cell", answers.len());
    for text in answers {
        assert!(!text.contains(SECRET) && !text.contains("jane@example"), "{text}");
    }
}
