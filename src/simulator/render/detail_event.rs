//! Renders detail events of one conversation (`v2.detail.events.conversation.{id}.*`).
//!
//! In: a step and the facts after it · Out: topic suffix and JSON · Thread: any (pure).

use super::conversation::{our_address, uri_address};
use crate::simulator::centre::facts::{Conversation, Participant, Purpose, Step};
use crate::simulator::json::Object;
use crate::simulator::when::Ms;
use crate::simulator::world::{Media, World};
use serde_json::Value;

/// The event of a step, if it has one.
pub(in crate::simulator) fn render(
    world: &World,
    c: &Conversation,
    step: Step,
    at: Ms,
) -> Option<(&'static str, Value)> {
    let (suffix, who) = match step {
        Step::CustomerStart if c.is_from_inside() => ("user.start", 0),
        Step::CustomerEnd if c.is_from_inside() => ("user.end", 0),
        Step::CustomerStart => ("customer.start", 0),
        Step::CustomerEnd => ("customer.end", 0),
        Step::FlowStart(who) => ("flow.start", who),
        Step::FlowEnd(who) => ("flow.end", who),
        Step::AcdStart(who) => ("acd.start", who),
        Step::AcdEnd(who) => ("acd.end", who),
        Step::UserStart(who) => ("user.start", who),
        Step::UserEnd(who) => ("user.end", who),
        Step::AfterCall(who) => ("acw", who),
        Step::Wrapup(who) => ("wrapup", who),
        Step::Other => return None,
    };
    let p = c.participants.get(who)?;
    let s = p.stay();
    let media = match s.media {
        Media::Voice => "VOICE",
        Media::Message => "MESSAGE",
        Media::Email => "EMAIL",
        Media::Callback => "CALLBACK",
    };
    let base = Object::new()
        .set("eventTime", at)
        .set("conversationId", c.id)
        .set("participantId", p.id)
        .set("sessionId", s.communication)
        .set("mediaType", media)
        .set("provider", s.media.provider())
        .set("direction", "INBOUND")
        .set("ani", uri_address(c))
        .set("dnis", our_address(s.media));
    let queue = s
        .queue
        .filter(|_| matches!(p.purpose, Purpose::Acd | Purpose::Agent))
        .map(|q| world.queues[q].id);
    let user = p.user.map(|u| world.users[u].id);
    let upper = s.disconnect.map(|d| d.upper());
    let length = s.end.unwrap_or(at) - s.connected.unwrap_or(s.end.unwrap_or(at));
    let flow_type = if p.purpose == Purpose::Ivr {
        "INBOUNDCALL"
    } else {
        "INBOUNDSHORTMESSAGE"
    };
    let event = match step {
        Step::CustomerStart => base.set("divisionId", world.division),
        Step::CustomerEnd => base
            .set("divisionId", world.division)
            .maybe("disconnectType", upper)
            .set("interactingDurationMs", length),
        Step::FlowStart(_) => base
            .set("divisionId", world.division)
            .set("flowType", flow_type)
            .set("flowId", world.flow)
            .set("flowVersion", "1.0"),
        Step::FlowEnd(_) => base
            .set("divisionId", world.division)
            .set("flowType", flow_type)
            .set("flowId", world.flow)
            .set("flowVersion", "1.0")
            .set("connectedDurationMs", length)
            .maybe("disconnectType", upper),
        Step::AcdStart(_) => base
            .set("divisionId", world.division)
            .maybe("queueId", queue)
            .set("routingPriority", 0),
        Step::AcdEnd(_) => {
            let taken = |a: &Participant| a.stays.iter().any(|s| s.visit == Some(who) && s.connected.is_some());
            let answered = c.participants.iter().find(|a| taken(a));
            let rings = c.stays().any(|(.., s)| s.visit == Some(who) && s.is_alerting());
            let goes_on = c.goes_on();
            let outcome = if answered.is_some() {
                "ANSWERED"
            } else if rings {
                "UNKNOWN"
            } else if goes_on {
                "FLOW_OUT"
            } else {
                "ABANDON"
            };
            base.set("divisionId", world.division)
                .maybe("queueId", queue)
                .set("acdOutcome", outcome)
                .maybe(
                    "answeredUserId",
                    answered.and_then(|a| a.user).map(|u| world.users[u].id),
                )
                .set("usedRouting", "STANDARD")
                .set("connectedDurationMs", length)
                .maybe("disconnectType", upper)
        }
        Step::UserStart(_) => base
            .set("divisionId", world.division)
            .maybe("queueId", queue)
            .maybe("userId", user),
        Step::UserEnd(_) => {
            let held = s.held_ms(at);
            base.set("divisionId", world.division)
                .maybe("queueId", queue)
                .maybe("userId", user)
                .maybe("disconnectType", upper)
                .set("interactingDurationMs", length - held)
                .set("heldDurationMs", held)
                .set("alertingDurationMs", s.connected.or(s.end).unwrap_or(at) - s.start)
                .set("contactingDurationMs", 0)
                .set("dialingDurationMs", 0)
                .set("callbackDurationMs", 0)
        }
        Step::AfterCall(_) => base.maybe("queueId", queue).maybe("userId", user),
        Step::Wrapup(_) => base
            .maybe("queueId", queue)
            .maybe("wrapupCode", s.after_call.code.map(|code| world.wrapup_codes[code].0))
            .set("wrapupDurationMs", s.after_call.start.map_or(0, |start| at - start)),
        Step::Other => return None,
    };
    Some((suffix, event.into()))
}
