//! Small workspaces to break rules in.

use std::fs;
use std::path::Path;

use eventcask_tidy::Workspace;
use tempfile::TempDir;

/// Writes files, each with its text, below a directory that is temporary.
pub(crate) fn written(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = directory.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    directory
}

/// A workspace of files in `crates`.
pub(crate) fn workspace(files: &[(&str, &str)]) -> Workspace {
    Workspace::read(written(files).path()).unwrap()
}

/// The workspace that these tests belong to.
pub(crate) fn ours() -> Workspace {
    Workspace::read(&eventcask_tidy::root().join("crates")).unwrap()
}

/// The list of what does not keep a rule yet.
pub(crate) fn ratchet_file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ratchet.txt")
}
