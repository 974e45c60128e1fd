//! The rules of `docs/numbers.md` one by one, on small conversations with known numbers.
//!
//! In: hand-written facts · Out: assertions · Thread: the test's.

use super::*;
use crate::simulator::centre::facts::{AfterCall, Before, Disconnect, Participant, Purpose, Span, Stay};
use crate::simulator::json::Id;
use crate::simulator::options::Options;
use crate::simulator::render::observations;
use crate::simulator::world::Media;
use serde_json::json;
use std::sync::Arc;

/// 2026-05-04T14:05:00Z, the beginning of a minute.
const T0: Ms = 1_777_903_500_000;

/// The time this many seconds after [`T0`].
fn t(secs: f64) -> Ms {
    T0 + (secs * 1000.0) as Ms
}

struct TestConversation(Conversation);

impl TestConversation {
    /// A conversation whose customer is connected from [`T0`] on.
    fn new(media: Media) -> TestConversation {
        let mut story = TestConversation(Conversation {
            key: 1,
            id: Id(1),
            media,
            periods: vec![Span { start: T0, end: None }],
            caller: String::new(),
            address: String::new(),
            subject: "",
            tier: "",
            participants: Vec::new(),
        });
        story.join(Purpose::Customer, None, 0.0, None);
        story
    }

    fn join(&mut self, purpose: Purpose, queue: Option<usize>, from: f64, to: Option<f64>) -> &mut Participant {
        let number = 100 + self.0.participants.len() as u128;
        let stay = self.stay(queue, from, to);
        self.0.participants.push(Participant {
            id: Id(number),
            purpose,
            user: matches!(purpose, Purpose::Agent | Purpose::User).then_some(0),
            consulted_by: None,
            monitoring: None,
            stays: vec![stay],
        });
        self.0.participants.last_mut().unwrap()
    }

    /// A stay that is connected as soon as it begins.
    fn stay(&self, queue: Option<usize>, from: f64, to: Option<f64>) -> Stay {
        Stay {
            communication: Id(1000 + self.0.stays().count() as u128),
            media: self.0.media,
            queue,
            visit: None,
            start: t(from),
            before: Before::Alert,
            scheduled_for: None,
            connected: Some(t(from)),
            end: to.map(t),
            disconnect: to.map(|_| Disconnect::Peer),
            holds: Vec::new(),
            parks: Vec::new(),
            after_call: AfterCall::default(),
            call_back: None,
        }
    }

    /// Another stay of a participant.
    fn again(mut self, who: usize, queue: Option<usize>, from: f64, to: Option<f64>) -> TestConversation {
        let stay = self.stay(queue, from, to);
        self.0.participants[who].stays.push(stay);
        self
    }

    fn visit(mut self, queue: usize, from: f64, to: Option<f64>) -> TestConversation {
        self.join(Purpose::Acd, Some(queue), from, to);
        self
    }

    fn agent(mut self, queue: usize, from: f64, to: Option<f64>) -> TestConversation {
        self.join(Purpose::Agent, Some(queue), from, to);
        self
    }

    fn other(mut self, purpose: Purpose, from: f64, to: Option<f64>) -> TestConversation {
        self.join(purpose, None, from, to);
        self
    }

    /// Changes the newest stay of the last participant.
    fn with(mut self, change: impl FnOnce(&mut Stay)) -> TestConversation {
        change(self.0.participants.last_mut().unwrap().stay_mut());
        self
    }

    fn customer_gone(mut self, at: f64) -> TestConversation {
        self.0.participants[0].stay_mut().end = Some(t(at));
        self
    }
}

fn truth(conversations: &[TestConversation], query: &TruthQuery, as_of: f64) -> (World, Value) {
    let options = Options {
        queues: 3,
        ..Options::default()
    };
    let world = World::build(&options, T0);
    let answer = number(&world, conversations.iter().map(|s| &s.0), query, t(as_of)).0;
    (world, answer.into())
}

/// The totals of one queue that are not zero or null, at a time when everything is over.
fn totals(conversations: &[TestConversation], queue: usize) -> Value {
    let (world, answer) = truth(conversations, &TruthQuery::default(), 3600.0);
    let all = answer["queues"][world.queues[queue].id.to_string()]["totals"].clone();
    let kept = all
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, v)| v.as_f64().is_some_and(|n| n != 0.0));
    kept.map(|(k, v)| (k.clone(), v.clone())).collect::<Map<_, _>>().into()
}

#[test]
fn an_answered_call_with_hold_and_after_call_work() {
    let story = TestConversation::new(Media::Voice)
        .visit(0, 8.0, Some(17.25))
        .agent(0, 17.25, Some(80.0))
        .with(|p| {
            p.holds.push(Span {
                start: t(30.0),
                end: Some(t(42.5)),
            });
            p.after_call = AfterCall {
                expected: true,
                optional: false,
                skipped: false,
                start: Some(t(80.0)),
                end: Some(t(101.0)),
                code: Some(2),
            };
        })
        .customer_gone(80.0);
    assert_eq!(
        totals(&[story], 0),
        json!({"offered": 1, "answered": 1, "handled": 1, "wrapups": 1, "hold_secs": 12.5,
            "service_level_percent": 100.0, "average_wait_secs": 9.25, "average_speed_of_answer_secs": 9.25,
            "average_handle_secs": 83.75})
    );
}

#[test]
fn the_answer_may_come_five_seconds_after_the_visit_but_no_later() {
    let answered = |at: f64| {
        let story = TestConversation::new(Media::Voice)
            .visit(0, 0.0, Some(10.0))
            .agent(0, at, Some(30.0));
        totals(&[story.customer_gone(10.0)], 0)["answered"].clone()
    };
    assert_eq!(answered(15.0), 1);
    assert_eq!(answered(15.001), Value::Null);
}

#[test]
fn of_two_agents_the_earlier_answered_and_both_handled() {
    let story = TestConversation::new(Media::Voice)
        .visit(0, 0.0, Some(8.0))
        .agent(0, 9.0, Some(30.0))
        .agent(0, 8.0, Some(20.0))
        .customer_gone(30.0);
    let totals = totals(&[story], 0);
    assert_eq!((&totals["answered"], &totals["handled"]), (&json!(1), &json!(2)));
    assert_eq!(totals["average_speed_of_answer_secs"], 8.0);
    assert_eq!(totals["average_handle_secs"], 16.5);
}

#[test]
fn an_agent_of_the_second_visit_does_not_answer_the_first() {
    // Back to the same queue within five seconds: the first visit flowed out to the second.
    let story = TestConversation::new(Media::Voice)
        .visit(0, 0.0, Some(10.0))
        .visit(0, 10.0, Some(13.0))
        .agent(0, 13.0, Some(20.0))
        .customer_gone(20.0);
    let totals = totals(&[story], 0);
    assert_eq!(totals["offered"], 2);
    assert_eq!((&totals["answered"], &totals["flow_out"]), (&json!(1), &json!(1)));
    assert_eq!(totals["average_wait_secs"], 3.0);
}

#[test]
fn an_agent_who_never_connected_neither_answered_nor_handled() {
    let story = TestConversation::new(Media::Voice)
        .visit(0, 0.0, Some(20.0))
        .agent(0, 3.0, Some(11.0))
        .with(|p| {
            p.connected = None;
            p.disconnect = Some(Disconnect::NoAnswer);
        })
        .customer_gone(20.0);
    assert_eq!(
        totals(&[story], 0),
        json!({"offered": 1, "abandoned": 1, "average_wait_secs": 20.0})
    );
}

#[test]
fn abandoned_only_when_the_customer_side_has_ended() {
    let story = || TestConversation::new(Media::Voice).visit(0, 0.0, Some(20.0));
    assert_eq!(totals(&[story()], 0), json!({"offered": 1}), "undecided");
    assert_eq!(totals(&[story().customer_gone(21.0)], 0)["abandoned"], 1);
}

#[test]
fn an_external_participant_is_customer_side_if_connected_before_the_visit() {
    let story = |from: f64, to: Option<f64>| {
        let story = TestConversation::new(Media::Voice).other(Purpose::External, from, to);
        totals(&[story.visit(0, 10.0, Some(20.0)).customer_gone(20.0)], 0)
    };
    assert_eq!(story(5.0, None)["abandoned"], Value::Null, "still on the line");
    assert_eq!(story(5.0, Some(22.0))["abandoned"], 1);
    assert_eq!(
        story(12.0, None)["flow_out"],
        1,
        "came during the visit and stayed: it went on there"
    );
}

#[test]
fn without_a_customer_the_external_participant_is_the_customer_side() {
    let mut story = TestConversation::new(Media::Voice).visit(0, 1.0, Some(20.0));
    story.0.participants[0].purpose = Purpose::External;
    let (_, answer) = truth(&[TestConversation(story.0.clone())], &TruthQuery::default(), 30.0);
    assert_eq!(answer["totals"]["active_conversations"], 1);
    assert_eq!(totals(&[story.customer_gone(20.0)], 0)["abandoned"], 1);
}

#[test]
fn flow_out_to_another_queue_or_to_the_voicemail() {
    let overflow = TestConversation::new(Media::Voice)
        .visit(0, 0.0, Some(20.0))
        .visit(1, 20.0, Some(25.0))
        .customer_gone(25.0);
    let voicemail = TestConversation::new(Media::Voice)
        .visit(0, 0.0, Some(30.0))
        .other(Purpose::Voicemail, 30.0, Some(40.0))
        .customer_gone(40.0);
    let both = [overflow, voicemail];
    assert_eq!(totals(&both, 0), json!({"offered": 2, "flow_out": 2}));
    assert_eq!(totals(&both, 1)["abandoned"], 1);
    // A participant that had ended before the end of the visit did not take the customer over.
    let menu = TestConversation::new(Media::Voice)
        .other(Purpose::Ivr, 0.0, Some(5.0))
        .visit(0, 5.0, Some(20.0))
        .other(Purpose::User, 6.0, Some(20.0))
        .customer_gone(20.0);
    assert_eq!(totals(&[menu], 0)["abandoned"], 1);
}

#[test]
fn handled_counts_after_after_call_work_or_at_once_if_it_is_skipped() {
    let story = |after: AfterCall| {
        let story = TestConversation::new(Media::Voice)
            .visit(0, 0.0, Some(1.0))
            .agent(0, 1.0, Some(10.0));
        [story.with(|p| p.after_call = after).customer_gone(10.0)]
    };
    let expected = AfterCall {
        expected: true,
        ..AfterCall::default()
    };
    let pending = story(expected.clone());
    let at = |secs: f64| {
        let answer = truth(&pending, &TruthQuery::default(), secs).1;
        let all = &answer["all_queues"]["totals"];
        (answer["totals"]["after_call_work"].clone(), all["handled"].clone())
    };
    assert_eq!(at(609.999), (json!(1), json!(0)));
    assert_eq!(at(610.0), (json!(0), json!(1)), "not expected any more");
    let skipped = totals(
        &story(AfterCall {
            skipped: true,
            ..expected.clone()
        }),
        0,
    );
    assert_eq!((&skipped["handled"], &skipped["wrapups"]), (&json!(1), &Value::Null));
    assert_eq!(skipped["average_handle_secs"], 9.0);
    assert_eq!(
        totals(
            &story(AfterCall {
                start: Some(t(10.0)),
                ..expected
            }),
            0
        )["handled"],
        Value::Null
    );
}

#[test]
fn transferred_depends_on_the_disconnect_type() {
    let handled = |how: Disconnect| {
        let story = TestConversation::new(Media::Voice)
            .visit(0, 0.0, Some(1.0))
            .agent(0, 1.0, Some(10.0));
        totals(&[story.with(|p| p.disconnect = Some(how)).customer_gone(99.0)], 0)["transferred"].clone()
    };
    for how in [
        Disconnect::Transfer,
        Disconnect::ConsultTransfer,
        Disconnect::ConferenceTransfer,
    ] {
        assert_eq!(handled(how), 1, "{how:?}");
    }
    for how in [Disconnect::Client, Disconnect::Peer, Disconnect::NoAnswer] {
        assert_eq!(handled(how), Value::Null, "{how:?}");
    }
}

#[test]
fn service_level_and_short_abandons() {
    let answered = |wait: f64| {
        let story = TestConversation::new(Media::Message)
            .visit(0, 0.0, Some(wait))
            .agent(0, wait, Some(90.0));
        story.customer_gone(90.0)
    };
    let gone = |wait: f64| {
        TestConversation::new(Media::Voice)
            .visit(0, 0.0, Some(wait))
            .customer_gone(wait)
    };
    let conversations = [answered(20.0), answered(20.001), gone(4.999), gone(5.0)];
    let query = TruthQuery {
        service_level: ServiceLevel::Within(Duration::from_secs(20)),
        short_abandon: Duration::from_secs(5),
        ..TruthQuery::default()
    };
    let (_, answer) = truth(&conversations, &query, 100.0);
    let all = &answer["all_queues"]["totals"];
    assert_eq!((&all["abandoned"], &all["short_abandoned"]), (&json!(2), &json!(1)));
    assert_eq!(all["service_level_percent"], 100.0 / 3.0);
    assert_eq!(all["average_wait_secs"], 12.5);
    assert_eq!(all["average_speed_of_answer_secs"], 20.0005);
    // The queue's own threshold for messages is 30 s.
    let (_, answer) = truth(&conversations, &TruthQuery::default(), 100.0);
    assert_eq!(answer["all_queues"]["totals"]["service_level_percent"], 50.0);
}

#[test]
fn each_fact_in_the_window_of_its_moment() {
    let story = TestConversation::new(Media::Voice)
        .visit(0, 59.999, Some(121.0))
        .agent(0, 121.0, Some(170.0))
        .with(|p| {
            p.after_call = AfterCall {
                expected: true,
                optional: false,
                skipped: false,
                start: Some(t(170.0)),
                end: Some(t(180.0)),
                code: None,
            }
        })
        .customer_gone(170.0);
    let (world, answer) = truth(&[story], &TruthQuery::default(), 239.9);
    let windows = &answer["queues"][world.queues[0].id.to_string()]["windows"];
    let of = |key: &str| -> Vec<u64> {
        windows
            .as_array()
            .unwrap()
            .iter()
            .map(|w| w[key].as_u64().unwrap())
            .collect()
    };
    assert_eq!(of("offered"), [1, 0, 0, 0]);
    assert_eq!(of("answered"), [0, 0, 1, 0]);
    assert_eq!(of("handled"), [0, 0, 0, 1]);
    assert_eq!(of("wrapups"), [0, 0, 0, 1]);
    assert_eq!(windows[2]["average_wait_secs"], 61.001);
    assert_eq!(windows[0]["start"], "2026-05-04T14:05:00.000Z");
    assert_eq!(
        (&windows[2]["complete"], &windows[3]["complete"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(windows[0]["granularity"], "PT1M");
}

#[test]
fn later_facts_do_not_count_at_an_earlier_moment() {
    let story = TestConversation::new(Media::Voice)
        .visit(0, 5.0, Some(20.0))
        .agent(0, 20.0, Some(60.0))
        .with(|p| p.start = t(15.0))
        .customer_gone(60.0);
    let conversations = [story];
    let at = |secs: f64| {
        let answer = truth(&conversations, &TruthQuery::default(), secs).1;
        let (live, all) = (&answer["totals"], &answer["all_queues"]["totals"]);
        let n = |v: &Value| v.as_u64().unwrap();
        (
            [
                n(&live["active_conversations"]),
                n(&live["waiting"]),
                n(&live["interacting"]),
            ],
            [n(&all["offered"]), n(&all["answered"]), n(&all["handled"])],
        )
    };
    assert_eq!(at(4.0), ([0, 0, 0], [0, 0, 0]), "before the queue nobody sees it");
    assert_eq!(at(16.0), ([1, 1, 0], [1, 0, 0]));
    assert_eq!(at(20.0), ([1, 0, 1], [1, 1, 0]));
    assert_eq!(at(60.0), ([0, 0, 0], [1, 1, 1]));
    let (world, answer) = truth(&conversations, &TruthQuery::default(), 16.0);
    let queue = &answer["queues"][world.queues[0].id.to_string()];
    assert_eq!(queue["longest_wait_secs"], 11.0);
    assert_eq!(queue["by_media"]["voice"]["waiting"], 1);
    assert_eq!(queue["by_media"]["email"], Value::Null);
}

#[test]
fn since_leaves_out_ended_conversations_and_queue_those_of_other_queues() {
    let story = |queue: usize, end: f64| {
        let mut story = TestConversation::new(Media::Voice)
            .visit(queue, 0.0, Some(end))
            .customer_gone(end);
        story.0.periods[0].end = Some(t(end));
        story
    };
    let conversations = [story(0, 10.0), story(0, 20.0), story(1, 30.0)];
    let counted = |query: &TruthQuery| {
        let answer = truth(&conversations, query, 60.0).1;
        answer["all_queues"]["totals"]["abandoned"].as_u64().unwrap()
    };
    let since = TruthQuery {
        since_ms: Some(t(10.0)),
        ..TruthQuery::default()
    };
    assert_eq!(counted(&TruthQuery::default()), 3);
    assert_eq!(counted(&since), 2);
    let world = truth(&[], &TruthQuery::default(), 0.0).0;
    let queues = vec![world.queues[1].id.to_string().to_uppercase()];
    assert_eq!(counted(&TruthQuery { queues, ..since }), 1);
}

#[test]
fn periods_are_written_in_their_short_form() {
    assert_eq!(
        [10_000, 60_000, 1_800_000, 5_400_000].map(period),
        ["PT10S", "PT1M", "PT30M", "PT1H30M"]
    );
}

/// The service's own observations count as section "Now" of `docs/numbers.md` does, at every moment.
#[test]
fn observations_agree_with_the_truth() {
    let options = Options {
        queues: 3,
        agents: 20,
        seed: 9,
        ..Options::default()
    };
    let world = Arc::new(World::build(&options, T0));
    let mut centre = Centre::new(&options, Arc::clone(&world), T0);
    let mut most = [0; 2];
    for step in 1..=600 {
        centre.advance(T0 + step * 7_777);
        let truth = Value::from(number(&world, centre.open(), &TruthQuery::default(), centre.now()).0);
        for (queue, present) in world.queues.iter().zip(observations::present(&centre)) {
            for media in ALL_MEDIA {
                let here = &present[media.index()];
                let live = &truth["queues"][queue.id.to_string()]["by_media"][media.analytics_name()];
                let n = |name: &str| live[name].as_u64().unwrap_or(0) as usize;
                let (truth, observed) = (
                    [n("waiting"), n("interacting")],
                    [here.waiting.len(), here.interacting.len()],
                );
                assert_eq!(observed, truth, "{} {media:?}, step {step}", queue.name);
                most = [most[0].max(truth[0]), most[1].max(truth[1])];
            }
        }
    }
    assert!(most[0] > 2 && most[1] > 2, "{most:?}");
}

mod stays;
