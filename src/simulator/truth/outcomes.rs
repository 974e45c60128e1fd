//! Counts one conversation by the definitions of `docs/numbers.md`, from the centre's own facts.
//!
//! In: facts of one conversation · Out: outcomes with queue and time, and what is going on at the end of the facts ·
//! Thread: any (pure).

use crate::base::order::Ordered as _;
use crate::simulator::centre::facts::{Conversation, Disconnect, Participant, Purpose, Stay};
use crate::simulator::when::Ms;
use crate::simulator::world::Media;

/// An agent answered a visit if connected at most this long after its end.
const HAND_OVER_MS: Ms = 5_000;
/// The same while the customer has been there all the time.
const LATE_HAND_OVER_MS: Ms = 60_000;
/// Who goes on with a conversation comes at most this long after visit and customer have left.
const GOES_ON_MS: Ms = 5_000;
/// A customer side that comes at most this long before or after the end of a visit belongs to it.
const NEAR_MS: Ms = 5_000;
/// After-call work that does not begin within this time is no longer expected.
const EXPECTED_FOR_MS: Ms = 600_000;

/// Something that counts, with the time that decides in which window it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    pub queue: usize,
    pub media: Media,
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
    pub media: Media,
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

/// A stay in a queue that waits for an agent.
struct Visit<'a> {
    /// The index of the participant.
    who: usize,
    stay: &'a Stay,
    queue: usize,
    entered: Ms,
    left: Option<Ms>,
    /// When the same queue was entered again.
    again: Option<Ms>,
}

/// Counts a conversation, of which all facts had happened by `as_of`.
pub(super) fn of_conversation(c: &Conversation, as_of: Ms) -> Counted {
    let mut counted = Counted::default();
    let visits = visits(c);
    let last_entered = visits.iter().map(|v| v.entered).max();
    counted.active = c
        .stays()
        .any(|(who, _, s)| s.is_talking() && is_customer_side(c, who, last_entered));
    for visit in &visits {
        count_visit(c, visit, &mut counted);
    }
    for (who, p, stay) in c.stays() {
        if let Some(queue) = stay.queue.filter(|_| is_agent(c, who, p)) {
            count_work(stay, queue, as_of, &mut counted);
        }
    }
    counted
}

/// In the order in which they entered.
fn visits(c: &Conversation) -> Vec<Visit<'_>> {
    let mut list: Vec<Visit<'_>> = c
        .stays()
        .filter(|(_, p, _)| p.purpose == Purpose::Acd)
        .filter_map(|(who, _, stay)| {
            Some(Visit {
                who,
                stay,
                queue: stay.queue?,
                entered: stay.connected?,
                left: stay.end,
                again: None,
            })
        })
        .collect();
    list.order_by_key(|one| one.entered);
    for i in 0..list.len() {
        let (queue, later) = (list[i].queue, i + 1);
        list[i].again = list[later..].iter().find(|v| v.queue == queue).map(|v| v.entered);
    }
    list
}

/// Whether a participant is on the customer's side: of a visit that was entered at this time, or of none.
fn is_customer_side(c: &Conversation, who: usize, entered: Option<Ms>) -> bool {
    let any = |purpose| c.participants.iter().any(|p| p.purpose == purpose);
    let p = &c.participants[who];
    let came_before = || p.connected().zip(entered).is_some_and(|(at, entered)| at < entered);
    match p.purpose {
        Purpose::Customer => true,
        Purpose::External => !any(Purpose::Customer) || came_before(),
        Purpose::User | Purpose::Agent => {
            !any(Purpose::Customer) && !any(Purpose::External) && Some(who) == first_inside(c)
        }
        _ => false,
    }
}

/// The colleague who was there first and does not listen in.
fn first_inside(c: &Conversation) -> Option<usize> {
    let inside = |who: &usize| c.participants[*who].is_internal() && !c.participants[*who].listens_in();
    (0..c.participants.len())
        .filter(inside)
        .filter_map(|who| {
            let p = &c.participants[who];
            Some((p.connected()?, p.purpose == Purpose::Agent, p.id.to_string(), who))
        })
        .min()
        .map(|(.., who)| who)
}

fn is_agent(c: &Conversation, who: usize, p: &Participant) -> bool {
    p.is_internal() && !p.listens_in() && !is_customer_side(c, who, None)
}

/// Whether a stay had begun by then and had not ended before.
fn was_there(s: &Stay, at: Ms) -> bool {
    s.connected.is_some_and(|began| began <= at) && s.end.is_none_or(|end| end >= at)
}

fn count_visit(c: &Conversation, visit: &Visit<'_>, counted: &mut Counted) {
    let (queue, media) = (visit.queue, visit.stay.media);
    let mut count = |at, kind| counted.outcomes.push(Outcome { queue, media, at, kind });
    count(visit.entered, Kind::Offered);
    let theirs: Vec<&Stay> = c
        .stays()
        .filter(|(who, ..)| is_customer_side(c, *who, Some(visit.entered)))
        .map(|(.., s)| s)
        .collect();
    let goes_on_at = |s: &Stay, at: Ms| s.connected.is_some() && s.end.is_none_or(|end| end > at);
    let in_time = |at: Ms| {
        let after_left = |left: Ms| {
            let stayed = || theirs.iter().any(|s| was_there(s, left) && goes_on_at(s, at));
            at <= left + HAND_OVER_MS || (at <= left + LATE_HAND_OVER_MS && stayed())
        };
        at >= visit.entered && visit.again.is_none_or(|again| at < again) && visit.left.is_none_or(after_left)
    };
    let answered = c
        .stays()
        .filter(|(who, p, s)| is_agent(c, *who, p) && s.queue == Some(queue))
        .filter_map(|(.., s)| s.connected)
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
            media,
            what: Activity::Waiting { since: visit.entered },
        });
    };
    if flows_out(c, visit, left, &theirs) {
        return count(left, Kind::FlowOut);
    }
    let is_still_there = |s: &&Stay| {
        let near = s.connected.is_some_and(|began| (began - left).abs() <= NEAR_MS);
        s.is_talking() && (was_there(s, left) || near)
    };
    if !theirs.iter().any(is_still_there) {
        count(
            left,
            Kind::Abandoned {
                wait: left - visit.entered,
            },
        );
    }
}

/// Whether the conversation went on elsewhere after a visit that nobody answered; `theirs` are the customer side's stays.
fn flows_out(c: &Conversation, visit: &Visit<'_>, left: Ms, theirs: &[&Stay]) -> bool {
    let gone = theirs
        .iter()
        .filter(|s| was_there(s, left))
        .try_fold(left, |last, s| Some(last.max(s.end?)));
    let in_time = |began: Ms| began >= visit.entered && gone.is_none_or(|gone| began <= gone + GOES_ON_MS);
    let takes_over = c.stays().any(|(who, p, s)| {
        let agent_here = is_agent(c, who, p) && s.queue == Some(visit.queue);
        who != visit.who
            && !agent_here
            && !p.listens_in()
            && !is_customer_side(c, who, Some(visit.entered))
            && s.connected.is_some_and(in_time)
            && s.end.is_none_or(|end| end > left)
    });
    let calls_back = || {
        c.stays().any(|(_, _, s)| {
            let scheduled = s.scheduled_for.map(|_| s.start);
            let after = |at: Option<Ms>| at.is_some_and(|at| at >= visit.entered);
            s.media == Media::Callback && (after(scheduled) || after(s.connected))
        })
    };
    takes_over || (visit.stay.media != Media::Callback && calls_back())
}

/// Counts an agent's stay.
fn count_work(stay: &Stay, queue: usize, as_of: Ms, counted: &mut Counted) {
    let (media, after) = (stay.media, &stay.after_call);
    let Some(connected) = stay.connected else { return };
    let mut ongoing = |what| counted.ongoing.push(Ongoing { queue, media, what });
    let Some(end) = stay.end else {
        return ongoing(Activity::Interacting);
    };
    let is_expected = after.expected && !after.skipped && after.start.is_none() && after.code.is_none();
    let is_due = is_expected && as_of < end + EXPECTED_FOR_MS;
    // Work that may be left out is not announced as pending.
    if after.is_open() || (is_due && !after.optional) {
        return ongoing(Activity::AfterCallWork);
    }
    if is_due {
        return;
    }
    let span = after.start.zip(after.end).map_or(0, |(start, end)| end - start);
    counted.outcomes.push(Outcome {
        queue,
        media,
        at: after.end.map_or(end, |done| done.max(end)),
        kind: Kind::Handled(Handled {
            time: end - connected + span,
            held: stay.held_ms(end),
            transferred: matches!(
                stay.disconnect,
                Some(Disconnect::Transfer | Disconnect::ConsultTransfer | Disconnect::ConferenceTransfer)
            ),
            wrapped_up: after.code.is_some() || after.end.is_some(),
        }),
    });
}
