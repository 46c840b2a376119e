//! The home folder of one service. Its content is created by the first start and used by all later ones.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rcgen::{CertificateParams, DnType, KeyPair};
use rollcall_schema::settings::environment::variable_os;
use rollcall_servers::{Error, FolderLock, random_hex};

/// The administrator that the first start creates.
pub const ADMINISTRATOR: &str = "autoimport";

/// A home folder that is locked and contains a key, credentials and a certificate.
#[derive(Debug)]
pub struct Home {
    folder: PathBuf,
    port: u16,
    key_file: PathBuf,
    password: String,
    service_password: String,
    credentials_are_new: bool,
    _lock: FolderLock,
}

impl Home {
    /// Opens the folder for a service on `port`, and creates what does not exist.
    pub fn open(folder: &Path, port: u16) -> anyhow::Result<Self> {
        // Other users cannot list the folder, but can pass through it: the servers' users own folders inside it.
        DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(folder)
            .and_then(|()| folder.canonicalize())
            .with_context(|| {
                format!(
                    "{} cannot be created: set ROLLCALL_HOME to a folder that you can write to",
                    folder.display()
                )
            })
            .and_then(|folder| Self::open_existing(folder, port))
    }

    fn open_existing(folder: PathBuf, port: u16) -> anyhow::Result<Self> {
        let lock = FolderLock::take(&folder).map_err(|error| match error {
            Error::InUse { owner, .. } => anyhow::anyhow!(
                "{} is in use by a running `rollcall up` (process {owner}): stop that process, or set \
                 ROLLCALL_HOME and ROLLCALL_PORT for a second service",
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
        let service_password = service_password(&folder.join("database-password"))?;
        Ok(Self { folder, port, key_file, password, service_password, credentials_are_new, _lock: lock })
    }

    /// The URL of the API.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn password(&self) -> &str {
        &self.password
    }

    /// The password of the service's role on the private PostgreSQL.
    pub fn service_password(&self) -> &str {
        &self.service_password
    }

    /// Whether this start created the credentials.
    pub fn credentials_are_new(&self) -> bool {
        self.credentials_are_new
    }

    /// The file with the administrator's `user:password`.
    pub fn credentials(&self) -> PathBuf {
        self.folder.join("credentials")
    }

    /// The API's self-signed certificate.
    pub fn certificate(&self) -> PathBuf {
        certificate(&self.folder)
    }

    pub fn certificate_key(&self) -> PathBuf {
        certificate_key(&self.folder)
    }

    /// The file with the key that seals uploads and passwords.
    pub fn key_file(&self) -> &Path {
        &self.key_file
    }

    pub fn uploads(&self) -> PathBuf {
        self.folder.join("uploads")
    }

    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// The folder of a private server.
    pub fn server_folder(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The last result as received.
    pub fn result(&self) -> PathBuf {
        self.folder.join("result.json")
    }

    /// Creates an empty result file, so that curl writes to a file that only its owner can read.
    pub fn create_result_file(&self) -> anyhow::Result<PathBuf> {
        write_private(&self.result(), "")?;
        Ok(self.result())
    }

    pub fn env_file(&self) -> PathBuf {
        self.folder.join("env")
    }

    /// Writes the shell script that sets these environment variables.
    pub fn write_env(&self, variables: &[(&str, String)]) -> anyhow::Result<()> {
        let mut text = String::from("# Written by every start of `rollcall up`. Load it with: source FILE\n");
        for (name, value) in variables {
            let value = shlex::try_quote(value).with_context(|| format!("{name} contains a NUL byte"))?;
            let _ = writeln!(text, "export {name}={value}");
        }
        write_private(&self.env_file(), &text)
    }

    /// Writes the sample roster to a file, to be uploaded and read.
    pub fn write_sample(&self, csv: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.join("sample-users.csv");
        write_private(&path, csv)?;
        Ok(path)
    }
}

/// Returns the key file from the environment, or one that the first start creates. Data that is sealed with one key
/// cannot be opened with another.
fn key_file(folder: &Path) -> anyhow::Result<PathBuf> {
    if variable_os("ROLLCALL_KEY").is_some() {
        bail!("ROLLCALL_KEY is set: write the key to a file and set ROLLCALL_KEY_FILE to its path instead");
    }
    if let Some(given) = variable_os("ROLLCALL_KEY_FILE") {
        let given = PathBuf::from(given);
        return given.canonicalize().with_context(|| {
            format!("ROLLCALL_KEY_FILE is set to {}, which cannot be read", given.display())
        });
    }
    let own = folder.join("key");
    if !own.exists() {
        write_private(&own, &format!("{}\n", random_hex(32)?))?;
    }
    Ok(own)
}

/// Returns the password of the service's role, which the first start creates.
fn service_password(file: &Path) -> anyhow::Result<String> {
    if !file.exists() {
        write_private(file, &random_hex(24)?)?;
    }
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(text.trim().to_owned())
}

/// Returns the administrator's password, and whether it was created now.
fn credentials(file: &Path) -> anyhow::Result<(String, bool)> {
    if file.exists() {
        let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        return match text.trim_end().split_once(':') {
            Some((ADMINISTRATOR, password)) if !password.is_empty() => Ok((password.to_owned(), false)),
            _ => bail!(
                "{} does not contain {ADMINISTRATOR}:PASSWORD: correct it, or delete it to create a new password",
                file.display()
            ),
        };
    }
    let password = random_hex(16)?;
    write_private(file, &format!("{ADMINISTRATOR}:{password}\n"))?;
    Ok((password, true))
}

/// Creates a self-signed certificate for `localhost` and 127.0.0.1.
fn make_certificate(folder: &Path) -> anyhow::Result<()> {
    if certificate(folder).exists() && certificate_key(folder).exists() {
        return Ok(());
    }
    let key = KeyPair::generate().context("the certificate's key cannot be generated")?;
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let mut parameters = CertificateParams::new(names).expect("both names are valid");
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

/// Writes a file that only its owner can read. An interrupted write does not leave a partial file.
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
    fn a_second_start_uses_what_the_first_created() {
        let folder = std::env::temp_dir().join(format!("rollcall-home-{}", std::process::id()));
        let first = Home::open(&folder, 1).expect("a first start");
        let key = fs::read_to_string(first.key_file()).expect("a key");
        assert_eq!(key.trim().len(), 64);
        let refused = Home::open(&folder, 1).expect_err("the folder is locked");
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
