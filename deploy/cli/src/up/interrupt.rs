//! Ctrl-C and SIGTERM: requested once, everything stops in order; requested twice, at once. A closed terminal is the second
//! kind, unless `nohup` forbade it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};

/// Whether somebody requested us to stop. It blocks nobody: who waits for something looks at it meanwhile.
#[derive(Debug, Clone)]
pub struct Interrupt {
    requested: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens for the signals from now on.
    pub fn on_signals() -> anyhow::Result<Self> {
        let requested = Arc::new(AtomicBool::new(false));
        let listen = |kind| signal(kind).context("signals cannot be listened to");
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        let heard = Arc::clone(&requested);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if heard.swap(true, Ordering::Relaxed) {
                    // The servers are told by the kernel to shut down when we are gone.
                    std::process::exit(130);
                }
                eprintln!("\nStopping in order; once more stops at once.");
            }
        });
        Ok(Self { requested })
    }

    /// Whether we were requested.
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }

    /// Ends what is under way if we were requested.
    pub fn check(&self) -> anyhow::Result<()> {
        if self.is_requested() {
            bail!("interrupted");
        }
        Ok(())
    }
}
