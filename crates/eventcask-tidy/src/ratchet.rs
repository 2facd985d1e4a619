//! What does not keep a rule yet, with numbers that may only shrink.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::{fs, io};

use crate::circles::{Circle, file_circles, folder_circles};
use crate::sizes::long_functions;
use crate::workspace::Workspace;

/// The list: a rule and where it is broken, with by how much at most.
///
/// One a line in the file: `files eventcask-log 11`, files of a crate that are in circles,
/// `folders` for the files and folders of each folder, `lines eventcask Engine::start 95` for a
/// function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ratchet(BTreeMap<String, usize>);

impl Ratchet {
    /// The list as it would be now.
    ///
    /// # Errors
    /// If a file can not be read or is not Rust.
    pub fn measured(root: &Path) -> io::Result<Self> {
        let workspace = Workspace::read(&root.join("crates"))?;
        let mut now = Self::default();
        now.add_circles("files", &file_circles(&workspace));
        now.add_circles("folders", &folder_circles(&workspace));
        for function in long_functions(root)? {
            let key = format!("lines {} {}", package(&function.file), function.name);
            let lines: &mut usize = now.0.entry(key).or_default();
            *lines = function.lines.max(*lines);
        }
        Ok(now)
    }

    fn add_circles(&mut self, rule: &str, circles: &[Circle]) {
        for circle in circles {
            let key = format!("{rule} {}", circle.library.replace('_', "-"));
            *self.0.entry(key).or_default() += circle.members.len();
        }
    }

    /// Reads the list of a workspace; lines that begin with `#` are comments.
    ///
    /// # Errors
    /// If there is no list, or a line has no number at its end.
    pub fn read(file: &Path) -> io::Result<Self> {
        let mut list = BTreeMap::new();
        for line in fs::read_to_string(file)?
            .lines()
            .filter(|line| is_entry(line))
        {
            let entry = line
                .rsplit_once(' ')
                .and_then(|(key, number)| Some((key, number.parse().ok()?)));
            let (key, number) = entry.ok_or_else(|| {
                io::Error::other(format!(
                    "{}: '{line}' does not end in a number.",
                    file.display()
                ))
            })?;
            list.insert(key.to_owned(), number);
        }
        Ok(Self(list))
    }

    /// Writes the list below the comments that the file begins with.
    ///
    /// # Errors
    /// If the file can not be written.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let old = fs::read_to_string(file).unwrap_or_default();
        let comments = old.lines().take_while(|line| !is_entry(line));
        let mut text: String = comments.map(|line| format!("{line}\n")).collect();
        for (key, number) in &self.0 {
            text += &format!("{key} {number}\n");
        }
        fs::write(file, text)
    }

    /// What is worse than this list allows.
    #[must_use]
    pub fn broken_by(&self, now: &Self) -> Vec<String> {
        let allowed = |key| self.0.get(key).copied().unwrap_or(0);
        let worse = now
            .0
            .iter()
            .filter(|(key, number)| **number > allowed(*key));
        worse
            .map(|(key, number)| format!("{key} {number}, at most {}", allowed(key)))
            .collect()
    }

    /// This list without what is no longer needed.
    #[must_use]
    pub fn tightened(&self, now: &Self) -> Self {
        let needed = |(key, allowed): (&String, &usize)| {
            now.0
                .get(key)
                .map(|number| (key.clone(), *number.min(allowed)))
        };
        Self(self.0.iter().filter_map(needed).collect())
    }
}

fn is_entry(line: &str) -> bool {
    !line.starts_with('#') && !line.trim().is_empty()
}

/// The folder that a file's crate lies in.
fn package(file: &Path) -> String {
    let mut names = file.iter().map(OsStr::to_string_lossy);
    let first = names.next().unwrap_or_default();
    let package = if first == "crates" {
        names.next()
    } else {
        Some(first)
    };
    package.unwrap_or_default().into_owned()
}
