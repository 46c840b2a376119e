//! A school whose script sends rosters, and retries when the service does not answer.

use std::time::Duration;

use reqwest::{Client, Response};

use crate::harness::{ADMINISTRATOR, PASSWORD, Stack, Tenant, multipart};
use crate::rosters::mixed::mixed;
use crate::rosters::rng::Rng;

/// The delay before the script sends a file again.
const RETRY_DELAY: Duration = Duration::from_millis(300);
/// How long it waits for an answer. The preferences that it sends ask for one within seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

pub struct School {
    url: String,
    tenant: Tenant,
    client: Client,
    dice: Rng,
}

/// A file that a school has sent.
pub struct Sent {
    /// Its content. No two files are the same.
    pub file: String,
    /// The id of the import, or `None` if the school got no answer and could not safely retry.
    pub accepted: Option<String>,
}

impl School {
    /// A school that acts as the dice decide.
    pub fn new(stack: &Stack, tenant: Tenant, dice: Rng) -> Self {
        let client = Client::builder().no_proxy().build().expect("a client without TLS can be made");
        Self { url: stack.url.clone(), tenant, client, dice }
    }

    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Sends this many files one after another, with a pause of at most `pause` before each.
    pub async fn send(&mut self, files: usize, pause: Duration) -> Vec<Sent> {
        let mut sent = Vec::new();
        for number in 0..files {
            tokio::time::sleep(pause * u32::try_from(self.dice.below(100)).unwrap_or(0) / 100).await;
            let rows = 1 + self.dice.below(60);
            let file = mixed(rows, &format!("{} {number}", self.tenant.name), self.dice.below(5000));
            // An upload with an idempotency key may be retried after a lost answer; one without must not be.
            let key = self.dice.chance(70).then(|| format!("file-{number}"));
            let prefer = self.dice.pick(&["respond-async", "wait=1"]);
            let accepted = self.send_one(&file, key.as_deref(), prefer).await;
            sent.push(Sent { file, accepted });
        }
        sent
    }

    async fn send_one(&self, file: &str, key: Option<&str>, prefer: &str) -> Option<String> {
        let (content_type, body) = multipart("Content-Type: text/csv\r\n", file.as_bytes());
        loop {
            let mut request = self
                .client
                .post(format!("{}/api/import/users?tenantId={}", self.url, self.tenant.name))
                .basic_auth(ADMINISTRATOR, Some(PASSWORD))
                .header("content-type", &content_type)
                .header("prefer", prefer)
                .timeout(ANSWER_TIMEOUT)
                .body(body.clone());
            if let Some(key) = key {
                request = request.header("idempotency-key", key);
            }
            match request.send().await {
                Ok(answer) if answer.status() == 503 => {}
                Ok(answer) => return Some(accepted(answer).await),
                Err(error) if error.is_connect() => {}
                // It may have been accepted already.
                Err(_) if key.is_none() => return None,
                Err(_) => {}
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }
}

/// The id of the import that an upload became.
async fn accepted(answer: Response) -> String {
    let status = answer.status();
    let location =
        answer.headers().get("location").map(|location| location.to_str().expect("text").to_owned());
    let body = answer.text().await.unwrap_or_default();
    assert!(status == 200 || status == 202, "{status} {body}");
    let location = location.expect("an accepted upload has a location");
    let (_, id) = location.rsplit_once('/').expect("a location is a path");
    id.split('?').next().unwrap_or_default().to_owned()
}
