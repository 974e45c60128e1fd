//! Begin, end, queue and medium of the stays of one participant, and how several communications share them.
//!
//! In: single participants, times in seconds · Out: asserted stays · Thread: any (tests only).

use super::*;
use crate::Id;
use crate::event::facts::{AfterCallWork, Communication, ConversationFacts, Participant, Wrapups};
use crate::model::testing::{
    at, communication, conversation, lasting, name_of, participant, stamped, state, stays, work,
};

mod after_call;

/// Of a voice call on queue Q that was connected, and is over if it has an end.
fn call(id: &str, from: i64, to: Option<i64>) -> Communication {
    lasting(MediaKind::Voice, id, "Q", from, to)
}

fn on(queue: &str, communication: Communication) -> Communication {
    Communication {
        queue: stamped(0, Id::new(queue)),
        ..communication
    }
}

fn of_kind(kind: MediaKind, communication: Communication) -> Communication {
    Communication { kind, ..communication }
}

fn in_state(state: CommunicationState, communication: Communication) -> Communication {
    Communication {
        state: stamped(0, state),
        ..communication
    }
}

fn agent(communications: Vec<Communication>) -> Participant {
    Participant {
        communications,
        ..participant("g", Purpose::Agent)
    }
}

fn with_own_times(connected: Option<i64>, ended: Option<i64>, mut p: Participant) -> Participant {
    (p.connected, p.ended) = (connected.map(at), ended.map(at));
    p
}

fn secs(moment: Moment) -> i64 {
    moment.millis_since(at(0)) / 1000
}

/// Begin and end of each stay in seconds, while the conversation goes on.
fn presence(p: &Participant) -> Vec<(i64, Option<i64>)> {
    let stays = stays(p, None);
    stays
        .iter()
        .map(|stay| (secs(stay.begin), stay.end.map(secs)))
        .collect()
}

fn queues(p: &Participant) -> Vec<String> {
    let stays = stays(p, None);
    let name = |stay: &Stay| stay.queue.map(name_of).unwrap_or_default();
    stays.iter().map(name).collect()
}

#[test]
fn a_communication_lasts_from_its_connected_to_its_disconnected_time() {
    assert_eq!(presence(&agent(vec![call("a", 5, None)])), [(5, None)]);
    assert_eq!(presence(&agent(vec![call("a", 5, Some(9))])), [(5, Some(9))]);
}

#[test]
fn one_that_is_scheduled_or_was_never_connected_has_not_begun() {
    let scheduled = in_state(CommunicationState::Scheduled, call("a", 5, None));
    assert!(presence(&agent(vec![scheduled.clone()])).is_empty());
    let alerting = in_state(CommunicationState::Alerting, communication("b", MediaKind::Voice));
    assert!(presence(&agent(vec![alerting.clone()])).is_empty());
    let third = call("c", 7, None);
    assert_eq!(presence(&agent(vec![scheduled, alerting, third])), [(7, None)]);
}

#[test]
fn overlapping_communications_on_the_same_queue_are_one_stay() {
    let callback = of_kind(MediaKind::Callback, call("a", 5, Some(30)));
    let calls_back = agent(vec![call("b", 10, Some(40)), callback]);
    assert_eq!(presence(&calls_back), [(5, Some(40))]);
    let chain = vec![call("a", 5, Some(12)), call("b", 10, Some(22)), call("c", 20, Some(30))];
    assert_eq!(presence(&agent(chain)), [(5, Some(30))]);
    let inside = vec![call("a", 5, Some(40)), call("b", 10, Some(20)), call("c", 30, Some(35))];
    assert_eq!(presence(&agent(inside)), [(5, Some(40))]);
    let open = vec![call("a", 5, None), call("b", 10, Some(20))];
    assert_eq!(presence(&agent(open)), [(5, None)]);
}

#[test]
fn one_that_connects_when_all_earlier_ones_have_ended_begins_a_new_stay() {
    let again = vec![call("b", 60, None), call("a", 5, Some(20))];
    assert_eq!(presence(&agent(again)), [(5, Some(20)), (60, None)]);
    let at_once = vec![call("a", 5, Some(20)), call("b", 20, Some(30))];
    assert_eq!(presence(&agent(at_once)), [(5, Some(20)), (20, Some(30))]);
    let missed = Communication {
        connected: None,
        ..call("a", 0, Some(4))
    };
    assert_eq!(presence(&agent(vec![missed, call("b", 9, None)])), [(9, None)]);
}

#[test]
fn another_queue_begins_a_new_stay_even_during_an_earlier_one() {
    let p = agent(vec![
        call("a", 5, Some(100)),
        on("R", call("b", 10, Some(20))),
        call("c", 15, Some(30)),
        on("R", call("d", 18, Some(40))),
    ]);
    assert_eq!(presence(&p), [(5, Some(100)), (10, Some(40))]);
    assert_eq!(queues(&p), ["q", "r"]);
}

#[test]
fn the_own_connected_time_begins_the_first_stay_if_it_is_earlier() {
    let calls = || agent(vec![call("a", 10, Some(20)), call("b", 60, None)]);
    let with = |connected| presence(&with_own_times(Some(connected), None, calls()));
    assert_eq!(with(3), [(3, Some(20)), (60, None)]);
    assert_eq!(with(12), [(10, Some(20)), (60, None)]);
    assert_eq!(with(70), [(10, Some(20)), (60, None)]);
}

#[test]
fn the_own_connected_time_begins_nothing_while_all_communications_are_scheduled() {
    let scheduled = |id: &str| in_state(CommunicationState::Scheduled, communication(id, MediaKind::Callback));
    let waits = with_own_times(Some(3), None, agent(vec![scheduled("a"), scheduled("b")]));
    assert!(presence(&waits).is_empty());
    let mut begun = waits;
    begun.communications.push(communication("c", MediaKind::Voice));
    assert_eq!(presence(&begun), [(3, None)]);
}

#[test]
fn own_times_alone_make_one_stay() {
    let nothing = agent(Vec::new());
    assert_eq!(
        presence(&with_own_times(Some(5), Some(9), nothing.clone())),
        [(5, Some(9))]
    );
    assert_eq!(presence(&with_own_times(Some(5), None, nothing.clone())), [(5, None)]);
    assert_eq!(
        presence(&with_own_times(Some(5), Some(5), nothing.clone())),
        [(5, Some(5))]
    );
    assert!(presence(&with_own_times(None, Some(9), nothing)).is_empty());
    let silent = agent(vec![in_state(
        CommunicationState::Disconnected,
        communication("a", MediaKind::Email),
    )]);
    assert_eq!(presence(&with_own_times(Some(5), Some(9), silent)), [(5, Some(9))]);
}

#[test]
fn the_own_end_ends_every_stay_that_began_before_it_and_goes_on() {
    let two = || agent(vec![call("a", 5, None), on("R", call("b", 20, None))]);
    assert_eq!(
        presence(&with_own_times(None, Some(30), two())),
        [(5, Some(30)), (20, Some(30))]
    );
    assert_eq!(
        presence(&with_own_times(None, Some(20), two())),
        [(5, Some(20)), (20, None)],
        "of several stays one that began at the end goes on"
    );
    let one = |ended| presence(&with_own_times(None, Some(ended), agent(vec![call("a", 5, None)])));
    assert_eq!(one(5), [(5, Some(5))], "the only one may begin at it");
    assert_eq!(one(4), [(5, None)]);
}

#[test]
fn of_the_last_disconnected_time_and_the_own_end_the_earlier_counts_if_it_is_not_before_the_begin() {
    let one = |ended| presence(&with_own_times(None, Some(ended), agent(vec![call("a", 5, Some(20))])));
    assert_eq!(one(30), [(5, Some(20))]);
    assert_eq!(one(12), [(5, Some(12))]);
    assert_eq!(one(5), [(5, Some(5))]);
    assert_eq!(one(4), [(5, Some(20))]);
    let later = agent(vec![call("a", 5, Some(20)), call("b", 60, Some(90))]);
    assert_eq!(
        presence(&with_own_times(None, Some(20), later)),
        [(5, Some(20)), (60, Some(90))]
    );
}

#[test]
fn a_disconnected_time_counts_only_in_an_ended_state() {
    for (state, end) in [
        (CommunicationState::Connected, None),
        (CommunicationState::Parked, None),
        (CommunicationState::Alerting, None),
        (CommunicationState::Other, None),
        (CommunicationState::Disconnected, Some(9)),
        (CommunicationState::Terminated, Some(9)),
    ] {
        let p = agent(vec![in_state(state, call("a", 5, Some(9)))]);
        assert_eq!(presence(&p), [(5, end)], "{state:?}");
    }
}

#[test]
fn one_that_is_terminated_without_a_time_ended_with_its_conversation() {
    let terminated = in_state(CommunicationState::Terminated, call("a", 5, None));
    let p = agent(vec![terminated]);
    let ends = |end| stays(&p, end)[0].end;
    assert_eq!(ends(None), None);
    assert_eq!(ends(Some(at(50))), Some(at(50)));
    assert_eq!(ends(Some(at(4))), None, "a conversation does not end before it");

    let mut facts = conversation(vec![
        p.clone(),
        with_own_times(Some(0), Some(40), participant("c", Purpose::Customer)),
    ]);
    assert_eq!(state(&facts).end(), Some(at(40)), "everybody is gone: the latest end");
    facts.ended = Some(at(41));
    assert_eq!(state(&facts).end(), Some(at(41)), "REST's word");
    let open = with_own_times(Some(0), None, participant("c", Purpose::Customer));
    assert_eq!(state(&conversation(vec![p.clone(), open])).end(), None);
    let own_end = with_own_times(None, Some(30), p);
    assert_eq!(presence(&own_end), [(5, Some(30))]);
}

#[test]
fn the_queue_is_that_of_the_newest_event_that_showed_the_communication_open() {
    let told = |secs, queue: &str, open: bool| {
        let mut m = call("a", 5, (!open).then_some(secs));
        m.queue = stamped(secs, Id::new(queue)).filter(|_| open);
        m.oldest_queue = stamped(secs, Id::new(queue));
        let mut p = agent(vec![m]);
        p.queue = stamped(secs, Id::new(queue));
        conversation(vec![p])
    };
    let of = |events: &[ConversationFacts]| {
        let join = |order: &mut dyn Iterator<Item = &ConversationFacts>| {
            let mut joined = ConversationFacts::nothing_of(events[0].id.clone());
            for event in order {
                joined.join(event);
            }
            queues(&joined.participants[0]).remove(0)
        };
        let (forwards, backwards) = (join(&mut events.iter()), join(&mut events.iter().rev()));
        assert_eq!(forwards, backwards);
        forwards
    };
    assert_eq!(of(&[told(5, "Q", true), told(9, "R", true), told(20, "S", false)]), "r");
    assert_eq!(
        of(&[told(9, "R", false), told(20, "S", false)]),
        "r",
        "never seen open: the oldest event"
    );
}

#[test]
fn without_a_queue_of_its_own_a_communication_is_on_that_of_the_participant() {
    let mut p = agent(vec![Communication {
        queue: None,
        ..call("a", 5, None)
    }]);
    assert_eq!(queues(&p), [""]);
    p.queue = stamped(0, Id::new("P"));
    assert_eq!(queues(&p), ["p"]);
    let mut own = with_own_times(Some(5), None, agent(Vec::new()));
    own.queue = stamped(0, Id::new("P"));
    assert_eq!(queues(&own), ["p"]);
}

#[test]
fn the_medium_is_that_of_the_communication_that_began_the_stay() {
    let media = |p: &Participant| stays(p, None).iter().map(|stay| stay.media).collect::<Vec<_>>();
    let p = agent(vec![
        call("v", 10, Some(30)),
        of_kind(MediaKind::Message, call("m", 5, Some(20))),
        of_kind(MediaKind::Email, call("e", 60, None)),
    ]);
    assert_eq!(media(&p), [Some(MediaKind::Message), Some(MediaKind::Email)]);
    assert_eq!(
        media(&with_own_times(Some(1), None, p))[0],
        Some(MediaKind::Message),
        "its own time begins the stay of its first communication"
    );
    let together = agent(vec![
        call("v", 5, None),
        of_kind(MediaKind::Callback, call("c", 5, None)),
    ]);
    assert_eq!(media(&together), [Some(MediaKind::Callback)]);
    assert_eq!(media(&with_own_times(Some(1), None, agent(Vec::new()))), [None]);
}

#[test]
fn who_was_there_and_who_goes_on() {
    let p = agent(vec![call("a", 5, Some(20)), call("b", 60, None)]);
    let stays = stays(&p, None);
    let there = |n: usize, secs| stays[n].was_there_at(at(secs));
    assert_eq!(
        [there(0, 4), there(0, 5), there(0, 20), there(0, 21)],
        [false, true, true, false]
    );
    assert!(there(1, 1_000) && !there(1, 59));
    assert!(stays[0].goes_on_after(at(19)) && !stays[0].goes_on_after(at(20)));
    assert!(stays[1].goes_on_after(at(1_000)));
    let state = state(&conversation(vec![p.clone()]));
    let places = [0, 1].map(|n| stay_of(state.told(0), n, None));
    assert_eq!(places, [Some(0), Some(1)]);
}
