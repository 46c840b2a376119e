//! Who runs the command, and on which machine: what the audit says of it.

use nix::unistd::{User, gethostname, getuid};
use rollcall_schema::audit::{Actor, ActorKind};

/// The user of the operating system, which the command does not take from the environment. Who became root with sudo is
/// named as well, as far as sudo says so.
pub fn actor() -> Actor {
    let uid = getuid();
    let name = User::from_uid(uid).ok().flatten().map_or_else(|| format!("uid {uid}"), |user| user.name);
    let sudo = std::env::var("SUDO_USER").ok().filter(|_| uid.is_root());
    let name = sudo.map_or(name.clone(), |by| format!("{name} (sudo by {})", short(&by)));
    let host = gethostname().ok().and_then(|host| host.into_string().ok());
    Actor { kind: ActorKind::Operator, name, origin: host.unwrap_or_else(|| "unknown".to_owned()) }
}

/// At most as long as a user's name may be.
fn short(text: &str) -> String {
    text.chars().take(32).collect()
}
