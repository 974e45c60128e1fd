//! The numbers that alerts are about, and the alerts of a queue as a snapshot shows them.
//!
//! In: live numbers, totals, Genesys' observations · Out: alerts that begin, change or end, `AlertSnapshot`s · Thread: any
//! (pure).

use std::collections::BTreeMap;
use std::time::Duration;

use super::Model;
use super::alerts::Firing;
use super::counts::Sums;
use super::snapshot::AlertSnapshot;
use super::unknown::InGap;
use crate::config::{AlertName, Protocol};
use crate::event::alert::Alert;
use crate::{Id, Moment};

/// Alerts of what happened are about the windows that overlap this time before now.
const RECENT: Duration = Duration::from_secs(30 * 60);

impl Model {
    /// Looks which numbers are beyond their thresholds; `now` is by our clock. Returns the alerts that begin, change or end.
    pub(crate) fn check_alerts(&mut self, now: Moment) -> Vec<Alert> {
        let now = self.service_time.at(now);
        if self.settings.protocol != Protocol::Notifications || !self.alerts.is_due(now) {
            return Vec::new();
        }
        let in_gap = InGap::new(self.gaps.open_gaps());
        let mut alerts = std::mem::take(&mut self.alerts);
        let name_of = |id| {
            self.queues
                .settings
                .get(id)
                .and_then(|settings| settings.name.as_deref())
        };
        let listed = self.queue_ids().into_iter().map(|id| (id, name_of(id)));
        let told = alerts.look(now, listed, |id, name| self.alert_value(id, name, now, &in_gap));
        self.alerts = alerts;
        told
    }

    /// What fires of a queue, with the numbers of now.
    pub(super) fn alerts_of(&self, id: &Id, as_of: Moment, in_gap: &InGap) -> BTreeMap<AlertName, AlertSnapshot> {
        let firing = self.alerts.firing(id).map(|firing| {
            let Firing { name, level, since } = firing;
            let value = self.alert_value(id, name, as_of, in_gap);
            (name, AlertSnapshot { level, since, value })
        });
        firing.collect()
    }

    /// The number of a queue that has thresholds of this name; `None` where it is not known or there is none.
    fn alert_value(&self, queue: &Id, name: AlertName, as_of: Moment, in_gap: &InGap) -> Option<f64> {
        let live = || {
            let is_known = self.unknown_reason(queue, in_gap).is_none();
            is_known.then(|| self.conversations.live_of(queue))
        };
        let recent = || {
            let totals = self.conversations.totals();
            let windows = totals.window_of(as_of.minus(RECENT))..=totals.window_of(as_of);
            let mut by_window = BTreeMap::new();
            if let Some(of_queue) = self.conversations.totals_of(queue) {
                of_queue.add_windows(windows, &self.thresholds_ms(queue), &mut by_window);
            }
            let mut sums = Sums::default();
            by_window.values().for_each(|window| sums.add(window));
            sums
        };
        match name {
            AlertName::Waiting => Some(live()?.map_or(0, |live| live.sums().waiting) as f64),
            AlertName::LongestWaitSecs => live()??.longest_wait_secs(as_of),
            AlertName::AbandonedPercent => {
                let sums = recent();
                let ended = sums.answered + sums.abandoned;
                (ended > 0).then(|| 100.0 * sums.abandoned as f64 / ended as f64)
            }
            AlertName::ServiceLevelPercent => recent().numbers().service_level_percent,
            AlertName::IdleAgents => self.observations.idle_on_queue(queue),
        }
    }
}
