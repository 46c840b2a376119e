//! The files to import. Each is written once and used by both sides in every round.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::service::all;
use crate::harness::{Row, result};
use crate::rosters::large::{RosterOptions, write_memberships, write_roster};
use crate::rosters::real::RealRoster;

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

    /// A night's roster of a district.
    pub fn real(&self, roster: &RealRoster) -> RosterFile {
        let RealRoster { users, district, night, order, passwords } = roster;
        let name = format!("real-{users}-{district}-{night:?}-{order:?}-{passwords}.csv");
        // Written each time, because its outcomes are needed: a million rows take two seconds.
        let mut outcomes = Vec::new();
        let path = self.folder.path().join(name);
        write_file(&path, |out| {
            outcomes = roster.write(out)?;
            Ok(())
        });
        RosterFile { path, rows: *users, expected: result(&outcomes) }
    }

    /// A file of memberships of all users of a district's roster, with the library groups assigned round-robin.
    pub fn real_memberships(&self, roster: &RealRoster, library_groups: &[&str]) -> PathBuf {
        self.file("real-memberships.csv", |out| roster.write_memberships(out, library_groups))
    }

    /// A file of memberships of the users that the default options give, with the library groups assigned round-robin.
    pub fn memberships(&self, rows: u64, library_groups: &[&str]) -> PathBuf {
        let options = RosterOptions::default();
        self.file("memberships.csv", |out| write_memberships(out, rows, &options, library_groups, &[]))
    }

    fn file(&self, name: &str, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> PathBuf {
        let path = self.folder.path().join(name);
        if !path.exists() {
            write_file(&path, write);
        }
        path
    }
}

/// A roster to import.
#[derive(Debug, Clone)]
pub struct RosterFile {
    pub path: PathBuf,
    pub rows: u64,
    /// The result of importing it.
    pub expected: String,
}

impl RosterFile {
    /// The same file, to be imported when all of its users exist.
    #[must_use]
    pub fn again(&self) -> Self {
        Self { expected: all(self.rows, Row::Updated), ..self.clone() }
    }
}

fn write_file(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) {
    let mut out = BufWriter::new(File::create(path).expect("a file can be created in the temporary folder"));
    write(&mut out).and_then(|()| out.flush()).expect("the disk has room for the roster");
}
