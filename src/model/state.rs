//! What is known of a conversation, in few bytes, changed in place.
//!
//! In: `ConversationFacts` of events and answers · Out: their join · Thread: any (pure).
//!
//! It is the join of `conversation.rs` in another layout, and a property test holds the two together. All communications of
//! a conversation are in one list, in the order of their participants. Of values without a time of their own nearly always
//! all have the same stamp, so one stamp stands for all of them; what differs, and what few conversations have, is boxed.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;

use super::conversation::{
    COMMUNICATIONS_AT_MOST, LINEAR_SEARCH_AT_MOST, PARTICIPANTS_AT_MOST, earliest, join_work, latest,
};
use super::queue_numbers::{QueueNumber, QueueNumbers};
use crate::event::facts::{
    AcwState, AfterCallWork, Communication, CommunicationState, ConversationFacts, DisconnectKind, MediaKind,
    Participant, Purpose, Stamped, Wrapups,
};
use crate::{Id, Moment};

/// What is known of a conversation.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) id: Id,
    /// As REST tells.
    pub(crate) ended: Option<Moment>,
    pub(crate) participants: Vec<ParticipantRow>,
    /// In the order of their participants.
    pub(crate) communications: Vec<CommunicationRow>,
}

/// A participant without its communications.
#[derive(Clone, Debug)]
pub(crate) struct ParticipantRow {
    pub(crate) id: Id,
    pub(crate) connected: Option<Moment>,
    pub(crate) ended: Option<Moment>,
    /// Of queue, purpose and flags, where `more` has none.
    stamp: Option<Moment>,
    /// The first pair of after-call work, if there is one.
    work: AfterCallWork,
    /// The first wrap-up with a time.
    wrapup: Option<Moment>,
    more: Option<Box<MoreOfParticipant>>,
    pub(crate) queue: Option<QueueNumber>,
    /// Where its communications begin, and how many it has.
    first: u16,
    count: u16,
    pub(crate) purpose: Option<Purpose>,
    pub(crate) wrapup_expected: Option<bool>,
    pub(crate) wrapup_required: Option<bool>,
    listens_in: Option<bool>,
}

/// What few participants have.
#[derive(Clone, Debug, Default)]
struct MoreOfParticipant {
    /// Stamps of queue, purpose, `wrapup_expected`, `wrapup_required` and `listens_in`.
    stamps: Option<[Option<Moment>; 5]>,
    /// The other pairs of after-call work.
    work: Vec<AfterCallWork>,
    /// The other wrap-ups.
    wrapups: Wrapups,
}

/// A communication.
#[derive(Clone, Debug)]
pub(crate) struct CommunicationRow {
    pub(crate) id: Id,
    pub(crate) connected: Option<Moment>,
    pub(crate) disconnected: Option<Moment>,
    /// Of state, disconnect kind and what it says of after-call work, where `more` has none.
    stamp: Option<Moment>,
    queue_stamp: Option<Moment>,
    oldest_queue_stamp: Option<Moment>,
    pub(crate) acw_started: Option<Moment>,
    pub(crate) acw_ended: Option<Moment>,
    more: Option<Box<MoreOfCommunication>>,
    queue: Option<QueueNumber>,
    oldest_queue: Option<QueueNumber>,
    pub(crate) kind: MediaKind,
    pub(crate) state: Option<CommunicationState>,
    pub(crate) disconnect: Option<DisconnectKind>,
    pub(crate) acw_required: Option<bool>,
    pub(crate) acw_state: Option<AcwState>,
    pub(crate) wrapup_coded: bool,
}

/// What few communications have.
#[derive(Clone, Debug, Default)]
struct MoreOfCommunication {
    /// Stamps of state, disconnect kind, `acw_required` and `acw_state`.
    stamps: Option<[Option<Moment>; 4]>,
    scheduled: Option<Moment>,
    hold_started: Option<Moment>,
    hold_over: Option<Moment>,
}

/// What a join changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Changed {
    Nothing,
    /// Only stamps: it counts for the same.
    Stamps,
    Values,
}

impl Changed {
    /// A change of stamps counts as one of values.
    pub(crate) fn of_values(self) -> Self {
        Self::values(self > Self::Nothing)
    }

    fn values(changed: bool) -> Self {
        if changed { Self::Values } else { Self::Nothing }
    }
}

impl State {
    /// A conversation of which nothing was seen.
    pub(crate) fn nothing_of(id: Id) -> Self {
        Self {
            id,
            ended: None,
            participants: Vec::new(),
            communications: Vec::new(),
        }
    }

    /// What these facts tell.
    pub(crate) fn of(facts: &ConversationFacts, queues: &mut QueueNumbers) -> Self {
        let mut state = Self::nothing_of(facts.id.clone());
        state.join(facts, queues);
        state
    }

    /// Adds what facts tell of the same conversation.
    pub(crate) fn join(&mut self, facts: &ConversationFacts, queues: &mut QueueNumbers) -> Changed {
        let mut changed = Changed::values(latest(&mut self.ended, facts.ended));
        let is_long = self.participants.len().max(facts.participants.len()) > LINEAR_SEARCH_AT_MOST;
        let mut index: Option<HashMap<Id, usize>> = is_long.then(|| {
            let known = self.participants.iter().enumerate();
            known.map(|(at, p)| (p.id.clone(), at)).collect()
        });
        self.participants
            .reserve_exact(new_at_most(&self.participants, &facts.participants));
        for (n, told) in facts.participants.iter().enumerate() {
            let found = match (&index, self.participants.get(n)) {
                // Events list the same participants in the same order, so it is nearly always at the same place.
                (_, Some(there)) if there.id == told.id => Some(n),
                (Some(index), _) => index.get(&told.id).copied(),
                (None, _) => self.participants.iter().position(|p| p.id == told.id),
            };
            let at = match found {
                Some(at) => at,
                None if self.participants.len() == PARTICIPANTS_AT_MOST => continue,
                None => {
                    changed = Changed::Values;
                    let at = self.participants.len();
                    if let Some(index) = &mut index {
                        index.insert(told.id.clone(), at);
                    }
                    self.participants
                        .push(ParticipantRow::new(told.id.clone(), self.communications.len()));
                    at
                }
            };
            changed = changed.max(self.participants[at].join(told, queues));
            changed = changed.max(self.join_communications(at, &told.communications, queues));
        }
        changed
    }

    fn join_communications(&mut self, at: usize, told: &[Communication], queues: &mut QueueNumbers) -> Changed {
        let mut changed = Changed::Nothing;
        for (n, one) in told.iter().enumerate() {
            let own = self.range(at);
            let known = &self.communications[own.clone()];
            let is_same = |row: &CommunicationRow| row.kind == one.kind && row.id == one.id;
            let found = match known.get(n) {
                Some(there) if is_same(there) => Some(n),
                _ => known.iter().position(is_same),
            };
            let place = match found {
                Some(found) => own.start + found,
                None if known.len() == COMMUNICATIONS_AT_MOST => continue,
                None => {
                    changed = Changed::Values;
                    self.communications.reserve_exact(1);
                    self.communications
                        .insert(own.end, CommunicationRow::new(one.kind, one.id.clone()));
                    self.participants[at].count += 1;
                    for later in &mut self.participants[at + 1..] {
                        later.first += 1;
                    }
                    own.end
                }
            };
            changed = changed.max(self.communications[place].join(one, queues));
        }
        changed
    }

    fn range(&self, at: usize) -> Range<usize> {
        let row = &self.participants[at];
        let first = usize::from(row.first);
        first..first + usize::from(row.count)
    }

    /// The communications of the participant at a place.
    pub(crate) fn communications_of(&self, at: usize) -> &[CommunicationRow] {
        &self.communications[self.range(at)]
    }

    /// The same as facts; what no number uses is left out.
    pub(crate) fn facts(&self, queues: &QueueNumbers) -> ConversationFacts {
        let participants = self.participants.iter().enumerate();
        ConversationFacts {
            id: self.id.clone(),
            ended: self.ended,
            participants: participants
                .map(|(at, row)| {
                    let communications = self.communications_of(at).iter();
                    row.facts(communications.map(|c| c.facts(queues)).collect(), queues)
                })
                .collect(),
        }
    }

    /// The newest time in it, stamps included; `None` if it holds no time.
    pub(crate) fn newest(&self) -> Option<Moment> {
        let of_participants = self.participants.iter().filter_map(ParticipantRow::newest);
        let of_communications = self.communications.iter().filter_map(CommunicationRow::newest);
        let newest = of_participants.chain(of_communications).max().max(self.ended);
        newest.filter(|at| *at > Moment::from_epoch_ms(i64::MIN))
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        let more_of_participant = |row: &ParticipantRow| {
            row.more.as_ref().map_or(0, |more| {
                size_of::<MoreOfParticipant>()
                    + size_of_val(more.work.as_slice())
                    + size_of_val(more.wrapups.timed.as_slice())
            })
        };
        let more_of_communication =
            |row: &CommunicationRow| row.more.as_ref().map_or(0, |_| size_of::<MoreOfCommunication>());
        self.participants.capacity() * size_of::<ParticipantRow>()
            + self.communications.capacity() * size_of::<CommunicationRow>()
            + self.participants.iter().map(more_of_participant).sum::<usize>()
            + self.communications.iter().map(more_of_communication).sum::<usize>()
    }
}

/// Room for participants of an event that are not known, if they are few.
fn new_at_most(known: &[ParticipantRow], told: &[Participant]) -> usize {
    told.len().saturating_sub(known.len()).min(PARTICIPANTS_AT_MOST)
}

impl ParticipantRow {
    fn new(id: Id, first: usize) -> Self {
        Self {
            id,
            connected: None,
            ended: None,
            stamp: None,
            work: AfterCallWork {
                started: None,
                ended: None,
            },
            wrapup: None,
            more: None,
            queue: None,
            // Participants and communications are limited to far fewer.
            first: u16::try_from(first).unwrap_or(u16::MAX),
            count: 0,
            purpose: None,
            wrapup_expected: None,
            wrapup_required: None,
            listens_in: None,
        }
    }

    fn join(&mut self, told: &Participant, queues: &mut QueueNumbers) -> Changed {
        let mut changed = Changed::values(
            earliest(&mut self.connected, told.connected)
                | latest(&mut self.ended, told.ended)
                | self.join_work(&told.after_call_work)
                | self.join_wrapups(&told.wrapups),
        );
        let mut stamps = self.stamps();
        let queue = told.queue.as_ref().map(|queue| (queue.at, &queue.value));
        changed = changed.max(later_queue(&mut self.queue, &mut stamps[0], queue, queues));
        let mut flag = |mine: &mut Option<bool>, at: &mut Option<Moment>, theirs: Option<Stamped<Reverse<bool>>>| {
            let mut value = mine.map(Reverse);
            changed = changed.max(later(&mut value, at, theirs));
            *mine = value.map(|value| value.0);
        };
        flag(&mut self.wrapup_expected, &mut stamps[2], told.wrapup_expected);
        flag(&mut self.wrapup_required, &mut stamps[3], told.wrapup_required);
        flag(&mut self.listens_in, &mut stamps[4], told.listens_in);
        changed = changed.max(later(&mut self.purpose, &mut stamps[1], told.purpose));
        if changed > Changed::Nothing {
            self.set_stamps(stamps);
        }
        changed
    }

    /// Of queue, purpose and flags; none where the value is not there.
    fn stamps(&self) -> [Option<Moment>; 5] {
        if let Some(stamps) = self.more.as_ref().and_then(|more| more.stamps) {
            return stamps;
        }
        let is_there = [
            self.queue.is_some(),
            self.purpose.is_some(),
            self.wrapup_expected.is_some(),
            self.wrapup_required.is_some(),
            self.listens_in.is_some(),
        ];
        is_there.map(|is_there| self.stamp.filter(|_| is_there))
    }

    fn set_stamps(&mut self, stamps: [Option<Moment>; 5]) {
        let common = common(&stamps);
        (self.stamp, _) = common;
        let odd = (!common.1).then_some(stamps);
        match (&mut self.more, odd) {
            (Some(more), odd) => more.stamps = odd,
            (None, None) => {}
            (none, odd) => {
                let more = MoreOfParticipant {
                    stamps: odd,
                    ..MoreOfParticipant::default()
                };
                *none = Some(Box::new(more));
            }
        }
        self.drop_more();
    }

    fn join_work(&mut self, told: &[AfterCallWork]) -> bool {
        if told.is_empty() {
            return false;
        }
        let nothing = AfterCallWork {
            started: None,
            ended: None,
        };
        if let [one] = told
            && self.more.as_ref().is_none_or(|more| more.work.is_empty())
            && (self.work == nothing || self.work.started == one.started)
        {
            let before = self.work;
            self.work.started = one.started;
            latest(&mut self.work.ended, one.ended);
            return self.work != before;
        }
        let mut all: Vec<AfterCallWork> = self.work().collect();
        let changed = join_work(&mut all, told);
        if changed {
            self.work = all.remove(0);
            self.more.get_or_insert_default().work = all;
        }
        changed
    }

    fn join_wrapups(&mut self, told: &Wrapups) -> bool {
        match (told.timed.as_slice(), told.untimed) {
            ([], None) => return false,
            ([one], None) if self.wrapup.is_none_or(|known| known == *one) => {
                let is_new = self.wrapup.is_none();
                self.wrapup = Some(*one);
                return is_new;
            }
            _ => {}
        }
        let mut all = self.wrapups();
        let changed = all.join_from(told);
        if changed {
            self.wrapup = (!all.timed.is_empty()).then(|| all.timed.remove(0));
            self.more.get_or_insert_default().wrapups = all;
            self.drop_more();
        }
        changed
    }

    /// Pairs of after-call work, in the order of their starts.
    pub(crate) fn work(&self) -> impl Iterator<Item = AfterCallWork> {
        let first = Some(self.work).filter(|work| work.started.is_some() || work.ended.is_some());
        let more = self.more.iter().flat_map(|more| more.work.iter().copied());
        first.into_iter().chain(more)
    }

    /// When wrap-ups with a code ended, in order; last the one without a time.
    pub(crate) fn coded_at(&self) -> impl Iterator<Item = Moment> {
        let more = self.more.iter();
        let more = more.flat_map(|more| more.wrapups.timed.iter().copied().chain(more.wrapups.untimed));
        self.wrapup.into_iter().chain(more)
    }

    fn wrapups(&self) -> Wrapups {
        let mut wrapups = self.more.as_ref().map(|more| more.wrapups.clone()).unwrap_or_default();
        if let Some(first) = self.wrapup {
            wrapups.timed.insert(0, first);
        }
        wrapups
    }

    /// Whether it monitors, coaches or barges in by the newest word.
    pub(crate) fn is_listening(&self) -> bool {
        self.listens_in == Some(true)
    }

    fn drop_more(&mut self) {
        let is_empty =
            |more: &MoreOfParticipant| more.stamps.is_none() && more.work.is_empty() && more.wrapups.is_empty();
        if self.more.as_deref().is_some_and(is_empty) {
            self.more = None;
        }
    }

    fn newest(&self) -> Option<Moment> {
        let stamps = self.more.as_ref().and_then(|more| more.stamps);
        let stamps = stamps.into_iter().flatten().flatten();
        let work = self.work().flat_map(|work| [work.started, work.ended]).flatten();
        let times = [self.connected, self.ended, self.stamp].into_iter().flatten();
        times.chain(stamps).chain(work).chain(self.coded_at()).max()
    }

    fn facts(&self, communications: Vec<Communication>, queues: &QueueNumbers) -> Participant {
        let [queue, purpose, expected, required, listens] = self.stamps();
        let flag = |value: Option<bool>, at| stamped(value.map(Reverse), at);
        Participant {
            id: self.id.clone(),
            connected: self.connected,
            ended: self.ended,
            after_call_work: self.work().collect(),
            purpose: stamped(self.purpose, purpose),
            queue: stamped(self.queue.map(|queue| queues.id(queue).clone()), queue),
            user: None,
            wrapup_expected: flag(self.wrapup_expected, expected),
            wrapup_required: flag(self.wrapup_required, required),
            wrapups: self.wrapups(),
            listens_in: flag(self.listens_in, listens),
            communications,
        }
    }
}

impl CommunicationRow {
    fn new(kind: MediaKind, id: Id) -> Self {
        Self {
            id,
            connected: None,
            disconnected: None,
            stamp: None,
            queue_stamp: None,
            oldest_queue_stamp: None,
            acw_started: None,
            acw_ended: None,
            more: None,
            queue: None,
            oldest_queue: None,
            kind,
            state: None,
            disconnect: None,
            acw_required: None,
            acw_state: None,
            wrapup_coded: false,
        }
    }

    fn join(&mut self, told: &Communication, queues: &mut QueueNumbers) -> Changed {
        let is_newly_coded = told.wrapup_coded && !self.wrapup_coded;
        self.wrapup_coded |= told.wrapup_coded;
        let mut changed = Changed::values(
            is_newly_coded
                | earliest(&mut self.connected, told.connected)
                | latest(&mut self.disconnected, told.disconnected)
                | earliest(&mut self.acw_started, told.acw_started)
                | latest(&mut self.acw_ended, told.acw_ended)
                | self.join_scheduled(told.scheduled)
                | self.join_hold(told),
        );
        let queue = told.queue.as_ref().map(|queue| (queue.at, &queue.value));
        changed = changed.max(later_queue(&mut self.queue, &mut self.queue_stamp, queue, queues));
        changed = changed.max(self.join_oldest_queue(told.oldest_queue.as_ref(), queues));
        let mut stamps = self.stamps();
        let mut required = self.acw_required.map(Reverse);
        let of_stamped = later(&mut self.state, &mut stamps[0], told.state)
            .max(later(&mut self.disconnect, &mut stamps[1], told.disconnect))
            .max(later(&mut required, &mut stamps[2], told.acw_required))
            .max(later(&mut self.acw_state, &mut stamps[3], told.acw_state));
        if of_stamped > Changed::Nothing {
            self.acw_required = required.map(|required| required.0);
            self.set_stamps(stamps);
        }
        changed.max(of_stamped)
    }

    fn join_oldest_queue(&mut self, told: Option<&Stamped<Id>>, queues: &mut QueueNumbers) -> Changed {
        let Some(told) = told else { return Changed::Nothing };
        let known = self.oldest_queue.zip(self.oldest_queue_stamp);
        let is_new = known.is_none_or(|(queue, at)| told.at < at || told.at == at && told.value > *queues.id(queue));
        if !is_new {
            return Changed::Nothing;
        }
        let value = Some(queues.of(&told.value));
        let is_same = self.oldest_queue == value;
        (self.oldest_queue, self.oldest_queue_stamp) = (value, Some(told.at));
        if is_same { Changed::Stamps } else { Changed::Values }
    }

    fn join_scheduled(&mut self, told: Option<Moment>) -> bool {
        let is_new = told.is_some() && self.scheduled().is_none_or(|known| told < Some(known));
        if is_new {
            self.more.get_or_insert_default().scheduled = told;
        }
        is_new
    }

    fn join_hold(&mut self, told: &Communication) -> bool {
        let (known, over) = (self.hold_started(), self.hold_over());
        if told.hold_over.is_none() && told.hold_started.is_none() && known.is_none() {
            return false;
        }
        let next = self.next_hold(told);
        let mut new_over = over.max(told.hold_over);
        if next != known && next.is_none() {
            new_over = new_over.max(known);
        }
        if (next, new_over) == (known, over) {
            return false;
        }
        let more = self.more.get_or_insert_default();
        (more.hold_started, more.hold_over) = (next, new_over);
        true
    }

    /// The hold that an event received after this state shows; one that is over already does not begin again.
    pub(crate) fn next_hold(&self, event: &Communication) -> Option<Moment> {
        event.hold_started.filter(|started| self.hold_over() < Some(*started))
    }

    /// When it was scheduled, if it is a callback.
    pub(crate) fn scheduled(&self) -> Option<Moment> {
        self.more.as_ref().and_then(|more| more.scheduled)
    }

    /// The begin of its hold, if it is held.
    pub(crate) fn hold_started(&self) -> Option<Moment> {
        self.more.as_ref().and_then(|more| more.hold_started)
    }

    fn hold_over(&self) -> Option<Moment> {
        self.more.as_ref().and_then(|more| more.hold_over)
    }

    /// The queue that events named for it.
    pub(crate) fn queue(&self) -> Option<QueueNumber> {
        self.queue.or(self.oldest_queue)
    }

    /// Of state, disconnect kind, `acw_required` and `acw_state`; none where the value is not there.
    fn stamps(&self) -> [Option<Moment>; 4] {
        if let Some(stamps) = self.more.as_ref().and_then(|more| more.stamps) {
            return stamps;
        }
        let is_there = [
            self.state.is_some(),
            self.disconnect.is_some(),
            self.acw_required.is_some(),
            self.acw_state.is_some(),
        ];
        is_there.map(|is_there| self.stamp.filter(|_| is_there))
    }

    fn set_stamps(&mut self, stamps: [Option<Moment>; 4]) {
        let is_common;
        (self.stamp, is_common) = common(&stamps);
        let odd = (!is_common).then_some(stamps);
        if odd.is_some() || self.more.is_some() {
            let more = self.more.get_or_insert_default();
            more.stamps = odd;
            if odd.is_none() && more.scheduled.is_none() && more.hold_started.max(more.hold_over).is_none() {
                self.more = None;
            }
        }
    }

    fn newest(&self) -> Option<Moment> {
        let times = [
            self.connected,
            self.disconnected,
            self.stamp,
            self.queue_stamp,
            self.oldest_queue_stamp,
            self.acw_started,
            self.acw_ended,
        ];
        let more = self.more.iter().flat_map(|more| {
            let stamps = more.stamps.into_iter().flatten();
            stamps.chain([more.scheduled, more.hold_started]).flatten()
        });
        times.into_iter().flatten().chain(more).max()
    }

    fn facts(&self, queues: &QueueNumbers) -> Communication {
        let [state, disconnect, required, acw_state] = self.stamps();
        let queue = |queue: Option<QueueNumber>, at| stamped(queue.map(|queue| queues.id(queue).clone()), at);
        Communication {
            kind: self.kind,
            id: self.id.clone(),
            connected: self.connected,
            disconnected: self.disconnected,
            state: stamped(self.state, state),
            queue: queue(self.queue, self.queue_stamp),
            oldest_queue: queue(self.oldest_queue, self.oldest_queue_stamp),
            scheduled: self.scheduled(),
            disconnect: stamped(self.disconnect, disconnect),
            acw_required: stamped(self.acw_required.map(Reverse), required),
            acw_state: stamped(self.acw_state, acw_state),
            acw_started: self.acw_started,
            acw_ended: self.acw_ended,
            wrapup_coded: self.wrapup_coded,
            hold_started: self.hold_started(),
            hold_over: self.hold_over(),
        }
    }
}

/// The later stamp wins; with equal stamps the greater value.
fn later<T: Ord + Copy>(mine: &mut Option<T>, at: &mut Option<Moment>, theirs: Option<Stamped<T>>) -> Changed {
    let Some(theirs) = theirs else { return Changed::Nothing };
    let (stamp, value) = (Some(theirs.at), Some(theirs.value));
    if (*at, *mine) >= (stamp, value) {
        return Changed::Nothing;
    }
    let is_same = *mine == value;
    (*at, *mine) = (stamp, value);
    if is_same { Changed::Stamps } else { Changed::Values }
}

/// The same for a queue.
fn later_queue(
    mine: &mut Option<QueueNumber>,
    at: &mut Option<Moment>,
    theirs: Option<(Moment, &Id)>,
    queues: &mut QueueNumbers,
) -> Changed {
    let Some((stamp, queue)) = theirs else {
        return Changed::Nothing;
    };
    let known = mine.map(|number| queues.id(number));
    if (*at, known) >= (Some(stamp), Some(queue)) {
        return Changed::Nothing;
    }
    let is_same = known == Some(queue);
    *at = Some(stamp);
    if is_same {
        return Changed::Stamps;
    }
    *mine = Some(queues.of(queue));
    Changed::Values
}

/// The stamp of what is there, and whether it is the same for all.
fn common(stamps: &[Option<Moment>]) -> (Option<Moment>, bool) {
    let mut there = stamps.iter().flatten();
    let first = there.next().copied();
    (first, there.all(|at| Some(*at) == first))
}

fn stamped<T>(value: Option<T>, at: Option<Moment>) -> Option<Stamped<T>> {
    value.zip(at).map(|(value, at)| Stamped { at, value })
}

#[cfg(test)]
mod tests;
