//! curl, the client that schools' scripts use.

use std::ffi::OsStr;
use std::process::Stdio;

use tokio::process::Command;

/// The outcome of a call of curl.
#[derive(Debug)]
pub struct CurlOutput {
    /// curl's exit code: 0 if it got an answer, whatever its status.
    pub exit: i32,
    /// The status of the answer, 0 if there was none.
    pub status: u16,
    /// The body of the answer: what a script reads.
    pub body: String,
    /// curl's error messages.
    pub error: String,
}

impl CurlOutput {
    /// Asserts that curl succeeded, the status and the exact body.
    #[track_caller]
    pub fn is(&self, status: u16, body: &str) {
        assert_eq!((self.exit, self.status, &*self.body), (0, status, body), "{}", self.error);
    }
}

/// Runs `curl` with these arguments, silently and without proxies.
pub async fn curl<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> CurlOutput {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--noproxy", "*", "--write-out", "%{stderr}%{http_code}"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("curl is installed");
    let stderr = String::from_utf8(output.stderr).expect("curl writes text");
    // curl writes the status last, after any error messages.
    let (error, status) = stderr.split_at(stderr.len().saturating_sub(3));
    CurlOutput {
        exit: output.status.code().expect("curl was not killed"),
        status: status.parse().expect("curl writes the status"),
        body: String::from_utf8(output.stdout).expect("answers are UTF-8"),
        error: error.to_owned(),
    }
}
