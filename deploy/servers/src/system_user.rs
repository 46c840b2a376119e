//! The operating-system user that a server runs as. PostgreSQL refuses to run as root, and no other server needs root.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{User, geteuid};

use crate::error::Error;

/// An unprivileged user for a server to run as, when this process runs as root.
#[derive(Debug, Clone)]
pub(crate) struct SystemUser {
    pub(crate) name: String,
    uid: u32,
    gid: u32,
}

impl SystemUser {
    /// The user to run `server` as: `None` for the current user or, if that is root, the user that the server's package
    /// created, else `nobody`.
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

    /// The options that make `setpriv` switch to this user.
    pub(crate) fn setpriv_args(&self) -> [String; 3] {
        [format!("--reuid={}", self.uid), format!("--regid={}", self.gid), "--clear-groups".to_owned()]
    }

    /// Makes this user the owner of `path`.
    pub(crate) fn chown(&self, path: &Path) -> Result<(), Error> {
        chown(path, Some(self.uid), Some(self.gid)).map_err(Error::file("change the owner", path))
    }

    /// Checks that this user can reach `folder`, by trying to enter each folder on the path as that user.
    pub(crate) fn can_reach(&self, server: &'static str, folder: &Path) -> Result<(), Error> {
        let mut path: Vec<_> = folder.ancestors().collect();
        path.reverse();
        let output = Command::new("setpriv")
            .args(self.setpriv_args())
            .args([
                "sh",
                "-c",
                r#"for step; do [ -x "$step" ] || { printf %s "$step"; exit 1; }; done"#,
                "sh",
            ])
            .args(&path)
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
