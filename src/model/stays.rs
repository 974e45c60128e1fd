//! Stays: the uninterrupted presences of a participant on a queue, the unit of every number.
//!
//! In: one participant, the end of its conversation · Out: its stays in the order of their begins · Thread: any (pure).
//!
//! The rules are in `docs/numbers.md`. Where they leave something open:
//! * Communications that connect at the same time are one stay, even if one of them ended at once.
//! * A communication that was disconnected without a time ended, like one that was terminated, when its conversation did.
//! * After-call work that began after the end of other work of the same stay is not over until it has an end of its own.
//! * A wrap-up code whose time is before the end of every stay belongs to the first stay.

use std::time::Duration;

use super::queue_numbers::QueueNumber;
use super::state::{CommunicationRow, ParticipantRow, State};
use crate::Moment;
use crate::base::order::Ordered as _;
use crate::event::facts::{AcwState, CommunicationState, DisconnectKind, MediaKind, Purpose};

/// After-call work that was expected and of which there is no sign this long after the stay is expected no longer.
const WORK_EXPECTED_FOR: Duration = Duration::from_secs(600);

/// One uninterrupted presence of a participant on a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stay {
    /// None if no event tells a queue.
    pub(crate) queue: Option<QueueNumber>,
    /// The medium of the communication that began it; none if the participant has no communication.
    pub(crate) media: Option<MediaKind>,
    pub(crate) begin: Moment,
    /// None while it goes on.
    pub(crate) end: Option<Moment>,
    pub(crate) after_call_work: Work,
    /// It has a wrap-up code.
    pub(crate) is_coded: bool,
    /// One of its communications ended by a transfer.
    pub(crate) is_transferred: bool,
    told: ToldOfWork,
}

/// What the communications of a stay say of its after-call work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ToldOfWork {
    started: Option<Moment>,
    ended: Option<Moment>,
    is_pending: bool,
    is_complete: bool,
    is_settled: bool,
    is_required: bool,
}

/// After-call work of one stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) started: Option<Moment>,
    /// None if it is not over.
    pub(crate) ended: Option<Moment>,
    /// A communication says that it is pending.
    pub(crate) is_pending: bool,
    /// A communication says that it is complete.
    pub(crate) is_complete: bool,
    /// A communication says that it is complete, skipped or not applicable.
    is_settled: bool,
    /// It is expected, whatever time has passed.
    is_expected: bool,
    /// Start of the latest pair without an end.
    open_since: Option<Moment>,
}

/// A participant with its communications.
#[derive(Clone, Copy)]
pub(crate) struct Told<'a> {
    pub(crate) participant: &'a ParticipantRow,
    pub(crate) communications: &'a [CommunicationRow],
}

impl Stay {
    /// After-call work goes on, or is pending.
    pub(crate) fn is_in_work(&self) -> bool {
        self.after_call_work.is_begun() || self.after_call_work.is_pending && self.after_call_work.ended.is_none()
    }

    /// When after-call work of which there is no sign is expected no longer; none if it is not expected without a sign.
    pub(crate) fn work_expected_until(&self) -> Option<Moment> {
        let work = &self.after_call_work;
        let has_sign = work.started.is_some() || work.is_pending;
        let end = self.end.filter(|_| work.is_expected && !has_sign)?;
        Some(end.plus(WORK_EXPECTED_FOR))
    }

    /// The moment from which it counts as handled; none if it goes on, or its after-call work does or is expected.
    pub(crate) fn handled_at(&self, as_of: Moment) -> Option<Moment> {
        let end = self.end?;
        let work = &self.after_call_work;
        let is_expected = match self.work_expected_until() {
            Some(until) => as_of < until,
            None => work.is_expected,
        };
        (!work.is_begun() && !is_expected).then(|| end.max(work.ended.unwrap_or(end)))
    }

    /// Time from its begin to its end, and from the start to the end of its after-call work, in milliseconds.
    pub(crate) fn handle_ms(&self) -> u64 {
        let talk = self.end.map_or(0, |end| millis_between(self.begin, end));
        let work = self.after_call_work.started.zip(self.after_call_work.ended);
        talk + work.map_or(0, |(started, ended)| millis_between(started, ended))
    }

    /// It has a wrap-up code, or its after-call work is complete.
    pub(crate) fn is_wrapped_up(&self) -> bool {
        self.is_coded || self.after_call_work.ended.is_some() || self.after_call_work.is_complete
    }

    /// Whether it was there at a moment, its first and last one included.
    pub(crate) fn was_there_at(&self, at: Moment) -> bool {
        self.begin <= at && self.end.is_none_or(|end| end >= at)
    }

    /// Whether it has not ended by a moment.
    pub(crate) fn goes_on_after(&self, at: Moment) -> bool {
        self.end.is_none_or(|end| end > at)
    }
}

impl Work {
    /// It began and is not over.
    fn is_begun(&self) -> bool {
        self.started.is_some() && self.ended.is_none() && !self.is_settled
    }
}

impl CommunicationRow {
    /// Disconnected or terminated.
    pub(crate) fn is_over(&self) -> bool {
        matches!(
            self.state,
            Some(CommunicationState::Disconnected | CommunicationState::Terminated)
        )
    }

    fn is_scheduled(&self) -> bool {
        self.state == Some(CommunicationState::Scheduled)
    }

    /// Its connected time, unless it is still scheduled.
    pub(crate) fn begin(&self) -> Option<Moment> {
        self.connected.filter(|_| !self.is_scheduled())
    }

    fn end(&self, conversation_end: Option<Moment>) -> Option<Moment> {
        if self.is_over() {
            self.disconnected
                .or(conversation_end.filter(|end| Some(*end) >= self.connected))
        } else {
            None
        }
    }
}

impl Told<'_> {
    fn all_over(&self) -> bool {
        !self.communications.is_empty() && self.communications.iter().all(CommunicationRow::is_over)
    }

    /// Whether nothing more is expected of the participant itself; its stays may be in after-call work.
    fn is_gone(&self) -> bool {
        self.participant.ended.is_some() || self.all_over()
    }
}

impl State {
    /// What is known of the participant at a place.
    pub(crate) fn told(&self, at: usize) -> Told<'_> {
        Told {
            participant: &self.participants[at],
            communications: self.communications_of(at),
        }
    }

    /// When it ended: as REST tells, else the latest end if everybody is gone.
    pub(crate) fn end(&self) -> Option<Moment> {
        if self.ended.is_some() {
            return self.ended;
        }
        if !(0..self.participants.len()).all(|at| self.told(at).is_gone()) {
            return None;
        }
        let of_participants = self.participants.iter().filter_map(|p| p.ended);
        let of_communications = self.communications.iter().filter_map(|c| c.end(None));
        of_participants.chain(of_communications).max()
    }
}

/// Appends the stays of a participant in the order of their begins. `conversation_end` is that of [`State::end`].
pub(crate) fn stays(p: Told<'_>, conversation_end: Option<Moment>, to: &mut Vec<Stay>) {
    let first = to.len();
    from_communications(p, conversation_end, to, |_, _| {});
    if to.len() == first {
        to.extend(from_own_times(p, conversation_end));
    } else {
        apply_own_times(p, &mut to[first..]);
    }
    if matches!(p.participant.purpose, Some(Purpose::Agent | Purpose::User)) {
        add_work(p, &mut to[first..]);
    }
}

/// Of which of its participant's stays a communication is part.
pub(crate) fn stay_of(p: Told<'_>, communication: usize, conversation_end: Option<Moment>) -> Option<usize> {
    let (mut stays, mut found) = (Vec::new(), None);
    from_communications(p, conversation_end, &mut stays, |placed, stay| {
        if placed == communication {
            found = Some(stay);
        }
    });
    match stays.is_empty() {
        true => from_own_times(p, conversation_end).map(|_| 0),
        false => found,
    }
}

/// Whether nothing more is expected of a participant with these stays.
pub(crate) fn is_over(p: Told<'_>, stays: &[Stay], conversation_end: Option<Moment>, as_of: Moment) -> bool {
    let is_gone = p.is_gone() || conversation_end.is_some();
    let waits = |stay: &Stay| {
        let is_expected = stay.work_expected_until().is_some_and(|until| as_of < until);
        stay.end.is_none() || stay.is_in_work() || is_expected
    };
    is_gone && !stays.iter().any(waits)
}

/// `placed` is told of each communication to which stay of the participant it belongs.
fn from_communications(
    p: Told<'_>,
    conversation_end: Option<Moment>,
    to: &mut Vec<Stay>,
    mut placed: impl FnMut(usize, usize),
) {
    let first = to.len();
    let mut place = |n: usize, begin: Moment| {
        let communication = &p.communications[n];
        let queue = communication.queue().or(p.participant.queue);
        let own_end = p.participant.ended.filter(|ended| *ended > begin);
        let end = earlier(communication.end(conversation_end), own_end);
        let last = to[first..].iter().rposition(|stay| stay.queue == queue);
        let stay = match last.map(|at| first + at) {
            Some(at) if to[at].begin == begin || to[at].goes_on_after(begin) => {
                to[at].end = to[at].end.zip(end).map(|(a, b)| a.max(b));
                at
            }
            _ => {
                to.push(Stay {
                    end,
                    ..Stay::new(queue, begin, Some(communication.kind))
                });
                to.len() - 1
            }
        };
        to[stay].hear(communication);
        placed(n, stay - first);
    };
    if let [only] = p.communications {
        only.begin().into_iter().for_each(|begin| place(0, begin));
        return;
    }
    let begun = p.communications.iter().enumerate();
    let mut begun: Vec<(Moment, usize)> = begun.filter_map(|(n, c)| c.begin().map(|begin| (begin, n))).collect();
    begun.order_by_key(|(begin, n)| {
        let c = &p.communications[*n];
        (*begin, rank(c.kind), &c.id)
    });
    begun.into_iter().for_each(|(begin, n)| place(n, begin));
}

/// Where no communication has begun, the participant's own times make one stay.
fn from_own_times(p: Told<'_>, conversation_end: Option<Moment>) -> Option<Stay> {
    let communications = p.communications;
    if !communications.is_empty() && communications.iter().all(|c| c.is_scheduled()) {
        return None;
    }
    let begin = p.participant.connected?;
    let first = communications.iter().min_by_key(|c| (rank(c.kind), &c.id));
    let disconnected = || {
        let ends = communications.iter().filter_map(|c| c.end(conversation_end));
        ends.max().filter(|_| p.all_over())
    };
    let end = p
        .participant
        .ended
        .filter(|ended| *ended >= begin)
        .or_else(disconnected);
    let mut stay = Stay {
        end,
        ..Stay::new(p.participant.queue, begin, first.map(|c| c.kind))
    };
    communications.iter().for_each(|c| stay.hear(c));
    Some(stay)
}

impl Stay {
    fn new(queue: Option<QueueNumber>, begin: Moment, media: Option<MediaKind>) -> Self {
        Self {
            queue,
            media,
            begin,
            end: None,
            after_call_work: Work::default(),
            is_coded: false,
            is_transferred: false,
            told: ToldOfWork::default(),
        }
    }

    /// Takes what one of its communications says of after-call work, wrap-up and transfer.
    fn hear(&mut self, c: &CommunicationRow) {
        let told = &mut self.told;
        told.started = earlier(told.started, c.acw_started);
        told.ended = told.ended.max(c.acw_ended);
        told.is_pending |= c.acw_state == Some(AcwState::Pending);
        told.is_complete |= c.acw_state == Some(AcwState::Complete);
        told.is_settled |= matches!(
            c.acw_state,
            Some(AcwState::Skipped | AcwState::NotApplicable | AcwState::Complete)
        );
        told.is_required |= c.acw_required == Some(true);
        self.is_coded |= c.wrapup_coded;
        self.is_transferred |= c.disconnect == Some(DisconnectKind::Transfer);
    }
}

/// The own connected time begins the first stay; the own end time ends the stays that began before it.
fn apply_own_times(p: Told<'_>, stays: &mut [Stay]) {
    if let Some(connected) = p.participant.connected
        && let Some(first) = stays.first_mut()
    {
        first.begin = first.begin.min(connected);
    }
    let Some(ended) = p.participant.ended else { return };
    let is_only = stays.len() == 1;
    for stay in stays {
        if ended > stay.begin || ended == stay.begin && is_only {
            stay.end = earlier(stay.end, Some(ended));
        }
    }
}

/// Adds after-call work and wrap-up codes to the stays of an agent.
fn add_work(p: Told<'_>, stays: &mut [Stay]) {
    for work in p.participant.work() {
        if let Some(at) = work.started.or(work.ended)
            && let Some(stay) = ended_last_at(stays, at)
        {
            let known = &mut stay.after_call_work;
            let is_open = work.ended.is_none() && work.started > known.ended;
            known.started = earlier(known.started, work.started);
            // Pairs come in the order of their starts, so one without an end that follows reopens the work.
            known.ended = known.ended.max(work.ended).filter(|_| !is_open);
            known.open_since = work.started.filter(|_| is_open).or(known.open_since);
        }
    }
    for at in p.participant.coded_at() {
        if let Some(stay) = ended_last_at(stays, at) {
            stay.is_coded = true;
        }
    }
    let last = stays.len().saturating_sub(1);
    for (n, stay) in stays.iter_mut().enumerate() {
        let (told, work) = (&stay.told, &mut stay.after_call_work);
        work.started = work.started.or(told.started);
        let open_since = work.open_since.or(work.started);
        work.ended = work.ended.or(told.ended.filter(|ended| Some(*ended) >= open_since));
        work.is_pending = told.is_pending;
        work.is_complete = told.is_complete;
        work.is_settled = told.is_settled;
        let no_longer = work.ended.is_some() || stay.is_coded || work.is_settled;
        let of_last = p.participant.wrapup_expected.or(p.participant.wrapup_required);
        work.is_expected = !no_longer && of_last.filter(|_| n == last).unwrap_or(told.is_required);
    }
}

/// Of the stays that had ended at a moment the one that ended last, else the first.
fn ended_last_at(stays: &mut [Stay], at: Moment) -> Option<&mut Stay> {
    let ended = stays
        .iter()
        .enumerate()
        .filter(|(_, stay)| stay.end.is_some_and(|end| end <= at));
    let n = ended.max_by_key(|(n, stay)| (stay.end, *n)).map_or(0, |(n, _)| n);
    stays.get_mut(n)
}

fn earlier(a: Option<Moment>, b: Option<Moment>) -> Option<Moment> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Of communications that connect at the same time, that of the lower rank begins the stay: an agent who calls back has a
/// callback and a call, and it is a callback.
pub(super) fn rank(kind: MediaKind) -> u8 {
    match kind {
        MediaKind::Callback => 0,
        MediaKind::Voice => 1,
        MediaKind::Message => 2,
        MediaKind::Email => 3,
        MediaKind::Chat => 4,
        MediaKind::Video => 5,
        MediaKind::Other => 6,
    }
}

/// Zero if the times contradict each other.
pub(crate) fn millis_between(from: Moment, to: Moment) -> u64 {
    u64::try_from(to.millis_since(from)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
