//! The way in from outside: the curl that a school's script runs, with the same URL, form and login.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::home::{ADMINISTRATOR, Home};
use super::interrupt::Interrupt;
use super::stack::Stack;

const READY_LIMIT: Duration = Duration::from_mins(1);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Talks to one service's API.
#[derive(Debug)]
pub struct Client<'a> {
    home: &'a Home,
}

impl<'a> Client<'a> {
    /// For the service of this home.
    pub fn new(home: &'a Home) -> Self {
        Self { home }
    }

    /// The command that imports `file` again, to be pasted into a shell.
    pub fn curl_command(&self, file: &Path) -> String {
        let quoted = |path: &Path| shell_quoted(&path.display().to_string()).into_owned();
        format!(
            "curl --cacert {} -u \"$(cat {})\" -X POST -F {} {}",
            quoted(&self.home.certificate()),
            quoted(&self.home.credentials()),
            shell_quoted(&file_part(file)),
            self.upload_url()
        )
    }

    /// Waits until the API can take uploads.
    pub fn wait_until_ready(&self, stack: &mut Stack<'_>, interrupt: &Interrupt) -> anyhow::Result<()> {
        let deadline = std::time::Instant::now() + READY_LIMIT;
        loop {
            interrupt.check()?;
            stack.check_started()?;
            let answer = self
                .curl()
                .args(["--fail", "--max-time", "5", "--output", "/dev/null"])
                .arg(format!("{}/ready", self.home.url()))
                .stdin(Stdio::null())
                .output()
                .context(CURL_FAILED)?;
            if answer.status.success() {
                return Ok(());
            }
            if std::time::Instant::now() > deadline {
                bail!(
                    "the API is not ready after {} s: {}. Its log is in {}",
                    READY_LIMIT.as_secs(),
                    String::from_utf8_lossy(&answer.stderr).trim(),
                    self.home.logs().display()
                );
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Imports `file`, writes the result to the standard output and says whether every row was imported.
    ///
    /// `supervise` is called now and then until the result is there.
    pub fn import(
        &self,
        file: &Path,
        interrupt: &Interrupt,
        mut supervise: impl FnMut(),
    ) -> anyhow::Result<bool> {
        let mut curl = self
            .curl()
            .args(["-X", "POST", "-F", &file_part(file), "--config", "-", "--output"])
            .arg(self.home.create_result_file()?)
            .arg(self.upload_url())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context(CURL_FAILED)?;
        // Anybody on this machine can read a command line, so the login goes another way.
        let login = format!("user = \"{}:{}\"\n", ADMINISTRATOR, config_quoted(self.home.password()));
        curl.stdin.take().expect("stdin is piped").write_all(login.as_bytes()).context(CURL_FAILED)?;
        while curl.try_wait().context(CURL_FAILED)?.is_none() {
            if let Err(stopped) = interrupt.check() {
                // The import itself goes on with the next start; only our waiting for it ends.
                let _ = curl.kill();
                let _ = curl.wait();
                return Err(stopped);
            }
            supervise();
            thread::sleep(POLL_INTERVAL);
        }
        let ended = curl.wait_with_output().context(CURL_FAILED)?;
        if !ended.status.success() {
            bail!("the upload failed: {}", String::from_utf8_lossy(&ended.stderr).trim());
        }
        self.print_result()
    }

    /// The options of every call. `-q` keeps a user's own configuration out, `--noproxy` a proxy.
    fn curl(&self) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["-q", "--silent", "--show-error", "--noproxy", "*", "--cacert"])
            .arg(self.home.certificate());
        curl
    }

    fn upload_url(&self) -> String {
        format!("{}/api/import/users", self.home.url())
    }

    fn print_result(&self) -> anyhow::Result<bool> {
        let path = self.home.result();
        File::open(&path)
            .and_then(|result| copy_result(BufReader::new(result), io::stdout().lock()))
            .with_context(|| format!("the result in {} cannot be printed", path.display()))
    }
}

/// Copies a result, which can be of any size, without the blanks that kept the connection alive, and says whether it is
/// a success.
fn copy_result(mut result: impl BufRead, mut out: impl Write) -> io::Result<bool> {
    loop {
        let blanks = result.fill_buf()?.iter().take_while(|byte| **byte == b' ').count();
        if blanks == 0 {
            break;
        }
        result.consume(blanks);
    }
    // The contract puts `success` first.
    let mut head = Vec::new();
    result.by_ref().take(32).read_to_end(&mut head)?;
    out.write_all(&head)?;
    io::copy(&mut result, &mut out)?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(head.starts_with(br#"{"success":true"#))
}

const CURL_FAILED: &str = "curl cannot be run: install the package `curl` (deploy/install-missing does)";

fn shell_quoted(text: &str) -> Cow<'_, str> {
    shlex::try_quote(text).expect("a path contains no NUL byte")
}

/// The form's part, in quotes where curl would give a character of the name a meaning.
fn file_part(file: &Path) -> String {
    let name = file.display().to_string();
    if name.contains([',', ';', '"', '\\']) {
        return format!("file=@\"{}\"", config_quoted(&name));
    }
    format!("file=@{name}")
}

/// What stands between double quotes, for curl.
fn config_quoted(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_printed_without_its_heartbeat() {
        let print = |result: &str| {
            let mut out = Vec::new();
            let success = copy_result(result.as_bytes(), &mut out).expect("memory can be written");
            (String::from_utf8(out).expect("the result is UTF-8"), success)
        };
        let summary = "0 users processed. 0 users created. 0 users updated. 0 users failed.";
        let good = format!(r#"{{"success":true,"summary":"{summary}"}}"#);
        assert_eq!(print(&format!("   {good}")), (format!("{good}\n"), true));
        let bad = r#"{"success":false,"summary":"Unauthorised. Check credentials."}"#;
        assert_eq!(print(bad), (format!("{bad}\n"), false));
        assert_eq!(print(""), ("\n".to_owned(), false));
    }

    #[test]
    fn a_file_name_means_nothing_else_to_curl() {
        assert_eq!(file_part(Path::new("/a b/users.csv")), "file=@/a b/users.csv");
        assert_eq!(file_part(Path::new("a;type=\"x,y.csv")), r#"file=@"a;type=\"x,y.csv""#);
    }
}
