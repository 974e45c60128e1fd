//! The walk through a body finds what derived serde code reads from it, whatever the body looks like.
//!
//! In: generated bodies · Out: verdicts · Thread: the test's own.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::event::facts;
use crate::event::facts::{CommunicationState, DisconnectKind, Purpose};
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

    /// Whether it has a code, and when it ended.
    fn wrapup(&mut self, wrapup: Field<RawWrapup>) -> (bool, Option<Moment>) {
        let wrapup = wrapup.some().unwrap_or_default();
        let (is_coded, ended) = (wrapup.code.some().is_some(), self.time(wrapup.end_time));
        (is_coded, ended.filter(|_| is_coded))
    }

    fn communication(&mut self, kind: MediaKind, participant: &Id, one: RawCommunication) -> CommunicationUpdate {
        let work = one.after_call_work.some().unwrap_or_default();
        let hold_started = self.time(one.start_hold_time);
        let mut row = CommunicationUpdate {
            connected: self.time(one.connected_time),
            disconnected: self.time(one.disconnected_time),
            acw_started: self.time(work.start_time),
            acw_ended: self.time(work.end_time),
            state: one.state.some(),
            disconnect: one.disconnect_type.some(),
            acw_required: one.after_call_work_required.some(),
            acw_state: work.state.some(),
            wrapup_coded: self.wrapup(one.wrapup).0,
            ..CommunicationUpdate::nothing_of(kind, one.id.some().unwrap_or_else(|| participant.clone()))
        };
        let is_held = one.held.some() != Some(false) && !row.is_over();
        row.hold_started = hold_started.filter(|_| is_held);
        row
    }
}

/// What derived code reads.
fn by_serde(body: &str, layout: Layout, until: Moment) -> Result<Read, String> {
    let raw: RawConversation = read_object("eventBody", body)?;
    let entries = match raw.participants {
        Field::Absent => Ok(Vec::new()),
        Field::Wrong => Err("participants is not a list"),
        Field::Given(entries) if entries.wrong > 0 => Err("a participant is not an object"),
        Field::Given(entries) => Ok(entries.good),
    };
    let id = raw.id.some().ok_or("a conversation without an id")?;
    let mut judge = Judge {
        until,
        stamp: None,
        unreadable: 0,
    };
    let mut update = Box::new(ConversationUpdate::nothing_of(id));
    let id = |reference: Field<Reference>| reference.some().and_then(|reference| reference.id.some());
    for p in entries? {
        let own = p.id.some();
        let participant = own.clone().unwrap_or(Id::PLACEHOLDER);
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
        let mut communications = Vec::new();
        for (kind, entries) in LISTS.into_iter().zip(lists) {
            let good = entries.some().map(|entries| entries.good).unwrap_or_default();
            communications.extend(good.into_iter().map(|one| judge.communication(kind, &participant, one)));
        }
        judge.time(p.start_time);
        let (connected, ended) = (judge.time(p.connected_time), judge.time(p.end_time));
        let flat = RawCommunication {
            start_hold_time: p.start_hold_time,
            state: p.state,
            held: p.held,
            disconnect_type: p.disconnect_type,
            after_call_work: p.after_call_work,
            after_call_work_required: p.after_call_work_required,
            ..RawCommunication::default()
        };
        let flat = judge.communication(MediaKind::Voice, &participant, flat);
        if let Layout::Flat(kind) = layout {
            communications = vec![CommunicationUpdate {
                kind,
                connected,
                disconnected: ended,
                ..flat
            }];
        }
        let listens = [
            p.monitored_participant_id,
            p.screen_monitored_participant_id,
            p.coached_participant_id,
            p.barged_participant_id,
        ];
        let (wrapup_coded, wrapup_ended) = judge.wrapup(p.wrapup);
        let row = ParticipantUpdate {
            connected,
            ended,
            work: facts::AfterCallWork {
                started: judge.time(p.start_acw_time),
                ended: judge.time(p.end_acw_time),
            },
            wrapup_ended,
            queue: p
                .queue_id
                .some()
                .or(p.conversation_routing_data.some().and_then(|data| id(data.queue)))
                .or(id(p.queue)),
            user: p.user_id.some().or(id(p.user)),
            communications: u32::try_from(communications.len()).unwrap(),
            purpose: p.purpose.some(),
            wrapup_expected: p.wrapup_expected.some(),
            wrapup_required: p.wrapup_required.some(),
            listens_in: listens.into_iter().any(|id| id.some().is_some()),
            wrapup_coded,
            ..ParticipantUpdate::nothing_of(participant)
        };
        match own {
            Some(_) => {
                update.participants.push(row);
                update.communications.extend(communications);
            }
            None => judge.unreadable += 1,
        }
    }
    update.at = judge.stamp.unwrap_or_else(|| Moment::from_epoch_ms(i64::MIN));
    Ok(Read {
        update,
        unreadable: judge.unreadable,
    })
}

fn by_walking(body: &str, layout: Layout, until: Moment) -> Result<Read, String> {
    let mut used = ConversationUpdate::nothing_of(Id::new("before"));
    used.participants
        .push(ParticipantUpdate::nothing_of(Id::new("somebody")));
    used.communications
        .push(CommunicationUpdate::nothing_of(MediaKind::Voice, Id::new("call")));
    let mut memory = Memory {
        origins: vec![(3, false)],
        spare: Spare {
            conversation: Some(Box::new(used)),
            ..Spare::default()
        },
    };
    let mut scan = Scanner::new(body, until.into());
    let mark = scan.mark();
    let read = read(&mut scan, &mut memory, layout, until).and_then(|read| scan.end().map(|()| read));
    match read {
        Ok(read) => read,
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

fn layouts() -> impl Strategy<Value = Layout> {
    prop_oneof![3 => Just(Layout::Listed), 1 => Just(Layout::Flat(MediaKind::Email))]
}

proptest! {
    #[test]
    fn the_walk_finds_what_serde_reads(body in bodies(), layout in layouts()) {
        let until = Moment::parse(UNTIL).unwrap();
        let (walked, read) = (by_walking(&body, layout, until), by_serde(&body, layout, until));
        prop_assert_eq!(walked, read, "{}", body);
    }

    #[test]
    fn a_changed_body_is_refused_as_by_serde(body in bodies(), place in any::<prop::sample::Index>(), with in "[\\[\\]{}\",:0-9e.\\\\\n]{0,2}") {
        let until = Moment::parse(UNTIL).unwrap();
        let at = place.index(body.len());
        let changed = format!("{}{with}{}", &body[..at], &body[at + 1..]);
        let walked = by_walking(&changed, Layout::Listed, until).map(|read| read.update.id);
        let read = by_serde(&changed, Layout::Listed, until).map(|read| read.update.id);
        match serde_json::from_str::<serde::de::IgnoredAny>(&changed) {
            Ok(_) => prop_assert_eq!(walked, read, "{}", changed),
            Err(_) => prop_assert!(walked == Err(NOT_JSON.to_owned()) && read.is_err(), "{}", changed),
        }
    }
}
