//! The core: gaps of lines and of drops, and that a recording repeats it.
//!
//! In: changes at given times · Out: verdicts · Thread: the test's.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::Id;
use crate::event::alert::{Alert, AlertLevel};
use crate::event::facts::{MediaKind, ObservationFacts, ObservationRow, Purpose, Stamped};
use crate::event::queue::ServiceLevelSetting;
use crate::event::state::StateChange;
use crate::event::stats::Stats;
use crate::model::testing::{at, event, facts_of_one_conversation, participant};
use crate::output::record::Bodies;
use crate::output::recording::{Content, Line, State};

fn core() -> Core {
    let config = crate::Config::builder()
        .region("http://127.0.0.1:1")
        .client_id("c")
        .client_secret(crate::Secret::new("s"))
        .build()
        .unwrap();
    Core::new(Settings::from(&config), at(0))
}

fn tick(dropped: u64) -> Change {
    Change::Tick {
        clock: ClockLook::default(),
        dropped,
    }
}

fn opened(line: usize, secs: i64) -> Change {
    Change::GapOpened {
        line,
        topics: GapTopics::All,
        from: at(secs),
        cause: "socket closed (1006)".to_owned(),
    }
}

fn gaps(effects: &[Effect]) -> Vec<Gap> {
    let gap = |effect: &Effect| match effect {
        Effect::Record(Item::Gap(gap)) => Some(Gap::clone(gap)),
        _ => None,
    };
    effects.iter().filter_map(gap).collect()
}

fn audited(effects: &[Effect]) -> usize {
    effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Audit(_)))
        .count()
}

#[test]
fn drops_are_one_gap_from_the_tick_before_to_the_last_tick_with_them() {
    let mut core = core();
    assert!(core.apply(tick(0), at(10)).is_empty());
    let effects = core.apply(tick(3), at(20));
    assert_eq!(gaps(&effects)[0].from, at(10));
    assert_eq!(audited(&effects), 2, "the drops and the gap");
    let effects = core.apply(tick(2), at(30));
    assert_eq!((gaps(&effects).len(), audited(&effects)), (0, 1));
    // Somebody asks for snapshots meanwhile.
    for ms in [100, 899] {
        assert!(core.apply(tick(0), at(30).plus_ms(ms)).is_empty());
    }
    let closed = gaps(&core.apply(tick(0), at(30).plus_ms(900)));
    assert!(core.apply(tick(0), at(40)).is_empty());
    assert_eq!((closed[0].from, closed[0].to), (at(10), Some(at(30))));
    let last = gaps(&core.apply(Change::Drained { dropped: 1 }, at(41)));
    assert_eq!((last[0].id, last[0].from), (2, at(40)));
}

/// The same ticks give the same alerts again: a replay has those of the run.
#[test]
fn ticks_tell_alerts_to_the_outputs_by_the_services_clock() {
    let run = || {
        let json = r#"{"thresholds":{"default":{"service_level_percent":[80,60],"idle_agents":[2,0],"for_secs":5}}}"#;
        let config = crate::Config::builder()
            .region("http://127.0.0.1:1")
            .client_id("c")
            .client_secret(crate::Secret::new("s"))
            .json("thresholds.json", json)
            .build()
            .unwrap();
        let mut core = Core::new(Settings::from(&config), at(0));
        core.apply(Change::AnyQueue {}, at(0));
        let row = ObservationRow {
            media: None,
            interval: None,
            metric: "oOnQueueUsers".into(),
            qualifier: Some("IDLE".into()),
            stats: Stats::from_iter([("count".into(), 0.0)]),
        };
        let facts = ObservationFacts {
            queue: Id::new("q"),
            rows: vec![row],
        };
        core.apply(Change::Observations(vec![facts]), at(1));
        let mut told = Vec::new();
        for secs in 2..20 {
            // Our clock is an hour ahead.
            let clock = ClockLook {
                clock_ahead_ms: 3_600_000,
                ..ClockLook::default()
            };
            let effects = core.apply(Change::Tick { clock, dropped: 0 }, at(secs).plus_ms(3_600_000));
            told.extend(effects.into_iter().filter_map(|effect| match effect {
                Effect::Record(Item::Alert(alert)) => Some(Alert::clone(&alert)),
                _ => None,
            }));
        }
        told
    };
    let told = run();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (told[0].at, told[0].level, told[0].value),
        (at(7), AlertLevel::Red, Some(0.0))
    );
    assert_eq!(run(), told);
}

#[test]
fn a_closed_gap_is_filled_in_and_then_repaired_once() {
    let mut core = core();
    core.apply(tick(0), at(0));
    core.apply(opened(0, 10), at(11));
    assert!(gaps(&core.apply(opened(1, 12), at(12))).is_empty(), "the same topics");
    let early = core.apply(Change::GapClosed { line: 0, to: at(18) }, at(19));
    assert!(early.is_empty(), "the other line is still uncovered");
    let effects = core.apply(Change::GapClosed { line: 1, to: at(20) }, at(21));
    assert_eq!(gaps(&effects)[0].to, Some(at(20)));
    let job = effects.iter().find_map(|effect| match effect {
        Effect::Repair(job) => Some(*job),
        _ => None,
    });
    let (from, since) = (at(10), at(10));
    assert_eq!(job, Some(Repair::Gap { id: 1, from, since }));
    assert!(core.apply(Change::GapClosed { line: 1, to: at(22) }, at(22)).is_empty());
    let repaired = || Change::GapsRepaired { ids: vec![1] };
    let effects = core.apply(repaired(), at(30));
    assert!(gaps(&effects)[0].repaired && effects.iter().any(|effect| matches!(effect, Effect::Snapshot)));
    assert!(gaps(&core.apply(repaired(), at(31))).is_empty());
}

#[test]
fn refused_topics_of_all_lines_are_shown() {
    let mut core = core();
    let refused = |line, topics: &[&str]| Change::Refused {
        line,
        topics: topics
            .iter()
            .map(|topic| ((*topic).to_owned(), "no".to_owned()))
            .collect(),
        since: at(0),
    };
    core.apply(refused(0, &["a"]), at(1));
    core.apply(refused(1, &["b"]), at(1));
    core.apply(refused(0, &[]), at(2));
    let shown = core.snapshot(at(3), Observed::default()).connection.refused_topics;
    assert_eq!(shown.keys().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn each_refused_topic_has_its_own_gap_for_as_long_as_it_lasts() {
    let mut core = core();
    let refused = |topics: &[(&str, &str)], since| Change::Refused {
        line: 0,
        topics: topics
            .iter()
            .map(|(topic, why)| ((*topic).to_owned(), (*why).to_owned()))
            .collect(),
        since: at(since),
    };
    let (q, r) = ("v2.routing.queues.q.conversations", "v2.routing.queues.r.conversations");
    let effects = core.apply(refused(&[(q, "a:b:view"), (r, "not subscribed")], 0), at(2));
    let told = gaps(&effects);
    let causes: Vec<&str> = told.iter().map(|gap| gap.cause.as_str()).collect();
    assert_eq!(causes, ["refused: a:b:view", "not subscribed"]);
    assert_eq!(told[0].topics, GapTopics::Some(vec![q.to_owned()]));
    assert!(told.iter().all(|gap| gap.from == at(0) && gap.to.is_none()));
    assert!(gaps(&core.apply(refused(&[(q, "a:b:view"), (r, "not subscribed")], 5), at(6))).is_empty());
    let closed = gaps(&core.apply(refused(&[(q, "a:b:view")], 9), at(9)));
    assert_eq!((closed.len(), closed[0].id, closed[0].to), (1, 2, Some(at(9))));
    let again = gaps(&core.apply(refused(&[(q, "a:b:view"), (r, "a:b:view")], 12), at(13)));
    assert_eq!((again.len(), again[0].id, again[0].from), (1, 3, at(12)));

    let many: Vec<String> = (0..100).map(|n| format!("v2.users.{n}.presence")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|topic| (topic.as_str(), "c:d:view")).collect();
    let effects = core.apply(refused(&many, 20), at(20));
    let told = gaps(&effects);
    assert_eq!(told.len(), 3, "one for all of them, and two are over");
    assert!(matches!(&told[0].topics, GapTopics::Some(topics) if topics.len() == 100));
    assert!(
        gaps(&core.apply(refused(&many[..1], 21), at(21))).is_empty(),
        "one is still refused"
    );
    let closed = gaps(&core.apply(refused(&[], 22), at(22)));
    assert_eq!((closed.len(), closed[0].to), (1, Some(at(22))));
}

fn any_change() -> impl Strategy<Value = Change> {
    let line = 0_usize..2;
    let secs = 0_i64..100;
    let conversation = |facts| Change::Conversations(vec![facts]);
    let observation = |count: f64| {
        Change::Observations(vec![ObservationFacts {
            queue: Id::new("q"),
            rows: vec![ObservationRow {
                media: Some(MediaKind::Voice),
                interval: None,
                metric: "oWaiting".into(),
                qualifier: None,
                stats: Stats::from_iter([("count".into(), count)]),
            }],
        }])
    };
    let queue = |target| Queue {
        id: Id::new("q"),
        name: Some("Sales".to_owned()),
        service_levels: vec![(
            MediaKind::Voice,
            ServiceLevelSetting {
                target_percent: Some(target),
                threshold: None,
            },
        )],
    };
    prop_oneof![
        secs.clone()
            .prop_map(|n| Change::State(StateChange::stopped(at(n), "x"))),
        secs.clone().prop_map(|n| Change::Token { expires_at: at(n) }),
        (line.clone(), secs.clone()).prop_map(|(line, n)| opened(line, n)),
        (line, secs).prop_map(|(line, n)| Change::GapClosed { line, to: at(n) }),
        (1_u64..4).prop_map(|id| Change::GapsRepaired { ids: vec![id] }),
        (0.0..100.0).prop_map(move |target| Change::Queues(vec![queue(target)])),
        (0.0..1e9).prop_map(observation),
        facts_of_one_conversation().prop_map(conversation),
        (0_u64..3).prop_map(tick),
        any::<u64>().prop_map(|dropped| Change::Drained { dropped }),
        Just(Change::AnyQueue {}),
        Just(Change::Gone(vec![Id::new("q")])),
        Just(Change::Lost(vec![Id::new("c")])),
    ]
}

proptest! {
    /// What was recorded and read back gives the same snapshot, to the last digit.
    #[test]
    fn a_recording_repeats_it(changes in prop::collection::vec(any_change(), 0..30)) {
        let (mut live, mut again) = (core(), core());
        for (n, change) in (0..).zip(changes) {
            let mut line = Vec::new();
            Line::change(at(n), change.clone(), 0).write(&mut line, Bodies::Verbatim);
            live.apply(change, at(n));
            let line = Line::read(&line).unwrap();
            let (Content::Rest(change) | Content::State(State::Change(change))) = line.content else {
                panic!("no change")
            };
            again.apply(change, line.at);
        }
        let json = |core: &mut Core| serde_json::to_value(core.snapshot(at(200), Observed::default())).unwrap();
        let (live, again): (Value, Value) = (json(&mut live), json(&mut again));
        prop_assert_eq!(live, again);
    }
}

/// Events and ticks of a run whose clock is set back or forward by two hours: nothing is late, no wait jumps, and the
/// latencies start anew.
#[test]
fn a_step_of_our_clock_changes_no_number() {
    for by_ms in [7_200_000, -7_200_000] {
        let mut core = core();
        core.apply(Change::AnyQueue {}, at(0));
        core.apply(tick(0), at(0));
        let waits = |secs, ours: Moment, service| {
            let mut acd = participant("v", Purpose::Acd);
            acd.queue = Some(Stamped {
                at: at(50),
                value: Id::new("Q"),
            });
            acd.connected = Some(at(50));
            let facts = Facts::Conversation(Box::new(ConversationFacts {
                ended: None,
                id: Id::new("a"),
                participants: vec![acd],
            }));
            let mut event = event(crate::EventKind::QueueConversation, facts, ours);
            event.service_time = service;
            event.travel_ms = Some(secs);
            event
        };
        core.apply_event(&waits(7_200_000, at(60), at(60)));
        let before = core.snapshot(at(100), Observed::default());
        let ours = |secs| at(secs).plus_ms(by_ms);
        // It came by the new clock, before the tick that noticed the step.
        core.apply_event(&waits(20, ours(101), at(101)));
        let clock = ClockLook {
            clock_ahead_ms: by_ms,
            stepped_ms: by_ms,
            refuted: false,
        };
        let effects = core.apply(Change::Tick { clock, dropped: 0 }, ours(102));
        let warned = |effect: &Effect| matches!(effect, Effect::Warn(what) if what.contains("7200.0 s"));
        assert_eq!(effects.iter().filter(|effect| warned(effect)).count(), 2, "{effects:?}");
        core.apply_event(&waits(30, ours(103), at(103)));
        let after = core.snapshot(ours(110), Observed::default());
        assert_eq!((after.as_of, after.counters.late), (at(110), 0));
        assert_eq!(after.connection.clock_ahead_ms, by_ms);
        let longest = |snapshot: &crate::Snapshot| snapshot.queue("Q").and_then(|queue| queue.longest_wait_secs);
        assert_eq!(longest(&before).map(|secs| secs + 10.0), longest(&after));
        assert_eq!(after.latency["queue_conversation"].max_ms, 30);
        assert!(!after.freshness["queue_conversation"].stale);
    }
}
