//! Faults of the database are waited for, and said (invariant 6): connections that are killed, a lock that another session
//! keeps. No import is abandoned for them, however often its attempts fail.

use std::time::{Duration, Instant};

use rollcall_tests::harness::{Options, Stack, Tenant, eventually};
use rollcall_tests::rosters::mixed::mixed;
use rollcall_tests::tables::assert_matches_oracle;

/// Every session of the workers is killed every second, for as long as imports run.
#[tokio::test]
async fn killed_backends_abandon_no_import() {
    const KILLING: Duration = Duration::from_secs(10);
    let mut stack = Options::fast_recovery().workers(0).start().await;
    let mut schools = vec![stack.school().clone()];
    for number in 0..5 {
        schools.push(stack.add_tenant(&format!("school-{number}")).await);
    }
    // Their sessions are named, so that the test kills no others.
    let url = with_parameter(&stack.test_database.url, "application_name=worker");
    for _ in 0..2 {
        stack.start_worker_with(&[("DATABASE_URL", &url)]);
    }
    let started = Instant::now();
    let (mut files, mut killed): (Vec<Vec<String>>, u64) = (vec![Vec::new(); schools.len()], 0);
    let mut next_kill = started;
    while started.elapsed() < KILLING {
        for (school, files) in schools.iter().zip(&mut files) {
            files.push(mixed(40, &format!("{} {}", school.name, files.len()), 0));
            stack.submit(school, files.last().unwrap()).await;
        }
        next_kill += Duration::from_secs(1);
        tokio::time::sleep_until(next_kill.into()).await;
        let kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                     where datname = current_database()
                       and (application_name = 'worker' or application_name like 'rollcall %')";
        killed += stack.row(kill).await["count"].as_u64().unwrap();
    }
    let mut imports = 0;
    for (school, files) in schools.iter().zip(&files) {
        assert_matches_oracle(&stack, school, files).await;
        imports += files.len();
    }
    let abandoned = stack.rows("select from imports where failure_kind = 'abandoned'").await.len();
    let figures = "select max(attempt) as attempts, max(failures) as failures from imports";
    let figures = stack.row(figures).await;
    println!(
        "{killed} backends killed in {} s: {imports} imports, {abandoned} abandoned, at most {} attempts, all imported after {:.1} s",
        KILLING.as_secs(),
        figures["attempts"],
        started.elapsed().as_secs_f64()
    );
    assert_eq!(abandoned, 0);
    stack.assert_nothing_left_over().await;
}

/// A lock that another session holds through more attempts than a file may fail: the import says what it waits for, and
/// runs once the lock is gone.
#[tokio::test]
async fn lock_of_another_session_is_waited_for() {
    let mut stack = Options::fast_recovery().workers(0).worker_env("ROLLCALL_MAX_ATTEMPTS", 1).start().await;
    let school = stack.school().clone();
    let url = with_parameter(&stack.test_database.url, "options=-c%20lock_timeout%3D500ms");
    let lock = stack.lock_users().await;
    stack.start_worker_with(&[("DATABASE_URL", &url)]);
    let file = mixed(24, "locked out", 0);
    let location = stack.submit(&school, &file).await;
    let started = Instant::now();
    eventually("it was tried more often than a file may fail", async || {
        (stack.row("select retries from imports").await["retries"].as_u64()? >= 2).then_some(())
    })
    .await;
    says_waiting(&stack, &location, &school, "a lock in the database").await;
    drop(lock);
    assert_matches_oracle(&stack, &school, &[file]).await;
    println!(
        "{} attempts in {:.1} s, none charged, for a lock that outlasted the first of them",
        stack.attempts(&school, 1).await,
        started.elapsed().as_secs_f64()
    );
    stack.assert_nothing_left_over().await;
}

/// While an attempt waits for a lock, its import says so too.
#[tokio::test]
async fn running_import_says_that_it_waits_for_a_lock() {
    let stack = Options::fast_recovery().start().await;
    let school = stack.school().clone();
    let lock = stack.lock_users().await;
    let file = mixed(24, "blocked", 0);
    let location = stack.submit(&school, &file).await;
    let next = stack.submit(&school, mixed(24, "next", 0)).await;
    says_waiting(&stack, &location, &school, "a lock in the database").await;
    says_waiting(&stack, &next, &school, "1 import of this tenant runs first").await;
    drop(lock);
    assert_eq!(stack.wait_for_result(&next).await.status, 200);
    assert_eq!(stack.attempts(&school, 1).await, 1);
}

/// Waits until the poll, the list and the operator's command say what the import waits for.
async fn says_waiting(stack: &Stack, location: &str, school: &Tenant, reason: &str) {
    let id = location.rsplit('/').next().unwrap();
    eventually(&format!("the poll, the list and the command say: {reason}"), async || {
        let polled = stack.get(location).await;
        assert_eq!(polled.status, 202, "{}", polled.text());
        let listed = stack.get(&format!("/api/import/jobs?tenantId={}", school.name)).await.json();
        let listed = listed["jobs"].as_array()?.iter().find(|job| job["id"] == id)?.clone();
        if polled.json()["waiting"] != reason || listed["waiting"] != reason {
            return None;
        }
        assert!(polled.text().ends_with(&format!(r#","waiting":"{reason}"}}"#)), "{}", polled.text());
        let shown = stack.rollcall(&["jobs", "show", id]).await.unwrap();
        shown.contains(reason).then_some(())
    })
    .await;
}

fn with_parameter(url: &str, parameter: &str) -> String {
    format!("{url}{}{parameter}", if url.contains('?') { '&' } else { '?' })
}
