//! TLS to the server, by libpq's `sslmode` and `sslrootcert`.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Whether TLS is used, and how the server's certificate is checked. The error continues a sentence that begins with
/// the name of the setting that holds the URL.
pub(super) fn connector(
    mode: Option<&str>,
    root: Option<&str>,
) -> Result<(SslMode, MakeRustlsConnect), String> {
    if root.is_some() && mode != Some("verify-full") {
        return Err("names an sslrootcert, which only sslmode=verify-full checks: add sslmode=verify-full, or remove \
                    sslrootcert"
            .to_owned());
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let unverified = || {
        builder
            .clone()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate))
            .with_no_client_auth()
    };
    let (mode, config) = match mode {
        Some("disable") => (SslMode::Disable, unverified()),
        None | Some("prefer" | "allow") => (SslMode::Prefer, unverified()),
        Some("require") => (SslMode::Require, unverified()),
        Some("verify-full") => {
            (SslMode::Require, builder.with_root_certificates(authorities(root)?).with_no_client_auth())
        }
        Some(other) => {
            return Err(format!("has sslmode={other}; use disable, prefer, require or verify-full"));
        }
    };
    Ok((mode, MakeRustlsConnect::new(config)))
}

fn authorities(root: Option<&str>) -> Result<rustls::RootCertStore, String> {
    let mut store = rustls::RootCertStore::empty();
    match root {
        Some(path) if path != "system" => {
            let certificates = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| format!("names sslrootcert={path}, which cannot be read as PEM: {error}"))?;
            store.add_parsable_certificates(certificates);
        }
        _ => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(store)
}

/// Accepts any certificate, as libpq's `prefer` and `require` do: encryption without authentication, for servers with
/// a self-signed certificate.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            dss,
            &rustls::crypto::ring::default_provider().signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &rustls::crypto::ring::default_provider().signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
