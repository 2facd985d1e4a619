//! What the fields of events can be, and how they are seen.

use std::fmt::Debug;

/// A type that a field of an event can have.
///
/// Numbers, `bool`, `char` and texts have it, and `Option` and `Vec` of those. A field of another
/// type that serde knows is marked `#[event(plain)]`, in events that are encoded as JSON: it is seen
/// as a reference.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can not be a field of an event",
    label = "no type for a field",
    note = "numbers of a fixed size, `bool`, `char`, `String`, and `Option` and `Vec` of them can be",
    note = "in an event that is encoded as JSON, `#[event(plain)]` on the field takes any type that serde knows"
)]
pub trait Field: 'static {
    /// What is seen of it: the number itself, a text that borrows.
    type View<'a>: Copy + Debug;

    /// What is seen of it.
    fn view(&self) -> Self::View<'_>;

    /// Whether JSON can hold it: it has no numbers that are none, nor infinite ones.
    fn fits_json(&self) -> bool {
        true
    }
}

macro_rules! copied {
    ($($kind:ty),*) => {$(
        impl Field for $kind {
            type View<'a> = Self;

            #[inline]
            fn view(&self) -> Self {
                *self
            }
        }
    )*};
}

copied!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128, bool, char);

macro_rules! floats {
    ($($kind:ty),*) => {$(
        impl Field for $kind {
            type View<'a> = Self;

            #[inline]
            fn view(&self) -> Self {
                *self
            }

            fn fits_json(&self) -> bool {
                self.is_finite()
            }
        }
    )*};
}

floats!(f32, f64);

impl Field for String {
    type View<'a> = &'a str;

    #[inline]
    fn view(&self) -> &str {
        self
    }
}

impl<T: Field> Field for Option<T> {
    type View<'a> = Option<T::View<'a>>;

    #[inline]
    fn view(&self) -> Self::View<'_> {
        self.as_ref().map(T::view)
    }

    fn fits_json(&self) -> bool {
        self.as_ref().is_none_or(T::fits_json)
    }
}

impl<T: Field> Field for Vec<T> {
    type View<'a> = List<'a, T>;

    #[inline]
    fn view(&self) -> List<'_, T> {
        List(self)
    }

    fn fits_json(&self) -> bool {
        self.iter().all(T::fits_json)
    }
}

/// What is seen of a `Vec`.
pub struct List<'a, T: Field>(&'a [T]);

impl<'a, T: Field> List<'a, T> {
    /// How many items there are.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The item with this number, from 0 on.
    #[must_use]
    pub fn get(self, item: usize) -> Option<T::View<'a>> {
        self.0.get(item).map(T::view)
    }

    /// All items in their order.
    pub fn iter(self) -> impl Iterator<Item = T::View<'a>> {
        self.0.iter().map(T::view)
    }
}

impl<T: Field> Clone for List<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Field> Copy for List<'_, T> {}

impl<T: Field> Debug for List<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
