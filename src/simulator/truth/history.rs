//! Reconstructs a conversation as it was at an earlier time.
//!
//! In: facts and a moment · Out: the facts that had happened by then · Thread: any (pure).

use crate::simulator::centre::facts::{AfterCall, Conversation, Participant, Span};
use crate::simulator::when::Ms;
use std::borrow::Cow;

/// The facts up to and including `at`; `None` if the conversation began later.
pub(super) fn at(c: &Conversation, at: Ms) -> Option<Cow<'_, Conversation>> {
    if c.start > at {
        return None;
    }
    if c.end.is_some_and(|end| end <= at) {
        return Some(Cow::Borrowed(c));
    }
    Some(Cow::Owned(Conversation {
        end: None,
        participants: c
            .participants
            .iter()
            .filter(|p| p.start <= at)
            .map(|p| participant(p, at))
            .collect(),
        ..c.clone()
    }))
}

fn participant(p: &Participant, at: Ms) -> Participant {
    let by = |time: Option<Ms>| time.filter(|&t| t <= at);
    let spans = |spans: &[Span]| {
        spans
            .iter()
            .filter(|s| s.start <= at)
            .map(|s| Span {
                start: s.start,
                end: by(s.end),
            })
            .collect()
    };
    let (end, after) = (by(p.end), &p.after_call);
    let done = by(after.end);
    Participant {
        connected: by(p.connected),
        end,
        disconnect: p.disconnect.filter(|_| end.is_some()),
        holds: spans(&p.holds),
        parks: spans(&p.parks),
        after_call: AfterCall {
            expected: after.expected,
            skipped: after.skipped && end.is_some(),
            start: by(after.start),
            end: done,
            code: after.code.filter(|_| done.is_some()),
        },
        ..p.clone()
    }
}
