//! Builders and random centres for the tests of the model.
//!
//! In: a seed or a strategy · Out: facts as events would carry them · Thread: any (tests only).

pub mod centre;
pub mod rest;

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::conversations::{Conversations, Limits};
use super::outcome::{Outcome, Reading};
use super::queue::{QueueSet, QueueSettings};
use super::queue_numbers::{QueueNumber, QueueNumbers};
use super::snapshot::{
    AlertLevel, AlertName, AlertSnapshot, ConnectionSnapshot, ConnectionState, Counters, GapTopics, MetricSnapshot,
    OutputSnapshot, Snapshot,
};
use super::state::State;
use super::stays::Stay;
use super::totals::Totals;
use super::{Model, Settings};
use crate::config::{Protocol, ServiceLevel, ThresholdsConfig, TotalsConfig, TotalsSince, WindowsConfig};
use crate::event::change::ClockLook;
use crate::event::facts::{
    AcwState, AfterCallWork, Communication, CommunicationState, ConversationFacts, DisconnectKind, MediaKind,
    Participant, Purpose, Stamped, Wrapups,
};
use crate::event::facts::{Facts, ObservationFacts, ObservationRow, UserFacts};
use crate::event::stats::Stats;
use crate::{Event, EventKind, Id, Moment};

/// Windows of a minute, an hour of them.
pub fn windows_config() -> WindowsConfig {
    WindowsConfig {
        granularity: Duration::from_secs(60),
        keep: 60,
        service_level: ServiceLevel::Queue,
        short_abandon: Duration::from_secs(5),
    }
}

/// Totals since the start.
pub fn totals_config() -> TotalsConfig {
    TotalsConfig {
        since: TotalsSince::Start,
        utc_offset_minutes: 0,
        time_zone: None,
    }
}

/// Settings of a model of `notifications`, without thresholds.
pub fn settings() -> Settings {
    Settings {
        protocol: Protocol::Notifications,
        stale_after: Duration::from_secs(30),
        retention: Duration::from_secs(7200),
        max_conversations: 100,
        max_bytes: 1 << 27,
        windows: windows_config(),
        totals: totals_config(),
        thresholds: ThresholdsConfig::default(),
    }
}

/// A store with these windows and totals.
pub fn store(retention: Duration, max_conversations: usize) -> Conversations {
    let limits = Limits {
        retention,
        max_conversations,
        max_bytes: usize::MAX,
    };
    Conversations::new(limits, Totals::new(windows_config(), totals_config()))
}

/// Seconds after a fixed moment.
pub fn at(secs: i64) -> Moment {
    Moment::from_epoch_ms(1_777_903_500_000 + secs * 1000)
}

pub fn stamped<T>(secs: i64, value: T) -> Option<Stamped<T>> {
    Some(Stamped { at: at(secs), value })
}

pub fn participant(id: &str, purpose: Purpose) -> Participant {
    Participant {
        id: Id::new(id),
        connected: None,
        ended: None,
        after_call_work: Vec::new(),
        purpose: stamped(0, purpose),
        queue: None,
        user: None,
        wrapup_expected: None,
        wrapup_required: None,
        wrapups: Wrapups::default(),
        listens_in: None,
        communications: Vec::new(),
    }
}

/// The conversation `c` with these participants.
pub fn conversation(participants: Vec<Participant>) -> ConversationFacts {
    ConversationFacts {
        id: Id::new("c"),
        ended: None,
        participants,
    }
}

/// After-call work from one second to another.
pub fn work(started: i64, ended: Option<i64>) -> AfterCallWork {
    AfterCallWork {
        started: Some(at(started)),
        ended: ended.map(at),
    }
}

pub fn communication(id: &str, kind: MediaKind) -> Communication {
    Communication {
        kind,
        id: Id::new(id),
        connected: None,
        disconnected: None,
        state: None,
        queue: None,
        oldest_queue: None,
        scheduled: None,
        disconnect: None,
        acw_required: None,
        acw_state: None,
        acw_started: None,
        acw_ended: None,
        wrapup_coded: false,
        hold_started: None,
        hold_over: None,
    }
}

/// A communication on a queue that was connected, and is over if it has an end.
pub fn lasting(kind: MediaKind, id: &str, queue: &str, from: i64, to: Option<i64>) -> Communication {
    let state = match to {
        Some(_) => CommunicationState::Disconnected,
        None => CommunicationState::Connected,
    };
    Communication {
        connected: Some(at(from)),
        disconnected: to.map(at),
        state: stamped(to.unwrap_or(from), state),
        queue: stamped(from, Id::new(queue)).filter(|_| !queue.is_empty()),
        ..communication(id, kind)
    }
}

/// A visit of voice to a queue from second 5, answered by nobody.
pub fn visit(conversation: &str, queue: &str, customer_ended: Option<i64>) -> ConversationFacts {
    let mut customer = participant("customer", Purpose::Customer);
    customer.connected = Some(at(0));
    customer.ended = customer_ended.map(at);
    customer.communications.push(communication("m", MediaKind::Voice));
    let mut acd = participant("acd", Purpose::Acd);
    acd.queue = stamped(0, Id::new(queue));
    acd.connected = Some(at(5));
    acd.ended = customer_ended.map(at);
    ConversationFacts {
        id: Id::new(conversation),
        ended: None,
        participants: vec![customer, acd],
    }
}

/// An event of the first connection, whose body was never seen.
pub fn event(kind: EventKind, facts: Facts, received_at: Moment) -> Event {
    Event {
        received_at,
        service_time: received_at,
        travel_ms: None,
        connection: 1,
        protocol: Protocol::Notifications,
        kind,
        topic: "topic".into(),
        conversation_id: None,
        queue_id: None,
        user_id: None,
        event_time: None,
        body: None,
        fingerprint: 0,
        unreadable: 0,
        facts,
    }
}

/// A snapshot as an aggregator would ask for it.
pub fn shown(model: &mut Model, as_of: Moment) -> Snapshot {
    let connection = ConnectionSnapshot {
        state: ConnectionState::Streaming,
        protocol: Protocol::Notifications,
        connections: 1,
        reconnects: 0,
        since: at(0),
        last_frame_at: None,
        token_expires_at: None,
        channel_expires_at: None,
        clock_ahead_ms: 0,
        cause: None,
        refused_topics: BTreeMap::new(),
        gaps_total: 0,
        gaps: Vec::new(),
    };
    let counters = Counters {
        frames_received: 77,
        ..Counters::default()
    };
    model.snapshot(as_of, as_of, connection, counters, BTreeMap::new())
}

/// A snapshot in which no part is empty and the numbers are odd ones.
pub fn snapshot_of_everything() -> Snapshot {
    let mut rng = fastrand::Rng::with_seed(7);
    let queue = centre::uuid(&mut rng);
    let mut model = Model::new(settings(), at(0));
    model.set_queues(QueueSet::These([queue.clone()].into()));
    let labels = QueueSettings {
        name: Some("Sales".into()),
        service_level_target_percent: Some(80.5),
        ..QueueSettings::default()
    };
    model.set_queue_settings(queue.clone(), labels);
    for _ in 0..40 {
        let start = rng.i64(0..1200);
        let history = centre::History::random(&mut rng, std::slice::from_ref(&queue), start);
        let told = history.told_at(900_000, &mut rng);
        let mut event = event(
            EventKind::QueueConversation,
            Facts::Conversation(Box::new(told)),
            at(900),
        );
        event.travel_ms = Some(1000);
        model.apply(&event, at(900));
    }
    let row = |metric: &str, qualifier: Option<&str>, value| ObservationRow {
        media: None,
        interval: None,
        metric: metric.into(),
        qualifier: qualifier.map(Into::into),
        stats: Stats::from_iter([("count".into(), value)]),
    };
    let rows = vec![row("oWaiting", None, 0.1), row("oUserPresences", Some("BUSY"), 3.0)];
    let user = UserFacts {
        user: Id::new("u"),
        presence: Some(("BUSY".into(), Some(at(3)))),
        routing_status: None,
    };
    model.apply_rest(
        &Facts::Observations(Box::new(ObservationFacts { queue, rows })),
        at(900),
    );
    model.apply_rest(&Facts::User(Box::new(user)), at(900));
    let gap = model.gaps_mut().open(GapTopics::All, at(10), "silence").id;
    model.gaps_mut().close(gap, at(20));
    model
        .gaps_mut()
        .open(GapTopics::Some(vec!["v2.a".into()]), at(30), "refused");
    for secs in 900..902 {
        model.record_history(at(secs), ClockLook::default());
    }
    let mut snapshot = shown(&mut model, at(901));
    let alert = AlertSnapshot {
        level: AlertLevel::Amber,
        since: at(5),
        value: Some(1.5),
    };
    let queue = snapshot.queues.values_mut().next().expect("it is listed");
    queue.alerts.insert(AlertName::AbandonedPercent, alert);
    snapshot.connection.cause = Some("\"quoted\"".into());
    snapshot.connection.channel_expires_at = Some(at(5000));
    snapshot.connection.refused_topics = [("v2.b".into(), "403".into())].into();
    snapshot.outputs = [("stdout".into(), OutputSnapshot { written: 5, missed: 1 })].into();
    let metric = |value, entity: Option<&str>| MetricSnapshot {
        value,
        timestamp: Some(at(1)),
        entity: entity.map(Id::new),
    };
    snapshot.metrics = [
        ("queue.offered".into(), metric(3.0, Some("e"))),
        ("queue.avgWaitTime".into(), metric(1.0 / 3.0, None)),
    ]
    .into();
    snapshot
}

/// Small domains, so that ties and contradictions are frequent.
fn moment() -> impl Strategy<Value = Moment> {
    (0_i64..6).prop_map(at)
}

fn stamp<T: std::fmt::Debug + Clone + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Option<Stamped<T>>> {
    option::of((moment(), value).prop_map(|(at, value)| Stamped { at, value }))
}

fn any_communication() -> impl Strategy<Value = Communication> {
    let kind = prop::sample::select(MediaKind::ALL.to_vec());
    let state = prop::sample::select(vec![
        CommunicationState::Other,
        CommunicationState::Alerting,
        CommunicationState::Connected,
        CommunicationState::Parked,
        CommunicationState::Scheduled,
        CommunicationState::Disconnected,
        CommunicationState::Terminated,
    ]);
    let disconnect = prop::sample::select(vec![DisconnectKind::Plain, DisconnectKind::Transfer]);
    let acw = prop::sample::select(vec![AcwState::Pending, AcwState::Skipped, AcwState::Complete]);
    let queue = || stamp(any_queue());
    let scheduled = option::of(moment());
    (
        (kind, 0_u32..3),
        (option::of(moment()), option::of(moment()), scheduled),
        stamp(state),
        (queue(), queue()),
        stamp(disconnect),
        (flag(), stamp(acw)),
        (option::of(moment()), option::of(moment()), any::<bool>()),
    )
        .prop_map(
            |(key, times, state, queues, disconnect, (required, acw), work)| Communication {
                connected: times.0,
                disconnected: times.1,
                state,
                queue: queues.0,
                oldest_queue: queues.1,
                scheduled: times.2,
                disconnect,
                acw_required: required,
                acw_state: acw,
                acw_started: work.0,
                acw_ended: work.1,
                wrapup_coded: work.2,
                ..communication(&format!("m{}", key.1), key.0)
            },
        )
}

fn any_queue() -> impl Strategy<Value = Id> {
    (0_u32..3).prop_map(|n| Id::new(&format!("q{n}")))
}

fn flag() -> impl Strategy<Value = Option<Stamped<Reverse<bool>>>> {
    stamp(any::<bool>().prop_map(Reverse))
}

fn any_work() -> impl Strategy<Value = AfterCallWork> {
    (option::of(moment()), option::of(moment())).prop_map(|(started, ended)| AfterCallWork { started, ended })
}

fn any_participant() -> impl Strategy<Value = Participant> {
    let purpose = prop::sample::select(vec![
        Purpose::Other,
        Purpose::Customer,
        Purpose::External,
        Purpose::Acd,
        Purpose::User,
        Purpose::Agent,
    ]);
    (
        0_u32..4,
        (option::of(moment()), option::of(moment())),
        vec(any_work(), 0..3),
        stamp(purpose),
        stamp(any_queue()),
        stamp((0_u32..3).prop_map(|n| Id::new(&format!("00000000-0000-4000-8000-00000000000{n}")))),
        (flag(), flag(), flag()),
        (vec(moment(), 0..2), option::of(moment())),
        vec(any_communication(), 0..3),
    )
        .prop_map(
            |(id, times, after_call_work, purpose, queue, user, flags, (timed, untimed), communications)| Participant {
                id: Id::new(&format!("p{id}")),
                connected: times.0,
                ended: times.1,
                after_call_work,
                purpose,
                queue,
                user,
                wrapup_expected: flags.0,
                wrapup_required: flags.1,
                wrapups: Wrapups { timed, untimed },
                listens_in: flags.2,
                communications,
            },
        )
}

/// Arbitrary facts about one conversation, also contradictory ones and lists with equal ids.
pub fn facts_of_one_conversation() -> impl Strategy<Value = ConversationFacts> {
    (vec(any_participant(), 0..5), option::of(moment())).prop_map(|(participants, ended)| ConversationFacts {
        ended,
        ..conversation(participants)
    })
}

thread_local! {
    static QUEUES: RefCell<QueueNumbers> = RefCell::default();
}

/// The number of a queue, the same in one test.
pub(crate) fn queue(name: &str) -> QueueNumber {
    QUEUES.with_borrow_mut(|queues| queues.of(&Id::new(name)))
}

/// The name of a queue with a number from [`queue`], [`state`], [`stays`] or [`outcome`].
pub(crate) fn name_of(queue: QueueNumber) -> String {
    QUEUES.with_borrow(|queues| queues.id(queue).to_string())
}

pub(crate) fn state(facts: &ConversationFacts) -> State {
    QUEUES.with_borrow_mut(|queues| State::of(facts, queues))
}

/// What these facts count for.
pub(crate) fn outcome(facts: &ConversationFacts, as_of: Moment) -> Outcome {
    let mut outcome = Outcome::default();
    Reading::default().outcome(&state(facts), as_of, &mut outcome);
    outcome
}

/// The stays of a participant.
pub(crate) fn stays(p: &Participant, conversation_end: Option<Moment>) -> Vec<Stay> {
    let mut stays = Vec::new();
    let state = state(&conversation(vec![p.clone()]));
    super::stays::stays(state.told(0), conversation_end, &mut stays);
    stays
}
