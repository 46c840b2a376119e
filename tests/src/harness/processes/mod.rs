//! The service's processes: start them, stop them, kill them, and run the operator's command.

pub mod binary;

use std::time::{Duration, Instant};

use rollcall_servers::{Launch, Process};

use crate::harness::condition::eventually;
use crate::harness::stack::Stack;
use binary::binary_path;

/// How long a process may take to refuse to start.
const REFUSAL_LIMIT: Duration = Duration::from_secs(20);

impl Stack {
    /// Starts the API and waits until it is ready.
    pub async fn start_api(&mut self) {
        self.start_api_with(&[]).await;
    }

    /// Starts the API with these additional environment variables and waits until it is ready.
    pub async fn start_api_with(&mut self, environment: &[(&str, &str)]) {
        self.launch_api_with(environment);
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if self.is_ready().await {
                return;
            }
            let ended = self.api.as_mut().and_then(Process::ended);
            assert!(ended.is_none(), "the API exited: {}", self.logs());
            assert!(Instant::now() < deadline, "the API is not ready: {}", self.logs());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Starts or restarts the API without waiting until it is ready.
    pub fn launch_api(&mut self) {
        self.launch_api_with(&[]);
    }

    fn launch_api_with(&mut self, environment: &[(&str, &str)]) {
        let environment = with(&self.api_env, environment);
        let launch = self.launch("rollcall-api", &environment);
        self.api = Some(Process::start(&launch).expect("the API is built (cargo build --workspace --bins)"));
    }

    /// Starts one more worker.
    pub fn start_worker(&mut self) {
        self.start_worker_with(&[]);
    }

    /// Starts one more worker with these additional environment variables.
    pub fn start_worker_with(&mut self, environment: &[(&str, &str)]) {
        let environment = with(&self.worker_env, environment);
        let launch = self.launch("rollcall-worker", &environment);
        let worker = Process::start(&launch).expect("the worker is built (cargo build --workspace --bins)");
        self.workers.push(worker);
    }

    fn launch(&self, binary: &str, environment: &[(String, String)]) -> Launch {
        let mut launch = Launch::new(binary_path(binary), self.folder.path().join(format!("{binary}.log")));
        for (name, value) in self.environment.iter().chain(environment) {
            launch = launch.env(name, value);
        }
        launch
    }

    /// Starts a process that is expected to refuse, with these additional environment variables. Returns its exit status
    /// and what it wrote to standard error.
    pub async fn refusal_of(&self, binary: &str, environment: &[(&str, &str)]) -> (Option<i32>, String) {
        let own = if binary == "rollcall-api" { &self.api_env } else { &self.worker_env };
        let mut command = tokio::process::Command::new(binary_path(binary));
        command
            .envs(self.environment.iter().chain(own).map(|(name, value)| (name, value)))
            .env("ROLLCALL_LISTEN", "127.0.0.1:0")
            .envs(environment.iter().copied())
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true);
        let ended = tokio::time::timeout(REFUSAL_LIMIT, command.output()).await;
        let output = ended.expect("the process refuses to start").expect("the process is built");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Runs the operator's command with these additional environment variables.
    pub async fn rollcall_with(
        &self,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<String, String> {
        self.run_rollcall(arguments, environment).await.map(|(output, _)| output)
    }

    /// Runs the operator's command. Returns its standard output if it succeeds, or else its standard error.
    pub async fn rollcall(&self, arguments: &[&str]) -> Result<String, String> {
        self.rollcall_with(arguments, &[]).await
    }

    /// Runs the operator's command. Returns its standard output and standard error if it succeeds, or else the latter.
    pub async fn rollcall_streams(&self, arguments: &[&str]) -> Result<(String, String), String> {
        self.run_rollcall(arguments, &[]).await
    }

    async fn run_rollcall(
        &self,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<(String, String), String> {
        let mut command = tokio::process::Command::new(binary_path("rollcall"));
        command
            .args(arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("ROLLCALL_OWNER_DATABASE_URL", &self.test_database.url)
            .envs(environment.iter().copied());
        let output = command.output().await.expect("the command is built");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the command writes UTF-8");
        let (out, errors) = (text(output.stdout), text(output.stderr));
        if output.status.success() { Ok((out, errors)) } else { Err(errors) }
    }

    pub fn api(&mut self) -> &mut Process {
        self.api.as_mut().expect("the API runs")
    }

    /// A worker by its number, counted from 0 in the order in which they were started.
    pub fn worker(&mut self, number: usize) -> &mut Process {
        &mut self.workers[number]
    }

    pub fn api_id(&self) -> u32 {
        self.api.as_ref().expect("the API runs").id()
    }

    pub fn worker_ids(&self) -> Vec<u32> {
        self.workers.iter().map(Process::id).collect()
    }

    /// Stops the API with SIGTERM and waits until it has exited.
    pub async fn stop_api(&mut self) {
        let api = self.api.as_mut().expect("the API runs");
        api.ask_to_stop();
        eventually("the API exits after SIGTERM", async || api.ended()).await;
    }

    /// Stops a worker with SIGTERM and waits until it has exited.
    pub async fn stop_worker(&mut self, number: usize) {
        self.workers[number].ask_to_stop();
        let worker = &mut self.workers[number];
        eventually("the worker exits after SIGTERM", async || worker.ended()).await;
        self.workers.remove(number);
    }

    /// Stops every worker with SIGTERM and waits until they have exited.
    pub fn stop_workers(&mut self) {
        for mut worker in self.workers.drain(..) {
            assert!(worker.stop(Duration::from_secs(20)), "the worker exits after SIGTERM");
        }
    }

    /// Kills a worker with SIGKILL.
    pub fn kill_worker(&mut self, number: usize) {
        self.workers.remove(number).kill();
    }

    /// Kills every worker with SIGKILL.
    pub fn kill_workers(&mut self) {
        for mut worker in self.workers.drain(..) {
            worker.kill();
        }
    }

    /// Starts a worker with these additional environment variables for each that has died, and returns how many had.
    pub fn replace_dead_workers(&mut self, environment: &[(&str, &str)]) -> usize {
        let before = self.workers.len();
        self.workers.retain_mut(|worker| worker.ended().is_none());
        let dead = before - self.workers.len();
        for _ in 0..dead {
            self.start_worker_with(environment);
        }
        dead
    }

    /// Asserts that no process has exited on its own.
    pub fn assert_no_process_exited(&mut self) {
        let ended = self.workers.iter_mut().chain(&mut self.api).find_map(Process::ended);
        assert!(ended.is_none(), "a process exited on its own: {ended:?}");
    }
}

fn with(environment: &[(String, String)], more: &[(&str, &str)]) -> Vec<(String, String)> {
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    environment.iter().cloned().chain(more).collect()
}
