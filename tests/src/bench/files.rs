//! The files to import. Each is written once and used by both sides in every round.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;

use tempfile::TempDir;

use crate::rosters::large::{RosterOptions, write_memberships, write_roster};
use crate::rosters::rng::Rng;

/// A temporary folder of files, deleted on drop.
pub struct Files {
    folder: TempDir,
}

impl Files {
    pub fn new() -> Self {
        Self { folder: TempDir::new().expect("a temporary folder can be created") }
    }

    /// A file of users. A file that exists is used again, so each `name` must stand for one set of options.
    pub fn users(&self, name: &str, rows: u64, options: &RosterOptions) -> PathBuf {
        self.file(&format!("{name}-{rows}.csv"), |out| write_roster(out, rows, options))
    }

    /// The same rows as in [`Files::users`], in random order: the same one each time.
    pub fn users_in_random_order(&self, name: &str, rows: u64, options: &RosterOptions) -> PathBuf {
        self.file(&format!("{name}-{rows}-random.csv"), |out| {
            let mut sorted = Vec::new();
            write_roster(&mut sorted, rows, options)?;
            // Large rosters contain no quoted cells.
            let mut lines: Vec<&[u8]> = sorted.split_inclusive(|byte| *byte == b'\n').collect();
            Rng::new(rows).shuffle(&mut lines[1..]);
            out.write_all(&lines.concat())
        })
    }

    /// A file of memberships of the users that the default options give, with the library groups assigned round-robin.
    pub fn memberships(&self, rows: u64, library_groups: &[&str]) -> PathBuf {
        let options = RosterOptions::default();
        self.file("memberships.csv", |out| write_memberships(out, rows, &options, library_groups, &[]))
    }

    fn file(&self, name: &str, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> PathBuf {
        let path = self.folder.path().join(name);
        if !path.exists() {
            let mut out =
                BufWriter::new(File::create(&path).expect("a file can be created in the temporary folder"));
            write(&mut out).and_then(|()| out.flush()).expect("the disk has room for the roster");
        }
        path
    }
}
