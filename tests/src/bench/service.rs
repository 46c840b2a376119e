//! Our side: a file posted with curl to the service as it is shipped.

use std::path::Path;
use std::time::Instant;

use super::{Failure, Measured};
use crate::harness::{ADMINISTRATOR, CurlOutput, PASSWORD, Row, Stack, Tenant, curl, result};
use crate::oracle::Endpoint;

/// Posts a file as `school` and returns the seconds from its first byte to the last of the result, which has to be
/// `expected`.
pub async fn import(stack: &Stack, endpoint: Endpoint, file: &Path, expected: &str) -> Measured<f64> {
    import_as(stack, stack.school(), endpoint, file, expected).await
}

/// Posts a file as this tenant; see [`import`].
pub async fn import_as(
    stack: &Stack,
    tenant: &Tenant,
    endpoint: Endpoint,
    file: &Path,
    expected: &str,
) -> Measured<f64> {
    let begun = Instant::now();
    let answer = curl([
        "--user".to_owned(),
        format!("{ADMINISTRATOR}:{PASSWORD}"),
        "--form".to_owned(),
        format!("file=@{}", file.display()),
        format!("{}{}?tenantId={}", stack.url, endpoint.path(), tenant.name),
    ])
    .await;
    let seconds = begun.elapsed().as_secs_f64();
    check(stack, &answer, expected)?;
    Ok(seconds)
}

/// Fails unless this is the expected result. The spaces that kept the connection alive are no part of it.
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

/// The result of a file whose rows all came to the same.
pub fn all(rows: u64, outcome: Row<'_>) -> String {
    result(&vec![outcome; usize::try_from(rows).expect("as many rows as can be counted")])
}
