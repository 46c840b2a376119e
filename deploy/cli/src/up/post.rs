//! The way in from outside: the curl that a school's script runs, with the same URL, form and login.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::home::{Home, shell_quoted};
use super::interrupt::Interrupt;
use super::stack::Stack;

const READY_LIMIT: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);

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
    pub fn curl_line(&self, file: &Path) -> String {
        let quoted = |path: &Path| shell_quoted(&path.display().to_string());
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
            stack.find_ended()?;
            let answer = self
                .curl()
                .args(["--fail", "--max-time", "5", "--output", "/dev/null"])
                .arg(format!("{}/ready", self.home.url()))
                .stdin(Stdio::null())
                .output()
                .context(NO_CURL)?;
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
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Imports `file`, writes the result to the standard output and says whether every row was imported.
    pub fn post(&self, file: &Path, stack: &mut Stack<'_>, interrupt: &Interrupt) -> anyhow::Result<bool> {
        let mut curl = self
            .curl()
            .args(["-X", "POST", "-F", &file_part(file), "--config", "-", "--output"])
            .arg(self.home.empty_result()?)
            .arg(self.upload_url())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context(NO_CURL)?;
        // Anybody on this machine can read a command line, so the login goes another way.
        let login = format!("user = \"{}:{}\"\n", super::ADMINISTRATOR, config_quoted(self.home.password()));
        curl.stdin.take().expect("stdin is piped").write_all(login.as_bytes()).context(NO_CURL)?;
        while curl.try_wait().context(NO_CURL)?.is_none() {
            if let Err(stopped) = interrupt.check().and_then(|()| stack.find_ended()) {
                // The import itself goes on with the next start; only our waiting for it ends.
                let _ = curl.kill();
                let _ = curl.wait();
                return Err(stopped);
            }
            thread::sleep(LOOK_EVERY);
        }
        let ended = curl.wait_with_output().context(NO_CURL)?;
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

    /// Copies the result, which can be of any size, without the blanks that kept the connection alive.
    fn print_result(&self) -> anyhow::Result<bool> {
        let path = self.home.result();
        let print = || -> io::Result<bool> {
            let mut result = BufReader::new(File::open(&path)?);
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
            let mut out = io::stdout().lock();
            out.write_all(&head)?;
            io::copy(&mut result, &mut out)?;
            out.write_all(b"\n")?;
            out.flush()?;
            Ok(head.starts_with(br#"{"success":true"#))
        };
        print().with_context(|| format!("the result in {} cannot be printed", path.display()))
    }
}

const NO_CURL: &str = "curl cannot be run: install the package `curl` (deploy/install-missing does)";

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
