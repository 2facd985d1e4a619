//! A whole segment file: recovered, followed, verified, read.

use eventcask_log::{
    Block, BlockPlace, BlockReader, Caches, Error, MemoryStorage, Payloads, Recovery, ShardDir,
    Tail,
};

use super::stage::{self, SEGMENT};
use crate::bound::bounded;

/// One block of the largest size before compression, and the buffers of the scan.
const BYTES_MAX: usize = (64 + 16) << 20;

/// Opens a shard whose only segment has these bytes; all ways to read it must agree.
pub fn segment(bytes: &[u8]) -> bool {
    let (storage, dir) = stage::store_of(bytes);
    let followed = bounded(BYTES_MAX, || follow(&dir));
    let problems = bounded(BYTES_MAX, || verify(&dir));
    assert!(
        stage::bytes_of(&storage, SEGMENT) == bytes,
        "reading changes nothing"
    );
    let recovered = bounded(BYTES_MAX, || recover(&dir));
    let Ok((_, blocks)) = followed else {
        assert!(
            recovered.is_err() && problems > 0,
            "what is damaged is damaged for all"
        );
        return false;
    };
    if let Ok((recovery, recovered)) = recovered {
        assert_eq!(blocks, recovered, "a writer sees what a reader sees");
        check_recovered(&storage, &dir, &recovery, bytes);
    }
    read(&dir, &blocks);
    !blocks.is_empty()
}

type Blocks = Vec<BlockPlace>;

fn checked<T>(result: Result<T, Error>) -> Result<T, Error> {
    result.inspect_err(stage::check_refusal)
}

fn follow(dir: &ShardDir) -> Result<(Tail, Blocks), Error> {
    let (mut tail, mut blocks) = (Tail::empty(), Vec::new());
    checked(dir.follow(&mut tail, &mut |_, at| {
        blocks.push(*at);
        Ok(())
    }))?;
    Ok((tail, blocks))
}

fn recover(dir: &ShardDir) -> Result<(Recovery, Blocks), Error> {
    let mut blocks = Vec::new();
    let recovery = checked(dir.recover(&mut |_, at| {
        blocks.push(*at);
        Ok(())
    }))?;
    Ok((recovery, blocks))
}

/// How many problems a check of every byte finds. Payloads stay shut, as they do for a reader.
fn verify(dir: &ShardDir) -> usize {
    let mut problems = Vec::new();
    let verified = dir.verify(
        &|| false,
        &mut problems,
        &mut |head, bytes, _| match head.rows {
            0 => Ok(()),
            _ => Block::decode(head.clone(), bytes, Payloads::Shut).map(drop),
        },
    );
    match verified {
        Ok(verified) => problems.len() + usize::from(verified.unfinished.is_some()),
        Err(error) => {
            stage::check_refusal(&error);
            1
        }
    }
}

/// What was recovered is whole, stays as it is, and nothing of the file is lost.
fn check_recovered(storage: &MemoryStorage, dir: &ShardDir, recovery: &Recovery, was: &[u8]) {
    let mut bytes = stage::bytes_of(storage, SEGMENT);
    if let Some(cut) = &recovery.cut {
        assert_eq!(
            (cut.place, bytes.len() as u64),
            (recovery.tail.place, cut.place)
        );
        let kept = format!("shards/0000/0000000001.cut-{}", cut.place);
        bytes.extend(stage::bytes_of(storage, &kept));
    }
    assert!(bytes == was, "recovery deletes nothing");
    let (again, _) = recover(dir).expect("what was recovered can be recovered");
    assert_eq!((again.cut, &again.tail), (None, &recovery.tail));
    assert_eq!(verify(dir), 0, "what was recovered has no problem");
}

fn read(dir: &ShardDir, blocks: &[BlockPlace]) {
    let reader = BlockReader::new(dir.clone(), Caches::default());
    for at in blocks {
        match bounded(BYTES_MAX, || reader.read(at, Payloads::All)) {
            Ok(block) => assert_eq!(block.events().len(), at.rows as usize),
            Err(error) => stage::check_refusal(&error),
        }
    }
}
