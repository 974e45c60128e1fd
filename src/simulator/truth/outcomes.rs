//! Counts one conversation by the definitions of `docs/numbers.md`, from the centre's own facts.
//!
//! In: facts of one conversation · Out: outcomes with queue and time, and what is going on at the end of the facts ·
//! Thread: any (pure).

use crate::simulator::centre::facts::{Conversation, Disconnect, Participant, Purpose};
use crate::simulator::when::Ms;

/// An agent answered a visit if connected at most this long after its end.
const HAND_OVER_MS: Ms = 5_000;

/// Something that counts, with the time that decides in which window it counts.
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

/// What an agent has finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Handled {
    /// Connected plus after-call work.
    pub time: Ms,
    pub held: Ms,
    pub transferred: bool,
    pub wrapped_up: bool,
}

/// Something that is going on at the end of the facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ongoing {
    pub queue: usize,
    pub what: Activity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    Waiting { since: Ms },
    Interacting,
    AfterCallWork,
}

/// Everything that one conversation counts for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
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

pub(super) fn of_conversation(c: &Conversation) -> Counted {
    let mut counted = Counted {
        // Without a customer, an external participant is the customer's side.
        active: c
            .participants
            .iter()
            .any(|p| is_customer_side(c, p, None) && p.is_talking()),
        ..Counted::default()
    };
    for visit in visits(c) {
        count_visit(c, &visit, &mut counted);
    }
    for p in &c.participants {
        let Some(queue) = p.queue.filter(|&q| is_agent_of(p, q)) else {
            continue;
        };
        count_work(p, queue, &mut counted);
    }
    counted
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
    p.is_internal() && p.queue == Some(queue)
}

/// Whether a participant is on the customer's side: of the visit that was entered at this time, or of the whole
/// conversation if there is no time.
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

fn count_visit(c: &Conversation, visit: &Visit, counted: &mut Counted) {
    let queue = visit.queue;
    let mut count = |at, kind| counted.outcomes.push(Outcome { queue, at, kind });
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
        return counted.ongoing.push(Ongoing {
            queue,
            what: Activity::Waiting { since: visit.entered },
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

fn count_work(p: &Participant, queue: usize, counted: &mut Counted) {
    let Some(connected) = p.connected else { return };
    let after = &p.after_call;
    let Some(end) = p.end else {
        return counted.ongoing.push(Ongoing {
            queue,
            what: Activity::Interacting,
        });
    };
    let due = after.expected && !after.skipped && after.end.is_none() && after.code.is_none();
    if due || after.is_open() {
        return counted.ongoing.push(Ongoing {
            queue,
            what: Activity::AfterCallWork,
        });
    }
    let span = after.start.zip(after.end).map_or(0, |(start, end)| end - start);
    counted.outcomes.push(Outcome {
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
