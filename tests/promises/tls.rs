//! The API speaks TLS itself: a client that trusts its certificate needs nothing else, and a renewed one needs no restart.

use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DnType, KeyPair};
use rollcall_tests::harness::{ADMINISTRATOR, PASSWORD};
use rollcall_tests::harness::{
    CurlOutput, Options, RawConnection, Row, Stack, basic, curl, eventually, result,
};

/// Writes a new certificate for `localhost` and its key, as `certbot` would: each in one move.
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

/// Asks for the jobs, trusting the certificate in this file alone.
async fn ask(stack: &Stack, certificate: &Path) -> CurlOutput {
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
    // Old versions of TLS are not spoken; the current ones are.
    for (version, status) in [("1.1", 0), ("1.2", 200), ("1.3", 200)] {
        let option = format!("--tlsv{version}");
        let arguments = ["--tls-max", version, &option, "--ciphers", "DEFAULT@SECLEVEL=0"];
        let curled = curl(arguments.into_iter().chain(trusting)).await;
        assert_eq!(curled.status, status, "{version}: {}", curled.error);
    }
    // Who does not know the certificate is right not to talk.
    let stranger = curl(["-F", &form, &url]).await;
    assert_eq!((stranger.exit, stranger.status), (60, 0), "{}", stranger.error);

    // Half of a renewal: the good one stays in use.
    std::fs::write(&key, "not a key").unwrap();
    assert_eq!(ask(&stack, &first).await.status, 200);

    certify(folder.path(), "the second");
    eventually("the new certificate is served", async || {
        (ask(&stack, &certificate).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(ask(&stack, &first).await.exit, 60, "the first is served no more");
    assert_ne!(std::fs::read(&first).unwrap(), std::fs::read(&certificate).unwrap());
}

#[tokio::test]
async fn plain_http_is_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certify(folder.path(), "plain");
    let stack = Options::default().tls(&certificate, &key).start().await;
    let plain = stack.url.replace("https://", "http://");
    let curled = curl(["-u", "autoimport:wrong", &format!("{plain}/api/import/jobs")]).await;
    assert_ne!(curled.exit, 0);
    assert_eq!((curled.status, &*curled.body), (0, ""));

    let mut connection = RawConnection::open(&stack).await;
    connection.send("GET /api/import/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(!connection.rest().await.starts_with(b"HTTP/"));
    assert_eq!(ask(&stack, &certificate).await.status, 200);
}
