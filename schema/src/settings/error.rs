//! A wrong setting, said so that the operator can fix it.

/// A setting that is missing or wrong. Its Display names the setting and says how to fix it.
#[derive(Debug, thiserror::Error)]
#[error("{setting} {problem}")]
pub struct SettingError {
    setting: &'static str,
    problem: String,
}

impl SettingError {
    /// `problem` continues the sentence that the setting's name begins.
    pub fn new(setting: &'static str, problem: impl Into<String>) -> Self {
        Self { setting, problem: problem.into() }
    }
}
