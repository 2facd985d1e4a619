//! Events are compared by all that they hold, also by what views do not print.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use eventcask::{Expected, NewEvent};
use eventcask_domain::ErrorKind;
use eventcask_domain::prelude::*;
use eventcask_domain::testing::given;

use crate::account::store;
use crate::bank::id;

#[event("note.written", version = 2, prev = WrittenV1)]
struct Written {
    text: String,
    weight: f64,
    #[event(plain)]
    place: (u128, u128),
    #[event(plain)]
    marks: HashMap<String, u64>,
}

#[event("note.written")]
struct WrittenV1 {
    text: String,
}

impl From<WrittenV1> for Written {
    fn from(old: WrittenV1) -> Self {
        Note::of(&old.text, 0).into_written()
    }
}

#[event("note.scored", encoding = archive)]
struct Scored {
    score: f64,
}

#[derive(EventSet)]
enum NoteEvent {
    Written(Written),
    Scored(Scored),
}

#[derive(Clone)]
struct Note {
    text: String,
    weight: f64,
    place: u128,
    score: Option<f64>,
}

impl Note {
    fn of(text: &str, place: u128) -> Self {
        Self {
            text: text.to_owned(),
            weight: 0.5,
            place,
            score: None,
        }
    }

    /// A map that holds the same is in another order each time.
    fn into_written(self) -> Written {
        Written {
            text: self.text,
            weight: self.weight,
            place: (1, self.place),
            marks: (0..32).map(|mark| (mark.to_string(), mark)).collect(),
        }
    }
}

#[derive(Default, Clone)]
struct Notes(u64);

impl Decider for Notes {
    const CATEGORY: &'static str = "notes";
    type Event = NoteEvent;
    type Command = Note;
    type Reply = u128;
    type Error = std::convert::Infallible;

    fn evolve(&mut self, _: NoteEventRef<'_>) {
        self.0 += 1;
    }

    fn decide(cx: &mut Deciding<Self>, note: &Note) -> Result<u128, Self::Error> {
        match note.score {
            Some(score) => cx.emit(Scored { score }),
            None => cx.emit(note.clone().into_written()),
        }
        Ok(note.place)
    }
}

/// Executes two commands under one id, and says what becomes of the second one.
fn second(first: &Note, second: &Note) -> Result<(u128, bool), ErrorKind> {
    let store = store();
    let notes = store.decider::<Notes>().with_id(id(1));
    assert!(!notes.execute("a", first).wait().unwrap().repeated);
    let done = notes.execute("a", second).wait();
    let done = done.map(|done| (done.reply, done.repeated));
    done.map_err(|failed| failed.failed().unwrap().kind())
}

#[test]
fn a_command_that_differs_in_what_is_not_printed_is_another_one() {
    let note = Note::of("a", 1);
    let differs = Err(ErrorKind::RepeatDiffers);
    assert_eq!(second(&note, &Note::of("b", 1)), differs);
    assert_eq!(second(&note, &Note::of("a", 2)), differs);
    // As floating numbers these would be the same.
    let (large, larger) = (u128::MAX - 1, u128::MAX);
    assert_eq!(
        second(&Note::of("a", large), &Note::of("a", larger)),
        differs
    );
}

#[test]
fn a_repeat_is_known_whatever_the_order_of_a_map() {
    let note = Note::of("a", 1);
    assert_eq!(second(&note, &note), Ok((1, true)));
}

/// JSON gives a number back as its neighbour where it is read in haste.
#[test]
fn a_repeat_is_known_whatever_its_numbers() {
    let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..200 {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let weight = f64::from_bits(bits);
        if weight.is_finite() {
            let note = Note {
                weight,
                ..Note::of("a", 1)
            };
            assert_eq!(second(&note, &note), Ok((1, true)), "{weight:e}");
        }
    }
}

#[test]
fn an_archive_is_compared_by_its_bytes() {
    let scored = |score| Note {
        score: Some(score),
        ..Note::of("a", 1)
    };
    assert_eq!(second(&scored(0.5), &scored(0.5)), Ok((1, true)));
    let nan = |bits: u64| scored(f64::from_bits(0x7ff8_0000_0000_0000 | bits));
    assert_eq!(second(&nan(1), &nan(1)), Ok((1, true)));
    assert_eq!(second(&nan(1), &nan(2)), Err(ErrorKind::RepeatDiffers));
}

/// What was stored by an older program is what its upcaster makes of it.
#[test]
fn a_repeat_is_known_by_an_older_schema() {
    let repeat = |place| {
        let store = store();
        let stored = NewEvent::json("note.written", br#"{ "text": "a" }"#).id(id(1).event(0));
        let stored = store.append("notes-a", Expected::Any, &[stored]).unwrap();
        stored.wait().unwrap();
        let notes = store.decider::<Notes>().with_id(id(1));
        let done = notes.execute("a", &Note::of("a", place)).wait();
        let done = done.map(|done| (done.version, done.repeated));
        done.map_err(|failed| failed.failed().unwrap().kind())
    };
    assert_eq!(repeat(0), Ok((1, true)));
    assert_eq!(repeat(1), Err(ErrorKind::RepeatDiffers));
}

#[test]
fn an_assertion_sees_what_is_not_printed() {
    let written = |place| {
        let note = Note::of("a", 1);
        let expected = [NoteEvent::from(Note::of("a", place).into_written())];
        let _ = given::<Notes>([]).when(&note).then(expected);
    };
    written(1);
    let failed = catch_unwind(AssertUnwindSafe(|| written(2))).unwrap_err();
    let said = failed.downcast::<String>().unwrap();
    assert!(said.contains("\n-     2\n+     1\n"), "{said}");
    assert!(said.contains("  note.written {\n"), "{said}");
}
