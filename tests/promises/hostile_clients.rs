//! Hostile clients take nothing from a good one but some of its speed, and not much memory from the API. The long form is
//! `./tests/hostile`.

use std::time::Duration;

use rollcall_tests::harness::{Options, eventually, rss_kib};
use rollcall_tests::hostile::good_client::quantile;
use rollcall_tests::hostile::{Attackers, GoodClient, Intensity, Target, add_large_result};

const INTENSITY: Intensity = Intensity {
    idle: 1000,
    slow_heads: 100,
    slow_bodies: 100,
    slow_readers: 50,
    pipelined: 2,
    huge_heads: 2,
    endless_chunks: 20,
    line_breaks: 2,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_client_is_served_among_hostile_ones() {
    let stack = Options::default()
        .api_env("ROLLCALL_REQUEST_HEAD_SECONDS", 2)
        .api_env("ROLLCALL_UPLOAD_GRACE_SECONDS", 2)
        .start()
        .await;
    let hostile = stack.add_tenant("hostile").await;
    let large = add_large_result(&stack, &hostile, 20).await;
    let mut client = GoodClient::new(&stack, "school");
    client.import(5).await;
    let quiet = client.import(20).await;

    let attackers = Attackers::start(&Target::new(&stack, &hostile, &large), INTENSITY);
    let attacked = client.import_for(Duration::from_secs(6)).await;
    let outcomes = attackers.outcomes();
    drop(attackers);

    let (quiet, attacked) = (
        (quantile(&quiet, 0.5), quantile(&quiet, 0.99)),
        (quantile(&attacked, 0.5), quantile(&attacked, 0.99)),
    );
    let peak = rss_kib(stack.api_id()).1 / 1024;
    println!(
        "among {} hostile connections a good client's imports take {:?} (p50) and {:?} (p99), without {:?} and {:?}; the \
         API's memory peaks at {peak} MiB",
        INTENSITY.connections(),
        attacked.0,
        attacked.1,
        quiet.0,
        quiet.1
    );
    println!("{outcomes:?}");
    let ended = |attack: &str, how: &str| {
        outcomes.iter().any(|((name, outcome), _)| *name == attack && outcome.starts_with(how))
    };
    assert!(ended("slow heads", "408"), "{outcomes:?}");
    assert!(ended("slow bodies", "408"), "{outcomes:?}");
    assert!(ended("huge heads", "431"), "{outcomes:?}");
    assert!(ended("pipelined garbage", "21 answers, the last 400"), "{outcomes:?}");
    for outcome in outcomes.keys() {
        assert!(!outcome.1.contains("INJECTED") && !outcome.1.contains("without the body"), "{outcome:?}");
    }
    assert!(peak < 256, "{peak} MiB");
    // The attackers' own work is on the same cores.
    let bound = 3 * quiet.0 + Duration::from_millis(250);
    assert!(attacked.0 < bound, "{:?} is more than {bound:?}", attacked.0);
    eventually("refusals are logged as sums", async || {
        stack.api_log().contains(" more in 10 s").then_some(())
    })
    .await;
    let log = stack.api_log();
    let longest = log.lines().map(str::len).max().unwrap_or(0);
    println!("the API logged {} KiB, at most {longest} bytes in a line", log.len() / 1024);
    assert!(longest < 2000 && log.len() < 1024 * 1024);
}
