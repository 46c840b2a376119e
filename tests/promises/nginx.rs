//! Behind nginx, with the configuration that `deploy/README.md` gives and everything else as it comes, the service works
//! as it does without: waiting clients, large files, tenants by host name, throttled logins.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use rollcall_schema::tenants::tenant;
use rollcall_servers::{Launch, Process};
use rollcall_tests::harness::{
    ADMINISTRATOR, CurlOutput, Options, PASSWORD, Row, Stack, curl, eventually, free_port, result,
};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

/// The host name in the documented configuration.
const HOST: &str = "library.riverside.example";
const FILE: &str = "username,enabled,staffmember\njane,y,y\n";

/// A running nginx. It is killed when it is dropped.
struct Nginx {
    port: u16,
    certificate: PathBuf,
    _process: Process,
    folder: TempDir,
}

/// The server block in `deploy/README.md`.
fn documented_server() -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let block = text.split("```nginx\n").nth(1).expect("the README has an nginx example");
    block.split("```").next().unwrap().to_owned()
}

/// Replaces what stands exactly once.
#[track_caller]
fn replace_once(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    text.replace(from, to)
}

impl Nginx {
    /// Starts nginx in front of the stack's API and waits until it accepts connections.
    async fn start(stack: &Stack) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let pem = CertificateParams::new([HOST.to_owned()]).unwrap().self_signed(&key).unwrap().pem();
        let certificate = folder.path().join("certificate.pem");
        let key_file = folder.path().join("key.pem");
        std::fs::write(&certificate, pem).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();

        let port = free_port();
        let server = documented_server();
        let server = replace_once(&server, "listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl"));
        let server = replace_once(&server, "/etc/rollcall/certificate.pem", certificate.to_str().unwrap());
        let server = replace_once(&server, "/etc/rollcall/key.pem", key_file.to_str().unwrap());
        let server = replace_once(&server, "127.0.0.1:8443", &format!("127.0.0.1:{}", stack.port()));
        // What Debian's nginx.conf gives, in a folder of the test's own. Only root may name a user.
        let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("    {name}_temp_path {}/{name};\n", folder.path().display()))
            .concat();
        let user = if nix::unistd::geteuid().is_root() { "user root;\n" } else { "" };
        let config = format!(
            "{user}daemon off;\nworker_processes 1;\npid {0}/pid;\nerror_log stderr;\nevents {{}}\n\
             http {{\n    access_log off;\n{paths}\n{server}}}\n",
            folder.path().display()
        );
        let config_file = folder.path().join("nginx.conf");
        std::fs::write(&config_file, config).unwrap();
        let program = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"]
            .into_iter()
            .find(|program| Path::new(program).exists())
            .expect("nginx is installed (deploy/install-missing --tests)");
        let log = folder.path().join("log");
        let arguments = ["-c", config_file.to_str().unwrap(), "-e", "stderr"];
        let mut process = Process::start(&Launch::new(program, &log).args(arguments)).unwrap();
        eventually("nginx accepts connections", async || {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            assert!(process.ended().is_none(), "nginx exited: {log}");
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        Self { port, certificate, _process: process, folder }
    }

    /// The arguments with which curl connects to nginx as if it were the host.
    fn arguments(&self) -> Vec<String> {
        let resolve = format!("{HOST}:{}:127.0.0.1", self.port);
        vec!["--resolve".into(), resolve, "--cacert".into(), self.certificate.display().to_string()]
    }

    fn url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.port)
    }

    async fn upload(&self, file: &[u8]) -> CurlOutput {
        let path = self.folder.path().join("users.csv");
        std::fs::File::create(&path).unwrap().write_all(file).unwrap();
        let arguments =
            ["-u", &format!("{ADMINISTRATOR}:{PASSWORD}"), "-F", &format!("file=@{}", path.display())]
                .map(str::to_owned);
        curl(self.arguments().into_iter().chain(arguments).chain([self.url("/api/import/users")])).await
    }

    /// The status of a login from one of the machine's loopback addresses.
    async fn log_in(&self, from: &str, password: &str, header: &str) -> u16 {
        let arguments = ["-u", &format!("{ADMINISTRATOR}:{password}"), "--interface", from, "-H", header]
            .map(str::to_owned);
        curl(self.arguments().into_iter().chain(arguments).chain([self.url("/api/import/jobs")])).await.status
    }
}

async fn stack() -> Stack {
    let stack = Options::default()
        .workers(0)
        .api_env("ROLLCALL_CLIENT_ADDRESS_HEADER", "X-Real-IP")
        .api_env("ROLLCALL_TRUSTED_PROXIES", "127.0.0.1")
        .api_env("ROLLCALL_FAILED_LOGIN_DELAY_SECONDS", 0.1)
        .api_env("ROLLCALL_HEARTBEAT_AFTER_SECONDS", 0.2)
        .api_env("ROLLCALL_HEARTBEAT_EVERY_SECONDS", 0.2)
        .api_env("ROLLCALL_FAILED_LOGINS_PER_ACCOUNT", 3)
        .start()
        .await;
    // With a second tenant, only the host name says which one a request is for.
    stack.add_tenant("elsewhere").await;
    let mut conn = stack.database.connection().await.unwrap();
    tenant::add_hosts(&mut conn, stack.school().id, &[HOST.to_owned()]).await.unwrap();
    drop(conn);
    stack
}

#[tokio::test]
async fn waiting_client_sees_heartbeats() {
    let mut stack = stack().await;
    let nginx = Nginx::start(&stack).await;
    let file = nginx.folder.path().join("users.csv");
    std::fs::write(&file, FILE).unwrap();
    let mut client = Command::new("curl")
        .args(["--silent", "--no-buffer", "--noproxy", "*", "-u", &format!("{ADMINISTRATOR}:{PASSWORD}")])
        .args(nginx.arguments())
        .args(["-F", &format!("file=@{}", file.display()), &nginx.url("/api/import/users")])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut output = client.stdout.take().unwrap();
    let started = Instant::now();
    for _ in 0..2 {
        let byte = tokio::time::timeout(Duration::from_secs(20), output.read_u8()).await;
        assert_eq!(byte.expect("a heartbeat passes nginx").unwrap(), b' ', "{:?}", started.elapsed());
    }
    let unfinished = stack.rows("select id from imports where state <> 'finished'").await;
    assert_eq!(unfinished.len(), 1, "the import still waits");
    stack.start_worker();
    let mut rest = String::new();
    output.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest.trim_start_matches(' '), result(&[Row::Created]));
    assert!(client.wait().await.unwrap().success());
}

#[tokio::test]
async fn large_files_pass_and_refusals_arrive() {
    let mut stack = stack().await;
    stack.start_worker();
    let nginx = Nginx::start(&stack).await;
    // nginx allows 1 MiB unless it is told otherwise.
    let row = |n| format!("user{n},y,y,{}\n", "x".repeat(900_000));
    let large = format!("username,enabled,staffmember,other\n{}", (0..4).map(row).collect::<String>());
    assert!(large.len() > 3_000_000);
    let answer = nginx.upload(large.as_bytes()).await;
    assert_eq!(
        (answer.status, answer.body.trim_start()),
        (200, &*result(&[Row::Created; 4])),
        "{}",
        answer.error
    );
    // The limit that counts is the API's, and its answer is JSON.
    {
        let mut conn = stack.database.connection().await.unwrap();
        tenant::set_upload_limit(&mut conn, stack.school().id, 100 * 1024).await.unwrap();
    }
    for size in [200_000, 5_000_000] {
        let answer = nginx.upload(&vec![b'x'; size]).await;
        assert_eq!((answer.exit, answer.status), (0, 413), "{size}: {}", answer.error);
        assert!(answer.body.contains("larger than 100 KiB"), "{}", answer.body);
    }
}

#[tokio::test]
async fn tenant_and_client_are_those_of_the_request() {
    let stack = stack().await;
    let nginx = Nginx::start(&stack).await;
    let honest = "X-Nothing: x";
    assert_eq!(
        nginx.log_in("127.0.0.1", PASSWORD, honest).await,
        200,
        "the tenant is found by its host name"
    );
    // Another host arrives as it is, and is logged.
    let unknown = nginx.arguments().into_iter().chain(
        ["-u", &format!("{ADMINISTRATOR}:{PASSWORD}"), "-H", "Host: misspelt.example"].map(str::to_owned),
    );
    assert_eq!(curl(unknown.chain([nginx.url("/api/import/jobs")])).await.status, 401);
    assert!(stack.api_log().contains("misspelt.example"));

    for _ in 0..3 {
        assert_eq!(nginx.log_in("127.0.0.2", "wrong", honest).await, 401);
    }
    assert_eq!(nginx.log_in("127.0.0.2", "wrong", honest).await, 429, "that client is slowed");
    assert_eq!(
        nginx.log_in("127.0.0.2", "wrong", "X-Real-IP: 127.0.0.1").await,
        429,
        "and cannot claim to be another"
    );
    assert_eq!(nginx.log_in("127.0.0.1", "wrong", honest).await, 401, "another client is not");
    assert_eq!(nginx.log_in("127.0.0.2", PASSWORD, honest).await, 200, "and the right password is right");
}
