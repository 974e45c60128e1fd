//! The lines for each kind of event.
//!
//! In: facts · Out: assertions on lines · Thread: the test's.

use super::*;
use crate::config::AlertName;
use crate::event::alert::AlertLevel;
use crate::event::facts::{
    AfterCallWork, Communication, ConversationStateFacts, MetricFacts, ObservationRow, QueueStatisticsFacts, Stamped,
    Wrapups,
};
use crate::event::stats::Stats;
use crate::model::snapshot::ConnectionState;
use crate::output::record::tests::{an_event, moment};
use crate::output::testing::{SALES, a_gap, a_snapshot};
use std::cmp::Reverse;
use std::time::Duration;

const AT: &str = "2026-05-04T14:05:30.250Z";

fn lines_of(item: &Item) -> String {
    let mut lines = Lines::default();
    let mut out = Vec::new();
    lines.render(&Item::Snapshot(Arc::new(a_snapshot())), &mut out);
    assert!(out.is_empty());
    lines.render(item, &mut out);
    String::from_utf8(out).unwrap()
}

fn line_of(kind: EventKind, facts: Facts) -> String {
    let mut event = an_event(Some("{\"name\":\"Erika\"}"));
    event.kind = kind;
    event.facts = facts;
    lines_of(&Item::Event(Arc::new(event)))
}

fn stamped<T>(value: T) -> Option<Stamped<T>> {
    Some(Stamped { at: moment(AT), value })
}

fn participant(purpose: Purpose, medium: CommunicationState) -> Participant {
    Participant {
        id: Id::new("p"),
        connected: None,
        ended: None,
        after_call_work: Vec::new(),
        purpose: stamped(purpose),
        queue: stamped(Id::new(SALES)),
        user: None,
        wrapup_expected: None,
        wrapup_required: None,
        wrapups: Wrapups::default(),
        listens_in: None,
        communications: vec![Communication {
            kind: MediaKind::Voice,
            id: Id::new("m"),
            connected: None,
            disconnected: None,
            state: stamped(medium),
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
        }],
    }
}

#[test]
fn a_metric_is_one_line_of_time_name_and_value() {
    let facts = |at| {
        Facts::Metrics(Box::new(MetricFacts {
            metric_type: "queue".into(),
            entity: None,
            at,
            values: vec![("offered".into(), 3.0), ("serviceLevelPercent".into(), 81.25)],
        }))
    };
    assert_eq!(
        line_of(EventKind::Metric, facts(Some(moment("2026-05-04T14:05:30.900Z")))),
        "2026-05-04T14:05:30Z | queue.offered = 3\n2026-05-04T14:05:30Z | queue.serviceLevelPercent = 81.25\n"
    );
    assert!(line_of(EventKind::Metric, facts(None)).starts_with("2026-05-04T14:05:30Z | queue.offered = 3\n"));
}

#[test]
fn a_conversation_through_its_stages() {
    let say = |participants: Vec<Participant>| {
        let id = Id::new("1b3e08b8-e7c3-538a-87c3-a10b68b6b415");
        line_of(
            EventKind::QueueConversation,
            Facts::Conversation(Box::new(ConversationFacts {
                id,
                ended: None,
                participants,
            })),
        )
    };
    let caller = participant(Purpose::Customer, CommunicationState::Connected);
    let mut visit = participant(Purpose::Acd, CommunicationState::Connected);
    visit.connected = Some(moment(AT));
    let line = say(vec![caller.clone(), visit.clone()]);
    assert_eq!(line, "2026-05-04T14:05:30Z | Sales | voice 1b3e08b8… waiting\n");

    let mut agent = participant(Purpose::Agent, CommunicationState::Alerting);
    assert!(say(vec![caller.clone(), visit.clone(), agent.clone()]).ends_with(" alerting\n"));
    agent.communications[0].state = stamped(CommunicationState::Connected);
    assert!(say(vec![caller.clone(), visit.clone(), agent.clone()]).ends_with(" interacting\n"));
    let mut monitor = agent.clone();
    monitor.listens_in = stamped(Reverse(true));
    assert!(say(vec![caller.clone(), visit.clone(), monitor]).ends_with(" waiting\n"));
    agent.communications[0].hold_started = Some(moment(AT));
    assert!(say(vec![caller.clone(), agent.clone()]).ends_with(" on hold\n"));

    let mut gone = caller.clone();
    gone.ended = Some(moment(AT));
    agent.connected = Some(moment(AT));
    agent.ended = Some(moment(AT));
    agent.communications[0].acw_state = stamped(AcwState::Pending);
    assert!(say(vec![gone.clone(), agent.clone()]).ends_with(" after-call work\n"));
    agent.after_call_work = vec![AfterCallWork {
        started: Some(moment(AT)),
        ended: Some(moment(AT)),
    }];
    assert!(say(vec![gone, agent.clone()]).ends_with(" ended\n"));
    visit.ended = Some(moment(AT));
    assert!(say(vec![caller, visit]).ends_with(" left the queue\n"));
}

#[test]
fn the_other_kinds() {
    let user = Facts::User(Box::new(UserFacts {
        user: Id::new("e5240415-6b6a-5736-bbef-4488bb5408e2"),
        presence: None,
        routing_status: Some(("INTERACTING".into(), None)),
    }));
    assert_eq!(
        line_of(EventKind::UserRoutingStatus, user),
        "2026-05-04T14:05:30Z | user e5240415… | routing status INTERACTING\n"
    );
    let row = |metric: &str, qualifier: Option<&str>, stat: &str, value: f64| ObservationRow {
        media: Some(MediaKind::Voice),
        interval: None,
        metric: metric.into(),
        qualifier: qualifier.map(Into::into),
        stats: Stats::from_iter([(stat.into(), value)]),
    };
    let mut rows = vec![
        row("oWaiting", None, "count", 3.0),
        row("oOnQueueUsers", Some("IDLE"), "count", 4.0),
    ];
    rows.extend([
        row("oServiceLevel", None, "ratio", 0.8),
        row("a", None, "sum", 1.0),
        row("b", None, "sum", 1.0),
    ]);
    let observations = Facts::Observations(Box::new(ObservationFacts {
        queue: Id::new(SALES),
        rows,
    }));
    assert_eq!(
        line_of(EventKind::QueueObservation, observations),
        "2026-05-04T14:05:30Z | Sales | voice waiting 3, voice on queue users idle 4, voice service level 0.8, voice a 1, 1 more\n"
    );
    let state = Facts::ConversationState(ConversationStateFacts {
        conversation: Some(Id::new("1b3e08b8-e7c3-538a-87c3-a10b68b6b415")),
        queue: Some(Id::new("unheard-of-queue")),
        active: Some(true),
        at: None,
    });
    assert_eq!(
        line_of(EventKind::Conversation, state),
        "2026-05-04T14:05:30Z | queue unheard-… | conversation 1b3e08b8… active\n"
    );
    let statistics = Facts::QueueStatistics(QueueStatisticsFacts {
        queue: Id::new(SALES),
        average_wait_secs: Some(12.5),
        at: None,
    });
    assert_eq!(
        line_of(EventKind::Queue, statistics),
        "2026-05-04T14:05:30Z | Sales | average wait 12.5 s\n"
    );
    let unknown = line_of(EventKind::Unknown, Facts::None);
    assert!(
        unknown.starts_with("2026-05-04T14:05:30Z | unknown | v2.routing.queues."),
        "{unknown}"
    );
}

#[test]
fn no_line_holds_customer_data_or_breaks() {
    let mut event = an_event(Some("{\"name\":\"Erika\"}"));
    event.kind = EventKind::Unknown;
    event.topic = "a\nsnapshot\u{1b}[2J".into();
    let line = lines_of(&Item::Event(Arc::new(event)));
    assert_eq!(line, "2026-05-04T14:05:30Z | unknown | a\u{fffd}snapshot\u{fffd}[2J\n");
    assert!(!line.contains("Erika"));
}

#[test]
fn states_and_gaps() {
    let change = StateChange {
        at: moment(AT),
        state: ConnectionState::Backoff,
        cause: Some("socket closed (1006)".to_owned()),
        attempt: Some(2),
        retry_in: Some(Duration::from_millis(1500)),
    };
    assert_eq!(
        lines_of(&Item::State(Arc::new(change))),
        "2026-05-04T14:05:30Z | state | backoff: socket closed (1006) (attempt 2, again in 1.5 s)\n"
    );
    let mut gap = a_gap(moment(AT), None);
    assert_eq!(
        lines_of(&Item::Gap(Arc::new(gap.clone()))),
        "2026-05-04T14:05:30Z | gap 1 | open since 2026-05-04T14:05:30Z, all topics: socket closed (1006)\n"
    );
    gap.to = Some(moment("2026-05-04T14:05:42.250Z"));
    gap.topics = GapTopics::Some(vec!["a".to_owned(), "b".to_owned()]);
    gap.repaired = true;
    assert_eq!(
        lines_of(&Item::Gap(Arc::new(gap))),
        "2026-05-04T14:05:42Z | gap 1 | 12 s long since 2026-05-04T14:05:30Z, 2 topics: socket closed (1006), repaired\n"
    );
}

#[test]
fn alerts_are_lines() {
    let mut alert = Alert {
        at: moment(AT),
        queue_id: Id::new("q"),
        queue: Some("Sa\nles".into()),
        name: AlertName::LongestWaitSecs,
        state: AlertState::Firing,
        level: AlertLevel::Amber,
        value: Some(61.0),
        threshold: 60.0,
        since: moment(AT),
    };
    assert_eq!(
        lines_of(&Item::Alert(Arc::new(alert.clone()))),
        "2026-05-04T14:05:30Z | alert | Sa\u{fffd}les | longest_wait_secs amber: 61 (threshold 60)\n"
    );
    alert.state = AlertState::Resolved;
    (alert.queue, alert.value) = (None, None);
    assert_eq!(
        lines_of(&Item::Alert(Arc::new(alert))),
        "2026-05-04T14:05:30Z | alert | q | longest_wait_secs resolved: – (threshold 60)\n"
    );
}

#[test]
fn the_last_block_begins_with_snapshot() {
    let mut snapshot = a_snapshot();
    snapshot.counters.events_dropped = 7;
    snapshot.connection.state = ConnectionState::Stopped;
    snapshot.connection.cause = Some("stopped on request".to_owned());
    let mut out = Vec::new();
    Lines::default().end(Some(&snapshot), &mut out);
    let text = String::from_utf8(out).unwrap();
    assert_eq!(
        text,
        "snapshot 2026-05-04T14:05:30Z, stopped: stopped on request; protocol notifications, 0 reconnects\n  \
           totals: 14 active, 5 waiting, 8 interacting, 2 in after-call work\n  \
           queue Support                       4 waiting (longest 1 min 35 s), 4 interacting, 1 in after-call work\n  \
           queue Sales                         1 waiting (longest 12.5 s), 4 interacting, 1 in after-call work\n  \
           users: 2 INTERACTING, 1 MEAL\n  \
           counters: 1300 frames, 1234 events, 1230 applied, 4 coalesced, 0 duplicates\n  \
           losses: 7 events dropped\n"
    );
}
