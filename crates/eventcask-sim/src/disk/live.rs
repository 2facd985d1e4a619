//! The files as a running process sees them, durable or not.

use std::collections::BTreeMap;

use crate::disk::image::{Image, parent};
use crate::disk::journal::{FileNumber, Step};

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Node {
    Dir,
    File(FileNumber),
}

/// Names and bytes after all steps so far.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub(crate) names: BTreeMap<String, Node>,
    pub(crate) bytes: Vec<Vec<u8>>,
}

impl Live {
    pub(crate) fn of(image: &Image) -> Self {
        let dirs = image.dirs.iter().map(|dir| (dir.clone(), Node::Dir));
        let numbered = image.files.keys().enumerate();
        let files = numbered.map(|(number, name)| (name.clone(), Node::File(number)));
        Self {
            names: dirs.chain(files).collect(),
            bytes: image.files.values().cloned().collect(),
        }
    }

    pub(crate) fn is_dir(&self, name: &str) -> bool {
        name.is_empty() || self.names.get(name) == Some(&Node::Dir)
    }

    pub(crate) fn has_parent(&self, name: &str) -> bool {
        self.is_dir(parent(name))
    }

    pub(crate) fn file(&self, name: &str) -> Option<FileNumber> {
        match self.names.get(name) {
            Some(Node::File(number)) => Some(*number),
            _ => None,
        }
    }

    /// Does one step; what only concerns the disk changes nothing here.
    pub(crate) fn apply(&mut self, step: &Step) {
        match step {
            Step::MakeDir(name) => {
                self.names.insert(name.clone(), Node::Dir);
            }
            Step::Make { name, file } => {
                self.names.insert(name.clone(), Node::File(*file));
                self.bytes
                    .resize_with(self.bytes.len().max(file + 1), Vec::new);
            }
            Step::Write { file, place, bytes } => write_at(&mut self.bytes[*file], *place, bytes),
            Step::SetLen { file, len } => self.bytes[*file].resize(*len as usize, 0),
            Step::Rename { from, to, .. } => {
                if let Some(node) = self.names.remove(from) {
                    self.names.insert(to.clone(), node);
                }
            }
            Step::Remove(name) => {
                self.names.remove(name);
            }
            Step::RemoveDir(name) => remove_tree(&mut self.names, name),
            Step::Sync { .. } | Step::SyncDir { .. } | Step::Note(_) => {}
        }
    }
}

pub(crate) fn remove_tree(names: &mut BTreeMap<String, Node>, dir: &str) {
    let inside = format!("{dir}/");
    names.retain(|name, _| name != dir && !name.starts_with(&inside));
}

/// Writes into bytes as into a file: a gap before `place` is zeros.
pub(crate) fn write_at(file: &mut Vec<u8>, place: u64, bytes: &[u8]) {
    let start = place as usize;
    let end = start + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[start..end].copy_from_slice(bytes);
}
