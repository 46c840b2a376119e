//! Storing the file of a multipart form: the first part with a file name is written to the sealed upload store as it
//! arrives, in constant memory, however large the file and however fast the client.

mod frames;
pub mod multipart;
mod refusal;
#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use rollcall_schema::uploads::{StoredUpload, UploadWriter};
use tokio::time::{Instant, timeout_at};

use crate::http::error::ApiError;
use crate::http::parameters::{parameter, parameters};
pub use crate::imports::upload::frames::Pace;
use crate::imports::upload::frames::{BodyError, BodyFrames, MAX_BYTES_BEFORE_FILE};
use crate::imports::upload::multipart::{Event, FormError, MultipartParser, OPENING_BYTES, PartHeaders};

/// Bytes that a form may have in addition to its file, where it is rejected for its `Content-Length` alone.
const FORM_OVERHEAD: u64 = 2 * MAX_BYTES_BEFORE_FILE;
/// Maximum length of a boundary. The RFC allows 70 bytes.
const MAX_BOUNDARY_LENGTH: usize = 200;
/// Boundaries that a header may give.
const MAX_BOUNDARIES: usize = 4;
/// Bytes of a `charset` parameter that are kept. No encoding has a longer name.
const MAX_CHARSET_LENGTH: usize = 100;
/// How long the beginning of a body that is no form may take to arrive. The refusal is sent without it after that.
const OPENING_TIMEOUT: Duration = Duration::from_secs(5);

/// A multipart form whose body has not been read yet.
pub struct Form {
    boundaries: Vec<Vec<u8>>,
    body: Body,
    limits: FormLimits,
}

#[derive(Debug, Clone, Copy)]
pub struct FormLimits {
    /// Maximum size of the file.
    pub file_bytes: u64,
    /// Bytes that are read and discarded after the file.
    pub drain_bytes: u64,
    /// How fast the body must arrive.
    pub pace: Pace,
}

/// A file that was received and stored.
#[derive(Debug)]
pub struct Received {
    pub stored: StoredUpload,
    /// The `charset` parameter of the file's part.
    pub charset: Option<String>,
}

impl Form {
    /// Checks what can be checked before the body is read. Of a body that is no form its beginning is read, so that the
    /// refusal can say what it is.
    ///
    /// The head is dropped before the rest of the body is read: it may be large, and the body may take long.
    pub async fn open(request: Request, limits: FormLimits) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let headers = &parts.headers;
        for encoding in headers.get_all(CONTENT_ENCODING) {
            check_content_encoding("request", encoding.as_bytes())?;
        }
        let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let Some(multipart) = content_type.filter(|value| is_multipart(value)) else {
            let opening = read_opening(body, limits.pace).await;
            return Err(ApiError::BadRequest(refusal::not_multipart(content_type, &opening)));
        };
        let boundaries = boundaries(headers);
        if boundaries.is_empty() {
            let opening = read_opening(body, limits.pace).await;
            return Err(ApiError::BadRequest(refusal::no_usable_boundary(multipart, &opening)));
        }
        let length: Option<u64> = headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse().ok());
        if length.is_some_and(|length| length > limits.file_bytes.saturating_add(FORM_OVERHEAD)) {
            return Err(ApiError::TooLarge { limit_bytes: limits.file_bytes });
        }
        Ok(Self { boundaries, body, limits })
    }

    /// Reads the form and stores its file. If that fails, nothing is left in the store.
    pub async fn store(self, mut writer: UploadWriter) -> Result<Received, ApiError> {
        let limits = self.limits;
        let mut form = FormReader::new(self);
        let charset = match form.copy_file(&mut writer, limits.file_bytes).await {
            Ok(charset) => charset,
            Err(error) => {
                writer.abort().await;
                return Err(error);
            }
        };
        // What follows the file is ignored, but the client sends it before it reads the response.
        form.frames.discard(limits.drain_bytes).await;
        let stored = writer.finish().await.map_err(|error| ApiError::Unavailable(error.into()))?;
        Ok(Received { stored, charset })
    }
}

fn is_multipart(content_type: &[u8]) -> bool {
    content_type.get(..10).is_some_and(|kind| kind.eq_ignore_ascii_case(b"multipart/"))
}

/// The boundaries that the header gives. curl adds its own to a header that has one already.
fn boundaries(headers: &HeaderMap) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    let given = headers.get_all(CONTENT_TYPE).iter();
    for boundary in given.flat_map(|value| parameters(value.as_bytes(), "boundary")) {
        let is_usable = (1..=MAX_BOUNDARY_LENGTH).contains(&boundary.len());
        if is_usable && found.len() < MAX_BOUNDARIES && !found.iter().any(|known| known == boundary) {
            found.push(boundary.to_owned());
        }
    }
    found
}

/// The beginning of a body that is no form, or what arrives of it in time.
async fn read_opening(body: Body, pace: Pace) -> Vec<u8> {
    let mut frames = BodyFrames::new(body, pace);
    let mut opening = Vec::new();
    let deadline = Instant::now() + OPENING_TIMEOUT;
    while opening.len() < OPENING_BYTES
        && let Ok(Ok(Some(frame))) = timeout_at(deadline, frames.next()).await
    {
        let missing = OPENING_BYTES - opening.len();
        opening.extend_from_slice(frame.get(..missing).unwrap_or(&frame));
    }
    opening
}

/// A form whose body is being read.
struct FormReader {
    boundaries: Vec<Vec<u8>>,
    parser: MultipartParser,
    frames: BodyFrames,
}

impl FormReader {
    fn new(Form { boundaries, body, limits }: Form) -> Self {
        let all: Vec<&[u8]> = boundaries.iter().map(Vec::as_slice).collect();
        let parser = MultipartParser::new(all[0], &all[1..]);
        Self { parser, frames: BodyFrames::new(body, limits.pace), boundaries }
    }

    /// Copies the file to the store and returns its `charset`.
    async fn copy_file(
        &mut self,
        writer: &mut UploadWriter,
        limit_bytes: u64,
    ) -> Result<Option<String>, ApiError> {
        let mut fields = 0;
        let mut nested = false;
        let mut empty_field = None;
        loop {
            match self.next().await? {
                Event::Part(part) => {
                    let Some(name) = part.file_name() else {
                        fields += 1;
                        nested |= part.get("content-type").is_some_and(is_multipart);
                        continue;
                    };
                    if !part.are_ended() {
                        return Err(ApiError::BadRequest(refusal::headers_not_ended()));
                    }
                    let first = self.next().await?;
                    if name.is_empty() && first == Event::PartEnd {
                        // What a browser sends for a file that was not chosen. It is the file if no other follows.
                        empty_field.get_or_insert_with(|| charset(&part));
                        continue;
                    }
                    self.frames.found_file();
                    check_encodings(&part)?;
                    self.copy_data(first, writer, limit_bytes).await?;
                    return Ok(charset(&part));
                }
                // A part that is skipped.
                Event::Data(_) | Event::PartEnd => {}
                Event::End => {
                    return empty_field.ok_or_else(|| ApiError::BadRequest(refusal::no_file(fields, nested)));
                }
            }
        }
    }

    async fn copy_data(
        &mut self,
        first: Event,
        writer: &mut UploadWriter,
        limit_bytes: u64,
    ) -> Result<(), ApiError> {
        let mut event = first;
        while let Event::Data(data) = event {
            if writer.bytes() + data.len() as u64 > limit_bytes {
                return Err(ApiError::TooLarge { limit_bytes });
            }
            writer.write(&data).await.map_err(|error| ApiError::Unavailable(error.into()))?;
            event = self.next().await?;
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Event, ApiError> {
        loop {
            match self.parser.next_event() {
                Ok(Some(event)) => return Ok(event),
                Ok(None) => {}
                Err(error) => return Err(self.refuse(error)),
            }
            match self.frames.next().await {
                Ok(Some(frame)) => self.parser.push(&frame),
                Ok(None) => self.parser.finish(),
                // Nothing more is needed of a form that has been closed.
                Err(_) if self.parser.may_be_closed() => self.parser.finish(),
                Err(BodyError::Stalled(idle)) => return Err(ApiError::Stalled(idle)),
                Err(BodyError::TooSlow(rate)) => return Err(ApiError::TooSlow(rate)),
                Err(BodyError::NoFile) => return Err(self.refuse_late_file()),
                // The client is gone and reads no response, but the request log shows the status.
                Err(BodyError::Disconnected) => {
                    return Err(ApiError::bad_request(
                        "The connection was lost during the upload. Send it again.",
                    ));
                }
            }
        }
    }

    fn refuse(&self, error: FormError) -> ApiError {
        ApiError::BadRequest(match error {
            FormError::NoBoundary => {
                refusal::boundary_not_found(&self.boundaries, self.parser.opening(), true)
            }
            error => refusal::malformed(error, self.frames.bytes()),
        })
    }

    fn refuse_late_file(&self) -> ApiError {
        ApiError::BadRequest(if self.parser.is_open() {
            refusal::file_too_late()
        } else {
            refusal::boundary_not_found(&self.boundaries, self.parser.opening(), false)
        })
    }
}

/// Refuses a file whose part says that its bytes are not those of the file.
fn check_encodings(part: &PartHeaders) -> Result<(), ApiError> {
    let transfer = part.get("content-transfer-encoding").unwrap_or_default();
    let is_plain = |name: &&[u8]| transfer.eq_ignore_ascii_case(name);
    if ![&b""[..], b"7bit", b"8bit", b"binary"].iter().any(is_plain) {
        return Err(ApiError::BadRequest(refusal::transfer_encoding(transfer)));
    }
    check_content_encoding(
        "file's part of the multipart form",
        part.get("content-encoding").unwrap_or_default(),
    )
}

fn check_content_encoding(of: &str, encoding: &[u8]) -> Result<(), ApiError> {
    let is_plain = |coding: &[u8]| {
        let coding = coding.trim_ascii();
        coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
    };
    if encoding.split(|&byte| byte == b',').all(is_plain) {
        return Ok(());
    }
    Err(ApiError::UnsupportedEncoding(refusal::content_encoding(of, encoding)))
}

fn charset(part: &PartHeaders) -> Option<String> {
    let charset = parameter(part.get("content-type")?, "charset")?;
    let charset = charset.get(..MAX_CHARSET_LENGTH).unwrap_or(charset);
    let charset =
        String::from_utf8_lossy(charset).trim_matches(|c: char| c.is_whitespace() || c == '\'').to_owned();
    (!charset.is_empty()).then_some(charset)
}
