//! Progress on standard error: spinners at a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

#[derive(Debug)]
pub struct Progress {
    at_terminal: bool,
}

impl Progress {
    pub fn new() -> Self {
        Self { at_terminal: io::stderr().is_terminal() }
    }

    /// Runs `work`, shows `what` meanwhile, and prints whether it succeeded and how long it took.
    pub fn step<T>(&self, what: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let begin = Instant::now();
        let spinner = self.at_terminal.then(|| {
            let spinner = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} {msg} … {elapsed}");
            spinner.set_style(style.expect("the template is valid"));
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

    /// Prints one or more lines. During a step at a terminal, the spinner would overwrite them.
    #[expect(clippy::unused_self, reason = "callers print where progress is shown")]
    pub fn print(&self, text: &str) {
        eprintln!("{text}");
    }
}
