//! What the stream said, completed by what REST said: times from the stream stand, REST fills in what is missing.
//!
//! In: the join of the stream's facts, the join of REST's · Out: the whole, number of differences · Thread: any (pure).
//!
//! Both are joins and the result is a function of the two, so the order of arrival does not matter. REST fills in times,
//! identities (purpose, queue, user) and communications that the stream did not give. Of values that only move on
//! (`disconnectType`, state of after-call work, who listens in) the later stamp wins. A session of REST is the
//! communication with its id; of communications without an id of their own (topics of one medium), or whose ids differ,
//! the one of the same medium that connected at the same time, else the only one that is left of the medium on both sides,
//! unless one of the two was over when the other began.

use std::collections::HashMap;

use crate::event::facts::{Communication, CommunicationState, ConversationFacts, MediaKind, Participant, Stamped};
use crate::{Id, Moment};

/// More participants are searched through an index.
const LINEAR_SEARCH_AT_MOST: usize = 32;

/// Completes `stream` with `rest`. Returns how many times differ: of each communication connected and disconnected time,
/// start and end of after-call work.
pub(crate) fn overlay(stream: &mut ConversationFacts, rest: &ConversationFacts) -> u64 {
    let known = stream.participants.len();
    let index: Option<HashMap<Id, usize>> = (known > LINEAR_SEARCH_AT_MOST).then(|| {
        let participants = stream.participants.iter().enumerate();
        participants.map(|(at, p)| (p.id.clone(), at)).collect()
    });
    stream.ended = stream.ended.or(rest.ended);
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
    fill(&mut p.queue, &rest.queue);
    fill(&mut p.user, &rest.user);
    // Ordered by stamp, then value.
    p.purpose = p.purpose.max(rest.purpose);
    p.listens_in = p.listens_in.max(rest.listens_in);
    let mut sessions: Vec<Communication> = rest.communications.clone();
    let mut differences = keep_own_times(p, &mut sessions);
    differences += keep_own_work(p, &sessions);
    let own = p.communications.len();
    let mut is_free = vec![true; own];
    let mut unmatched = Vec::new();
    for session in sessions {
        let same = |c: &Communication| c.id == session.id && c.kind == session.kind;
        let communications = p.communications.iter().enumerate();
        match communications.filter(|(at, _)| is_free[*at]).find(|(_, c)| same(c)) {
            Some((at, _)) => {
                is_free[at] = false;
                differences += complete_communication(&mut p.communications[at], &session);
            }
            None => unmatched.push(session),
        }
    }
    for n in 0..unmatched.len() {
        let session = &unmatched[n];
        let is_only = |kind: MediaKind, all: &[Communication]| all.iter().filter(|s| s.kind == kind).count() == 1;
        let free = || {
            p.communications[..own]
                .iter()
                .enumerate()
                .filter(|(at, _)| is_free[*at])
        };
        let alike = || free().filter(|(_, c)| c.kind == session.kind);
        let at_once = alike().find(|(_, c)| c.connected.is_some() && c.connected == session.connected);
        let only = || {
            let is_only = alike().count() == 1 && is_only(session.kind, &unmatched);
            alike().next().filter(|(_, c)| is_only && !are_apart(c, session))
        };
        match at_once.or_else(only).map(|(at, _)| at) {
            Some(at) => {
                is_free[at] = false;
                differences += complete_communication(&mut p.communications[at], session);
            }
            None => p.communications.push(session.clone()),
        }
    }
    differences
}

/// Whether one was over when the other began.
fn are_apart(a: &Communication, b: &Communication) -> bool {
    let before = |a: &Communication, b: &Communication| {
        a.disconnected
            .zip(b.connected)
            .is_some_and(|(ended, began)| ended <= began)
    };
    before(a, b) || before(b, a)
}

/// Where the stream gave the participant's own times only, they stand against those of its first and last session.
/// Returns how many differ.
fn keep_own_times(p: &Participant, sessions: &mut [Communication]) -> u64 {
    let has_begun = p.communications.iter().any(|c| c.begin().is_some());
    // Without a connected time it is the end of an alert that was missed.
    let Some(connected) = p.connected.filter(|_| !has_begun) else {
        return 0;
    };
    let mut differences = 0;
    if let Some(first) = sessions.iter_mut().min_by_key(|s| (s.connected.is_none(), s.connected))
        && first.connected.is_some_and(|at| at != connected)
    {
        differences += 1;
        first.connected = Some(connected);
    }
    if let Some(ended) = p.ended
        && let Some(last) = sessions.iter_mut().max_by_key(|s| s.connected.max(s.disconnected))
        && last.disconnected.is_some_and(|at| at != ended)
        && last.connected.is_some_and(|at| at < ended)
    {
        differences += 1;
        last.disconnected = Some(ended);
    }
    differences
}

/// After-call work of the participant stands against that of the first session whose after-call work was not over before
/// it. Returns how many of its times differ.
fn keep_own_work(p: &Participant, sessions: &[Communication]) -> u64 {
    let differences = p.after_call_work.iter().map(|work| {
        let own = work.started.or(work.ended);
        let lasted = |session: &&Communication| {
            session.acw_started.is_some() && session.acw_ended.is_none_or(|ended| own <= Some(ended))
        };
        let first = sessions.iter().filter(lasted).min_by_key(|session| session.acw_started);
        let overlapping = first.filter(|session| work.ended.is_none() || session.acw_started <= work.ended);
        overlapping.map_or(0, |session| {
            differs(work.started, session.acw_started) + differs(work.ended, session.acw_ended)
        })
    });
    differences.sum()
}

/// Returns how many times differ.
fn complete_communication(c: &mut Communication, session: &Communication) -> u64 {
    let differences = differs(c.connected, session.connected)
        + differs(c.disconnected.filter(|_| c.is_over()), session.disconnected)
        + differs(c.acw_started, session.acw_started)
        + differs(c.acw_ended, session.acw_ended);
    let is_scheduled = c
        .state
        .is_some_and(|state| state.value == CommunicationState::Scheduled);
    if is_scheduled && session.connected.is_some() || session.is_over() && !c.is_over() {
        c.state = session.state;
        c.disconnected = None;
    }
    c.connected = c.connected.or(session.connected);
    c.disconnected = c.disconnected.or(session.disconnected);
    fill(&mut c.queue, &session.queue);
    c.scheduled = c.scheduled.or(session.scheduled);
    // Ordered by stamp, then value.
    c.disconnect = c.disconnect.max(session.disconnect);
    c.acw_state = c.acw_state.max(session.acw_state);
    c.acw_started = c.acw_started.or(session.acw_started);
    c.acw_ended = c.acw_ended.or(session.acw_ended);
    c.wrapup_coded |= session.wrapup_coded;
    differences
}

/// 1 if both give a time and the times differ.
fn differs(stream: Option<Moment>, rest: Option<Moment>) -> u64 {
    u64::from(stream.zip(rest).is_some_and(|(stream, rest)| stream != rest))
}

fn fill(mine: &mut Option<Stamped<Id>>, theirs: &Option<Stamped<Id>>) {
    if mine.is_none() {
        mine.clone_from(theirs);
    }
}

#[cfg(test)]
mod tests;
