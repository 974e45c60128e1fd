//! SocketIo-hour counts by queue and medium for the analytics topics.
//!
//! In: events of conversations · Out: counts · Thread: the centre's lock.

use crate::simulator::when::Ms;
use crate::simulator::world::Media;

/// The interval of aggregates in the service's notifications.
pub(in crate::simulator) const INTERVAL_MS: Ms = 30 * 60 * 1000;

/// Count, sum and extremes of lengths, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::simulator) struct Timing {
    pub count: i64,
    pub sum: Ms,
    pub min: Ms,
    pub max: Ms,
}

impl Timing {
    pub(in crate::simulator) fn add(&mut self, length: Ms) {
        self.min = if self.count == 0 { length } else { self.min.min(length) };
        self.max = self.max.max(length);
        self.count += 1;
        self.sum += length;
    }
}

/// One queue and medium in the current interval.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(in crate::simulator) struct Counts {
    pub offered: i64,
    pub answered: Timing,
    pub abandoned: Timing,
    pub waited: Timing,
    pub handled: Timing,
    pub talked: Timing,
    pub held: Timing,
    pub after_call: Timing,
    pub flow_out: i64,
    pub transferred: i64,
    pub in_time: i64,
    pub target: f64,
}

#[derive(Debug)]
pub(in crate::simulator) struct Stats {
    interval: Ms,
    counts: Vec<[Counts; 4]>,
}

impl Stats {
    pub(super) fn new(queues: usize) -> Self {
        Stats {
            interval: 0,
            counts: vec![Default::default(); queues],
        }
    }

    fn at(&mut self, now: Ms, queue: usize, media: Media) -> &mut Counts {
        self.turn(now);
        &mut self.counts[queue][media.index()]
    }

    /// Begins a new interval if the current one is over.
    fn turn(&mut self, now: Ms) {
        let interval = now.div_euclid(INTERVAL_MS) * INTERVAL_MS;
        if interval != self.interval {
            self.interval = interval;
            self.counts.fill(Default::default());
        }
    }

    /// The interval's start and the counts of one queue by medium.
    pub(in crate::simulator) fn of_queue(&mut self, now: Ms, queue: usize) -> (Ms, [Counts; 4]) {
        self.turn(now);
        (self.interval, self.counts[queue])
    }

    pub(super) fn offered(&mut self, now: Ms, queue: usize, media: Media) {
        self.at(now, queue, media).offered += 1;
    }

    pub(super) fn answered(&mut self, now: Ms, queue: usize, media: Media, wait: Ms, (target, threshold): (f64, Ms)) {
        let counts = self.at(now, queue, media);
        counts.answered.add(wait);
        counts.waited.add(wait);
        counts.target = target;
        counts.in_time += i64::from(wait <= threshold);
    }

    pub(super) fn abandoned(&mut self, now: Ms, queue: usize, media: Media, wait: Ms) {
        let counts = self.at(now, queue, media);
        counts.abandoned.add(wait);
        counts.waited.add(wait);
    }

    pub(super) fn flow_out(&mut self, now: Ms, queue: usize, media: Media) {
        self.at(now, queue, media).flow_out += 1;
    }

    pub(super) fn transferred(&mut self, now: Ms, queue: usize, media: Media) {
        self.at(now, queue, media).transferred += 1;
    }

    pub(super) fn handled(&mut self, now: Ms, queue: usize, media: Media, talk: Ms, held: Ms, after_call: Ms) {
        let counts = self.at(now, queue, media);
        counts.talked.add(talk);
        if held > 0 {
            counts.held.add(held);
        }
        if after_call > 0 {
            counts.after_call.add(after_call);
        }
        counts.handled.add(talk + held + after_call);
    }
}
