//! What the fields of events can be, and how they are seen.

use std::fmt::Debug;

use rkyv::option::ArchivedOption;
use rkyv::string::ArchivedString;
use rkyv::vec::ArchivedVec;

use crate::shape;

/// A type that a field of an event can have.
///
/// Numbers of a fixed size, `bool`, `char` and texts have it, and `Option` and `Vec` of those. A
/// field of another type that serde knows is marked `#[event(plain)]`, in events that are encoded
/// as JSON: it is seen as a reference. What JSON has for an infinite number in it is `null`: such
/// an event is refused unless `null` can be read there, as it can in place of an `Option`.
///
/// Sizes of memory differ from machine to machine, so they are no fields:
///
/// ```compile_fail,E0277
/// use eventcask_domain::prelude::*;
///
/// #[event("file.written", encoding = archive)]
/// struct Written { bytes: usize }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can not be a field of an event",
    label = "no type for a field",
    note = "numbers of a fixed size, `bool`, `char`, `String`, and `Option` and `Vec` of them can be",
    note = "in an event that is encoded as JSON, `#[event(plain)]` on the field takes any type that serde knows"
)]
pub trait Field: 'static {
    /// What is seen of it: the number itself, a text that borrows.
    type View<'a>: Copy + Debug;

    /// What is stored of it in an archive.
    type Archived: 'static;

    /// What the shape of an archive knows of it.
    const SHAPE: u64;

    /// What is seen of it.
    fn view(&self) -> Self::View<'_>;

    /// What is seen of it in an archive.
    fn view_archived(archived: &Self::Archived) -> Self::View<'_>;

    /// Whether JSON can hold it: it has no numbers that are none, nor infinite ones.
    fn fits_json(&self) -> bool {
        true
    }
}

macro_rules! numbers {
    ($($kind:ident: $fits:expr, $native:expr;)*) => {$(
        impl Field for $kind {
            type View<'a> = Self;
            type Archived = rkyv::Archived<Self>;
            const SHAPE: u64 = shape::of_type(stringify!($kind));

            #[inline]
            fn view(&self) -> Self {
                *self
            }

            #[inline]
            fn view_archived(archived: &Self::Archived) -> Self {
                let native: fn(&Self::Archived) -> Self = $native;
                native(archived)
            }

            #[inline]
            fn fits_json(&self) -> bool {
                let fits: fn(&Self) -> bool = $fits;
                fits(self)
            }
        }
    )*};
}

numbers! {
    u8: |_| true, |archived| *archived;
    i8: |_| true, |archived| *archived;
    bool: |_| true, |archived| *archived;
    u16: |_| true, |archived| archived.to_native();
    u32: |_| true, |archived| archived.to_native();
    u64: |_| true, |archived| archived.to_native();
    u128: |_| true, |archived| archived.to_native();
    i16: |_| true, |archived| archived.to_native();
    i32: |_| true, |archived| archived.to_native();
    i64: |_| true, |archived| archived.to_native();
    i128: |_| true, |archived| archived.to_native();
    char: |_| true, |archived| archived.to_native();
    f32: |number| number.is_finite(), |archived| archived.to_native();
    f64: |number| number.is_finite(), |archived| archived.to_native();
}

impl Field for String {
    type View<'a> = &'a str;
    type Archived = ArchivedString;
    const SHAPE: u64 = shape::of_type("String");

    #[inline]
    fn view(&self) -> &str {
        self
    }

    #[inline]
    fn view_archived(archived: &ArchivedString) -> &str {
        archived.as_str()
    }
}

impl<T: Field> Field for Option<T> {
    type View<'a> = Option<T::View<'a>>;
    type Archived = ArchivedOption<T::Archived>;
    const SHAPE: u64 = shape::of_holder("Option", T::SHAPE);

    #[inline]
    fn view(&self) -> Self::View<'_> {
        self.as_ref().map(T::view)
    }

    #[inline]
    fn view_archived(archived: &Self::Archived) -> Self::View<'_> {
        archived.as_ref().map(T::view_archived)
    }

    fn fits_json(&self) -> bool {
        self.as_ref().is_none_or(T::fits_json)
    }
}

impl<T: Field> Field for Vec<T> {
    type View<'a> = List<'a, T>;
    type Archived = ArchivedVec<T::Archived>;
    const SHAPE: u64 = shape::of_holder("Vec", T::SHAPE);

    #[inline]
    fn view(&self) -> List<'_, T> {
        List(Items::Plain(self))
    }

    #[inline]
    fn view_archived(archived: &Self::Archived) -> List<'_, T> {
        List(Items::Archived(archived.as_slice()))
    }

    fn fits_json(&self) -> bool {
        self.iter().all(T::fits_json)
    }
}

/// What is seen of a `Vec`.
pub struct List<'a, T: Field>(Items<'a, T>);

enum Items<'a, T: Field> {
    Plain(&'a [T]),
    Archived(&'a [T::Archived]),
}

impl<'a, T: Field> List<'a, T> {
    /// How many items there are.
    #[must_use]
    pub fn len(self) -> usize {
        match self.0 {
            Items::Plain(items) => items.len(),
            Items::Archived(items) => items.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The item with this number, from 0 on.
    #[must_use]
    pub fn get(self, item: usize) -> Option<T::View<'a>> {
        match self.0 {
            Items::Plain(items) => items.get(item).map(T::view),
            Items::Archived(items) => items.get(item).map(T::view_archived),
        }
    }

    /// All items in their order.
    pub fn iter(self) -> impl Iterator<Item = T::View<'a>> {
        (0..self.len()).filter_map(move |item| self.get(item))
    }
}

impl<T: Field> Clone for Items<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Field> Copy for Items<'_, T> {}

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
