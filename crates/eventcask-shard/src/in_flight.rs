//! Batches and flushes on their way to the disk.

use eventcask_log::{Block, BlockPlace, Section, SourceMark, Tail};

use crate::build::Touched;
use crate::{AppendError, AppendResult, Delivery, FlushShare};

/// A batch whose answers wait for the disk.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    pub(crate) sequence: u64,
    pub(crate) is_done: bool,
    /// Bytes of the batch or of its block, whichever are more.
    pub(crate) bytes: usize,
    pub(crate) delivery: Box<Delivery>,
    /// What the appends of the batch are answered, in their order.
    pub(crate) answers: Vec<AppendResult>,
    /// Why pushed events were refused, other than by their own fault.
    pub(crate) failed: Option<AppendError>,
    pub(crate) flush: Option<FlushShare>,
    /// How the mark of the batch's source was before it.
    pub(crate) mark_before: Option<(String, Option<SourceMark>)>,
    pub(crate) stored: Option<InFlightBlock>,
    /// How the log ended before it, where it adds to that.
    pub(crate) tail_before: Option<Tail>,
}

impl InFlight {
    /// Answers its appends.
    pub(crate) fn answer(&mut self) {
        let mut answers = std::mem::take(&mut self.answers).into_iter();
        for completion in self.delivery.completions.drain(..) {
            let tickets = completion.tickets();
            completion.answer(answers.by_ref().take(tickets).collect());
        }
        debug_assert!(answers.next().is_none(), "each answer is that of a ticket");
    }
}

/// A block on its way to the disk, and how to take it back.
#[derive(Debug)]
pub(crate) struct InFlightBlock {
    pub(crate) block: Block,
    pub(crate) place: BlockPlace,
    pub(crate) sections: Vec<Section>,
    pub(crate) touched: Vec<Touched>,
}
