//! What `backup` and `reshard` print of the copy that they made.

use std::path::Path;

use eventcask::upkeep::VerifyReport;

use super::store::failure;
use super::verify;
use crate::args::Global;
use crate::failure::Failure;
use crate::output::{Object, Out, escaped, print_object, write_list, write_problem};

/// Verifies the copy where that is asked for, and prints what was done: `fields` of the JSON
/// object, or the `text` about a target of this name. Damage is what the command ends with.
pub(super) fn print(
    target: &Path,
    verify: bool,
    global: &Global,
    fields: impl FnOnce(&mut Object<'_>, Option<&VerifyReport>),
    text: impl FnOnce(&str) -> String,
) -> Result<(), Failure> {
    let verified = match verify {
        true => Some(eventcask::verify(target).map_err(|error| failure(&error))?),
        false => None,
    };
    let raw = target.display().to_string();
    let shown = escaped(&raw);
    if global.json {
        print_object(|object| {
            object.text("target", &raw);
            fields(object, verified.as_ref());
            if let Some(verified) = &verified {
                object.number("ok", verified.is_ok());
                write_list(object.value("problems"), &verified.problems, write_problem);
            }
        })?;
    } else {
        let mut out = Out::new();
        out.write(text(&shown).as_bytes())?;
        if let Some(verified) = &verified {
            out.write(verify::text(verified).as_bytes())?;
        }
        out.flush()?;
    }
    verified.map_or(Ok(()), |report| verify::damaged(&report, &shown))
}
