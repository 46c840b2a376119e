//! Nothing is lost in silence (contract §3): of a good roster with random damage every undamaged line has its effect, every
//! other line is counted, or the file is refused.
//!
//! What must hold is said without the oracle (`rosters::damaged`), which is asked afterwards. `ROLLCALL_SEED` sets the seed
//! of the first roster and `ROLLCALL_CASES` the number of rosters.

use rollcall_tests::harness::{ADMINISTRATOR, Options, Stack};
use rollcall_tests::oracle::{self, Endpoint, PasswordPolicy, username_key};
use rollcall_tests::rosters::damaged::DamagedRoster;
use rollcall_tests::tables;

/// Rosters in an ordinary run. Each is imported into its own tenant.
const ROSTERS: u64 = 400;
/// Attempts to reduce a failing roster.
const SHRINKING: usize = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_roster_loses_no_undamaged_line() {
    try_rosters(Options::default(), 1).await;
}

/// The same with parallel chunks of a few rows: a quote may swallow the rest of a chunk, and of the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_roster_of_many_chunks_loses_no_undamaged_line() {
    let options =
        Options::default().worker_env("ROLLCALL_CHUNK_ROWS", 3).worker_env("ROLLCALL_PARALLEL_CHUNKS", 4);
    try_rosters(options, 1_000_001).await;
}

async fn try_rosters(options: Options, first: u64) {
    let number = |name: &str, default| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
    };
    let first = number("ROLLCALL_SEED", first);
    let stack = options.without_tenant().start().await;
    for seed in first..first + number("ROLLCALL_CASES", ROSTERS) {
        let roster = DamagedRoster::generate(seed);
        let Err(why) = try_roster(&stack, &roster, &format!("{seed}")).await else { continue };
        let (roster, why) = shrink(&stack, roster, why).await;
        panic!("{why}\n{roster}");
    }
}

/// Reduces a failing roster to what it needs to fail.
async fn shrink(stack: &Stack, mut roster: DamagedRoster, mut why: String) -> (DamagedRoster, String) {
    let mut attempts = 0;
    'smaller: loop {
        for smaller in roster.smaller() {
            attempts += 1;
            if attempts > SHRINKING {
                return (roster, why);
            }
            if let Err(still) = try_roster(stack, &smaller, &format!("{}-{attempts}", roster.seed)).await {
                (roster, why) = (smaller, still);
                continue 'smaller;
            }
        }
        return (roster, why);
    }
}

async fn try_roster(stack: &Stack, roster: &DamagedRoster, name: &str) -> Result<(), String> {
    let tenant = stack.add_tenant(&format!("roster-{name}")).await;
    let answer = stack.post_users_of(&tenant, roster.damaged_bytes()).await;
    let mut conn = stack.database.connection().await.unwrap();
    let mut users = tables::snapshot(&mut conn, tenant.id).await.users;
    users.remove(&username_key(ADMINISTRATOR));
    let losses = roster.losses(answer.status, answer.text(), &users);
    if !losses.is_empty() {
        return Err(format!(
            "{}\nthe service answered {} {}",
            losses.join("\n"),
            answer.status,
            answer.text()
        ));
    }

    let mut oracle_tenant = oracle::Tenant::new(PasswordPolicy::WhenChanged);
    tables::add_administrator(&mut oracle_tenant);
    let expected = oracle_tenant.apply(Endpoint::Users, &roster.damaged_bytes(), None);
    if !expected.agrees_with(answer.status, &answer.body) {
        return Err(format!(
            "the service answered {} {}\nthe oracle {} {}",
            answer.status,
            answer.text(),
            expected.status,
            expected.body
        ));
    }
    let differences = tables::differences(&mut conn, tenant.id, &oracle_tenant).await;
    if differences.is_empty() {
        Ok(())
    } else {
        Err(format!("service / oracle:\n{}", differences.join("\n")))
    }
}
