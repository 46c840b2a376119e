//! An answer of the service, and the form that an upload is sent in.

use reqwest::header::HeaderMap;

/// An HTTP answer, read in full.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub async fn read(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.bytes().await.expect("the answer arrives in full").to_vec();
        Self { status, headers, body }
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("answers are UTF-8")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("headers are text"))
    }

    /// Asserts the headers that every answer carries.
    #[track_caller]
    pub fn has_standard_headers(&self) {
        let trace = self.header("trace-id").expect("every answer has a trace-id");
        assert!(
            trace.len() == 32 && trace.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
            "{trace}"
        );
        assert!(self.header("x-request-id").is_some_and(|id| !id.is_empty()));
        if !self.body.is_empty() {
            assert_eq!(self.header("content-type"), Some("application/json"));
        }
    }

    /// The location of the import that an upload became. Panics if there is none.
    #[track_caller]
    pub fn location(&self) -> String {
        let location = self.header("location").expect("an accepted upload has a location");
        assert!(location.starts_with("/api/import/jobs/"), "{location}");
        location.to_owned()
    }

    /// Asserts the status and the exact body.
    #[track_caller]
    pub fn is(&self, status: u16, body: &str) {
        assert_eq!((self.status, self.text()), (status, body));
    }

    /// Asserts the status and that the body is a failure's, and returns its summary.
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

/// The content type and body of a form with one file, as curl writes it.
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
