//! The bytes of a view's state.
//!
//! All numbers are little-endian. What is read must be what would be written, so equal states
//! have equal bytes.
//!
//! ```text
//! u8   layout, 3
//! u64  five counts of events that were left out: not whole JSON, no key, a key that is an object or an
//!      array, no time, a time that can not be read
//! i64  newest time of an event in nanoseconds, or the lowest of all where none was seen; of views whose
//!      rows are dropped
//! u32  bytes of the definition, then the definition as JSON
//! u64  rows that are not dropped, then each, rising by key and window:
//!        u32  bytes of the key, then the key
//!        i64  start of the window in nanoseconds, of views with windows
//!        one cell an aggregation:
//!          count     u64
//!          sum       number
//!          min, max  number or none
//!          mean      number, u64
//!
//! number: u8 decimals (0 to 38), i128 all digits without zeros at the end of the decimals
//!      or u8 255, f64
//! none:   u8 254
//! ```

use std::sync::Arc;

use crate::aggregation::Kind;
use crate::cell::{Cell, Cells};
use crate::decimal::Decimal;
use crate::groups::Groups;
use crate::number::{Form, Number};
use crate::window::NO_TIME;
use crate::{DecodeError, LeftOut, ViewSpec, ViewState};

const LAYOUT: u8 = 3;
/// Layout and the counts.
const BEGINNING_BYTES: usize = 1 + 5 * 8;
const FLOAT: u8 = 255;
const NONE: u8 = 254;

impl ViewState {
    /// What the beginning of an encoded state says of the events that it [left
    /// out](Self::left_out): its first [`BEGINNING_BYTES`](Self::BEGINNING_BYTES) are enough.
    #[must_use]
    pub fn left_out_in(beginning: &[u8]) -> Option<LeftOut> {
        left_out_in(beginning)
    }

    /// Bytes at the beginning of an encoded state that tell of it without all of it being read.
    pub const BEGINNING_BYTES: usize = BEGINNING_BYTES;

    /// The state as bytes, the same for equal states.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// The state that [`encode`](Self::encode) wrote.
    ///
    /// Bytes of any content get an answer, with memory in proportion to them. There is no
    /// checksum inside: a flipped bit in a sum is another sum. Whoever keeps the bytes guards
    /// them.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use eventcask_project::{DecodeError, ViewSpec, ViewState};
    ///
    /// let spec = Arc::new(ViewSpec::new("carrier", &["count"], None, None)?);
    /// assert_eq!(ViewState::decode(spec, b"").err(), Some(DecodeError::Truncated));
    /// # Ok::<(), eventcask_project::SpecError>(())
    /// ```
    ///
    /// # Errors
    /// When the bytes are of another definition, of another version, or not what `encode`
    /// writes.
    pub fn decode(spec: Arc<ViewSpec>, bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(spec, bytes)
    }
}

fn encode(state: &ViewState) -> Vec<u8> {
    let mut bytes = vec![LAYOUT];
    let left_out = state.left_out().counts();
    left_out
        .iter()
        .for_each(|count| bytes.extend(count.to_le_bytes()));
    if state.spec().kept().is_some() {
        bytes.extend(state.newest().to_le_bytes());
    }
    put_text(&mut bytes, &state.spec().to_json());
    let rows_at = bytes.len();
    bytes.extend([0; 8]);
    let mut rows = 0u64;
    for (key, group) in state.groups().sorted() {
        for (window, cells) in group.iter() {
            if window.is_some_and(|window| state.spec().is_over(window, state.newest())) {
                continue;
            }
            rows += 1;
            put_text(&mut bytes, key);
            bytes.extend(window.iter().flat_map(|start| start.to_le_bytes()));
            cells.iter().for_each(|cell| put_cell(&mut bytes, *cell));
        }
    }
    bytes[rows_at..rows_at + 8].copy_from_slice(&rows.to_le_bytes());
    bytes
}

/// Definitions and keys are parts of payloads and arguments, far below 4 GiB.
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

fn put_cell(bytes: &mut Vec<u8>, cell: Cell) {
    match cell {
        Cell::Count(count) => bytes.extend(count.to_le_bytes()),
        Cell::Sum(sum) => put_number(bytes, sum),
        Cell::Min(Some(number)) | Cell::Max(Some(number)) => put_number(bytes, number),
        Cell::Min(None) | Cell::Max(None) => bytes.push(NONE),
        Cell::Mean { sum, count } => {
            put_number(bytes, sum);
            bytes.extend(count.to_le_bytes());
        }
    }
}

fn put_number(bytes: &mut Vec<u8>, number: Number) {
    match number.form() {
        Form::Exact(number) => {
            let (mantissa, scale) = number.parts();
            bytes.push(scale);
            bytes.extend(mantissa.to_le_bytes());
        }
        Form::Float(float) => {
            bytes.push(FLOAT);
            bytes.extend(float.to_le_bytes());
        }
    }
}

fn decode(spec: Arc<ViewSpec>, bytes: &[u8]) -> Result<ViewState, DecodeError> {
    let mut bytes = Bytes { left: bytes };
    let left_out = bytes.beginning()?;
    let newest = match spec.kept() {
        Some(_) => i64::from_le_bytes(bytes.array()?),
        None => NO_TIME,
    };
    if bytes.text()? != spec.to_json() {
        return Err(DecodeError::OtherSpec);
    }
    let groups = bytes.groups(&spec, newest)?;
    if !bytes.left.is_empty() {
        return Err(DecodeError::Malformed("bytes follow the last row"));
    }
    Ok(ViewState::of(spec, left_out, newest, groups))
}

fn left_out_in(beginning: &[u8]) -> Option<LeftOut> {
    Bytes { left: beginning }.beginning().ok()
}

/// The bytes that were not read yet.
struct Bytes<'a> {
    left: &'a [u8],
}

impl<'a> Bytes<'a> {
    fn beginning(&mut self) -> Result<LeftOut, DecodeError> {
        match self.u8()? {
            LAYOUT => {}
            found => return Err(DecodeError::Version { found }),
        }
        let mut left_out = LeftOut::default();
        for count in left_out.counts_mut() {
            *count = self.u64()?;
        }
        Ok(left_out)
    }

    fn groups(&mut self, spec: &ViewSpec, newest: i64) -> Result<Groups, DecodeError> {
        let mut groups = Groups::default();
        let mut last = None;
        // The number of rows is only believed row by row: each takes bytes.
        for _ in 0..self.u64()? {
            let row = (self.text()?, self.window(spec, newest)?);
            if last.is_some_and(|last| last >= row) {
                return Err(DecodeError::Malformed("its rows are not in order"));
            }
            let cells = self.cells(spec)?;
            groups.cells_mut(row.0, row.1, || cells);
            last = Some(row);
        }
        Ok(groups)
    }

    fn window(&mut self, spec: &ViewSpec, newest: i64) -> Result<Option<i64>, DecodeError> {
        let Some(window) = spec.compiled_window() else {
            return Ok(None);
        };
        let start = i64::from_le_bytes(self.array()?);
        if !window.can_start_at(start) || spec.is_over(start, newest) {
            return Err(DecodeError::Malformed("a window starts where none can"));
        }
        Ok(Some(start))
    }

    fn cells(&mut self, spec: &ViewSpec) -> Result<Cells, DecodeError> {
        spec.compiled()
            .iter()
            .map(|aggregation| self.cell(aggregation.kind()))
            .collect()
    }

    fn cell(&mut self, kind: Kind) -> Result<Cell, DecodeError> {
        Ok(match kind {
            Kind::Count => Cell::Count(self.u64()?),
            Kind::Sum => Cell::Sum(self.number()?),
            Kind::Min => Cell::Min(self.number_or_none()?),
            Kind::Max => Cell::Max(self.number_or_none()?),
            Kind::Mean => Cell::Mean {
                sum: self.number()?,
                count: self.u64()?,
            },
        })
    }

    fn number_or_none(&mut self) -> Result<Option<Number>, DecodeError> {
        if self.left.first() == Some(&NONE) {
            self.u8()?;
            return Ok(None);
        }
        self.number().map(Some)
    }

    fn number(&mut self) -> Result<Number, DecodeError> {
        let number = match self.u8()? {
            FLOAT => {
                let float = f64::from_le_bytes(self.array()?);
                float.is_finite().then(|| Number::float(float))
            }
            scale => {
                let mantissa = i128::from_le_bytes(self.array()?);
                Decimal::from_normal(mantissa, scale).map(Number::exact)
            }
        };
        number.ok_or(DecodeError::Malformed("a number is not in its only form"))
    }

    fn text(&mut self) -> Result<&'a str, DecodeError> {
        let len = u32::from_le_bytes(self.array()?) as usize;
        let (text, left) = self
            .left
            .split_at_checked(len)
            .ok_or(DecodeError::Truncated)?;
        self.left = left;
        str::from_utf8(text).map_err(|_| DecodeError::Malformed("a text is not UTF-8"))
    }

    fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (array, left) = self
            .left
            .split_first_chunk()
            .ok_or(DecodeError::Truncated)?;
        self.left = left;
        Ok(*array)
    }
}
