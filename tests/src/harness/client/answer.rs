//! What the service answered, and what is sent to it.

use reqwest::header::HeaderMap;

/// An HTTP answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads an answer to its end.
    pub async fn read(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.bytes().await.expect("the answer arrives whole").to_vec();
        Self { status, headers, body }
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("answers are UTF-8")
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// A header, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("headers are text"))
    }

    /// Asserts the headers that every answer carries.
    #[track_caller]
    pub fn has_standard_headers(&self) {
        let trace = self.header("trace-id").expect("every answer names its trace");
        assert!(
            trace.len() == 32 && trace.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
            "{trace}"
        );
        assert!(self.header("x-request-id").is_some_and(|id| !id.is_empty()));
        if !self.body.is_empty() {
            assert_eq!(self.header("content-type"), Some("application/json"));
        }
    }

    /// Where the import is that an upload became.
    #[track_caller]
    pub fn location(&self) -> String {
        let location = self.header("location").expect("an accepted upload is told where its job is");
        assert!(location.starts_with("/api/import/jobs/"), "{location}");
        location.to_owned()
    }

    /// Asserts status and exact body.
    #[track_caller]
    pub fn is(&self, status: u16, body: &str) {
        assert_eq!((self.status, self.text()), (status, body));
    }

    /// Asserts the status and a failure's shape, and returns its summary.
    #[track_caller]
    pub fn is_failure(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        let json = self.json();
        let object = json.as_object().expect("a failure is an object");
        assert_eq!(object.keys().collect::<Vec<_>>(), ["success", "summary"], "{}", self.text());
        assert_eq!(object["success"], false);
        object["summary"].as_str().expect("a summary is text").to_owned()
    }
}

/// A multipart body with one file, as curl writes it: its content type, and its bytes.
pub fn multipart(part_headers: &str, file: &[u8]) -> (String, Vec<u8>) {
    let boundary = "------------------------d74496d66958873e";
    let mut body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"users.csv\"\r\n{part_headers}\r\n"
    )
    .into_bytes();
    body.extend_from_slice(file);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}
