//! The server's TLS certificate: loaded from PEM files and reloaded when they change, so that a renewed certificate
//! needs no restart.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rollcall_schema::settings::error::SettingError;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;

use crate::settings::TlsFiles;

const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// The certificate in use, and the files that it was loaded from.
pub struct Certificate {
    files: TlsFiles,
    loaded: PemPair,
    config: watch::Sender<Arc<ServerConfig>>,
}

/// The contents of the two files.
#[derive(PartialEq, Eq)]
struct PemPair {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl Certificate {
    pub fn load(files: TlsFiles) -> Result<Self, SettingError> {
        let loaded = read(&files)?;
        let config = watch::Sender::new(Arc::new(parse(&loaded)?));
        Ok(Self { files, loaded, config })
    }

    /// The configuration that the server uses. It follows the files.
    pub fn config(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.config.subscribe()
    }

    /// Reloads the files when they change, for as long as the process runs. If they cannot be loaded the last good
    /// certificate stays in use: during a renewal the two files may not match for a moment.
    pub async fn reload_on_change(mut self) {
        let mut last_error = None;
        loop {
            tokio::time::sleep(POLL_INTERVAL).await;
            match self.reload_if_changed() {
                Ok(false) => last_error = None,
                Ok(true) => {
                    last_error = None;
                    tracing::info!(certificate = %self.files.certificate.display(), "TLS certificate reloaded");
                }
                Err(error) => {
                    let error = error.to_string();
                    // The same error is logged once, not at every poll.
                    if last_error.as_ref() != Some(&error) {
                        tracing::warn!(
                            "failed to reload the TLS certificate, the previous one stays in use: {error}"
                        );
                        last_error = Some(error);
                    }
                }
            }
        }
    }

    /// Returns whether the files had changed and are now in use.
    fn reload_if_changed(&mut self) -> Result<bool, SettingError> {
        // Compares contents, not modification times: a file moved over another may be the older one.
        let found = read(&self.files)?;
        if found == self.loaded {
            return Ok(false);
        }
        self.config.send_replace(Arc::new(parse(&found)?));
        self.loaded = found;
        Ok(true)
    }
}

fn read(files: &TlsFiles) -> Result<PemPair, SettingError> {
    let read = |setting, file: &Path| {
        std::fs::read(file).map_err(|error| {
            SettingError::new(setting, format!("cannot be read from {}: {error}", file.display()))
        })
    };
    Ok(PemPair {
        chain: read("ROLLCALL_TLS_CERT", &files.certificate)?,
        key: read("ROLLCALL_TLS_KEY", &files.key)?,
    })
}

fn parse(PemPair { chain, key }: &PemPair) -> Result<ServerConfig, SettingError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().map_err(|error| {
        SettingError::new("ROLLCALL_TLS_CERT", format!("is not a PEM file of certificates: {error}"))
    })?;
    if chain.is_empty() {
        return Err(SettingError::new(
            "ROLLCALL_TLS_CERT",
            "names a file without a certificate: provide it in PEM format",
        ));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| {
        SettingError::new("ROLLCALL_TLS_KEY", format!("is not a PEM file of a private key: {error}"))
    })?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| {
            SettingError::new(
                "ROLLCALL_TLS_KEY",
                format!("and ROLLCALL_TLS_CERT cannot be used together: {error}"),
            )
        })?;
    // Not HTTP/2: heartbeats and responses that start before the request has ended work with every client over HTTP/1
    // only. HTTP/1.0 is what `curl --http1.0` asks for.
    config.alpn_protocols = vec![b"http/1.1".to_vec(), b"http/1.0".to_vec()];
    Ok(config)
}
