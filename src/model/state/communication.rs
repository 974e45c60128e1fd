//! A communication of a state.
//!
//! In: what is told of it · Out: their join, and the same as facts · Thread: any (pure).

use std::cmp::Reverse;

use super::super::told::CommunicationTold;
use super::{Changed, common, later, later_queue, move_stamp, stamped};
use crate::event::facts::{AcwState, Communication, CommunicationState, DisconnectKind, MediaKind, Stamped};
use crate::model::conversation::{earliest, latest};
use crate::model::queue_numbers::{QueueNumber, QueueNumbers};
use crate::{Id, Moment};

/// A communication.
#[derive(Clone, Debug)]
pub(crate) struct CommunicationRow {
    pub(crate) id: Id,
    pub(crate) connected: Option<Moment>,
    pub(crate) disconnected: Option<Moment>,
    /// Of state, disconnect kind and what it says of after-call work, where `more` has none.
    pub(super) stamp: Option<Moment>,
    pub(super) queue_stamp: Option<Moment>,
    pub(super) oldest_queue_stamp: Option<Moment>,
    pub(crate) acw_started: Option<Moment>,
    pub(crate) acw_ended: Option<Moment>,
    pub(super) more: Option<Box<MoreOfCommunication>>,
    pub(super) queue: Option<QueueNumber>,
    pub(super) oldest_queue: Option<QueueNumber>,
    pub(crate) kind: MediaKind,
    pub(crate) state: Option<CommunicationState>,
    pub(crate) disconnect: Option<DisconnectKind>,
    pub(crate) acw_required: Option<bool>,
    pub(crate) acw_state: Option<AcwState>,
    pub(crate) wrapup_coded: bool,
}

/// What few communications have.
#[derive(Clone, Debug, Default)]
pub(super) struct MoreOfCommunication {
    /// Stamps of state, disconnect kind, `acw_required` and `acw_state`.
    pub(super) stamps: Option<[Option<Moment>; 4]>,
    pub(super) scheduled: Option<Moment>,
    pub(super) hold_started: Option<Moment>,
    pub(super) hold_over: Option<Moment>,
}

impl CommunicationRow {
    pub(super) fn new(kind: MediaKind, id: Id) -> Self {
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

    pub(super) fn join(&mut self, told: &impl CommunicationTold, queues: &mut QueueNumbers) -> Changed {
        let is_newly_coded = told.wrapup_coded() && !self.wrapup_coded;
        self.wrapup_coded |= told.wrapup_coded();
        let mut changed = Changed::values(
            is_newly_coded
                | earliest(&mut self.connected, told.connected())
                | latest(&mut self.disconnected, told.disconnected())
                | earliest(&mut self.acw_started, told.acw_started())
                | latest(&mut self.acw_ended, told.acw_ended())
                | self.join_scheduled(told.scheduled())
                | self.join_hold(told),
        );
        changed = changed.max(later_queue(
            &mut self.queue,
            &mut self.queue_stamp,
            told.queue(),
            queues,
        ));
        changed = changed.max(self.join_oldest_queue(told.oldest_queue(), queues));
        if let Some(at) = told.stamp()
            && self.has_values_of(told)
        {
            return changed.max(move_stamp(&mut self.stamp, at));
        }
        let mut stamps = self.stamps();
        let mut required = self.acw_required.map(Reverse);
        let of_stamped = later(&mut self.state, &mut stamps[0], told.state())
            .max(later(&mut self.disconnect, &mut stamps[1], told.disconnect()))
            .max(later(&mut required, &mut stamps[2], told.acw_required()))
            .max(later(&mut self.acw_state, &mut stamps[3], told.acw_state()));
        if of_stamped > Changed::Nothing {
            self.acw_required = required.map(|required| required.0);
            self.set_stamps(stamps);
        }
        changed.max(of_stamped)
    }

    /// Whether it has exactly the values that are told, all with one stamp: then nothing but that can change.
    fn has_values_of(&self, told: &impl CommunicationTold) -> bool {
        self.stamp.is_some()
            && self.more.as_ref().is_none_or(|more| more.stamps.is_none())
            && self.state == told.state().map(|state| state.value)
            && self.disconnect == told.disconnect().map(|disconnect| disconnect.value)
            && self.acw_required == told.acw_required().map(|required| required.value.0)
            && self.acw_state == told.acw_state().map(|state| state.value)
    }

    fn join_oldest_queue(&mut self, told: Option<Stamped<&Id>>, queues: &mut QueueNumbers) -> Changed {
        let Some(told) = told else { return Changed::Nothing };
        let known = self.oldest_queue.zip(self.oldest_queue_stamp);
        let is_new = known.is_none_or(|(queue, at)| told.at < at || told.at == at && told.value > queues.id(queue));
        if !is_new {
            return Changed::Nothing;
        }
        let value = Some(queues.of(told.value));
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

    fn join_hold(&mut self, told: &impl CommunicationTold) -> bool {
        let (known, over) = (self.hold_started(), self.hold_over());
        if told.hold_over().is_none() && told.hold_started().is_none() && known.is_none() {
            return false;
        }
        let next = self.next_hold(told);
        let mut new_over = over.max(told.hold_over());
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
    pub(crate) fn next_hold(&self, event: &impl CommunicationTold) -> Option<Moment> {
        event.hold_started().filter(|started| self.hold_over() < Some(*started))
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

    pub(super) fn newest(&self) -> Option<Moment> {
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

    pub(super) fn facts(&self, queues: &QueueNumbers) -> Communication {
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

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.id.heap_bytes() + self.more.as_ref().map_or(0, |_| size_of::<MoreOfCommunication>())
    }
}
