//! All crates of the workspace, and where a path leads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::module::{Module, ModuleId, Name};

/// A path may be handed on from module to module; this many times is a circle of `use`.
const MAX_STEPS: usize = 32;

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// To a module.
    Module(ModuleId),
    /// To an item, defined in a module under this name.
    Item(ModuleId, String),
}

impl Place {
    /// The module, or the one in which the item is defined.
    #[must_use]
    pub fn module(&self) -> ModuleId {
        match self {
            Self::Module(module) | Self::Item(module, _) => *module,
        }
    }
}

/// Crates, parsed.
pub struct Workspace {
    libraries: Vec<Vec<Module>>,
    /// Number of each crate by the name that a path begins with.
    by_name: BTreeMap<String, usize>,
}

/// The folder of the workspace that this crate lies in.
#[must_use]
pub fn root() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    folder.ancestors().nth(2).unwrap_or(folder).to_owned()
}

impl Workspace {
    /// Reads the library of each folder in `crates`; a folder is named as its crate.
    ///
    /// # Errors
    /// If a file can not be read or is not Rust.
    pub fn read(crates: &Path) -> io::Result<Self> {
        let mut folders: Vec<PathBuf> = fs::read_dir(crates)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()?;
        folders.retain(|folder| folder.join("src/lib.rs").exists());
        folders.sort();
        let mut workspace = Self {
            libraries: Vec::new(),
            by_name: BTreeMap::new(),
        };
        for folder in folders {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            let number = workspace.libraries.len();
            workspace.by_name.insert(name.replace('-', "_"), number);
            let modules = Module::read_all(&folder.join("src/lib.rs"))?;
            workspace.libraries.push(modules);
        }
        Ok(workspace)
    }

    /// Each crate by its name, in the order of names.
    pub fn crates(&self) -> impl Iterator<Item = (&str, usize)> {
        self.by_name.iter().map(|(name, number)| (&**name, *number))
    }

    /// The root of a crate.
    #[must_use]
    pub fn crate_named(&self, name: &str) -> Option<ModuleId> {
        let library = *self.by_name.get(name)?;
        Some(ModuleId { library, module: 0 })
    }

    /// The modules of a crate; the root comes first, each before those below it.
    #[must_use]
    pub fn modules(&self, library: usize) -> &[Module] {
        &self.libraries[library]
    }

    /// A module by its number.
    #[must_use]
    pub fn module(&self, id: ModuleId) -> &Module {
        &self.libraries[id.library][id.module]
    }

    /// Where a path leads that is written in a module; `None` where it leaves these crates.
    #[must_use]
    pub fn resolve(&self, from: ModuleId, path: &[String]) -> Option<Place> {
        self.resolve_within(from, path, MAX_STEPS)
    }

    fn resolve_within(&self, from: ModuleId, path: &[String], steps: usize) -> Option<Place> {
        let steps = steps.checked_sub(1)?;
        let (mut at, mut rest) = self.beginning(from, path, steps)?;
        while let Place::Module(module) = at
            && let Some((name, behind)) = rest.split_first()
        {
            (at, rest) = (self.lookup(module, name, steps)?, behind);
        }
        Some(at)
    }

    /// Where the first names of a path lead, and the rest of it.
    fn beginning<'a>(
        &self,
        from: ModuleId,
        path: &'a [String],
        steps: usize,
    ) -> Option<(Place, &'a [String])> {
        let (first, rest) = path.split_first()?;
        match &**first {
            "crate" => Some((Place::Module(ModuleId { module: 0, ..from }), rest)),
            "self" => Some((Place::Module(from), rest)),
            "super" => self.above(from, path),
            name => {
                let found = self.lookup(from, name, steps);
                let external = || self.crate_named(name).map(Place::Module);
                Some((found.or_else(external)?, rest))
            }
        }
    }

    fn above<'a>(&self, from: ModuleId, path: &'a [String]) -> Option<(Place, &'a [String])> {
        let mut at = from;
        let mut rest = path;
        while rest.first().is_some_and(|name| name == "super") {
            at.module = self.module(at).parent?;
            rest = &rest[1..];
        }
        Some((Place::Module(at), rest))
    }

    /// What a name in a module stands for, in the end.
    fn lookup(&self, at: ModuleId, name: &str, steps: usize) -> Option<Place> {
        let module = self.module(at);
        match module.names.get(name) {
            Some(Name::Child(child)) => Some(Place::Module(ModuleId {
                module: *child,
                ..at
            })),
            Some(Name::Item) => Some(Place::Item(at, name.to_owned())),
            // `use tracing;` would lead to itself.
            Some(Name::Use(path)) if path.len() == 1 && path[0] == name => {
                self.crate_named(name).map(Place::Module)
            }
            Some(Name::Use(path)) => self.resolve_within(at, path, steps),
            None => module.globs.iter().find_map(|glob| {
                let Place::Module(behind) = self.resolve_within(at, glob, steps)? else {
                    return None;
                };
                (behind != at).then(|| self.lookup(behind, name, steps - 1))?
            }),
        }
    }
}
