//! The folder of one server: its owner, its lock, and the password and ports that are kept in it for the next start.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::folder_lock::FolderLock;
use crate::system_user::SystemUser;
use crate::{port, secret};

/// The locked folder of a server, and the user that the server runs as.
#[derive(Debug)]
pub(crate) struct ServerFolder {
    path: PathBuf,
    user: Option<SystemUser>,
    _lock: FolderLock,
}

/// Where a server that root starts keeps its folder if the server's user cannot reach the folder that was asked for.
const REACHABLE_FOLDERS: &str = "/var/lib/rollcall";

/// Replaces an empty folder with a link to a new folder that every user can reach, so that a server starts even from a
/// checkout under `/root`. A folder with content stays where it is.
fn make_reachable(folder: PathBuf) -> Result<PathBuf, Error> {
    let is_empty = fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_none());
    if !is_empty {
        return Ok(folder);
    }
    let target = Path::new(REACHABLE_FOLDERS).join(secret::random_hex(8)?);
    DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(&target)
        .map_err(Error::file("create the folder", &target))?;
    fs::remove_dir(&folder)
        .and_then(|()| std::os::unix::fs::symlink(&target, &folder))
        .map_err(Error::file("replace with a link", &folder))?;
    Ok(target)
}

impl ServerFolder {
    /// Creates the folder if it does not exist, locks it and makes `user` its owner.
    pub(crate) fn open(server: &'static str, path: &Path, user: Option<SystemUser>) -> Result<Self, Error> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(path)
            .map_err(Error::file("create the folder", path))?;
        // Absolute and without symbolic links, because a server's processes are found by this path.
        let mut path = path.canonicalize().map_err(Error::file("find the folder", path))?;
        if let Some(user) = &user
            && user.can_reach(server, &path).is_err()
        {
            path = make_reachable(path)?;
        }
        let lock = FolderLock::take(&path)?;
        let folder = Self { path, user, _lock: lock };
        if let Some(user) = &folder.user {
            user.chown(&folder.path)?;
            user.can_reach(server, &folder.path)?;
        }
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn user(&self) -> Option<&SystemUser> {
        self.user.as_ref()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Creates the folder `name` in this folder, accessible only to the server.
    pub(crate) fn create_folder(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.join(name);
        if !path.is_dir() {
            DirBuilder::new().mode(0o700).create(&path).map_err(Error::file("create the folder", &path))?;
        }
        self.chown(&path)?;
        Ok(path)
    }

    /// Writes the file `name`, readable only by the server.
    pub(crate) fn write(&self, name: &str, content: &str) -> Result<PathBuf, Error> {
        let path = self.join(name);
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(content.as_bytes()))
            .map_err(Error::file("write", &path))?;
        self.chown(&path)?;
        Ok(path)
    }

    /// Returns the secret in the file `name`, which is created with a random secret if it does not exist.
    pub(crate) fn secret(&self, name: &str) -> Result<String, Error> {
        if let Ok(known) = fs::read_to_string(self.join(name))
            && !known.is_empty()
        {
            return Ok(known);
        }
        let new = secret::random_hex(16)?;
        self.write(name, &new)?;
        Ok(new)
    }

    /// Returns the port in the file `name`: the one of the last start if it is still free, else a new one.
    pub(crate) fn port(&self, name: &str) -> Result<u16, Error> {
        let last: Option<u16> =
            fs::read_to_string(self.join(name)).ok().and_then(|port| port.trim().parse().ok());
        if let Some(last) = last.filter(|&last| port::is_free(last)) {
            return Ok(last);
        }
        let new = port::free()?;
        self.write(name, &new.to_string())?;
        Ok(new)
    }

    fn chown(&self, path: &Path) -> Result<(), Error> {
        self.user.as_ref().map_or(Ok(()), |user| user.chown(path))
    }
}
