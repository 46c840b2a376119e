//! Storing the file of a multipart form: the first part with a file name is written to the sealed upload store as it
//! arrives, in constant memory, however large the file and however fast the client.

mod frames;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use futures_util::StreamExt as _;
use multer::{Field, Multipart};
use rollcall_schema::uploads::{StoredUpload, UploadWriter};

use crate::http::error::ApiError;
use crate::http::parameters::parameter;
use crate::imports::upload::frames::{BodyError, BodyFrames, MAX_BYTES_BEFORE_FILE};

/// Bytes that a form may have in addition to its file, where it is rejected for its `Content-Length` alone.
const FORM_OVERHEAD: u64 = 2 * MAX_BYTES_BEFORE_FILE;
/// Maximum length of a boundary. The RFC allows 70 bytes.
const MAX_BOUNDARY_LENGTH: usize = 200;
/// Bytes of a `charset` parameter that are kept. No encoding has a longer name.
const MAX_CHARSET_LENGTH: usize = 100;

/// What a client should do instead, for the end of an error.
const SEND: &str = "Send the CSV as a file, as `curl -F \"file=@users.csv\"` does.";

/// A multipart form whose body has not been read yet.
pub struct Form {
    boundary: String,
    body: Body,
    limits: FormLimits,
}

#[derive(Debug, Clone, Copy)]
pub struct FormLimits {
    /// Maximum size of the file.
    pub file_bytes: u64,
    /// Bytes that are read and discarded after the file.
    pub drain_bytes: u64,
    /// The time without data after which the upload times out.
    pub idle: Duration,
}

/// A file that was received and stored.
pub struct Received {
    pub stored: StoredUpload,
    /// The `charset` parameter of the file's part.
    pub charset: Option<String>,
}

impl Form {
    /// Checks what can be checked before the body is read.
    pub fn new(headers: &HeaderMap, body: Body, limits: FormLimits) -> Result<Self, ApiError> {
        let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        let is_multipart =
            content_type.get(..10).is_some_and(|kind| kind.eq_ignore_ascii_case(b"multipart/"));
        if !is_multipart {
            return Err(ApiError::bad_request(format!("The request is not a multipart form. {SEND}")));
        }
        let boundary = parameter(content_type, "boundary")
            .filter(|boundary| (1..=MAX_BOUNDARY_LENGTH).contains(&boundary.len()))
            .and_then(|boundary| std::str::from_utf8(boundary).ok())
            .ok_or_else(|| {
                ApiError::bad_request(format!("The multipart form has no usable boundary. {SEND}"))
            })?
            .to_owned();
        let length: Option<u64> = headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse().ok());
        if length.is_some_and(|length| length > limits.file_bytes.saturating_add(FORM_OVERHEAD)) {
            return Err(ApiError::TooLarge { limit_bytes: limits.file_bytes });
        }
        Ok(Self { boundary, body, limits })
    }

    /// Reads the form and stores its file. If that fails, nothing is left in the store.
    pub async fn store(self, mut writer: UploadWriter) -> Result<Received, ApiError> {
        let Self { boundary, body, limits } = self;
        let file_found = Arc::new(AtomicBool::new(false));
        let mut frames = BodyFrames::new(body, limits.idle, Arc::clone(&file_found));
        let mut form = Multipart::new(frames.by_ref(), boundary);
        let charset = match copy_file(&mut form, &file_found, &mut writer, limits.file_bytes).await {
            Ok(charset) => charset,
            Err(error) => {
                writer.abort().await;
                return Err(error);
            }
        };
        drop(form);
        // What follows the file is ignored, but the client sends it before it reads the response.
        frames.discard(limits.drain_bytes).await;
        let stored = writer.finish().await.map_err(|error| ApiError::Unavailable(error.into()))?;
        Ok(Received { stored, charset })
    }
}

/// Copies the file to the store and returns its `charset`.
async fn copy_file(
    form: &mut Multipart<'_>,
    file_found: &AtomicBool,
    writer: &mut UploadWriter,
    limit_bytes: u64,
) -> Result<Option<String>, ApiError> {
    let mut file = loop {
        match form.next_field().await.map_err(|error| form_error(&error))? {
            Some(part) if has_file_name(&part) => break part,
            // Dropped unread. The next iteration skips the rest of it without keeping it in memory.
            Some(_) => {}
            None => return Err(ApiError::bad_request(format!("The multipart form has no file. {SEND}"))),
        }
    };
    file_found.store(true, Ordering::Relaxed);
    while let Some(piece) = file.next().await {
        let piece = piece.map_err(|error| form_error(&error))?;
        if writer.bytes() + piece.len() as u64 > limit_bytes {
            return Err(ApiError::TooLarge { limit_bytes });
        }
        writer.write(&piece).await.map_err(|error| ApiError::Unavailable(error.into()))?;
    }
    Ok(charset(&file))
}

/// Whether the part has a file name, even an empty one or one in an unknown encoding.
fn has_file_name(part: &Field<'_>) -> bool {
    part.headers().get(CONTENT_DISPOSITION).is_some_and(|header| {
        let has = |name| parameter(header.as_bytes(), name).is_some();
        has("filename") || has("filename*")
    })
}

fn charset(part: &Field<'_>) -> Option<String> {
    let charset = parameter(part.headers().get(CONTENT_TYPE)?.as_bytes(), "charset")?;
    let charset = charset.get(..MAX_CHARSET_LENGTH).unwrap_or(charset);
    let charset =
        String::from_utf8_lossy(charset).trim_matches(|c: char| c.is_whitespace() || c == '\'').to_owned();
    (!charset.is_empty()).then_some(charset)
}

/// What is wrong with the form, or why the rest of it did not arrive.
fn form_error(error: &multer::Error) -> ApiError {
    if let multer::Error::StreamReadFailed(source) = error
        && let Some(error) = source.downcast_ref::<BodyError>()
    {
        return match error {
            BodyError::Stalled(idle) => ApiError::Stalled(*idle),
            BodyError::NoFile => ApiError::bad_request(format!(
                "The multipart form has no file within its first MiB: its boundary is missing, or too much precedes \
                 the file. {SEND}"
            )),
            // The client is gone and reads no response, but the request log shows the status.
            BodyError::Disconnected => {
                ApiError::bad_request("The connection was lost during the upload. Send it again.")
            }
        };
    }
    match error {
        multer::Error::IncompleteFieldData { .. }
        | multer::Error::IncompleteStream
        | multer::Error::IncompleteHeaders => ApiError::bad_request(format!(
            "The multipart form is cut short: its closing boundary is missing. {SEND}"
        )),
        _ => ApiError::bad_request(format!("The multipart form is malformed. {SEND}")),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use bytes::Bytes;
    use futures_util::stream;
    use rollcall_schema::crypto::key::ServiceKey;
    use rollcall_schema::ids::{ImportId, TenantId};
    use rollcall_schema::uploads::UploadStore;

    use super::*;

    const LIMITS: FormLimits =
        FormLimits { file_bytes: 1000, drain_bytes: 1000, idle: Duration::from_mins(1) };

    /// The bytes and charset of the file in a form that arrives in pieces of `size`.
    async fn read(form: &[u8], size: usize) -> Result<(Vec<u8>, Option<String>), ApiError> {
        let folder = std::env::temp_dir().join(format!("rollcall-upload-{}", ImportId::generate()));
        let key = ServiceKey::from_hex(&"5a".repeat(32)).expect("a key");
        let store = UploadStore::in_folder(&folder, key).expect("a folder");
        let (tenant, import) = (TenantId::generate(), ImportId::generate());
        let pieces: Vec<_> =
            form.chunks(size).map(|piece| Ok::<_, BodyError>(Bytes::copy_from_slice(piece))).collect();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("multipart/form-data; boundary=\"XX\""));
        let form = Form::new(&headers, Body::from_stream(stream::iter(pieces)), LIMITS)?;
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
        assert!(matches!(
            read(form(1001).as_bytes(), 64).await,
            Err(ApiError::TooLarge { limit_bytes: 1000 })
        ));
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
}
