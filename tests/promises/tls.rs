//! The API serves TLS itself: a client needs only to trust its certificate, and a renewed certificate needs no restart.

use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DnType, KeyPair};
use rollcall_tests::harness::{ADMINISTRATOR, PASSWORD};
use rollcall_tests::harness::{
    CurlOutput, Options, RawConnection, Row, Stack, basic, curl, eventually, result,
};

/// Writes a new certificate for `localhost` and its key, replacing each file atomically as `certbot` does.
fn certify(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.self_signed(&key).unwrap();
    let files = (folder.join("certificate.pem"), folder.join("key.pem"));
    let renewed = folder.join("renewed.pem");
    for (file, pem) in [(&files.1, key.serialize_pem()), (&files.0, certificate.pem())] {
        std::fs::write(&renewed, pem).unwrap();
        std::fs::rename(&renewed, file).unwrap();
    }
    files
}

/// GETs the list of imports, trusting only the certificate in this file.
async fn get_jobs(stack: &Stack, certificate: &Path) -> CurlOutput {
    let authorization = format!("Authorization: {}", basic(ADMINISTRATOR, PASSWORD));
    let url = format!("{}/api/import/jobs", stack.url);
    curl(["--cacert", certificate.to_str().unwrap(), "-H", &authorization, &url]).await
}

#[tokio::test]
async fn renewed_certificate_needs_no_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certify(folder.path(), "the first");
    let first = folder.path().join("first.pem");
    std::fs::copy(&certificate, &first).unwrap();
    let stack = Options::default().tls(&certificate, &key).start().await;
    assert!(stack.url.starts_with("https://"));

    let users = folder.path().join("users.csv");
    std::fs::write(&users, "username,enabled,staffmember\njane,y,y\n").unwrap();
    let form = format!("file=@{}", users.display());
    let url = stack.url.replace("https://", "https://autoimport:correct%20horse%20battery%20staple@");
    let url = format!("{url}/api/import/users");
    let trusting = ["--cacert", first.to_str().unwrap(), "-X", "POST", "-F", &form, &url];
    curl(trusting).await.is(200, &result(&[Row::Created]));
    // Only current versions of TLS are accepted.
    for (version, status) in [("1.1", 0), ("1.2", 200), ("1.3", 200)] {
        let option = format!("--tlsv{version}");
        let arguments = ["--tls-max", version, &option, "--ciphers", "DEFAULT@SECLEVEL=0"];
        let output = curl(arguments.into_iter().chain(trusting)).await;
        assert_eq!(output.status, status, "{version}: {}", output.error);
    }
    // A client that does not trust the certificate refuses the connection.
    let untrusting = curl(["-F", &form, &url]).await;
    assert_eq!((untrusting.exit, untrusting.status), (60, 0), "{}", untrusting.error);

    // A half-written renewal: the old certificate stays in use.
    std::fs::write(&key, "not a key").unwrap();
    assert_eq!(get_jobs(&stack, &first).await.status, 200);

    certify(folder.path(), "the second");
    eventually("the new certificate is served", async || {
        (get_jobs(&stack, &certificate).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(get_jobs(&stack, &first).await.exit, 60, "the first is no longer served");
    assert_ne!(std::fs::read(&first).unwrap(), std::fs::read(&certificate).unwrap());
}

#[tokio::test]
async fn plain_http_is_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certify(folder.path(), "plain");
    let stack = Options::default().tls(&certificate, &key).start().await;
    let plain = stack.url.replace("https://", "http://");
    let output = curl(["-u", "autoimport:wrong", &format!("{plain}/api/import/jobs")]).await;
    assert_ne!(output.exit, 0);
    assert_eq!((output.status, &*output.body), (0, ""));

    let mut connection = RawConnection::open(&stack).await;
    connection.send("GET /api/import/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(!connection.rest().await.starts_with(b"HTTP/"));
    assert_eq!(get_jobs(&stack, &certificate).await.status, 200);
}
