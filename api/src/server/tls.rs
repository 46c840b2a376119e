//! The server's certificate: read from PEM files, and again when they change, so that a renewed one needs no
//! restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use rollcall_schema::config::ConfigError;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// How often the files are looked at.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// The files of a certificate and its key, and what they held when they were last read.
pub struct Certificate {
    chain_file: PathBuf,
    key_file: PathBuf,
    held: (Vec<u8>, Vec<u8>),
    config: RustlsConfig,
}

impl Certificate {
    /// Reads the files.
    pub fn load(chain_file: PathBuf, key_file: PathBuf) -> Result<Self, ConfigError> {
        let held = read(&chain_file, &key_file)?;
        let config = RustlsConfig::from_config(Arc::new(parse(&held.0, &held.1)?));
        Ok(Self { chain_file, key_file, held, config })
    }

    /// What the server uses; changes when the files do.
    pub fn config(&self) -> RustlsConfig {
        self.config.clone()
    }

    /// Looks at the files for as long as the process lives. Files that cannot be used leave the last good ones in
    /// use: while a certificate is renewed the two may not match for a moment.
    pub async fn follow(mut self) {
        let mut complained = None;
        loop {
            tokio::time::sleep(POLL_INTERVAL).await;
            match self.reload_if_changed() {
                Ok(false) => complained = None,
                Ok(true) => {
                    complained = None;
                    tracing::info!(certificate = %self.chain_file.display(), "the certificate was read again");
                }
                Err(error) => {
                    let complaint = error.to_string();
                    if complained.as_ref() != Some(&complaint) {
                        tracing::warn!("the changed certificate is not used: {complaint}");
                        complained = Some(complaint);
                    }
                }
            }
        }
    }

    /// Whether there was something new, now in use.
    fn reload_if_changed(&mut self) -> Result<bool, ConfigError> {
        // The contents are compared, not the times: those of a file that was put in another's place may be older.
        let found = read(&self.chain_file, &self.key_file)?;
        if found == self.held {
            return Ok(false);
        }
        self.config.reload_from_config(Arc::new(parse(&found.0, &found.1)?));
        self.held = found;
        Ok(true)
    }
}

fn read(chain_file: &Path, key_file: &Path) -> Result<(Vec<u8>, Vec<u8>), ConfigError> {
    let read = |setting, file: &Path| {
        std::fs::read(file).map_err(|error| {
            ConfigError::new(setting, format!("cannot be read from {}: {error}", file.display()))
        })
    };
    Ok((read("ROLLCALL_TLS_CERT", chain_file)?, read("ROLLCALL_TLS_KEY", key_file)?))
}

fn parse(chain: &[u8], key: &[u8]) -> Result<ServerConfig, ConfigError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().map_err(|error| {
        ConfigError::new("ROLLCALL_TLS_CERT", format!("is not a PEM file of certificates: {error}"))
    })?;
    if chain.is_empty() {
        return Err(ConfigError::new(
            "ROLLCALL_TLS_CERT",
            "names a file without a certificate: give it in PEM form",
        ));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| {
        ConfigError::new("ROLLCALL_TLS_KEY", format!("is not a PEM file of a private key: {error}"))
    })?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| {
            ConfigError::new(
                "ROLLCALL_TLS_KEY",
                format!("and ROLLCALL_TLS_CERT cannot be used together: {error}"),
            )
        })?;
    // Early answers and heartbeats are what every client makes of them in HTTP/1.1.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
