//! One trace follows an import from the caller through the queue to every chunk. No span and no log contains a cell of the
//! file (invariant 12).

use std::collections::HashMap;

use rollcall_tests::harness::{Options, OtlpCollector, PASSWORD, ReceivedSpan};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The names of a span and its ancestors, up to the caller.
fn ancestry<'a>(spans: &'a HashMap<String, ReceivedSpan>, span: &'a ReceivedSpan) -> Vec<&'a str> {
    let mut names = Vec::new();
    let mut at = span;
    loop {
        names.push(at.span.name.as_str());
        let parent = hex(&at.span.parent_span_id);
        if parent == CALLER {
            return names;
        }
        at = spans.get(&parent).unwrap_or_else(|| panic!("{names:?}: a parent was not received"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_runs_from_caller_to_chunks() {
    let mut collector = OtlpCollector::start().await;
    let stack = Options::default()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint)
        .env("OTEL_BSP_SCHEDULE_DELAY", 100)
        .worker_env("ROLLCALL_CHUNK_ROWS", 2)
        .start()
        .await;
    let file = "username,surname,password,emailaddress,enabled,staffmember\n\
                zebedee1,Quillfeather,opensesame7,zebedee1@example.edu,Y,Y\n\
                zebedee2,Quillfeather,opensesame7,not an address,Y,Y\n\
                zebedee3,Quillfeather,opensesame7,zebedee3@example.edu,Y,Y\n\
                zebedee4,Quillfeather,opensesame7,zebedee4@example.edu,maybe,Y\n\
                zebedee5,Quillfeather,opensesame7,zebedee5@example.edu,Y,Y\n";
    let request = stack
        .upload("/api/import/users", file)
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .header("tracestate", "vendor=1");
    let answer = stack.send(request).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("trace-id"), Some(TRACE));

    let ours = |span: &ReceivedSpan| hex(&span.span.trace_id) == TRACE;
    let chunks_of =
        |spans: &[ReceivedSpan]| spans.iter().filter(|span| ours(span) && span.span.name == "chunk").count();
    let spans = collector
        .wait_for(|spans| {
            let named = |name: &str| spans.iter().any(|span| ours(span) && span.span.name.starts_with(name));
            let hashed = spans.iter().any(|span| span.span.name.ends_with(".passwords"));
            chunks_of(spans) == 3 && named("POST /api/import/users") && named("process ") && hashed
        })
        .await;

    let in_trace: HashMap<String, ReceivedSpan> =
        spans.iter().filter(|span| ours(span)).map(|span| (hex(&span.span.span_id), span.clone())).collect();
    for chunk in in_trace.values().filter(|span| span.span.name == "chunk") {
        let names = ancestry(&in_trace, chunk);
        assert!(chunk.service.contains("rollcall-worker"), "{}", chunk.service);
        assert!(names[1].starts_with("process ") && names[1].ends_with(".imports.small"), "{names:?}");
        assert!(names[2].starts_with("publish ") || names[2].starts_with("send "), "{names:?}");
        assert_eq!(names.last(), Some(&"POST /api/import/users"), "{names:?}");
    }
    assert!(in_trace.values().any(|span| span.span.name == "census"), "the file has several chunks");
    for span in in_trace.values() {
        ancestry(&in_trace, span);
    }
    // Hashing a large tenant's passwords takes thousands of batches: each is a trace of its own, linked to the import's.
    for batch in spans.iter().filter(|span| span.span.name.ends_with(".passwords")) {
        assert!(!ours(batch) && batch.span.name.starts_with("process "), "{}", batch.span.name);
        let linked: Vec<&str> = batch
            .span
            .links
            .iter()
            .filter(|link| hex(&link.trace_id) == TRACE)
            .map(|link| in_trace[&hex(&link.span_id)].span.name.as_str())
            .collect();
        assert!(matches!(*linked, [name] if name.ends_with(".imports.small")), "{linked:?}");
    }

    // No cell of the roster and no credential is in any span of any trace.
    let exported = format!("{spans:?}").to_lowercase();
    for secret in
        ["zebedee", "quillfeather", "opensesame", "not an address", "maybe", "authorization", PASSWORD]
    {
        assert!(!exported.contains(secret), "a span contains {secret:?}");
    }
    let logged = stack.logs().to_lowercase();
    for secret in ["zebedee", "quillfeather", "opensesame", "not an address", PASSWORD] {
        assert!(!logged.contains(secret), "a log contains {secret:?}");
    }
}

/// A collector that accepts connections and never answers must not slow down requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unresponsive_collector_delays_no_request() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stack = Options::default()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", silent.local_addr().unwrap()))
        .env("OTEL_BSP_SCHEDULE_DELAY", 10)
        .env("OTEL_BSP_MAX_QUEUE_SIZE", 4)
        .env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 2)
        .start()
        .await;
    // Far more spans than the queue holds: a request that waited for the collector would never finish.
    for round in 0..20 {
        let answer = stack.post_users(format!("username,enabled,staffmember\nuser{round},y,y\n")).await;
        assert_eq!(answer.status, 200);
    }
}
