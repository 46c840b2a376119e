//! The faults: the service's processes and its servers are killed, frozen and restarted, sometimes several at once.

use std::time::Duration;

use crate::harness::{DedicatedServer, Stack};
use crate::rosters::rng::Rng;

/// The number of workers, including any that are dead at the moment.
pub const WORKERS: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProcessFault {
    WorkerKilled,
    WorkerFrozen,
    WorkerRestarted,
    ApiKilled,
    ApiFrozen,
    ApiRestarted,
}

impl ProcessFault {
    /// To pick from. Workers fail more often than the API: there are more of them.
    const ALL: &[Self] = &[
        Self::WorkerKilled,
        Self::WorkerKilled,
        Self::WorkerKilled,
        Self::WorkerFrozen,
        Self::WorkerFrozen,
        Self::WorkerRestarted,
        Self::ApiKilled,
        Self::ApiFrozen,
        Self::ApiRestarted,
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ServerFault {
    Killed,
    Frozen,
    Restarted,
}

/// Injects faults as the dice decide.
pub struct Faults {
    dice: Rng,
    postgres: ServerFaults,
    rabbitmq: ServerFaults,
    injected: Vec<ProcessFault>,
}

struct ServerFaults {
    server: DedicatedServer,
    dice: Rng,
    injected: Vec<ServerFault>,
}

impl Faults {
    /// Injects nothing yet.
    pub fn new(seed: u64, postgres: DedicatedServer, rabbitmq: DedicatedServer) -> Self {
        let of = |server, stream| ServerFaults { server, dice: dice(seed, stream), injected: Vec::new() };
        Self {
            dice: dice(seed, 0),
            postgres: of(postgres, 1),
            rabbitmq: of(rabbitmq, 2),
            injected: Vec::new(),
        }
    }

    /// Injects faults into one process after another and into each server from time to time, and never returns. It may be
    /// cancelled at any point: [`Faults::repair`] restores everything.
    pub async fn inject(&mut self, stack: &mut Stack) {
        let processes = async {
            loop {
                let fault = self.dice.pick(ProcessFault::ALL);
                self.injected.push(fault);
                let (worker, pause) = (self.dice.below(WORKERS), up_to(&mut self.dice, 3000));
                inject_process_fault(fault, stack, worker, pause).await;
                tokio::time::sleep(up_to(&mut self.dice, 500)).await;
                stack.assert_no_process_exited();
            }
        };
        tokio::join!(processes, self.postgres.inject(), self.rabbitmq.inject());
    }

    /// Restarts the servers and the processes.
    pub async fn repair(&mut self, stack: &mut Stack) {
        tokio::join!(self.postgres.server.restart(), self.rabbitmq.server.restart());
        stack.kill_workers();
        for _ in 0..WORKERS {
            stack.start_worker();
        }
        stack.api().kill();
        stack.start_api().await;
    }

    /// How many faults of each kind were injected.
    pub fn summary(&self) -> String {
        format!(
            "processes: {}\nPostgres: {}\nRabbitMQ: {}",
            count_by_kind(&self.injected),
            count_by_kind(&self.postgres.injected),
            count_by_kind(&self.rabbitmq.injected)
        )
    }
}

impl ServerFaults {
    async fn inject(&mut self) {
        loop {
            tokio::time::sleep(up_to(&mut self.dice, 6000)).await;
            let fault = self.dice.pick(&[ServerFault::Killed, ServerFault::Frozen, ServerFault::Restarted]);
            self.injected.push(fault);
            match fault {
                ServerFault::Killed => {
                    self.server.kill().await;
                    tokio::time::sleep(up_to(&mut self.dice, 2000)).await;
                    self.server.restart().await;
                }
                ServerFault::Frozen => {
                    self.server.pause().await;
                    tokio::time::sleep(up_to(&mut self.dice, 3000)).await;
                    self.server.resume().await;
                }
                ServerFault::Restarted => self.server.restart().await,
            }
        }
    }
}

async fn inject_process_fault(fault: ProcessFault, stack: &mut Stack, worker: usize, pause: Duration) {
    match fault {
        ProcessFault::WorkerKilled => {
            stack.kill_worker(worker);
            tokio::time::sleep(pause / 4).await;
            stack.start_worker();
        }
        ProcessFault::WorkerFrozen => {
            stack.worker(worker).pause();
            tokio::time::sleep(pause).await;
            stack.worker(worker).resume();
        }
        ProcessFault::WorkerRestarted => {
            stack.stop_worker(worker).await;
            stack.start_worker();
        }
        ProcessFault::ApiKilled => {
            stack.api().kill();
            tokio::time::sleep(pause / 4).await;
            stack.launch_api();
        }
        ProcessFault::ApiFrozen => {
            stack.api().pause();
            tokio::time::sleep(pause / 2).await;
            stack.api().resume();
        }
        ProcessFault::ApiRestarted => {
            stack.stop_api().await;
            stack.launch_api();
        }
    }
}

fn dice(seed: u64, stream: u64) -> Rng {
    Rng::new(seed.wrapping_mul(3).wrapping_add(stream))
}

fn up_to(dice: &mut Rng, milliseconds: usize) -> Duration {
    Duration::from_millis(u64::try_from(dice.below(milliseconds)).unwrap_or(0))
}

/// The number of faults, in all and of each kind.
fn count_by_kind<F: Copy + PartialEq + std::fmt::Debug>(injected: &[F]) -> String {
    let mut kinds: Vec<(F, usize)> = Vec::new();
    for &fault in injected {
        match kinds.iter_mut().find(|(kind, _)| *kind == fault) {
            Some((_, times)) => *times += 1,
            None => kinds.push((fault, 1)),
        }
    }
    let kinds: Vec<String> = kinds.iter().map(|(kind, times)| format!("{kind:?} {times}")).collect();
    format!("{} faults ({})", injected.len(), kinds.join(", "))
}
