//! Circles between the modules of a crate.
//!
//! 1. Each path that a module writes leads to the module that defines what it names. What only
//!    hands a name on, such as `pub use`, is looked through.
//! 2. So a file points to another. Both lie in some folder together; there, the file or folder that
//!    has the one points to the file or folder that has the other. What a `mod.rs` defines itself
//!    counts as a file of its folder.
//! 3. A circle is a set of files that reach each other, or of files and folders of one folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Item, ItemUse, Macro, Path};

use crate::module::{self, Module, ModuleId};
use crate::workspace::Workspace;

/// Files and folders that reach each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circle {
    /// The crate, as paths name it.
    pub library: String,
    /// The folder that they lie in; `crate` for the root.
    pub folder: String,
    /// Their names, with `mod` for what the `mod.rs` of the folder defines.
    pub members: BTreeSet<String>,
    /// From whom to whom, each with one of the paths that lead there.
    pub arrows: BTreeMap<(String, String), String>,
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            library, folder, ..
        } = self;
        writeln!(f, "{library}, in {folder}:")?;
        for ((from, to), path) in &self.arrows {
            writeln!(f, "    {from} -> {to} ({path})")?;
        }
        Ok(())
    }
}

/// Arrows between the files and folders of one folder.
type Arrows = BTreeMap<(String, String), String>;

/// Circles between the files of each crate, wherever they lie.
#[must_use]
pub fn file_circles(workspace: &Workspace) -> Vec<Circle> {
    circles(workspace, |modules, from, to| {
        (0, modules[from].name(), modules[to].name())
    })
}

/// Circles between the files and folders of each folder: two folders can be a circle although
/// their files are none.
#[must_use]
pub fn folder_circles(workspace: &Workspace) -> Vec<Circle> {
    circles(workspace, step)
}

/// What an arrow between two modules is drawn as: the folder, and two names in it.
type Drawn = fn(&[Module], usize, usize) -> (usize, String, String);

fn circles(workspace: &Workspace, drawn: Drawn) -> Vec<Circle> {
    let mut found = Vec::new();
    for (library, number) in workspace.crates() {
        for (folder, arrows) in arrows_by_folder(workspace, number, drawn) {
            let folder = workspace.modules(number)[folder].name();
            found.extend(groups(&arrows).into_iter().map(|members| Circle {
                library: library.to_owned(),
                folder: folder.clone(),
                arrows: within(&members, &arrows),
                members,
            }));
        }
    }
    found
}

fn arrows_by_folder(
    workspace: &Workspace,
    library: usize,
    drawn: Drawn,
) -> BTreeMap<usize, Arrows> {
    let modules = workspace.modules(library);
    let mut folders: BTreeMap<usize, Arrows> = BTreeMap::new();
    for module in 0..modules.len() {
        let from = ModuleId { library, module };
        for path in paths_of(&modules[module])
            .iter()
            .filter(|path| !is_local(path))
        {
            let Some(to) = workspace.resolve(from, path).map(|place| place.module()) else {
                continue;
            };
            if to.library == library && to != from {
                let (folder, from, to) = drawn(modules, from.module, to.module);
                let arrows = folders.entry(folder).or_default();
                arrows.entry((from, to)).or_insert_with(|| path.join("::"));
            }
        }
    }
    folders
}

/// A single small name may be a variable; what it stands for otherwise is named by a `use`.
fn is_local(path: &[String]) -> bool {
    path.len() == 1 && path[0].starts_with(|letter: char| letter.is_lowercase())
}

/// The folder that has both, and what they are called there.
fn step(modules: &[Module], from: usize, to: usize) -> (usize, String, String) {
    let (from, to) = (ancestry(modules, from), ancestry(modules, to));
    let shared = from.iter().zip(&to).take_while(|(one, other)| one == other);
    let depth = shared.count();
    let name = |line: &[usize]| match line.get(depth) {
        Some(module) => modules[*module].path.last().cloned().unwrap_or_default(),
        None => "mod".to_owned(),
    };
    (from[depth - 1], name(&from), name(&to))
}

/// A module and all above it, the root first.
fn ancestry(modules: &[Module], module: usize) -> Vec<usize> {
    let mut line: Vec<usize> =
        std::iter::successors(Some(module), |module| modules[*module].parent).collect();
    line.reverse();
    line
}

/// Names that reach each other, in groups of two and more.
fn groups(arrows: &Arrows) -> Vec<BTreeSet<String>> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in arrows.keys() {
        next.entry(from).or_default().insert(to);
    }
    let reach: BTreeMap<&str, BTreeSet<&str>> = next
        .keys()
        .map(|from| (*from, reached(from, &next)))
        .collect();
    let mut found: Vec<BTreeSet<String>> = Vec::new();
    for (from, reached) in &reach {
        let back = |to: &&&str| reach.get(**to).is_some_and(|names| names.contains(from));
        let group: BTreeSet<String> = reached.iter().filter(back).map(|to| (*to).into()).collect();
        if group.contains(*from) && !found.contains(&group) {
            found.push(group);
        }
    }
    found
}

fn reached<'a>(from: &str, next: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = next.get(from).into_iter().flatten().copied().collect();
    while let Some(name) = open.pop() {
        if found.insert(name) {
            open.extend(next.get(name).into_iter().flatten().copied());
        }
    }
    found
}

fn within(members: &BTreeSet<String>, arrows: &Arrows) -> Arrows {
    let both = |(from, to): &(String, String)| members.contains(from) && members.contains(to);
    let inside = arrows.iter().filter(|(ends, _)| both(ends));
    inside
        .map(|(ends, path)| (ends.clone(), path.clone()))
        .collect()
}

/// Every path that a module writes.
fn paths_of(module: &Module) -> Vec<Vec<String>> {
    let mut paths = Paths(Vec::new());
    let own = |item: &&Item| !matches!(item, Item::Mod(_));
    for item in module.items.iter().filter(own) {
        paths.visit_item(item);
    }
    paths.0
}

struct Paths(Vec<Vec<String>>);

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !module::is_handed_on(item) {
            self.0
                .extend(module::uses(item).into_iter().map(|(_, path)| path));
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        let names = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string());
        self.0.push(names.collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, found: &'ast Macro) {
        self.visit_path(&found.path);
        self.tokens(found.tokens.clone());
    }
}

impl Paths {
    /// Arguments of a macro have no shape: names with `::` between them are a path.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.0.push(std::mem::take(&mut path));
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => self.tokens(group.stream()),
                _ => colons = 0,
            }
        }
        self.0.push(path);
    }
}
