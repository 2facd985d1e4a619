//! Runs the real binary on a directory of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// A directory with a store in it and files beside it.
pub(crate) struct Place {
    dir: TempDir,
    store: PathBuf,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("there is room for a directory");
        let store = dir.path().join("store");
        Self { dir, store }
    }

    /// The same place with its store in another directory.
    pub(crate) fn with_store_in(mut self, store: impl Into<PathBuf>) -> Self {
        self.store = store.into();
        self
    }

    /// Another place with all that is in this one: to make many alike is slow.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        let all = self.dir.path().join(".");
        let mut command = Command::new("cp");
        let copied = command.arg("-a").arg(all).arg(copy.dir.path()).status();
        assert!(copied.expect("cp is there").success());
        copy
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, bytes).expect("the file can be written");
        path.to_str().expect("the path is text").to_owned()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_eventcask"));
        command.env("EVENTCASK_STORE", &self.store).args(args);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Said {
        said(&mut self.command(args))
    }

    /// Runs a command that reads these bytes through a pipe.
    pub(crate) fn piped(&self, args: &[&str], bytes: &[u8]) -> Said {
        let mut command = self.command(args);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("it runs");
        let mut pipe = child.stdin.take().expect("it is piped");
        // A command that ends early does not read everything.
        let _ = pipe.write_all(bytes);
        drop(pipe);
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes| String::from_utf8(bytes).expect("it says text");
        Said {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Runs a command that has to succeed and gives what it printed.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(said.code, Some(0), "{args:?}: {said:?}");
        assert_eq!(said.err, "", "{args:?}");
        said.out
    }

    /// Runs a command with `--json` that has to succeed and gives its one document.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let printed = self.ok(&[args, &["--json"]].concat());
        serde_json::from_str(&printed).expect("one document is printed")
    }

    /// Runs a command that has to fail in one sentence and gives the sentence.
    pub(crate) fn fails(&self, code: i32, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(said.code, Some(code), "{args:?}: {said:?}");
        let sentence = said
            .err
            .strip_prefix("eventcask: ")
            .expect("it says who speaks");
        let sentence = sentence.strip_suffix('\n').expect("it ends the line");
        assert!(!sentence.contains('\n'), "{sentence}");
        sentence.to_owned()
    }

    /// All events, one value each.
    pub(crate) fn export(&self, args: &[&str]) -> Vec<Value> {
        let printed = self.ok(&[&["export"], args].concat());
        printed
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line is JSON"))
            .collect()
    }

    /// The payloads of all events by aggregate, in the order of their versions.
    pub(crate) fn payloads(&self) -> BTreeMap<String, Vec<Value>> {
        let mut payloads = BTreeMap::<String, Vec<Value>>::new();
        for mut event in self.export(&[]) {
            let key = event["aggregate"]
                .as_str()
                .expect("a key is text")
                .to_owned();
            let of_key = payloads.entry(key).or_default();
            of_key.push(event["payload"].take());
            assert_eq!(event["version"], of_key.len(), "versions have no gaps");
        }
        payloads
    }
}

/// Events by aggregate and version; where some were given up, versions have gaps.
pub(crate) type Events = BTreeMap<(String, u64), Value>;

impl Place {
    /// All events, each whole.
    pub(crate) fn events(&self) -> Events {
        let all = self.export(&[]);
        let number = all.len();
        let name = |event: &Value| {
            let key = event["aggregate"].as_str().expect("a key is text");
            let version = event["version"].as_u64().expect("it is a number");
            (key.to_owned(), version)
        };
        let events: Events = all.into_iter().map(|event| (name(&event), event)).collect();
        assert_eq!(events.len(), number, "each version is there once");
        events
    }

    /// Takes in rows that fill several small segments of each of two shards, and seals those
    /// that are complete.
    pub(crate) fn fill_segments(&self, rows: u64) {
        let file = self.file("flights.csv", flights(rows));
        let ingest = ["ingest", &file, "--on-error", "skip", "--shards", "2"];
        let small = ["--segment-bytes", "150000", "--durability", "os"];
        self.ok(&[&ingest[..], &FLIGHTS, &small].concat());
        self.ok(&["seal"]);
    }

    /// The segments of a shard, in their order.
    pub(crate) fn segments(&self, shard: u32) -> Vec<PathBuf> {
        let dir = self.path(&format!("store/shards/{shard:04}"));
        let entries = fs::read_dir(dir).expect("it can be listed");
        let paths = entries.map(|entry| entry.expect("it can be listed").path());
        let mut segments: Vec<_> = paths
            .filter(|path| path.extension().is_some_and(|name| name == "segment"))
            .collect();
        segments.sort();
        segments
    }
}

/// Changes a bit of a file.
pub(crate) fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("it is there");
    bytes[at] ^= 1;
    fs::write(path, bytes).expect("it can be written");
}

/// Runs a command to its end.
pub(crate) fn said(command: &mut Command) -> Said {
    let output = command.output().expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("it says text");
    Said {
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// Runs a command for as long as any machine needs at most; what takes longer hangs.
pub(crate) fn said_in_time(mut command: Command) -> Said {
    let (done, result) = std::sync::mpsc::channel();
    let shown = format!("{command:?}");
    std::thread::spawn(move || {
        let _ = done.send(said(&mut command));
    });
    let said = result.recv_timeout(Duration::from_secs(60));
    said.unwrap_or_else(|_| panic!("it hangs: {shown}"))
}

/// The same command, run by a shell after a line of its own, such as a limit.
pub(crate) fn after(line: &str, command: &Command) -> Command {
    let mut shell = Command::new("bash");
    shell
        .args(["-c", &format!("{line} && exec \"$@\""), "bash"])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        shell.env(name, value.expect("no variable is taken away"));
    }
    shell
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    shell
}

/// Everything below a directory, and all that a write would change of it: what kind it is, who
/// may use it, when it and its content were changed, and the content.
pub(crate) fn tree(root: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        let about = fs::symlink_metadata(&path).expect("it is there");
        let mut bytes = Vec::new();
        if about.is_file() {
            bytes = fs::read(&path).expect("it can be read");
        } else if about.is_symlink() {
            let target = fs::read_link(&path).expect("it can be read");
            bytes = target.into_os_string().into_encoded_bytes();
        } else if about.is_dir() {
            let entries = fs::read_dir(&path).expect("it can be listed");
            left.extend(entries.map(|entry| entry.expect("it can be listed").path()));
        }
        let entry = Entry {
            mode: about.mode(),
            inode: about.ino(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
            bytes,
        };
        found.insert(path, entry);
    }
    found
}

/// One thing in a [`tree`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) mode: u32,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    pub(crate) bytes: Vec<u8>,
}

/// A command that is at work.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the binary starts");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        Self { child, lines }
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> Option<Value> {
        let line = self.lines.next()?.expect("it can be read");
        Some(serde_json::from_str(&line).expect("a line is JSON"))
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill")
            .args([name, &id])
            .status()
            .expect("kill runs");
        assert!(sent.success());
    }

    /// Waits for the end; what it printed last comes first.
    pub(crate) fn end(mut self) -> (Vec<Value>, Option<i32>, String) {
        let mut last = Vec::new();
        while let Some(line) = self.line() {
            last.push(line);
        }
        let mut err = String::new();
        let mut stderr = self.child.stderr.take().expect("it is piped");
        stderr.read_to_string(&mut err).expect("it can be read");
        (last, self.child.wait().expect("it ends").code(), err)
    }
}

/// Rows of a small airline: every 50th has no tail number.
pub(crate) fn flights(rows: u64) -> String {
    let mut file = "row,tail,carrier,delay,time\n".to_owned();
    for row in 0..rows {
        let mixed = (row + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        let tail = if row % 50 == 49 {
            "NA".to_owned()
        } else {
            format!("N{}", mixed % 97)
        };
        let delay = if mixed % 11 == 0 {
            "NA".to_owned()
        } else {
            format!("{}", mixed as i64 % 90 - 20)
        };
        let carrier = ["UA", "B6", "AA", "DL"][mixed as usize % 4];
        file += &format!(
            "{row},{tail},{carrier},{delay},{}\n",
            1_357_034_400 + row * 60
        );
    }
    file
}

pub(crate) const FLIGHTS: [&str; 6] = ["--aggregate", "tail", "--null", "NA", "--time", "time"];

pub(crate) fn segment(store: &Path, shard: u32) -> PathBuf {
    store.join(format!("shards/{shard:04}/0000000001.segment"))
}
