//! The numbers of queues as a snapshot shows them.
//!
//! In: live numbers, totals, gaps, what the listing says · Out: `QueueSnapshot`s, `AllQueues` · Thread: any (pure).
//!
//! Windows are listed from the start (or from where REST covered the time before it), as far as they are kept, up to the
//! current one, empty ones included; and older ones that are kept, if something happened in them. The coverage of a
//! window over all queues is the mean of the queues' coverages.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::Model;
use super::bucket::WaitsWithin;
use super::counts::{LiveNumbers, LiveSums, Sums};
use super::coverage::{Coverage, Uncovered};
use super::queue::QueueSet;
use super::snapshot::{
    AllQueues, Day, Grid, LiveTotals, MediaSnapshot, ObservedSnapshot, Packed, QueueSnapshot, Windows,
};
use super::totals::QueueTotals;
use super::unknown::InGap;
use crate::base::inserted::Inserted as _;
use crate::config::{Protocol, ServiceLevel};
use crate::event::facts::MediaKind;
use crate::{Id, Moment};

/// Threshold of the service level for queues without one of their own (`docs/numbers.md`).
const DEFAULT_THRESHOLD_MS: u64 = 20_000;

/// What is the same for every queue of one snapshot.
struct Frame<'a> {
    as_of: Moment,
    day: i64,
    /// Windows that are kept, up to the current one.
    windows: RangeInclusive<i64>,
    /// From this window on, windows are listed even if nothing happened.
    listed_from: i64,
    grid: Arc<Grid>,
    coverage: Coverage,
    in_gap: &'a InGap,
}

/// What one queue adds to the numbers over all.
struct Share {
    total: Sums,
    windows: Packed,
    uncovered: Option<Arc<Uncovered>>,
}

/// The listed windows of each queue in the last snapshot: those of a queue are packed again only when they change.
#[derive(Debug, Default)]
pub(super) struct PackedWindows(BTreeMap<Id, (Listing, Packed)>);

/// What the listed windows of a queue depend on.
#[derive(Debug, PartialEq, Eq)]
struct Listing {
    version: u64,
    windows: RangeInclusive<i64>,
    listed_from: i64,
    thresholds_ms: Thresholds,
}

/// Memory that is used again for each queue.
#[derive(Default)]
struct Scratch {
    sums: BTreeMap<i64, Sums>,
    bytes: Vec<u8>,
}

/// Thresholds of the service level by [`MediaKind::ALL`].
pub(super) type Thresholds = [u64; MediaKind::ALL.len()];

impl Model {
    /// The live numbers of all queues that are known.
    pub(super) fn totals(&self, in_gap: &InGap) -> LiveTotals {
        match self.settings.protocol {
            Protocol::Notifications => LiveTotals {
                active_conversations: Some(self.conversations.live().active()),
                live: self
                    .conversations
                    .live_sums(|queue| self.counts_now(queue, in_gap))
                    .numbers(),
            },
            Protocol::Events => LiveTotals {
                active_conversations: Some(self.states.active()),
                ..LiveTotals::default()
            },
            Protocol::Metrics => LiveTotals::default(),
        }
    }

    /// Whether the live numbers of a queue count towards the totals: it is listed and known, or none is listed.
    fn counts_now(&self, queue: &Id, in_gap: &InGap) -> bool {
        match &self.queues.listed {
            QueueSet::These(listed) if listed.is_empty() => true,
            _ => self.queues.counts(queue) && self.unknown_reason(queue, in_gap).is_none(),
        }
    }

    /// Every queue that is listed, and all together.
    pub(super) fn queues(&mut self, as_of: Moment, in_gap: &InGap) -> (BTreeMap<Id, QueueSnapshot>, Option<AllQueues>) {
        let mut packed = PackedWindows::default();
        std::mem::swap(&mut packed, &mut self.packed_windows);
        let (queues, all) = self.queues_packed(as_of, in_gap, &mut packed);
        self.packed_windows = packed;
        (queues, all)
    }

    fn queues_packed(
        &self,
        as_of: Moment,
        in_gap: &InGap,
        packed: &mut PackedWindows,
    ) -> (BTreeMap<Id, QueueSnapshot>, Option<AllQueues>) {
        let shown = self.queue_ids();
        if self.settings.protocol != Protocol::Notifications {
            let of = |id: &Id| {
                let mut snapshot = self.labels(id);
                snapshot.average_wait_secs = self.averages.of(id);
                (id.clone(), snapshot)
            };
            return (shown.into_iter().map(of).inserted(), None);
        }
        let frame = self.frame(as_of, in_gap);
        let mut shares = Vec::with_capacity(shown.len());
        let mut before = std::mem::take(packed);
        let mut scratch = Scratch::default();
        let mut add = |id: &Id| {
            let thresholds_ms = self.thresholds_ms(id);
            let windows = self.listed(id, &frame, (thresholds_ms, before.0.remove(id)), &mut scratch);
            let (snapshot, share) = self.queue(id, &frame, &thresholds_ms, &windows.1);
            packed.0.insert(id.clone(), windows);
            shares.push(share);
            snapshot
        };
        // Collected at once, the nodes of the map are full; queues inserted one by one in order would leave half of each empty.
        let queues = shown.iter().map(|id| ((*id).clone(), add(id))).collect();
        if shown.is_empty() {
            // Only topics or users are subscribed: all queues that events name count.
            self.conversations.counted_queues().for_each(|id| drop(add(id)));
        }
        (queues, Some(self.all_queues(&shares, &frame)))
    }

    fn frame<'a>(&self, as_of: Moment, in_gap: &'a InGap) -> Frame<'a> {
        let totals = self.conversations.totals();
        let (oldest, current) = (totals.oldest_kept(as_of), totals.window_of(as_of));
        let started = self.service_time.start(self.started_at);
        let subscribed = self.subscriptions.begin(as_of).unwrap_or(started);
        let begins = self.covered_from.unwrap_or(subscribed).min(as_of);
        let mut coverage = Coverage::new(self.gaps.by_service_clock(), totals.start_of(oldest), begins, as_of);
        let queues = self.queue_ids().into_iter();
        self.subscriptions
            .limit(&mut coverage, queues, (begins, started, as_of));
        Frame {
            as_of,
            day: totals.day_of(as_of),
            windows: oldest..=current,
            listed_from: oldest.max(totals.window_of(begins)),
            grid: Arc::new(Grid {
                granularity: totals.granularity(),
                granularity_ms: totals.granularity_ms(),
                as_of,
            }),
            coverage,
            in_gap,
        }
    }

    /// The queues that a snapshot lists.
    pub(super) fn queue_ids(&self) -> BTreeSet<&Id> {
        match (&self.queues.listed, self.settings.protocol) {
            // Metrics name entities, not queues.
            (_, Protocol::Metrics) => BTreeSet::new(),
            (QueueSet::These(queues), _) => queues.iter().inserted(),
            (QueueSet::All, Protocol::Events) => self.averages.queues().chain(self.queues.settings.keys()).inserted(),
            (QueueSet::All, Protocol::Notifications) => {
                let live = self.conversations.live_queues();
                let all = live.chain(self.conversations.counted_queues());
                all.chain(self.observations.queues())
                    .chain(self.queues.settings.keys())
                    .inserted()
            }
        }
    }

    fn labels(&self, id: &Id) -> QueueSnapshot {
        let settings = self.queues.settings.get(id);
        QueueSnapshot {
            name: settings.and_then(|s| s.name.as_deref().map(str::to_owned)),
            service_level_target_percent: settings.and_then(|s| s.service_level_target_percent),
            ..QueueSnapshot::default()
        }
    }

    fn queue(
        &self,
        id: &Id,
        frame: &Frame<'_>,
        thresholds_ms: &Thresholds,
        windows: &Packed,
    ) -> (QueueSnapshot, Share) {
        let mut snapshot = self.labels(id);
        snapshot.unknown = self.unknown_reason(id, frame.in_gap);
        snapshot.live = LiveSums::default().numbers();
        if let Some(live) = self.conversations.live_of(id) {
            snapshot.live = live.sums().numbers();
            snapshot.longest_wait_secs = live.longest_wait_secs(frame.as_of);
            for (kind, live) in live.media() {
                let medium = medium_of(&mut snapshot, kind);
                medium.live = live.sums.numbers();
                medium.longest_wait_secs = live.longest_wait_secs(frame.as_of);
            }
        }
        snapshot.alerts = self.alerts_of(id, frame.as_of, frame.in_gap);
        snapshot.observations = self.observations.snapshot(id, frame.as_of);
        snapshot.observed = self.observations.present(id).map(|present| ObservedSnapshot {
            waiting: present.counts.waiting,
            interacting: present.counts.interacting,
            at: present.at,
            differs_since: self.self_check.differs_since(id),
        });

        let mut total = Sums::default();
        let mut waits = WaitsWithin::default();
        if let Some(totals) = self.conversations.totals_of(id) {
            waits = totals.waits_within(frame.day);
            for kind in MediaKind::ALL {
                if let Some(sums) = totals.total(kind, frame.day, thresholds_ms[kind as usize]) {
                    total.add(&sums);
                    // Time on hold is approximate: it must not decide what is shown.
                    if sums.has_counts() || snapshot.by_media.contains_key(kind.as_str()) {
                        medium_of(&mut snapshot, kind).totals = sums.numbers();
                    }
                }
            }
        }
        if snapshot.unknown.is_some() {
            snapshot.live = LiveNumbers::UNKNOWN;
            snapshot.longest_wait_secs = None;
            for medium in snapshot.by_media.values_mut() {
                medium.live = LiveNumbers::UNKNOWN;
                medium.longest_wait_secs = None;
            }
        }
        let uncovered = (!frame.coverage.is_same_for_all()).then(|| frame.coverage.of(id));
        let covered = uncovered.as_ref().unwrap_or(frame.coverage.common());
        snapshot.totals = Some(total.numbers());
        snapshot.waits_within = Some(waits);
        snapshot.day = Day::new(self.histories.by_quarter.of(id));
        snapshot.windows = Some(Windows::counted(
            &frame.grid,
            covered,
            windows.clone(),
            self.histories.by_window.of(id),
        ));
        let share = Share {
            total,
            windows: windows.clone(),
            uncovered,
        };
        (snapshot, share)
    }

    fn all_queues(&self, shares: &[Share], frame: &Frame<'_>) -> AllQueues {
        let (mut total, mut windows) = (Sums::default(), BTreeMap::<i64, Sums>::new());
        for share in shares {
            total.add(&share.total);
            for (at, sums) in share.windows.iter() {
                windows.entry(at).or_default().add(&sums);
            }
        }
        let mean = |from, to| {
            let own = shares.iter().filter_map(|share| share.uncovered.as_ref());
            let percents = own.map(|uncovered| uncovered.percent_covered(from, to));
            let (sum, count) = percents.fold((0.0, 0_u32), |(sum, count), percent| (sum + percent, count + 1));
            match count {
                0 => frame.coverage.common().percent_covered(from, to),
                count => sum / f64::from(count),
            }
        };
        let recorded = self.histories.by_window.of_all();
        let mut recorded = recorded.finder();
        AllQueues {
            totals: total.numbers(),
            windows: listed(&windows, frame)
                .map(|(at, sums)| frame.grid.window(at, &sums, recorded(at), mean))
                .collect(),
            day: Day::new(self.histories.by_quarter.of_all()),
        }
    }

    /// The listed windows of a queue: those `before`, if nothing changed.
    fn listed(
        &self,
        id: &Id,
        frame: &Frame<'_>,
        (thresholds_ms, before): (Thresholds, Option<(Listing, Packed)>),
        scratch: &mut Scratch,
    ) -> (Listing, Packed) {
        let totals = self.conversations.totals_of(id);
        let listing = Listing {
            version: totals.map_or(0, QueueTotals::version),
            windows: frame.windows.clone(),
            listed_from: frame.listed_from,
            thresholds_ms,
        };
        if let Some(before) = before.filter(|(before, _)| *before == listing) {
            return before;
        }
        scratch.sums.clear();
        if let Some(totals) = totals {
            totals.add_windows(frame.windows.clone(), &thresholds_ms, &mut scratch.sums);
        }
        let packed = Packed::new(listed(&scratch.sums, frame), &mut scratch.bytes);
        (listing, packed)
    }

    /// The thresholds of the service level of a queue.
    pub(super) fn thresholds_ms(&self, queue: &Id) -> Thresholds {
        let own = match self.settings.windows.service_level {
            ServiceLevel::Fixed(threshold) => return [millis(threshold); MediaKind::ALL.len()],
            ServiceLevel::Queue => self.queues.settings.get(queue),
        };
        let mut thresholds_ms = [DEFAULT_THRESHOLD_MS; MediaKind::ALL.len()];
        for (media, threshold) in own.into_iter().flat_map(|own| &own.service_level_thresholds) {
            thresholds_ms[*media as usize] = millis(*threshold);
        }
        thresholds_ms
    }
}

/// The windows that are listed, oldest first.
fn listed<'a>(windows: &'a BTreeMap<i64, Sums>, frame: &Frame<'_>) -> impl Iterator<Item = (i64, Sums)> + use<'a> {
    let older = windows.range(..frame.listed_from).filter(|(_, sums)| sums.has_counts());
    let mut some = windows.range(frame.listed_from..).peekable();
    let listed = (frame.listed_from..=*frame.windows.end()).map(move |at| {
        let sums = some.next_if(|(of, _)| **of == at).map(|(_, sums)| *sums);
        (at, sums.unwrap_or_default())
    });
    older.map(|(at, sums)| (*at, *sums)).chain(listed)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The part of a medium, which starts with zeros.
fn medium_of(queue: &mut QueueSnapshot, kind: MediaKind) -> &mut MediaSnapshot {
    let by_media = queue.by_media.entry(kind.as_str().to_owned());
    by_media.or_insert_with(|| {
        Box::new(MediaSnapshot {
            live: LiveSums::default().numbers(),
            ..MediaSnapshot::default()
        })
    })
}

/// What only shared streams ask of the dashboard.
#[cfg(feature = "engine")]
impl Model {
    /// All gaps that are remembered, oldest first.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = &super::snapshot::Gap> {
        self.gaps.by_service_clock().map(|known| known.gap)
    }

    /// Begin and end of a gap by the service's clock.
    pub(crate) fn gap_by_service_clock(&self, id: u64) -> Option<(Moment, Option<Moment>)> {
        let known = self.gaps.by_service_clock().find(|known| known.gap.id == id)?;
        Some((known.from, known.to))
    }

    /// Its next snapshot has the number after the last one of `before`, which it replaces.
    pub(crate) fn continue_from(&mut self, before: &Self) {
        self.revision = self.revision.max(before.revision);
    }
}
