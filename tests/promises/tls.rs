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
async fn plain_http_is_told_to_use_https() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certify(folder.path(), "plain");
    let stack = Options::default().tls(&certificate, &key).start().await;
    let plain = stack.url.replace("https://", "http://");
    let users = folder.path().join("users.csv");
    let sizes = [10, 5_000_000];
    for size in sizes {
        std::fs::write(&users, "x".repeat(size)).unwrap();
        let form = format!("file=@{}", users.display());
        let url = format!("{plain}/api/import/users");
        let output = curl(["-u", "autoimport:wrong", "-F", &form, &url]).await;
        assert_eq!((output.exit, output.status), (0, 400), "{size}: {}", output.error);
        let json: serde_json::Value = serde_json::from_str(&output.body).expect("a failure's JSON");
        let summary = json["summary"].as_str().unwrap();
        assert!(json["success"] == false && json.as_object().unwrap().len() == 2, "{json}");
        assert!(summary.contains("https://") && summary.contains("change the password"), "{summary}");
    }
    let without = curl([&*format!("{plain}/api/import/jobs")]).await;
    assert_eq!(without.status, 400);
    assert!(without.body.contains("https://") && !without.body.contains("password"), "{}", without.body);

    // In pieces, in another version, and without the end of the head. The connection is closed each time.
    for request in [
        "GET /api/import/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST / HTTP/1.0\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\nHost",
    ] {
        let mut connection = RawConnection::open(&stack).await;
        for piece in request.as_bytes().chunks(5) {
            connection.send(piece).await;
        }
        let answer = connection.answer().await;
        assert!(answer.is_failure(400).contains("https://"), "{request}");
        assert_eq!(
            (answer.header("content-type"), answer.header("connection")),
            (Some("application/json"), Some("close"))
        );
        assert_eq!(connection.rest().await, b"");
    }
    assert!(stack.api_log().contains("plain HTTP on the TLS port"));
    // What is neither is still refused by TLS, and TLS still works.
    let mut garbage = RawConnection::open(&stack).await;
    garbage.send([0, 1, 2, 3, 4, 5, 6, 7]).await;
    assert!(!garbage.rest().await.starts_with(b"HTTP/"));
    assert_eq!(get_jobs(&stack, &certificate).await.status, 200);
}

#[tokio::test]
async fn every_http_1_client_agrees_on_a_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certify(folder.path(), "protocols");
    let stack = Options::default().tls(&certificate, &key).start().await;
    let users = folder.path().join("users.csv");
    std::fs::write(&users, "username,enabled,staffmember\njane,y,y\n").unwrap();
    let form = format!("file=@{}", users.display());
    let url = stack.url.replace("https://", "https://autoimport:correct%20horse%20battery%20staple@");
    let url = format!("{url}/api/import/users");
    for (option, row) in [
        ("--http1.0", Row::Created),
        ("--http1.1", Row::Updated),
        ("--http2", Row::Updated),
        ("--no-alpn", Row::Updated),
    ] {
        let arguments = ["--cacert", certificate.to_str().unwrap(), option, "-F", &form, &url];
        curl(arguments).await.is(200, &result(&[row]));
    }
}
