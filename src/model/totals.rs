//! What happened, by queue and medium: in total and by window.
//!
//! In: counts to add or to take back, the time · Out: sums · Thread: any (pure).
//!
//! A count goes into two buckets: the total of its time (one for ever, or one a local day) and its window. Buckets are
//! found by name, so a count costs the same however many there are. What is older than the kept windows, or than the
//! local day, is neither added nor taken back.

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
            has_counted: false,
            queues: Vec::new(),
        }
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
            self.oldest_window = oldest_window;
            for queue in &mut self.queues {
                for media in queue.media.iter_mut().flatten() {
                    while media
                        .windows
                        .first_key_value()
                        .is_some_and(|(at, _)| *at < oldest_window)
                    {
                        media.windows.pop_first();
                        queue.version += 1;
                    }
                }
            }
        }
        let today = self.day_of(now);
        if today > self.oldest_day {
            self.oldest_day = today;
            for media in self
                .queues
                .iter_mut()
                .flat_map(|queue| queue.media.iter_mut().flatten())
            {
                media.days.retain(|(day, _)| *day >= today);
            }
        }
    }

    /// Adds a count or takes it back.
    pub(crate) fn count(&mut self, sign: Sign, count: &Count) {
        let Count { kind, millis, at, .. } = *count;
        let short_abandon_ms = self.short_abandon_ms;
        self.change(sign, count.queue, count.media, at, |bucket| {
            bucket.count(sign, kind, millis, short_abandon_ms);
        });
    }

    /// Adds a hold on this queue that lasted `millis` and ended at `at`.
    pub(crate) fn hold(&mut self, queue: QueueNumber, media: MediaKind, at: Moment, millis: u64) {
        self.change(Sign::Add, queue, media, at, |bucket| bucket.hold(millis));
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
        self.window_of(at).saturating_sub(self.keep - 1)
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

    fn change(&mut self, sign: Sign, queue: QueueNumber, media: MediaKind, at: Moment, change: impl Fn(&mut Bucket)) {
        let (window, day) = (self.window_of(at), self.day_of(at));
        self.has_counted = true;
        let default_fraction = self.fraction_ms;
        let (oldest_day, oldest_window) = (self.oldest_day, self.oldest_window);
        let queue = self.queue_mut(queue);
        let fraction = queue.fractions.get(&media).copied().unwrap_or(default_fraction);
        queue.version += 1;
        let totals = queue.media[media as usize].get_or_insert_default();
        if day >= oldest_day {
            let found = totals.days.iter().position(|(of, _)| *of == day);
            let at = found.or_else(|| {
                (sign == Sign::Add).then(|| {
                    totals.days.push((day, Bucket::new(fraction)));
                    totals.days.len() - 1
                })
            });
            if let Some(at) = at {
                change(&mut totals.days[at].1);
                if totals.days[at].1.is_empty() {
                    totals.days.swap_remove(at);
                }
            }
        }
        if window >= oldest_window {
            let bucket = match sign {
                Sign::Add => Some(
                    totals
                        .windows
                        .entry(window)
                        .or_insert_with(|| Box::new(Bucket::new(fraction))),
                ),
                Sign::Take => totals.windows.get_mut(&window),
            };
            if let Some(bucket) = bucket {
                change(bucket);
                if bucket.is_empty() {
                    totals.windows.remove(&window);
                }
            }
        }
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
mod tests {
    use super::*;
    use crate::config::time_zone::tests::berlin;
    use crate::model::counts::CountKind;
    use crate::model::testing::queue;

    fn totals(granularity_secs: u64, since: TotalsSince) -> Totals {
        let config = TotalsConfig {
            since,
            utc_offset_minutes: 120,
            time_zone: None,
        };
        Totals::new(totals_windows(granularity_secs), config)
    }

    fn totals_windows(granularity_secs: u64) -> WindowsConfig {
        WindowsConfig {
            granularity: Duration::from_secs(granularity_secs),
            keep: 3,
            service_level: ServiceLevel::Queue,
            short_abandon: Duration::ZERO,
        }
    }

    fn offered(at: &str) -> Count {
        Count {
            queue: queue("Q"),
            media: MediaKind::Voice,
            kind: CountKind::Offered,
            at: Moment::parse(at).unwrap(),
            millis: 0,
        }
    }

    fn windows(totals: &Totals) -> Vec<(String, u64)> {
        let mut found = BTreeMap::new();
        if let Some(queue) = totals.queue(queue("Q")) {
            queue.add_windows(i64::MIN..=i64::MAX, &[20_000; MediaKind::ALL.len()], &mut found);
        }
        found
            .iter()
            .map(|(at, sum)| {
                (
                    totals.start_of(*at).to_string()[11..19].to_owned(),
                    sum.numbers().offered,
                )
            })
            .collect()
    }

    fn total(totals: &Totals, as_of: &str) -> u64 {
        let day = totals.day_of(Moment::parse(as_of).unwrap());
        let queue = totals.queue(queue("Q"));
        queue
            .and_then(|queue| queue.total(MediaKind::Voice, day, 20_000))
            .map_or(0, |sum| sum.numbers().offered)
    }

    #[test]
    fn windows_are_aligned_in_utc_take_late_facts_and_are_kept_for_so_many() {
        let mut t = totals(900, TotalsSince::Start);
        assert_eq!(&*t.granularity(), "PT15M");
        t.advance(Moment::parse("2026-05-04T14:50:00Z").unwrap());
        for at in [
            "14:44:59.999",
            "14:45:00.000",
            "14:14:59.999",
            "14:15:00.000",
            "15:00:00.000",
        ] {
            t.count(Sign::Add, &offered(&format!("2026-05-04T{at}Z")));
        }
        let of = |list: &[(&str, u64)]| -> Vec<(String, u64)> {
            list.iter().map(|(at, n)| ((*at).to_owned(), *n)).collect()
        };
        let all = [("14:15:00", 1), ("14:30:00", 1), ("14:45:00", 1), ("15:00:00", 1)];
        assert_eq!(windows(&t), of(&all));
        assert_eq!(total(&t, "2026-05-04T14:50:00Z"), 5, "totals have no horizon");
        t.advance(Moment::parse("2026-05-04T15:00:00Z").unwrap());
        assert_eq!(windows(&t), of(&all[1..]));
        t.count(Sign::Take, &offered("2026-05-04T14:15:00Z"));
        assert_eq!(windows(&t), of(&all[1..]), "what is gone is not taken back twice");
        t.count(Sign::Take, &offered("2026-05-04T14:30:00Z"));
        assert_eq!(windows(&t), of(&all[2..]));
        assert_eq!(total(&t, "2026-05-04T15:00:00Z"), 3);
        t.advance(Moment::parse("2026-05-04T14:00:00Z").unwrap());
        t.count(Sign::Add, &offered("2026-05-04T14:00:00Z"));
        assert_eq!(windows(&t), of(&all[2..]), "a clock set back brings nothing back");
    }

    #[test]
    fn both_changes_of_berlin_have_days_from_midnight_to_midnight() {
        for (day, next, hours) in [
            ("2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z", 23),
            ("2026-10-24T22:00:00.000Z", "2026-10-25T23:00:00.000Z", 25),
        ] {
            let config = TotalsConfig {
                since: TotalsSince::Day,
                utc_offset_minutes: 0,
                time_zone: Some(berlin()),
            };
            let mut t = Totals::new(totals_windows(3600), config);
            let at = |text| Moment::parse(text).unwrap();
            for hour in -2..=hours {
                let now = at(day).plus_ms(hour * 3_600_000 + 60_000);
                t.advance(now);
                t.count(Sign::Add, &offered(&now.to_string()));
                let begin = t.day_start(now).unwrap();
                let (since, midnight) = match hour {
                    ..0 => (hour + 3, None),
                    _ if hour < hours => (hour + 1, Some(at(day))),
                    _ => (1, Some(at(next))),
                };
                assert_eq!(total(&t, &now.to_string()), since.unsigned_abs(), "{hour}");
                assert!(midnight.is_none_or(|midnight| begin == midnight), "{hour}: {begin}");
            }
        }
    }

    #[test]
    fn the_time_may_go_back_until_something_is_counted() {
        let mut t = totals(900, TotalsSince::Day);
        t.advance(Moment::parse("2026-05-04T23:50:00Z").unwrap());
        t.advance(Moment::parse("2026-05-04T20:50:00Z").unwrap());
        t.count(Sign::Add, &offered("2026-05-04T20:45:00Z"));
        assert_eq!(total(&t, "2026-05-04T20:50:00Z"), 1);
        assert_eq!(windows(&t), [("20:45:00".to_owned(), 1)]);
    }

    #[test]
    fn totals_of_a_day_begin_anew_at_local_midnight() {
        let mut t = totals(1800, TotalsSince::Day);
        let before = "2026-05-04T21:59:59.999Z";
        let midnight = "2026-05-04T22:00:00.000Z";
        t.advance(Moment::parse(before).unwrap());
        t.count(Sign::Add, &offered(before));
        t.count(Sign::Add, &offered(midnight));
        t.count(Sign::Add, &offered("2026-05-03T21:59:59Z"));
        assert_eq!(total(&t, before), 1);
        assert_eq!(
            t.day_start(Moment::parse(before).unwrap()),
            Moment::parse("2026-05-03T22:00:00Z")
        );
        t.advance(Moment::parse(midnight).unwrap());
        assert_eq!(total(&t, midnight), 1, "what is dated after midnight stays");
        t.count(Sign::Take, &offered(before));
        t.count(Sign::Add, &offered(before));
        assert_eq!(total(&t, midnight), 1);
        assert_eq!(windows(&t), [("21:30:00".to_owned(), 1), ("22:00:00".to_owned(), 1)]);
        assert_eq!(totals(60, TotalsSince::Start).day_start(Moment::default()), None);
    }

    #[test]
    fn midnights_of_odd_offsets() {
        for (offset, at, midnight) in [
            ("+05:45", "2026-05-04T18:14:59.999Z", "2026-05-03T18:15:00Z"),
            ("+05:45", "2026-05-04T18:15:00Z", "2026-05-04T18:15:00Z"),
            ("-03:30", "2026-05-04T03:29:59.999Z", "2026-05-03T03:30:00Z"),
            ("-03:30", "2026-05-04T03:30:00Z", "2026-05-04T03:30:00Z"),
        ] {
            let minutes: i32 = offset[1..3].parse::<i32>().unwrap() * 60 + offset[4..].parse::<i32>().unwrap();
            let config = TotalsConfig {
                since: TotalsSince::Day,
                utc_offset_minutes: if offset.starts_with('-') { -minutes } else { minutes },
                time_zone: None,
            };
            let windows = WindowsConfig {
                granularity: Duration::from_secs(60),
                keep: 3,
                service_level: ServiceLevel::Queue,
                short_abandon: Duration::ZERO,
            };
            let totals = Totals::new(windows, config);
            let start = totals.day_start(Moment::parse(at).unwrap());
            assert_eq!(start, Moment::parse(midnight), "{offset} {at}");
        }
    }

    #[test]
    fn a_queue_of_which_all_was_taken_back_has_no_numbers() {
        let mut t = totals(10, TotalsSince::Start);
        assert_eq!(&*t.granularity(), "PT10S");
        t.set_threshold(queue("Q"), MediaKind::Voice, Duration::from_millis(20_500));
        t.count(Sign::Add, &offered("2026-05-04T14:30:00Z"));
        let is_empty = |t: &Totals| t.queue(queue("Q")).is_none_or(QueueTotals::is_empty);
        assert!(!is_empty(&t));
        t.count(Sign::Take, &offered("2026-05-04T14:30:00Z"));
        assert!(is_empty(&t));
        assert_eq!(&*totals(3600, TotalsSince::Start).granularity(), "PT1H");
    }
}
