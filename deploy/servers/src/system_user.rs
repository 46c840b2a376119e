//! As whom a server runs: PostgreSQL refuses to be root, and nothing else here needs to be.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{User, geteuid};

use crate::error::Error;

/// An ordinary user to become. There is none when we are an ordinary user already.
#[derive(Debug, Clone)]
pub(crate) struct SystemUser {
    pub(crate) name: String,
    uid: u32,
    gid: u32,
}

impl SystemUser {
    /// Whom to run `server` as: ourselves (`None`), or when we are root the user its package made, or `nobody`.
    pub(crate) fn for_server(server: &'static str, preferred: &'static str) -> Result<Option<Self>, Error> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        [preferred, "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Some(Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() }))
            .ok_or(Error::NoOrdinaryUser { server, preferred })
    }

    /// The options that make `setpriv` become this user.
    pub(crate) fn setpriv_args(&self) -> [String; 3] {
        [format!("--reuid={}", self.uid), format!("--regid={}", self.gid), "--clear-groups".to_owned()]
    }

    /// Makes `path` this user's own.
    pub(crate) fn chown(&self, path: &Path) -> Result<(), Error> {
        chown(path, Some(self.uid), Some(self.gid)).map_err(Error::file("change the owner", path))
    }

    /// Checks that this user can get to `folder`, by trying every step of the way as that user.
    pub(crate) fn can_reach(&self, server: &'static str, folder: &Path) -> Result<(), Error> {
        let mut way: Vec<_> = folder.ancestors().collect();
        way.reverse();
        let output = Command::new("setpriv")
            .args(self.setpriv_args())
            .args([
                "sh",
                "-c",
                r#"for step; do [ -x "$step" ] || { printf %s "$step"; exit 1; }; done"#,
                "sh",
            ])
            .args(&way)
            .current_dir("/")
            .output()
            .map_err(|_| Error::NotInstalled { program: "setpriv", package: "util-linux" })?;
        if output.status.success() {
            return Ok(());
        }
        let blocked = PathBuf::from(String::from_utf8_lossy(&output.stdout).into_owned());
        Err(Error::OutOfReach { server, user: self.name.clone(), blocked })
    }
}
