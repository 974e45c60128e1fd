//! What happened, by queue and medium: in total and by window.
//!
//! In: counts to add or to take back, the time · Out: sums · Thread: any (pure).
//!
//! A count goes into two buckets: the total of its time (one for ever, or one a local day) and its window. Buckets are
//! found by name, so a count costs the same however many there are. What is older than the kept windows, or than the
//! local day, is neither added nor taken back.
//!
//! Buckets are bounded in bytes. Where they are too many, fewer windows are kept; where the current ones are too many
//! still, no bucket is begun, and what would have gone there is counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::bucket::{Bucket, WaitsWithin};
use super::counts::{Sign, Sums};
use super::outcome::Count;
use super::queue_numbers::QueueNumber;
use crate::Moment;
use crate::config::{ServiceLevel, TimeZone, TotalsConfig, TotalsSince, WindowsConfig};
use crate::event::facts::MediaKind;

/// All buckets, subscribed queues or not.
#[derive(Debug)]
pub(crate) struct Totals {
    granularity_ms: i64,
    keep: i64,
    short_abandon_ms: u64,
    /// Whose midnight begins the day, if totals are of one local day.
    zone: Option<TimeZone>,
    /// Milliseconds beyond whole seconds of the threshold that holds for queues without one of their own.
    fraction_ms: u64,
    /// Older buckets are dropped.
    oldest_window: i64,
    oldest_day: i64,
    /// Windows before this one were dropped for lack of room.
    shortened_to: i64,
    /// Bytes of the buckets, as an estimate.
    day_bytes: usize,
    window_bytes: usize,
    max_bytes: usize,
    /// Counts for which there was no room.
    untaken: u64,
    /// Whether anything was counted yet.
    has_counted: bool,
    /// By their numbers.
    queues: Vec<QueueTotals>,
}

/// One queue.
#[derive(Debug, Default)]
pub(crate) struct QueueTotals {
    fractions: BTreeMap<MediaKind, u64>,
    /// Grows with each change of its windows; 0 while there was none.
    version: u64,
    /// By [`MediaKind::ALL`].
    media: [Option<Box<MediaTotals>>; MediaKind::ALL.len()],
}

#[derive(Debug, Default)]
struct MediaTotals {
    /// By local day; only day 0 if totals count since the start. Around midnight there are two, seldom more.
    days: Vec<(i64, Bucket)>,
    /// By number of the window since 1970. Boxed, so that the nodes of the map stay in the processor's cache.
    windows: BTreeMap<i64, Box<Bucket>>,
}

impl Totals {
    pub(crate) fn new(windows: WindowsConfig, totals: TotalsConfig) -> Self {
        Self {
            granularity_ms: ms(windows.granularity).max(1),
            keep: i64::try_from(windows.keep.max(1)).unwrap_or(i64::MAX),
            short_abandon_ms: ms(windows.short_abandon).unsigned_abs(),
            zone: match totals.since {
                TotalsSince::Start => None,
                TotalsSince::Day => {
                    let offset = || TimeZone::fixed(totals.utc_offset_minutes);
                    Some(totals.time_zone.unwrap_or_else(offset))
                }
            },
            fraction_ms: match windows.service_level {
                ServiceLevel::Queue => 0,
                ServiceLevel::Fixed(threshold) => fraction(threshold),
            },
            oldest_window: i64::MIN,
            oldest_day: i64::MIN,
            shortened_to: i64::MIN,
            day_bytes: 0,
            window_bytes: 0,
            max_bytes: usize::MAX,
            untaken: 0,
            has_counted: false,
            queues: Vec::new(),
        }
    }

    /// Bounds the bytes of all buckets.
    pub(crate) fn set_max_bytes(&mut self, max_bytes: usize) {
        self.max_bytes = max_bytes;
    }

    /// Drops the windows that are no longer kept, and the days before this one.
    pub(crate) fn advance(&mut self, now: Moment) {
        let oldest_window = self.oldest_kept(now);
        if !self.has_counted {
            // Nothing was dropped yet: the time may go back, once it is known that our clock is ahead of the service's.
            self.oldest_window = oldest_window;
            self.oldest_day = self.day_of(now);
            return;
        }
        if oldest_window > self.oldest_window {
            self.drop_windows_before(oldest_window);
        }
        if self.window_bytes >= self.max_bytes / 2 {
            self.keep_fewer_windows(self.window_of(now));
        }
        let today = self.day_of(now);
        if today > self.oldest_day {
            self.oldest_day = today;
            for media in self
                .queues
                .iter_mut()
                .flat_map(|queue| queue.media.iter_mut().flatten())
            {
                media.days.retain(|(day, bucket)| {
                    let stays = *day >= today;
                    self.day_bytes -= if stays { 0 } else { bucket.bytes() };
                    stays
                });
            }
        }
    }

    fn drop_windows_before(&mut self, oldest: i64) {
        self.oldest_window = oldest;
        for queue in &mut self.queues {
            for media in queue.media.iter_mut().flatten() {
                while let Some(first) = media.windows.first_entry()
                    && *first.key() < oldest
                {
                    self.window_bytes -= first.remove().bytes();
                    queue.version += 1;
                }
            }
        }
    }

    /// Drops the older windows, a quarter of the time that is left at once, until a quarter of the room is free.
    #[cold]
    fn keep_fewer_windows(&mut self, current: i64) {
        while self.oldest_window < current && self.window_bytes > self.max_bytes / 8 * 3 {
            let quarter = current.saturating_sub(self.oldest_window) / 4;
            self.drop_windows_before(self.oldest_window.saturating_add(quarter.max(1)));
            self.shortened_to = self.oldest_window;
        }
    }

    /// Bytes in memory, as an estimate.
    pub(crate) fn bytes(&self) -> usize {
        self.day_bytes + self.window_bytes
    }

    /// How many counts had no room.
    pub(crate) fn untaken(&self) -> u64 {
        self.untaken
    }

    /// Adds a count or takes it back.
    pub(crate) fn count(&mut self, sign: Sign, count: &Count) {
        let Count { kind, millis, at, .. } = *count;
        let short_abandon_ms = self.short_abandon_ms;
        self.change(sign, count.queue, count.media, at, |bucket, room| {
            bucket.count(sign, (kind, millis), short_abandon_ms, room)
        });
    }

    /// Adds a hold on this queue that lasted `millis` and ended at `at`.
    pub(crate) fn hold(&mut self, queue: QueueNumber, media: MediaKind, at: Moment, millis: u64) {
        self.change(Sign::Add, queue, media, at, |bucket, _| {
            bucket.hold(millis);
            true
        });
    }

    /// Sets the queue's own threshold for a medium. It also holds for what was counted before: exactly if it is a
    /// multiple of a second or was known before the first answered visit.
    pub(crate) fn set_threshold(&mut self, queue: QueueNumber, media: MediaKind, threshold: Duration) {
        let queue = self.queue_mut(queue);
        let fraction = fraction(threshold);
        if queue.fractions.insert(media, fraction) == Some(fraction) {
            return;
        }
        queue.version += 1;
        if let Some(totals) = &mut queue.media[media as usize] {
            let days = totals.days.iter_mut().map(|(_, bucket)| bucket);
            days.chain(totals.windows.values_mut().map(|bucket| &mut **bucket))
                .for_each(|bucket| bucket.set_fraction(fraction));
        }
    }

    /// One queue, if anything was counted of it.
    pub(crate) fn queue(&self, queue: QueueNumber) -> Option<&QueueTotals> {
        self.queues.get(queue.place())
    }

    fn queue_mut(&mut self, queue: QueueNumber) -> &mut QueueTotals {
        if queue.place() >= self.queues.len() {
            self.queues.resize_with(queue.place() + 1, QueueTotals::default);
        }
        &mut self.queues[queue.place()]
    }

    /// The window that a moment is in.
    pub(crate) fn window_of(&self, at: Moment) -> i64 {
        at.epoch_ms().div_euclid(self.granularity_ms)
    }

    /// Where a window begins.
    pub(crate) fn start_of(&self, window: i64) -> Moment {
        Moment::from_epoch_ms(window.saturating_mul(self.granularity_ms))
    }

    /// The oldest window that is kept at a moment.
    pub(crate) fn oldest_kept(&self, at: Moment) -> i64 {
        let current = self.window_of(at);
        // The service's clock may have gone back since.
        current
            .saturating_sub(self.keep - 1)
            .max(self.shortened_to.min(current))
    }

    /// How many windows are kept at a moment, the current one included.
    pub(crate) fn kept_at(&self, at: Moment) -> i64 {
        self.window_of(at) - self.oldest_kept(at) + 1
    }

    /// The local midnight before `at`, if totals are of one day.
    pub(crate) fn day_start(&self, at: Moment) -> Option<Moment> {
        let zone = self.zone.as_ref()?;
        Some(zone.begin_of(zone.day_of(at)))
    }

    /// The length of a window in milliseconds.
    pub(crate) fn granularity_ms(&self) -> i64 {
        self.granularity_ms
    }

    /// The length of a window as the service writes it.
    pub(crate) fn granularity(&self) -> Arc<str> {
        let secs = self.granularity_ms / 1000;
        match secs {
            _ if secs % 3600 == 0 => format!("PT{}H", secs / 3600),
            _ if secs % 60 == 0 => format!("PT{}M", secs / 60),
            _ => format!("PT{secs}S"),
        }
        .into()
    }

    /// The local day of a moment; 0 if totals count since the start.
    pub(crate) fn day_of(&self, at: Moment) -> i64 {
        self.zone.as_ref().map_or(0, |zone| zone.day_of(at))
    }

    /// `change` gets whether there is room, and returns whether there was enough.
    fn change(
        &mut self,
        sign: Sign,
        queue: QueueNumber,
        media: MediaKind,
        at: Moment,
        change: impl Fn(&mut Bucket, bool) -> bool,
    ) {
        let (window, day) = (self.window_of(at), self.day_of(at));
        self.has_counted = true;
        let default_fraction = self.fraction_ms;
        let (oldest_day, oldest_window) = (self.oldest_day, self.oldest_window);
        // Each has a half, so that neither takes the room of the other.
        let day_room = self.day_bytes < self.max_bytes / 2;
        let window_room = self.window_bytes < self.max_bytes / 2;
        let (mut day_bytes, mut window_bytes) = (self.day_bytes, self.window_bytes);
        let mut is_taken = true;
        let queue = self.queue_mut(queue);
        let fraction = queue.fractions.get(&media).copied().unwrap_or(default_fraction);
        queue.version += 1;
        let totals = queue.media[media as usize].get_or_insert_default();
        // Sets how many bytes it has now: none if it is empty and has to go.
        let mut change = |bucket: &mut Bucket, room: bool, bytes: &mut usize| {
            let before = bucket.bytes();
            is_taken &= change(bucket, room);
            let is_empty = bucket.is_empty();
            let after = if is_empty { 0 } else { bucket.bytes() };
            *bytes = (*bytes + after).saturating_sub(before);
            is_empty
        };
        let mut has_room = true;
        if day >= oldest_day {
            let found = totals.days.iter().position(|(of, _)| *of == day);
            let at = found.or_else(|| {
                (sign == Sign::Add && day_room).then(|| {
                    let bucket = Bucket::new(fraction);
                    day_bytes += bucket.bytes();
                    totals.days.push((day, bucket));
                    totals.days.len() - 1
                })
            });
            has_room &= at.is_some();
            if let Some(at) = at
                && change(&mut totals.days[at].1, day_room, &mut day_bytes)
            {
                totals.days.swap_remove(at);
            }
        }
        if window >= oldest_window {
            let bucket = if sign == Sign::Add && window_room {
                Some(totals.windows.entry(window).or_insert_with(|| {
                    let bucket = Box::new(Bucket::new(fraction));
                    window_bytes += bucket.bytes();
                    bucket
                }))
            } else {
                totals.windows.get_mut(&window)
            };
            has_room &= bucket.is_some();
            if let Some(bucket) = bucket
                && change(bucket, window_room, &mut window_bytes)
            {
                totals.windows.remove(&window);
            }
        }
        (self.day_bytes, self.window_bytes) = (day_bytes, window_bytes);
        self.untaken += u64::from(sign == Sign::Add && !(has_room && is_taken));
    }
}

impl QueueTotals {
    /// Whether it has no numbers now.
    pub(crate) fn is_empty(&self) -> bool {
        self.media.iter().flatten().all(|media| media.is_empty())
    }

    /// The total of a medium on a day, `None` where nothing happened.
    pub(crate) fn total(&self, media: MediaKind, day: i64, threshold_ms: u64) -> Option<Sums> {
        let totals = self.media[media as usize].as_ref()?;
        let (_, bucket) = totals.days.iter().find(|(of, _)| *of == day)?;
        Some(bucket.sums(threshold_ms))
    }

    /// How many visits of a day waited no longer than each bound, over all media.
    pub(crate) fn waits_within(&self, day: i64) -> WaitsWithin {
        let mut within = WaitsWithin::default();
        let days = self.media.iter().flatten().flat_map(|media| &media.days);
        days.filter(|(of, _)| *of == day)
            .for_each(|(_, bucket)| bucket.add_waits_within(&mut within));
        within
    }

    /// Changes whenever its windows do.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Adds every window of this queue within `windows`, all media together, to what is there. Thresholds by
    /// [`MediaKind::ALL`].
    pub(crate) fn add_windows(
        &self,
        windows: std::ops::RangeInclusive<i64>,
        thresholds_ms: &[u64; MediaKind::ALL.len()],
        to: &mut BTreeMap<i64, Sums>,
    ) {
        for kind in MediaKind::ALL {
            let Some(totals) = &self.media[kind as usize] else {
                continue;
            };
            let threshold_ms = thresholds_ms[kind as usize];
            for (at, bucket) in totals.windows.range(windows.clone()) {
                to.entry(*at).or_default().add(&bucket.sums(threshold_ms));
            }
        }
    }
}

impl MediaTotals {
    fn is_empty(&self) -> bool {
        self.days.is_empty() && self.windows.is_empty()
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn fraction(threshold: Duration) -> u64 {
    u64::from(threshold.subsec_millis())
}

#[cfg(test)]
mod tests;
