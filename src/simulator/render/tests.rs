//! REST details and notifications of the same moment contain the same facts.
//!
//! In: an hour of a centre · Out: comparisons, moment by moment · Thread: the test's.

use super::conversation::Shape;
use super::{conversation, details, flat};
use crate::simulator::centre::Centre;
use crate::simulator::centre::facts::{Conversation, Purpose};
use crate::simulator::options::Options;
use crate::simulator::world::World;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a client learns about a participant from either source.
#[derive(Debug, Default, PartialEq)]
struct Facts {
    purpose: String,
    queue: Option<String>,
    medium: String,
    connected: Option<String>,
    ended: Option<String>,
    after_call_start: Option<String>,
    after_call_end: Option<String>,
    code: Option<String>,
    /// Connected, ended, after-call work over or not expected.
    complete: bool,
    transferred: bool,
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn is_transfer(disconnect: Option<&str>) -> bool {
    let letters: String = disconnect
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_alphabetic)
        .collect();
    let letters = letters.to_lowercase();
    letters.contains("transfer") && !["noanswer", "notavailable", "dnd"].iter().any(|n| letters.contains(n))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// By `docs/numbers.md#details-mapping`.
fn from_details(c: &Value) -> BTreeMap<String, Facts> {
    let over = c["conversationEnd"].is_string();
    let of = |p: &Value| {
        let purpose = text(&p["purpose"]).unwrap();
        let agent = purpose == "agent" || purpose == "user";
        let sessions = list(&p["sessions"]);
        let all: Vec<&Value> = sessions.iter().flat_map(|s| list(&s["segments"])).collect();
        let kind = |s: &Value| s["segmentType"].as_str().unwrap().to_owned();
        let talk: Vec<&Value> = all.iter().copied().filter(|s| kind(s) != "wrapup").collect();
        let after: Vec<&Value> = all.iter().copied().filter(|s| kind(s) == "wrapup").collect();
        let closed = sessions.iter().all(|s| {
            let last = list(&s["segments"]).iter().rfind(|s| kind(s) != "wrapup").unwrap();
            last["segmentEnd"].is_string() && last["disconnectType"].is_string()
        });
        let first = talk
            .iter()
            .find(|s| !agent || ["interact", "hold", "parked"].contains(&kind(s).as_str()));
        let connected = first.and_then(|s| text(&s["segmentStart"]));
        let ends = talk.iter().filter_map(|s| text(&s["segmentEnd"]));
        let ended = ends.max().filter(|_| over || closed);
        let after_call_start = after.iter().filter_map(|s| text(&s["segmentStart"])).min();
        let after_call_end = after.iter().filter_map(|s| text(&s["segmentEnd"])).max();
        let skipped = sessions.iter().any(|s| s["acwSkipped"] == true);
        let done = skipped || after.is_empty() || after_call_end.is_some();
        let disconnect = talk.iter().rev().find_map(|s| s["disconnectType"].as_str());
        Facts {
            queue: all.iter().find_map(|s| text(&s["queueId"])),
            medium: text(&sessions[0]["mediaType"]).unwrap(),
            complete: agent && connected.is_some() && ended.is_some() && done,
            code: after.iter().find_map(|s| text(&s["wrapUpCode"])),
            transferred: is_transfer(disconnect),
            purpose,
            connected,
            ended,
            after_call_start,
            after_call_end,
        }
    };
    list(&c["participants"])
        .iter()
        .map(|p| (text(&p["participantId"]).unwrap(), of(p)))
        .collect()
}

/// By `docs/numbers.md#who`, of the topic with arrays per medium or of one medium's topic.
fn from_notification(c: &Value, one: Option<&str>) -> BTreeMap<String, Facts> {
    let arrays = [
        ("calls", "voice"),
        ("messages", "message"),
        ("emails", "email"),
        ("callbacks", "callback"),
    ];
    let of = |p: &Value| {
        let purpose = text(&p["purpose"]).unwrap();
        let agent = purpose == "agent" || purpose == "user";
        let array = arrays.iter().find(|(array, _)| p[*array].is_array());
        let (medium, part) = match (one, array) {
            (Some(medium), _) => (medium, p),
            (None, array) => array.map(|(array, name)| (*name, &p[*array][0])).unwrap(),
        };
        let (connected, ended) = (text(&p["connectedTime"]), text(&p["endTime"]));
        let after_call_end = text(&p["endAcwTime"]);
        let expected = ["wrapupExpected", "wrapupRequired"]
            .iter()
            .find_map(|key| p[*key].as_bool());
        let state = part["afterCallWork"]["state"].as_str().unwrap_or_default();
        let settled = ["skipped", "notApplicable", "complete"].contains(&state) || p["wrapupSkipped"] == true;
        let code = text(&p["wrapup"]["code"]);
        let done = expected != Some(true) || settled || after_call_end.is_some() || code.is_some();
        let queue = ["acd", "agent"].contains(&purpose.as_str()).then(|| {
            let routing = text(&p["conversationRoutingData"]["queue"]["id"]);
            text(&p["queueId"]).or(routing).or(text(&p["queue"]["id"]))
        });
        Facts {
            queue: queue.flatten(),
            medium: medium.to_owned(),
            complete: agent && connected.is_some() && ended.is_some() && done,
            transferred: is_transfer(part["disconnectType"].as_str()),
            after_call_start: text(&p["startAcwTime"]),
            purpose,
            connected,
            ended,
            after_call_end,
            code,
        }
    };
    list(&c["participants"])
        .iter()
        .map(|p| (text(&p["id"]).unwrap(), of(p)))
        .collect()
}

/// The situations in a conversation, so that the test can check that all have occurred.
fn shapes(c: &Conversation) -> Vec<&'static str> {
    let any = |test: &dyn Fn(&crate::simulator::centre::facts::Participant) -> bool| c.participants.iter().any(test);
    let visits = c.participants.iter().filter(|p| p.purpose == Purpose::Acd);
    let queues: Vec<_> = visits.map(|p| p.queue).collect();
    let talking = c
        .participants
        .iter()
        .filter(|p| p.is_internal() && p.is_talking())
        .count();
    let list = [
        ("waiting", c.open_visit().is_some()),
        ("alerting", any(&|p| p.is_alerting())),
        (
            "missed",
            any(&|p| p.is_internal() && p.connected.is_none() && p.end.is_some()),
        ),
        ("on hold", any(&|p| p.held_since().is_some())),
        ("parked", any(&|p| p.parked_since().is_some())),
        ("consult", talking > 1 && any(&|p| p.held_since().is_some())),
        ("conference", talking > 1 && !any(&|p| p.held_since().is_some())),
        ("outsider", any(&|p| p.purpose == Purpose::External && p.is_open())),
        ("voicemail", any(&|p| p.purpose == Purpose::Voicemail && p.is_open())),
        ("same queue again", queues.len() > 1 && queues[0] == queues[1]),
        ("another queue", queues.len() > 1 && queues[0] != queues[1]),
        (
            "late after-call work",
            !c.customer().is_open() && any(&|p| p.after_call.is_open()),
        ),
        ("skipped after-call work", any(&|p| p.after_call.skipped)),
        ("over", c.end.is_some()),
        (
            "callback",
            c.media == crate::simulator::world::Media::Callback && talking > 0,
        ),
    ];
    list.iter().filter(|(_, seen)| *seen).map(|(name, _)| *name).collect()
}

#[test]
fn details_and_notifications_agree_at_every_moment() {
    let options = Options {
        seed: 5,
        queues: 4,
        agents: 24,
        ..Options::default()
    };
    let epoch = 1_777_903_500_000;
    let world = Arc::new(World::build(&options, epoch));
    let mut centre = Centre::new(&options, Arc::clone(&world), epoch);
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for step in 1..=300 {
        centre.advance(epoch + step * 12_000);
        let recent = centre.conversations().rev().take(20).filter(|c| c.end.is_some());
        for c in centre.open().chain(recent) {
            let rest = from_details(&details::conversation(&world, c));
            let stream = conversation::conversation(&world, c, Shape::Notification);
            assert_eq!(rest, from_notification(&stream, None), "{c:#?}");
            let single = from_notification(&flat::conversation(&world, c), Some(c.media.analytics_name()));
            assert_eq!(rest, single, "{c:#?}");
            shapes(c)
                .into_iter()
                .for_each(|shape| *seen.entry(shape).or_default() += 1);
        }
    }
    assert_eq!(seen.len(), 15, "{seen:?}");
}
