//! The headers of a part.

use crate::http::parameters::parameter;

/// The headers of a part, unfolded. A part may have none.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PartHeaders {
    lines: Vec<Vec<u8>>,
    /// No blank line ends them: what was read as headers may be the part's data.
    unended: bool,
}

impl PartHeaders {
    /// Adds a line. One that begins with a blank continues the line before it.
    pub(super) fn add_line(&mut self, line: &[u8]) {
        if let ([b' ' | b'\t', ..], Some(last)) = (line, self.lines.last_mut()) {
            last.push(b' ');
            last.extend_from_slice(line.trim_ascii());
        } else {
            self.unended |= !line.contains(&b':');
            self.lines.push(line.to_vec());
        }
    }

    /// The part has ended, and no blank line was among its lines.
    pub(super) fn mark_unended(&mut self) {
        self.unended = true;
    }

    /// Whether a blank line ends the headers. If not, the part's data may have been read as headers.
    pub fn are_ended(&self) -> bool {
        !self.unended
    }

    /// The value of the first header of this name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.lines.iter().find_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            let is_it = line[..colon].trim_ascii().eq_ignore_ascii_case(name.as_bytes());
            is_it.then(|| line[colon + 1..].trim_ascii())
        })
    }

    /// The file name, which may be empty or in any encoding. `None` if the part is no file.
    pub fn file_name(&self) -> Option<&[u8]> {
        let disposition = self.get("content-disposition")?;
        let extended = parameter(disposition, "filename*");
        extended.filter(|name| !name.is_empty()).or_else(|| parameter(disposition, "filename")).or(extended)
    }
}
