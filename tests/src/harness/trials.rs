//! Many small trials, some at once.

use std::sync::Mutex;
use std::thread;

/// Makes each trial on a thread and a runtime of its own, so many `at_once`, and returns those that panicked.
pub fn run_trials<T, Trial>(at_once: usize, trials: &[T], make: impl Fn(&T) -> Trial + Sync) -> Vec<T>
where
    T: Sync + Send + Clone,
    Trial: Future<Output = ()>,
{
    let left = Mutex::new(trials.iter());
    let failed = Mutex::new(Vec::new());
    let next = || left.lock().expect("drawing a trial does not panic").next();
    let work = || {
        while let Some(trial) = next() {
            let run = || {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime can be made")
                    .block_on(make(trial));
            };
            let panicked = thread::scope(|scope| scope.spawn(run).join().is_err());
            if panicked {
                failed.lock().expect("keeping a trial does not panic").push(trial.clone());
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(work);
        }
    });
    failed.into_inner().expect("keeping a trial does not panic")
}
