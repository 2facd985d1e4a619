//! `#[event]`: one event type at one schema version.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{DeriveInput, Error, Ident, Result};

use crate::arguments::{Arguments, Encoding};
use crate::fields::{self, EventField};
use crate::payload;

/// The struct, with what makes it an event; or the error, beside the struct without the attributes
/// that would be errors of their own.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    try_expand(arguments, item.clone()).unwrap_or_else(|error| {
        let mut refused = fields::bare(item);
        refused.extend(error.to_compile_error());
        refused
    })
}

pub(crate) fn try_expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let arguments: Arguments = syn::parse2(arguments)?;
    let mut item: DeriveInput = syn::parse2(item)?;
    let fields = fields::take(&mut item)?;
    let event = Expansion {
        view: format_ident!("{}Ref", item.ident),
        arguments,
        item,
        fields,
    };
    event.check_tags()?;
    event.check_plain()?;
    let (item, view, implementation) = (event.item(), event.view(), event.implementation());
    Ok(quote!(#item #view #implementation))
}

struct Expansion {
    arguments: Arguments,
    item: DeriveInput,
    fields: Vec<EventField>,
    /// Name of the type of the views.
    view: Ident,
}

impl Expansion {
    fn check_tags(&self) -> Result<()> {
        let is_field = |tag: &Ident| self.fields.iter().any(|field| field.name == *tag);
        let tags = &self.arguments.tags;
        for (number, tag) in tags.iter().enumerate() {
            let message = if !is_field(tag) {
                format!("`{tag}` is no field of `{}`", self.item.ident)
            } else if tags[..number].contains(tag) {
                format!("`{tag}` is a tag already")
            } else {
                continue;
            };
            return Err(Error::new(tag.span(), message));
        }
        Ok(())
    }

    fn check_plain(&self) -> Result<()> {
        let mut plain = self.fields.iter().filter_map(|field| field.plain.as_ref());
        match plain.next() {
            Some(plain) if self.arguments.encoding == Encoding::Archive => {
                let message = "an archive has no plain fields: say `encoding = json`";
                Err(Error::new(plain.span(), message))
            }
            _ => Ok(()),
        }
    }

    fn item(&self) -> TokenStream {
        let item = &self.item;
        let derives = payload::derives(self.arguments.encoding);
        quote!(#derives #item)
    }

    fn view(&self) -> TokenStream {
        let (name, view, visibility) = (&self.item.ident, &self.view, &self.item.vis);
        let docs = format!("What is seen of [`{name}`]: a method for each field.");
        let (methods, debug) = (self.methods(), self.debug());
        let seen = payload::seen(self.arguments.encoding, name);
        quote! {
            #[doc = #docs]
            #visibility struct #view<'a>(#seen);

            impl ::core::clone::Clone for #view<'_> {
                #[inline]
                fn clone(&self) -> Self {
                    *self
                }
            }

            impl ::core::marker::Copy for #view<'_> {}

            #[allow(dead_code, reason = "nobody has to read all fields")]
            impl<'a> #view<'a> {
                #(#methods)*
            }

            #debug
        }
    }

    fn methods(&self) -> Vec<TokenStream> {
        let visibility = &self.item.vis;
        let method = |field: &EventField| {
            let EventField {
                name, kind, docs, ..
            } = field;
            let docs = match docs.is_empty() {
                true => vec![syn::parse_quote!(#[doc = "The field of this name."])],
                false => docs.clone(),
            };
            let (seen, value) = match field.is_plain() {
                true => (quote!(&'a #kind), quote!(&self.0.#name)),
                false => (
                    quote!(<#kind as ::eventcask_domain::Field>::View<'a>),
                    payload::value(self.arguments.encoding, field),
                ),
            };
            quote! {
                #(#docs)*
                #[inline]
                #[must_use]
                #visibility fn #name(self) -> #seen {
                    #value
                }
            }
        };
        self.fields.iter().map(method).collect()
    }

    /// Fields that are plain are left out: nobody says that they can be printed.
    fn debug(&self) -> TokenStream {
        let (name, view) = (self.item.ident.to_string(), &self.view);
        let printed = self.fields.iter().filter(|field| !field.is_plain());
        let (methods, texts): (Vec<&Ident>, Vec<String>) =
            printed.map(|field| (&field.name, field.text())).unzip();
        let finish = match self.fields.iter().any(EventField::is_plain) {
            true => quote!(finish_non_exhaustive),
            false => quote!(finish),
        };
        quote! {
            impl ::core::fmt::Debug for #view<'_> {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    f.debug_struct(#name)
                        #(.field(#texts, &self.#methods()))*
                        .#finish()
                }
            }
        }
    }

    fn implementation(&self) -> TokenStream {
        let (name, view) = (&self.item.ident, &self.view);
        let (schema, past) = (self.schema(), self.past());
        let checked = self.arguments.prev.as_ref().map(|_| {
            quote! {
                const _: () = ::eventcask_domain::private::assert_prev_is_older(
                    &<#name as ::eventcask_domain::Event>::SCHEMA,
                );
            }
        });
        let encoding = self.arguments.encoding;
        let view_of = payload::view_of(encoding, view);
        let (encode, read) = (
            payload::encode(encoding, &self.fields),
            payload::read(encoding, &self.item, view),
        );
        let tags = &self.arguments.tags;
        let tag_names = tags.iter().map(|tag| tag.unraw().to_string());
        quote! {
            #checked

            impl ::eventcask_domain::Event for #name {
                #schema
                type Ref<'a> = #view<'a>;

                #[inline]
                fn view(&self) -> #view<'_> {
                    #view_of
                }

                fn encode(
                    &self,
                    out: &mut ::std::vec::Vec<u8>,
                ) -> ::core::result::Result<(), ::eventcask_domain::EncodeError> {
                    #encode
                }

                fn tags(&self, tags: &mut ::eventcask_domain::TagList) {
                    #(tags.add(#tag_names, &self.#tags);)*
                }

                fn read(
                    payload: &[u8],
                ) -> ::core::result::Result<
                    ::eventcask_domain::Reading<'_, Self>,
                    ::eventcask_domain::DecodeError,
                > {
                    #read
                }

                #past

                #[inline]
                fn shorten<'b, 'a: 'b>(view: #view<'a>) -> #view<'b> {
                    view
                }
            }
        }
    }

    fn schema(&self) -> TokenStream {
        let (event_type, version) = (&self.arguments.event_type, &self.arguments.version);
        let prev = match &self.arguments.prev {
            None => quote!(::core::option::Option::None),
            Some(prev) => quote!(::core::option::Option::Some(
                &<#prev as ::eventcask_domain::Event>::SCHEMA
            )),
        };
        let (encoding, shape) = payload::schema(self.arguments.encoding, &self.fields);
        quote! {
            const SCHEMA: ::eventcask_domain::EventSchema = ::eventcask_domain::EventSchema {
                event_type: #event_type,
                version: #version,
                encoding: #encoding,
                shape: #shape,
                prev: #prev,
            };
        }
    }

    fn past(&self) -> TokenStream {
        let older = match &self.arguments.prev {
            Some(prev) => quote! {
                _ => <#prev as ::eventcask_domain::Event>::decode_past(steps - 1, payload)
                    .map(::core::convert::From::from),
            },
            None => quote! {
                _ => ::core::result::Result::Err(
                    ::eventcask_domain::private::no_such_step::<Self>(),
                ),
            },
        };
        let own = payload::decode(self.arguments.encoding, &self.item);
        quote! {
            fn decode_past(
                steps: u16,
                payload: &[u8],
            ) -> ::core::result::Result<Self, ::eventcask_domain::DecodeError> {
                match steps {
                    0 => #own,
                    #older
                }
            }
        }
    }
}
