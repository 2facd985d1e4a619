//! CSV or NDJSON, and how it is compressed.

use std::path::Path;

/// How the rows of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Comma-separated values under a header line.
    Csv,
    /// One JSON object a line.
    Ndjson,
}

/// What a file is packed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Format {
    /// What the name says, below the suffix of a compression.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let bare = name
            .strip_suffix(".gz")
            .or(name.strip_suffix(".zst"))
            .unwrap_or(&name);
        match Path::new(bare).extension()?.to_str()? {
            "csv" => Some(Self::Csv),
            "ndjson" | "jsonl" | "json" => Some(Self::Ndjson),
            _ => None,
        }
    }

    /// What the first bytes say, or `None` where they are all blank.
    pub(super) fn of_content(bytes: &[u8]) -> Option<Self> {
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace())?;
        Some(if *first == b'{' {
            Self::Ndjson
        } else {
            Self::Csv
        })
    }
}

impl Compression {
    /// Bytes that [`of`](Self::of) wants to see.
    pub(super) const MAGIC_BYTES: usize = 4;

    /// What the first bytes say, else the name.
    pub(super) fn of(magic: &[u8], name: &str) -> Self {
        match magic {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or a skippable one such as parallel compressors begin with.
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Self::Zstd,
            _ => Self::of_name(name),
        }
    }

    fn of_name(name: &str) -> Self {
        match Path::new(&name.to_ascii_lowercase()).extension() {
            Some(gz) if gz == "gz" => Self::Gzip,
            Some(zst) if zst == "zst" => Self::Zstd,
            _ => Self::None,
        }
    }
}
