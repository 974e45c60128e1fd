//! REST details and notifications of the same moment contain the same facts.
//!
//! In: forty minutes of a centre · Out: comparisons, change by change · Thread: the test's.

use super::conversation::Shape;
use super::{conversation, details, flat};
use crate::simulator::centre::Centre;
use crate::simulator::centre::facts::{Before, Change, Conversation, Disconnect, Participant, Purpose, Stay};
use crate::simulator::options::Options;
use crate::simulator::world::{Media, World};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What a client learns about a communication from either source.
#[derive(Debug, Default, PartialEq)]
struct Facts {
    purpose: String,
    /// Of agents and visits.
    queue: Option<String>,
    medium: String,
    connected: Option<String>,
    ended: Option<String>,
    after_call_start: Option<String>,
    after_call_end: Option<String>,
    code: Option<String>,
    skipped: bool,
    transferred: bool,
    /// Of its participant.
    listens_in: bool,
}

/// By participant and communication.
type All = BTreeMap<(String, String), Facts>;

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

/// By `docs/gaps.md#details-mapping`.
fn from_details(c: &Value) -> All {
    let over = c["conversationEnd"].is_string();
    let kind = |s: &Value| s["segmentType"].as_str().unwrap().to_owned();
    let of = |purpose: &str, session: &Value| {
        let inside = purpose == "agent" || purpose == "user";
        let all = list(&session["segments"]);
        let talk: Vec<&Value> = all.iter().filter(|s| kind(s) != "wrapup").collect();
        let after = || all.iter().filter(|s| kind(s) == "wrapup");
        let last = talk.last().unwrap();
        let is_closed = last["segmentEnd"].is_string() && last["disconnectType"].is_string();
        let not_yet = ["scheduled", "delay", "system", "dialing", "contacting", "alert"];
        let only_system = purpose != "acd" && all.iter().all(|s| kind(s) == "system");
        let connects = |s: &&&Value| match inside {
            true => ["interact", "hold", "parked", "monitoring"].contains(&kind(s).as_str()),
            false => only_system || !not_yet.contains(&kind(s).as_str()),
        };
        let ends = talk.iter().filter_map(|s| text(&s["segmentEnd"]));
        let disconnect = talk.iter().rev().find_map(|s| s["disconnectType"].as_str());
        Facts {
            queue: all.iter().rev().find_map(|s| text(&s["queueId"])),
            medium: text(&session["mediaType"]).unwrap(),
            connected: talk.iter().find(connects).and_then(|s| text(&s["segmentStart"])),
            ended: ends.max().filter(|_| over || is_closed),
            after_call_start: after().filter_map(|s| text(&s["segmentStart"])).min(),
            after_call_end: after().filter_map(|s| text(&s["segmentEnd"])).max(),
            code: after().find_map(|s| text(&s["wrapUpCode"])),
            skipped: session["acwSkipped"] == true,
            transferred: is_transfer(disconnect),
            listens_in: kind(last) == "monitoring",
            purpose: purpose.to_owned(),
        }
    };
    let mut all = All::new();
    for p in list(&c["participants"]) {
        let (id, purpose) = (text(&p["participantId"]).unwrap(), text(&p["purpose"]).unwrap());
        for session in list(&p["sessions"]) {
            all.insert(
                (id.clone(), text(&session["sessionId"]).unwrap()),
                of(&purpose, session),
            );
        }
    }
    all
}

const ARRAYS: [(&str, &str); 4] = [
    ("calls", "voice"),
    ("messages", "message"),
    ("emails", "email"),
    ("callbacks", "callback"),
];

/// By `docs/numbers.md`, of the topic with arrays for each medium. `queues` has what earlier events told: the queue that a
/// participant had while a communication was open.
fn from_notification(c: &Value, queues: &mut HashMap<String, Option<String>>) -> All {
    let mut all = All::new();
    for p in list(&c["participants"]) {
        let (id, purpose) = (text(&p["id"]).unwrap(), text(&p["purpose"]).unwrap());
        let is_told = ["acd", "agent", "user"].contains(&purpose.as_str());
        let queue = text(&p["queueId"]).filter(|_| is_told);
        for (array, medium) in ARRAYS {
            for one in list(&p[array]) {
                let communication = text(&one["id"]).unwrap();
                let is_open = !["disconnected", "terminated"].contains(&one["state"].as_str().unwrap());
                let known = queues.entry(communication.clone()).or_insert_with(|| queue.clone());
                if is_open {
                    known.clone_from(&queue);
                }
                let work = &one["afterCallWork"];
                let facts = Facts {
                    queue: known.clone(),
                    medium: medium.to_owned(),
                    connected: text(&one["connectedTime"]),
                    ended: text(&one["disconnectedTime"]),
                    after_call_start: text(&work["startTime"]),
                    after_call_end: text(&work["endTime"]),
                    code: text(&one["wrapup"]["code"]),
                    skipped: work["state"] == "skipped",
                    transferred: is_transfer(one["disconnectType"].as_str()),
                    listens_in: p["monitoredParticipantId"].is_string(),
                    purpose: purpose.clone(),
                };
                all.insert((id.clone(), communication), facts);
            }
        }
    }
    all
}

/// A participant tells what its first and last communications tell.
fn check_participants(c: &Value) {
    for p in list(&c["participants"]) {
        let all: Vec<&Value> = ARRAYS.iter().flat_map(|(array, _)| list(&p[*array])).collect();
        let first = all.iter().filter_map(|one| text(&one["connectedTime"])).min();
        assert_eq!(text(&p["connectedTime"]), first, "{p:#}");
        let ends: Option<Vec<String>> = all.iter().map(|one| text(&one["disconnectedTime"])).collect();
        assert_eq!(
            text(&p["endTime"]),
            ends.and_then(|ends| ends.into_iter().max()),
            "{p:#}"
        );
        let worked = all
            .iter()
            .filter_map(|one| text(&one["afterCallWork"]["startTime"]))
            .max();
        assert_eq!(text(&p["startAcwTime"]), worked, "{p:#}");
    }
}

/// The topic of one medium has the newest communication of each participant by it.
fn check_flat(c: &Value, all: &All) {
    for p in list(&c["participants"]) {
        let id = text(&p["id"]).unwrap();
        let (connected, ended) = (text(&p["connectedTime"]), text(&p["endTime"]));
        let is_it = |((owner, _), facts): &(&(String, String), &Facts)| {
            *owner == id && facts.connected == connected && facts.ended == ended
        };
        let facts = all.iter().find(is_it).map(|(_, facts)| facts);
        let facts = facts.unwrap_or_else(|| panic!("{p:#} is nowhere in {all:#?}"));
        assert_eq!(text(&p["startAcwTime"]), facts.after_call_start, "{p:#}");
        assert_eq!(text(&p["wrapup"]["code"]), facts.code, "{p:#}");
        assert_eq!(is_transfer(p["disconnectType"].as_str()), facts.transferred, "{p:#}");
    }
}

/// The situations in a conversation, so that the test can check that all have occurred.
fn shapes(c: &Conversation) -> Vec<&'static str> {
    let any = |test: &dyn Fn(&Stay) -> bool| c.stays().any(|(.., s)| test(s));
    let people = |test: &dyn Fn(&Participant) -> bool| c.participants.iter().any(test);
    let visits = c.participants.iter().filter(|p| p.purpose == Purpose::Acd);
    let queues: Vec<_> = visits.map(|p| p.stay().queue).collect();
    let inside = |p: &Participant| p.is_internal() && p.monitoring.is_none();
    let talking = c.stays().filter(|(_, p, s)| inside(p) && s.is_talking()).count();
    let list = [
        ("waiting", c.open_visit().is_some()),
        ("alerting", any(&|s| s.visit.is_some() && s.is_alerting())),
        ("missed", any(&|s| s.disconnect == Some(Disconnect::NoAnswer))),
        ("on hold", any(&|s| s.held_since().is_some())),
        ("parked", any(&|s| s.parked_since().is_some())),
        ("consult", talking > 1 && any(&|s| s.held_since().is_some())),
        ("conference", talking > 1 && !any(&|s| s.held_since().is_some())),
        (
            "outsider",
            people(&|p| p.purpose == Purpose::External && p.stay().is_open()),
        ),
        (
            "voicemail",
            people(&|p| p.purpose == Purpose::Voicemail && p.stay().is_open()),
        ),
        ("same queue again", queues.len() > 1 && queues[0] == queues[1]),
        ("another queue", queues.len() > 1 && queues[0] != queues[1]),
        (
            "late after-call work",
            !c.customer().stay().is_open() && any(&|s| s.after_call.is_open()),
        ),
        ("skipped after-call work", any(&|s| s.after_call.skipped)),
        (
            "optional after-call work",
            any(&|s| s.after_call.optional && s.end.is_some()),
        ),
        ("over", c.end().is_some()),
        ("scheduled", any(&|s| s.is_scheduled())),
        (
            "left for a callback",
            c.media == Media::Voice && c.all_media().contains(&Media::Callback),
        ),
        (
            "dialling",
            any(&|s| s.call_back.as_ref().is_some_and(|call| call.connected.is_none())),
        ),
        (
            "calling back",
            any(&|s| s.call_back.as_ref().is_some_and(|call| call.connected.is_some())),
        ),
        ("listening", people(&|p| p.listens_in() && p.stay().is_open())),
        (
            "took over",
            people(&|p| p.monitoring.is_some_and(|m| m.until.is_some())),
        ),
        ("internal caller", c.is_from_inside()),
        (
            "agent twice",
            people(&|p| p.purpose == Purpose::Agent && p.stays.len() > 1),
        ),
        ("came back", c.periods.len() > 1),
        ("delayed", any(&|s| s.before == Before::Delay && s.connected.is_none())),
        (
            "delayed by the system",
            any(&|s| s.before == Before::System && s.connected.is_none()),
        ),
        (
            "not let in",
            any(&|s| s.before == Before::Contacting && s.connected.is_none()),
        ),
        (
            "handed over, not picked up",
            any(&|s| s.is_alerting() && s.visit.is_some_and(|visit| !c.participants[visit].stay().is_open())),
        ),
    ];
    list.iter().filter(|(_, seen)| *seen).map(|(name, _)| *name).collect()
}

#[test]
fn details_and_notifications_agree_at_every_change() {
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
    let mut queues = HashMap::new();
    for step in 1..=40 {
        for change in centre.advance(epoch + step * 60_000) {
            let Change::Conversation { conversation: c, .. } = change else {
                continue;
            };
            let rest = from_details(&details::conversation(&world, &c));
            let stream = conversation::conversation(&world, &c, Shape::Notification);
            check_participants(&stream);
            let told = from_notification(&stream, &mut queues);
            // Who was open at the start and is not told of any more may have had another queue then.
            if c.start() >= epoch {
                assert_eq!(rest, told, "{c:#?}");
            }
            for media in c.all_media() {
                check_flat(&flat::conversation(&world, &c, media), &rest);
            }
            shapes(&c)
                .into_iter()
                .for_each(|shape| *seen.entry(shape).or_default() += 1);
        }
    }
    assert_eq!(seen.len(), 28, "{seen:?}");
}
