//! What the facade offers, one line for each item.
//!
//! 1. The root of the crate, and each public module below it, names items; `pub use` is followed
//!    to the crate that defines them.
//! 2. An item gives a line for itself, and one for each public field, variant, method and constant;
//!    what an attribute promises (`#[must_use]`, derived traits) is a line as well.
//! 3. Methods and traits stand in `impl` blocks all over the crate that defines the type.

use std::collections::{BTreeMap, BTreeSet};

use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, Fields, ImplItem, Item, ItemImpl, Meta, Path, Token, TraitItem, Type, Visibility,
};

use crate::module::{Module, ModuleId, Name};
use crate::workspace::{Place, Workspace};

/// Lists the public items of a crate, sorted: what the gate compares with the list in the
/// repository.
///
/// `None` if the workspace has no such crate.
#[must_use]
pub fn public_api(workspace: &Workspace, library: &str) -> Option<String> {
    let root = workspace.crate_named(library)?;
    let mut listing = Listing {
        workspace,
        names: BTreeMap::new(),
        lines: BTreeSet::new(),
    };
    listing.name_module(root, library);
    let names = listing.names.clone();
    for ((module, item), name) in &names {
        listing.item(*module, item, name);
    }
    for (_, number) in workspace.crates() {
        listing.impls(number);
    }
    Some(
        listing
            .lines
            .iter()
            .map(|line| format!("{line}\n"))
            .collect(),
    )
}

struct Listing<'a> {
    workspace: &'a Workspace,
    /// The public path of each item, by where it is defined.
    names: BTreeMap<(ModuleId, String), String>,
    lines: BTreeSet<String>,
}

impl Listing<'_> {
    fn name_module(&mut self, id: ModuleId, path: &str) {
        let module = self.workspace.module(id);
        for name in module.names.keys().filter(|name| is_public(module, name)) {
            let path = format!("{path}::{name}");
            match self
                .workspace
                .resolve(id, &["self".to_owned(), name.clone()])
            {
                Some(Place::Module(child)) => self.name_module(child, &path),
                Some(Place::Item(place, item)) => drop(self.names.insert((place, item), path)),
                None => drop(self.lines.insert(format!("{path} of another crate"))),
            }
        }
    }

    /// Lines of an item itself.
    fn item(&mut self, id: ModuleId, item: &str, name: &str) {
        let module = self.workspace.module(id);
        for found in &module.items {
            self.lines.extend(lines_of(module, found, item, name));
        }
    }

    /// Lines of the `impl` blocks of a crate.
    fn impls(&mut self, library: usize) {
        for (number, module) in self.workspace.modules(library).iter().enumerate() {
            let id = ModuleId {
                library,
                module: number,
            };
            for item in &module.items {
                if let Item::Impl(item) = item
                    && let Some(name) = self.public_name(id, &item.self_ty)
                {
                    self.implementation(id, item, &name);
                }
            }
        }
    }

    fn public_name(&self, from: ModuleId, of: &Type) -> Option<String> {
        let of = match of {
            Type::Reference(of) => &of.elem,
            of => of,
        };
        let Type::Path(of) = of else {
            return None;
        };
        self.named(from, &of.path)
    }

    fn named(&self, from: ModuleId, path: &Path) -> Option<String> {
        let path: Vec<String> = path
            .segments
            .iter()
            .map(|part| part.ident.to_string())
            .collect();
        match self.workspace.resolve(from, &path)? {
            Place::Item(module, item) => self.names.get(&(module, item)).cloned(),
            Place::Module(_) => None,
        }
    }

    fn implementation(&mut self, id: ModuleId, item: &ItemImpl, name: &str) {
        let module = self.workspace.module(id);
        let Some((of, _)) = &item.trait_ else {
            let lines = item
                .items
                .iter()
                .filter_map(|item| method(module, item, name));
            self.lines.extend(lines);
            return;
        };
        // A trait that cannot be named outside is nobody's business.
        let path: Vec<String> = of
            .segments
            .iter()
            .map(|part| part.ident.to_string())
            .collect();
        if self.workspace.resolve(id, &path).is_none() || self.named(id, of).is_some() {
            let (of, by) = (source(module, of), source(module, &item.self_ty));
            let plain = name.rsplit("::").next() == by.split('<').next();
            let by = if plain {
                String::new()
            } else {
                format!(" (for {by})")
            };
            self.lines.insert(format!("{name}: {of}{by}"));
        }
    }
}

/// Whether a name of a module can be used outside of its crate.
fn is_public(module: &Module, name: &str) -> bool {
    module.items.iter().any(|item| match item {
        Item::Use(item) => {
            is_pub(&item.vis)
                && crate::module::uses(item)
                    .iter()
                    .any(|(found, _)| found.as_deref() == Some(name))
        }
        Item::Mod(item) => is_pub(&item.vis) && item.ident == name,
        item => matches!(module.names.get(name), Some(Name::Item)) && is_pub_item(item, name),
    })
}

fn is_pub(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_pub_item(item: &Item, name: &str) -> bool {
    match item {
        Item::Const(item) => is_pub(&item.vis) && item.ident == name,
        Item::Enum(item) => is_pub(&item.vis) && item.ident == name,
        Item::Fn(item) => is_pub(&item.vis) && item.sig.ident == name,
        Item::Static(item) => is_pub(&item.vis) && item.ident == name,
        Item::Struct(item) => is_pub(&item.vis) && item.ident == name,
        Item::Trait(item) => is_pub(&item.vis) && item.ident == name,
        Item::Type(item) => is_pub(&item.vis) && item.ident == name,
        _ => false,
    }
}

/// Lines of `found` if it is the item that `item` names.
fn lines_of(module: &Module, found: &Item, item: &str, name: &str) -> Vec<String> {
    match found {
        Item::Const(found) if found.ident == item => {
            vec![format!("{name}: const {}", source(module, &found.ty))]
        }
        Item::Static(found) if found.ident == item => {
            vec![format!("{name}: static {}", source(module, &found.ty))]
        }
        Item::Type(found) if found.ident == item => {
            vec![format!("{name}: type {}", source(module, &found.ty))]
        }
        Item::Fn(found) if found.sig.ident == item => {
            vec![format!("{name}: {}", source(module, &found.sig))]
        }
        Item::Struct(found) if found.ident == item => {
            let mut lines = named_lines(name, "struct", module, &found.generics, &found.attrs);
            lines.extend(fields(module, &found.fields, name));
            lines
        }
        Item::Enum(found) if found.ident == item => {
            let mut lines = named_lines(name, "enum", module, &found.generics, &found.attrs);
            for variant in &found.variants {
                let name = format!("{name}::{}", variant.ident);
                lines.push(format!(
                    "{name}: variant{}",
                    source(module, &variant.fields)
                ));
            }
            lines
        }
        Item::Trait(found) if found.ident == item => {
            let mut lines = named_lines(name, "trait", module, &found.generics, &found.attrs);
            if !found.supertraits.is_empty() {
                lines.push(format!(
                    "{name}: needs {}",
                    source(module, &found.supertraits)
                ));
            }
            lines.extend(
                found
                    .items
                    .iter()
                    .map(|item| trait_item(module, item, name)),
            );
            lines
        }
        _ => Vec::new(),
    }
}

fn named_lines(
    name: &str,
    kind: &str,
    module: &Module,
    generics: &syn::Generics,
    attributes: &[Attribute],
) -> Vec<String> {
    let generics = source(module, &generics.params);
    let generics = if generics.is_empty() {
        generics
    } else {
        format!("<{generics}>")
    };
    let mut lines = vec![format!("{name}: {kind}{generics}")];
    lines.extend(
        attributes
            .iter()
            .flat_map(promised)
            .map(|promise| format!("{name}: {promise}")),
    );
    lines
}

/// What an attribute promises to users.
fn promised(attribute: &Attribute) -> Vec<String> {
    let path = attribute.path();
    let derived = |list: &syn::MetaList| {
        let parser = Punctuated::<Path, Token![,]>::parse_terminated;
        let paths = list.parse_args_with(parser).unwrap_or_default();
        paths
            .iter()
            .filter_map(|path| Some(path.segments.last()?.ident.to_string()))
            .collect()
    };
    match &attribute.meta {
        Meta::List(list) if path.is_ident("derive") => derived(list),
        _ if path.is_ident("must_use") => vec!["#[must_use]".to_owned()],
        _ if path.is_ident("non_exhaustive") => vec!["#[non_exhaustive]".to_owned()],
        _ => Vec::new(),
    }
}

fn fields(module: &Module, fields: &Fields, name: &str) -> Vec<String> {
    let public = fields
        .iter()
        .enumerate()
        .filter(|(_, field)| is_pub(&field.vis));
    public
        .map(|(number, field)| {
            let field_name = field
                .ident
                .as_ref()
                .map_or(number.to_string(), ToString::to_string);
            format!("{name}.{field_name}: {}", source(module, &field.ty))
        })
        .collect()
}

fn trait_item(module: &Module, item: &TraitItem, name: &str) -> String {
    match item {
        TraitItem::Const(item) => {
            format!("{name}::{}: const {}", item.ident, source(module, &item.ty))
        }
        TraitItem::Fn(item) => {
            let given = if item.default.is_some() {
                " { .. }"
            } else {
                ""
            };
            format!(
                "{name}::{}: {}{given}",
                item.sig.ident,
                source(module, &item.sig)
            )
        }
        TraitItem::Type(item) => format!("{name}::{}: {}", item.ident, source(module, item)),
        item => format!("{name}: {}", source(module, item)),
    }
}

fn method(module: &Module, item: &ImplItem, name: &str) -> Option<String> {
    match item {
        ImplItem::Fn(item) if is_pub(&item.vis) => Some(format!(
            "{name}::{}: {}",
            item.sig.ident,
            source(module, &item.sig)
        )),
        ImplItem::Const(item) if is_pub(&item.vis) => Some(format!(
            "{name}::{}: const {}",
            item.ident,
            source(module, &item.ty)
        )),
        _ => None,
    }
}

/// The source text of a piece of syntax, on one line and without its comments.
fn source(module: &Module, piece: &impl Spanned) -> String {
    let range = piece.span().byte_range();
    let text = module.text.get(range).unwrap_or_default();
    let lines = text.lines().map(str::trim_start);
    let code = lines.filter(|line| !line.starts_with("//"));
    let words: Vec<&str> = code.flat_map(str::split_whitespace).collect();
    // What rustfmt broke into lines reads as if it had not. `mut` is no matter of the caller.
    let wrapped = [
        ("( ", "("),
        (", )", ")"),
        ("< ", "<"),
        (", >", ">"),
        ("(mut self", "(self"),
    ];
    let line = words.join(" ");
    wrapped
        .iter()
        .fold(line, |line, (from, to)| line.replace(from, to))
}
