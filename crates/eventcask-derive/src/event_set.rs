//! `#[derive(EventSet)]`: the events that some code knows.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Data, DeriveInput, Error, Fields, Ident, Result, Token, Type, Variant, bracketed,
};

/// What makes an enum a set of events; or the error.
pub(crate) fn expand(item: TokenStream) -> TokenStream {
    try_expand(item).unwrap_or_else(Error::into_compile_error)
}

pub(crate) fn try_expand(item: TokenStream) -> Result<TokenStream> {
    let item: DeriveInput = syn::parse2(item)?;
    if let Some(parameter) = item.generics.params.first() {
        let message = "a set of events has no type parameters and no lifetimes";
        return Err(Error::new_spanned(parameter, message));
    }
    let Data::Enum(data) = &item.data else {
        let message = "a set of events is an enum; a single event is a struct with `#[event]`";
        return Err(Error::new(item.ident.span(), message));
    };
    if data.variants.is_empty() {
        let message = "a set has at least one event";
        return Err(Error::new(item.ident.span(), message));
    }
    let members = data.variants.iter().map(Member::of);
    let set = Expansion {
        view: format_ident!("{}Ref", item.ident),
        members: members.collect::<Result<_>>()?,
        upcast: upcast_of(&item.attrs)?,
        item,
    };
    let (view, implementation, conversions) = (set.view(), set.implementation(), set.conversions());
    Ok(quote!(#view #implementation #conversions))
}

struct Expansion {
    item: DeriveInput,
    members: Vec<Member>,
    /// Events that are no longer written.
    upcast: Vec<Type>,
    /// Name of the enum of views.
    view: Ident,
}

/// What `#[event_set(upcast = [...])]` lists.
fn upcast_of(attributes: &[Attribute]) -> Result<Vec<Type>> {
    let mut upcast = Vec::new();
    for attribute in attributes {
        if attribute.path().is_ident("event_set") {
            upcast.extend(attribute.parse_args_with(parse_upcast)?);
        }
    }
    Ok(upcast)
}

fn parse_upcast(input: ParseStream<'_>) -> Result<Punctuated<Type, Token![,]>> {
    let key: Ident = input.parse()?;
    if key != "upcast" {
        let message = format!("`{key}` is no argument of a set: there is `upcast = [..]`");
        return Err(Error::new(key.span(), message));
    }
    input.parse::<Token![=]>()?;
    let events;
    bracketed!(events in input);
    Punctuated::parse_terminated(&events)
}

/// A variant.
struct Member {
    name: Ident,
    event: Type,
}

impl Member {
    fn of(variant: &Variant) -> Result<Self> {
        let fields = match &variant.fields {
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => &fields.unnamed,
            _ => {
                let name = &variant.ident;
                let message = format!("a variant holds one event, such as `{name}({name})`");
                return Err(Error::new_spanned(variant, message));
            }
        };
        Ok(Self {
            name: variant.ident.clone(),
            event: fields[0].ty.clone(),
        })
    }
}

impl Expansion {
    fn names(&self) -> Vec<&Ident> {
        self.members.iter().map(|member| &member.name).collect()
    }

    fn events(&self) -> Vec<&Type> {
        self.members.iter().map(|member| &member.event).collect()
    }

    fn view(&self) -> TokenStream {
        let (set, view, visibility) = (&self.item.ident, &self.view, &self.item.vis);
        let (names, events) = (self.names(), self.events());
        let docs = format!("What is seen of an event of [`{set}`].");
        let each = names
            .iter()
            .map(|name| format!("An event that is a `{name}`."));
        quote! {
            #[doc = #docs]
            #[derive(::core::fmt::Debug, ::core::clone::Clone, ::core::marker::Copy)]
            #visibility enum #view<'a> {
                #(
                    #[doc = #each]
                    #names(<#events as ::eventcask_domain::Event>::Ref<'a>),
                )*
            }
        }
    }

    fn implementation(&self) -> TokenStream {
        let (set, view) = (&self.item.ident, &self.view);
        let (names, events) = (self.names(), self.events());
        let (schemas, decode_found) = (self.schemas(), self.decode_found());
        quote! {
            // What is wrong with the set is said here, and not where it is used first.
            const _: &[&str] = <#set as ::eventcask_domain::EventSet>::TYPES;

            impl ::eventcask_domain::EventSet for #set {
                type Ref<'a> = #view<'a>;

                #schemas

                #[inline]
                fn view(&self) -> #view<'_> {
                    match self {
                        #(Self::#names(event) => #view::#names(
                            ::eventcask_domain::Event::view(event),
                        ),)*
                    }
                }

                fn schema(&self) -> &'static ::eventcask_domain::EventSchema {
                    match self {
                        #(Self::#names(_) => &<#events as ::eventcask_domain::Event>::SCHEMA,)*
                    }
                }

                fn encode(
                    &self,
                    out: &mut ::std::vec::Vec<u8>,
                ) -> ::core::result::Result<(), ::eventcask_domain::EncodeError> {
                    match self {
                        #(Self::#names(event) => ::eventcask_domain::Event::encode(event, out),)*
                    }
                }

                fn tags(&self, tags: &mut ::eventcask_domain::TagList) {
                    match self {
                        #(Self::#names(event) => ::eventcask_domain::Event::tags(event, tags),)*
                    }
                }

                #decode_found

                #[inline]
                fn shorten<'b, 'a: 'b>(view: #view<'a>) -> #view<'b> {
                    match view {
                        #(#view::#names(view) => #view::#names(
                            <#events as ::eventcask_domain::Event>::shorten(view),
                        ),)*
                    }
                }
            }
        }
    }

    fn schemas(&self) -> TokenStream {
        let events = self.events().into_iter().chain(&self.upcast);
        let heads: Vec<TokenStream> = events
            .map(|event| quote!(&<#event as ::eventcask_domain::Event>::SCHEMA))
            .collect();
        quote! {
            const SCHEMAS: &'static [&'static ::eventcask_domain::EventSchema] =
                &[#(#heads),*];

            const TYPES: &'static [&'static str] = {
                const HEADS: &[&::eventcask_domain::EventSchema] =
                    &[#(#heads),*];
                const ALL: usize = ::eventcask_domain::private::schemas_in(HEADS);
                const NAMES: &([&str; ALL], usize) =
                    &::eventcask_domain::private::type_names::<ALL>(HEADS);
                NAMES.0.split_at(NAMES.1).0
            };
        }
    }

    fn decode_found(&self) -> TokenStream {
        let arms = self.arms();
        // What `find` gives is a number of these; the last arm takes what can not be.
        let last = arms.len() - 1;
        let patterns = (0..arms.len() as u16).map(|number| match usize::from(number) == last {
            true => quote!(_),
            false => quote!(#number),
        });
        quote! {
            fn decode_found(
                found: ::eventcask_domain::Found,
                payload: &[u8],
            ) -> ::core::result::Result<
                ::eventcask_domain::Decoded<'_, Self>,
                ::eventcask_domain::DecodeError,
            > {
                match found.member {
                    #(#patterns => #arms,)*
                }
            }
        }
    }

    fn arms(&self) -> Vec<TokenStream> {
        let view = &self.view;
        let member = |Member { name, event }: &Member| {
            quote!(::eventcask_domain::private::decode::<#event, Self>(
                found.steps,
                payload,
                |seen| #view::#name(seen),
            ))
        };
        let upcast = |event: &Type| {
            quote!(::eventcask_domain::private::decode_upcast::<#event, Self>(
                found.steps,
                payload,
            ))
        };
        let members = self.members.iter().map(member);
        members.chain(self.upcast.iter().map(upcast)).collect()
    }

    fn conversions(&self) -> TokenStream {
        let set = &self.item.ident;
        let (names, events) = (self.names(), self.events());
        quote! {
            #(
                impl ::core::convert::From<#events> for #set {
                    fn from(event: #events) -> Self {
                        Self::#names(event)
                    }
                }
            )*
        }
    }
}
