//! The whole model: counters, repetitions, what each protocol shows.
//!
//! In: events · Out: asserted snapshots · Thread: any (tests only).

use super::snapshot::{GapTopics, QueueSnapshot, WindowSnapshot};
use super::testing::centre::{History, moment, uuid};
use super::testing::{at, event, participant, settings, shown, stamped};
use super::*;
use crate::event::facts::{
    ConversationFacts, ConversationStateFacts, MediaKind, MetricFacts, ObservationFacts, ObservationRow, Purpose,
    QueueStatisticsFacts, UserFacts,
};
use crate::event::stats::Stats;

fn model(protocol: Protocol) -> Model {
    let settings = Settings { protocol, ..settings() };
    Model::new(settings, at(0))
}

fn these(queues: &[&str]) -> QueueSet {
    QueueSet::These(queues.iter().map(|queue| Id::new(queue)).collect())
}

fn waiting(conversation: &str, queue: &str) -> Facts {
    let mut customer = participant("customer", Purpose::Customer);
    customer.connected = Some(at(0));
    let mut acd = participant("acd", Purpose::Acd);
    acd.connected = Some(at(1));
    acd.queue = stamped(1, Id::new(queue));
    Facts::Conversation(Box::new(ConversationFacts {
        id: Id::new(conversation),
        ended: None,
        participants: vec![customer, acd],
    }))
}

fn ended(conversation: &str, queue: &str) -> Facts {
    let Facts::Conversation(mut facts) = waiting(conversation, queue) else {
        panic!("another kind of facts")
    };
    facts.participants.iter_mut().for_each(|p| p.ended = Some(at(9)));
    Facts::Conversation(facts)
}

#[test]
fn listed_queues_are_shown_with_zeros_and_others_are_not() {
    let mut m = model(Protocol::Notifications);
    m.set_queues(these(&["Q", "R"]));
    m.set_queue_settings(
        Id::new("Q"),
        QueueSettings {
            name: Some("Sales".into()),
            service_level_target_percent: Some(80.0),
            ..QueueSettings::default()
        },
    );
    for (conversation, queue) in [("a", "Q"), ("b", "Q"), ("c", "elsewhere")] {
        m.apply(
            &event(EventKind::QueueConversation, waiting(conversation, queue), at(2)),
            at(2),
        );
    }
    let s = shown(&mut m, at(11));
    assert_eq!(
        s.queues.keys().cloned().collect::<Vec<_>>(),
        [Id::new("Q"), Id::new("R")]
    );
    let q = &s.queues[&Id::new("Q")];
    assert_eq!(
        (q.live.waiting.known(), q.longest_wait_secs, q.name.as_deref()),
        (Some(2), Some(10.0), Some("Sales"))
    );
    assert_eq!(q.service_level_target_percent, Some(80.0));
    assert_eq!(s.queues[&Id::new("R")].live.waiting.known(), Some(0));
    assert_eq!(
        (s.totals.live.waiting.known(), s.totals.active_conversations),
        (Some(2), Some(3))
    );
    m.set_queues(QueueSet::default());
    assert_eq!(
        shown(&mut m, at(11)).totals.live.waiting.known(),
        Some(3),
        "none listed: all count"
    );
    m.set_queues(QueueSet::All);
    assert_eq!(
        shown(&mut m, at(11)).queues.len(),
        2,
        "Q and elsewhere, not R of which nothing is known"
    );
}

/// In JSON the live numbers of a queue in a gap are `null` with the reason, and the totals are those of the other queue.
#[test]
fn numbers_of_an_uncovered_queue_are_null_and_not_in_the_totals() {
    let mut m = model(Protocol::Notifications);
    m.set_queues(these(&["Q", "R"]));
    for (conversation, queue) in [("a", "Q"), ("b", "Q"), ("c", "R")] {
        m.apply(
            &event(EventKind::QueueConversation, waiting(conversation, queue), at(2)),
            at(2),
        );
    }
    let topics = GapTopics::Some(vec!["v2.routing.queues.Q.conversations".to_owned()]);
    let gap = m.gaps_mut().open(topics, at(5), "refused").id;
    let s = serde_json::to_value(shown(&mut m, at(11))).unwrap();
    let queue = |id: &str| s["queues"][Id::new(id).to_string()].clone();
    let unknown = queue("Q");
    assert_eq!(unknown["unknown"], "gap");
    for key in ["waiting", "interacting", "after_call_work", "longest_wait_secs"] {
        assert_eq!(unknown.get(key), Some(&serde_json::Value::Null), "{key}");
        for medium in unknown["by_media"].as_object().unwrap().values() {
            assert_eq!(medium.get(key), Some(&serde_json::Value::Null), "{key}");
        }
    }
    assert_eq!(unknown["totals"]["offered"], 2, "what happened stays");
    assert_eq!(
        (&queue("R")["waiting"], &queue("R")["unknown"]),
        (&1.into(), &serde_json::Value::Null)
    );
    assert_eq!(s["totals"]["waiting"], 1);
    m.gaps_mut().close(gap, at(12));
    let s = shown(&mut m, at(13));
    assert_eq!(
        (s.queues[&Id::new("Q")].live.waiting, s.totals.live.waiting),
        (2.into(), 3.into())
    );
    assert_eq!(s.queues[&Id::new("Q")].unknown, None);
}

/// A conversation that was never removed from ours; Genesys counts it no more.
#[test]
fn a_lasting_difference_from_genesys_is_told_outside_of_gaps() {
    let mut m = model(Protocol::Notifications);
    m.set_queues(these(&["Q"]));
    m.apply(&event(EventKind::QueueConversation, waiting("a", "Q"), at(2)), at(2));
    let queue = Id::new("Q");
    let observe = |m: &mut Model, count: f64, secs| {
        let rows = ["oWaiting", "oInteracting"].map(|metric| ObservationRow {
            media: Some(MediaKind::Voice),
            interval: None,
            metric: metric.into(),
            qualifier: None,
            stats: Stats::from_iter([("count".into(), if metric == "oWaiting" { count } else { 0.0 })]),
        });
        let facts = ObservationFacts {
            queue: Id::new("Q"),
            rows: rows.into(),
        };
        let facts = Facts::Observations(Box::new(facts));
        m.apply(&event(EventKind::QueueObservation, facts, at(secs)), at(secs));
    };
    let tick =
        |m: &mut Model, secs: std::ops::Range<i64>| -> Vec<String> { secs.flat_map(|n| m.check_self(at(n))).collect() };
    // The medium of the conversation is not known, so it counts only once REST has told of all media.
    let all = Facts::Observations(Box::new(ObservationFacts {
        queue: queue.clone(),
        rows: Vec::new(),
    }));
    m.apply_rest(&all, at(2));
    observe(&mut m, 1.0, 3);
    assert_eq!(tick(&mut m, 3..100), [""; 0]);
    let observed = |m: &mut Model, secs| shown(m, at(secs)).queues[&queue].observed.unwrap();
    let well = observed(&mut m, 100);
    assert_eq!(
        (well.waiting, well.interacting, well.at, well.differs_since),
        (1, 0, at(3), None)
    );

    observe(&mut m, 0.0, 100);
    let logged = tick(&mut m, 100..170);
    assert_eq!(
        logged,
        ["queue q: 1 wait and 0 talk, by Genesys' own count 0 and 0; different since 2026-05-04T14:06:40.000Z"]
    );
    assert_eq!(observed(&mut m, 170).differs_since, Some(at(100)));

    // What was observed before a gap is not compared after it.
    let gap = m.gaps_mut().open(GapTopics::All, at(171), "silence").id;
    m.gaps_mut().close(gap, at(180));
    m.distrust_what_came_before_gaps(at(180));
    assert_eq!(shown(&mut m, at(181)).queues[&queue].observed, None);
    tick(&mut m, 181..300);
    // REST tells that nobody waits.
    m.apply_rest(&all, at(300));
    tick(&mut m, 300..350);
    assert_eq!(observed(&mut m, 350).differs_since, None, "it begins anew");
    assert_eq!(tick(&mut m, 350..370), [""; 0], "logged within the hour");
    assert!(observed(&mut m, 370).differs_since.is_some());
}

#[test]
fn twins_get_no_record_repetitions_do_and_both_are_counted() {
    let mut m = model(Protocol::Notifications);
    m.set_queues(these(&["Q"]));
    let mut e = event(EventKind::QueueConversation, waiting("a", "Q"), at(2));
    e.fingerprint = 5;
    e.travel_ms = Some(1000);
    assert!(m.apply(&e, at(2)).gets_record());
    assert!(m.apply(&e, at(2)).gets_record());
    e.connection = 2;
    assert!(!m.apply(&e, at(2)).gets_record());
    let s = shown(&mut m, at(3));
    assert_eq!((s.counters.events_applied, s.counters.duplicates), (3, 2));
    assert_eq!(
        (s.totals.live.waiting.known(), s.totals.active_conversations),
        (Some(1), Some(1))
    );
    assert_eq!(s.latency["queue_conversation"].max_ms, 1000);
    assert_eq!(s.counters.frames_received, 77, "others' counters pass through");
    assert_eq!((s.revision, shown(&mut m, at(3)).revision), (1, 2));
}

#[test]
fn late_and_unknown_events_are_applied_and_counted() {
    let mut m = model(Protocol::Notifications);
    let late = m.apply(
        &event(EventKind::QueueConversation, ended("a", "Q"), at(9000)),
        at(9000),
    );
    assert!(late.late && late.gets_record());
    m.apply(&event(EventKind::Unknown, Facts::None, at(9000)), at(9000));
    let s = shown(&mut m, at(9000));
    assert_eq!(
        (s.counters.late, s.counters.unknown, s.counters.events_applied),
        (1, 1, 2)
    );
    assert_eq!(m.events_applied(), 2);
}

#[test]
fn rest_facts_count_as_repairs_only() {
    let mut m = model(Protocol::Notifications);
    m.set_queues(these(&["Q"]));
    m.apply_rest(&waiting("a", "Q"), at(2));
    let row = ObservationRow {
        media: Some(MediaKind::Voice),
        interval: None,
        metric: "oWaiting".into(),
        qualifier: None,
        stats: Stats::from_iter([("count".into(), 1.0)]),
    };
    let rows = ObservationFacts {
        queue: Id::new("Q"),
        rows: vec![row],
    };
    m.apply_rest(&Facts::Observations(Box::new(rows)), at(2));
    let s = shown(&mut m, at(3));
    assert_eq!((s.counters.repairs, s.counters.events_applied), (2, 0));
    assert_eq!(s.totals.live.waiting.known(), Some(1));
    assert!(s.queues[&Id::new("Q")].observations["voice"].contains_key("oWaiting"));
    assert!(s.freshness.is_empty(), "no event came");
}

#[test]
fn users_and_freshness_are_shown() {
    let mut m = model(Protocol::Notifications);
    let id = Id::new("u");
    m.users_mut().set_name(&id, Some("Example Agent"));
    let user = UserFacts {
        user: id.clone(),
        presence: Some(("ON_QUEUE".into(), Some(at(1)))),
        routing_status: None,
    };
    m.apply(
        &event(EventKind::UserPresence, Facts::User(Box::new(user)), at(2)),
        at(2),
    );
    let s = shown(&mut m, at(40));
    assert_eq!(s.users[&id].presence.as_deref(), Some("ON_QUEUE"));
    assert_eq!(s.users[&id].name.as_deref(), Some("Example Agent"));
    assert!(s.freshness["user_presence"].stale);
    assert_eq!(s.counters.stale, 0, "silence of a topic is no stale data");
}

#[test]
fn events_protocol_shows_active_conversations_and_the_servers_average() {
    let mut m = model(Protocol::Events);
    m.set_queues(these(&["Q"]));
    for (id, fingerprint) in [(Some("a"), 1), (Some("a"), 1), (None, 2), (None, 2)] {
        let state = ConversationStateFacts {
            conversation: id.map(Id::new),
            queue: None,
            active: Some(true),
            at: None,
        };
        let mut e = event(EventKind::Conversation, Facts::ConversationState(state), at(1));
        e.fingerprint = fingerprint;
        m.apply(&e, at(1));
    }
    let statistics = QueueStatisticsFacts {
        queue: Id::new("Q"),
        average_wait_secs: Some(12.5),
        at: None,
    };
    m.apply(
        &event(EventKind::Queue, Facts::QueueStatistics(statistics), at(1)),
        at(1),
    );
    let s = shown(&mut m, at(2));
    assert_eq!(
        (s.totals.active_conversations, s.totals.live.waiting.known()),
        (Some(3), None)
    );
    assert_eq!((s.counters.unkeyed, s.counters.duplicates), (2, 1));
    let q = &s.queues[&Id::new("Q")];
    assert_eq!((q.average_wait_secs, q.live.waiting.known()), (Some(12.5), None));
    m.set_queues(QueueSet::All);
    assert_eq!(shown(&mut m, at(2)).queues.len(), 1);
}

#[test]
fn metrics_protocol_counts_stale_data_by_arrival_and_by_silence() {
    let mut m = model(Protocol::Metrics);
    let metric = |value, own| {
        let facts = MetricFacts {
            metric_type: "queue".into(),
            entity: None,
            at: Some(at(own)),
            values: vec![("offered".into(), value)],
        };
        Facts::Metrics(Box::new(facts))
    };
    let old = m.apply(&event(EventKind::Metric, metric(3.0, 0), at(31)), at(31));
    let stale = |is_turn, by| Stale {
        metric_type: "queue".into(),
        is_turn,
        by,
    };
    assert_eq!(old.stale, Some(stale(true, StaleBy::Arrival)));
    assert!(m.on_tick(at(32)).is_empty());
    assert_eq!(
        m.apply(&event(EventKind::Metric, metric(4.0, 40), at(41)), at(41))
            .stale,
        None
    );
    assert_eq!(m.on_tick(at(71)), [stale(true, StaleBy::Silence)]);
    let s = shown(&mut m, at(72));
    assert_eq!((s.counters.stale, s.metrics["queue.offered"].value), (2, 4.0));
    assert!(s.freshness["queue"].stale);
    assert!(s.queues.is_empty() && s.totals.live.waiting.known().is_none());
    assert_eq!(
        serde_json::to_value(s.totals).unwrap(),
        serde_json::json!({}),
        "it knows no conversations"
    );
}

#[test]
fn an_unchanging_metric_without_timestamp_stays_fresh() {
    let mut m = model(Protocol::Metrics);
    for n in 0..4 {
        let facts = MetricFacts {
            metric_type: "queue".into(),
            entity: None,
            at: None,
            values: vec![("offered".into(), 3.0)],
        };
        let mut e = event(EventKind::Metric, Facts::Metrics(Box::new(facts)), at(n * 20));
        e.fingerprint = 4;
        m.apply(&e, at(n * 20));
        assert!(m.on_tick(at(n * 20)).is_empty());
    }
    assert_eq!(shown(&mut m, at(60)).counters.duplicates, 3);
}

#[test]
fn gaps_stand_in_the_connection() {
    let mut m = model(Protocol::Notifications);
    let id = m.gaps_mut().open(GapTopics::All, at(1), "socket closed (1006)").id;
    m.gaps_mut().close(id, at(5));
    let s = shown(&mut m, at(6));
    assert_eq!((s.connection.gaps_total, s.connection.gaps.len()), (1, 1));
    assert_eq!(m.gaps_mut().open_gaps().count(), 0);
}

#[test]
fn the_same_events_in_the_same_order_give_the_same_snapshot() {
    let run = || {
        let mut rng = fastrand::Rng::with_seed(11);
        let queues: Vec<Id> = (0..3).map(|_| uuid(&mut rng)).collect();
        let mut m = model(Protocol::Notifications);
        m.set_queues(QueueSet::These(queues.iter().cloned().collect()));
        for n in 0..40 {
            let history = History::random(&mut rng, &queues, n);
            for (n, facts) in (0..).zip(history.told(&mut rng)) {
                let now = moment(n * 1000);
                m.apply(
                    &event(EventKind::QueueConversation, Facts::Conversation(Box::new(facts)), now),
                    now,
                );
            }
        }
        serde_json::to_string(&shown(&mut m, moment(900_000))).unwrap()
    };
    let once = run();
    assert_eq!(once, run());
    assert!(once.contains(r#""by_media":{"callback":"#), "{once}");
}

fn conversation(facts: Facts, at: Moment) -> Event {
    event(EventKind::QueueConversation, facts, at)
}

#[test]
fn what_is_unreadable_counts_once_however_often_it_is_repeated() {
    let mut m = model(Protocol::Notifications);
    let facts = Facts::Conversation(Box::new(ConversationFacts::nothing_of(Id::new("c"))));
    let mut one = conversation(facts, at(0));
    (one.fingerprint, one.unreadable) = (7, 2);
    m.apply(&one, at(0));
    m.apply(&one, at(1));
    assert_eq!((m.counters.unreadable, m.counters.duplicates), (2, 1));
}

#[test]
fn windows_go_from_the_start_to_now_and_older_ones_stand_if_something_happened() {
    let mut m = model(Protocol::Notifications);
    m.set_queues(these(&["Q", "R"]));
    m.apply(&conversation(ended("a", "Q"), at(200)), at(200));
    let mut early = waiting("b", "Q");
    if let Facts::Conversation(facts) = &mut early {
        facts.participants[1].connected = Some(at(-300));
    }
    m.apply(&conversation(early, at(200)), at(200));
    let s = shown(&mut m, at(210));
    let q = &s.queues[&Id::new("Q")];
    let starts = |windows: &[WindowSnapshot]| -> Vec<i64> {
        windows.iter().map(|w| w.start.millis_since(at(0)) / 1000).collect()
    };
    let windows = &q.windows.as_ref().unwrap().newest(100);
    assert_eq!(starts(windows), [-300, 0, 60, 120, 180]);
    let offered: Vec<u64> = windows.iter().map(|w| w.numbers.offered).collect();
    assert_eq!(offered, [1, 1, 0, 0, 0]);
    assert_eq!(
        starts(&s.queues[&Id::new("R")].windows.as_ref().unwrap().newest(100)),
        [0, 60, 120, 180]
    );
    let all = s.all_queues.as_ref().unwrap();
    assert_eq!(starts(&all.windows), starts(windows));
    assert_eq!((all.totals.offered, all.totals.abandoned), (2, 1));
    let complete: Vec<bool> = windows.iter().map(|w| w.complete).collect();
    assert_eq!(complete, [true, true, true, true, false]);
    let covered: Vec<f64> = windows.iter().map(|w| w.coverage_percent).collect();
    assert_eq!(covered, [0.0, 100.0, 100.0, 100.0, 100.0]);
    m.set_covered_from(at(-330));
    let s = shown(&mut m, at(210));
    let windows = &s.queues[&Id::new("R")].windows.as_ref().unwrap().newest(100);
    assert_eq!(starts(windows)[..3], [-360, -300, -240]);
    assert_eq!(windows[0].coverage_percent, 50.0);
    assert_eq!(
        starts(shown(&mut m, at(100_000)).all_queues.unwrap().windows.as_slice()).len(),
        60
    );
}

#[test]
fn windows_of_a_queue_in_which_nothing_happened_are_shared_by_snapshots() {
    let mut m = model(Protocol::Notifications);
    m.set_queues(these(&["Q", "R"]));
    let mut at_secs = |secs: i64| {
        let s = shown(&mut m, at(secs));
        m.apply(&conversation(ended(&format!("c{secs}"), "Q"), at(secs)), at(secs));
        s.queues
    };
    let (first, second, next_minute) = (at_secs(20), at_secs(30), at_secs(60));
    let shares = |one: &BTreeMap<Id, QueueSnapshot>, other: &BTreeMap<Id, QueueSnapshot>, name: &str| {
        let of = |queues: &BTreeMap<Id, QueueSnapshot>| queues[&Id::new(name)].windows.clone().unwrap();
        of(one).shares_with(&of(other))
    };
    assert!(shares(&first, &second, "R"));
    assert!(!shares(&first, &second, "Q"));
    assert!(!shares(&second, &next_minute, "R"), "it has a window more");
}

#[test]
fn coverage_is_of_the_past_part_and_of_the_queues_own_topic() {
    let mut m = model(Protocol::Notifications);
    m.set_queues(these(&["Q", "R"]));
    let own = GapTopics::Some(vec!["v2.routing.queues.Q.conversations".into()]);
    m.gaps_mut().open(own, at(75), "refused");
    let all = m.gaps_mut().open(GapTopics::All, at(30), "silence").id;
    m.gaps_mut().close(all, at(45));
    let coverage = |m: &mut Model, queue: &str| -> Vec<f64> {
        let s = shown(m, at(90));
        let windows = match queue {
            "" => s.all_queues.unwrap().windows,
            _ => s.queues[&Id::new(queue)].windows.as_ref().unwrap().newest(100),
        };
        windows.iter().map(|w| w.coverage_percent).collect()
    };
    assert_eq!(coverage(&mut m, "Q"), [75.0, 50.0]);
    assert_eq!(coverage(&mut m, "R"), [75.0, 100.0]);
    assert_eq!(coverage(&mut m, ""), [75.0, 75.0], "the mean");
    m.gaps_mut().repaired(all);
    assert_eq!(coverage(&mut m, "R"), [100.0, 100.0]);
}

#[test]
fn a_queues_own_threshold_holds_also_for_what_was_answered_before() {
    let mut m = model(Protocol::Notifications);
    m.set_queues(these(&["Q"]));
    let Facts::Conversation(mut facts) = ended("a", "Q") else {
        panic!("another kind of facts")
    };
    let mut agent = participant("agent", Purpose::Agent);
    agent.queue = stamped(1, Id::new("Q"));
    agent.connected = Some(at(9));
    facts.participants.push(agent);
    m.apply(&conversation(Facts::Conversation(facts), at(9)), at(9));
    let level = |m: &mut Model| {
        let s = shown(m, at(90));
        let q = &s.queues[&Id::new("Q")];
        let first = q.windows.as_ref().unwrap().iter().next().unwrap();
        assert_eq!(
            first.numbers.service_level_percent,
            q.totals.unwrap().service_level_percent
        );
        assert_eq!(q.by_media["other"].totals, q.totals.unwrap());
        q.totals.unwrap().service_level_percent
    };
    assert_eq!(level(&mut m), Some(100.0));
    for (secs, percent) in [(7, 0.0), (8, 100.0)] {
        let settings = QueueSettings {
            service_level_thresholds: [(MediaKind::Other, Duration::from_secs(secs))].into(),
            ..QueueSettings::default()
        };
        m.set_queue_settings(Id::new("Q"), settings);
        assert_eq!(level(&mut m), Some(percent), "{secs}");
    }
}

#[test]
fn what_several_events_tell_beyond_the_limits_of_a_conversation_is_counted_once_an_event() {
    let mut m = Model::new(settings(), at(0));
    let many = |from: usize, to: usize, calls: usize| {
        let participants = (from..to).map(|n| {
            let mut p = participant(&format!("p{n}"), Purpose::Other);
            let calls =
                (0..calls).map(|call| super::testing::communication(&format!("{from} {call}"), MediaKind::Voice));
            p.communications = calls.collect();
            p
        });
        Facts::Conversation(Box::new(super::testing::conversation(participants.collect())))
    };
    let told = |facts: &Facts, n: u64| {
        let mut told = event(EventKind::QueueConversation, facts.clone(), at(1));
        told.fingerprint = n;
        told
    };
    m.apply(&told(&many(0, 200, 40), 1), at(1));
    assert_eq!(m.counters.unreadable, 0);
    m.apply(&told(&many(190, 270, 40), 2), at(1));
    let expected = 14 + 10 * 16;
    assert_eq!(
        m.counters.unreadable, expected,
        "256 participants, 64 communications each"
    );
    m.apply(&told(&many(190, 270, 40), 2), at(1));
    assert_eq!(m.counters.unreadable, expected, "a repetition says nothing new");
    m.apply_rest(&many(0, 270, 1), at(1));
    assert_eq!(m.counters.unreadable, expected + 14, "REST has a state of its own");
}
