//! Many small trials, several at a time.

use std::sync::Mutex;
use std::thread;

/// Runs each trial on its own thread and runtime, `at_once` at a time, and returns those that panicked.
pub fn run_trials<T, Trial>(at_once: usize, trials: &[T], run: impl Fn(&T) -> Trial + Sync) -> Vec<T>
where
    T: Sync + Send + Clone,
    Trial: Future<Output = ()>,
{
    let left = Mutex::new(trials.iter());
    let failed = Mutex::new(Vec::new());
    let next = || left.lock().expect("taking a trial does not panic").next();
    let work = || {
        while let Some(trial) = next() {
            let on_runtime = || {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime can be built")
                    .block_on(run(trial));
            };
            let panicked = thread::scope(|scope| scope.spawn(on_runtime).join().is_err());
            if panicked {
                failed.lock().expect("recording a trial does not panic").push(trial.clone());
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(work);
        }
    });
    failed.into_inner().expect("recording a trial does not panic")
}
