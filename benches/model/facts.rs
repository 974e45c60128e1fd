//! Conversations of a made-up contact centre, the same every time.
//!
//! In: a conversation's number, when it began · Out: its facts at three points of its life · Thread: main.

use std::cmp::Reverse;
use std::time::Duration;

use genesys_stream::{
    AfterCallWork, Communication, CommunicationState, ConversationFacts, Id, MediaKind, Moment, Participant, Purpose,
    Stamped, Wrapups,
};

/// Queues of the contact centre.
pub(crate) const QUEUES: u64 = 20;
const START_MS: i64 = 1_777_903_500_000;

pub(crate) fn at(secs: i64) -> Moment {
    Moment::from_epoch_ms(START_MS + secs * 1000)
}

/// Looks like chance, and is the same every time.
pub(crate) fn uuid(kind: u64, n: u64) -> Id {
    let mut rng = fastrand::Rng::with_seed(kind << 40 | n);
    let (a, b) = (rng.u64(..), rng.u64(..));
    Id::new(&format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xffff,
        b >> 48,
        b & 0xffff_ffff_ffff
    ))
}

/// Customer, menu, queue.
pub(crate) fn arriving(n: u64, began: i64) -> ConversationFacts {
    let queue = Some(uuid(1, n % QUEUES));
    ConversationFacts {
        id: uuid(2, n),
        ended: None,
        participants: vec![
            participant(n, 0, Purpose::Customer, None, began, None),
            participant(n, 1, Purpose::Other, None, began, Some(began + 5)),
            participant(n, 2, Purpose::Acd, queue, began + 5, None),
        ],
    }
}

/// Customer, menu, queue, a missed alert, an agent.
pub(crate) fn talking(n: u64, began: i64) -> ConversationFacts {
    let answered = began + 10 + (n % 50) as i64;
    let queue = Some(uuid(1, n % QUEUES));
    let mut missed = participant(n, 3, Purpose::Agent, queue.clone(), began + 6, Some(began + 9));
    missed.connected = None;
    missed.communications[0].connected = None;
    ConversationFacts {
        id: uuid(2, n),
        ended: None,
        participants: vec![
            participant(n, 0, Purpose::Customer, None, began, None),
            participant(n, 1, Purpose::Other, None, began, Some(began + 5)),
            participant(n, 2, Purpose::Acd, queue.clone(), began + 5, Some(answered)),
            missed,
            participant(n, 4, Purpose::Agent, queue, answered, None),
        ],
    }
}

/// The same, ended and wrapped up.
pub(crate) fn over(n: u64, began: i64) -> ConversationFacts {
    let mut facts = talking(n, began);
    let ended = at(began + 200 + (n % 97) as i64);
    for p in facts.participants.iter_mut().filter(|p| p.ended.is_none()) {
        p.ended = Some(ended);
        p.communications[0].disconnected = Some(ended);
        p.communications[0].state = stamped(ended, CommunicationState::Terminated);
    }
    let agent = &mut facts.participants[4];
    let work_ended = ended.plus(Duration::from_secs(20));
    agent.after_call_work = vec![AfterCallWork {
        started: Some(ended),
        ended: Some(work_ended),
    }];
    agent.wrapups.timed = vec![work_ended];
    facts
}

fn stamped<T>(at: Moment, value: T) -> Option<Stamped<T>> {
    Some(Stamped { at, value })
}

fn participant(n: u64, place: u64, purpose: Purpose, queue: Option<Id>, from: i64, to: Option<i64>) -> Participant {
    let stamp = at(from);
    let (connected, ended) = (Some(at(from)), to.map(at));
    let is_agent = purpose == Purpose::Agent;
    let state = if ended.is_some() {
        CommunicationState::Terminated
    } else {
        CommunicationState::Connected
    };
    let told = queue.map(|value| Stamped { at: stamp, value });
    Participant {
        id: uuid(10 + place, n),
        connected,
        ended,
        after_call_work: Vec::new(),
        purpose: stamped(stamp, purpose),
        queue: told.clone(),
        user: is_agent.then(|| Stamped {
            at: stamp,
            value: uuid(3, n % 500),
        }),
        wrapup_expected: is_agent.then_some(Stamped {
            at: stamp,
            value: Reverse(true),
        }),
        wrapup_required: is_agent.then_some(Stamped {
            at: stamp,
            value: Reverse(true),
        }),
        wrapups: Wrapups::default(),
        listens_in: stamped(stamp, Reverse(false)),
        communications: vec![Communication {
            kind: MediaKind::Voice,
            id: uuid(20 + place, n),
            connected,
            disconnected: ended,
            state: stamped(stamp, state),
            queue: told.clone().filter(|_| ended.is_none()),
            oldest_queue: told.clone(),
            scheduled: None,
            disconnect: None,
            acw_required: None,
            acw_state: None,
            acw_started: None,
            acw_ended: None,
            wrapup_coded: false,
            hold_started: None,
            hold_over: None,
        }],
    }
}
