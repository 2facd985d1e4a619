//! Bugs put in on purpose: a trial that does not find them is worth nothing.

/// A bug of the disk or of what the model is told; the engine itself stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// A sync of a file says well and does nothing.
    SyncDoesNothing,
    /// A sync of a file leaves out what was written last.
    SyncLeavesOutTheLast,
    /// A sync of a directory says well and does nothing.
    DirectorySyncDoesNothing,
    /// A rename never gets onto the disk, whatever is synced.
    RenameIsLost,
    /// Each eleventh write is dropped.
    WriteIsLost,
    /// Each eleventh write lands 512 bytes further on.
    WriteIsMisplaced,
    /// One bit of each eleventh write is flipped.
    BitIsFlipped,
    /// Cutting a file takes 64 bytes too many.
    CutTakesTooMuch,
    /// Now and then another payload is sent than the model believes.
    PayloadIsChanged,
    /// Now and then an event is sent without the shape of its payload.
    ShapeIsLost,
    /// Now and then an event is sent with what another one carries beside its payload.
    MetadataIsOfANeighbour,
    /// Now and then an event is sent without what it carries beside its payload.
    MetadataIsLost,
    /// The model is told that appends which were never answered had been acknowledged.
    AnswerIsInvented,
    /// Events that are sent again after a crash come without the ids they had.
    IdIsForgotten,
    /// Acknowledgements of the weakest level are taken for durable.
    LevelIsOverstated,
    /// The model is told a version that is one too high.
    VersionIsOffByOne,
    /// Rows of a source from the seventh on are sent under offsets that are one too high.
    SourceSkipsRow,
    /// Now and then an append is sent without the version that it expects.
    ExpectationIsDropped,
    /// The events of an append are sent one by one.
    AppendIsSplit,
    /// Of an append over several aggregates the later events are left out.
    SetIsHalved,
    /// An append over several aggregates is sent without what it expects of them.
    SetIsNotChecked,
    /// A flush of a producer is acknowledged before what it flushed is durable.
    FlushAnswersEarly,
    /// Each third write to a segment that is being sealed is dropped.
    SealedWriteIsLost,
    /// A file takes another's name some time after that was given up, not at once.
    RenameLeavesAGap,
    /// The store forgets ids sooner than the model is told.
    WindowIsShort,
    /// An owner of a shard acknowledges what it has handed over, before the sync.
    OwnerAnswersEarly,
    /// The client of a session notes its place before its events are answered.
    SessionRunsAhead,
    /// A projection takes in twice what it reads back from the log.
    ProjectionSeesTwice,
    /// A snapshot of a projection lacks the newest event that it is said to hold.
    SnapshotIsTooShort,
    /// A rebuild leaves out the last event of each shard that there was when it began.
    RebuildEndsEarly,
    /// The code of a projection is another one, and its version the same.
    VersionIsNotRaised,
    /// The database of a read model commits its events and its progress one after the other.
    ModelCommitsTwice,
    /// A client of a named subscription has its progress kept before it has handled its events.
    ProgressIsSavedFirst,
    /// A consumer of a group acknowledges an event before it has handled it.
    ConsumerAcksEarly,
    /// To redrive an aggregate leaves out the event that failed.
    RedriveForgets,
    /// The later events of an aggregate that is parked are handed out.
    ParkedDoesNotHold,
    /// A projection passes over an event that it can not apply, and does not say so.
    ParkedIsPassedOver,
    /// The disk that a store is resharded to says of each sync that it went well, and does nothing.
    ReshardIsNotSynced,
    /// An event is there twice in a store that was resharded.
    EventIsReshardedTwice,
    /// To redrive an aggregate of a projection leaves out what waits behind the event that failed.
    RedriveLeavesWaiting,
}

impl Planted {
    /// All of them.
    pub const ALL: [Self; 40] = [
        Self::SyncDoesNothing,
        Self::SyncLeavesOutTheLast,
        Self::DirectorySyncDoesNothing,
        Self::RenameIsLost,
        Self::WriteIsLost,
        Self::WriteIsMisplaced,
        Self::BitIsFlipped,
        Self::CutTakesTooMuch,
        Self::PayloadIsChanged,
        Self::ShapeIsLost,
        Self::MetadataIsOfANeighbour,
        Self::MetadataIsLost,
        Self::AnswerIsInvented,
        Self::IdIsForgotten,
        Self::LevelIsOverstated,
        Self::VersionIsOffByOne,
        Self::SourceSkipsRow,
        Self::ExpectationIsDropped,
        Self::AppendIsSplit,
        Self::SetIsHalved,
        Self::SetIsNotChecked,
        Self::FlushAnswersEarly,
        Self::SealedWriteIsLost,
        Self::RenameLeavesAGap,
        Self::WindowIsShort,
        Self::OwnerAnswersEarly,
        Self::SessionRunsAhead,
        Self::ProjectionSeesTwice,
        Self::SnapshotIsTooShort,
        Self::RebuildEndsEarly,
        Self::VersionIsNotRaised,
        Self::ModelCommitsTwice,
        Self::ProgressIsSavedFirst,
        Self::ConsumerAcksEarly,
        Self::RedriveForgets,
        Self::ParkedDoesNotHold,
        Self::ParkedIsPassedOver,
        Self::RedriveLeavesWaiting,
        Self::ReshardIsNotSynced,
        Self::EventIsReshardedTwice,
    ];
}
