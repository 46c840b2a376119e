//! Our side: a file posted to the service with curl.

use std::path::Path;
use std::time::Instant;

use super::measured::{Failure, Measured};
use crate::harness::{ADMINISTRATOR, CurlOutput, PASSWORD, Row, Stack, Tenant, curl, result};
use crate::oracle::Endpoint;

/// Posts a file as the tenant `school`. Returns the seconds from its first byte to the last byte of the result, and fails
/// unless the result is `expected`.
pub async fn import(stack: &Stack, endpoint: Endpoint, file: &Path, expected: &str) -> Measured<f64> {
    import_as(stack, stack.school(), endpoint, file, expected).await
}

/// Like [`import`], as another tenant.
pub async fn import_as(
    stack: &Stack,
    tenant: &Tenant,
    endpoint: Endpoint,
    file: &Path,
    expected: &str,
) -> Measured<f64> {
    let started = Instant::now();
    let answer = curl([
        "--user".to_owned(),
        format!("{ADMINISTRATOR}:{PASSWORD}"),
        "--form".to_owned(),
        format!("file=@{}", file.display()),
        format!("{}{}?tenantId={}", stack.url, endpoint.path(), tenant.name),
    ])
    .await;
    let seconds = started.elapsed().as_secs_f64();
    check(stack, &answer, expected)?;
    Ok(seconds)
}

/// Fails unless the answer is the expected result. Ignores the leading spaces that kept the connection alive.
pub fn check(stack: &Stack, answer: &CurlOutput, expected: &str) -> Result<(), Failure> {
    if answer.status == 200 && answer.body.trim_start_matches(' ') == expected {
        return Ok(());
    }
    let start = |text: &str| text.chars().take(200).collect::<String>();
    Err(Failure(format!(
        "wrong answer: status {}, {} {}; expected {}{}",
        answer.status,
        start(&answer.body),
        answer.error,
        start(expected),
        stack.logs()
    )))
}

/// The result of a file in which every row has the same outcome.
pub fn all(rows: u64, outcome: Row<'_>) -> String {
    result(&vec![outcome; usize::try_from(rows).expect("the number of rows fits in memory")])
}
