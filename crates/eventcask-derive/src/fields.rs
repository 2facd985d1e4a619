//! The fields of an event.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Attribute, Data, DeriveInput, Error, Field, Fields, Ident, Result, Type};

/// One field.
pub(crate) struct EventField {
    pub(crate) name: Ident,
    pub(crate) kind: Type,
    pub(crate) docs: Vec<Attribute>,
    /// `plain`, where it is seen as a reference, whatever it is.
    pub(crate) plain: Option<Ident>,
}

impl EventField {
    /// Whether it is seen as a reference, whatever it is.
    pub(crate) fn is_plain(&self) -> bool {
        self.plain.is_some()
    }

    /// Its name as text, without `r#`.
    pub(crate) fn text(&self) -> String {
        self.name.unraw().to_string()
    }
}

/// Takes `#[event(plain)]` off the fields of a struct, and says what they are.
pub(crate) fn take(item: &mut DeriveInput) -> Result<Vec<EventField>> {
    if let Some(parameter) = item.generics.params.first() {
        let message = "an event has no type parameters and no lifetimes: it is stored as it is";
        return Err(Error::new_spanned(parameter, message));
    }
    let Data::Struct(data) = &mut item.data else {
        let message = "an event is a struct; several of them make a set: `#[derive(EventSet)]`";
        return Err(Error::new(item.ident.span(), message));
    };
    match &mut data.fields {
        Fields::Named(fields) => fields.named.iter_mut().map(take_one).collect(),
        Fields::Unit => Ok(Vec::new()),
        Fields::Unnamed(fields) => {
            let message = "the fields of an event have names: they are what is stored";
            Err(Error::new_spanned(fields, message))
        }
    }
}

fn take_one(field: &mut Field) -> Result<EventField> {
    let mut plain = None;
    let mut problem = None;
    field.attrs.retain(|attribute| {
        let is_ours = attribute.path().is_ident("event");
        if is_ours {
            match attribute.parse_args::<Ident>() {
                Ok(word) if word == "plain" => plain = Some(word),
                _ => {
                    let message = "a field has `#[event(plain)]`";
                    problem = Some(Error::new_spanned(attribute, message));
                }
            }
        }
        !is_ours
    });
    if let Some(problem) = problem {
        return Err(problem);
    }
    if let Some(cfg) = field
        .attrs
        .iter()
        .find(|attribute| attribute.path().is_ident("cfg"))
    {
        let message = "a field has no `#[cfg]`: what is stored does not depend on the build";
        return Err(Error::new_spanned(cfg, message));
    }
    let docs = field.attrs.iter();
    let docs = docs.filter(|attribute| attribute.path().is_ident("doc"));
    let unnamed = || Error::new_spanned(&field.ty, "the fields of an event have names");
    Ok(EventField {
        name: field.ident.clone().ok_or_else(unnamed)?,
        kind: field.ty.clone(),
        docs: docs.cloned().collect(),
        plain,
    })
}

/// A struct without the attributes that mean something to an event only.
pub(crate) fn bare(item: TokenStream) -> TokenStream {
    let Ok(mut bare) = syn::parse2::<DeriveInput>(item.clone()) else {
        return item;
    };
    bare.attrs.retain(|attribute| !is_of_events(attribute));
    if let Data::Struct(data) = &mut bare.data {
        for field in &mut data.fields {
            field.attrs.retain(|attribute| !is_of_events(attribute));
        }
    }
    bare.into_token_stream()
}

fn is_of_events(attribute: &Attribute) -> bool {
    ["event", "serde", "rkyv"]
        .iter()
        .any(|name| attribute.path().is_ident(name))
}
