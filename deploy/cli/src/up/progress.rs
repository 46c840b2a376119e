//! What a person sees on the standard error: spinners at a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Says what is being done.
#[derive(Debug)]
pub struct Progress {
    at_terminal: bool,
}

impl Progress {
    /// For this process's standard error.
    pub fn new() -> Self {
        Self { at_terminal: io::stderr().is_terminal() }
    }

    /// Does `work` under the name `what`, with the time it took.
    pub fn step<T>(&self, what: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let begin = Instant::now();
        let spinner = self.at_terminal.then(|| {
            let spinner = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} {msg} … {elapsed}");
            spinner.set_style(style.expect("the template is fixed and sound"));
            spinner.set_message(what.to_owned());
            spinner.enable_steady_tick(Duration::from_millis(100));
            spinner
        });
        let done = work();
        if let Some(spinner) = spinner {
            spinner.finish_and_clear();
        }
        let mark = if done.is_ok() { '✓' } else { '✗' };
        self.print(&format!("{mark} {what} ({:.1} s)", begin.elapsed().as_secs_f64()));
        done
    }

    /// One or more lines. Not while a step is under way at a terminal, whose spinner would tear them.
    #[expect(clippy::unused_self, reason = "what is said goes where progress goes")]
    pub fn print(&self, text: &str) {
        eprintln!("{text}");
    }
}
