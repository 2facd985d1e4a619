//! Writes the files of `fuzz/corpus`: `cargo run -p eventcask-fuzz --example corpus`.

use std::path::Path;
use std::{fs, io};

use eventcask_fuzz::corpus::entries;

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    if corpus.exists() {
        fs::remove_dir_all(&corpus)?;
    }
    let entries = entries();
    for entry in &entries {
        let dir = corpus.join(entry.target);
        fs::create_dir_all(&dir)?;
        fs::write(dir.join(entry.name), &entry.bytes)?;
    }
    let bytes: usize = entries.iter().map(|entry| entry.bytes.len()).sum();
    println!(
        "{} files, {bytes} bytes in {}",
        entries.len(),
        corpus.display()
    );
    Ok(())
}
