//! curl itself, the client that schools' scripts use.

use std::ffi::OsStr;
use std::process::Stdio;

use tokio::process::Command;

/// What curl saw.
#[derive(Debug)]
pub struct CurlOutput {
    /// curl's exit code; 0 if it got an answer, whatever the answer.
    pub exit: i32,
    /// The answer's status, 0 if there was none.
    pub status: u16,
    /// The answer's body: what the script reads.
    pub body: String,
    /// What curl says went wrong.
    pub error: String,
}

impl CurlOutput {
    /// Asserts that curl was content, the status and the exact body.
    #[track_caller]
    pub fn is(&self, status: u16, body: &str) {
        assert_eq!((self.exit, self.status, &*self.body), (0, status, body), "{}", self.error);
    }
}

/// Runs `curl` with these arguments, and some that make it quiet and keep it off proxies.
pub async fn curl<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> CurlOutput {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--noproxy", "*", "--write-out", "%{stderr}%{http_code}"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("curl is installed");
    let said = String::from_utf8(output.stderr).expect("curl writes text");
    // The status is the last that it writes, behind whatever it complains of.
    let (error, status) = said.split_at(said.len().saturating_sub(3));
    CurlOutput {
        exit: output.status.code().expect("curl was not killed"),
        status: status.parse().expect("curl writes the status"),
        body: String::from_utf8(output.stdout).expect("answers are UTF-8"),
        error: error.to_owned(),
    }
}
