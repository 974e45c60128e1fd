//! Several stays in one conversation: the same agent again, callbacks, monitors, threads, colleagues who call.
//!
//! In: hand-written facts · Out: assertions · Thread: the test's.

use super::*;
use crate::simulator::centre::facts::{CallBack, Monitoring};

/// Live numbers and totals of all queues, those that are not zero or null.
fn all_at(story: &TestConversation, secs: f64) -> Value {
    let answer = truth(&[TestConversation(story.0.clone())], &TruthQuery::default(), secs).1;
    let parts = [&answer["totals"], &answer["all_queues"]["totals"]];
    let kept = parts
        .iter()
        .flat_map(|part| part.as_object().unwrap())
        .filter(|(name, v)| v.as_f64().is_some_and(|n| n != 0.0) && *name != "service_level_percent");
    kept.map(|(k, v)| (k.clone(), v.clone())).collect::<Map<_, _>>().into()
}

fn worked(from: f64, to: f64) -> AfterCall {
    AfterCall {
        expected: true,
        start: Some(t(from)),
        end: Some(t(to)),
        ..AfterCall::default()
    }
}

/// A stay of an agent who moves the conversation on, with after-call work.
fn moves_on(stay: &mut Stay, work: (f64, f64)) {
    stay.disconnect = Some(Disconnect::Transfer);
    stay.after_call = worked(work.0, work.1);
}

#[test]
fn one_agent_three_times_on_two_queues() {
    let story = |as_one: bool| {
        let story = TestConversation::new(Media::Message)
            .visit(0, 10.0, Some(13.01))
            .visit(1, 41.0, Some(52.01))
            .visit(0, 82.0, Some(90.02))
            .agent(0, 13.0, Some(40.0))
            .with(|s| moves_on(s, (40.0, 45.0)));
        let next = |story: TestConversation, queue, from, to| match as_one {
            true => story.again(4, Some(queue), from, Some(to)),
            false => story.agent(queue, from, Some(to)),
        };
        let story = next(story, 1, 52.0, 80.0).with(|s| moves_on(s, (80.0, 84.0)));
        next(story, 0, 90.0, 120.0)
            .with(|s| s.after_call = worked(120.0, 130.0))
            .customer_gone(120.0)
    };
    for as_one in [true, false] {
        // Waits of 3 s and 8 s; handled 27 s + 5 s and 30 s + 10 s.
        assert_eq!(
            totals(&[story(as_one)], 0),
            json!({"offered": 2, "answered": 2, "handled": 2, "transferred": 1, "wrapups": 2,
                "service_level_percent": 100.0, "average_wait_secs": 5.5, "average_speed_of_answer_secs": 5.5,
                "average_handle_secs": 36.0})
        );
        assert_eq!(
            totals(&[story(as_one)], 1),
            json!({"offered": 1, "answered": 1, "handled": 1, "transferred": 1, "wrapups": 1,
                "service_level_percent": 100.0, "average_wait_secs": 11.0, "average_speed_of_answer_secs": 11.0,
                "average_handle_secs": 32.0})
        );
        assert_eq!(all_at(&story(as_one), 60.0)["interacting"], 1);
        assert_eq!(all_at(&story(as_one), 42.0)["after_call_work"], 1);
    }
}

#[test]
fn a_late_answer_counts_while_the_customer_waits_for_it() {
    let story = |at: f64, gone: f64| {
        let story = TestConversation::new(Media::Voice).visit(0, 0.0, Some(10.0));
        totals(&[story.agent(0, at, Some(95.0)).customer_gone(gone)], 0)
    };
    assert_eq!(story(18.0, 95.0)["answered"], 1);
    assert_eq!(story(18.0, 95.0)["average_speed_of_answer_secs"], 18.0);
    assert_eq!(story(70.0, 95.0)["answered"], 1);
    // Too late, or the customer has gone: the agent handles what was abandoned.
    for (at, gone) in [(70.001, 95.0), (18.0, 15.0)] {
        let all = story(at, gone);
        assert_eq!(
            (&all["answered"], &all["abandoned"], &all["handled"]),
            (&Value::Null, &json!(1), &json!(1))
        );
        assert_eq!(all["average_wait_secs"], 10.0);
    }
    let undecided = TestConversation::new(Media::Voice).visit(0, 0.0, Some(10.0));
    assert_eq!(
        all_at(&undecided, 30.0),
        json!({"active_conversations": 1, "offered": 1})
    );
}

#[test]
fn who_leaves_the_queue_for_a_callback_flows_out() {
    let callback = |stay: &mut Stay, connected: f64| {
        stay.media = Media::Callback;
        stay.scheduled_for = Some(t(400.0));
        stay.start = t(20.0);
        stay.connected = Some(t(connected));
    };
    let story = TestConversation::new(Media::Voice)
        .visit(0, 0.0, Some(20.0))
        .customer_gone(20.0)
        .again(0, Some(0), 400.0, Some(450.0))
        .visit(0, 400.0, Some(410.0))
        .with(|s| callback(s, 400.0))
        .agent(0, 410.0, Some(450.0))
        .with(|s| {
            s.media = Media::Callback;
            s.call_back = Some(CallBack {
                communication: Id(9),
                start: t(412.0),
                connected: Some(t(418.0)),
                end: Some(t(449.0)),
            });
        });
    let mut story = story;
    callback(story.0.participants[0].stay_mut(), 400.0);
    assert_eq!(all_at(&story, 100.0), json!({"offered": 1, "flow_out": 1}));
    assert_eq!(
        all_at(&story, 405.0),
        json!({"active_conversations": 1, "waiting": 1, "offered": 2, "flow_out": 1})
    );
    assert_eq!(
        all_at(&story, 420.0)["interacting"],
        1,
        "one stay, although two communications"
    );
    let (world, answer) = truth(&[TestConversation(story.0.clone())], &TruthQuery::default(), 500.0);
    let media = &answer["queues"][world.queues[0].id.to_string()]["by_media"];
    assert_eq!(media["voice"]["totals"]["flow_out"], 1);
    let back = &media["callback"]["totals"];
    assert_eq!(
        (&back["offered"], &back["answered"], &back["handled"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(
        (&back["average_wait_secs"], &back["average_handle_secs"]),
        (&json!(10.0), &json!(40.0))
    );
    // A callback that nobody answers is no flow-out to itself.
    story.0.participants.retain(|p| p.purpose != Purpose::Agent);
    story.0.participants[0].stay_mut().end = Some(t(410.0));
    assert_eq!(
        all_at(&story, 500.0),
        json!({"offered": 2, "flow_out": 1, "abandoned": 1, "average_wait_secs": 10.0})
    );
}

#[test]
fn a_callback_for_tomorrow_has_not_begun() {
    let mut story = TestConversation::new(Media::Callback).visit(0, 0.0, None);
    for p in &mut story.0.participants {
        p.stay_mut().connected = None;
        p.stay_mut().scheduled_for = Some(t(86_400.0));
    }
    assert_eq!(all_at(&story, 3600.0), json!({}));
}

#[test]
fn a_monitor_works_only_after_the_takeover() {
    let story = TestConversation::new(Media::Voice)
        .visit(0, 0.0, Some(5.0))
        .agent(0, 5.0, Some(40.0))
        .with(|s| s.disconnect = Some(Disconnect::Transfer));
    let mut story = TestConversation(story.0).customer_gone(60.0);
    story.join(Purpose::User, Some(0), 20.0, Some(60.0));
    story.0.participants[3].monitoring = Some(Monitoring {
        whom: 2,
        until: Some(t(40.0)),
    });
    let interacting = |secs: f64| all_at(&story, secs)["interacting"].clone();
    assert_eq!((interacting(30.0), interacting(50.0)), (json!(1), json!(1)));
    // 35 s, and 40 s from the begin of the monitoring.
    let all = all_at(&story, 60.0);
    assert_eq!(
        (&all["handled"], &all["average_handle_secs"]),
        (&json!(2), &json!(37.5))
    );
    assert_eq!((&all["answered"], &all["transferred"]), (&json!(1), &json!(1)));
    story.0.participants[3].monitoring = Some(Monitoring { whom: 2, until: None });
    let all = all_at(&story, 60.0);
    assert_eq!(
        (&all["handled"], &all["average_handle_secs"]),
        (&json!(1), &json!(35.0))
    );
}

#[test]
fn a_thread_that_goes_on_after_days() {
    let days = 3.0 * 86_400.0;
    let mut story = TestConversation::new(Media::Email)
        .visit(0, 0.0, Some(20.0))
        .customer_gone(20.0)
        .again(0, Some(0), days, Some(days + 50.0))
        .visit(0, days, Some(days + 15.0))
        .agent(0, days + 15.0, Some(days + 50.0));
    story.0.periods = vec![
        Span {
            start: T0,
            end: Some(t(20.0)),
        },
        Span {
            start: t(days),
            end: Some(t(days + 50.0)),
        },
    ];
    let abandoned = json!({"offered": 1, "abandoned": 1, "average_wait_secs": 20.0});
    assert_eq!(all_at(&story, 100.0), abandoned);
    // The new visit does not make the old one a flow-out, and the old one stays abandoned.
    assert_eq!(
        all_at(&story, days + 10.0),
        json!({"active_conversations": 1, "waiting": 1, "offered": 2, "abandoned": 1, "average_wait_secs": 20.0})
    );
    let all = all_at(&story, days + 60.0);
    assert_eq!(
        (&all["answered"], &all["abandoned"], &all["handled"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(all["average_handle_secs"], 35.0);
    let since = TruthQuery {
        since_ms: Some(t(1000.0)),
        ..TruthQuery::default()
    };
    let offered = |secs: f64| {
        truth(&[TestConversation(story.0.clone())], &since, secs).1["all_queues"]["totals"]["offered"].clone()
    };
    assert_eq!((offered(2000.0), offered(days + 1.0)), (json!(0), json!(2)));
}

#[test]
fn a_colleague_who_calls_is_the_customer_side() {
    let mut story = TestConversation::new(Media::Voice)
        .visit(0, 4.0, Some(40.0))
        .customer_gone(40.0);
    let caller = &mut story.0.participants[0];
    caller.purpose = Purpose::User;
    caller.user = Some(3);
    caller.stay_mut().queue = Some(0);
    assert_eq!(
        all_at(&story, 10.0),
        json!({"active_conversations": 1, "waiting": 1, "offered": 1})
    );
    assert_eq!(
        all_at(&story, 50.0),
        json!({"offered": 1, "abandoned": 1, "average_wait_secs": 36.0})
    );
}

#[test]
fn optional_after_call_work_is_awaited_for_ten_minutes() {
    let story = TestConversation::new(Media::Voice)
        .visit(0, 0.0, Some(1.0))
        .agent(0, 1.0, Some(60.0))
        .with(|s| {
            s.after_call = AfterCall {
                expected: true,
                optional: true,
                ..AfterCall::default()
            }
        })
        .customer_gone(60.0);
    let at = |secs: f64| {
        let all = all_at(&story, secs);
        (all["after_call_work"].clone(), all["handled"].clone())
    };
    assert_eq!(at(659.999), (Value::Null, Value::Null));
    assert_eq!(at(660.0), (Value::Null, json!(1)));
    assert_eq!(all_at(&story, 660.0)["average_handle_secs"], 59.0);
}
