//! What of a shard is durable: its segments, as far as they are known in memory.
//!
//! Of a segment that is being written, or was not sealed yet, all blocks are known here. A sealed
//! one answers from its tables.

use std::sync::Arc;

use eventcask_log::{Block, BlockPlace, ClosedSegment, FIRST_BLOCK, Section};

use crate::SourceMark;
use crate::blocks::Blocks;
use crate::retired::Retired;

/// The durable events of a shard, in order.
#[derive(Debug, Clone, Default)]
pub struct Published {
    segments: Vec<Segment>,
    /// Those of them that are complete, oldest first, to be handed out.
    ended: Arc<Vec<Arc<ClosedSegment>>>,
    /// Position after the last durable event.
    pub watermark: u64,
    /// How far each source is durably consumed.
    pub marks: Vec<SourceMark>,
    /// What readers are not shown any more.
    pub retired: Arc<Retired>,
}

/// A segment as readers know it.
#[derive(Debug, Clone)]
struct Segment {
    number: u64,
    first_position: u64,
    layout: Layout,
}

#[derive(Debug, Clone)]
enum Layout {
    /// All its blocks are known.
    Written(Written),
    /// It is complete and answers from its tables.
    Ended(Arc<ClosedSegment>),
}

#[derive(Debug, Clone, Default)]
struct Written {
    blocks: Blocks,
    figures: Figures,
}

/// Which positions a segment has.
#[derive(Debug, Clone)]
pub struct SegmentSpan {
    /// Its number.
    pub number: u64,
    /// Position of the first event that was ever in it.
    pub first_position: u64,
    /// Position after its last event.
    pub next_position: u64,
    /// Bytes of it on disk.
    pub disk_bytes: u64,
    /// The segment itself, where it answers from its tables.
    pub ended: Option<Arc<ClosedSegment>>,
}

/// Counts of a shard or of one segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Segments.
    pub segments: u64,
    /// Segments that are sealed.
    pub sealed: u64,
    /// Blocks with events.
    pub blocks: u64,
    /// Events.
    pub events: u64,
    /// Aggregates that began here.
    pub aggregates: u64,
    /// Bytes of the blocks' sections before compression.
    pub raw_bytes: u64,
    /// Bytes of the blocks, and of sealed segments, on disk.
    pub disk_bytes: u64,
    /// Events that a repair had to give up.
    pub lost: u64,
}

impl Figures {
    fn of(segment: &ClosedSegment) -> Self {
        let sealed = segment.sealed();
        Self {
            segments: 1,
            sealed: u64::from(sealed.rewrite > 0),
            blocks: segment.blocks(),
            events: sealed.events,
            aggregates: sealed.first_events,
            raw_bytes: sealed.raw_bytes,
            disk_bytes: sealed.length,
            lost: sealed.lost,
        }
    }

    fn add(&mut self, other: &Self) {
        self.segments += other.segments;
        self.sealed += other.sealed;
        self.blocks += other.blocks;
        self.events += other.events;
        self.aggregates += other.aggregates;
        self.raw_bytes += other.raw_bytes;
        self.disk_bytes += other.disk_bytes;
        self.lost += other.lost;
    }
}

impl Published {
    /// Counts of the whole shard.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let mut all = Figures::default();
        for segment in &self.segments {
            match &segment.layout {
                Layout::Written(written) => all.add(&written.figures),
                Layout::Ended(ended) => all.add(&Figures::of(ended)),
            }
        }
        all
    }

    /// Number of the newest segment; 0 without one.
    #[must_use]
    pub fn newest_segment(&self) -> u64 {
        self.segments.last().map_or(0, |segment| segment.number)
    }

    /// The segments to which nothing is added any more and that are not sealed, or whose tables or
    /// clusters can not be read; also those without clusters, where all are to be `clustered`.
    #[must_use]
    pub fn to_seal(&self, clustered: bool) -> Vec<u64> {
        let complete = self.segments.split_last().map_or(&[][..], |(_, rest)| rest);
        let wanted = complete.iter().filter(|segment| match &segment.layout {
            Layout::Written(_) => true,
            Layout::Ended(ended) => {
                let lacks_clusters = clustered && ended.lacks_clusters();
                lacks_clusters || !ended.answers_from_tables() || ended.has_bad_clusters()
            }
        });
        wanted.map(|segment| segment.number).collect()
    }

    /// Position up to which all events lie in segments that answer from their tables.
    #[must_use]
    pub fn sealed_to(&self) -> u64 {
        let mut to = 0;
        for segment in &self.segments {
            match &segment.layout {
                Layout::Ended(ended) if ended.answers_from_tables() => {
                    to = ended.sealed().next_position;
                }
                _ => break,
            }
        }
        to
    }

    /// All segments with events, oldest first.
    #[must_use]
    pub fn spans(&self) -> Vec<SegmentSpan> {
        let spans = self.segments.iter().map(|segment| {
            let (next_position, disk_bytes, ended) = match &segment.layout {
                Layout::Written(written) => {
                    let last = written.blocks.places().last();
                    let next = last.map_or(segment.first_position, |at| at.next_position);
                    (next, written.figures.disk_bytes, None)
                }
                Layout::Ended(ended) => {
                    let sealed = ended.sealed();
                    (sealed.next_position, sealed.length, Some(Arc::clone(ended)))
                }
            };
            SegmentSpan {
                number: segment.number,
                first_position: segment.first_position,
                next_position,
                disk_bytes,
                ended,
            }
        });
        spans.collect()
    }

    /// Position up to which all events lie in complete segments.
    #[must_use]
    pub fn ended_to(&self) -> u64 {
        let ended = self
            .segments
            .iter()
            .map_while(|segment| match &segment.layout {
                Layout::Ended(ended) => Some(ended.sealed().next_position),
                Layout::Written(_) => None,
            });
        ended.last().unwrap_or(0)
    }

    /// Bytes of memory that the filters of complete segments take.
    #[must_use]
    pub fn filter_bytes(&self) -> u64 {
        self.ended
            .iter()
            .map(|segment| segment.filter_bytes())
            .sum()
    }

    /// The segments that are complete, oldest first.
    #[must_use]
    pub fn ended(&self) -> Arc<Vec<Arc<ClosedSegment>>> {
        Arc::clone(&self.ended)
    }

    /// What of each segment was committed before `time`: number, how many times it had been
    /// written anew, and how many bytes of it, or all. `None` where a complete segment holds
    /// events from before and after.
    #[must_use]
    pub fn cut(&self, time: i64) -> Option<Vec<(u64, u32, Option<u64>)>> {
        let mut parts = Vec::new();
        for segment in &self.segments {
            let is_newest = segment.number == self.newest_segment();
            match &segment.layout {
                Layout::Ended(ended) if ended.sealed().newest_commit < time => {
                    parts.push((segment.number, ended.sealed().rewrite, None));
                }
                Layout::Ended(ended) if ended.sealed().first_commit < time => return None,
                Layout::Ended(_) => break,
                Layout::Written(written) => {
                    let blocks = written.blocks.places();
                    let before = blocks.partition_point(|at| at.last_commit < time);
                    let whole = before == blocks.len() && !is_newest;
                    let last = before.checked_sub(1).map(|last| &blocks[last]);
                    let end = last.map(|at| at.place + u64::from(at.length));
                    if end.is_some() {
                        parts.push((segment.number, 0, end.filter(|_| !whole)));
                    }
                    if !whole {
                        break;
                    }
                }
            }
        }
        Some(parts)
    }

    pub(crate) fn push(&mut self, block: &Block, at: &BlockPlace, sections: &[Section]) {
        if self.newest_segment() < at.segment {
            self.segments.push(Segment {
                number: at.segment,
                first_position: at.first_position,
                layout: Layout::Written(Written {
                    blocks: Blocks::default(),
                    figures: Figures {
                        segments: 1,
                        disk_bytes: FIRST_BLOCK,
                        ..Figures::default()
                    },
                }),
            });
        }
        self.watermark = self.watermark.max(at.next_position);
        for mark in &block.head().marks {
            self.marks.retain(|old| old.source != mark.source);
            self.marks.push(mark.clone());
        }
        let retired = block.events().truncations();
        for (key, before) in retired {
            Arc::make_mut(&mut self.retired).truncate(key, before);
        }
        let newest = self.segments.last_mut();
        if let Some(Layout::Written(written)) = newest.map(|segment| &mut segment.layout) {
            written.push(block, at, sections);
        }
    }

    /// Takes up a complete segment, or a newer form of it.
    pub(crate) fn end(&mut self, ended: ClosedSegment) {
        let ended = Arc::new(ended);
        self.watermark = self.watermark.max(ended.sealed().next_position);
        let segment = Segment {
            number: ended.number(),
            first_position: ended.first_position(),
            layout: Layout::Ended(Arc::clone(&ended)),
        };
        let found = self
            .segments
            .binary_search_by_key(&segment.number, |one| one.number);
        match found {
            Err(place) => self.segments.insert(place, segment),
            Ok(place) => match &self.segments[place].layout {
                // Whoever was faster may know a newer form.
                Layout::Ended(known) if known.sealed().rewrite > ended.sealed().rewrite => {}
                _ => self.segments[place] = segment,
            },
        }
        let ended = self.segments.iter().filter_map(|one| match &one.layout {
            Layout::Ended(ended) => Some(Arc::clone(ended)),
            Layout::Written(_) => None,
        });
        self.ended = Arc::new(ended.collect());
    }

    /// Commit time of the newest event.
    pub(crate) fn last_commit(&self) -> Option<i64> {
        let newest = self.segments.iter().rev();
        let mut times = newest.filter_map(|segment| match &segment.layout {
            Layout::Written(written) => {
                let last = written.blocks.places().last();
                last.map(|at| at.last_commit)
            }
            Layout::Ended(ended) => Some(ended.sealed().newest_commit),
        });
        times.next()
    }

    /// What may hold the first event at `position` or after it, from a segment on.
    pub(crate) fn look(&self, position: u64, from_segment: u64) -> Look {
        if position >= self.watermark {
            return Look::Nothing;
        }
        let before = self
            .segments
            .partition_point(|one| one.first_position <= position);
        let segments = &self.segments[before.saturating_sub(1)..];
        for segment in segments.iter().filter(|one| one.number >= from_segment) {
            match &segment.layout {
                Layout::Ended(ended) => return Look::Ended(Arc::clone(ended)),
                Layout::Written(written) => {
                    if let Some(found) = written.blocks.find(position) {
                        return Look::Found(*found);
                    }
                }
            }
        }
        Look::Nothing
    }
}

pub(crate) enum Look {
    Found(BlockPlace),
    Ended(Arc<ClosedSegment>),
    Nothing,
}

impl Written {
    fn push(&mut self, block: &Block, at: &BlockPlace, sections: &[Section]) {
        let versions = &block.events().columns().versions;
        let first = versions.iter().filter(|version| **version == 1);
        let raw = sections.iter().map(|section| u64::from(section.raw));
        self.figures.add(&Figures {
            blocks: 1,
            events: u64::from(at.rows),
            aggregates: first.count() as u64,
            raw_bytes: raw.sum(),
            disk_bytes: u64::from(at.length),
            ..Figures::default()
        });
        self.blocks.push(at);
    }
}
