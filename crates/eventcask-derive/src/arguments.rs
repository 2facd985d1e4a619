//! What `#[event(...)]` says.

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, LitInt, LitStr, Result, Token, Type, bracketed};

const KNOWN: &str = "`version`, `prev`, `encoding` and `tags`";
/// As the format has it; the engine refuses longer ones when they are appended.
const MAX_TYPE_BYTES: usize = 255;

/// How payloads are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As JSON text, by serde.
    Json,
    /// As an archive of rkyv, which is seen in place.
    Archive,
}

/// The arguments of one event.
pub(crate) struct Arguments {
    pub(crate) event_type: LitStr,
    pub(crate) version: LitInt,
    pub(crate) prev: Option<Type>,
    pub(crate) encoding: Encoding,
    pub(crate) tags: Vec<Ident>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut arguments = Self {
            event_type: parse_name(input)?,
            version: LitInt::new("1u32", Span::call_site()),
            prev: None,
            encoding: Encoding::Json,
            tags: Vec::new(),
        };
        let mut seen: Vec<Ident> = Vec::new();
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let key: Ident = input.parse()?;
            if seen.contains(&key) {
                return Err(Error::new(key.span(), format!("`{key}` is said twice")));
            }
            input.parse::<Token![=]>()?;
            arguments.parse_value(&key, input)?;
            seen.push(key);
        }
        Ok(arguments)
    }
}

impl Arguments {
    fn parse_value(&mut self, key: &Ident, input: ParseStream<'_>) -> Result<()> {
        match &*key.to_string() {
            "version" => self.version = parse_version(input)?,
            "prev" => self.prev = Some(input.parse()?),
            "encoding" => self.encoding = parse_encoding(input)?,
            "tags" => {
                let tags;
                bracketed!(tags in input);
                let tags = Punctuated::<Ident, Token![,]>::parse_terminated(&tags)?;
                self.tags = tags.into_iter().collect();
            }
            other => {
                let message = format!("`{other}` is no argument of an event: there are {KNOWN}");
                return Err(Error::new(key.span(), message));
            }
        }
        Ok(())
    }
}

fn parse_name(input: ParseStream<'_>) -> Result<LitStr> {
    let explain = |error: Error| {
        let example = "an event begins with the name of its type, such as \
                       `#[event(\"account.opened\")]`";
        Error::new(error.span(), example)
    };
    let name: LitStr = input.parse().map_err(explain)?;
    let problem = match name.value() {
        text if text.is_empty() => "the name of an event type has at least one byte",
        text if text.len() > MAX_TYPE_BYTES => "the name of an event type has 255 bytes at most",
        text if text.starts_with('$') => "names that begin with `$` are the engine's own",
        _ => return Ok(name),
    };
    Err(Error::new(name.span(), problem))
}

fn parse_version(input: ParseStream<'_>) -> Result<LitInt> {
    let version: LitInt = input.parse()?;
    match version.base10_parse::<u32>() {
        Ok(0) | Err(_) => Err(Error::new(
            version.span(),
            "a schema version is a number from 1 on that 32 bits hold",
        )),
        Ok(_) => Ok(version),
    }
}

fn parse_encoding(input: ParseStream<'_>) -> Result<Encoding> {
    let encoding: Ident = input.parse()?;
    match &*encoding.to_string() {
        "json" => Ok(Encoding::Json),
        "archive" => Ok(Encoding::Archive),
        other => {
            let message = format!("`{other}` is no encoding: there are `json` and `archive`");
            Err(Error::new(encoding.span(), message))
        }
    }
}
