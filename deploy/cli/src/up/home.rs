//! The state folder of one service. What is in it is made once and used by every later start.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rcgen::{CertificateParams, DnType, KeyPair};
use rollcall_servers::{Error, FolderLock, random_hex};

/// The administrator that the first start creates.
pub const ADMINISTRATOR: &str = "autoimport";

/// The opened folder: locked, with key, credentials and certificate in place.
#[derive(Debug)]
pub struct Home {
    folder: PathBuf,
    port: u16,
    key_file: PathBuf,
    password: String,
    credentials_are_new: bool,
    _lock: FolderLock,
}

impl Home {
    /// Opens the folder for a service on `port`, creating what is missing.
    pub fn open(folder: &Path, port: u16) -> anyhow::Result<Self> {
        // Not for others to list, but to be passed through: the servers' own users have folders inside.
        DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(folder)
            .and_then(|()| folder.canonicalize())
            .with_context(|| {
                format!("{} cannot be created: set ROLLCALL_HOME to a folder of yours", folder.display())
            })
            .and_then(|folder| Self::open_existing(folder, port))
    }

    fn open_existing(folder: PathBuf, port: u16) -> anyhow::Result<Self> {
        let lock = FolderLock::take(&folder).map_err(|error| match error {
            Error::InUse { owner, .. } => anyhow::anyhow!(
                "{} belongs to a running `rollcall up` (process {owner}): stop that one, or set ROLLCALL_HOME and \
                 ROLLCALL_PORT for a second service",
                folder.display()
            ),
            error => error.into(),
        })?;
        for inner in ["logs", "uploads"] {
            let inner = folder.join(inner);
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&inner)
                .with_context(|| format!("{} cannot be created", inner.display()))?;
        }
        let key_file = key_file(&folder)?;
        make_certificate(&folder)?;
        let (password, credentials_are_new) = credentials(&folder.join("credentials"))?;
        Ok(Self { folder, port, key_file, password, credentials_are_new, _lock: lock })
    }

    /// Where the API is.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The administrator's password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Whether no earlier start had made the credentials.
    pub fn credentials_are_new(&self) -> bool {
        self.credentials_are_new
    }

    /// The file with the administrator's `user:password`.
    pub fn credentials(&self) -> PathBuf {
        self.folder.join("credentials")
    }

    /// The API's certificate, which is its own authority.
    pub fn certificate(&self) -> PathBuf {
        certificate(&self.folder)
    }

    pub fn certificate_key(&self) -> PathBuf {
        certificate_key(&self.folder)
    }

    /// The file with the service's key.
    pub fn key_file(&self) -> &Path {
        &self.key_file
    }

    pub fn uploads(&self) -> PathBuf {
        self.folder.join("uploads")
    }

    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// The folder of a server's data.
    pub fn server_folder(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The last result, as it came.
    pub fn result(&self) -> PathBuf {
        self.folder.join("result.json")
    }

    /// Makes the file of the result anew, so that curl writes into one that only its owner may read.
    pub fn create_result_file(&self) -> anyhow::Result<PathBuf> {
        write_private(&self.result(), "")?;
        Ok(self.result())
    }

    pub fn env_file(&self) -> PathBuf {
        self.folder.join("env")
    }

    /// Writes the file to source.
    pub fn write_env(&self, variables: &[(&str, String)]) -> anyhow::Result<()> {
        let mut text = String::from("# Written by each start of `rollcall up`. Use it with: source FILE\n");
        for (name, value) in variables {
            let value = shlex::try_quote(value).with_context(|| format!("{name} contains a NUL byte"))?;
            let _ = writeln!(text, "export {name}={value}");
        }
        write_private(&self.env_file(), &text)
    }

    /// Puts the sample roster where it can be posted from, and looked at.
    pub fn write_sample(&self, csv: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.join("sample-users.csv");
        write_private(&path, csv)?;
        Ok(path)
    }
}

/// The given key, or our own, made once: with another one nothing that was sealed could be opened.
fn key_file(folder: &Path) -> anyhow::Result<PathBuf> {
    if std::env::var_os("ROLLCALL_KEY").is_some() {
        bail!("ROLLCALL_KEY is set: write the key to a file and set ROLLCALL_KEY_FILE to that instead");
    }
    if let Some(given) = std::env::var_os("ROLLCALL_KEY_FILE") {
        let given = PathBuf::from(given);
        return given
            .canonicalize()
            .with_context(|| format!("ROLLCALL_KEY_FILE names {}, which cannot be read", given.display()));
    }
    let own = folder.join("key");
    if !own.exists() {
        write_private(&own, &format!("{}\n", random_hex(32)?))?;
    }
    Ok(own)
}

/// The administrator's password, and whether it is new.
fn credentials(file: &Path) -> anyhow::Result<(String, bool)> {
    if file.exists() {
        let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        return match text.trim_end().split_once(':') {
            Some((ADMINISTRATOR, password)) if !password.is_empty() => Ok((password.to_owned(), false)),
            _ => bail!(
                "{} does not read {ADMINISTRATOR}:PASSWORD; correct it, or remove it for a new password",
                file.display()
            ),
        };
    }
    let password = random_hex(16)?;
    write_private(file, &format!("{ADMINISTRATOR}:{password}\n"))?;
    Ok((password, true))
}

/// A self-signed certificate for this machine's own names.
fn make_certificate(folder: &Path) -> anyhow::Result<()> {
    if certificate(folder).exists() && certificate_key(folder).exists() {
        return Ok(());
    }
    let key = KeyPair::generate().context("a key for the certificate cannot be made")?;
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let mut parameters = CertificateParams::new(names).expect("both names are sound");
    parameters.distinguished_name.push(DnType::CommonName, "Rollcall on this machine");
    let signed = parameters.self_signed(&key).context("the certificate cannot be signed")?;
    write_private(&certificate_key(folder), &key.serialize_pem())?;
    write_private(&certificate(folder), &signed.pem())
}

fn certificate(folder: &Path) -> PathBuf {
    folder.join("certificate.pem")
}

fn certificate_key(folder: &Path) -> PathBuf {
    folder.join("certificate-key.pem")
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_private(path: &Path, content: &str) -> anyhow::Result<()> {
    let unfinished = path.with_added_extension("unfinished");
    let write = || {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?
            .write_all(content.as_bytes())?;
        fs::rename(&unfinished, path)
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_first_start_made_the_second_finds() {
        let folder = std::env::temp_dir().join(format!("rollcall-home-{}", std::process::id()));
        let first = Home::open(&folder, 1).expect("a first start");
        let key = fs::read_to_string(first.key_file()).expect("a key");
        assert_eq!(key.trim().len(), 64);
        let refused = Home::open(&folder, 1).expect_err("one at a time");
        assert!(refused.to_string().contains("set ROLLCALL_HOME"), "{refused}");
        let (password, certificate) = (first.password().to_owned(), first.certificate());
        let pem = fs::read_to_string(&certificate).expect("a certificate");
        drop(first);

        let second = Home::open(&folder, 1).expect("a second start");
        assert!(!second.credentials_are_new());
        assert_eq!(second.password(), password);
        assert_eq!(fs::read_to_string(second.key_file()).expect("a key"), key);
        assert_eq!(fs::read_to_string(certificate).expect("a certificate"), pem);
        drop(second);
        fs::remove_dir_all(folder).expect("the folder is ours");
    }
}
