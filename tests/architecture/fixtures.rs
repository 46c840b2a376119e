//! The checks themselves, tried on small sources.

use std::collections::BTreeMap;

use crate::imports::Imports;
use crate::sources::{Workspace, room};

const MANIFEST: (&str, &str) = ("a/Cargo.toml", "name = \"the-crate\"");

fn workspace(files: &[(&str, &str)]) -> Workspace {
    let files = files.iter().chain([&MANIFEST]).map(|(file, text)| ((*file).into(), (*text).into()));
    Workspace::new(&["a"], files.collect::<BTreeMap<String, String>>())
}

/// Who imports whom in a crate of these files, without the `a/src/` before their names.
fn imports(files: &[(&str, &str)]) -> Vec<String> {
    let imports = Imports::of(&workspace(files));
    let short = |file: &str| file.trim_start_matches("a/src/").to_owned();
    imports
        .all()
        .map(|import| format!("{}:{} {}", short(&import.from), import.line, short(&import.to)))
        .collect()
}

fn circles(files: &[(&str, &str)]) -> Vec<String> {
    Imports::of(&workspace(files)).circles()
}

#[test]
fn a_circle_is_found_and_shown_with_its_lines() {
    let files = [
        ("a/src/lib.rs", "mod x;\nmod y;\nmod z;"),
        ("a/src/x.rs", "use crate::y::Y;\npub struct X(Y);"),
        ("a/src/y.rs", "pub struct Y;\nfn f() {\n    crate::z::g()\n}"),
        ("a/src/z/mod.rs", "use crate::x::X;\npub fn g() {}"),
    ];
    assert_eq!(
        circles(&files),
        ["  a/src/x.rs:1 imports a/src/y.rs\n      use crate::y::Y;\n  \
          a/src/y.rs:3 imports a/src/z/mod.rs\n      crate::z::g()\n  \
          a/src/z/mod.rs:1 imports a/src/x.rs\n      use crate::x::X;\n"]
    );
}

#[test]
fn two_circles_are_two() {
    let files = [
        ("a/src/lib.rs", "mod x; mod y; mod z;"),
        ("a/src/x.rs", "use crate::y::Y; pub struct X;"),
        ("a/src/y.rs", "use crate::{x::X, z::Z}; pub struct Y;"),
        ("a/src/z.rs", "use crate::y::Y; pub struct Z;"),
    ];
    assert_eq!(circles(&files).len(), 2);
}

#[test]
fn declarations_are_no_imports() {
    let files = [
        ("a/src/lib.rs", "pub mod x;"),
        ("a/src/x/mod.rs", "pub mod y;\npub struct X;"),
        ("a/src/x/y.rs", "use super::X;"),
    ];
    assert_eq!(imports(&files), ["x/y.rs:1 x/mod.rs"]);
    assert_eq!(circles(&files), Vec::<String>::new());
}

#[test]
fn super_and_self_are_followed() {
    let files = [
        ("a/src/lib.rs", "mod x;\nmod y;"),
        ("a/src/x/mod.rs", "mod part;\nfn f() { self::part::g(); }"),
        ("a/src/x/part.rs", "pub fn g() { super::super::y::h(); super::f() }"),
        ("a/src/y.rs", "pub fn h() {}"),
    ];
    assert_eq!(imports(&files), ["x/mod.rs:2 x/part.rs", "x/part.rs:1 x/mod.rs", "x/part.rs:1 y.rs"]);
}

#[test]
fn groups_renames_and_globs_are_taken_apart() {
    let files = [
        ("a/src/lib.rs", "mod x; mod y; mod z; mod w;"),
        ("a/src/w.rs", "use crate::{\n  x::{self, X},\n  y::Y as Other,\n};\nuse crate::z::*;"),
        ("a/src/x.rs", "pub struct X;"),
        ("a/src/y.rs", "pub struct Y;"),
        ("a/src/z.rs", "pub struct Z;"),
    ];
    assert_eq!(imports(&files), ["w.rs:2 x.rs", "w.rs:3 y.rs", "w.rs:5 z.rs"]);
}

#[test]
fn a_module_brought_in_by_use_counts_where_something_of_it_is_used() {
    let files = [
        ("a/src/lib.rs", "mod rooms; mod w;"),
        ("a/src/rooms/mod.rs", "pub mod x;\npub mod y;\npub struct Facade;"),
        ("a/src/rooms/x.rs", "pub fn f() {}"),
        ("a/src/rooms/y.rs", "pub fn g() {}"),
        (
            "a/src/w.rs",
            "use crate::rooms;\nuse crate::rooms::x;\nfn h() {\n    x::f();\n    rooms::y::g();\n}",
        ),
    ];
    assert_eq!(imports(&files), ["w.rs:4 rooms/x.rs", "w.rs:5 rooms/y.rs"]);
}

#[test]
fn a_re_export_is_followed_to_the_file_that_holds_the_item() {
    let files = [
        ("a/src/lib.rs", "mod rooms; mod w;"),
        ("a/src/rooms/mod.rs", "mod x; mod y;\npub use x::X;\npub use self::y::*;"),
        ("a/src/rooms/x.rs", "pub struct X;"),
        ("a/src/rooms/y.rs", "pub struct Y;\nfn f(_: super::X) {}"),
        ("a/src/w.rs", "use crate::rooms::X;\nuse crate::rooms::Y;"),
    ];
    assert_eq!(imports(&files), ["rooms/y.rs:2 rooms/x.rs", "w.rs:1 rooms/x.rs", "w.rs:2 rooms/y.rs"]);
}

#[test]
fn macros_and_attributes_are_read() {
    let files = [
        ("a/src/lib.rs", "mod x; mod y; mod w;"),
        (
            "a/src/w.rs",
            "use crate::y;\n#[arg(parser = crate::x::parse)]\nstruct W;\nfn f() {\n    select! { _ = y::g(1) => {} }\n}",
        ),
        ("a/src/x.rs", "pub fn parse() {}"),
        ("a/src/y.rs", "pub fn g() {}"),
    ];
    assert_eq!(imports(&files), ["w.rs:2 x.rs", "w.rs:5 y.rs"]);
}

#[test]
fn tests_comments_and_strings_are_not_read() {
    let files = [
        ("a/src/lib.rs", "mod x; mod y;"),
        ("a/src/y.rs", "pub fn g() {}"),
        (
            "a/src/x.rs",
            "//! [`crate::y::g`]\n// crate::y::g()\nconst C: &str = \"crate::y::g\";\n#[cfg(test)]\nmod tests {\n    use \
             crate::y::g;\n}\n#[cfg(test)]\nfn f() { crate::y::g() }\nimpl X {\n    #[cfg(test)]\n    fn f() { crate::y::g() }\n}",
        ),
    ];
    assert_eq!(imports(&files), Vec::<String>::new());
}

#[test]
fn a_file_of_tests_is_known_but_not_read() {
    let files = [
        ("a/src/lib.rs", "mod x;\n#[cfg(test)]\nmod tests;"),
        ("a/src/tests.rs", "use crate::x::X;"),
        ("a/src/x.rs", "pub struct X;"),
        ("a/src/forgotten.rs", ""),
    ];
    assert_eq!(imports(&files), Vec::<String>::new());
    assert_eq!(workspace(&files).files_without_module(), ["a/src/forgotten.rs"]);
}

#[test]
fn other_crates_are_named() {
    let files = [
        (
            "a/src/lib.rs",
            "mod http;\nuse axum::http::StatusCode;\nuse hyper as h;\nfn f() { h::body(); crate::http::g(); csv::read() }",
        ),
        ("a/src/http.rs", "pub fn g() {}"),
        ("a/src/main.rs", "fn main() { the_crate::run() }"),
    ];
    let imports = Imports::of(&workspace(&files));
    let mut crates: Vec<&str> = imports.crates.iter().map(|named| named.name.as_str()).collect();
    crates.dedup();
    assert_eq!(crates, ["axum", "hyper", "csv", "the_crate"]);
}

#[test]
fn a_room_is_the_first_folder_or_file() {
    assert_eq!(room("worker/src/read/records.rs"), ("worker", "read"));
    assert_eq!(room("deploy/cli/src/main.rs"), ("deploy/cli", "main"));
    assert_eq!(room("tests/promises/tls.rs"), ("tests/promises", "tls"));
}
