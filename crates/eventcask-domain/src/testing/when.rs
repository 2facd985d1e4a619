//! What follows.

use std::fmt::Debug;
use std::sync::Arc;

use crate::content::Content;
use crate::decider::Decider;
use crate::event_set::EventSet;
use crate::testing::difference::difference;

/// A command that was decided on: from [`Given::when`](crate::testing::Given::when).
#[must_use = "nothing is asserted yet: `then`, `then_reply` or `then_refused`"]
pub struct When<D: Decider> {
    pub(super) answer: Result<D::Reply, D::Error>,
    pub(super) state: Arc<D>,
    pub(super) events: Vec<D::Event>,
}

impl<D: Decider> When<D> {
    /// Asserts that it was carried out by these events and no others, in this order. They are
    /// compared by all that they hold, also by fields that are not printed.
    ///
    /// # Panics
    /// Where it was not: the message shows what was expected and what was emitted, line by line, and
    /// where that looks the same, what is stored of it. Where an event can not be encoded.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = D::Event>) -> Then<D> {
        let then = self.carried_out();
        let expected: Vec<D::Event> = expected.into_iter().collect();
        if let Some(differs) = differs(&expected, &then.0.events) {
            panic!("other events were emitted than expected (- expected, + emitted):\n{differs}");
        }
        then
    }

    /// Asserts that it was carried out, and is answered so.
    ///
    /// # Panics
    /// Where it was not.
    #[track_caller]
    pub fn then_reply(self, expected: D::Reply) -> Then<D>
    where
        D::Reply: Debug + PartialEq,
    {
        self.carried_out().then_reply(expected)
    }

    /// Asserts that the rules refused it for this reason.
    ///
    /// # Panics
    /// Where they did not: the message shows the reason, or what was emitted.
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "it is written at the place of the call"
    )]
    pub fn then_refused(self, expected: D::Error)
    where
        D::Error: PartialEq,
    {
        match self.answer {
            Err(reason) if reason == expected => {}
            Err(reason) => panic!(
                "it was refused for another reason (- expected, + given):\n{}",
                difference(&format!("{expected:#?}"), &format!("{reason:#?}"))
            ),
            Ok(_) => panic!(
                "it was carried out, where this refusal was expected: {expected:?}; what was \
                 emitted:\n{}",
                shown(&self.events)
            ),
        }
    }

    #[track_caller]
    fn carried_out(self) -> Then<D> {
        if let Err(reason) = &self.answer {
            panic!("it was refused: {reason} ({reason:?})");
        }
        Then(self)
    }
}

/// A command that was carried out as it should be: from [`When::then`].
pub struct Then<D: Decider>(When<D>);

impl<D: Decider> Then<D> {
    /// Asserts that it is answered so.
    ///
    /// # Panics
    /// Where it is not.
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "it is written at the place of the call"
    )]
    pub fn then_reply(self, expected: D::Reply) -> Self
    where
        D::Reply: Debug + PartialEq,
    {
        if let Ok(reply) = &self.0.answer
            && *reply != expected
        {
            panic!(
                "it was answered otherwise (- expected, + given):\n{}",
                difference(&format!("{expected:#?}"), &format!("{reply:#?}"))
            );
        }
        self
    }

    /// The state that it leads to.
    pub fn state(&self) -> &D {
        &self.0.state
    }
}

impl<D: Decider> Debug for When<D>
where
    D::Reply: Debug,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("When")
            .field("answer", &self.answer)
            .field("events", &shown(&self.events))
            .finish()
    }
}

impl<D: Decider> Debug for Then<D>
where
    D::Reply: Debug,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// How events differ from others, if they do: as they are seen, or else in what is stored of them.
#[track_caller]
fn differs<S: EventSet>(expected: &[S], emitted: &[S]) -> Option<String> {
    let mut texts = (shown(expected), shown(emitted));
    if texts.0 == texts.1 {
        texts = (stored(expected), stored(emitted));
    }
    (texts.0 != texts.1).then(|| difference(&texts.0, &texts.1))
}

/// Events as they are stored, each from a line of its own on.
#[track_caller]
fn stored<S: EventSet>(events: &[S]) -> String {
    let contents = match Content::of(events) {
        Ok(contents) => contents,
        Err(error) => panic!("{error}"),
    };
    let each = contents.iter().map(|content| format!("{content}\n"));
    each.collect()
}

/// Events as they are seen, each from a line of its own on.
fn shown<S: EventSet>(events: &[S]) -> String {
    let each = events.iter().map(|event| format!("{:#?}\n", event.view()));
    match events {
        [] => "no events\n".to_owned(),
        _ => each.collect(),
    }
}
