//! Forms with files, good and bad, as they are stored or refused.

use bytes::Bytes;
use futures_util::stream;
use rollcall_schema::crypto::key::ServiceKey;
use rollcall_schema::ids::{ImportId, TenantId};
use rollcall_schema::key_ring::data_keys::DataKeys;
use rollcall_schema::key_ring::ring::KeyRing;
use rollcall_schema::uploads::UploadStore;

use super::*;

const LIMITS: FormLimits = FormLimits {
    file_bytes: 1000,
    drain_bytes: 1000,
    pace: Pace { idle: Duration::from_mins(1), min_bytes_per_second: 0, grace: Duration::ZERO },
};

/// A request with a form of the boundary `XX`.
fn request(
    frames: impl IntoIterator<Item = Result<Bytes, axum::Error>, IntoIter: Send + 'static>,
) -> Request {
    Request::builder()
        .header(CONTENT_TYPE, "multipart/form-data; boundary=\"XX\"")
        .body(Body::from_stream(stream::iter(frames)))
        .expect("a request")
}

/// The bytes and charset of the file in a form that arrives in pieces of `size`.
async fn read(form: &[u8], size: usize) -> Result<(Vec<u8>, Option<String>), ApiError> {
    let folder = std::env::temp_dir().join(format!("rollcall-upload-{}", ImportId::generate()));
    let key = ServiceKey::from_hex(&"5a".repeat(32)).expect("a key");
    std::fs::create_dir(&folder).expect("a new folder");
    let store = UploadStore::in_folder(&folder, KeyRing::fixed(DataKeys::original(&key))).expect("a folder");
    let (tenant, import) = (TenantId::generate(), ImportId::generate());
    let pieces: Vec<_> =
        form.chunks(size).map(|piece| Ok::<_, axum::Error>(Bytes::copy_from_slice(piece))).collect();
    let form = Form::open(request(pieces), LIMITS).await?;
    let received = form.store(store.begin(tenant, import)).await;
    let opened = store.open(tenant, import).await;
    let result = match received {
        Ok(received) => {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut opened.expect("stored"), &mut bytes).expect("opens");
            assert_eq!(received.stored.bytes, bytes.len() as u64);
            Ok((bytes, received.charset))
        }
        Err(error) => {
            assert!(opened.is_err(), "nothing is left of a failed upload");
            Err(error)
        }
    };
    std::fs::remove_dir_all(folder).expect("removable");
    result
}

#[tokio::test]
async fn the_first_file_counts_and_nothing_else() {
    let form = b"ignored\r\n--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue\r\n\
        --XX\r\nContent-Disposition: form-data; name=\"b\"; filename=\"\xfc.csv\"\r\n\
        Content-Type: text/csv; charset=\"utf-8\"\r\n\r\nusername\r\njane\r\n\r\n\
        --XX\r\nContent-Disposition: form-data; name=\"c\"; filename=\"c\"\r\n\r\nother\r\n--XX--\r\nrest";
    for size in [1, 2, 3, 7, 1000] {
        let (bytes, charset) = read(form, size).await.expect("a good form");
        assert_eq!(bytes, b"username\r\njane\r\n", "{size}");
        assert_eq!(charset.as_deref(), Some("utf-8"));
    }
}

#[tokio::test]
async fn a_file_is_complete_once_its_boundary_has_arrived() {
    let form = b"--XX\r\nContent-Disposition: form-data; filename=f\r\n\r\nabc\r\n--XX--\r\n";
    let boundary = form.len() - 4;
    for end in 0..form.len() {
        match read(&form[..end], 5).await {
            Ok((bytes, _)) => assert!(bytes == b"abc" && end >= boundary, "{end}"),
            Err(ApiError::BadRequest(_)) => assert!(end < boundary, "{end}"),
            Err(other) => panic!("{end}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn the_limit_is_on_the_bytes_of_the_file() {
    let form = |size: usize| {
        let file = "a".repeat(size);
        format!("--XX\r\nContent-Disposition: form-data; filename=f\r\n\r\n{file}\r\n--XX--\r\n")
    };
    assert_eq!(read(form(1000).as_bytes(), 64).await.expect("fits").0.len(), 1000);
    assert!(matches!(read(form(1001).as_bytes(), 64).await, Err(ApiError::TooLarge { limit_bytes: 1000 })));
}

#[tokio::test]
async fn a_missing_boundary_is_rejected() {
    let form = vec![b'a'; 3 * 1024 * 1024];
    assert!(
        matches!(read(&form, 64 * 1024).await, Err(ApiError::BadRequest(summary)) if summary.contains("first MiB"))
    );
    let mut form = b"--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n".to_vec();
    form.resize(3 * 1024 * 1024, b'a');
    assert!(
        matches!(read(&form, 64 * 1024).await, Err(ApiError::BadRequest(summary)) if summary.contains("first MiB"))
    );
}

#[tokio::test]
async fn a_form_without_a_file_is_rejected() {
    let form = b"--XX\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--XX--\r\n";
    assert!(
        matches!(read(form, 10).await, Err(ApiError::BadRequest(summary)) if summary.contains("no file"))
    );
}

#[tokio::test]
async fn an_empty_file_field_is_the_file_only_if_no_other_follows() {
    let part = |file_name: &str, content_type: &str, data: &str| {
        format!(
            "--XX\r\nContent-Disposition: form-data; {file_name}\r\nContent-Type: {content_type}\r\n\r\n{data}\r\n"
        )
    };
    let empty = part("filename=\"\"", "application/octet-stream; charset=a", "");
    let named = part("filename=\"f.csv\"", "text/csv; charset=b", "jane");
    let unnamed = part("filename=\"\"", "text/csv; charset=c", "john");
    let field = part("name=x", "text/plain", "value");
    let nothing = part("filename=\"f.csv\"", "text/csv; charset=d", "");
    for (parts, bytes, charset) in [
        (vec![&empty, &named], "jane", "b"),
        (vec![&field, &empty, &field, &empty, &named], "jane", "b"),
        (vec![&unnamed, &named], "john", "c"),
        (vec![&empty, &unnamed], "john", "c"),
        (vec![&nothing, &named], "", "d"),
        (vec![&empty, &nothing], "", "d"),
        (vec![&empty], "", "a"),
        (vec![&field, &empty, &field], "", "a"),
    ] {
        let form = parts.into_iter().map(String::as_str).collect::<String>() + "--XX--\r\n";
        for size in [1, 10, 10_000] {
            let found = read(form.as_bytes(), size).await.expect("a good form");
            assert_eq!(found, (bytes.into(), Some(charset.to_owned())), "{form}");
        }
    }
}

#[tokio::test]
async fn an_encoded_file_is_refused() {
    let form = |header: &str| {
        format!("--XX\r\nContent-Disposition: form-data; filename=f\r\n{header}\r\n\r\nx\r\n--XX--\r\n")
    };
    for encoding in ["7bit", "8BIT", "Binary", ""] {
        let form = form(&format!("Content-Transfer-Encoding: {encoding}\r\nContent-Encoding: identity"));
        assert_eq!(read(form.as_bytes(), 100).await.expect("a good form").0, b"x");
    }
    for encoding in ["quoted-printable", "base64", "x-uuencode"] {
        let header = format!("Content-Transfer-Encoding: {encoding}");
        assert!(
            matches!(read(form(&header).as_bytes(), 100).await, Err(ApiError::BadRequest(summary)) if summary.contains(&header))
        );
    }
    for encoding in ["gzip", "identity, br"] {
        let header = format!("Content-Encoding: {encoding}");
        assert!(
            matches!(read(form(&header).as_bytes(), 100).await, Err(ApiError::UnsupportedEncoding(summary)) if summary.contains(&header))
        );
    }
}

#[tokio::test]
async fn a_closed_form_is_complete_although_the_client_promised_more() {
    let form = b"--XX\r\nContent-Disposition: form-data; filename=f\r\n\r\nabc\r\n--XX--";
    let frames = [Ok(Bytes::from_static(form)), Err(axum::Error::new("the connection was lost"))];
    let form = Form::open(request(frames), LIMITS).await.expect("a form");
    let mut reader = FormReader::new(form);
    let mut data = Vec::new();
    loop {
        match reader.next().await.expect("a closed form") {
            Event::Data(piece) => data.extend_from_slice(&piece),
            Event::End => break,
            Event::Part(_) | Event::PartEnd => {}
        }
    }
    assert_eq!(data, b"abc");
}

#[tokio::test]
async fn a_file_is_never_taken_for_headers() {
    let head = "--XX\r\nContent-Disposition: form-data; name=f; filename=f\r\nContent-Type: text/csv\r\n";
    for rest in [
        "username,enabled\r\njane,y\r\n--XX--\r\n",
        "user:name,enabled\r\njane:x,y\r\n--XX--\r\n",
        "username,enabled\r\n\r\njane,y\r\n--XX--\r\n",
        "--XX--\r\n",
    ] {
        for size in [1, 5, 1000] {
            let error =
                read(format!("{head}{rest}").as_bytes(), size).await.expect_err("the headers do not end");
            assert!(
                matches!(&error, ApiError::BadRequest(text) if text.contains("empty line")),
                "{rest:?}: {error:?}"
            );
        }
    }
    // What ends them may be written carelessly.
    for blank in ["\r\n", "\n", " \r\n", "\r\r\n", "\t\n"] {
        let form = format!("{head}{blank}username\r\njane\r\n--XX--\r\n");
        let (bytes, _) = read(form.as_bytes(), 3).await.expect("a good form");
        assert_eq!(bytes, b"username\r\njane", "{blank:?}");
    }
}
