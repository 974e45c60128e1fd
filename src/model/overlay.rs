//! What the stream said, completed by what REST said: times from the stream stand, REST fills in what is missing.
//!
//! In: the join of the stream's facts, the join of REST's · Out: the whole, number of differences · Thread: any (pure).
//!
//! Both are joins and the result is a function of the two, so the order of arrival does not matter. REST fills in times,
//! identities (purpose, queue, user) and communications that the stream did not give. Of values that only move on
//! (`disconnectType`, state of after-call work) the later stamp wins. If REST says that no after-call work comes
//! (`conversationEnd` without a wrap-up segment), this overrides "expected" from the stream, unless after-call work was
//! seen.

use std::collections::HashMap;

use crate::event::facts::{AcwState, Communication, ConversationFacts, Participant, Stamped};
use crate::{Id, Moment};

/// More participants are searched through an index.
const LINEAR_SEARCH_AT_MOST: usize = 32;

/// Completes `stream` with `rest`. Returns how many times differ: of each participant connected and end time, start and
/// end of after-call work.
pub(crate) fn overlay(stream: &mut ConversationFacts, rest: &ConversationFacts) -> u64 {
    let known = stream.participants.len();
    let index: Option<HashMap<Id, usize>> = (known > LINEAR_SEARCH_AT_MOST).then(|| {
        let participants = stream.participants.iter().enumerate();
        participants.map(|(at, p)| (p.id.clone(), at)).collect()
    });
    let mut differences = 0;
    for of_rest in &rest.participants {
        let at = match &index {
            Some(index) => index.get(&of_rest.id).copied(),
            None => stream.participants[..known].iter().position(|p| p.id == of_rest.id),
        };
        match at {
            Some(at) => differences += complete(&mut stream.participants[at], of_rest),
            None => stream.participants.push(of_rest.clone()),
        }
    }
    differences
}

fn complete(p: &mut Participant, rest: &Participant) -> u64 {
    let (connected, ended) = (p.connected_at(), p.ended_at());
    let pairs = [
        (connected, rest.connected_at()),
        (ended, rest.ended_at()),
        (p.acw_started, rest.acw_started),
        (p.acw_ended, rest.acw_ended),
    ];
    let differs = |(stream, rest): &&(Option<Moment>, Option<Moment>)| {
        stream.zip(*rest).is_some_and(|(stream, rest)| stream != rest)
    };
    let differences = pairs.iter().filter(differs).count() as u64;

    if connected.is_none() {
        p.connected = rest.connected_at();
    }
    if ended.is_none() {
        p.ended = rest.ended_at();
    }
    p.acw_started = p.acw_started.or(rest.acw_started);
    p.acw_ended = p.acw_ended.or(rest.acw_ended);
    p.purpose = p.purpose.or(rest.purpose);
    fill(&mut p.queue, &rest.queue);
    fill(&mut p.user, &rest.user);
    p.wrapup_coded |= rest.wrapup_coded;
    p.listens_in |= rest.listens_in;
    complete_communications(&mut p.communications, &rest.communications);
    match rest.wrapup_expected {
        Some(never @ Stamped { value: false, .. }) => no_after_call_work(p, never),
        expected => p.wrapup_expected = p.wrapup_expected.or(expected),
    }
    differences
}

/// Communications that only REST knows have no state, so they complete the most similar one of the stream instead of
/// being added.
fn complete_communications(stream: &mut Vec<Communication>, rest: &[Communication]) {
    if stream.is_empty() {
        stream.extend_from_slice(rest);
        return;
    }
    for of_rest in rest {
        let same = stream.iter().position(|c| c.kind == of_rest.kind && c.id == of_rest.id);
        let alike = stream.iter().position(|c| c.kind == of_rest.kind);
        let communication = &mut stream[same.or(alike).unwrap_or(0)];
        // Ordered by stamp, then value.
        communication.disconnect = communication.disconnect.max(of_rest.disconnect);
        communication.acw_state = communication.acw_state.max(of_rest.acw_state);
    }
}

fn no_after_call_work(p: &mut Participant, never: Stamped<bool>) {
    let is_pending = |c: &Communication| c.acw_state.is_some_and(|s| s.value == AcwState::Pending);
    let pending_since = |c: &Communication| c.acw_state.is_some_and(|s| is_pending(c) && s.at > never.at);
    if p.acw_started.is_some() || p.acw_ended.is_some() || p.communications.iter().any(pending_since) {
        return;
    }
    p.wrapup_expected = Some(never);
    for communication in p.communications.iter_mut().filter(|c| is_pending(c)) {
        communication.acw_state = Some(Stamped {
            at: never.at,
            value: AcwState::NotApplicable,
        });
    }
}

fn fill(mine: &mut Option<Stamped<Id>>, theirs: &Option<Stamped<Id>>) {
    if mine.is_none() {
        mine.clone_from(theirs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::facts::{CommunicationState, DisconnectKind, MediaKind, Purpose};
    use crate::model::testing::{at, communication, participant, stamped};

    fn agent(connected: Option<i64>, ended: Option<i64>) -> Participant {
        let mut p = participant("agent", Purpose::Agent);
        p.connected = connected.map(at);
        p.ended = ended.map(at);
        p
    }

    fn overlaid(stream: Participant, rest: Participant) -> (Participant, u64) {
        let of = |p| ConversationFacts {
            id: Id::new("c"),
            participants: vec![p],
        };
        let mut whole = of(stream);
        let drift = overlay(&mut whole, &of(rest));
        assert_eq!(whole.participants.len(), 1);
        (whole.participants.remove(0), drift)
    }

    #[test]
    fn the_stream_stands_and_a_difference_is_drift() {
        let mut stream = agent(Some(10), None);
        stream.acw_started = Some(at(21));
        let mut rest = agent(Some(11), Some(20));
        rest.acw_started = Some(at(20));
        rest.acw_ended = Some(at(25));
        let (whole, drift) = overlaid(stream.clone(), rest.clone());
        assert_eq!((whole.connected, whole.ended), (Some(at(10)), Some(at(20))));
        assert_eq!((whole.acw_started, whole.acw_ended), (Some(at(21)), Some(at(25))));
        assert_eq!(drift, 2);
        rest.connected = Some(at(10));
        rest.acw_started = Some(at(21));
        assert_eq!(overlaid(stream, rest).1, 0);
    }

    #[test]
    fn a_time_that_the_stream_gave_by_a_medium_stands_too() {
        let mut stream = agent(None, None);
        let mut m = communication("m", MediaKind::Voice);
        m.connected = Some(at(9));
        m.disconnected = Some(at(19));
        m.state = stamped(19, CommunicationState::Disconnected);
        stream.communications.push(m);
        let mut rest = agent(Some(10), Some(20));
        rest.communications.push(communication("another", MediaKind::Voice));
        let (whole, drift) = overlaid(stream, rest);
        assert_eq!((whole.connected_at(), whole.ended_at()), (Some(at(9)), Some(at(19))));
        assert_eq!((whole.communications.len(), drift), (1, 2));
    }

    #[test]
    fn what_only_rest_knows_is_added() {
        let mut whole = ConversationFacts::nothing_of(Id::new("c"));
        let mut rest = whole.clone();
        rest.participants.push(agent(Some(1), None));
        assert_eq!(overlay(&mut whole, &rest), 0);
        assert_eq!(whole, rest);
        let mut stream = agent(None, None);
        stream.purpose = None;
        let mut of_rest = agent(None, None);
        of_rest.queue = stamped(1, Id::new("Q"));
        of_rest.user = stamped(1, Id::new("U"));
        of_rest.wrapup_coded = true;
        of_rest.communications.push(communication("m", MediaKind::Voice));
        let (whole, _) = overlaid(stream, of_rest.clone());
        assert_eq!(whole, of_rest);
    }

    #[test]
    fn values_that_move_on_go_by_their_stamps() {
        let with = |stamp, kind, state| {
            let mut p = agent(None, None);
            let mut m = communication("m", MediaKind::Voice);
            m.disconnect = stamped(stamp, kind);
            m.acw_state = stamped(stamp, state);
            p.communications.push(m);
            p
        };
        let old = with(1, DisconnectKind::Plain, AcwState::Pending);
        let new = with(2, DisconnectKind::Transfer, AcwState::Skipped);
        assert_eq!(overlaid(old.clone(), new.clone()).0, new);
        assert_eq!(overlaid(new.clone(), old).0, new);
    }

    #[test]
    fn no_after_call_work_in_the_end_holds_against_expected_but_not_against_seen() {
        let mut expecting = agent(Some(1), Some(9));
        expecting.wrapup_expected = stamped(20, true);
        let mut m = communication("m", MediaKind::Voice);
        m.acw_state = stamped(10, AcwState::Pending);
        expecting.communications.push(m);
        let mut rest = agent(Some(1), Some(9));
        rest.wrapup_expected = stamped(12, false);
        let (whole, _) = overlaid(expecting.clone(), rest.clone());
        assert_eq!(whole.wrapup_expected.map(|e| e.value), Some(false));
        assert!(!whole.in_after_call_work());
        expecting.communications[0].acw_state = stamped(13, AcwState::Pending);
        let (whole, _) = overlaid(expecting.clone(), rest.clone());
        assert!(whole.in_after_call_work(), "seen later than REST's word");
        expecting.communications.clear();
        expecting.acw_started = Some(at(9));
        let (whole, _) = overlaid(expecting, rest.clone());
        assert_eq!(whole.wrapup_expected.map(|e| e.value), Some(true));
        rest.wrapup_expected = stamped(12, true);
        let (whole, _) = overlaid(agent(None, None), rest);
        assert_eq!(whole.wrapup_expected.map(|e| e.value), Some(true));
    }

    #[test]
    fn long_lists_are_completed_like_short_ones() {
        let many = |ended: Option<i64>| ConversationFacts {
            id: Id::new("c"),
            participants: (0..100)
                .map(|n| {
                    let mut p = participant(&format!("p{n}"), Purpose::Other);
                    p.ended = ended.map(at);
                    p
                })
                .collect(),
        };
        let mut whole = many(None);
        assert_eq!(overlay(&mut whole, &many(Some(3))), 0);
        assert_eq!(whole, many(Some(3)));
        assert_eq!(overlay(&mut whole, &many(Some(4))), 100);
    }
}
