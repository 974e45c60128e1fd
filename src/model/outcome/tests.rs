//! What a conversation counts for, and builders for the tests of visits, agents and the customer side.
//!
//! In: little conversations in seconds · Out: asserted outcomes · Thread: any (tests only).

use std::cmp::Reverse;

use super::*;
use crate::Id;
use crate::event::facts::{AcwState, Communication, CommunicationState, DisconnectKind, Participant, Wrapups};
use crate::model::testing::{
    at, communication, conversation, lasting, outcome, participant, queue, stamped, state, work,
};

mod agents;
mod customer_side;
mod leaving;
mod visits;

/// A participant with its own times in seconds.
fn p(id: &str, purpose: Purpose, queue: &str, connected: Option<i64>, ended: Option<i64>) -> Participant {
    let mut p = participant(id, purpose);
    if !queue.is_empty() {
        p.queue = stamped(0, Id::new(queue));
    }
    p.connected = connected.map(at);
    p.ended = ended.map(at);
    p
}

fn customer(from: i64, to: Option<i64>) -> Participant {
    let mut p = p("customer", Purpose::Customer, "", Some(from), to);
    p.communications.push(communication("customer-call", MediaKind::Voice));
    p
}

fn acd(id: &str, queue: &str, from: i64, to: Option<i64>) -> Participant {
    p(id, Purpose::Acd, queue, Some(from), to)
}

fn agent(id: &str, queue: &str, from: i64, to: Option<i64>) -> Participant {
    p(id, Purpose::Agent, queue, Some(from), to)
}

fn call(id: &str, queue: &str, from: i64, to: Option<i64>) -> Communication {
    lasting(MediaKind::Voice, id, queue, from, to)
}

fn with_calls(id: &str, purpose: Purpose, calls: Vec<Communication>) -> Participant {
    Participant {
        communications: calls,
        ..participant(id, purpose)
    }
}

fn with_state(mut p: Participant, kind: MediaKind, state: CommunicationState) -> Participant {
    let mut m = communication(&format!("{}-{}-{}", p.id, kind.as_str(), p.communications.len()), kind);
    m.state = stamped(1, state);
    p.communications.push(m);
    p
}

/// An agent from 10 to 60 whose call says so, too.
fn ended_agent() -> Participant {
    with_state(
        agent("g", "Q", 10, Some(60)),
        MediaKind::Voice,
        CommunicationState::Disconnected,
    )
}

fn judge_at(secs: i64, participants: Vec<Participant>) -> Outcome {
    outcome(&conversation(participants), at(secs))
}

/// Less than 600 s after the end of every stay in these tests.
fn judge(participants: Vec<Participant>) -> Outcome {
    judge_at(500, participants)
}

/// Counts of one kind on a queue: moment in seconds, milliseconds.
fn of(outcome: &Outcome, queue: &str, kind: CountKind) -> Vec<(i64, u64)> {
    let number = self::queue(queue);
    let mut found: Vec<_> = outcome
        .counts
        .iter()
        .filter(|count| count.queue == number && count.kind == kind)
        .map(|count| (count.at.millis_since(at(0)) / 1000, count.millis))
        .collect();
    found.sort_unstable();
    found
}

fn now(outcome: &Outcome, queue: &str, kind: LiveKind) -> usize {
    let number = self::queue(queue);
    let is_of = |live: &&LiveCount| live.queue == number && live.kind == kind;
    outcome.live.iter().filter(is_of).count()
}

#[test]
fn a_parked_message_goes_on() {
    let mut g = with_state(
        agent("g", "Q", 10, None),
        MediaKind::Message,
        CommunicationState::Parked,
    );
    g.communications[0].disconnected = Some(at(15));
    let mut c = p("customer", Purpose::Customer, "", Some(0), None);
    c = with_state(c, MediaKind::Message, CommunicationState::Connected);
    let o = judge(vec![c, acd("a", "Q", 5, Some(10)), g]);
    assert!(o.active && !o.finished);
    assert_eq!(now(&o, "Q", LiveKind::Interacting), 1);
    assert_eq!(o.live[0].media, MediaKind::Message);
}

#[test]
fn a_scheduled_callback_waits_nowhere_and_is_not_finished() {
    for connected in [None, Some(3)] {
        let c = with_state(
            p("c", Purpose::Customer, "Q", connected, None),
            MediaKind::Callback,
            CommunicationState::Scheduled,
        );
        let o = judge(vec![c]);
        assert!(!o.active && !o.finished && o.live.is_empty() && o.counts.is_empty());
    }
}

#[test]
fn the_medium_is_that_of_the_stay_else_the_customers_and_a_callback_outranks_its_call() {
    let g = with_state(
        agent("g", "Q", 10, None),
        MediaKind::Voice,
        CommunicationState::Connected,
    );
    let g = with_state(g, MediaKind::Callback, CommunicationState::Connected);
    let mut c = p("customer", Purpose::Customer, "", Some(0), None);
    c = with_state(c, MediaKind::Email, CommunicationState::Connected);
    let o = judge(vec![c, acd("a", "Q", 5, None), acd("b", "R", 6, None), g]);
    let media = |kind| o.live.iter().find(|live| live.kind == kind).map(|live| live.media);
    assert_eq!(media(LiveKind::Interacting), Some(MediaKind::Callback));
    assert_eq!(media(LiveKind::Waiting), Some(MediaKind::Email));
    assert_eq!(judge(vec![acd("a", "Q", 5, None)]).live[0].media, MediaKind::Other);
}

#[test]
fn each_stay_counts_for_the_medium_of_the_communication_that_began_it() {
    let g = with_calls(
        "g",
        Purpose::Agent,
        vec![
            lasting(MediaKind::Message, "m", "Q", 10, Some(20)),
            call("v", "Q", 15, Some(30)),
            call("w", "Q", 40, Some(50)),
        ],
    );
    let o = judge(vec![customer(0, Some(60)), g]);
    let handled = o.counts.iter().filter(|count| count.kind == CountKind::Handled);
    // Without after-call work a stay began its handle time before it was handled.
    let begin = |count: &Count| count.at.minus(Duration::from_millis(count.millis));
    let mut media: Vec<_> = handled.map(|count| (begin(count), count.media)).collect();
    media.sort_unstable();
    assert_eq!(media, [(at(10), MediaKind::Message), (at(40), MediaKind::Voice)]);
}

#[test]
fn finished_needs_everybody_gone_and_forgives_a_missing_time() {
    let silent = with_state(
        p("x", Purpose::Agent, "Q", None, None),
        MediaKind::Voice,
        CommunicationState::Disconnected,
    );
    assert!(judge(vec![customer(0, Some(9)), silent]).finished);
    assert!(!judge(vec![customer(0, Some(9)), p("x", Purpose::Other, "", Some(1), None)]).finished);
}

#[test]
fn a_conversation_that_rest_saw_end_is_finished_whatever_became_of_its_participants() {
    let unheard = p("x", Purpose::Other, "", None, None);
    let mut facts = conversation(vec![customer(0, Some(9)), unheard]);
    assert!(!outcome(&facts, at(500)).finished);
    facts.ended = Some(at(9));
    assert!(outcome(&facts, at(500)).finished);
}

/// A participant's end before the begin of its stay does not end the stay.
#[test]
fn contradictory_times_never_give_huge_numbers() {
    let o = judge(vec![customer(0, Some(3)), acd("a", "Q", 9, Some(3))]);
    assert_eq!(now(&o, "Q", LiveKind::Waiting), 1);
    assert_eq!(o.counts.len(), 1);
    let mut g = agent("g", "Q", 5, Some(10));
    g.after_call_work = vec![work(18, Some(17))];
    let o = judge(vec![customer(0, Some(10)), g]);
    assert_eq!(of(&o, "Q", CountKind::Handled), [(17, 5_000)]);
}

/// Whoever does not count as an agent may be expected to do after-call work, too.
#[test]
fn time_finishes_what_waits_for_work_of_somebody_on_no_queue() {
    let mut nowhere = p("g", Purpose::Agent, "", Some(3), Some(60));
    nowhere.wrapup_expected = stamped(60, Reverse(true));
    let people = vec![customer(0, Some(60)), nowhere];
    let o = judge_at(659, people.clone());
    assert_eq!((o.finished, o.changes_at), (false, Some(at(660))));
    let o = judge_at(660, people);
    assert_eq!((o.finished, o.changes_at), (true, None));
}
