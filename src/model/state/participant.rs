//! A participant of a state, without its communications.
//!
//! In: what is told of it · Out: their join, and the same as facts · Thread: any (pure).

use std::cmp::Reverse;

use super::super::told::ParticipantTold;
use super::{Changed, common, later, later_queue, move_stamp, stamped};
use crate::event::facts::{AfterCallWork, Communication, Participant, Purpose, Stamped, Wrapups};
use crate::model::conversation::{earliest, join_work, lacking_work, lacking_wrapups, latest};
use crate::model::queue_numbers::{QueueNumber, QueueNumbers};
use crate::{Id, Moment};

/// A participant without its communications.
#[derive(Clone, Debug)]
pub(crate) struct ParticipantRow {
    pub(crate) id: Id,
    pub(crate) connected: Option<Moment>,
    pub(crate) ended: Option<Moment>,
    /// Of queue, purpose and flags, where `more` has none.
    pub(super) stamp: Option<Moment>,
    /// The first pair of after-call work, if there is one.
    pub(super) work: AfterCallWork,
    /// The first wrap-up with a time.
    pub(super) wrapup: Option<Moment>,
    pub(super) more: Option<Box<MoreOfParticipant>>,
    pub(crate) queue: Option<QueueNumber>,
    /// Where its communications begin, and how many it has.
    pub(super) first: u16,
    pub(super) count: u16,
    pub(crate) purpose: Option<Purpose>,
    pub(crate) wrapup_expected: Option<bool>,
    pub(crate) wrapup_required: Option<bool>,
    pub(super) listens_in: Option<bool>,
}

/// What few participants have.
#[derive(Clone, Debug, Default)]
pub(super) struct MoreOfParticipant {
    /// Stamps of queue, purpose, `wrapup_expected`, `wrapup_required` and `listens_in`.
    pub(super) stamps: Option<[Option<Moment>; 5]>,
    /// The other pairs of after-call work.
    pub(super) work: Vec<AfterCallWork>,
    /// The other wrap-ups.
    pub(super) wrapups: Wrapups,
}

impl ParticipantRow {
    pub(super) fn new(id: Id, first: usize) -> Self {
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

    pub(super) fn join(
        &mut self,
        told: &impl ParticipantTold,
        queues: &mut QueueNumbers,
        left_out: &mut u32,
    ) -> Changed {
        let mut changed = Changed::values(
            earliest(&mut self.connected, told.connected())
                | latest(&mut self.ended, told.ended())
                | self.join_work(told.work(), left_out)
                | self.join_wrapups(told.wrapups(), left_out),
        );
        if let Some(at) = told.stamp()
            && self.has_values_of(told, queues)
        {
            return changed.max(move_stamp(&mut self.stamp, at));
        }
        let mut stamps = self.stamps();
        changed = changed.max(later_queue(&mut self.queue, &mut stamps[0], told.queue(), queues));
        let mut flag = |mine: &mut Option<bool>, at: &mut Option<Moment>, theirs: Option<Stamped<Reverse<bool>>>| {
            let mut value = mine.map(Reverse);
            changed = changed.max(later(&mut value, at, theirs));
            *mine = value.map(|value| value.0);
        };
        flag(&mut self.wrapup_expected, &mut stamps[2], told.wrapup_expected());
        flag(&mut self.wrapup_required, &mut stamps[3], told.wrapup_required());
        flag(&mut self.listens_in, &mut stamps[4], told.listens_in());
        changed = changed.max(later(&mut self.purpose, &mut stamps[1], told.purpose()));
        if changed > Changed::Nothing {
            self.set_stamps(stamps);
        }
        changed
    }

    /// Whether it has exactly the values that are told, all with one stamp: then nothing but that can change.
    fn has_values_of(&self, told: &impl ParticipantTold, queues: &QueueNumbers) -> bool {
        let flag = |told: Option<Stamped<Reverse<bool>>>| told.map(|flag| flag.value.0);
        self.more.is_none()
            && self.purpose == told.purpose().map(|purpose| purpose.value)
            && self.wrapup_expected == flag(told.wrapup_expected())
            && self.wrapup_required == flag(told.wrapup_required())
            && self.listens_in == flag(told.listens_in())
            && self.queue.map(|queue| queues.id(queue)) == told.queue().map(|queue| queue.value)
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

    fn join_work(&mut self, told: &[AfterCallWork], left_out: &mut u32) -> bool {
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
        *left_out += lacking_work(&all, told);
        if changed {
            self.work = all.remove(0);
            self.more.get_or_insert_default().work = all;
        }
        changed
    }

    fn join_wrapups(&mut self, told: (&[Moment], Option<Moment>), left_out: &mut u32) -> bool {
        match told {
            ([], None) => return false,
            ([one], None) if self.wrapup.is_none_or(|known| known == *one) => {
                let is_new = self.wrapup.is_none();
                self.wrapup = Some(*one);
                return is_new;
            }
            _ => {}
        }
        let mut all = self.wrapups();
        let changed = all.join_from(&Wrapups {
            timed: told.0.to_vec(),
            untimed: told.1,
        });
        *left_out += lacking_wrapups(&all.timed, told.0);
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

    pub(super) fn newest(&self) -> Option<Moment> {
        let stamps = self.more.as_ref().and_then(|more| more.stamps);
        let stamps = stamps.into_iter().flatten().flatten();
        let work = self.work().flat_map(|work| [work.started, work.ended]).flatten();
        let times = [self.connected, self.ended, self.stamp].into_iter().flatten();
        times.chain(stamps).chain(work).chain(self.coded_at()).max()
    }

    pub(super) fn facts(&self, communications: Vec<Communication>, queues: &QueueNumbers) -> Participant {
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

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let more = self.more.as_ref().map_or(0, |more| {
            size_of::<MoreOfParticipant>()
                + size_of_val(more.work.as_slice())
                + size_of_val(more.wrapups.timed.as_slice())
        });
        self.id.heap_bytes() + more
    }
}
