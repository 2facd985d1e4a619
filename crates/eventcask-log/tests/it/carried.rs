//! What events of tests carry beside their payloads.

use eventcask_event::{EventId, Headers, Metadata, NewMetadata, Tags};

/// The metadata of an event, as values of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) correlation: Option<u128>,
    pub(crate) causation: Option<u128>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) tags: Vec<(String, String)>,
}

impl Carried {
    /// That of an event that was read back.
    pub(crate) fn of(metadata: Metadata<'_>) -> Self {
        let headers = metadata.headers().iter();
        let tags = metadata.tags().iter();
        Self {
            correlation: metadata.correlation_id().map(EventId::as_u128),
            causation: metadata.causation_id().map(EventId::as_u128),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_vec()))
                .collect(),
            tags: tags
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// Some metadata, or none; the tags are in their order.
    pub(crate) fn random(random: &mut fastrand::Rng) -> Self {
        let mut some = Self::default();
        if random.bool() {
            return some;
        }
        some.correlation = random.bool().then(|| random.u128(1..));
        some.causation = random.bool().then(|| random.u128(1..));
        for name in ["trace", "by", "h\u{e9}"] {
            if random.bool() {
                let value = (0..random.usize(..20)).map(|_| random.u8(..)).collect();
                some.headers.push((name.to_owned(), value));
            }
        }
        for name in ["customer", "shop"] {
            if random.bool() {
                let value = match random.u8(..5) {
                    0 => String::new(),
                    _ => format!("of {}", random.u8(..9)),
                };
                some.tags.push((name.to_owned(), value));
            }
        }
        some
    }

    /// Lends it as an event on its way in carries it.
    pub(crate) fn with<T>(&self, take: impl FnOnce(NewMetadata<'_>) -> T) -> T {
        let headers = self.headers.iter();
        let headers: Vec<_> = headers.map(|(name, value)| (&**name, &**value)).collect();
        let tags = self.tags.iter();
        let tags: Vec<_> = tags.map(|(name, value)| (&**name, &**value)).collect();
        take(NewMetadata {
            correlation: self.correlation.map(EventId::from_u128),
            causation: self.causation.map(EventId::from_u128),
            headers: Headers::new(&headers),
            tags: Tags::new(&tags),
        })
    }
}
