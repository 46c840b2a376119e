//! Uploads a file with curl, as a school's script does, with the same URL, form and login.

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

/// A client of one service's API.
#[derive(Debug)]
pub struct Client<'a> {
    home: &'a Home,
}

impl<'a> Client<'a> {
    pub fn new(home: &'a Home) -> Self {
        Self { home }
    }

    /// The shell command that imports `file`.
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

    /// Waits until the API accepts uploads.
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
                    "the API was not ready after {} s: {}. See its log in {}",
                    READY_LIMIT.as_secs(),
                    String::from_utf8_lossy(&answer.stderr).trim(),
                    self.home.logs().display()
                );
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Imports `file` and prints the result to standard output. Returns whether every row was imported.
    ///
    /// Calls `supervise` regularly until the result is complete.
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
        // Every user of this machine can read curl's command line, so the login is passed through standard input.
        let login = format!("user = \"{}:{}\"\n", ADMINISTRATOR, curl_escaped(self.home.password()));
        curl.stdin.take().expect("stdin is piped").write_all(login.as_bytes()).context(CURL_FAILED)?;
        while curl.try_wait().context(CURL_FAILED)?.is_none() {
            if let Err(stopped) = interrupt.check() {
                // The next start resumes the import.
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

    /// curl with the options of every call. It ignores the user's configuration file (`-q`) and proxies (`--noproxy`).
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
            .with_context(|| format!("cannot print the result in {}", path.display()))
    }
}

/// Copies a result of any size, without the leading spaces that kept the connection alive. Returns whether the import
/// succeeded.
fn copy_result(mut result: impl BufRead, mut out: impl Write) -> io::Result<bool> {
    loop {
        let spaces = result.fill_buf()?.iter().take_while(|byte| **byte == b' ').count();
        if spaces == 0 {
            break;
        }
        result.consume(spaces);
    }
    // `success` is the first key of every result.
    let mut head = Vec::new();
    result.by_ref().take(32).read_to_end(&mut head)?;
    out.write_all(&head)?;
    io::copy(&mut result, &mut out)?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(head.starts_with(br#"{"success":true"#))
}

const CURL_FAILED: &str =
    "curl cannot be run: install the package `curl`, for example with deploy/install-missing";

fn shell_quoted(text: &str) -> Cow<'_, str> {
    shlex::try_quote(text).expect("a path contains no NUL byte")
}

/// The value of curl's `-F` for `file`, quoted if the name contains a character that curl would interpret.
fn file_part(file: &Path) -> String {
    let name = file.display().to_string();
    if name.contains([',', ';', '"', '\\']) {
        return format!("file=@\"{}\"", curl_escaped(&name));
    }
    format!("file=@{name}")
}

/// Escapes text for use in double quotes in curl's configuration and form syntax.
fn curl_escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_printed_without_leading_spaces() {
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
    fn file_names_with_special_characters_are_quoted_for_curl() {
        assert_eq!(file_part(Path::new("/a b/users.csv")), "file=@/a b/users.csv");
        assert_eq!(file_part(Path::new("a;type=\"x,y.csv")), r#"file=@"a;type=\"x,y.csv""#);
    }
}
