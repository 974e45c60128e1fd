//! Stays: the uninterrupted presences of a participant on a queue, the unit of every number.
//!
//! In: one participant, the end of its conversation · Out: its stays in the order of their begins · Thread: any (pure).
//!
//! The rules are in `docs/numbers.md`. Where they leave something open:
//! * Communications that connect at the same time are one stay, even if one of them ended at once.
//! * A communication that was disconnected without a time ended, like one that was terminated, when its conversation did.
//! * After-call work that began after the end of other work of the same stay is not over until it has an end of its own.
//! * A wrap-up code whose time is before the end of every stay belongs to the first stay.

use std::cmp::Reverse;
use std::time::Duration;

use crate::event::facts::{
    AcwState, Communication, CommunicationState, ConversationFacts, DisconnectKind, MediaKind, Participant, Purpose,
    Stamped,
};
use crate::{Id, Moment};

/// After-call work that was expected and of which there is no sign this long after the stay is expected no longer.
const WORK_EXPECTED_FOR: Duration = Duration::from_secs(600);

/// One uninterrupted presence of a participant on a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stay<'a> {
    /// None if no event tells a queue.
    pub(crate) queue: Option<&'a Id>,
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
    communications: Vec<&'a Communication>,
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

impl Stay<'_> {
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

    /// Whether a communication is part of it.
    pub(crate) fn holds(&self, communication: &Communication) -> bool {
        let is_same = |c: &&Communication| c.kind == communication.kind && c.id == communication.id;
        self.communications.iter().any(is_same)
    }
}

impl Work {
    /// It began and is not over.
    fn is_begun(&self) -> bool {
        self.started.is_some() && self.ended.is_none() && !self.is_settled
    }
}

impl Communication {
    fn state_value(&self) -> Option<CommunicationState> {
        self.state.map(|state| state.value)
    }

    /// Disconnected or terminated.
    pub(crate) fn is_over(&self) -> bool {
        matches!(
            self.state_value(),
            Some(CommunicationState::Disconnected | CommunicationState::Terminated)
        )
    }

    fn is_scheduled(&self) -> bool {
        self.state_value() == Some(CommunicationState::Scheduled)
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

    fn queue<'a>(&'a self, participant: &'a Participant) -> Option<&'a Id> {
        let own = self.queue.as_ref().or(self.oldest_queue.as_ref());
        own.or(participant.queue.as_ref()).map(|queue| &queue.value)
    }

    fn has_acw_state(&self, is: impl Fn(AcwState) -> bool) -> bool {
        self.acw_state.is_some_and(|state| is(state.value))
    }
}

impl Participant {
    /// What it is, if an event told.
    pub(crate) fn purpose_value(&self) -> Option<Purpose> {
        self.purpose.map(|purpose| purpose.value)
    }

    /// Whether it monitors, coaches or barges in by the newest word.
    pub(crate) fn is_listening(&self) -> bool {
        self.listens_in.is_some_and(|listens| listens.value.0)
    }

    fn all_over(&self) -> bool {
        !self.communications.is_empty() && self.communications.iter().all(Communication::is_over)
    }

    /// Whether nothing more is expected of the participant itself; its stays may be in after-call work.
    fn is_gone(&self) -> bool {
        self.ended.is_some() || self.all_over()
    }
}

impl ConversationFacts {
    /// When it ended: as REST tells, else the latest end if everybody is gone.
    pub(crate) fn end(&self) -> Option<Moment> {
        if self.ended.is_some() {
            return self.ended;
        }
        if !self.participants.iter().all(Participant::is_gone) {
            return None;
        }
        let ends = self.participants.iter().flat_map(|p| {
            let disconnected = p.communications.iter().filter_map(|c| c.end(None));
            p.ended.into_iter().chain(disconnected)
        });
        ends.max()
    }
}

/// The stays of a participant in the order of their begins. `conversation_end` is that of [`ConversationFacts::end`].
pub(crate) fn stays(p: &Participant, conversation_end: Option<Moment>) -> Vec<Stay<'_>> {
    let mut stays = from_communications(p, conversation_end);
    if stays.is_empty() {
        stays.extend(from_own_times(p, conversation_end));
    } else {
        apply_own_times(p, &mut stays);
    }
    if matches!(p.purpose_value(), Some(Purpose::Agent | Purpose::User)) {
        add_work(p, &mut stays);
    }
    stays
}

/// Whether nothing more is expected of a participant with these stays.
pub(crate) fn is_over(p: &Participant, stays: &[Stay<'_>], conversation_end: Option<Moment>, as_of: Moment) -> bool {
    let is_gone = p.is_gone() || conversation_end.is_some();
    let waits = |stay: &Stay<'_>| {
        let is_expected = stay.work_expected_until().is_some_and(|until| as_of < until);
        stay.end.is_none() || stay.is_in_work() || is_expected
    };
    is_gone && !stays.iter().any(waits)
}

fn from_communications(p: &Participant, conversation_end: Option<Moment>) -> Vec<Stay<'_>> {
    let begun = p.communications.iter();
    let mut begun: Vec<(Moment, &Communication)> = begun.filter_map(|c| c.begin().map(|begin| (begin, c))).collect();
    begun.sort_by_key(|(begin, c)| (*begin, rank(c.kind), &c.id));
    let mut stays: Vec<Stay<'_>> = Vec::with_capacity(begun.len());
    for (begin, communication) in begun {
        let queue = communication.queue(p);
        let own_end = p.ended.filter(|ended| *ended > begin);
        let end = earlier(communication.end(conversation_end), own_end);
        let last = stays.iter_mut().rev().find(|stay| stay.queue == queue);
        match last {
            Some(stay) if stay.begin == begin || stay.goes_on_after(begin) => {
                stay.end = stay.end.zip(end).map(|(a, b)| a.max(b));
                stay.communications.push(communication);
            }
            _ => stays.push(Stay {
                end,
                ..Stay::new(queue, begin, Some(communication.kind), vec![communication])
            }),
        }
    }
    stays
}

/// Where no communication has begun, the participant's own times make one stay.
fn from_own_times(p: &Participant, conversation_end: Option<Moment>) -> Option<Stay<'_>> {
    let communications: Vec<&Communication> = p.communications.iter().collect();
    if !communications.is_empty() && communications.iter().all(|c| c.is_scheduled()) {
        return None;
    }
    let begin = p.connected?;
    let first = p.communications.iter().min_by_key(|c| (rank(c.kind), &c.id));
    let queue = p.queue.as_ref().map(|queue| &queue.value);
    let disconnected = || {
        let ends = p.communications.iter().filter_map(|c| c.end(conversation_end));
        ends.max().filter(|_| p.all_over())
    };
    let end = p.ended.filter(|ended| *ended >= begin).or_else(disconnected);
    Some(Stay {
        end,
        ..Stay::new(queue, begin, first.map(|c| c.kind), communications)
    })
}

impl<'a> Stay<'a> {
    fn new(
        queue: Option<&'a Id>,
        begin: Moment,
        media: Option<MediaKind>,
        communications: Vec<&'a Communication>,
    ) -> Self {
        Self {
            queue,
            media,
            begin,
            end: None,
            after_call_work: Work::default(),
            is_coded: false,
            is_transferred: false,
            communications,
        }
    }
}

/// The own connected time begins the first stay; the own end time ends the stays that began before it.
fn apply_own_times(p: &Participant, stays: &mut [Stay<'_>]) {
    if let Some(connected) = p.connected
        && let Some(first) = stays.first_mut()
    {
        first.begin = first.begin.min(connected);
    }
    let Some(ended) = p.ended else { return };
    let is_only = stays.len() == 1;
    for stay in stays {
        if ended > stay.begin || ended == stay.begin && is_only {
            stay.end = earlier(stay.end, Some(ended));
        }
    }
}

/// Adds after-call work, wrap-up codes and transfers to the stays of an agent.
fn add_work(p: &Participant, stays: &mut [Stay<'_>]) {
    for work in &p.after_call_work {
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
    let coded = p.wrapups.timed.iter().chain(&p.wrapups.untimed);
    for at in coded {
        if let Some(stay) = ended_last_at(stays, *at) {
            stay.is_coded = true;
        }
    }
    let last = stays.len().saturating_sub(1);
    for (n, stay) in stays.iter_mut().enumerate() {
        let own = stay.communications.iter();
        let work = &mut stay.after_call_work;
        let ended = own.clone().filter_map(|c| c.acw_ended).max();
        work.started = work.started.or_else(|| own.clone().filter_map(|c| c.acw_started).min());
        let open_since = work.open_since.or(work.started);
        work.ended = work.ended.or(ended.filter(|ended| Some(*ended) >= open_since));
        work.is_pending = own.clone().any(|c| c.has_acw_state(|s| s == AcwState::Pending));
        work.is_complete = own.clone().any(|c| c.has_acw_state(|s| s == AcwState::Complete));
        stay.is_coded |= own.clone().any(|c| c.wrapup_coded);
        let transfers = |c: &&Communication| c.disconnect.is_some_and(|d| d.value == DisconnectKind::Transfer);
        stay.is_transferred = own.clone().any(transfers);

        let is_no_more = |state| matches!(state, AcwState::Skipped | AcwState::NotApplicable | AcwState::Complete);
        work.is_settled = own.clone().any(|c| c.has_acw_state(is_no_more));
        let no_longer = work.ended.is_some() || stay.is_coded || work.is_settled;
        let flag = |flag: Option<Stamped<Reverse<bool>>>| flag.map(|flag| flag.value.0);
        let of_last = || {
            flag(p.wrapup_expected)
                .or(flag(p.wrapup_required))
                .filter(|_| n == last)
        };
        let required_by_any = || own.clone().any(|c| flag(c.acw_required) == Some(true));
        work.is_expected = !no_longer && of_last().unwrap_or_else(required_by_any);
    }
}

/// Of the stays that had ended at a moment the one that ended last, else the first.
fn ended_last_at<'s, 'a>(stays: &'s mut [Stay<'a>], at: Moment) -> Option<&'s mut Stay<'a>> {
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
