//! Who may not know whom.

use crate::imports::Imports;
use crate::sources::Workspace;

pub struct Floor {
    /// A folder or file (without `.rs`) from the root of the repository.
    room: &'static str,
    /// Folders and files likewise, or else names of crates.
    never: &'static [&'static str],
    why: &'static str,
}

const HTTP: &[&str] =
    &["axum", "http", "http_body", "hyper", "hyper_util", "reqwest", "tokio_rustls", "tower", "tower_http"];
const CSV: &[&str] = &["csv", "csv_core", "encoding_rs"];
const SERVICE: &[&str] = &["rollcall_schema", "rollcall_api", "rollcall_worker"];

#[rustfmt::skip]
const FLOORS: &[Floor] = &[
    // Crates.
    Floor { room: "schema/src", never: HTTP, why: "status codes live in api" },
    Floor { room: "schema/src", never: CSV, why: "columns and rows live in worker" },
    Floor { room: "api/src", never: CSV, why: "a file is bytes to the API" },
    Floor { room: "api/src", never: &["rollcall_worker"], why: "API and workers meet in the database and in RabbitMQ only" },
    Floor { room: "worker/src", never: HTTP, why: "how a result is answered is the API's concern" },
    Floor { room: "worker/src", never: &["rollcall_api"], why: "API and workers meet in the database and in RabbitMQ only" },
    Floor { room: "deploy/servers/src", never: SERVICE, why: "the private servers serve any program" },

    // schema
    Floor { room: "schema/src/postgres", never: &["schema/src/rabbitmq", "lapin"], why: "two servers, of which each can fail alone" },
    Floor { room: "schema/src/rabbitmq", never: &["schema/src/postgres", "diesel", "diesel_async", "tokio_postgres"], why: "two servers, of which each can fail alone" },
    Floor { room: "schema/src/imports", never: &["lapin"], why: "AMQP is spoken in rabbitmq only" },
    Floor { room: "schema/src/passwords", never: &["lapin"], why: "AMQP is spoken in rabbitmq only" },
    Floor { room: "schema/src/telemetry", never: &["lapin"], why: "AMQP is spoken in rabbitmq only" },
    Floor { room: "schema/src/ids", never: &["schema/src/postgres", "schema/src/rabbitmq", "schema/src/imports", "schema/src/tenants"], why: "everything is built on the identifiers" },
    Floor { room: "schema/src/crypto", never: &["schema/src/postgres", "schema/src/rabbitmq", "schema/src/imports", "schema/src/tenants", "schema/src/uploads"], why: "it encrypts bytes and does not know what they mean" },

    // api
    Floor { room: "api/src/openapi", never: &["api/src/state", "api/src/routes"], why: "the routes name its parts, and it none of them" },
    Floor { room: "api/src/auth", never: &["api/src/state", "api/src/routes"], why: "a service names the parts that it needs, not the whole application" },
    Floor { room: "api/src/imports", never: &["api/src/state", "api/src/routes"], why: "a service names the parts that it needs, not the whole application" },
    Floor { room: "api/src/middleware", never: &["api/src/state", "api/src/routes"], why: "a service names the parts that it needs, not the whole application" },
    Floor { room: "api/src/http", never: &["api/src/state", "api/src/routes", "api/src/auth", "api/src/imports"], why: "headers and answers serve every route" },

    // worker
    Floor { room: "worker/src/read", never: &["worker/src/rows", "worker/src/users", "worker/src/memberships", "worker/src/merge"], why: "the reader knows no columns" },
    Floor { room: "worker/src/rows", never: &["worker/src/users", "worker/src/memberships", "worker/src/merge"], why: "it is shared by every kind of import" },
    Floor { room: "worker/src/users", never: &["worker/src/memberships"], why: "one kind of import does not know the other" },
    Floor { room: "worker/src/memberships", never: &["worker/src/users"], why: "one kind of import does not know the other" },

    // tests
    Floor { room: "tests/src/oracle", never: SERVICE, why: "the oracle is written from the contract alone" },
];

impl Floor {
    fn rooms(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.room).chain(self.never.iter().copied().filter(|name| name.contains('/')))
    }
}

fn is_in(room: &str, file: &str) -> bool {
    file.strip_prefix(room).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// A sentence for each import that a floor forbids.
pub fn broken(workspace: &Workspace, imports: &Imports) -> Vec<String> {
    let mut broken = Vec::new();
    for Floor { room, never, why } in FLOORS {
        let forbidden_files = imports.all().filter(|import| {
            is_in(room, &import.from) && never.iter().any(|forbidden| is_in(forbidden, &import.to))
        });
        broken.extend(forbidden_files.map(|import| {
            format!("{}:{} imports {} ({why})\n      {}", import.from, import.line, import.to, import.text)
        }));
        let forbidden_crates = imports
            .crates
            .iter()
            .filter(|named| is_in(room, &named.from) && never.contains(&named.name.as_str()));
        broken
            .extend(forbidden_crates.map(|named| {
                format!("{}:{} names the crate {} ({why})", named.from, named.line, named.name)
            }));
        broken.extend(
            forbidden_dependencies(workspace, room, never)
                .map(|(manifest, name)| format!("{manifest} depends on {name} ({why})")),
        );
    }
    broken
}

/// What a floor forbids for a whole crate must not stand in its manifest either.
fn forbidden_dependencies<'a>(
    workspace: &'a Workspace,
    room: &'a str,
    never: &'a [&'a str],
) -> impl Iterator<Item = (String, &'a str)> {
    let manifest = room.strip_suffix("/src").map(|package| format!("{package}/Cargo.toml"));
    let text = manifest.as_ref().and_then(|file| workspace.files.get(file)).map_or("", String::as_str);
    let mut section = "";
    let dependencies = text.lines().filter_map(move |line| {
        if line.starts_with('[') {
            section = line;
        }
        let name = line.split(['.', ' ', '=']).next()?;
        section.contains("dependencies").then_some(name)
    });
    dependencies
        .filter(|name| never.contains(&name.replace('-', "_").as_str()))
        .map(move |name| (manifest.clone().unwrap_or_default(), name))
}

/// A floor about a room that was moved would hold for ever.
pub fn rooms_that_do_not_exist(workspace: &Workspace) -> Vec<&'static str> {
    let files = workspace.module_files();
    let mut missing: Vec<&str> = FLOORS
        .iter()
        .flat_map(Floor::rooms)
        .filter(|room| !files.iter().any(|file| is_in(room, file)))
        .collect();
    missing.sort_unstable();
    missing.dedup();
    missing
}
