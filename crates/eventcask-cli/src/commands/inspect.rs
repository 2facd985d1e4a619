//! `eventcask inspect`: one file of a store, decoded.

use std::fs;
use std::path::Path;

use eventcask::inspect::{
    BlockHead, Framed, FramedKind, Inspection, Manifest, Sealed, Section, SegmentInspection,
    Table as SealedTable, TableKind,
};
use eventcask::{SourceMark, Timestamp};

use super::store::failure;
use crate::args::Global;
use crate::failure::{Failure, io_reason};
use crate::output::{Object, Out, Table, bytes, count, write_list, write_problem};

pub(super) fn run(file: &Path, global: &Global) -> Result<(), Failure> {
    check_plain(file)?;
    let inspection = eventcask::inspect::file(file).map_err(|error| failure(&error))?;
    let mut out = Out::new();
    if global.json {
        let mut line = Vec::new();
        write_json(&mut line, &inspection)?;
        line.push(b'\n');
        out.write(&line)?;
    } else {
        out.write(text(&inspection)?.as_bytes())?;
    }
    out.flush()?;
    match inspection {
        Inspection::Segment(SegmentInspection {
            problem: Some(problem),
            ..
        }) => {
            let (place, reason) = (problem.place, problem.reason);
            Err(Failure::No(format!(
                "{}: byte {place}: {reason}",
                file.display()
            )))
        }
        _ => Ok(()),
    }
}

/// Asked without opening it: a pipe would wait for somebody to write to it.
fn check_plain(file: &Path) -> Result<(), Failure> {
    let opened = match fs::symlink_metadata(file) {
        Ok(about) if !about.is_file() => {
            return Err(Failure::in_file(file, "it is not a plain file"));
        }
        Ok(_) => fs::File::open(file).map(drop),
        Err(error) => Err(error),
    };
    opened.map_err(|error| {
        Failure::in_file(file, &format!("can not be opened: {}", io_reason(&error)))
    })
}

fn unknown() -> Failure {
    Failure::Input("this version can not show files of that kind".to_owned())
}

fn write_json(line: &mut Vec<u8>, inspection: &Inspection) -> Result<(), Failure> {
    match inspection {
        Inspection::Manifest(manifest) => write_manifest(line, manifest),
        Inspection::Framed(framed) => write_framed(line, framed),
        Inspection::Segment(segment) => write_segment(line, segment),
        _ => return Err(unknown()),
    }
    Ok(())
}

fn write_manifest(line: &mut Vec<u8>, manifest: &Manifest) {
    let mut object = Object::new(line);
    object
        .text("kind", "manifest")
        .text("store", &format!("{:032x}", manifest.store))
        .number("shards", manifest.shards)
        .shown("route_by", manifest.route_by)
        .shown("created", Timestamp::from_nanos(manifest.created))
        .number("writable", manifest.writable);
    if manifest.origin != 0 {
        object.text("origin", &format!("{:032x}", manifest.origin));
    }
    object.end();
}

fn write_framed(line: &mut Vec<u8>, framed: &Framed) {
    let mut object = Object::new(line);
    object
        .text("kind", kind_of(framed))
        .text("store", &format!("{:032x}", framed.store));
    if matches!(framed.kind, FramedKind::ViewState | FramedKind::Fold) {
        object
            .number("shard", framed.shard)
            .number("position", framed.progress);
        object.text("definition_checksum", &format!("{:08x}", framed.definition));
    }
    if let Some(time) = retention_of(framed) {
        object.shown("before", time);
    }
    object.number("bytes", framed.body.len());
    if let Some(json) = definition_of(framed) {
        object.raw("definition", json.as_bytes());
    }
    object.end();
}

fn kind_of(framed: &Framed) -> &'static str {
    match framed.kind {
        FramedKind::ViewDefinition => "view definition",
        FramedKind::Retention => "retention",
        FramedKind::ViewState => "view state",
        FramedKind::Subscription => "subscription",
        FramedKind::Fold => "snapshot of a fold",
        FramedKind::ProjectionDefinition => "projection definition",
        FramedKind::ProjectionState => "projection state",
        FramedKind::Ends => "ends of the logs",
        FramedKind::Origin => "origin",
    }
}

/// The time before which all events are given up, if that is what the file says.
fn retention_of(framed: &Framed) -> Option<Timestamp> {
    let time: [u8; 8] = framed.body.as_slice().try_into().ok()?;
    let time = Timestamp::from_nanos(i64::from_le_bytes(time));
    (framed.kind == FramedKind::Retention).then_some(time)
}

/// The JSON text of a definition, if it is one.
fn definition_of(framed: &Framed) -> Option<&str> {
    let text = str::from_utf8(&framed.body).ok()?;
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    let is_definition = matches!(
        framed.kind,
        FramedKind::ViewDefinition | FramedKind::ProjectionDefinition
    );
    (is_definition && is_json).then_some(text)
}

fn write_segment(line: &mut Vec<u8>, segment: &SegmentInspection) {
    let mut object = Object::new(line);
    object
        .text("kind", "segment")
        .text("store", &format!("{:032x}", segment.store))
        .number("shard", segment.shard)
        .number("segment", segment.header.number)
        .number("first_position", segment.header.first_position)
        .text(
            "previous_checksum",
            &format!("{:08x}", segment.header.previous_checksum),
        );
    if let Some(sealed) = &segment.sealed {
        write_sealed(object.value("sealed"), sealed);
    }
    write_list(object.value("blocks"), &segment.blocks, write_block);
    if let Some(problem) = &segment.problem {
        write_problem(object.value("problem"), problem);
    }
    object.end();
}

fn write_sealed(out: &mut Vec<u8>, sealed: &Sealed) {
    let mut object = Object::new(out);
    object
        .number("next_position", sealed.next_position)
        .number("rewrite", sealed.rewrite)
        .number("events", sealed.events)
        .number("removed", sealed.removed)
        .number("lost", sealed.lost)
        .number("blocks_end", sealed.blocks_end)
        .number("length", sealed.length)
        .number("raw_bytes", sealed.raw_bytes)
        .number("epoch", sealed.epoch)
        .text("last_checksum", &format!("{:08x}", sealed.last_checksum));
    write_list(object.value("tables"), &sealed.tables, write_table);
    object.end();
}

fn write_table(out: &mut Vec<u8>, table: &SealedTable) {
    let mut object = Object::new(out);
    object
        .text("kind", table_kind(table.kind))
        .number("place", table.place)
        .number("bytes", table.length);
    object.end();
}

fn table_kind(kind: TableKind) -> &'static str {
    match kind {
        TableKind::Blocks => "blocks",
        TableKind::Marks => "marks",
        TableKind::Truncations => "truncations",
        TableKind::KeyFilter => "key filter",
        TableKind::KeyDirectory => "key directory",
        TableKind::KeyPages => "key pages",
        TableKind::IdFilter => "id filter",
        TableKind::IdDirectory => "id directory",
        TableKind::IdPages => "id pages",
        TableKind::Clusters => "clusters",
        TableKind::ClusterDirectory => "cluster directory",
    }
}

fn write_block(out: &mut Vec<u8>, block: &BlockHead) {
    let mut object = Object::new(out);
    object
        .number("place", block.place)
        .number("bytes", block.length)
        .number("first_position", block.first_position)
        .number("rows", block.rows);
    if block.gaps > 0 {
        object.number("gaps", block.gaps);
    }
    object
        .number("durable_place", block.durable_place)
        .shown("first_commit", Timestamp::from_nanos(block.first_commit))
        .shown("last_commit", Timestamp::from_nanos(block.last_commit))
        .number("epoch", block.epoch)
        .number("close", block.close)
        .text(
            "previous_checksum",
            &format!("{:08x}", block.previous_checksum),
        )
        .text("checksum", &format!("{:08x}", block.checksum));
    write_list(object.value("source_marks"), &block.marks, write_mark);
    write_list(object.value("sections"), &block.sections, write_section);
    object.end();
}

fn write_mark(out: &mut Vec<u8>, mark: &SourceMark) {
    let mut object = Object::new(out);
    object
        .text("source", &mark.source)
        .number("next", mark.next);
    object.text("check", &format!("{:016x}", mark.check));
    object.end();
}

fn write_section(out: &mut Vec<u8>, section: &Section) {
    let mut object = Object::new(out);
    object.text("kind", section.name());
    if let Some(index) = section.payloads_of() {
        object.number("type", index);
    }
    object
        .text("codec", codec_of(section))
        .number("stored", section.stored)
        .number("raw", section.raw)
        .number("start", section.start)
        .text("checksum", &format!("{:08x}", section.checksum));
    object.end();
}

fn codec_of(section: &Section) -> &'static str {
    match section.codec {
        0 => "none",
        1 => "lz4",
        2 => "zstd",
        _ => "unknown",
    }
}

fn text(inspection: &Inspection) -> Result<String, Failure> {
    match inspection {
        Inspection::Manifest(manifest) => Ok(format!(
            "manifest of store {:032x}\n{} shards, routed by {}, made {}{}{}\n",
            manifest.store,
            manifest.shards,
            manifest.route_by,
            Timestamp::from_nanos(manifest.created),
            if manifest.writable {
                ""
            } else {
                "; only a newer version may write to it"
            },
            match manifest.origin {
                0 => String::new(),
                origin => format!("; its events began in store {origin:032x}"),
            },
        )),
        Inspection::Framed(framed) => Ok(framed_text(framed)),
        Inspection::Segment(segment) => Ok(segment_text(segment)),
        _ => Err(unknown()),
    }
}

fn framed_text(framed: &Framed) -> String {
    let mut text = format!("{} of store {:032x}\n", kind_of(framed), framed.store);
    if framed.kind == FramedKind::ViewState {
        let (shard, progress) = (framed.shard, count(framed.progress));
        text += &format!("shard {shard}, holds the events before position {progress}\n");
    }
    if let Some(time) = retention_of(framed) {
        return text + &format!("all events before {time} are given up\n");
    }
    match definition_of(framed) {
        Some(json) => text += &format!("{json}\n"),
        None => text += &format!("{}\n", bytes(framed.body.len() as u64)),
    }
    text
}

fn segment_text(segment: &SegmentInspection) -> String {
    let mut text = format!(
        "segment {} of shard {} of store {:032x}, from position {}\n",
        segment.header.number, segment.shard, segment.store, segment.header.first_position,
    );
    if let Some(sealed) = &segment.sealed {
        text += &sealed_text(sealed);
    }
    let names = [
        ">place",
        ">bytes",
        ">position",
        ">rows",
        ">epoch",
        "first commit",
        "marks",
    ];
    let mut table = Table::new(&names);
    for block in &segment.blocks {
        let marks = block
            .marks
            .iter()
            .map(|mark| format!("{} to {}", mark.source, mark.next));
        let gaps = (block.gaps > 0).then(|| format!("{} gaps", count(block.gaps)));
        let marks: Vec<_> = marks
            .chain(block.close.then(|| "clean close".to_owned()))
            .chain(gaps)
            .collect();
        table.row([
            block.place.to_string(),
            block.length.to_string(),
            block.first_position.to_string(),
            block.rows.to_string(),
            block.epoch.to_string(),
            Timestamp::from_nanos(block.first_commit).to_string(),
            marks.join(", "),
        ]);
    }
    text += &table.to_string();
    text
}

fn sealed_text(sealed: &Sealed) -> String {
    let mut text = format!(
        "sealed, written anew {} times: {} events up to position {}, {} taken out, {} lost\nblocks end at byte {} of {}\n\n",
        sealed.rewrite,
        count(sealed.events),
        sealed.next_position,
        count(sealed.removed),
        count(sealed.lost),
        sealed.blocks_end,
        sealed.length,
    );
    let mut table = Table::new(&["table", ">place", ">bytes"]);
    for one in &sealed.tables {
        let kind = table_kind(one.kind).to_owned();
        table.row([kind, one.place.to_string(), one.length.to_string()]);
    }
    text += &format!("{table}\n");
    text
}
