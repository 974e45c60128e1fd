//! Renders a conversation as analytics details: sessions and segments.
//!
//! In: facts of one conversation · Out: JSON · Thread: any (pure).

use super::conversation::{name, our_address, uri_address};
use crate::base::order::Ordered as _;
use crate::simulator::centre::facts::{Before, CallBack, Conversation, Participant, Purpose, Stay};
use crate::simulator::json::{Id, Object};
use crate::simulator::when::Ms;
use crate::simulator::world::{Media, World};
use serde_json::Value;

/// One segment before it is rendered.
struct Segment {
    kind: &'static str,
    start: Ms,
    end: Option<Ms>,
}

impl Segment {
    fn new(kind: &'static str, start: Ms, end: Option<Ms>) -> Segment {
        Segment { kind, start, end }
    }
}

pub(in crate::simulator) fn conversation(world: &World, c: &Conversation) -> Value {
    let participants: Vec<Value> = c.participants.iter().map(|p| participant(world, c, p)).collect();
    Object::new()
        .set("conversationId", c.id)
        .time("conversationStart", c.start())
        .maybe_time("conversationEnd", c.over())
        .set("originatingDirection", "inbound")
        .set("divisionIds", vec![world.division.to_string()])
        .set("participants", participants)
        .into()
}

fn participant(world: &World, c: &Conversation, p: &Participant) -> Value {
    let of = |s: &Stay| {
        [
            Some(session(world, c, p, s)),
            s.call_back.as_ref().map(|call| call_back(c, p, s, call, world)),
        ]
    };
    let sessions: Vec<Value> = p.stays.iter().flat_map(of).flatten().collect();
    Object::new()
        .set("participantId", p.id)
        .set("participantName", name(world, c, p))
        .set("purpose", p.purpose.name())
        .maybe("userId", p.user.map(|u| world.users[u].id))
        .set("sessions", sessions)
        .into()
}

/// The queue whose id the segments have.
fn queue_id(world: &World, p: &Participant, s: &Stay) -> Option<Id> {
    let told = matches!(p.purpose, Purpose::Acd | Purpose::Agent | Purpose::User);
    s.queue.filter(|_| told).map(|q| world.queues[q].id)
}

fn session(world: &World, c: &Conversation, p: &Participant, s: &Stay) -> Value {
    let object = Object::new()
        .set("sessionId", s.communication)
        .set("mediaType", s.media.analytics_name())
        .set("direction", "inbound")
        .set("provider", s.media.provider())
        .when(p.id != c.customer().id, "peerId", c.customer().stay().communication)
        .maybe(
            "monitoredParticipantId",
            p.monitoring.map(|m| c.participants[m.whom].id),
        )
        .when(s.after_call.skipped, "acwSkipped", true)
        .set("segments", segments(world, c, p, s))
        .set("metrics", metrics(c, p, s));
    match s.media {
        Media::Voice => object.set("ani", uri_address(c)).set("dnis", our_address(s.media)),
        Media::Callback => object
            .set("callbackNumbers", vec![c.address.clone()])
            .set("callbackUserName", c.caller.clone())
            .maybe_time("callbackScheduledTime", s.scheduled_for),
        Media::Message => object
            .set("messageType", "webmessaging")
            .set("addressFrom", c.address.clone()),
        Media::Email => object
            .set("addressFrom", c.address.clone())
            .set("addressTo", our_address(s.media)),
    }
    .into()
}

/// The call of a callback as a session.
fn call_back(c: &Conversation, p: &Participant, s: &Stay, call: &CallBack, world: &World) -> Value {
    let mut list = vec![Segment::new("dialing", call.start, call.connected.or(call.end))];
    list.extend(call.connected.map(|at| Segment::new("interact", at, call.end)));
    let disconnect = call.end.map(|_| "endpoint");
    Object::new()
        .set("sessionId", call.communication)
        .set("mediaType", Media::Voice.analytics_name())
        .set("direction", "outbound")
        .set("provider", Media::Voice.provider())
        .set("ani", our_address(Media::Voice))
        .set("dnis", uri_address(c))
        .set("segments", render(&list, queue_id(world, p, s), None, disconnect))
        .set("metrics", Vec::<Value>::new())
        .into()
}

fn segments(world: &World, c: &Conversation, p: &Participant, s: &Stay) -> Vec<Value> {
    let mut list = Vec::new();
    if let Some(from) = before(p, s, &mut list) {
        match p.purpose {
            Purpose::Customer | Purpose::External | Purpose::Acd => list.push(Segment::new("interact", from, s.end)),
            Purpose::Ivr => list.push(Segment::new("ivr", from, s.end)),
            Purpose::Voicemail => list.push(Segment::new("voicemail", from, s.end)),
            Purpose::Workflow => list.push(Segment::new("system", from, s.end)),
            Purpose::Agent | Purpose::User => talk(p, s, from, &mut list),
        }
    }
    let queue = queue_id(world, p, s);
    let subject = Some(c.subject).filter(|_| s.media == Media::Email);
    let mut out = render(
        &list,
        queue,
        subject,
        s.disconnect.filter(|_| s.end.is_some()).map(|d| d.camel()),
    );
    if let Some(start) = s.after_call.start {
        out.push(
            Object::new()
                .time("segmentStart", start)
                .maybe_time("segmentEnd", s.after_call.end)
                .maybe("queueId", queue)
                .set("segmentType", "wrapup")
                .set("conference", false)
                .maybe("wrapUpCode", s.after_call.code.map(|code| world.wrapup_codes[code].0))
                .into(),
        );
    }
    out
}

/// `disconnect` is the type of the last segment.
fn render(list: &[Segment], queue: Option<Id>, subject: Option<&str>, disconnect: Option<&str>) -> Vec<Value> {
    let last = list.len().saturating_sub(1);
    let one = |(i, s): (usize, &Segment)| {
        Object::new()
            .time("segmentStart", s.start)
            .maybe_time("segmentEnd", s.end)
            .maybe("queueId", queue)
            .set("segmentType", s.kind)
            .set("conference", false)
            .maybe("subject", subject)
            .maybe("disconnectType", disconnect.filter(|_| i == last))
            .into()
    };
    list.iter().enumerate().map(one).collect()
}

/// The segment before somebody is connected, if there is one. Returns when the next begins.
fn before(p: &Participant, s: &Stay, list: &mut Vec<Segment>) -> Option<Ms> {
    let kind = if s.scheduled_for.is_some() {
        "scheduled"
    } else {
        match s.before {
            Before::Alert => "alert",
            Before::Delay => "delay",
            Before::System => "system",
            Before::Contacting => "contacting",
        }
    };
    let rings = p.is_internal() && p.monitoring.is_none() && s.before == Before::Alert;
    if s.connected != Some(s.start) || (rings && s.visit.is_some()) {
        list.push(Segment::new(kind, s.start, s.connected.or(s.end)));
    }
    s.connected
}

/// What an agent did from `from` on: the talk, interrupted by holds and parking; or listening, until the takeover.
fn talk(p: &Participant, s: &Stay, mut from: Ms, list: &mut Vec<Segment>) {
    if let Some(monitoring) = p.monitoring {
        list.push(Segment::new("monitoring", from, monitoring.until.or(s.end)));
        match monitoring.until {
            Some(until) => from = until,
            None => return,
        }
    }
    let had = list.len();
    let mut breaks: Vec<_> = (s.holds.iter().map(|h| ("hold", *h)))
        .chain(s.parks.iter().map(|s| ("parked", *s)))
        .collect();
    breaks.order_by_key(|one| one.1.start);
    for (kind, span) in breaks {
        if span.start > from {
            list.push(Segment::new("interact", from, Some(span.start)));
        }
        list.push(Segment::new(kind, span.start, span.end));
        match span.end {
            Some(end) => from = end,
            None => return,
        }
    }
    if s.end != Some(from) || list.len() == had {
        list.push(Segment::new("interact", from, s.end));
    }
}

fn metrics(c: &Conversation, p: &Participant, s: &Stay) -> Vec<Value> {
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
            let Some(entered) = s.connected else { return out };
            emit("nOffered", 1, entered);
            let Some(end) = s.end else { return out };
            emit("tAcd", end - entered, end);
            let visit = c.participants.iter().position(|other| other.id == p.id);
            let answered = visit.is_some_and(|visit| c.is_answered(visit));
            let next = c.participants.iter().any(|a| {
                matches!(a.purpose, Purpose::Acd | Purpose::Voicemail) && a.stay().start == end && a.id != p.id
            });
            if !answered && next {
                emit("tFlowOut", end - entered, end);
            } else if !answered {
                emit("tAbandon", end - entered, end);
            }
        }
        Purpose::Agent | Purpose::User => {
            if let Some(end) = s.connected.or(s.end) {
                emit("tAlert", end - s.start, end);
            }
            let Some(connected) = s.connected else {
                return out;
            };
            let entered = s.visit.and_then(|visit| c.participants[visit].stay().connected);
            if let (Some(entered), true) = (entered, p.purpose == Purpose::Agent) {
                emit("tAnswered", connected - entered, connected);
            }
            let Some(end) = s.end else { return out };
            let held = s.held_ms(end);
            if held > 0 {
                emit("tHeldComplete", held, end);
            }
            emit("tTalkComplete", end - connected - held, end);
            match (s.after_call.start, s.after_call.end) {
                (Some(start), Some(done)) => {
                    emit("tAcw", done - start, done);
                    emit("tHandle", end - connected + done - start, done);
                }
                (None, _) => emit("tHandle", end - connected, end),
                _ => {}
            }
        }
        Purpose::Customer | Purpose::External | Purpose::Ivr | Purpose::Workflow | Purpose::Voicemail => {
            if let (Some(end), Purpose::Ivr) = (s.end, p.purpose) {
                emit("tIvr", end - s.start, end);
            }
        }
    }
    out
}
