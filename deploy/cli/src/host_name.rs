//! Host names, in the form that requests contain.

use std::fmt;
use std::str::FromStr;

/// A host name without scheme, port or path, as clients send it: in lower case, and internationalised names in their
/// ASCII form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName(String);

#[derive(Debug, thiserror::Error)]
#[error("write only a host name, such as library.school.edu, without https://, port or path")]
pub struct InvalidHostName;

impl FromStr for HostName {
    type Err = InvalidHostName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let host = url::Host::parse(text.trim().trim_end_matches('.')).map_err(|_| InvalidHostName)?;
        Ok(Self(host.to_string()))
    }
}

impl From<HostName> for String {
    fn from(host: HostName) -> Self {
        host.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_is_converted_to_the_form_that_clients_send() {
        for (text, host) in [
            ("Library.School.EDU", "library.school.edu"),
            ("library.school.edu.", "library.school.edu"),
            ("école.fr", "xn--cole-9oa.fr"),
            ("192.0.2.7", "192.0.2.7"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(text.parse::<HostName>().expect("a host name").to_string(), host);
        }
    }

    #[test]
    fn a_url_or_a_port_is_refused() {
        for text in [
            "",
            ".",
            "https://library.school.edu",
            "library.school.edu:8443",
            "library.school.edu/api",
            "a b",
        ] {
            assert!(text.parse::<HostName>().is_err(), "{text}");
        }
    }
}
