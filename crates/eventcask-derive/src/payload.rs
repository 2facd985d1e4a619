//! What differs between the encodings of payloads.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Fields, Ident};

use crate::arguments::Encoding;
use crate::fields::EventField;

/// Name of the archive of an event.
fn archived(event: &Ident) -> Ident {
    format_ident!("Archived{event}")
}

/// The attributes by which a struct can be encoded.
pub(crate) fn derives(encoding: Encoding) -> TokenStream {
    match encoding {
        Encoding::Json => quote! {
            #[derive(
                ::eventcask_domain::private::serde::Serialize,
                ::eventcask_domain::private::serde::Deserialize,
            )]
            #[serde(crate = "::eventcask_domain::private::serde")]
        },
        Encoding::Archive => quote! {
            #[derive(
                ::eventcask_domain::private::rkyv::Archive,
                ::eventcask_domain::private::rkyv::Serialize,
                ::eventcask_domain::private::rkyv::Deserialize,
            )]
            #[rkyv(crate = ::eventcask_domain::private::rkyv)]
        },
    }
}

/// The type of what a view holds.
pub(crate) fn seen(encoding: Encoding, event: &Ident) -> TokenStream {
    let archived = archived(event);
    match encoding {
        Encoding::Json => quote!(&'a #event),
        Encoding::Archive => {
            quote!(::eventcask_domain::archive::Seen<'a, #event, #archived>)
        }
    }
}

/// The view of `self`.
pub(crate) fn view_of(encoding: Encoding, view: &Ident) -> TokenStream {
    match encoding {
        Encoding::Json => quote!(#view(self)),
        Encoding::Archive => {
            quote!(#view(::eventcask_domain::archive::Seen::Plain(self)))
        }
    }
}

/// What is seen of a field of `self`, a view.
pub(crate) fn value(encoding: Encoding, field: &EventField) -> TokenStream {
    let EventField { name, kind, .. } = field;
    match encoding {
        Encoding::Json => quote!(::eventcask_domain::Field::view(&self.0.#name)),
        Encoding::Archive => quote! {
            match self.0 {
                ::eventcask_domain::archive::Seen::Plain(event) => {
                    <#kind as ::eventcask_domain::Field>::view(&event.#name)
                }
                ::eventcask_domain::archive::Seen::Archived(event) => {
                    <#kind as ::eventcask_domain::Field>::view_archived(&event.#name)
                }
            }
        },
    }
}

/// How the encoding and the shape are declared.
pub(crate) fn schema(encoding: Encoding, fields: &[EventField]) -> (TokenStream, TokenStream) {
    let names = fields.iter().map(EventField::text);
    let kinds = fields.iter().map(|field| &field.kind);
    match encoding {
        Encoding::Json => (
            quote!(::eventcask_domain::private::Encoding::Json),
            quote!(::core::option::Option::None),
        ),
        Encoding::Archive => (
            quote!(::eventcask_domain::private::Encoding::Bytes),
            quote!(::core::option::Option::Some(::eventcask_domain::shape::stored(
                ::eventcask_domain::shape::of_fields(&[
                    #((#names, <#kinds as ::eventcask_domain::Field>::SHAPE)),*
                ]),
            ))),
        ),
    }
}

/// Puts `self` at the end of `out`.
pub(crate) fn encode(encoding: Encoding, fields: &[EventField]) -> TokenStream {
    let checked = fields.iter().filter(|field| !field.is_plain());
    let checked = checked.map(|field| &field.name);
    let write = match fields.iter().any(EventField::is_plain) {
        true => quote!(encode_plain),
        false => quote!(encode),
    };
    match encoding {
        // Serde writes `null` for a struct without braces, and an object for one with them.
        Encoding::Json if fields.is_empty() => quote! {
            out.extend_from_slice(b"{}");
            ::core::result::Result::Ok(())
        },
        Encoding::Json => quote! {
            let fits = true #(&& ::eventcask_domain::Field::fits_json(&self.#checked))*;
            ::eventcask_domain::json::#write(self, fits, out)
        },
        Encoding::Archive => quote! {
            let payload = ::eventcask_domain::archive::Payload::new(out);
            ::eventcask_domain::private::rkyv::api::high::to_bytes_in::<
                _,
                ::eventcask_domain::private::rkyv::rancor::Error,
            >(self, payload)
                .map(|_| ())
                .map_err(|error| ::eventcask_domain::archive::not_encoded::<Self>(&error))
        },
    }
}

/// Reads `payload`, in place where that can be.
pub(crate) fn read(encoding: Encoding, event: &DeriveInput, view: &Ident) -> TokenStream {
    let archived = archived(&event.ident);
    match encoding {
        Encoding::Json => {
            let decoded = decode(encoding, event);
            quote!(#decoded.map(::eventcask_domain::Reading::Owned))
        }
        Encoding::Archive => quote! {
            if !::eventcask_domain::archive::is_aligned(payload) {
                return <Self as ::eventcask_domain::Event>::decode_past(0, payload)
                    .map(::eventcask_domain::Reading::Owned);
            }
            ::eventcask_domain::private::rkyv::access::<
                #archived,
                ::eventcask_domain::private::rkyv::rancor::Error,
            >(payload)
                .map(|event| ::eventcask_domain::Reading::InPlace(
                    #view(::eventcask_domain::archive::Seen::Archived(event)),
                ))
                .map_err(|error| ::eventcask_domain::archive::malformed::<Self>(&error))
        },
    }
}

/// Decodes `payload` of this very schema.
pub(crate) fn decode(encoding: Encoding, event: &DeriveInput) -> TokenStream {
    match encoding {
        Encoding::Json => decode_json(event),
        Encoding::Archive => quote! {
            ::eventcask_domain::archive::with_aligned(
                payload,
                ::eventcask_domain::private::rkyv::from_bytes::<
                    Self,
                    ::eventcask_domain::private::rkyv::rancor::Error,
                >,
            )
            .map_err(|error| ::eventcask_domain::archive::malformed::<Self>(&error))
        },
    }
}

/// Braces are no part of a schema, so both ways to have no fields read what either writes.
fn decode_json(event: &DeriveInput) -> TokenStream {
    match &event.data {
        Data::Struct(data) if data.fields.is_empty() => {
            let stored = match data.fields {
                Fields::Unit => quote!(::eventcask_domain::json::Nothing),
                _ => quote!(Self),
            };
            quote! {
                ::eventcask_domain::json::decode_empty::<Self, #stored>(payload)
                    .map(|()| Self {})
            }
        }
        _ => quote!(::eventcask_domain::json::decode::<Self>(payload)),
    }
}
