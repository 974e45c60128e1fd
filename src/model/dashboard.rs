//! The numbers of queues as a snapshot shows them.
//!
//! In: live numbers, totals, gaps, what the listing says · Out: `QueueSnapshot`s, `AllQueues` · Thread: any (pure).
//!
//! Windows are listed from the start (or from where REST covered the time before it), as far as they are kept, up to the
//! current one, empty ones included; and older ones that are kept, if something happened in them. The coverage of a
//! window over all queues is the mean of the queues' coverages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Model;
use super::counts::{LiveNumbers, LiveSums, Sums};
use super::coverage::{Coverage, Uncovered};
use super::queue::QueueSet;
use super::snapshot::{AllQueues, LiveTotals, MediaSnapshot, ObservedSnapshot, QueueSnapshot, WindowSnapshot};
use super::unknown::InGap;
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
    windows: std::ops::RangeInclusive<i64>,
    /// From this window on, windows are listed even if nothing happened.
    listed_from: i64,
    granularity: Arc<str>,
    coverage: Coverage,
    in_gap: &'a InGap,
}

/// What one queue adds to the numbers over all.
struct Share {
    total: Sums,
    windows: BTreeMap<i64, Sums>,
    uncovered: Option<Uncovered>,
}

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
    pub(super) fn queues(&self, as_of: Moment, in_gap: &InGap) -> (BTreeMap<Id, QueueSnapshot>, Option<AllQueues>) {
        let shown = self.queue_ids();
        if self.settings.protocol != Protocol::Notifications {
            let of = |id: &Id| {
                let mut snapshot = self.labels(id);
                snapshot.average_wait_secs = self.averages.of(id);
                (id.clone(), snapshot)
            };
            return (BTreeMap::from_iter(shown.into_iter().map(of)), None);
        }
        let frame = self.frame(as_of, in_gap);
        let mut queues = BTreeMap::new();
        let mut shares = Vec::with_capacity(shown.len());
        for id in &shown {
            let (snapshot, share) = self.queue(id, &frame);
            queues.insert((*id).clone(), snapshot);
            shares.push(share);
        }
        if shown.is_empty() {
            // Only topics or users are subscribed: all queues that events name count.
            let counted = self.conversations.counted_queues();
            shares.extend(counted.map(|id| self.queue(id, &frame).1));
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
            granularity: totals.granularity(),
            coverage,
            in_gap,
        }
    }

    fn queue_ids(&self) -> BTreeSet<&Id> {
        match (&self.queues.listed, self.settings.protocol) {
            // Metrics name entities, not queues.
            (_, Protocol::Metrics) => BTreeSet::new(),
            (QueueSet::These(queues), _) => BTreeSet::from_iter(queues),
            (QueueSet::All, Protocol::Events) => {
                BTreeSet::from_iter(self.averages.queues().chain(self.queues.settings.keys()))
            }
            (QueueSet::All, Protocol::Notifications) => {
                let live = self.conversations.live_queues();
                let all = live.chain(self.conversations.counted_queues());
                BTreeSet::from_iter(all.chain(self.observations.queues()).chain(self.queues.settings.keys()))
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

    fn queue(&self, id: &Id, frame: &Frame<'_>) -> (QueueSnapshot, Share) {
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
        snapshot.observations = self.observations.snapshot(id, frame.as_of);
        snapshot.observed = self.observations.present(id).map(|present| ObservedSnapshot {
            waiting: present.counts.waiting,
            interacting: present.counts.interacting,
            at: present.at,
            differs_since: self.self_check.differs_since(id),
        });

        let (mut total, mut windows) = (Sums::default(), BTreeMap::new());
        if let Some(totals) = self.conversations.totals_of(id) {
            for kind in MediaKind::ALL {
                if let Some(sums) = totals.total(kind, frame.day, self.threshold_ms(id, kind)) {
                    total.add(&sums);
                    // Time on hold is approximate: it must not decide what is shown.
                    if sums.has_counts() || snapshot.by_media.contains_key(kind.as_str()) {
                        medium_of(&mut snapshot, kind).totals = sums.numbers();
                    }
                }
            }
            totals.add_windows(frame.windows.clone(), |kind| self.threshold_ms(id, kind), &mut windows);
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
        snapshot.windows = Some(self.listed(&windows, frame, |from, to| covered.percent_covered(from, to)));
        let share = Share {
            total,
            windows,
            uncovered,
        };
        (snapshot, share)
    }

    fn all_queues(&self, shares: &[Share], frame: &Frame<'_>) -> AllQueues {
        let (mut total, mut windows) = (Sums::default(), BTreeMap::<i64, Sums>::new());
        for share in shares {
            total.add(&share.total);
            for (at, sums) in &share.windows {
                windows.entry(*at).or_default().add(sums);
            }
        }
        let mean = |from, to| {
            let alike = frame.coverage.common().percent_covered(from, to);
            let own: Vec<f64> = shares
                .iter()
                .filter_map(|share| share.uncovered.as_ref())
                .map(|uncovered| uncovered.percent_covered(from, to))
                .collect();
            if own.is_empty() {
                alike
            } else {
                own.iter().sum::<f64>() / own.len() as f64
            }
        };
        AllQueues {
            totals: total.numbers(),
            windows: self.listed(&windows, frame, mean),
        }
    }

    fn listed(
        &self,
        windows: &BTreeMap<i64, Sums>,
        frame: &Frame<'_>,
        percent_covered: impl Fn(Moment, Moment) -> f64,
    ) -> Vec<WindowSnapshot> {
        let totals = self.conversations.totals();
        let older = windows.range(..frame.listed_from).filter(|(_, sums)| sums.has_counts());
        older
            .map(|(at, _)| *at)
            .chain(frame.listed_from..=*frame.windows.end())
            .map(|at| {
                let (start, end) = (totals.start_of(at), totals.start_of(at.saturating_add(1)));
                WindowSnapshot {
                    start,
                    granularity: Arc::clone(&frame.granularity),
                    complete: end <= frame.as_of,
                    coverage_percent: percent_covered(start, end.min(frame.as_of)),
                    numbers: windows.get(&at).copied().unwrap_or_default().numbers(),
                }
            })
            .collect()
    }

    fn threshold_ms(&self, queue: &Id, media: MediaKind) -> u64 {
        let own = match self.settings.windows.service_level {
            ServiceLevel::Fixed(threshold) => Some(threshold),
            ServiceLevel::Queue => {
                let settings = self.queues.settings.get(queue);
                settings.and_then(|s| s.service_level_thresholds.get(&media).copied())
            }
        };
        own.map_or(DEFAULT_THRESHOLD_MS, |threshold| {
            u64::try_from(threshold.as_millis()).unwrap_or(u64::MAX)
        })
    }
}

/// The part of a medium, which starts with zeros.
fn medium_of(queue: &mut QueueSnapshot, kind: MediaKind) -> &mut MediaSnapshot {
    let by_media = queue.by_media.entry(kind.as_str().to_owned());
    by_media.or_insert_with(|| MediaSnapshot {
        live: LiveSums::default().numbers(),
        ..MediaSnapshot::default()
    })
}
