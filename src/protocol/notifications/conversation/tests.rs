//! The walk through a body finds what derived serde code reads from it, whatever the body looks like.
//!
//! In: generated bodies · Out: verdicts · Thread: the test's own.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::protocol::json::{Entries, lenient_object, read_object};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawConversation {
    id: Field<Id>,
    participants: Field<Entries<RawParticipant>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawParticipant {
    id: Field<Id>,
    start_time: Field<Moment>,
    connected_time: Field<Moment>,
    end_time: Field<Moment>,
    start_acw_time: Field<Moment>,
    end_acw_time: Field<Moment>,
    purpose: Field<Purpose>,
    queue_id: Field<Id>,
    conversation_routing_data: Field<RoutingPart>,
    queue: Field<Reference>,
    user_id: Field<Id>,
    user: Field<Reference>,
    wrapup_expected: Field<bool>,
    wrapup_required: Field<bool>,
    wrapup: Field<RawWrapup>,
    monitored_participant_id: Field<Id>,
    screen_monitored_participant_id: Field<Id>,
    coached_participant_id: Field<Id>,
    barged_participant_id: Field<Id>,
    calls: Field<Entries<RawCommunication>>,
    callbacks: Field<Entries<RawCommunication>>,
    chats: Field<Entries<RawCommunication>>,
    #[serde(alias = "cobrowseSessions")]
    cobrowsesessions: Field<Entries<RawCommunication>>,
    emails: Field<Entries<RawCommunication>>,
    messages: Field<Entries<RawCommunication>>,
    internal_messages: Field<Entries<RawCommunication>>,
    screen_monitorings: Field<Entries<RawCommunication>>,
    screenshares: Field<Entries<RawCommunication>>,
    social_expressions: Field<Entries<RawCommunication>>,
    videos: Field<Entries<RawCommunication>>,
    state: Field<CommunicationState>,
    held: Field<bool>,
    start_hold_time: Field<Moment>,
    disconnect_type: Field<DisconnectKind>,
    after_call_work: Field<RawAfterCallWork>,
    after_call_work_required: Field<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawCommunication {
    id: Field<Id>,
    connected_time: Field<Moment>,
    disconnected_time: Field<Moment>,
    start_hold_time: Field<Moment>,
    state: Field<CommunicationState>,
    held: Field<bool>,
    disconnect_type: Field<DisconnectKind>,
    after_call_work: Field<RawAfterCallWork>,
    after_call_work_required: Field<bool>,
    wrapup: Field<RawWrapup>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reference {
    id: Field<Id>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RoutingPart {
    queue: Field<Reference>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawWrapup {
    code: Field<Id>,
    end_time: Field<Moment>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawAfterCallWork {
    state: Field<AcwState>,
    start_time: Field<Moment>,
    end_time: Field<Moment>,
}

lenient_object!(
    RawParticipant,
    RawCommunication,
    Reference,
    RoutingPart,
    RawWrapup,
    RawAfterCallWork
);

/// What the times of a body say, read after the body.
struct Judge {
    until: Moment,
    stamp: Option<Moment>,
    unreadable: u32,
}

impl Judge {
    fn time(&mut self, time: Field<Moment>) -> Option<Moment> {
        let trusted = time.copied().filter(|at| *at <= self.until);
        self.unreadable += u32::from(trusted.is_none() && time != Field::Absent);
        self.stamp = self.stamp.max(trusted);
        trusted
    }

    fn wrapup(&mut self, wrapup: Field<RawWrapup>) -> Wrapup {
        let wrapup = wrapup.some().unwrap_or_default();
        Wrapup {
            is_coded: wrapup.code.some().is_some(),
            ended: self.time(wrapup.end_time),
        }
    }

    fn work(&mut self, work: Field<RawAfterCallWork>) -> AfterCallWork {
        let work = work.some().unwrap_or_default();
        AfterCallWork {
            state: work.state.some(),
            started: self.time(work.start_time),
            ended: self.time(work.end_time),
        }
    }

    fn communication(&mut self, list: usize, one: RawCommunication) -> FoundCommunication {
        FoundCommunication {
            list: u8::try_from(list).unwrap(),
            id: one.id.some(),
            connected: self.time(one.connected_time),
            disconnected: self.time(one.disconnected_time),
            hold_started: self.time(one.start_hold_time),
            state: one.state.some(),
            held: one.held.some(),
            disconnect: one.disconnect_type.some(),
            acw: self.work(one.after_call_work),
            acw_required: one.after_call_work_required.some(),
            wrapup: self.wrapup(one.wrapup),
        }
    }
}

/// What derived code reads.
fn by_serde(body: &str, until: Moment) -> Result<Found, String> {
    let raw: RawConversation = read_object("eventBody", body)?;
    let mut found = Found {
        id: raw.id.some(),
        ..Found::default()
    };
    let entries = match raw.participants {
        Field::Absent => return Ok(found),
        Field::Wrong => {
            found.wrong = Some("participants is not a list");
            return Ok(found);
        }
        Field::Given(entries) => entries,
    };
    if entries.wrong > 0 {
        found.wrong = Some("a participant is not an object");
    }
    let mut judge = Judge {
        until,
        stamp: None,
        unreadable: 0,
    };
    let id = |reference: Field<Reference>| reference.some().and_then(|reference| reference.id.some());
    for p in entries.good {
        let before = found.communications.len();
        let lists = [
            p.calls,
            p.callbacks,
            p.chats,
            p.cobrowsesessions,
            p.emails,
            p.messages,
            p.internal_messages,
            p.screen_monitorings,
            p.screenshares,
            p.social_expressions,
            p.videos,
        ];
        for (list, entries) in lists.into_iter().enumerate() {
            let good = entries.some().map(|entries| entries.good).unwrap_or_default();
            let all = good.into_iter().map(|one| judge.communication(list, one));
            found.communications.extend(all);
        }
        judge.time(p.start_time);
        let listens = [
            p.monitored_participant_id,
            p.screen_monitored_participant_id,
            p.coached_participant_id,
            p.barged_participant_id,
        ];
        found.participants.push(FoundParticipant {
            id: p.id.some(),
            connected: judge.time(p.connected_time),
            ended: judge.time(p.end_time),
            acw_started: judge.time(p.start_acw_time),
            acw_ended: judge.time(p.end_acw_time),
            purpose: p.purpose.some(),
            queue_id: p.queue_id.some(),
            routed_queue: p.conversation_routing_data.some().and_then(|data| id(data.queue)),
            queue: id(p.queue),
            user_id: p.user_id.some(),
            user: id(p.user),
            wrapup_expected: p.wrapup_expected.some(),
            wrapup_required: p.wrapup_required.some(),
            wrapup: judge.wrapup(p.wrapup),
            listens_in: listens.into_iter().any(|id| id.some().is_some()),
            communications: found.communications.len() - before,
            flat: FoundCommunication {
                state: p.state.some(),
                held: p.held.some(),
                hold_started: judge.time(p.start_hold_time),
                disconnect: p.disconnect_type.some(),
                acw: judge.work(p.after_call_work),
                acw_required: p.after_call_work_required.some(),
                ..FoundCommunication::default()
            },
        });
    }
    found.stamp = judge.stamp;
    found.unreadable = judge.unreadable;
    Ok(found)
}

fn by_walking(body: &str, until: Moment) -> Result<Found, String> {
    let mut found = Found {
        // Of the body before.
        unreadable: 7,
        stamp: Some(until),
        ..Found::default()
    };
    let mut scan = Scanner::new(body, until.into());
    let mark = scan.mark();
    match found.walk(&mut scan, until).and_then(|()| scan.end()) {
        Ok(()) => Ok(found),
        Err(Invalid) => match scan.complaint_since("eventBody", mark) {
            Ok(complaint) if scan.end().is_ok() => Err(complaint),
            _ => Err(NOT_JSON.to_owned()),
        },
    }
}

/// The whole frame is refused then, with its own complaint.
const NOT_JSON: &str = "the body is not JSON";

const UNTIL: &str = "2026-05-04T14:20:00.000Z";

type Text = BoxedStrategy<String>;

/// A value of any type.
fn any_value() -> Text {
    const VALUES: &[&str] = &[
        "null",
        "true",
        "false",
        "17",
        "-0.5",
        "18446744073709551615",
        "\"x\"",
        "\"\"",
        "[]",
        "{}",
        "[{}]",
        "[null,1]",
        "{\"id\":\"x\"}",
        "\"2026-05-04T14:05:30.000Z\"",
        "{\"a\":1e999}",
        "[1e999,\"\\ud800\"]",
        "\"\\u0061cd\"",
    ];
    const REFUSED: &[&str] = &["1e999", "\"\\ud800\"", "{\"\\ud800\":1}"];
    prop_oneof![
        20 => prop::sample::select(VALUES).prop_map(str::to_owned),
        1 => prop::sample::select(REFUSED).prop_map(str::to_owned),
    ]
    .boxed()
}

/// Nearly always `usual`, else a value of any type.
fn mostly(usual: impl Strategy<Value = String> + 'static) -> Text {
    prop_oneof![12 => usual, 1 => any_value()].boxed()
}

fn texts(texts: &'static [&'static str]) -> Text {
    mostly(prop::sample::select(texts).prop_map(|text| format!("\"{text}\"")))
}

fn time() -> Text {
    texts(&[
        "2026-05-04T14:05:00.000Z",
        "2026-05-04T14:05:30.000Z",
        "2026-05-04T14:20:00.000Z",
        "2026-05-04T14:20:00.001Z",
        "2026-05-04T16:05:10.5+0200",
        "2026-05-04 14:06",
        "2026\\u002d05-04T14:07:00.000Z",
        "2026-13-04T14:05:30.000Z",
        "soon",
        "",
    ])
}

fn id() -> Text {
    texts(&[
        "61c76ad5-aa46-5f93-9fc8-f53fc77d185f",
        "61C76AD5-aa46-5f93-9fc8-f53fc77d185f",
        "61c76ad5-aa46-5f93-9fc8\\u002df53fc77d185f",
        "p1",
        "P\\n2",
        "",
    ])
}

fn flag() -> Text {
    mostly(prop::sample::select(&["true", "false"][..]).prop_map(str::to_owned))
}

fn state() -> Text {
    texts(&[
        "connected",
        "Disconnected",
        "terminated",
        "alerting",
        "SCHEDULED",
        "c\\u006fnnected",
        "new",
    ])
}

/// An object of some of these fields in any order; a few keys are there twice.
fn object(fields: Vec<(&'static str, Text)>) -> Text {
    let one = (0..fields.len()).prop_flat_map(move |at| {
        let (key, value) = fields[at].clone();
        let escaped = format!("\\u{:04x}{}", u32::from(key.as_bytes()[0]), &key[1..]);
        let key = prop_oneof![30 => Just(key.to_owned()), 1 => Just(escaped), 1 => Just(format!("{key}X"))];
        (Just(at), key, value)
    });
    let space = prop_oneof![9 => Just(""), 1 => Just("\n  "), 1 => Just(" ")];
    let twice = prop_oneof![60 => Just(false), 1 => Just(true)];
    (prop::collection::vec(one, 0..14), space, twice)
        .prop_map(|(fields, space, twice)| {
            let mut seen = Vec::new();
            let mut text = String::new();
            for (at, key, value) in fields {
                if seen.contains(&at) && !twice {
                    continue;
                }
                seen.push(at);
                let comma = if text.is_empty() { "" } else { "," };
                text.push_str(&format!("{comma}{space}\"{key}\"{space}:{space}{value}{space}"));
            }
            format!("{{{space}{text}}}")
        })
        .boxed()
}

fn list(entry: Text) -> Text {
    let entries = prop::collection::vec(mostly(entry), 0..4);
    mostly(entries.prop_map(|entries| format!("[{}]", entries.join(", "))))
}

fn bodies() -> Text {
    let reference = || mostly(object(vec![("id", id()), ("selfUri", any_value())]));
    let wrapup = || {
        mostly(object(vec![
            ("code", id()),
            ("endTime", time()),
            ("notes", any_value()),
        ]))
    };
    let work = || {
        let state = texts(&["pending", "complete", "SKIPPED", "notApplicable"]);
        mostly(object(vec![
            ("state", state),
            ("startTime", time()),
            ("endTime", time()),
        ]))
    };
    let disconnect = || texts(&["client", "transfer", "transfer.noanswer"]);
    let calls = || {
        list(object(vec![
            ("id", id()),
            ("connectedTime", time()),
            ("disconnectedTime", time()),
            ("startHoldTime", time()),
            ("state", state()),
            ("held", flag()),
            ("disconnectType", disconnect()),
            ("afterCallWork", work()),
            ("afterCallWorkRequired", flag()),
            ("wrapup", wrapup()),
            ("self", any_value()),
            ("peerId", id()),
        ]))
    };
    let participant = object(vec![
        ("id", id()),
        ("startTime", time()),
        ("connectedTime", time()),
        ("endTime", time()),
        ("startAcwTime", time()),
        ("endAcwTime", time()),
        ("purpose", texts(&["customer", "acd", "Agent", "new", "USER"])),
        ("queueId", id()),
        (
            "conversationRoutingData",
            mostly(object(vec![("queue", reference()), ("priority", any_value())])),
        ),
        ("queue", reference()),
        ("userId", id()),
        ("user", reference()),
        ("wrapupExpected", flag()),
        ("wrapupRequired", flag()),
        ("wrapup", wrapup()),
        ("monitoredParticipantId", id()),
        ("screenMonitoredParticipantId", id()),
        ("coachedParticipantId", id()),
        ("bargedParticipantId", id()),
        ("calls", calls()),
        ("callbacks", calls()),
        ("chats", calls()),
        ("cobrowsesessions", calls()),
        ("cobrowseSessions", calls()),
        ("emails", calls()),
        ("messages", calls()),
        ("internalMessages", calls()),
        ("screenMonitorings", calls()),
        ("screenshares", calls()),
        ("socialExpressions", calls()),
        ("videos", calls()),
        ("state", state()),
        ("held", flag()),
        ("startHoldTime", time()),
        ("disconnectType", disconnect()),
        ("afterCallWork", work()),
        ("afterCallWorkRequired", flag()),
        ("attributes", any_value()),
        ("name", any_value()),
    ]);
    object(vec![
        ("id", id()),
        ("participants", list(participant.clone())),
        ("participants", list(participant)),
        ("divisions", any_value()),
    ])
}

proptest! {
    #[test]
    fn the_walk_finds_what_serde_reads(body in bodies()) {
        let until = Moment::parse(UNTIL).unwrap();
        match (by_walking(&body, until), by_serde(&body, until)) {
            // What else the list says is not used.
            (Ok(walked), Ok(read)) if read.wrong.is_some() => {
                prop_assert_eq!((walked.id, walked.wrong), (read.id, read.wrong), "{}", body);
            }
            (walked, read) => prop_assert_eq!(walked, read, "{}", body),
        }
    }

    #[test]
    fn a_changed_body_is_refused_as_by_serde(body in bodies(), place in any::<prop::sample::Index>(), with in "[\\[\\]{}\",:0-9e.\\\\\n]{0,2}") {
        let until = Moment::parse(UNTIL).unwrap();
        let at = place.index(body.len());
        let changed = format!("{}{with}{}", &body[..at], &body[at + 1..]);
        let walked = by_walking(&changed, until).map(|found| found.id);
        let read = by_serde(&changed, until).map(|found| found.id);
        match serde_json::from_str::<serde::de::IgnoredAny>(&changed) {
            Ok(_) => prop_assert_eq!(walked, read, "{}", changed),
            Err(_) => prop_assert!(walked == Err(NOT_JSON.to_owned()) && read.is_err(), "{}", changed),
        }
    }
}
