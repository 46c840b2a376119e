//! Words that the tree does not use, because a plainer one says the same.

use std::path::Path;

/// What is not written, and what says it instead. Names are read as their words: `by_hand` and `ByHand` are "by hand".
#[rustfmt::skip]
const INSTEAD: &[(&str, &str)] = &[
    ("amid", "during, in the middle of"),
    ("becomes of", "the outcome of, what happens to"),
    ("became of", "the outcome of, what happened to"),
    ("become of", "the outcome of, what happens to"),
    ("behind", "after, later than (only a proxy has something behind it)"),
    ("by hand", "manually, by an operator"),
    ("edge", "crash point; boundary, end"),
    ("edges", "crash points; boundaries, ends"),
    ("mend", "fix, correct"),
    ("mends", "fixes, corrects"),
    ("mended", "fixed, corrected"),
    ("mending", "fixing, correcting"),
    ("nobody", "no client, no worker, nothing: name the thing"),
    ("patience", "timeout, retry, delay"),
    ("somebody", "a client, a worker, an operator: name the thing"),
    ("whoever", "the client, the worker that …: name the thing"),
];

/// Where they are the plain word.
const ALLOWED: &[&str] = &[
    "behind a proxy",
    "behind a reverse proxy",
    "behind a load balancer",
    "behind the proxy",
    "behind nginx",
    "edge case",
    "edge cases",
    // cargo's option.
    "tree edges",
    "locked edges",
    // The Unix user.
    "user nobody",
    "else nobody",
    "preferred nobody",
    // A sentence of the contract, which is kept as it was agreed.
    "data behind them",
    // Settings by the names they had.
    "rollcall edge",
    "wake up patience seconds",
];

/// This list, and what is not ours to word.
const NOT_READ: &[&str] =
    &["tests/architecture/words.rs", "Cargo.lock", "LICENSE", "target", ".git", "deploy/secrets"];

/// `file:line: …` for each place of the repository in which one of the words stands.
pub fn found_in(repository: &Path) -> Vec<String> {
    let mut found = Vec::new();
    read_folder(repository, repository, &mut found);
    found.sort();
    found
}

fn read_folder(repository: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(repository).unwrap().to_str().unwrap();
        if NOT_READ.contains(&name) {
            continue;
        }
        let own_name = entry_name(&path);
        found.extend(found_in_text(own_name).into_iter().map(|(_, what)| format!("{name}: the name {what}")));
        if path.is_dir() {
            read_folder(repository, &path, found);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            found.extend(
                found_in_text(&text).into_iter().map(|(line, what)| format!("{name}:{line}: {what}")),
            );
        }
    }
}

fn entry_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap()
}

/// The lines in which one of the words stands, and what to write instead.
fn found_in_text(text: &str) -> Vec<(usize, String)> {
    let words = words(text);
    let stands_at = |at: usize, phrase: &str| {
        let mut phrase = phrase.split(' ').enumerate();
        phrase.all(|(offset, word)| words.get(at + offset).is_some_and(|(_, found)| found == word))
    };
    let mut found = Vec::new();
    for (at, (line, _)) in words.iter().enumerate() {
        for (phrase, instead) in INSTEAD {
            let allowed = |allowed: &str| {
                let length = allowed.split(' ').count();
                (at.saturating_sub(length - 1)..=at).any(|start| stands_at(start, allowed))
            };
            if stands_at(at, phrase)
                && !ALLOWED.iter().filter(|allowed| allowed.contains(phrase)).any(|it| allowed(it))
            {
                found.push((*line, format!("\"{phrase}\" → {instead}")));
            }
        }
    }
    found
}

/// The words of a text in small letters, each with its line. Names in snake and camel case are several.
fn words(text: &str) -> Vec<(usize, String)> {
    let mut words = Vec::new();
    let mut word = String::new();
    for (line, text) in text.lines().enumerate() {
        let mut after_small = false;
        for letter in text.chars().chain(['\n']) {
            if !word.is_empty() && (!letter.is_alphanumeric() || (after_small && letter.is_uppercase())) {
                words.push((line + 1, std::mem::take(&mut word)));
            }
            if letter.is_alphanumeric() {
                word.extend(letter.to_lowercase());
            }
            after_small = letter.is_lowercase();
        }
    }
    words
}

#[test]
fn words_are_found_in_prose_and_names() {
    let lines = |text: &str| found_in_text(text).into_iter().map(|(line, _)| line).collect::<Vec<_>>();
    assert_eq!(lines("Amid the import.\nfn by_hand() {}\nstruct ByHand;\nROLLCALL_PATIENCE"), [1, 2, 3, 4]);
    assert_eq!(lines("/// says what becomes\n/// of it"), [1]);
    assert_eq!(lines("recommended, knowledge, handed over by handlers"), Vec::<usize>::new());
    assert_eq!(lines("It runs behind a proxy, behind\nnginx; the row behind it"), [2]);
    assert_eq!(lines("cargo tree --edges features\nan edge case\nan edge"), [3]);
}
