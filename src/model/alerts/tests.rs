//! Alerts to the second, on a scripted clock; and from events to the snapshot.
//!
//! In: numbers and facts at given times · Out: verdicts · Thread: any (tests only).

use std::collections::BTreeMap;

use super::*;
use crate::event::EventKind;
use crate::event::facts::{ConversationFacts, Facts, ObservationFacts, ObservationRow, Purpose};
use crate::event::stats::Stats;
use crate::model::queue::{QueueSet, QueueSettings};
use crate::model::snapshot::{AlertSnapshot, GapTopics, Snapshot};
use crate::model::testing::{at, event, participant, settings, shown, stamped};
use crate::model::{Model, Settings};

fn config(json: &str) -> ThresholdsConfig {
    serde_json::from_str(json).unwrap()
}

/// Alerts of the queue `q`, named `Sales`, with one number.
struct Scripted {
    alerts: Alerts,
    value: Option<f64>,
}

impl Scripted {
    fn new(thresholds: &str) -> Self {
        Self {
            alerts: Alerts::new(config(&format!(r#"{{"default":{thresholds},"queues":{{}}}}"#))),
            value: None,
        }
    }

    /// A tick each second within `secs` with this number. Returns what is told: when, state, level, since.
    fn ticks(
        &mut self,
        secs: std::ops::Range<i64>,
        value: impl Into<Option<f64>>,
    ) -> Vec<(i64, AlertState, AlertLevel, i64)> {
        self.value = value.into();
        let told = secs.flat_map(|secs| self.look(at(secs))).collect::<Vec<_>>();
        let seconds = |moment: Moment| moment.millis_since(at(0)) / 1000;
        let row = |alert: &Alert| (seconds(alert.at), alert.state, alert.level, seconds(alert.since));
        told.iter().map(row).collect()
    }

    fn look(&mut self, now: Moment) -> Vec<Alert> {
        let id = Id::new("q");
        self.alerts
            .look(now, [(&id, Some("Sales"))].into_iter(), |_, _| self.value)
    }
}

use AlertLevel::{Amber, Red};
use AlertState::{Firing as Fires, Resolved};

#[test]
fn a_number_alerts_once_it_has_been_beyond_for_so_long_and_not_before() {
    let mut s = Scripted::new(r#"{"waiting":[5,10]}"#);
    assert_eq!(s.ticks(0..100, 4.0), []);
    assert_eq!(
        s.ticks(100..200, 5.0),
        [(130, Fires, Amber, 130)],
        "for_secs is 30 by default"
    );
    assert_eq!(s.ticks(200..300, 4.0), [(230, Resolved, Amber, 130)]);
    // A dip starts the time anew, in both directions.
    assert_eq!(s.ticks(300..329, 5.0), []);
    assert_eq!(s.ticks(329..330, 4.0), []);
    assert_eq!(s.ticks(330..361, 5.0), [(360, Fires, Amber, 360)]);
    assert_eq!(s.ticks(361..390, 4.0), []);
    assert_eq!(s.ticks(390..391, 5.0), []);
    assert_eq!(s.ticks(391..422, 4.0), [(421, Resolved, Amber, 360)]);
}

#[test]
fn red_has_to_last_as_long_as_amber_whether_amber_fires_already_or_not() {
    let mut s = Scripted::new(r#"{"waiting":[5,10],"for_secs":10}"#);
    assert_eq!(s.ticks(0..20, 12.0), [(10, Fires, Red, 10)], "one alert, at once red");
    assert_eq!(s.ticks(20..40, 7.0), [(30, Fires, Amber, 30)], "amber is left");
    assert_eq!(s.ticks(40..49, 10.0), [], "not long enough");
    assert_eq!(s.ticks(49..60, 9.0), []);
    assert_eq!(s.ticks(60..80, 10.0), [(70, Fires, Red, 70)]);
    assert_eq!(s.ticks(80..100, 0.0), [(90, Resolved, Red, 70)], "one end");
    // Amber from 100 on, red from 104 on: each has its own time.
    assert_eq!(s.ticks(100..104, 5.0), []);
    assert_eq!(
        s.ticks(104..120, 10.0),
        [(110, Fires, Amber, 110), (114, Fires, Red, 114)]
    );
}

#[test]
fn some_numbers_are_bad_when_they_are_low() {
    let mut s = Scripted::new(r#"{"idle_agents":[2,0],"for_secs":5}"#);
    assert_eq!(s.ticks(0..10, 3.0), []);
    assert_eq!(s.ticks(10..20, 2.0), [(15, Fires, Amber, 15)]);
    assert_eq!(s.ticks(20..30, 0.0), [(25, Fires, Red, 25)]);
    assert_eq!(s.ticks(30..40, 3.0), [(35, Resolved, Red, 25)]);
}

#[test]
fn what_is_not_known_alerts_nobody() {
    for name in ["waiting", "idle_agents"] {
        let mut s = Scripted::new(&format!(r#"{{"{name}":[5,5],"for_secs":3}}"#));
        assert_eq!(s.ticks(0..10, None), [], "{name}");
        assert_eq!(s.ticks(10..12, 5.0), []);
        assert_eq!(s.ticks(12..13, None), []);
        assert_eq!(s.ticks(13..17, 5.0), [(16, Fires, Red, 16)], "the time began anew");
        assert_eq!(s.ticks(17..27, None), [(20, Resolved, Red, 16)]);
    }
}

#[test]
fn without_a_time_it_is_told_at_once_and_only_once() {
    let mut s = Scripted::new(r#"{"waiting":[5,10],"for_secs":0}"#);
    assert_eq!(s.ticks(0..3, 5.0), [(0, Fires, Amber, 0)]);
    assert_eq!(s.ticks(3..6, 10.0), [(3, Fires, Red, 3)]);
    assert_eq!(s.ticks(6..9, 1.0), [(6, Resolved, Red, 3)]);
}

#[test]
fn a_clock_that_is_set_back_delays_an_alert_by_its_time_only() {
    let mut s = Scripted::new(r#"{"waiting":[5,10],"for_secs":10}"#);
    assert_eq!(s.ticks(1000..1005, 5.0), []);
    assert_eq!(s.ticks(0..20, 5.0), [(10, Fires, Amber, 10)]);
}

#[test]
fn a_record_says_what_and_where() {
    let mut s = Scripted::new(r#"{"waiting":[5,10],"for_secs":0}"#);
    s.value = Some(12.0);
    let told = s.look(at(7));
    let wanted = Alert {
        at: at(7),
        queue_id: Id::new("q"),
        queue: Some("Sales".into()),
        name: AlertName::Waiting,
        state: Fires,
        level: Red,
        value: Some(12.0),
        threshold: 10.0,
        since: at(7),
    };
    assert_eq!(told, [wanted]);
}

#[test]
fn looks_are_due_twice_a_second_at_most_and_never_without_thresholds() {
    let mut s = Scripted::new(r#"{"waiting":[5,10]}"#);
    assert!(s.alerts.is_due(at(0)));
    s.look(at(0));
    assert!(!s.alerts.is_due(at(0).plus_ms(400)));
    assert!(s.alerts.is_due(at(1)) && s.alerts.is_due(at(-5)));
    assert!(!Alerts::new(config(r#"{"default":{"waiting":null,"for_secs":1},"queues":{}}"#)).is_due(at(0)));
}

#[test]
fn a_queue_has_its_own_thresholds_by_id_or_name_over_the_default_ones() {
    let config = config(
        r#"{"default":{"waiting":[5,10],"idle_agents":[1,0],"for_secs":20},
            "queues":{"Sales":{"waiting":[50,100],"idle_agents":null},"sales":{"waiting":[7,8]},
                      "AB":{"for_secs":1,"longest_wait_secs":[60,120]}}}"#,
    );
    let of = |id: &str, name: Option<&str>| {
        let (hold, levels) = thresholds_of(&config, &Id::new(id), name);
        let levels = levels.into_iter().map(|(name, levels)| (name.as_str(), levels.amber));
        (hold.as_secs(), levels.collect::<Vec<_>>())
    };
    let default = (20, vec![("waiting", 5.0), ("idle_agents", 1.0)]);
    assert_eq!(of("q", None), default);
    assert_eq!(of("q", Some("Support")), default);
    assert_eq!(of("q", Some("Sales")), (20, vec![("waiting", 50.0)]), "exactly");
    assert_eq!(
        of("q", Some(" SALES")).1[0],
        ("waiting", 50.0),
        "without regard to case"
    );
    let both = (1, vec![("waiting", 50.0), ("longest_wait_secs", 60.0)]);
    assert_eq!(of("ab", Some("Sales")), both, "the name's, over them the id's");
}

#[test]
fn a_queue_that_is_listed_no_more_or_has_another_name_ends_its_alerts() {
    let mut alerts = Alerts::new(config(
        r#"{"default":{"longest_wait_secs":[1,1]},"queues":{"Sales":{"waiting":[1,1],"for_secs":0}}}"#,
    ));
    let id = Id::new("q");
    let mut look = |secs, name: Option<&'static str>| {
        let listed = name.map(|name| (&id, Some(name)));
        let told = alerts.look(at(secs), listed.into_iter(), |_, _| Some(3.0));
        let row = |alert: &Alert| (alert.name.as_str(), alert.state, alert.value);
        told.iter().map(row).collect::<Vec<_>>()
    };
    let both = [("waiting", Fires, Some(3.0)), ("longest_wait_secs", Fires, Some(3.0))];
    assert_eq!(look(0, Some("Sales")), both);
    assert_eq!(look(1, Some("Sales")), []);
    assert_eq!(
        look(2, Some("Retail")),
        [("waiting", Resolved, None)],
        "the default ones go on"
    );
    assert_eq!(look(3, None), [("longest_wait_secs", Resolved, None)]);
    assert_eq!(look(4, None), []);
}

fn model(thresholds: &str) -> Model {
    let thresholds = config(&format!(r#"{{"default":{thresholds},"queues":{{}}}}"#));
    let mut model = Model::new(
        Settings {
            thresholds,
            ..settings()
        },
        at(0),
    );
    let queue = Id::new("q");
    model.set_queues(QueueSet::These([queue.clone()].into()));
    let named = QueueSettings {
        name: Some("Sales".into()),
        ..QueueSettings::default()
    };
    model.set_queue_settings(queue, named);
    model
        .subscriptions_mut()
        .covered(&["v2.routing.queues.q.conversations".to_owned()], at(0));
    model.on_state(crate::model::snapshot::ConnectionState::Streaming);
    model
}

/// A visit of `q` that is answered, or left if not, or goes on.
fn visit(model: &mut Model, id: &str, entered: i64, answered: Option<i64>, left: Option<i64>) {
    let mut customer = participant("customer", Purpose::Customer);
    customer.connected = Some(at(entered));
    let mut acd = participant("acd", Purpose::Acd);
    (acd.connected, acd.ended) = (Some(at(entered)), answered.or(left).map(at));
    acd.queue = stamped(entered, Id::new("q"));
    customer.ended = left.map(at);
    let mut agent = participant("agent", Purpose::Agent);
    (agent.connected, agent.ended) = (answered.map(at), left.map(at));
    agent.queue = stamped(entered, Id::new("q"));
    let mut participants = vec![customer, acd];
    participants.extend(answered.map(|_| agent));
    let facts = ConversationFacts {
        id: Id::new(id),
        ended: left.map(at),
        participants,
    };
    let now = at(left.or(answered).unwrap_or(entered));
    let facts = Facts::Conversation(Box::new(facts));
    model.apply(&event(EventKind::QueueConversation, facts, now), now);
}

fn alerts_of(snapshot: &Snapshot) -> BTreeMap<&'static str, AlertSnapshot> {
    let alerts = &snapshot.queues[&Id::new("q")].alerts;
    alerts.iter().map(|(name, alert)| (name.as_str(), *alert)).collect()
}

fn numbers(model: &mut Model, secs: i64) -> Vec<(&'static str, Option<f64>)> {
    model.check_alerts(at(secs));
    let shown = shown(model, at(secs));
    alerts_of(&shown)
        .into_iter()
        .map(|(name, alert)| (name, alert.value))
        .collect()
}

/// Every number fires whatever it is, so that the snapshot shows it.
const ALL: &str = r#"{"waiting":[0,0],"longest_wait_secs":[0,0],"abandoned_percent":[0,0],
    "service_level_percent":[100,100],"idle_agents":[1000,1000],"for_secs":0}"#;

#[test]
fn the_numbers_are_those_of_now_and_of_the_last_half_hour() {
    let mut m = model(ALL);
    assert_eq!(
        numbers(&mut m, 1),
        [("waiting", Some(0.0))],
        "no denominator, nobody waits, nothing observed"
    );
    visit(&mut m, "a", 10, Some(20), Some(30));
    visit(&mut m, "b", 10, Some(40), Some(50));
    visit(&mut m, "c", 10, None, Some(55));
    visit(&mut m, "d", 50, None, None);
    let third = 100.0 / 3.0;
    let wanted = [
        ("abandoned_percent", Some(third)),
        ("longest_wait_secs", Some(10.0)),
        ("service_level_percent", Some(third)),
        ("waiting", Some(1.0)),
    ];
    assert_eq!(
        numbers(&mut m, 60),
        wanted,
        "answered in 20 s, answered later, abandoned"
    );
    // All of it is in the window of the first minute, which overlaps the last 30 until 00:31.
    let names = |numbers: Vec<(&'static str, Option<f64>)>| Vec::from_iter(numbers.into_iter().map(|(name, _)| name));
    assert_eq!(numbers(&mut m, 31 * 60 - 1)[0], ("abandoned_percent", Some(third)));
    assert_eq!(names(numbers(&mut m, 31 * 60)), ["longest_wait_secs", "waiting"]);
}

#[test]
fn a_snapshot_shows_what_fires_and_nothing_else() {
    let mut m = model(r#"{"waiting":[1,5],"longest_wait_secs":[60,120],"for_secs":10}"#);
    visit(&mut m, "a", 10, None, None);
    let mut told = Vec::new();
    for secs in 10..=20 {
        assert_eq!(alerts_of(&shown(&mut m, at(secs))), BTreeMap::new(), "at {secs}");
        told.extend(m.check_alerts(at(secs)));
    }
    assert_eq!(told.len(), 1);
    let alert = AlertSnapshot {
        level: Amber,
        since: at(20),
        value: Some(1.0),
    };
    let shown_now = shown(&mut m, at(20));
    assert_eq!(alerts_of(&shown_now), [("waiting", alert)].into());
    let json = serde_json::to_value(&shown_now.queues[&Id::new("q")].alerts).unwrap();
    let since = at(20).to_string();
    assert_eq!(
        json,
        serde_json::json!({"waiting": {"level": "amber", "since": since, "value": 1}})
    );
    // In a gap the number is unknown, and the alert ends after its time.
    m.gaps_mut().open(GapTopics::All, at(25), "socket closed");
    m.check_alerts(at(25));
    assert_eq!(alerts_of(&shown(&mut m, at(25)))["waiting"].value, None);
    let ended = m.check_alerts(at(35));
    assert_eq!((ended[0].state, ended[0].value), (Resolved, None));
    assert_eq!(alerts_of(&shown(&mut m, at(35))), BTreeMap::new());
}

#[test]
fn idle_agents_are_those_that_genesys_observes_on_queue() {
    let mut m = model(ALL);
    let rows = |counts: &[(&str, f64)]| {
        let row = |(qualifier, count): &(&str, f64)| ObservationRow {
            media: None,
            interval: None,
            metric: "oOnQueueUsers".into(),
            qualifier: Some((*qualifier).into()),
            stats: Stats::from_iter([("count".into(), *count)]),
        };
        let rows = counts.iter().map(row).collect();
        Facts::Observations(Box::new(ObservationFacts {
            queue: Id::new("q"),
            rows,
        }))
    };
    let idle = |m: &mut Model, secs| {
        let all = numbers(m, secs);
        all.iter()
            .find(|(name, _)| *name == "idle_agents")
            .and_then(|(_, value)| *value)
    };
    let now = at(5);
    m.apply(
        &event(EventKind::QueueObservation, rows(&[("INTERACTING", 4.0)]), now),
        now,
    );
    assert_eq!(idle(&mut m, 6), None, "of these nothing was told");
    m.apply(&event(EventKind::QueueObservation, rows(&[("IDLE", 2.0)]), now), now);
    assert_eq!(idle(&mut m, 7), Some(2.0));
    m.gaps_mut().open(GapTopics::All, at(8), "socket closed");
    m.distrust_what_came_before_gaps(at(8));
    assert_eq!(idle(&mut m, 9), None, "told before a gap");
    m.apply_rest(&rows(&[("INTERACTING", 4.0)]), at(10));
    assert_eq!(idle(&mut m, 11), Some(0.0), "what REST does not name is zero");
}
