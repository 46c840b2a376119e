//! A lock on a folder, so that only one process uses it at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::Error;

/// An exclusive lock on a folder. It is released when this value is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct FolderLock {
    // The kernel releases the lock when the file is closed. Child processes do not inherit it.
    _file: File,
}

impl FolderLock {
    /// Locks the existing `folder`. If another process holds the lock, the error contains its process id.
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
