//! Times of the stream stand, REST fills in the others.
//!
//! In: one participant as the stream and as REST tell it · Out: asserted wholes · Thread: any (tests only).

use super::*;
use crate::event::facts::{AcwState, DisconnectKind, Purpose};
use crate::model::stays::Work;
use crate::model::testing::{at, communication, conversation, name_of, participant, stamped, stays, work};

fn agent(communications: Vec<Communication>) -> Participant {
    Participant {
        communications,
        ..participant("agent", Purpose::Agent)
    }
}

/// A call that was connected, and over if it has an end; in seconds.
fn call(id: &str, connected: Option<i64>, disconnected: Option<i64>) -> Communication {
    let state = match disconnected {
        Some(_) => CommunicationState::Disconnected,
        None => CommunicationState::Connected,
    };
    Communication {
        connected: connected.map(at),
        disconnected: disconnected.map(at),
        state: stamped(disconnected.or(connected).unwrap_or(0), state),
        ..communication(id, MediaKind::Voice)
    }
}

/// The whole, and the number of differences.
fn overlaid(stream: Participant, rest: Participant) -> (Participant, u64) {
    let mut whole = conversation(vec![stream]);
    let differences = overlay(&mut whole, &conversation(vec![rest]));
    assert_eq!(whole.participants.len(), 1);
    (whole.participants.remove(0), differences)
}

fn times(p: &Participant) -> Vec<(Option<Moment>, Option<Moment>)> {
    p.communications.iter().map(|c| (c.connected, c.disconnected)).collect()
}

/// Begin and end of each stay in seconds.
fn presence(p: &Participant) -> Vec<(i64, Option<i64>)> {
    let secs = |moment: Moment| moment.millis_since(at(0)) / 1000;
    let stays = stays(p, None);
    stays
        .iter()
        .map(|stay| (secs(stay.begin), stay.end.map(secs)))
        .collect()
}

#[test]
fn the_stream_stands_and_each_difference_counts() {
    let mut stream = agent(vec![call("m", Some(10), None)]);
    stream.after_call_work = vec![work(21, None)];
    let mut session = call("m", Some(11), Some(20));
    (session.acw_started, session.acw_ended) = (Some(at(20)), Some(at(25)));
    let (whole, differences) = overlaid(stream.clone(), agent(vec![session.clone()]));
    assert_eq!(times(&whole), [(Some(at(10)), Some(at(20)))]);
    let Work { started, ended, .. } = stays(&whole, None)[0].after_call_work;
    assert_eq!((started, ended), (Some(at(21)), Some(at(25))));
    assert_eq!(differences, 2, "connected, and the start of after-call work");

    session.connected = Some(at(10));
    session.acw_started = Some(at(21));
    assert_eq!(overlaid(stream.clone(), agent(vec![session.clone()])).1, 0);

    stream.communications = vec![call("m", Some(10), Some(19))];
    stream.after_call_work = vec![work(21, Some(24))];
    let (whole, differences) = overlaid(stream, agent(vec![session]));
    assert_eq!(differences, 2, "both ends");
    assert_eq!(times(&whole), [(Some(at(10)), Some(at(19)))]);
    assert_eq!(stays(&whole, None)[0].after_call_work.ended, Some(at(24)));
}

#[test]
fn a_session_that_was_over_before_the_only_communication_began_is_another_one() {
    let (before, after) = (call("first", Some(1), Some(10)), call("second", Some(30), None));
    for (stream, rest) in [(&after, &before), (&before, &after)] {
        let (whole, differences) = overlaid(agent(vec![stream.clone()]), agent(vec![rest.clone()]));
        let mut all = times(&whole);
        all.sort_unstable();
        assert_eq!(all, [(Some(at(1)), Some(at(10))), (Some(at(30)), None)]);
        assert_eq!(differences, 0);
    }
}

#[test]
fn after_call_work_that_the_stream_told_of_a_communication_stands() {
    let mut told = call("m", Some(1), Some(20));
    (told.acw_started, told.acw_ended) = (Some(at(20)), Some(at(30)));
    let mut session = told.clone();
    (session.acw_started, session.acw_ended) = (Some(at(21)), Some(at(32)));
    let (whole, differences) = overlaid(agent(vec![told.clone()]), agent(vec![session]));
    assert_eq!(differences, 2);
    assert_eq!(whole.communications, [told]);
}

#[test]
fn work_of_one_stay_does_not_differ_from_that_of_another() {
    let mut stream = agent(vec![call("a", Some(5), Some(20)), call("b", Some(60), Some(80))]);
    // The end of the first was not heard.
    stream.after_call_work = vec![work(20, None), work(80, Some(95))];
    let session = |id, from: (i64, i64), acw: (i64, i64)| Communication {
        acw_started: Some(at(acw.0)),
        acw_ended: Some(at(acw.1)),
        ..call(id, Some(from.0), Some(from.1))
    };
    let rest = |second| agent(vec![session("b", (60, 80), second), session("a", (5, 20), (20, 30))]);
    let (whole, differences) = overlaid(stream.clone(), rest((80, 95)));
    assert_eq!(differences, 0);
    let ends: Vec<_> = stays(&whole, None)
        .iter()
        .map(|stay| stay.after_call_work.ended)
        .collect();
    assert_eq!(ends, [Some(at(30)), Some(at(95))]);
    assert_eq!(overlaid(stream, rest((81, 96))).1, 2);
}

#[test]
fn each_time_of_after_call_work_differs_once_though_two_sessions_tell_it() {
    let session = |id, kind| Communication {
        kind,
        acw_started: Some(at(21)),
        acw_ended: Some(at(31)),
        ..call(id, Some(5), Some(20))
    };
    let mut stream = agent(vec![call("a", Some(5), Some(20))]);
    stream.after_call_work = vec![work(20, Some(30))];
    let rest = agent(vec![session("a", MediaKind::Voice), session("b", MediaKind::Callback)]);
    assert_eq!(overlaid(stream, rest).1, 2);
}

/// An agent who talked and later missed an alert, of which the stream told the alert only.
#[test]
fn the_own_end_with_a_missed_alert_is_no_end_of_an_earlier_session() {
    let missed = Communication {
        connected: None,
        ..call("b", None, Some(90))
    };
    let mut stream = agent(vec![missed.clone()]);
    stream.ended = Some(at(90));
    let rest = agent(vec![call("a", Some(5), Some(20)), missed]);
    let (whole, differences) = overlaid(stream, rest);
    assert_eq!((presence(&whole), differences), (vec![(5, Some(20))], 0));
}

#[test]
fn own_times_of_a_participant_stand_against_those_of_its_first_and_last_session() {
    let mut stream = agent(Vec::new());
    (stream.connected, stream.ended) = (Some(at(9)), Some(at(41)));
    let rest = agent(vec![call("s2", Some(30), Some(40)), call("s1", Some(10), Some(20))]);
    let (whole, differences) = overlaid(stream.clone(), rest);
    assert_eq!(presence(&whole), [(9, Some(20)), (30, Some(41))]);
    assert_eq!(differences, 2);
    let same = agent(vec![call("s1", Some(9), Some(41))]);
    assert_eq!(overlaid(stream, same).1, 0);
}

#[test]
fn a_session_is_the_communication_with_its_id() {
    let stream = agent(vec![call("a", Some(10), None), call("b", Some(30), None)]);
    let rest = agent(vec![call("b", Some(31), Some(40)), call("a", Some(11), Some(20))]);
    let (whole, differences) = overlaid(stream, rest);
    assert_eq!(
        times(&whole),
        [(Some(at(10)), Some(at(20))), (Some(at(30)), Some(at(40)))]
    );
    assert_eq!(differences, 2);
}

#[test]
fn of_sessions_with_other_ids_the_one_that_connected_at_the_same_time_or_the_only_one_is_taken() {
    let stream = || agent(vec![call("a", Some(10), None), call("b", Some(30), None)]);
    let rest = agent(vec![call("s2", Some(30), Some(40)), call("s1", Some(10), Some(20))]);
    let (whole, differences) = overlaid(stream(), rest);
    assert_eq!(
        times(&whole),
        [(Some(at(10)), Some(at(20))), (Some(at(30)), Some(at(40)))]
    );
    assert_eq!(differences, 0);

    let one_left = agent(vec![call("a", Some(10), Some(20)), call("s", Some(31), Some(40))]);
    let (whole, differences) = overlaid(stream(), one_left);
    assert_eq!((whole.communications.len(), differences), (2, 1));
    assert_eq!(times(&whole)[1], (Some(at(30)), Some(at(40))));

    let another_medium = Communication {
        kind: MediaKind::Email,
        ..call("s", Some(31), Some(40))
    };
    let (whole, differences) = overlaid(agent(vec![call("a", Some(10), None)]), agent(vec![another_medium]));
    assert_eq!((whole.communications.len(), differences), (2, 0));
}

#[test]
fn a_stay_that_only_rest_knows_is_added() {
    let stream = agent(vec![call("a", Some(10), Some(20))]);
    let rest = agent(vec![call("a", Some(10), Some(20)), call("b", Some(100), Some(130))]);
    let (whole, differences) = overlaid(stream, rest);
    assert_eq!(presence(&whole), [(10, Some(20)), (100, Some(130))]);
    assert_eq!(differences, 0);
}

#[test]
fn what_only_rest_knows_is_added() {
    let mut whole = ConversationFacts::nothing_of(Id::new("c"));
    let mut rest = conversation(vec![agent(vec![call("m", Some(1), None)])]);
    rest.ended = Some(at(9));
    assert_eq!(overlay(&mut whole, &rest), 0);
    assert_eq!(whole, rest);

    let mut stream = agent(vec![communication("m", MediaKind::Voice)]);
    stream.purpose = None;
    let mut session = call("m", Some(1), Some(3));
    session.queue = stamped(3, Id::new("Q"));
    session.wrapup_coded = true;
    session.scheduled = Some(at(0));
    let mut of_rest = agent(vec![session]);
    of_rest.queue = stamped(1, Id::new("Q"));
    of_rest.user = stamped(1, Id::new("U"));
    assert_eq!(overlaid(stream, of_rest.clone()), (of_rest, 0));
}

#[test]
fn the_queue_of_rest_stands_before_the_oldest_of_the_stream_and_after_its_newest_open_one() {
    let on = |open: Option<&str>| {
        let mut told = call("m", Some(10), Some(20));
        told.queue = open.and_then(|queue| stamped(12, Id::new(queue)));
        told.oldest_queue = stamped(11, Id::new("oldest"));
        let mut session = call("m", Some(10), Some(20));
        session.queue = stamped(20, Id::new("of rest"));
        let (whole, _) = overlaid(agent(vec![told]), agent(vec![session]));
        stays(&whole, None)[0].queue.map(name_of)
    };
    assert_eq!(on(Some("open")), Some("open".to_owned()));
    assert_eq!(on(None), Some("of rest".to_owned()));
}

#[test]
fn rest_begins_what_the_stream_saw_scheduled_and_ends_what_the_stream_saw_open() {
    let mut scheduled = communication("m", MediaKind::Callback);
    scheduled.state = stamped(5, CommunicationState::Scheduled);
    let session = |disconnected| Communication {
        kind: MediaKind::Callback,
        ..call("m", Some(30), disconnected)
    };
    let (whole, _) = overlaid(agent(vec![scheduled.clone()]), agent(vec![session(None)]));
    assert_eq!(presence(&whole), [(30, None)]);
    let (whole, _) = overlaid(agent(vec![scheduled]), agent(vec![session(Some(50))]));
    assert_eq!(presence(&whole), [(30, Some(50))]);

    let mut open = call("m", Some(10), None);
    open.disconnected = Some(at(15));
    let (whole, differences) = overlaid(agent(vec![open]), agent(vec![call("m", Some(10), Some(20))]));
    assert_eq!(presence(&whole), [(10, Some(20))]);
    assert_eq!(differences, 0, "the end of an open call is none");
}

#[test]
fn values_that_move_on_go_by_their_stamps() {
    let with = |stamp, kind, state| {
        let mut m = communication("m", MediaKind::Voice);
        m.disconnect = stamped(stamp, kind);
        m.acw_state = stamped(stamp, state);
        agent(vec![m])
    };
    let old = with(1, DisconnectKind::Plain, AcwState::Pending);
    let new = with(2, DisconnectKind::Transfer, AcwState::Skipped);
    assert_eq!(overlaid(old.clone(), new.clone()).0, new);
    assert_eq!(overlaid(new.clone(), old).0, new);
    let listens = |stamp, listens| Participant {
        listens_in: stamped(stamp, std::cmp::Reverse(listens)),
        ..agent(Vec::new())
    };
    let taken_over = overlaid(listens(1, true), listens(2, false)).0;
    assert!(!taken_over.is_listening());
    assert!(overlaid(listens(2, true), listens(1, false)).0.is_listening());
}

#[test]
fn long_lists_are_completed_like_short_ones() {
    let many = |ended: Option<i64>| {
        let one = |n| Participant {
            communications: vec![call("m", Some(1), ended)],
            ..participant(&format!("p{n}"), Purpose::Other)
        };
        conversation((0..100).map(one).collect())
    };
    let mut whole = many(None);
    assert_eq!(overlay(&mut whole, &many(Some(3))), 0);
    assert_eq!(whole, many(Some(3)));
    assert_eq!(overlay(&mut whole, &many(Some(4))), 100);
}
