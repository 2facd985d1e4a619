//! Compression of one section.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use zstd::bulk;
use zstd::zstd_safe::DParameter;

use crate::disk::buffer::Buffer;
use crate::format::group::GroupWriter;
use crate::format::metadata::MetadataWriter;

/// Sections shorter than this are stored as they are: a codec's own header would eat the gain.
const WORTH_BYTES: usize = 128;
/// A frame may not ask for a larger window than this many bits (128 MiB).
const MAX_WINDOW_LOG: u32 = 27;

/// How the sections of a block are compressed.
///
/// ```
/// use eventcask_log::Codec;
/// assert_eq!("zstd:3".parse(), Ok(Codec::Zstd(3)));
/// assert_eq!(Codec::Auto.to_string(), "auto");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Codec {
    /// Not at all.
    None,
    /// LZ4: fast, and still about half the size for JSON.
    Lz4,
    /// zstd at this level, -7 to 19.
    Zstd(i32),
    /// LZ4 for payloads of JSON text, nothing for the rest: half of what there is to gain for a
    /// third of the time.
    TextLz4,
    /// zstd at this level for payloads of JSON text, nothing for the rest.
    TextZstd(i32),
    /// zstd level 1 while the shard keeps up, not at all while batches are waiting.
    #[default]
    Auto,
}

impl Codec {
    /// What it means for payloads that are JSON text, or for all else.
    pub(crate) fn for_section(self, is_text: bool) -> Self {
        match self {
            Self::TextLz4 if is_text => Self::Lz4,
            Self::TextZstd(level) if is_text => Self::Zstd(level),
            Self::TextLz4 | Self::TextZstd(_) => Self::None,
            other => other,
        }
    }

    /// What [`Codec::Auto`] means for a shard that has batches waiting, or none.
    #[must_use]
    pub fn resolve(self, batches_wait: bool) -> Self {
        match self {
            Self::Auto if batches_wait => Self::None,
            Self::Auto => Self::Zstd(1),
            other => other,
        }
    }
}

impl FromStr for Codec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, level) = match text.rsplit_once(':') {
            Some((name, level)) => (name, level.parse().ok()),
            None => (text, None),
        };
        match (name, level) {
            ("none", None) if name == text => Ok(Self::None),
            ("lz4", None) if name == text => Ok(Self::Lz4),
            ("text-lz4", None) if name == text => Ok(Self::TextLz4),
            ("auto", None) if name == text => Ok(Self::Auto),
            ("zstd", Some(level @ -7..=19)) => Ok(Self::Zstd(level)),
            ("text-zstd", Some(level @ -7..=19)) => Ok(Self::TextZstd(level)),
            _ => Err(format!(
                "{text:?} is not a codec: none, lz4, zstd:LEVEL (-7 to 19), text-lz4, text-zstd:LEVEL or auto"
            )),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Lz4 => f.write_str("lz4"),
            Self::Zstd(level) => write!(f, "zstd:{level}"),
            Self::TextLz4 => f.write_str("text-lz4"),
            Self::TextZstd(level) => write!(f, "text-zstd:{level}"),
            Self::Auto => f.write_str("auto"),
        }
    }
}

const STORED_NONE: u8 = 0;
const STORED_LZ4: u8 = 1;
const STORED_ZSTD: u8 = 2;

/// Compresses sections; one a thread, since it keeps its working memory.
#[derive(Default)]
pub struct Compressor {
    zstd: Option<(i32, bulk::Compressor<'static>)>,
    buffer: Vec<u8>,
    /// Makes the archives that are compressed.
    pub(crate) groups: GroupWriter,
    pub(crate) metadata: MetadataWriter,
    /// Event types whose payloads gained nothing when they were last tried, and how many of their
    /// sections are still to be left alone.
    poor: HashMap<String, u32>,
}

/// Sections of a type that gained nothing are left alone so many times before it is tried again.
const LEFT_ALONE: u32 = 63;
/// Types that are remembered for that at most.
const MAX_POOR: usize = 4096;

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

impl Compressor {
    /// As [`append`](Self::append), for payloads of a type: it is left alone for a while where they
    /// gained nothing.
    pub(crate) fn append_payloads(
        &mut self,
        codec: Codec,
        event_type: &str,
        raw: &[u8],
        out: &mut impl Buffer,
    ) -> u8 {
        if codec == Codec::None || raw.len() < WORTH_BYTES {
            return self.append(Codec::None, raw, out);
        }
        if let Some(left) = self.poor.get_mut(event_type).filter(|left| **left > 0) {
            *left -= 1;
            return self.append(Codec::None, raw, out);
        }
        let stored = self.append(codec, raw, out);
        if stored != STORED_NONE {
            self.poor.remove(event_type);
        } else if self.poor.len() < MAX_POOR {
            self.poor.insert(event_type.to_owned(), LEFT_ALONE);
        }
        stored
    }

    /// Appends `raw` to `out`, compressed where that pays, and returns the codec's number.
    pub(crate) fn append(&mut self, codec: Codec, raw: &[u8], out: &mut impl Buffer) -> u8 {
        let compressed = if raw.len() < WORTH_BYTES {
            None
        } else {
            self.compress(codec, raw)
        };
        // A gain under a sixteenth is not worth the reader's time.
        match compressed.filter(|(_, bytes)| bytes.len() < raw.len() - raw.len() / 16) {
            Some((number, bytes)) => {
                out.extend_from_slice(bytes);
                number
            }
            None => {
                out.extend_from_slice(raw);
                STORED_NONE
            }
        }
    }

    fn compress(&mut self, codec: Codec, raw: &[u8]) -> Option<(u8, &[u8])> {
        match codec.resolve(false) {
            Codec::None | Codec::Auto | Codec::TextLz4 | Codec::TextZstd(_) => None,
            Codec::Lz4 => {
                let most = lz4_flex::block::get_maximum_output_size(raw.len());
                // What is there is written over; only new room is filled with zeros.
                self.buffer.resize(most.max(self.buffer.len()), 0);
                let len = lz4_flex::block::compress_into(raw, &mut self.buffer).ok()?;
                Some((STORED_LZ4, &self.buffer[..len]))
            }
            Codec::Zstd(level) => {
                self.buffer.clear();
                self.buffer
                    .reserve(zstd::zstd_safe::compress_bound(raw.len()));
                // A failure is a lack of memory; the section is then stored as it is.
                let len = zstd_at(&mut self.zstd, level)?
                    .compress_to_buffer(raw, &mut self.buffer)
                    .ok()?;
                Some((STORED_ZSTD, &self.buffer[..len]))
            }
        }
    }
}

fn zstd_at<'a>(
    kept: &'a mut Option<(i32, bulk::Compressor<'static>)>,
    level: i32,
) -> Option<&'a mut bulk::Compressor<'static>> {
    if kept.as_ref().is_none_or(|(have, _)| *have != level) {
        *kept = Some((level, bulk::Compressor::new(level).ok()?));
    }
    kept.as_mut().map(|(_, compressor)| compressor)
}

thread_local! {
    static ZSTD: RefCell<Option<bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Fills `raw` with what `stored` holds; its length must be exactly that of the section.
pub(crate) fn decompress(codec: u8, stored: &[u8], raw: &mut [u8]) -> Result<(), &'static str> {
    const WRONG: &str = "a section does not decompress to its length";
    let len = match codec {
        STORED_NONE if stored.len() == raw.len() => {
            raw.copy_from_slice(stored);
            raw.len()
        }
        STORED_LZ4 => lz4_flex::block::decompress_into(stored, raw).map_err(|_| WRONG)?,
        STORED_ZSTD => decompress_zstd(stored, raw).ok_or(WRONG)?,
        _ => return Err("a section is compressed in a way that this program does not know"),
    };
    if len == raw.len() { Ok(()) } else { Err(WRONG) }
}

fn decompress_zstd(stored: &[u8], raw: &mut [u8]) -> Option<usize> {
    ZSTD.with_borrow_mut(|kept| {
        if kept.is_none() {
            let mut decompressor = bulk::Decompressor::new().ok()?;
            decompressor
                .set_parameter(DParameter::WindowLogMax(MAX_WINDOW_LOG))
                .ok()?;
            *kept = Some(decompressor);
        }
        kept.as_mut()?.decompress_to_buffer(stored, raw).ok()
    })
}
