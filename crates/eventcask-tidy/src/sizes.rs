//! Files and functions that do not fit a reader's head.

use std::path::{Path, PathBuf};
use std::{fs, io};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, ImplItemFn, ItemFn, ItemImpl, ItemMod, Signature, TraitItemFn, Type};

/// A longer file says at its top why it is long.
pub const MAX_FILE_LINES: usize = 800;

/// No function is longer.
pub const MAX_FUNCTION_LINES: usize = 70;

/// What the first comment of a long file says somewhere.
const REASON: &str = "This file is long";

/// A function over [`MAX_FUNCTION_LINES`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LongFunction {
    /// Its file, from the root of the workspace.
    pub file: PathBuf,
    /// Its name, behind that of its type or module.
    pub name: String,
    /// From its signature to its last brace.
    pub lines: usize,
}

/// Each Rust file below the folders of source of a workspace, sorted.
///
/// # Errors
/// If a folder can not be read.
fn source_files(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut open: Vec<PathBuf> = ["crates", "benches", "fuzz"]
        .map(|name| root.join(name))
        .into();
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Files over [`MAX_FILE_LINES`] whose first comment does not say `This file is long` and why.
///
/// # Errors
/// If a file can not be read.
pub fn unexplained_files(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for file in source_files(root)? {
        let text = fs::read_to_string(&file)?;
        let top = text.lines().take_while(|line| line.starts_with("//!"));
        if text.lines().count() > MAX_FILE_LINES
            && !top.into_iter().any(|line| line.contains(REASON))
        {
            found.push(file);
        }
    }
    Ok(found)
}

/// Functions over [`MAX_FUNCTION_LINES`], tests included.
///
/// # Errors
/// If a file can not be read or is not Rust.
pub fn long_functions(root: &Path) -> io::Result<Vec<LongFunction>> {
    let mut found = Vec::new();
    for file in source_files(root)? {
        let text = fs::read_to_string(&file)?;
        let parsed = syn::parse_file(&text).map_err(|error| {
            io::Error::other(format!("{} is not Rust: {error}.", file.display()))
        })?;
        let mut functions = Functions {
            file: file.strip_prefix(root).unwrap_or(&file).to_owned(),
            within: Vec::new(),
            found: Vec::new(),
        };
        functions.visit_file(&parsed);
        found.append(&mut functions.found);
    }
    found.sort();
    Ok(found)
}

struct Functions {
    file: PathBuf,
    within: Vec<String>,
    found: Vec<LongFunction>,
}

impl Functions {
    fn measure(&mut self, signature: &Signature, block: &Block) {
        let first = signature.span().start().line;
        let lines = block.span().end().line + 1 - first;
        if lines > MAX_FUNCTION_LINES {
            let mut name = self.within.clone();
            name.push(signature.ident.to_string());
            self.found.push(LongFunction {
                file: self.file.clone(),
                name: name.join("::"),
                lines,
            });
        }
    }

    fn inside(&mut self, name: String, visit: impl FnOnce(&mut Self)) {
        self.within.push(name);
        visit(self);
        self.within.pop();
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.inside(item.ident.to_string(), |this| {
            visit::visit_item_mod(this, item);
        });
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let name = match &*item.self_ty {
            Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        };
        self.inside(name.unwrap_or_default(), |this| {
            visit::visit_item_impl(this, item);
        });
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(block) = &item.default {
            self.measure(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}
