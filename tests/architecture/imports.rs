//! Which file imports which: every path that a file names, followed through modules, `use` and re-exports to the file that
//! holds the item.
//!
//! A file is imported by those that use an item which stands in it. A module that is only passed through on the way to an
//! item is not, nor does `mod x;` import `x`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::sources::{Mention, Workspace};

#[derive(Clone)]
pub struct Import {
    pub from: String,
    pub to: String,
    pub line: usize,
    /// The line as it stands in the file.
    pub text: String,
}

/// Another crate, named by a file.
pub struct CrateNamed {
    pub from: String,
    pub name: String,
    pub line: usize,
}

pub struct Imports {
    /// The first line that imports, by importing and imported file.
    files: BTreeMap<(String, String), Import>,
    pub crates: Vec<CrateNamed>,
}

#[derive(Clone, Debug, PartialEq)]
enum Target {
    /// A tree and one of its modules.
    Module(usize, usize),
    /// An item in this module.
    Item(usize, usize),
    Crate(String),
}

/// Longer chains of `use` are taken for a name that stands for itself.
const CHAIN: usize = 16;

impl Imports {
    pub fn of(workspace: &Workspace) -> Self {
        let mut imports = Self { files: BTreeMap::new(), crates: Vec::new() };
        for (t, tree) in workspace.trees.iter().enumerate() {
            for (m, module) in tree.modules.iter().enumerate() {
                for mention in &module.mentions {
                    let target = resolve(workspace, (t, m), &mention.path, 0);
                    imports.add(workspace, &module.file, mention, target);
                }
            }
        }
        imports
    }

    fn add(&mut self, workspace: &Workspace, from: &str, mention: &Mention, target: Option<Target>) {
        let line = mention.line;
        match target {
            Some(Target::Item(tree, module)) => self.add_file(workspace, from, line, (tree, module)),
            Some(Target::Module(tree, module)) if mention.glob => {
                self.add_file(workspace, from, line, (tree, module));
            }
            Some(Target::Module(..)) | None => {}
            Some(Target::Crate(name)) => self.crates.push(CrateNamed { from: from.to_owned(), name, line }),
        }
    }

    fn add_file(&mut self, workspace: &Workspace, from: &str, line: usize, (tree, module): (usize, usize)) {
        if let Some(name) = &workspace.trees[tree].extern_name
            && !workspace.trees[tree].modules.iter().any(|module| module.file == from)
        {
            self.crates.push(CrateNamed { from: from.to_owned(), name: name.clone(), line });
        }
        let to = &workspace.trees[tree].modules[module].file;
        if to == from {
            return;
        }
        let text = workspace.files[from].lines().nth(line - 1).unwrap_or_default().trim().to_owned();
        let import = Import { from: from.to_owned(), to: to.clone(), line, text };
        let first = self.files.entry((from.to_owned(), to.clone())).or_insert_with(|| import.clone());
        if line < first.line {
            *first = import;
        }
    }

    pub fn all(&self) -> impl Iterator<Item = &Import> {
        self.files.values()
    }

    /// The shortest circle through each file that is on one, as text with the lines that make it.
    pub fn circles(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let mut circles = Vec::new();
        let files: BTreeSet<&str> = self.files.keys().map(|(from, _)| from.as_str()).collect();
        for file in files {
            let Some(circle) = self.circle_through(file) else { continue };
            let members: BTreeSet<&str> = circle.iter().map(|import| import.from.as_str()).collect();
            if seen.insert(members) {
                let lines = circle.iter().map(|import| {
                    format!(
                        "  {}:{} imports {}\n      {}\n",
                        import.from, import.line, import.to, import.text
                    )
                });
                circles.push(lines.collect());
            }
        }
        circles
    }

    fn circle_through(&self, start: &str) -> Option<Vec<&Import>> {
        let mut came_by: BTreeMap<&str, &Import> = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(file) = queue.pop_front() {
            for import in self.files.values().filter(|import| import.from == file) {
                if import.to == start {
                    let mut circle = vec![import];
                    while circle.last()?.from != start {
                        circle.push(came_by[circle.last()?.from.as_str()]);
                    }
                    circle.reverse();
                    return Some(circle);
                }
                came_by.entry(&import.to).or_insert_with(|| {
                    queue.push_back(&import.to);
                    import
                });
            }
        }
        None
    }
}

/// What a path stands for in a module. `None`: a local name, or one of the prelude.
fn resolve(
    workspace: &Workspace,
    (tree, module): (usize, usize),
    path: &[String],
    chain: usize,
) -> Option<Target> {
    if chain > CHAIN {
        return None;
    }
    let modules = &workspace.trees[tree].modules;
    let (first, rest) = path.split_first()?;
    let start = match first.as_str() {
        "crate" => Target::Module(tree, 0),
        "self" if rest.is_empty() => return None,
        "self" => Target::Module(tree, module),
        "super" => Target::Module(tree, modules[module].parent?),
        name => match member(workspace, (tree, module), name, chain) {
            Some(target) => target,
            None => other_crate(workspace, name, !rest.is_empty())?,
        },
    };
    descend(workspace, start, rest, chain)
}

fn descend(workspace: &Workspace, start: Target, rest: &[String], chain: usize) -> Option<Target> {
    let mut at = start;
    for name in rest {
        let Target::Module(tree, module) = at else { return Some(at) };
        at = if name == "super" {
            Target::Module(tree, workspace.trees[tree].modules[module].parent?)
        } else {
            // What is not found here is made by a macro of this module.
            member(workspace, (tree, module), name, chain).unwrap_or(Target::Item(tree, module))
        };
    }
    Some(at)
}

/// What a module calls by a name: a module in it, an item, or something that it imports.
fn member(workspace: &Workspace, (tree, module): (usize, usize), name: &str, chain: usize) -> Option<Target> {
    let here = &workspace.trees[tree].modules[module];
    if let Some(child) = here.children.get(name) {
        return Some(Target::Module(tree, *child));
    }
    if here.items.contains(name) {
        return Some(Target::Item(tree, module));
    }
    if let Some(path) = here.bindings.get(name) {
        let first = path.first()?;
        // `use axum;` or `use time::time;`: the name is a crate's.
        if first == name {
            return other_crate(workspace, name, true);
        }
        // What else `use hyper as h;` can mean is a crate, too.
        let resolved = resolve(workspace, (tree, module), path, chain + 1);
        return resolved.or_else(|| if path.len() == 1 { other_crate(workspace, first, true) } else { None });
    }
    here.globs.iter().find_map(|path| {
        let first = path.first()?;
        if first == name || chain >= CHAIN {
            return None;
        }
        match resolve(workspace, (tree, module), path, chain + 1)? {
            Target::Module(t, m) if (t, m) != (tree, module) => member(workspace, (t, m), name, chain + 1),
            _ => None,
        }
    })
}

fn other_crate(workspace: &Workspace, name: &str, followed: bool) -> Option<Target> {
    let ours = workspace.trees.iter().position(|tree| tree.extern_name.as_deref() == Some(name));
    match ours {
        Some(tree) => Some(Target::Module(tree, 0)),
        None => followed.then(|| Target::Crate(name.to_owned())),
    }
}
