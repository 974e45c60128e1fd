//! Reconstructs a conversation as it was at an earlier time.
//!
//! In: facts and a moment · Out: the facts that had happened by then · Thread: any (pure).

use crate::simulator::centre::facts::{AfterCall, CallBack, Conversation, Monitoring, Participant, Span, Stay};
use crate::simulator::when::Ms;
use std::borrow::Cow;

/// The facts up to and including `at`; `None` if the conversation began later.
pub(super) fn at(c: &Conversation, at: Ms) -> Option<Cow<'_, Conversation>> {
    if c.start() > at {
        return None;
    }
    if c.end().is_some_and(|end| end <= at) {
        return Some(Cow::Borrowed(c));
    }
    Some(Cow::Owned(Conversation {
        periods: spans(&c.periods, at),
        participants: (c.participants.iter())
            .filter(|p| p.joined() <= at)
            .map(|p| participant(p, at))
            .collect(),
        ..c.clone()
    }))
}

fn by(time: Option<Ms>, at: Ms) -> Option<Ms> {
    time.filter(|&t| t <= at)
}

fn spans(spans: &[Span], at: Ms) -> Vec<Span> {
    let begun = spans.iter().filter(|s| s.start <= at);
    begun
        .map(|s| Span {
            start: s.start,
            end: by(s.end, at),
        })
        .collect()
}

fn participant(p: &Participant, at: Ms) -> Participant {
    Participant {
        monitoring: p.monitoring.map(|m| Monitoring {
            until: by(m.until, at),
            ..m
        }),
        stays: p.stays.iter().filter(|s| s.start <= at).map(|s| stay(s, at)).collect(),
        ..p.clone()
    }
}

fn stay(s: &Stay, at: Ms) -> Stay {
    let (end, after) = (by(s.end, at), &s.after_call);
    let done = by(after.end, at);
    Stay {
        connected: by(s.connected, at),
        end,
        disconnect: s.disconnect.filter(|_| end.is_some()),
        holds: spans(&s.holds, at),
        parks: spans(&s.parks, at),
        after_call: AfterCall {
            skipped: after.skipped && end.is_some(),
            start: by(after.start, at),
            end: done,
            code: after.code.filter(|_| done.is_some()),
            ..after.clone()
        },
        call_back: s
            .call_back
            .clone()
            .filter(|call| call.start <= at)
            .map(|call| CallBack {
                connected: by(call.connected, at),
                end: by(call.end, at),
                ..call
            }),
        ..s.clone()
    }
}
