//! The workspace's sources, as trees of modules: which file a module is in, what it declares, and which paths it names.
//!
//! Comments, strings and everything under `#[cfg(test)]` are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Meta, UseTree, Visibility};

/// Where the workspace's `Cargo.toml` is.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The package that a file belongs to, and its first folder (or file) there: `("worker", "read")` for `worker/src/read/records.rs`.
/// Targets other than the library and the package's program have their folder as package: `("tests/promises", "tls")`.
pub fn room(file: &str) -> (&str, &str) {
    let (package, rest) = file.split_once("/src/").unwrap_or_else(|| {
        file.match_indices('/').nth(1).map_or((file, file), |(slash, _)| (&file[..slash], &file[slash + 1..]))
    });
    let first = rest.split('/').next().unwrap();
    (package, first.strip_suffix(".rs").unwrap_or(first))
}

pub struct Workspace {
    /// Sources and manifests, by their path from the root of the repository.
    pub files: BTreeMap<String, String>,
    pub trees: Vec<Tree>,
    /// Files and folders of modules that only a test build has.
    only_tests: BTreeSet<String>,
}

/// A target of cargo: a library, a program or a test, with its modules. The first is the root.
pub struct Tree {
    /// What other crates call it, if they can.
    pub extern_name: Option<String>,
    pub modules: Vec<Module>,
}

#[derive(Default)]
pub struct Module {
    pub file: String,
    pub parent: Option<usize>,
    pub children: BTreeMap<String, usize>,
    pub items: BTreeSet<String>,
    /// The names that `use` brings in, with the path each stands for.
    pub bindings: BTreeMap<String, Vec<String>>,
    /// The paths before `::*`.
    pub globs: Vec<Vec<String>>,
    pub mentions: Vec<Mention>,
}

/// A path that stands in a module's code or in one of its `use`s.
pub struct Mention {
    pub path: Vec<String>,
    pub line: usize,
    /// `path::*`
    pub glob: bool,
}

impl Workspace {
    pub fn of_this_repository() -> &'static Self {
        static READ: LazyLock<Workspace> = LazyLock::new(Workspace::read);
        &READ
    }

    fn read() -> Self {
        let root = repository();
        let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
        let members = manifest.lines().find_map(|line| line.strip_prefix("members = [")).unwrap();
        let packages: Vec<&str> = members.split('"').skip(1).step_by(2).collect();
        let mut files = BTreeMap::new();
        for package in &packages {
            read_sources(&root, &root.join(package), &mut files);
        }
        Self::new(&packages, files)
    }

    /// The workspace with these packages, each a folder with its `Cargo.toml`.
    pub fn new(packages: &[&str], files: BTreeMap<String, String>) -> Self {
        let mut workspace = Self { files, trees: Vec::new(), only_tests: BTreeSet::new() };
        for package in packages {
            let manifest = &workspace.files[&format!("{package}/Cargo.toml")];
            let name = manifest.lines().find_map(|line| line.strip_prefix("name = \"")).unwrap();
            let name = name.trim_end_matches('"').replace('-', "_");
            let roots: Vec<String> =
                workspace.files.keys().filter(|file| is_root(package, file)).cloned().collect();
            for root in roots {
                let extern_name = root.ends_with("/src/lib.rs").then(|| name.clone());
                let mut tree = Tree { extern_name, modules: Vec::new() };
                let folder = root.rsplit_once('/').unwrap().0.to_owned();
                workspace.read_module(&mut tree, None, &root, &folder);
                workspace.trees.push(tree);
            }
        }
        workspace
    }

    pub fn module_files(&self) -> BTreeSet<&str> {
        self.trees.iter().flat_map(|tree| &tree.modules).map(|module| module.file.as_str()).collect()
    }

    pub fn files_without_module(&self) -> Vec<&str> {
        let known = self.module_files();
        let only_tests = |file: &str| {
            self.only_tests
                .iter()
                .any(|path| file.strip_prefix(path).is_some_and(|rest| rest.starts_with(['/', '.'])))
        };
        let sources = self.files.keys().map(String::as_str).filter(|file| is_rust(file));
        sources.filter(|file| !known.contains(file) && !only_tests(file)).collect()
    }

    /// Reads a file into the tree, with the modules that it declares. `folder` is where those are.
    fn read_module(&mut self, tree: &mut Tree, parent: Option<usize>, file: &str, folder: &str) -> usize {
        let syntax = syn::parse_file(&self.files[file]).unwrap_or_else(|error| panic!("{file}: {error}"));
        let module = tree.modules.len();
        tree.modules.push(Module { file: file.to_owned(), parent, ..Module::default() });
        let mut reader = Reader { workspace: self, tree, module, folder: folder.to_owned() };
        for item in &syntax.items {
            reader.visit_item(item);
        }
        module
    }
}

/// Whether cargo takes a file for the root of a target, as far as this workspace's manifests tell it to.
fn is_root(package: &str, file: &str) -> bool {
    let Some(path) = file.strip_prefix(package).and_then(|rest| rest.strip_prefix('/')) else { return false };
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        ["src", "lib.rs" | "main.rs"] => true,
        ["src", "bin", name] | ["tests", name] => is_rust(name),
        // The package `tests` has its tests in folders.
        [folder, "main.rs"] => folder != "src",
        _ => false,
    }
}

fn is_rust(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|extension| extension == "rs")
}

fn read_sources(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_sources(root, &path, files);
            continue;
        }
        let name = path.strip_prefix(root).unwrap().to_str().unwrap();
        if is_rust(name) || path.ends_with("Cargo.toml") {
            files.insert(name.to_owned(), std::fs::read_to_string(&path).unwrap());
        }
    }
}

struct Reader<'w, 't> {
    workspace: &'w mut Workspace,
    tree: &'t mut Tree,
    module: usize,
    folder: String,
}

impl Reader<'_, '_> {
    fn module(&mut self) -> &mut Module {
        &mut self.tree.modules[self.module]
    }

    fn mention(&mut self, path: Vec<String>, line: usize, glob: bool) {
        self.module().mentions.push(Mention { path, line, glob });
    }

    fn read_mod(&mut self, item: &syn::ItemMod) {
        let name = plain(&item.ident);
        let folder = format!("{}/{name}", self.folder);
        let child = if let Some((_, items)) = &item.content {
            let child = self.tree.modules.len();
            let file = self.module().file.clone();
            self.tree.modules.push(Module { file, parent: Some(self.module), ..Module::default() });
            let mut reader = Reader { workspace: self.workspace, tree: self.tree, module: child, folder };
            for item in items {
                reader.visit_item(item);
            }
            child
        } else {
            let files = [format!("{folder}.rs"), format!("{folder}/mod.rs")];
            let file = files.iter().find(|file| self.workspace.files.contains_key(*file));
            let file = file.unwrap_or_else(|| {
                panic!("{}: no file for `mod {name}`", self.tree.modules[self.module].file)
            });
            self.workspace.read_module(self.tree, Some(self.module), file, &folder)
        };
        self.module().children.insert(name, child);
    }

    /// A re-export is no mention of its own: the name counts where it is used.
    fn read_use(&mut self, tree: &UseTree, prefix: &[String], exported: bool) {
        let joined = |name: &syn::Ident| -> Vec<String> {
            let name = plain(name);
            // `a::{self}` is `a`.
            if name == "self" && !prefix.is_empty() { prefix.to_vec() } else { [prefix, &[name]].concat() }
        };
        let line = tree.span().start().line;
        let (name, path) = match tree {
            UseTree::Path(path) => return self.read_use(&path.tree, &joined(&path.ident), exported),
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.read_use(tree, prefix, exported));
            }
            UseTree::Glob(_) => {
                self.module().globs.push(prefix.to_vec());
                if !exported {
                    self.mention(prefix.to_vec(), line, true);
                }
                return;
            }
            UseTree::Name(name) => {
                let path = joined(&name.ident);
                (path.last().unwrap().clone(), path)
            }
            UseTree::Rename(name) => (plain(&name.rename), joined(&name.ident)),
        };
        if !exported {
            self.mention(path.clone(), line, false);
        }
        self.module().bindings.entry(name).or_insert(path);
    }

    /// The paths in a macro's tokens, which are no syntax yet.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        let (mut colons, mut follows_dot) = (0, false);
        for token in tokens {
            match &token {
                TokenTree::Ident(ident) if colons == 2 && !path.is_empty() => path.push(plain(ident)),
                TokenTree::Ident(ident) => {
                    self.finish(&mut path, line);
                    // `a.b` is a field or a method, and `::a` another crate.
                    if !follows_dot && colons == 0 {
                        path.push(plain(ident));
                        line = ident.span().start().line;
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons += 1;
                    if colons > 2 {
                        self.finish(&mut path, line);
                    }
                    continue;
                }
                TokenTree::Group(group) => {
                    self.finish(&mut path, line);
                    self.read_tokens(group.stream());
                }
                _ => self.finish(&mut path, line),
            }
            colons = 0;
            follows_dot = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '.');
        }
        self.finish(&mut path, line);
    }

    fn finish(&mut self, path: &mut Vec<String>, line: usize) {
        if !path.is_empty() {
            self.mention(std::mem::take(path), line, false);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_, '_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if attributes(item).iter().any(only_in_tests) {
            if let Item::Mod(item) = item {
                let path = format!("{}/{}", self.folder, plain(&item.ident));
                self.workspace.only_tests.insert(path);
            }
            return;
        }
        if let Some(name) = item_name(item) {
            self.module().items.insert(name);
        }
        match item {
            Item::Mod(item) => self.read_mod(item),
            Item::Use(item) => {
                let exported = !matches!(item.vis, Visibility::Inherited);
                self.read_use(&item.tree, &[], exported);
            }
            item => visit::visit_item(self, item),
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !item.attrs.iter().any(only_in_tests) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let segments = path.segments.iter().map(|segment| plain(&segment.ident)).collect();
            self.mention(segments, path.span().start().line, false);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        visit::visit_macro(self, item);
        self.read_tokens(item.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.read_tokens(list.tokens.clone());
        }
    }
}

fn plain(ident: &proc_macro2::Ident) -> String {
    ident.to_string().trim_start_matches("r#").to_owned()
}

/// `#[cfg(test)]`, `#[cfg(all(test, …))]`, `#[test]`.
fn only_in_tests(attribute: &Attribute) -> bool {
    match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) => {
            let condition = list.tokens.to_string();
            list.path.is_ident("cfg")
                && condition.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == "test")
                && !condition.contains("not")
                && !condition.contains("any")
        }
        Meta::NameValue(_) => false,
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn item_name(item: &Item) -> Option<String> {
    match item {
        Item::Const(item) => Some(plain(&item.ident)),
        Item::Enum(item) => Some(plain(&item.ident)),
        Item::Fn(item) => Some(plain(&item.sig.ident)),
        Item::Macro(item) => item.ident.as_ref().map(plain),
        Item::Static(item) => Some(plain(&item.ident)),
        Item::Struct(item) => Some(plain(&item.ident)),
        Item::Trait(item) => Some(plain(&item.ident)),
        Item::Type(item) => Some(plain(&item.ident)),
        _ => None,
    }
}
