//! Fields by which events are found.

use std::borrow::Cow;

/// A type of fields that can be tags: `tags = [owner]` of `#[event]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can not be a tag",
    label = "no text can be made of it",
    note = "texts, whole numbers and `bool` can be tags, and `Option` of them, which is no tag where it is `None`"
)]
pub trait Tag {
    /// The value of the tag, if it has one.
    fn tag(&self) -> Option<Cow<'_, str>>;
}

impl Tag for String {
    fn tag(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self))
    }
}

impl<T: Tag> Tag for Option<T> {
    fn tag(&self) -> Option<Cow<'_, str>> {
        self.as_ref().and_then(T::tag)
    }
}

macro_rules! printed {
    ($($kind:ty),*) => {$(
        impl Tag for $kind {
            fn tag(&self) -> Option<Cow<'_, str>> {
                Some(Cow::Owned(self.to_string()))
            }
        }
    )*};
}

printed!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128, bool, char);

/// Where the tags of an event go that is being encoded.
#[derive(Debug, Default, Clone)]
pub struct TagList {
    tags: Vec<(&'static str, String)>,
}

impl TagList {
    /// Adds a tag, if the value is one.
    pub fn add(&mut self, name: &'static str, value: &impl Tag) {
        let value = value.tag().map(Cow::into_owned);
        self.tags.extend(value.map(|value| (name, value)));
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tags.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// Names and values, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|(name, value)| (*name, &**value))
    }
}
