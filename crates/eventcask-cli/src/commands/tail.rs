//! `eventcask tail`: follows the live end of a store.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::export::{carrying, query_of};
use super::store::{failure, open_to_read};
use crate::args::{Global, TailArgs};
use crate::failure::Failure;
use crate::output::{Document, Out, write_event};
use crate::signals;

/// How long it waits before it looks again: soon for a person, little work for the machine.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(super) fn run(args: &TailArgs, global: &Global) -> Result<(), Failure> {
    signals::listen()?;
    let store = open_to_read(global)?;
    let query = query_of(&store, args.shard, &args.types)?;
    let mut query = carrying(query, args.correlation.as_deref(), &args.tag)?;
    if !args.from_start {
        query = query.from_positions(&store.positions());
    }
    // What has no end is no document: it is one object a line, also with --json.
    let mut document = Document::new(Out::new(), false);
    while !signals::is_stopped() {
        store.refresh().map_err(|error| failure(&error))?;
        // Nothing is added before the next refresh, so the scan ends exactly here.
        let read_to = store.positions();
        for event in &query {
            let event = event.map_err(|error| failure(&error))?;
            document.object(|out| write_event(out, &event.get()))?;
        }
        document.flush()?;
        query = query.from_positions(&read_to);
        if !has_reader(LOOK_EVERY) {
            break;
        }
    }
    document.end()
}

/// Waits, unless whoever reads standard output goes meanwhile: says whether it is still there.
fn has_reader(wait: Duration) -> bool {
    let stdout = std::io::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
    let wait = Timespec {
        tv_sec: 0,
        tv_nsec: i64::from(wait.subsec_nanos()),
    };
    // A signal ends the wait as well, and is looked at by the caller.
    let _ = poll(&mut polled, Some(&wait));
    let gone = PollFlags::ERR | PollFlags::HUP;
    !polled[0].revents().intersects(gone)
}
