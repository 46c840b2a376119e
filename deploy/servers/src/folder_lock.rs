//! A lock that makes a folder one process's own.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::Error;

/// A folder that is ours alone until this is dropped, or until our process ends in whatever way.
#[derive(Debug)]
pub struct FolderLock {
    // The kernel's lock goes with the open file; children do not inherit it.
    _file: File,
}

impl FolderLock {
    /// Takes the existing `folder` for this process, or says which process has it.
    pub fn take(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(Error::file("open the lock", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                let known = file.read_to_string(&mut owner).is_ok() && !owner.trim().is_empty();
                let owner = if known { owner.trim().to_owned() } else { "?".to_owned() };
                return Err(Error::InUse { folder: folder.to_owned(), owner });
            }
            Err(TryLockError::Error(source)) => {
                return Err(Error::File { action: "lock the folder", path, source });
            }
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(Error::file("write the lock", &path))?;
        Ok(Self { _file: file })
    }
}
