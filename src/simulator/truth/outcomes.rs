//! What one conversation counts for, by the definitions of `docs/numbers.md` and the centre's own facts.
//!
//! In: facts of one conversation · Out: dated outcomes by queue, and what goes on at the end of the facts · Thread: any; pure.

use crate::simulator::centre::facts::{Conversation, Disconnect, Participant, Purpose};
use crate::simulator::when::Ms;

/// An agent who is connected so much later than the visit's end still answered it.
const HAND_OVER_MS: Ms = 5_000;

/// Something that counts, dated by the moment whose window it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    pub queue: usize,
    pub at: Ms,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Offered,
    Answered { wait: Ms },
    Abandoned { wait: Ms },
    FlowOut,
    Handled(Handled),
}

/// An agent's finished part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Handled {
    /// Connected plus after-call work.
    pub time: Ms,
    pub held: Ms,
    pub transferred: bool,
    pub wrapped_up: bool,
}

/// Something that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ongoing {
    pub queue: usize,
    pub what: Doing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Waiting { since: Ms },
    Interacting,
    AfterCallWork,
}

/// All that one conversation counts for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    pub outcomes: Vec<Outcome>,
    pub ongoing: Vec<Ongoing>,
    /// A customer side is connected and has not ended.
    pub active: bool,
}

/// One stay in a queue.
struct Visit {
    queue: usize,
    entered: Ms,
    left: Option<Ms>,
    /// When the same queue was entered again.
    again: Option<Ms>,
}

pub(super) fn account(c: &Conversation) -> Account {
    let mut account = Account {
        // Whoever is outside and was there from the start is on the customer's side as well.
        active: c
            .participants
            .iter()
            .any(|p| is_customer_side(c, p, None) && p.is_talking()),
        ..Account::default()
    };
    for visit in visits(c) {
        judge(c, &visit, &mut account);
    }
    for p in &c.participants {
        let Some(queue) = p.queue.filter(|&q| is_agent_of(p, q)) else {
            continue;
        };
        work(p, queue, &mut account);
    }
    account
}

fn visits(c: &Conversation) -> Vec<Visit> {
    let mut list: Vec<Visit> = c
        .participants
        .iter()
        .filter(|p| p.purpose == Purpose::Acd)
        .filter_map(|p| {
            Some(Visit {
                queue: p.queue?,
                entered: p.connected?,
                left: p.end,
                again: None,
            })
        })
        .collect();
    list.sort_by_key(|one| one.entered);
    for i in 0..list.len() {
        let (queue, later) = (list[i].queue, i + 1);
        list[i].again = list[later..].iter().find(|v| v.queue == queue).map(|v| v.entered);
    }
    list
}

fn is_agent_of(p: &Participant, queue: usize) -> bool {
    p.is_person_of_ours() && p.queue == Some(queue)
}

/// With the time at which a visit was entered, for that visit; without one, for the conversation.
fn is_customer_side(c: &Conversation, p: &Participant, entered: Option<Ms>) -> bool {
    match p.purpose {
        Purpose::Customer => true,
        Purpose::External => {
            c.participants.iter().all(|p| p.purpose != Purpose::Customer)
                || entered.is_some_and(|entered| p.connected.is_some_and(|at| at < entered))
        }
        _ => false,
    }
}

fn judge(c: &Conversation, visit: &Visit, account: &mut Account) {
    let queue = visit.queue;
    let mut count = |at, kind| account.outcomes.push(Outcome { queue, at, kind });
    count(visit.entered, Kind::Offered);
    let in_time = |at: Ms| {
        at >= visit.entered
            && visit.again.is_none_or(|again| at < again)
            && visit.left.is_none_or(|left| at <= left + HAND_OVER_MS)
    };
    let answered = c
        .participants
        .iter()
        .filter(|p| is_agent_of(p, queue))
        .filter_map(|p| p.connected)
        .filter(|&at| in_time(at))
        .min();
    if let Some(at) = answered {
        return count(
            at,
            Kind::Answered {
                wait: at - visit.entered,
            },
        );
    }
    let Some(left) = visit.left else {
        return account.ongoing.push(Ongoing {
            queue,
            what: Doing::Waiting { since: visit.entered },
        });
    };
    let (ours, theirs): (Vec<_>, Vec<_>) = c
        .participants
        .iter()
        .partition(|p| !is_customer_side(c, p, Some(visit.entered)));
    let goes_on = ours.iter().any(|p| {
        !is_agent_of(p, queue)
            && p.connected.is_some_and(|at| at >= visit.entered)
            && p.end.is_none_or(|end| end > left)
    });
    if goes_on {
        count(left, Kind::FlowOut);
    } else if theirs.iter().all(|p| p.end.is_some()) {
        count(
            left,
            Kind::Abandoned {
                wait: left - visit.entered,
            },
        );
    }
}

fn work(p: &Participant, queue: usize, account: &mut Account) {
    let Some(connected) = p.connected else { return };
    let after = &p.after_call;
    let Some(end) = p.end else {
        return account.ongoing.push(Ongoing {
            queue,
            what: Doing::Interacting,
        });
    };
    let due = after.expected && !after.skipped && after.end.is_none() && after.code.is_none();
    if due || after.is_open() {
        return account.ongoing.push(Ongoing {
            queue,
            what: Doing::AfterCallWork,
        });
    }
    let span = after.start.zip(after.end).map_or(0, |(start, end)| end - start);
    account.outcomes.push(Outcome {
        queue,
        at: after.end.map_or(end, |done| done.max(end)),
        kind: Kind::Handled(Handled {
            time: end - connected + span,
            held: p.held_ms(end),
            transferred: matches!(
                p.disconnect,
                Some(Disconnect::Transfer | Disconnect::ConsultTransfer | Disconnect::ConferenceTransfer)
            ),
            wrapped_up: after.code.is_some() || after.end.is_some(),
        }),
    });
}
