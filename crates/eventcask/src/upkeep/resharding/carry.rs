//! What a store has beside its log, and takes along.

use std::collections::HashSet;

use eventcask_log::{
    Ends, Error as LogError, ErrorKind as LogErrorKind, Framed, FramedKind, Manifest, Storage,
};
use eventcask_shard::CarriedMark;

use super::options::ReshardOptions;
use super::report::ReshardReport;
use super::target::ShardEnd;
use crate::follow::subscriptions::{SubscriptionStats, Subscriptions};
use crate::state::folder::{DEFINITION, VIEWS};
use crate::store::origin::{Origin, ShardOrigin};
use crate::store::retention;
use crate::upkeep::place::make_dirs;
use crate::{Error, StoreReader};

/// What comes along.
pub(super) struct Carry {
    origin: Origin,
    /// Subscriptions that have handled everything.
    handled: Vec<String>,
    forgotten: Vec<String>,
}

impl Carry {
    /// What comes along of a store.
    ///
    /// # Errors
    /// Where something can not come along, and may not be left behind; or damage.
    pub(super) fn of(source: &StoreReader, options: &ReshardOptions) -> Result<Self, Error> {
        let inner = &source.inner;
        let known = Origin::read(&*inner.storage, &inner.manifest)?;
        let (handled, behind) = subscriptions(source)?;
        if !behind.is_empty() && !options.forgets_subscriptions() {
            return Err(would_be_forgotten(&behind).into());
        }
        Ok(Self {
            origin: Origin {
                marks: marks(source, known.marks),
                is_thin: known.is_thin,
                ..Origin::default()
            },
            handled,
            forgotten: behind.into_iter().map(|one| one.name).collect(),
        })
    }

    /// Writes it to a store whose logs end there.
    pub(super) fn write(
        mut self,
        source: &StoreReader,
        to: &dyn Storage,
        manifest: &Manifest,
        ends: &[ShardEnd],
        is_thin: bool,
    ) -> Result<ReshardReport, Error> {
        let inner = &source.inner;
        let positions: Vec<u64> = ends.iter().map(|one| one.end.position).collect();
        let sources: HashSet<_> = self
            .origin
            .marks
            .iter()
            .map(|one| &one.mark.source)
            .collect();
        let sources = sources.len() as u64;
        self.origin.first_store = manifest.origin;
        self.origin.is_thin |= is_thin;
        let shard = |one: &ShardEnd| ShardOrigin {
            end: one.end.position,
            more_aggregates: one.more_aggregates,
        };
        self.origin.shards = ends.iter().map(shard).collect();
        self.origin.write(to, manifest)?;
        if let Some(time) = retention::read(&*inner.storage, &inner.manifest)? {
            retention::write(to, manifest, time)?;
        }
        let views = copy_views(source, to, manifest)?;
        Subscriptions::write_handled(to, manifest.store, &self.handled, &positions)?;
        Ends::new(ends.iter().map(|one| one.end).collect())
            .synced_first(true)
            .note(to, manifest)?;
        Ok(ReshardReport {
            shards: manifest.shards,
            route_by: manifest.route_by,
            events: 0,
            given_up: 0,
            sources,
            views,
            subscriptions: self.handled,
            forgotten: self.forgotten,
            seconds: 0.0,
        })
    }
}

/// How far sources were consumed, by the shards of this store and by those before.
fn marks(source: &StoreReader, mut marks: Vec<CarriedMark>) -> Vec<CarriedMark> {
    let routing = source.inner.manifest.routing();
    for reader in &source.inner.readers {
        let own = reader.published().marks.clone();
        marks.extend(own.into_iter().map(|mark| CarriedMark {
            routing,
            shard: reader.shard(),
            mark,
        }));
    }
    merged(marks)
}

/// Of several marks of the same source, routing and shard the one that has come furthest.
fn merged(mut marks: Vec<CarriedMark>) -> Vec<CarriedMark> {
    let place = |one: &CarriedMark| {
        let routing = one.routing;
        (
            one.mark.source.clone(),
            routing.by.number(),
            routing.shards,
            one.shard,
        )
    };
    marks.sort_by_cached_key(|one| (place(one), u64::MAX - one.mark.next));
    marks.dedup_by_key(|one| place(one));
    marks
}

/// The subscriptions that have handled everything, and those that have not.
fn subscriptions(source: &StoreReader) -> Result<(Vec<String>, Vec<SubscriptionStats>), LogError> {
    let inner = &source.inner;
    if let Some(damage) = inner.subscriptions.damage() {
        return Err(LogError::new(LogErrorKind::Damaged, damage));
    }
    let all = inner.subscriptions.stats(&inner.readers).into_iter();
    let is_behind = |one: &SubscriptionStats| one.lag_events + one.retrying + one.parked > 0;
    let (behind, handled): (Vec<_>, Vec<_>) = all.partition(is_behind);
    let names = handled.into_iter().map(|one| one.name).collect();
    Ok((names, behind))
}

fn would_be_forgotten(behind: &[SubscriptionStats]) -> LogError {
    let one = |one: &SubscriptionStats| {
        let (name, held) = (&one.name, one.retrying + one.parked);
        format!(
            "{name:?} ({} events behind, {held} aggregates held back)",
            one.lag_events
        )
    };
    let all: Vec<_> = behind.iter().map(one).collect();
    let message = format!(
        "named subscriptions have not handled all events, and how far they got means nothing in other shards: {}; let them handle everything first, or say that they may begin anew",
        all.join(", ")
    );
    LogError::new(LogErrorKind::Setting, message)
}

/// Copies the definitions of views: their names.
fn copy_views(
    source: &StoreReader,
    to: &dyn Storage,
    manifest: &Manifest,
) -> Result<Vec<String>, LogError> {
    let inner = &source.inner;
    let (from, store) = (&*inner.storage, inner.manifest.store);
    for number in VIEWS.numbers(from)? {
        let Some(text) = VIEWS.definition(from, store, number)? else {
            continue;
        };
        let framed = Framed {
            store: manifest.store,
            kind: FramedKind::ViewDefinition,
            shard: 0,
            progress: 0,
            definition: 0,
            body: text.into_bytes(),
        };
        let dir = VIEWS.dir_of(number);
        make_dirs(to, VIEWS.name, &dir)?;
        framed.write(to, &dir, DEFINITION)?;
    }
    Ok(inner
        .views
        .list()
        .iter()
        .map(|view| view.name.clone())
        .collect())
}
