//! Shutdown on Ctrl-C and SIGTERM. The first signal shuts everything down cleanly, the second stops immediately.
//! Closing the terminal (SIGHUP) stops immediately, unless the command runs under `nohup`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};

/// Whether a shutdown is requested. It interrupts nothing by itself: loops that wait have to check it.
#[derive(Debug, Clone)]
pub struct Interrupt {
    requested: Arc<AtomicBool>,
}

impl Interrupt {
    /// Starts listening for the signals.
    pub fn on_signals() -> anyhow::Result<Self> {
        let requested = Arc::new(AtomicBool::new(false));
        let listen = |kind| signal(kind).context("cannot listen for signals");
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        let on_signal = Arc::clone(&requested);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if on_signal.swap(true, Ordering::Relaxed) {
                    // The kernel signals the servers to shut down when this process exits.
                    std::process::exit(130);
                }
                eprintln!("\nShutting down cleanly; press Ctrl-C again to stop immediately.");
            }
        });
        Ok(Self { requested })
    }

    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }

    /// Returns an error if a shutdown is requested, to end the current step.
    pub fn check(&self) -> anyhow::Result<()> {
        if self.is_requested() {
            bail!("interrupted");
        }
        Ok(())
    }
}
