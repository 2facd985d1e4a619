//! One module of a crate: its items, and what each name in it stands for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::{fs, io};

use syn::{Attribute, Ident, Item, ItemMod, ItemUse, UseTree, Visibility};

/// A module by its crate and its number there. The root of a crate is number 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleId {
    /// The number of the crate in its workspace.
    pub library: usize,
    /// The number of the module in its crate.
    pub module: usize,
}

/// What a name in a module stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// A module below this one, by its number.
    Child(usize),
    /// Something that is defined in this module.
    Item,
    /// Another path, brought in by `use`.
    Use(Vec<String>),
}

/// A module, parsed.
pub struct Module {
    /// Its names from the root of the crate downwards; none for the root.
    pub path: Vec<String>,
    /// The number of the module above it.
    pub parent: Option<usize>,
    /// The file that it stands in.
    pub file: PathBuf,
    /// The text of that file.
    pub text: Rc<str>,
    /// Its items, without those that only tests have.
    pub items: Vec<Item>,
    /// What is named in it.
    pub names: BTreeMap<String, Name>,
    /// The paths behind which everything is brought in, such as `super` of `use super::*`.
    pub globs: Vec<Vec<String>>,
}

impl Module {
    /// Reads the root of a crate and all modules below it.
    ///
    /// # Errors
    /// If a file can not be read or is not Rust.
    pub fn read_all(root: &Path) -> io::Result<Vec<Self>> {
        let folder = root.parent().unwrap_or(Path::new("."));
        let mut modules = Vec::new();
        read_file(&mut modules, root, folder, Vec::new(), None)?;
        Ok(modules)
    }

    /// Its path as one writes it, such as `projection::runner`; `crate` for the root.
    #[must_use]
    pub fn name(&self) -> String {
        if self.path.is_empty() {
            "crate".to_owned()
        } else {
            self.path.join("::")
        }
    }
}

/// Reads the module in a file; those below it lie in `folder`.
fn read_file(
    modules: &mut Vec<Module>,
    file: &Path,
    folder: &Path,
    path: Vec<String>,
    parent: Option<usize>,
) -> io::Result<usize> {
    let text: Rc<str> = fs::read_to_string(file)?.into();
    let parsed = syn::parse_file(&text)
        .map_err(|error| io::Error::other(format!("{} is not Rust: {error}.", file.display())))?;
    let module = Module {
        path,
        parent,
        file: file.to_owned(),
        text,
        items: Vec::new(),
        names: BTreeMap::new(),
        globs: Vec::new(),
    };
    add(modules, module, parsed.items, folder)
}

fn add(
    modules: &mut Vec<Module>,
    module: Module,
    items: Vec<Item>,
    folder: &Path,
) -> io::Result<usize> {
    let number = modules.len();
    modules.push(module);
    for mut item in items.into_iter().filter(|item| !is_for_tests(item)) {
        name_item(modules, number, &mut item, folder)?;
        modules[number].items.push(item);
    }
    Ok(number)
}

fn name_item(
    modules: &mut Vec<Module>,
    number: usize,
    item: &mut Item,
    folder: &Path,
) -> io::Result<()> {
    match item {
        Item::Mod(item) => {
            let name = item.ident.to_string();
            let child = read_child(modules, number, item, &folder.join(&name))?;
            modules[number].names.insert(name, Name::Child(child));
        }
        Item::Use(item) => {
            let module = &mut modules[number];
            for (name, path) in uses(item) {
                match name {
                    Some(name) => drop(module.names.insert(name, Name::Use(path))),
                    None => module.globs.push(path),
                }
            }
        }
        item => {
            if let Some(name) = defined(item) {
                modules[number].names.insert(name.to_string(), Name::Item);
            }
        }
    }
    Ok(())
}

/// Reads `mod name;` from `name.rs` or `name/mod.rs`, or takes what stands in the braces.
fn read_child(
    modules: &mut Vec<Module>,
    parent: usize,
    item: &mut ItemMod,
    folder: &Path,
) -> io::Result<usize> {
    let mut path = modules[parent].path.clone();
    path.push(item.ident.to_string());
    if let Some((_, items)) = item.content.take() {
        let module = Module {
            path,
            parent: Some(parent),
            file: modules[parent].file.clone(),
            text: Rc::clone(&modules[parent].text),
            items: Vec::new(),
            names: BTreeMap::new(),
            globs: Vec::new(),
        };
        return add(modules, module, items, folder);
    }
    let beside = folder.with_extension("rs");
    let inside = folder.join("mod.rs");
    let file = if beside.exists() { beside } else { inside };
    read_file(modules, &file, folder, path, Some(parent))
}

/// Each name that a `use` brings in, with the whole path; no name for a glob.
pub(crate) fn uses(item: &ItemUse) -> Vec<(Option<String>, Vec<String>)> {
    let mut found = Vec::new();
    walk_use(&item.tree, &mut Vec::new(), &mut found);
    found
}

fn walk_use(
    tree: &UseTree,
    path: &mut Vec<String>,
    found: &mut Vec<(Option<String>, Vec<String>)>,
) {
    match tree {
        UseTree::Path(tree) => {
            path.push(tree.ident.to_string());
            walk_use(&tree.tree, path, found);
            path.pop();
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                walk_use(tree, path, found);
            }
        }
        UseTree::Name(tree) => found.push(named(path, &tree.ident, &tree.ident)),
        UseTree::Rename(tree) => found.push(named(path, &tree.ident, &tree.rename)),
        UseTree::Glob(_) => found.push((None, path.clone())),
    }
}

/// `use a::b::{self}` brings in `b`.
fn named(path: &[String], ident: &Ident, name: &Ident) -> (Option<String>, Vec<String>) {
    let mut path = path.to_vec();
    if ident == "self" {
        let last = path.last().cloned().unwrap_or_default();
        let name = if name == "self" {
            last
        } else {
            name.to_string()
        };
        return (Some(name), path);
    }
    path.push(ident.to_string());
    (Some(name.to_string()), path)
}

fn defined(item: &Item) -> Option<&Ident> {
    match item {
        Item::Const(item) => Some(&item.ident),
        Item::Enum(item) => Some(&item.ident),
        Item::Fn(item) => Some(&item.sig.ident),
        Item::Macro(item) => item.ident.as_ref(),
        Item::Static(item) => Some(&item.ident),
        Item::Struct(item) => Some(&item.ident),
        Item::Trait(item) => Some(&item.ident),
        Item::TraitAlias(item) => Some(&item.ident),
        Item::Type(item) => Some(&item.ident),
        Item::Union(item) => Some(&item.ident),
        _ => None,
    }
}

fn is_for_tests(item: &Item) -> bool {
    attributes(item).iter().any(|attribute| {
        let list = attribute.meta.require_list();
        attribute.path().is_ident("cfg") && list.is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether an item is handed on rather than used here: `pub use`, also with a narrower reach.
pub(crate) fn is_handed_on(item: &ItemUse) -> bool {
    !matches!(item.vis, Visibility::Inherited)
}
