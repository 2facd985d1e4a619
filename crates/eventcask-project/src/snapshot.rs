//! States as bytes.
//!
//! All numbers are little-endian. What has a length has it before its content, in eight bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hash};

/// A state that can be kept as bytes, the same for equal states.
///
/// Numbers, texts, options, tuples, vectors, maps and sets have it. Those of a hash map are put in
/// the order of their keys, so that equal maps give equal bytes, which are those of a [`BTreeMap`]
/// as well. With the feature `serde`, `AsJson` has it for any type that serde knows.
///
/// A type of your own puts its parts one after the other, and takes them off in the same order:
///
/// ```
/// use eventcask_project::Snapshot;
///
/// #[derive(Debug, Default, PartialEq)]
/// struct Balance { cents: i64, owner: String }
///
/// impl Snapshot for Balance {
///     fn encode(&self, bytes: &mut Vec<u8>) {
///         self.cents.encode(bytes);
///         self.owner.encode(bytes);
///     }
///
///     fn decode(bytes: &mut &[u8]) -> Option<Self> {
///         Some(Self { cents: i64::decode(bytes)?, owner: String::decode(bytes)? })
///     }
/// }
///
/// let balance = Balance { cents: 500, owner: "Ada".to_owned() };
/// let mut bytes = Vec::new();
/// balance.encode(&mut bytes);
/// assert_eq!(Balance::decode(&mut &bytes[..]), Some(balance));
/// ```
pub trait Snapshot: Sized {
    /// Puts the state at the end of `bytes`: at least one byte.
    fn encode(&self, bytes: &mut Vec<u8>);

    /// Takes a state off the beginning of `bytes`; none where they are not what `encode` writes.
    /// That costs only time: the state is filled from the log then.
    fn decode(bytes: &mut &[u8]) -> Option<Self>;
}

/// Takes so many bytes off the beginning.
pub(crate) fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = bytes.split_at_checked(count)?;
    *bytes = left;
    Some(taken)
}

/// Takes off how many parts follow, each of at least one byte: never more than there are bytes.
pub(crate) fn take_count(bytes: &mut &[u8]) -> Option<usize> {
    let count = usize::try_from(u64::decode(bytes)?).ok()?;
    (count <= bytes.len()).then_some(count)
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Snapshot for $number {
            fn encode(&self, bytes: &mut Vec<u8>) {
                bytes.extend(self.to_le_bytes());
            }

            fn decode(bytes: &mut &[u8]) -> Option<Self> {
                let taken = take(bytes, size_of::<Self>())?;
                taken.try_into().ok().map(Self::from_le_bytes)
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128, f32, f64);

impl Snapshot for () {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.push(0);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        (u8::decode(bytes)? == 0).then_some(())
    }
}

impl Snapshot for bool {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(*self));
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        match u8::decode(bytes)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Snapshot for String {
    fn encode(&self, bytes: &mut Vec<u8>) {
        (self.len() as u64).encode(bytes);
        bytes.extend_from_slice(self.as_bytes());
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let count = take_count(bytes)?;
        str::from_utf8(take(bytes, count)?).ok().map(str::to_owned)
    }
}

impl<T: Snapshot> Snapshot for Option<T> {
    fn encode(&self, bytes: &mut Vec<u8>) {
        self.is_some().encode(bytes);
        self.iter().for_each(|value| value.encode(bytes));
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let is_some = bool::decode(bytes)?;
        is_some
            .then(|| T::decode(bytes))
            .map_or(Some(None), |value| value.map(Some))
    }
}

impl<T: Snapshot> Snapshot for Vec<T> {
    fn encode(&self, bytes: &mut Vec<u8>) {
        (self.len() as u64).encode(bytes);
        self.iter().for_each(|value| value.encode(bytes));
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        (0..take_count(bytes)?).map(|_| T::decode(bytes)).collect()
    }
}

impl<K: Snapshot + Ord, V: Snapshot> Snapshot for BTreeMap<K, V> {
    fn encode(&self, bytes: &mut Vec<u8>) {
        put_pairs(self.iter(), bytes);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        Some(take_pairs(bytes)?.into_iter().collect())
    }
}

impl<K, V, S> Snapshot for HashMap<K, V, S>
where
    K: Snapshot + Ord + Hash,
    V: Snapshot,
    S: BuildHasher + Default,
{
    fn encode(&self, bytes: &mut Vec<u8>) {
        let mut pairs: Vec<(&K, &V)> = self.iter().collect();
        pairs.sort_unstable_by_key(|(key, _)| *key);
        put_pairs(pairs.into_iter(), bytes);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        Some(take_pairs(bytes)?.into_iter().collect())
    }
}

impl<T: Snapshot + Ord> Snapshot for BTreeSet<T> {
    fn encode(&self, bytes: &mut Vec<u8>) {
        (self.len() as u64).encode(bytes);
        self.iter().for_each(|value| value.encode(bytes));
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        Some(take_rising(bytes)?.into_iter().collect())
    }
}

impl<T, S> Snapshot for HashSet<T, S>
where
    T: Snapshot + Ord + Hash,
    S: BuildHasher + Default,
{
    fn encode(&self, bytes: &mut Vec<u8>) {
        let mut values: Vec<&T> = self.iter().collect();
        values.sort_unstable();
        (values.len() as u64).encode(bytes);
        values.iter().for_each(|value| value.encode(bytes));
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        Some(take_rising(bytes)?.into_iter().collect())
    }
}

/// Puts the entries of a map, whose keys rise.
fn put_pairs<'a, K: Snapshot + 'a, V: Snapshot + 'a>(
    pairs: impl ExactSizeIterator<Item = (&'a K, &'a V)>,
    bytes: &mut Vec<u8>,
) {
    (pairs.len() as u64).encode(bytes);
    for (key, value) in pairs {
        key.encode(bytes);
        value.encode(bytes);
    }
}

/// Takes off the entries of a map; none where their keys do not rise, as those of every map do.
fn take_pairs<K: Snapshot + Ord, V: Snapshot>(bytes: &mut &[u8]) -> Option<Vec<(K, V)>> {
    let pairs = Vec::<(K, V)>::decode(bytes)?;
    pairs
        .is_sorted_by(|one, next| one.0 < next.0)
        .then_some(pairs)
}

/// Takes off the values of a set; none where they do not rise.
fn take_rising<T: Snapshot + Ord>(bytes: &mut &[u8]) -> Option<Vec<T>> {
    let values = Vec::<T>::decode(bytes)?;
    values
        .is_sorted_by(|one, next| one < next)
        .then_some(values)
}

macro_rules! tuples {
    ($($part:ident)*) => {
        impl<$($part: Snapshot),*> Snapshot for ($($part,)*) {
            fn encode(&self, bytes: &mut Vec<u8>) {
                #[expect(non_snake_case, reason = "each part is called as its type")]
                let ($($part,)*) = self;
                $($part.encode(bytes);)*
            }

            fn decode(bytes: &mut &[u8]) -> Option<Self> {
                Some(($($part::decode(bytes)?,)*))
            }
        }
    };
}

tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
