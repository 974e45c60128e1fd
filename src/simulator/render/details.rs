//! Renders a conversation as analytics details: sessions and segments.
//!
//! In: facts of one conversation · Out: JSON · Thread: any (pure).

use super::conversation::{name, our_address, uri_address};
use crate::simulator::centre::facts::{Conversation, Participant, Purpose};
use crate::simulator::json::Object;
use crate::simulator::when::Ms;
use crate::simulator::world::{Media, World};
use serde_json::Value;

/// One segment before it is rendered.
struct Segment {
    kind: &'static str,
    start: Ms,
    end: Option<Ms>,
}

pub(in crate::simulator) fn conversation(world: &World, c: &Conversation) -> Value {
    let participants: Vec<Value> = c.participants.iter().map(|p| participant(world, c, p)).collect();
    Object::new()
        .set("conversationId", c.id)
        .time("conversationStart", c.start)
        .maybe_time("conversationEnd", c.over())
        .set("originatingDirection", "inbound")
        .set("divisionIds", vec![world.division.to_string()])
        .set("participants", participants)
        .into()
}

fn participant(world: &World, c: &Conversation, p: &Participant) -> Value {
    Object::new()
        .set("participantId", p.id)
        .set("participantName", name(world, c, p))
        .set("purpose", p.purpose.name())
        .maybe("userId", p.user.map(|u| world.users[u].id))
        .set("sessions", vec![session(world, c, p)])
        .into()
}

fn session(world: &World, c: &Conversation, p: &Participant) -> Value {
    let object = Object::new()
        .set("sessionId", p.communication)
        .set("mediaType", c.media.analytics_name())
        .set("direction", "inbound")
        .set("provider", c.media.provider())
        .when(p.purpose != Purpose::Customer, "peerId", c.customer().communication)
        .when(p.after_call.skipped, "acwSkipped", true)
        .set("segments", segments(world, c, p))
        .set("metrics", metrics(c, p));
    match c.media {
        Media::Voice => object.set("ani", uri_address(c)).set("dnis", our_address(c.media)),
        Media::Callback => object
            .set("callbackNumbers", vec![c.address.clone()])
            .set("callbackUserName", c.caller.clone()),
        Media::Message => object
            .set("messageType", "webmessaging")
            .set("addressFrom", c.address.clone()),
        Media::Email => object
            .set("addressFrom", c.address.clone())
            .set("addressTo", our_address(c.media)),
    }
    .into()
}

fn segments(world: &World, c: &Conversation, p: &Participant) -> Vec<Value> {
    let mut list = Vec::new();
    match p.purpose {
        Purpose::Customer | Purpose::External | Purpose::Acd => list.push(Segment {
            kind: "interact",
            start: p.start,
            end: p.end,
        }),
        Purpose::Ivr => list.push(Segment {
            kind: "ivr",
            start: p.start,
            end: p.end,
        }),
        Purpose::Voicemail => list.push(Segment {
            kind: "voicemail",
            start: p.start,
            end: p.end,
        }),
        Purpose::Workflow => list.push(Segment {
            kind: "system",
            start: p.start,
            end: p.end,
        }),
        Purpose::Agent | Purpose::User => talk(p, &mut list),
    }
    let last = list.len() - 1;
    let queue = p
        .queue
        .filter(|_| matches!(p.purpose, Purpose::Acd | Purpose::Agent))
        .map(|q| world.queues[q].id);
    let mut out: Vec<Value> = list
        .iter()
        .enumerate()
        .map(|(i, s)| {
            Object::new()
                .time("segmentStart", s.start)
                .maybe_time("segmentEnd", s.end)
                .maybe("queueId", queue)
                .set("segmentType", s.kind)
                .set("conference", false)
                .when(c.media == Media::Email, "subject", c.subject)
                .maybe(
                    "disconnectType",
                    p.disconnect.filter(|_| i == last && s.end.is_some()).map(|d| d.camel()),
                )
                .into()
        })
        .collect();
    if let Some(start) = p.after_call.start {
        out.push(
            Object::new()
                .time("segmentStart", start)
                .maybe_time("segmentEnd", p.after_call.end)
                .maybe("queueId", queue)
                .set("segmentType", "wrapup")
                .set("conference", false)
                .maybe("wrapUpCode", p.after_call.code.map(|code| world.wrapup_codes[code].0))
                .into(),
        );
    }
    out
}

/// An agent's segments: the alert, then the talk, interrupted by holds and parking.
fn talk(p: &Participant, list: &mut Vec<Segment>) {
    list.push(Segment {
        kind: "alert",
        start: p.start,
        end: p.connected.or(p.end),
    });
    let Some(mut from) = p.connected else { return };
    let mut breaks: Vec<_> = p
        .holds
        .iter()
        .map(|h| ("hold", *h))
        .chain(p.parks.iter().map(|s| ("parked", *s)))
        .collect();
    breaks.sort_by_key(|one| one.1.start);
    for (kind, span) in breaks {
        if span.start > from {
            list.push(Segment {
                kind: "interact",
                start: from,
                end: Some(span.start),
            });
        }
        list.push(Segment {
            kind,
            start: span.start,
            end: span.end,
        });
        match span.end {
            Some(end) => from = end,
            None => return,
        }
    }
    if p.end != Some(from) || list.len() == 1 {
        list.push(Segment {
            kind: "interact",
            start: from,
            end: p.end,
        });
    }
}

fn metrics(c: &Conversation, p: &Participant) -> Vec<Value> {
    let mut out = Vec::new();
    let mut emit = |name: &str, value: Ms, at: Ms| {
        out.push(
            Object::new()
                .set("name", name)
                .set("value", value)
                .time("emitDate", at)
                .into(),
        )
    };
    match p.purpose {
        Purpose::Acd => {
            emit("nOffered", 1, p.start);
            let Some(end) = p.end else { return out };
            emit("tAcd", end - p.start, end);
            let answered = c
                .participants
                .iter()
                .any(|a| a.purpose == Purpose::Agent && a.connected == Some(end));
            let next = c
                .participants
                .iter()
                .any(|a| matches!(a.purpose, Purpose::Acd | Purpose::Voicemail) && a.start == end && a.id != p.id);
            if !answered && next {
                emit("tFlowOut", end - p.start, end);
            } else if !answered {
                emit("tAbandon", end - p.start, end);
            }
        }
        Purpose::Agent | Purpose::User => {
            if let Some(end) = p.connected.or(p.end) {
                emit("tAlert", end - p.start, end);
            }
            let Some(connected) = p.connected else {
                return out;
            };
            let visit = c
                .participants
                .iter()
                .find(|v| v.purpose == Purpose::Acd && v.end == Some(connected));
            if let (Some(visit), true) = (visit, p.purpose == Purpose::Agent) {
                emit("tAnswered", connected - visit.start, connected);
            }
            let Some(end) = p.end else { return out };
            let held = p.held_ms(end);
            if held > 0 {
                emit("tHeldComplete", held, end);
            }
            emit("tTalkComplete", end - connected - held, end);
            match (p.after_call.start, p.after_call.end) {
                (Some(start), Some(done)) => {
                    emit("tAcw", done - start, done);
                    emit("tHandle", end - connected + done - start, done);
                }
                (None, _) => emit("tHandle", end - connected, end),
                _ => {}
            }
        }
        Purpose::Customer | Purpose::External | Purpose::Ivr | Purpose::Workflow | Purpose::Voicemail => {
            if let (Some(end), Purpose::Ivr) = (p.end, p.purpose) {
                emit("tIvr", end - p.start, end);
            }
        }
    }
    out
}
