//! What the sources must hold to, read as text: no circle of files, lower floors that know nothing of upper ones, plain words.
//!
//! No server is needed. The graph of folders, for a note: `cargo test -p rollcall-tests --test architecture -- graph --nocapture`.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod floors;
mod imports;
mod sources;
mod words;

// The checks themselves, tried on small sources.
mod fixtures;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use imports::Imports;
use sources::Workspace;

#[test]
fn every_source_file_belongs_to_a_module() {
    let workspace = Workspace::of_this_repository();
    assert_eq!(workspace.files_without_module(), Vec::<&str>::new(), "files that no `mod` declares");
}

#[test]
fn no_two_files_import_each_other_in_a_circle() {
    let circles = Imports::of(Workspace::of_this_repository()).circles();
    assert!(circles.is_empty(), "{} circles of files:\n\n{}", circles.len(), circles.join("\n"));
}

#[test]
fn lower_floors_know_nothing_of_upper_ones() {
    let workspace = Workspace::of_this_repository();
    let broken = floors::broken(workspace, &Imports::of(workspace));
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_floors_are_those_of_the_tree() {
    let missing = floors::rooms_that_do_not_exist(Workspace::of_this_repository());
    assert!(missing.is_empty(), "floors.rs names folders or files that do not exist: {}", missing.join(", "));
}

#[test]
fn the_words_are_plain() {
    let found = words::found_in(&sources::repository());
    assert!(found.is_empty(), "{} places:\n{}", found.len(), found.join("\n"));
}

/// Prints which folder imports which.
#[test]
fn graph_of_folders() {
    let workspace = Workspace::of_this_repository();
    let imports = Imports::of(workspace);
    let mut graph: BTreeMap<(&str, &str), BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for file in workspace.module_files() {
        graph.entry(sources::room(file)).or_default();
    }
    for import in imports.all() {
        let (from, to) = (sources::room(&import.from), sources::room(&import.to));
        if from != to {
            graph.entry(from).or_default().entry(to.0).or_default().insert(to.1);
        }
    }
    let mut text = String::new();
    let mut package = "";
    for ((of, room), imported) in &graph {
        if *of != package {
            writeln!(text, "\n{of}").unwrap();
            package = of;
        }
        let lists: Vec<String> = imported
            .iter()
            .map(|(to, rooms)| {
                let rooms = rooms.iter().copied().collect::<Vec<_>>().join(", ");
                if to == of { rooms } else { format!("{to}: {rooms}") }
            })
            .collect();
        writeln!(
            text,
            "  {room:<18} → {}",
            if lists.is_empty() { "nothing".into() } else { lists.join(" | ") }
        )
        .unwrap();
    }
    println!("{text}");
}
