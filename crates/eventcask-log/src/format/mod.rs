//! The bytes of files, and back; `docs/FORMAT.md` describes them.

pub(crate) mod wire;
pub(crate) mod manifest;
pub(crate) mod framed;
pub(crate) mod place;
pub(crate) mod log_end;
pub(crate) mod head;
pub(crate) mod checksum;
pub(crate) mod codec;
pub(crate) mod section;
pub(crate) mod layout;
pub(crate) mod group;
pub(crate) mod metadata;
pub(crate) mod kept_type;
pub(crate) mod front;
mod section_writer;
mod carried;
mod in_place;
pub(crate) mod payloads;
pub(crate) mod block;
pub(crate) mod sealed_header;
