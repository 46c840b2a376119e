//! A server's folder: whose it is, and what was written down in it for the next start.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::folder_lock::FolderLock;
use crate::system_user::SystemUser;
use crate::{port, secret};

/// A server's locked folder and the user that owns it.
#[derive(Debug)]
pub(crate) struct ServerFolder {
    path: PathBuf,
    user: Option<SystemUser>,
    _lock: FolderLock,
}

/// Where root's servers have their folders when the one that was asked for is out of their users' reach.
const WITHIN_REACH: &str = "/var/lib/rollcall";

/// Puts a link in the place of a folder that nothing is in yet, to a new one that every user can get to: a checkout
/// under `/root` is no reason not to start. One that is in use stays where it is.
fn move_within_reach(folder: PathBuf) -> Result<PathBuf, Error> {
    let is_empty = fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_none());
    if !is_empty {
        return Ok(folder);
    }
    let target = Path::new(WITHIN_REACH).join(secret::random_hex(8)?);
    DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(&target)
        .map_err(Error::file("create the folder", &target))?;
    fs::remove_dir(&folder)
        .and_then(|()| std::os::unix::fs::symlink(&target, &folder))
        .map_err(Error::file("put a link in place of", &folder))?;
    Ok(target)
}

impl ServerFolder {
    /// Creates the folder where it is missing, gives it to `system_user` and locks it.
    pub(crate) fn open(server: &'static str, path: &Path, user: Option<SystemUser>) -> Result<Self, Error> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(path)
            .map_err(Error::file("create the folder", path))?;
        // Absolute and free of links, because a server's processes are found again by this path.
        let mut path = path.canonicalize().map_err(Error::file("find the folder", path))?;
        if let Some(user) = &user
            && user.can_reach(server, &path).is_err()
        {
            path = move_within_reach(path)?;
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

    /// Creates the folder `name` in here, for the server's eyes only.
    pub(crate) fn create_folder(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.join(name);
        if !path.is_dir() {
            DirBuilder::new().mode(0o700).create(&path).map_err(Error::file("create the folder", &path))?;
        }
        self.give(&path)?;
        Ok(path)
    }

    /// Writes the file `name`, readable by the server and us alone.
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
        self.give(&path)?;
        Ok(path)
    }

    /// The secret of that name: the one written down here, or a new one.
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

    /// The port of that name: the one of the last start if it is still free, else another.
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

    fn give(&self, path: &Path) -> Result<(), Error> {
        self.user.as_ref().map_or(Ok(()), |user| user.chown(path))
    }
}
