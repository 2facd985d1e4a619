//! Rows of comma-separated values under a header line, as JSON objects.
//!
//! 1. `records` brings the bytes of the next record to the front of the window, and its fields
//!    end to end into one buffer.
//! 2. Its bytes go into the running hash.
//! 3. The fields are checked: as many as the header has, each of them UTF-8.
//! 4. The payload is written: names as prepared from the header, numbers as they stand.
//!
//! The last row of a file that may grow is whole once its line has an end: `12` may become `1250`.

use std::collections::HashSet;
use std::io;

use super::carried::Carried;
use super::envelope::{Envelope, EnvelopeReader};
use super::number::number_of;
use super::piped::{not_opened, patiently};
use super::records::{OpenQuote, Record, Records};
use super::row::{Next, Place, Rejected, Row};
use super::window::Window;
use super::{Parts, Reason, RowCheck, RowSpec, Value};
use crate::failure::Failure;
use crate::output::write_json_string;

/// Reads records under a header.
pub(super) struct CsvRows {
    records: Records,
    columns: Columns,
    envelopes: EnvelopeReader,
    rows: u64,
    check: RowCheck,
    payload: Vec<u8>,
    may_grow: bool,
}

/// What the header says.
struct Columns {
    /// One a column: what stands before its value in the payload, as in `,"name":`.
    prefixes: Vec<Vec<u8>>,
    names: Vec<String>,
    /// The columns that the parts of an envelope come from.
    parts: Parts<Option<usize>>,
    /// The columns that what events carry comes from.
    carried: Vec<usize>,
}

impl CsvRows {
    pub(super) fn new(
        window: Window,
        file: &str,
        envelopes: EnvelopeReader,
        may_grow: bool,
    ) -> Result<Self, Failure> {
        let mut records = Records::new(window, envelopes.spec.payload_bytes_max);
        let header = patiently(|| records.advance()).map_err(|error| {
            let line = OpenQuote::line_of(&error).unwrap_or(records.line());
            not_opened(&error, file, line)
        })?;
        let line = records.record_line();
        let fail = |what: &str| Failure::at_line(file, line, what);
        if !matches!(header, Some(Record::Held)) {
            return Err(fail("there is no header line that names the columns"));
        }
        let columns = Columns::new(&records, &envelopes.spec).map_err(|what| fail(&what))?;
        let mut check = RowCheck::default();
        check.row(records.raw());
        Ok(Self {
            records,
            columns,
            envelopes,
            rows: 0,
            check,
            payload: Vec::new(),
            may_grow,
        })
    }

    pub(super) fn line(&self) -> u64 {
        self.records.line()
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Next<'_>>> {
        let Some(record) = self.records.advance()? else {
            return Ok(None);
        };
        match record {
            Record::Held => self.check.row(self.records.raw()),
            Record::Long(bytes) => self.check.long_row(bytes),
        }
        let line = self.records.record_line();
        let is_whole = !(self.may_grow && self.records.is_last());
        let place = Place {
            ordinal: self.rows,
            line,
            check: self.check.value(),
        };
        self.rows += 1;
        let Self {
            records,
            columns,
            envelopes,
            payload,
            ..
        } = self;
        Ok(Some(
            match take(records, &record, columns, envelopes, payload) {
                Ok((
                    Envelope {
                        key,
                        event_type,
                        time,
                        id,
                        carried,
                    },
                    payload,
                )) => {
                    let Place {
                        ordinal,
                        line,
                        check,
                    } = place;
                    Next::Row(Row {
                        is_whole,
                        ordinal,
                        line,
                        check,
                        key,
                        event_type,
                        time,
                        id,
                        carried,
                        payload,
                    })
                }
                Err(reason) => {
                    let raw = records.shown(&record);
                    let rejected = Rejected::new(place, reason, raw);
                    Next::Rejected(Rejected {
                        is_whole,
                        ..rejected
                    })
                }
            },
        ))
    }
}

fn take<'a>(
    records: &'a Records,
    record: &Record,
    columns: &Columns,
    envelopes: &'a mut EnvelopeReader,
    payload: &'a mut Vec<u8>,
) -> Result<(Envelope<'a>, &'a [u8]), Reason> {
    let limit = envelopes.spec.payload_bytes_max;
    if let Record::Long(_) = record {
        return Err(records.say_where_it_ends(Reason::over_the_limit(limit)));
    }
    let fields = Fields::new(records, columns)?;
    if let Some(line) = records.torn_quote() {
        return Err(Reason::new(format!(
            "a quote that is opened in line {line} is closed in the middle of a field of a later line, as where one is missing"
        )));
    }
    columns.write_payload(&fields, envelopes.spec.null.as_deref(), payload);
    if payload.len() > limit {
        return Err(Reason::over_the_limit(limit));
    }
    let values = columns
        .parts
        .map(|column| column.map_or(Value::Absent, |at| text_of(fields.get(at))));
    let carried = match envelopes.carries {
        true => {
            let columns = columns.carried.iter();
            let mut values = columns.map(|column| text_of(fields.get(*column)));
            let spec = &envelopes.spec;
            spec.carried.read(&mut values, spec.null.as_deref())?
        }
        false => Carried::default(),
    };
    let envelope = envelopes.read(values)?;
    let envelope = Envelope {
        carried,
        ..envelope
    };
    Ok((envelope, payload))
}

/// A field as the text that it has in the payload.
fn text_of(field: &str) -> Value<'_> {
    Value::Text(number_of(field).unwrap_or(field))
}

impl Columns {
    fn new(header: &Records, spec: &RowSpec) -> Result<Self, String> {
        let mut names = Vec::new();
        for column in 0..header.fields() {
            let name = str::from_utf8(header.field(column));
            let name =
                name.map_err(|_| format!("the name of column {} is not UTF-8", column + 1))?;
            names.push(name.to_owned());
        }
        let mut seen = HashSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(format!("the header names the column {twice:?} twice"));
        }
        let mut parts = [None; 4];
        for (part, name) in parts.iter_mut().zip(spec.fields()) {
            *part = name.map(|name| find_column(&names, name)).transpose()?;
        }
        let carried = spec.carried.fields().into_iter();
        let carried = carried.map(|name| find_column(&names, name));
        let carried = carried.collect::<Result<_, _>>()?;
        let prefixes = names
            .iter()
            .enumerate()
            .map(|(at, name)| prefix_of(at, name))
            .collect();
        Ok(Self {
            prefixes,
            names,
            parts,
            carried,
        })
    }

    /// Writes the fields as a JSON object in the order of the columns.
    fn write_payload(&self, fields: &Fields<'_>, null: Option<&str>, payload: &mut Vec<u8>) {
        payload.clear();
        for (column, prefix) in self.prefixes.iter().enumerate() {
            payload.extend_from_slice(prefix);
            let field = fields.get(column);
            if null == Some(field) {
                payload.extend_from_slice(b"null");
            } else if let Some(number) = number_of(field) {
                payload.extend_from_slice(number.as_bytes());
            } else {
                write_json_string(payload, field);
            }
        }
        payload.push(b'}');
    }
}

fn find_column(names: &[String], wanted: &str) -> Result<usize, String> {
    let known = || {
        let listed: Vec<_> = names.iter().take(20).map(String::as_str).collect();
        let more = if names.len() > 20 { ", ..." } else { "" };
        format!(
            "the header has no column {wanted:?}; it has {}{more}",
            listed.join(", ")
        )
    };
    names
        .iter()
        .position(|name| name == wanted)
        .ok_or_else(known)
}

fn prefix_of(column: usize, name: &str) -> Vec<u8> {
    let mut prefix = vec![if column == 0 { b'{' } else { b',' }];
    write_json_string(&mut prefix, name);
    prefix.push(b':');
    prefix
}

/// The fields of a record that is as wide as the header, as texts.
struct Fields<'a> {
    text: &'a str,
    ends: &'a [usize],
}

impl<'a> Fields<'a> {
    fn new(records: &'a Records, columns: &Columns) -> Result<Self, Reason> {
        let (found, expected) = (records.fields(), columns.prefixes.len());
        if found != expected {
            let widths = format!("the row has {found} fields where the header has {expected}");
            return Err(records.say_where_it_ends(Reason(widths)));
        }
        let ends = records.ends();
        // All fields as one text is a single pass, but a border may then cut a character.
        let text = str::from_utf8(records.text());
        match text {
            Ok(text) if ends.iter().all(|end| text.is_char_boundary(*end)) => {
                Ok(Self { text, ends })
            }
            _ => Err(not_utf8(records, columns)),
        }
    }

    fn get(&self, column: usize) -> &'a str {
        let start = if column == 0 {
            0
        } else {
            self.ends[column - 1]
        };
        &self.text[start..self.ends[column]]
    }
}

fn not_utf8(records: &Records, columns: &Columns) -> Reason {
    let broken = (0..records.fields()).find(|at| str::from_utf8(records.field(*at)).is_err());
    let name = broken.map_or("", |column| columns.names[column].as_str());
    Reason(format!("the field {name:?} is not UTF-8 text"))
}
