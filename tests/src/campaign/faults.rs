//! The faults: the service's processes and its servers are killed, frozen and restarted, sometimes several at once.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

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
    /// All its processes, as in a power failure.
    Killed,
    Frozen,
    Restarted,
    /// Postgres: every session is ended.
    SessionsEnded,
    /// Postgres: the process of one session is killed. The server then ends all others and recovers as after a crash.
    SessionKilled,
}

impl ServerFault {
    const ALL: &[Self] = &[Self::Killed, Self::Frozen, Self::Restarted];
    const OF_POSTGRES: &[Self] = &[
        Self::Killed,
        Self::Frozen,
        Self::Restarted,
        Self::SessionsEnded,
        Self::SessionsEnded,
        Self::SessionKilled,
        Self::SessionKilled,
    ];
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
    kinds: &'static [ServerFault],
    /// The URL of Postgres.
    database: Option<String>,
    dice: Rng,
    injected: Vec<ServerFault>,
}

impl Faults {
    /// Injects nothing yet.
    pub fn new(seed: u64, postgres: DedicatedServer, rabbitmq: DedicatedServer, database: &str) -> Self {
        let of = |server, stream, kinds| ServerFaults {
            server,
            kinds,
            database: None,
            dice: dice(seed, stream),
            injected: Vec::new(),
        };
        let postgres = of(postgres, 1, ServerFault::OF_POSTGRES);
        Self {
            dice: dice(seed, 0),
            postgres: ServerFaults { database: Some(database.to_owned()), ..postgres },
            rabbitmq: of(rabbitmq, 2, ServerFault::ALL),
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
            tokio::time::sleep(Duration::from_secs(1) + up_to(&mut self.dice, 5000)).await;
            let fault = self.dice.pick(self.kinds);
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
                ServerFault::SessionsEnded | ServerFault::SessionKilled => {
                    // A server that does not answer at this moment has no session to kill.
                    let limit = Duration::from_secs(2);
                    let _ = tokio::time::timeout(limit, self.kill_sessions(fault)).await;
                }
            }
        }
    }

    async fn kill_sessions(&self, fault: ServerFault) -> Result<(), tokio_postgres::Error> {
        let Some(database) = &self.database else { return Ok(()) };
        let (client, connection) = tokio_postgres::connect(database, tokio_postgres::NoTls).await?;
        let connection = tokio::spawn(connection);
        let others = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
        if fault == ServerFault::SessionsEnded {
            client.batch_execute(&format!("select pg_terminate_backend(pid) {others}")).await?;
        } else if let Some(busy) =
            client.query_opt(&format!("select pid {others} order by state_change desc limit 1"), &[]).await?
        {
            let process: i32 = busy.try_get(0)?;
            // It may have ended already.
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
        connection.abort();
        Ok(())
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
