//! A school that imports a hundred users at a time, as a script does: with a connection for each.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::harness::{RawConnection, Row, Stack, multipart, result, upload_head};

const ROWS: usize = 100;

/// Sends imports and measures how long each takes.
pub struct GoodClient<'a> {
    stack: &'a Stack,
    path: String,
    sent: usize,
}

impl<'a> GoodClient<'a> {
    pub fn new(stack: &'a Stack, tenant: &str) -> Self {
        Self { stack, path: format!("/api/import/users?tenantId={tenant}"), sent: 0 }
    }

    /// Imports a hundred new users `times` times. Returns the time of each, in ascending order.
    pub async fn import(&mut self, times: usize) -> Vec<Duration> {
        let mut taken = Vec::new();
        for _ in 0..times {
            taken.push(self.import_once().await);
        }
        taken.sort();
        taken
    }

    /// Imports for as long as `duration`.
    pub async fn import_for(&mut self, duration: Duration) -> Vec<Duration> {
        let started = Instant::now();
        let mut taken = Vec::new();
        while started.elapsed() < duration {
            taken.push(self.import_once().await);
        }
        taken.sort();
        taken
    }

    async fn import_once(&mut self) -> Duration {
        self.sent += 1;
        let mut file = "username,givenname,enabled,staffmember\n".to_owned();
        for row in 0..ROWS {
            let _ = writeln!(file, "good{}-{row},Jane,y,y", self.sent);
        }
        let (content_type, body) = multipart("", file.as_bytes());
        let head = upload_head(&self.path, &content_type);
        let started = Instant::now();
        let mut connection = RawConnection::open(self.stack).await;
        connection.send(format!("{head}Connection: close\r\nContent-Length: {}\r\n\r\n", body.len())).await;
        connection.send(&body).await;
        connection.answer().await.is(200, &result(&[Row::Created; ROWS]));
        started.elapsed()
    }
}

/// The value below which this share of the ascending ones lie.
pub fn quantile(ascending: &[Duration], share: f64) -> Duration {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index of some thousand values"
    )]
    let index = ((ascending.len() - 1) as f64 * share).round() as usize;
    ascending[index]
}
