//! From the request's body into the sealed store: the first part of the form that has a file name, piece by piece,
//! in constant memory however large the file and however fast the client.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use multer::{Field, Multipart};
use rollcall_schema::upload::{Stored, UploadWriter};
use tokio::time::{Instant, Sleep};

use crate::http::error::ApiError;
use crate::http::parameters::parameter;

/// Bytes that may stand before the file: other fields of the form, or a boundary that never comes.
const MAX_BYTES_BEFORE_FILE: u64 = 1024 * 1024;
/// Bytes that a form may take beside the file it carries, for a verdict by its length alone.
const FORM_OVERHEAD: u64 = 2 * MAX_BYTES_BEFORE_FILE;
/// Bytes of a boundary. The RFC allows 70.
const MAX_BOUNDARY_LENGTH: usize = 200;
/// Bytes of a `charset` parameter that are kept; no encoding's name is that long.
const MAX_CHARSET_LENGTH: usize = 100;

/// A form that an upload may come in.
pub struct Form {
    boundary: String,
    body: Body,
}

/// How much a form may take.
#[derive(Debug, Clone, Copy)]
pub struct FormLimits {
    /// Bytes of the file.
    pub file: u64,
    /// Bytes that are read and thrown away behind the file.
    pub rest: u64,
    /// The time without a byte.
    pub idle: Duration,
}

/// A file that is in the store.
pub struct Received {
    /// What was stored.
    pub stored: Stored,
    /// The `charset` that its part declares.
    pub charset: Option<String>,
}

impl Form {
    /// Judges a request by its headers.
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
        if length.is_some_and(|length| length > limits.file.saturating_add(FORM_OVERHEAD)) {
            return Err(ApiError::TooLarge { limit_bytes: limits.file });
        }
        Ok(Self { boundary, body })
    }

    /// Reads the form and stores its file. Where that fails, nothing is left in the store.
    pub async fn store(self, mut writer: UploadWriter, limits: FormLimits) -> Result<Received, ApiError> {
        let file_found = Arc::new(AtomicBool::new(false));
        let mut rest = Frames::new(self.body, limits.idle, Arc::clone(&file_found));
        let mut form = Multipart::new(rest.by_ref(), self.boundary);
        let charset = match copy(&mut form, &file_found, &mut writer, limits).await {
            Ok(charset) => charset,
            Err(refusal) => {
                writer.abort().await;
                return Err(refusal);
            }
        };
        drop(form);
        // Whatever follows is none of ours, yet the client wants to get rid of it before it reads the answer.
        rest.discard(limits.rest).await;
        let stored = writer.finish().await.map_err(|error| ApiError::Unavailable(error.into()))?;
        Ok(Received { stored, charset })
    }
}

const SEND: &str = "Send the CSV as a file, as `curl -F \"file=@users.csv\"` does.";

/// Copies the file into the store and returns its `charset`.
async fn copy(
    form: &mut Multipart<'_>,
    file_found: &AtomicBool,
    writer: &mut UploadWriter,
    limits: FormLimits,
) -> Result<Option<String>, ApiError> {
    let mut file = loop {
        match form.next_field().await.map_err(|error| refusal(&error))? {
            Some(part) if has_file_name(&part) => break part,
            // Dropped unread: the next turn of the loop skips what is left of it, without keeping it.
            Some(_) => {}
            None => return Err(ApiError::bad_request(format!("The multipart form has no file. {SEND}"))),
        }
    };
    file_found.store(true, Ordering::Relaxed);
    while let Some(piece) = file.next().await {
        let piece = piece.map_err(|error| refusal(&error))?;
        if writer.bytes() + piece.len() as u64 > limits.file {
            return Err(ApiError::TooLarge { limit_bytes: limits.file });
        }
        writer.write(&piece).await.map_err(|error| ApiError::Unavailable(error.into()))?;
    }
    Ok(charset(&file))
}

/// Whether the part carries a file name, be it empty or in an unknown encoding.
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

/// What the client did wrong, or why no more of its form came.
fn refusal(error: &multer::Error) -> ApiError {
    if let multer::Error::StreamReadFailed(source) = error
        && let Some(end) = source.downcast_ref::<CutShort>()
    {
        return match end {
            CutShort::Stalled(idle) => ApiError::Stalled(*idle),
            CutShort::NoFile => ApiError::bad_request(format!(
                "The multipart form has no file within its first MiB: its boundary never comes, or too much stands \
                 before the file. {SEND}"
            )),
            // Nobody is there to read it; the log's line shows the status.
            CutShort::Broken => ApiError::bad_request("The upload broke off. Send it again."),
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

/// Why no more of the body comes.
#[derive(Debug, thiserror::Error)]
enum CutShort {
    #[error("nothing came for {} s", .0.as_secs())]
    Stalled(Duration),
    #[error("no file came within the first {MAX_BYTES_BEFORE_FILE} bytes")]
    NoFile,
    #[error("the connection broke off")]
    Broken,
}

/// The body's frames, at the pace of whoever reads them, bounded in what may come before the file and in the time
/// between two.
struct Frames {
    body: Body,
    idle: Duration,
    timer: Pin<Box<Sleep>>,
    waiting: bool,
    rested: bool,
    file_found: Arc<AtomicBool>,
    before_file: u64,
}

impl Frames {
    fn new(body: Body, idle: Duration, file_found: Arc<AtomicBool>) -> Self {
        Self {
            body,
            idle,
            timer: Box::pin(tokio::time::sleep(idle)),
            waiting: false,
            rested: true,
            file_found,
            before_file: 0,
        }
    }

    async fn discard(&mut self, mut bytes: u64) {
        while let Some(Ok(frame)) = self.next().await {
            let Some(left) = bytes.checked_sub(frame.len() as u64) else { return };
            bytes = left;
        }
    }
}

impl Stream for Frames {
    type Item = Result<Bytes, CutShort>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // The parser reads until nothing is ready before it hands anything on: from a client that is faster than
        // the store it would read the whole file into memory. So after each frame there is nothing ready, once.
        if !self.rested {
            self.rested = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.waiting = false;
                    let Ok(data) = frame.into_data() else { continue };
                    if !self.file_found.load(Ordering::Relaxed) {
                        if self.before_file > MAX_BYTES_BEFORE_FILE {
                            return Poll::Ready(Some(Err(CutShort::NoFile)));
                        }
                        self.before_file += data.len() as u64;
                    }
                    self.rested = false;
                    return Poll::Ready(Some(Ok(data)));
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Some(Err(CutShort::Broken))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    if !self.waiting {
                        self.waiting = true;
                        let end = Instant::now() + self.idle;
                        self.timer.as_mut().reset(end);
                    }
                    return self.timer.as_mut().poll(cx).map(|()| Some(Err(CutShort::Stalled(self.idle))));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use futures_util::stream;
    use rollcall_schema::ids::{ImportId, TenantId};
    use rollcall_schema::seal::ServiceKey;
    use rollcall_schema::upload::UploadStore;

    use super::*;

    const LIMITS: FormLimits = FormLimits { file: 1000, rest: 1000, idle: Duration::from_mins(1) };

    /// The bytes and charset of the file in a form, sent in pieces of `size`.
    async fn read(form: &[u8], size: usize) -> Result<(Vec<u8>, Option<String>), ApiError> {
        let folder = std::env::temp_dir().join(format!("rollcall-upload-{}", ImportId::generate()));
        let key = ServiceKey::from_hex(&"5a".repeat(32)).expect("a key");
        let store = UploadStore::in_folder(&folder, key).expect("a folder");
        let (tenant, import) = (TenantId::generate(), ImportId::generate());
        let pieces: Vec<_> =
            form.chunks(size).map(|piece| Ok::<_, CutShort>(Bytes::copy_from_slice(piece))).collect();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("multipart/form-data; boundary=\"XX\""));
        let form = Form::new(&headers, Body::from_stream(stream::iter(pieces)), LIMITS)?;
        let received = form.store(store.begin(tenant, import), LIMITS).await;
        let opened = store.open(tenant, import).await;
        let result = match received {
            Ok(received) => {
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut opened.expect("stored"), &mut bytes).expect("opens");
                assert_eq!(received.stored.bytes, bytes.len() as u64);
                Ok((bytes, received.charset))
            }
            Err(refusal) => {
                assert!(opened.is_err(), "nothing is stored of a refused upload");
                Err(refusal)
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
    async fn a_file_is_complete_once_its_boundary_was_seen() {
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
    async fn the_limit_is_that_of_the_file_to_the_byte() {
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
    async fn a_boundary_that_never_comes_is_given_up() {
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
    async fn a_form_without_a_file_is_refused() {
        let form = b"--XX\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--XX--\r\n";
        assert!(
            matches!(read(form, 10).await, Err(ApiError::BadRequest(summary)) if summary.contains("no file"))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_given_up() {
        let body = Body::from_stream(stream::pending::<Result<Bytes, CutShort>>());
        let mut frames = Frames::new(body, Duration::from_mins(1), Arc::default());
        assert!(matches!(frames.next().await, Some(Err(CutShort::Stalled(_)))));
    }
}
