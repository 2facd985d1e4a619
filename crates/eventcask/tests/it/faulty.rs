//! A disk of which one kind of operation goes wrong in one directory.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use eventcask::storage::{Lock, Open, Storage, StoredFile};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Read,
    Write,
    Sync,
    SyncDir,
    /// Of the directory of a store, once it has a manifest.
    SyncStore,
}

/// How it goes wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// With this error of the operating system.
    Errno(i32),
    /// With a panic, of which the test output shows nothing.
    Panic,
    /// Not at all: it waits until the disk is well, or fails in another way.
    Stall,
}

/// What a panic of the disk says.
pub(crate) const PANIC: &str = "the driver of the disk fell over";

#[derive(Debug)]
struct Plan {
    operation: Operation,
    /// How the names of the files begin; behind a `*`, how they end.
    names: String,
    fault: Fault,
    /// Operations that wait for the disk to be well.
    stalled: usize,
    /// How many of them may go on all the same.
    passes: usize,
}

/// Storage that does as another one, until it is told to fail; clones share the plan.
#[derive(Clone)]
pub(crate) struct FaultyDisk {
    under: Arc<dyn Storage>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    plan: Mutex<Option<Plan>>,
    /// Tells of a new plan, and of operations that stall.
    changed: Condvar,
}

impl FaultyDisk {
    pub(crate) fn on(under: Arc<dyn Storage>) -> Self {
        Self {
            under,
            state: Arc::default(),
        }
    }

    /// From now on the operation fails on all files whose names begin with `names`, or end with
    /// what is behind a `*`.
    pub(crate) fn fails(&self, operation: Operation, names: &str, fault: Fault) {
        let names = names.to_owned();
        *self.plan() = Some(Plan {
            operation,
            names,
            fault,
            stalled: 0,
            passes: 0,
        });
        self.state.changed.notify_all();
    }

    pub(crate) fn is_well(&self) {
        *self.plan() = None;
        self.state.changed.notify_all();
    }

    /// Lets one operation that stalls, or the next one, go on.
    pub(crate) fn lets_one_pass(&self) {
        if let Some(plan) = &mut *self.plan() {
            plan.passes += 1;
        }
        self.state.changed.notify_all();
    }

    /// Returns once an operation stalls that may not go on.
    pub(crate) fn wait_for_stall(&self) {
        self.wait_for_stalls(1);
    }

    /// Returns once so many operations stall that may not go on.
    pub(crate) fn wait_for_stalls(&self, count: usize) {
        let stalls = |plan: &mut Option<Plan>| {
            let plan = plan.as_ref();
            plan.is_some_and(|plan| plan.stalled >= plan.passes + count)
        };
        let waited = self
            .state
            .changed
            .wait_while(self.plan(), |plan| !stalls(plan));
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn stall(&self, mut plan: MutexGuard<'_, Option<Plan>>) {
        if let Some(plan) = &mut *plan {
            plan.stalled += 1;
        }
        self.state.changed.notify_all();
        let stalls = |plan: &&mut Plan| matches!(plan.fault, Fault::Stall);
        let waits = |plan: &mut Option<Plan>| {
            let stalling = plan.as_mut().filter(stalls);
            stalling.is_some_and(|plan| plan.passes == 0)
        };
        let waited = self.state.changed.wait_while(plan, waits);
        let mut waited = waited.unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = waited.as_mut().filter(stalls) {
            plan.passes -= 1;
            plan.stalled -= 1;
        }
    }

    fn plan(&self) -> MutexGuard<'_, Option<Plan>> {
        self.state
            .plan
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, operation: Operation, name: &str) -> io::Result<()> {
        let plan = self.plan();
        let is_named = |names: &str| match names.strip_prefix('*') {
            Some(end) => name.ends_with(end),
            None => name.starts_with(names),
        };
        let hit = |plan: &&Plan| plan.operation == operation && is_named(&plan.names);
        match plan.as_ref().filter(hit).map(|plan| plan.fault) {
            None => Ok(()),
            Some(Fault::Stall) => {
                self.stall(plan);
                Ok(())
            }
            Some(Fault::Errno(errno)) => Err(io::Error::from_raw_os_error(errno)),
            Some(Fault::Panic) => {
                drop(plan);
                std::panic::resume_unwind(Box::new(PANIC))
            }
        }
    }
}

impl Storage for FaultyDisk {
    fn create_dir(&self, name: &str) -> io::Result<()> {
        self.under.create_dir(name)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.under.list(dir)
    }

    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn StoredFile>> {
        Ok(Box::new(FaultyFile {
            under: self.under.open(name, how)?,
            disk: self.clone(),
            name: name.to_owned(),
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.under.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.under.remove(name)
    }

    fn remove_dir(&self, name: &str) -> io::Result<()> {
        self.under.remove_dir(name)
    }

    fn sync_dir(&self, name: &str) -> io::Result<()> {
        self.check(Operation::SyncDir, name)?;
        let is_manifest = |name: &String| name == "MANIFEST";
        if name.is_empty() && self.under.list("")?.iter().any(is_manifest) {
            self.check(Operation::SyncStore, name)?;
        }
        self.under.sync_dir(name)
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Lock>>> {
        self.under.lock()
    }

    fn is_locked(&self) -> io::Result<bool> {
        self.under.is_locked()
    }

    fn describe(&self, name: &str) -> String {
        self.under.describe(name)
    }
}

struct FaultyFile {
    under: Box<dyn StoredFile>,
    disk: FaultyDisk,
    name: String,
}

impl StoredFile for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], place: u64) -> io::Result<usize> {
        self.disk.check(Operation::Read, &self.name)?;
        self.under.read_at(buffer, place)
    }

    fn write_all_at(&self, bytes: &[u8], place: u64) -> io::Result<()> {
        self.disk.check(Operation::Write, &self.name)?;
        self.under.write_all_at(bytes, place)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.check(Operation::Sync, &self.name)?;
        self.under.sync()
    }

    fn len(&self) -> io::Result<u64> {
        self.under.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.under.set_len(len)
    }
}
