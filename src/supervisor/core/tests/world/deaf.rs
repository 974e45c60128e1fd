//! What makes a stream deaf while its sockets stay open: topics that the service loses, a process that is stopped.
//!
//! In: random choices · Out: news, checks of the gaps · Thread: the test's.

use std::time::{Duration, Instant};

use super::World;
use crate::Moment;
use crate::supervisor::acts::News;

impl World {
    /// The service loses topics of a channel.
    pub(super) fn lose_subscriptions(&mut self) {
        let channels: Vec<String> = self.subscribed.keys().cloned().collect();
        if channels.is_empty() {
            return;
        }
        let at = self.number(channels.len());
        let is_all = self.one_in(2);
        if let Some(topics) = self.subscribed.get_mut(&channels[at])
            && topics.pop_first().is_some()
        {
            if is_all {
                topics.clear();
            }
            self.lost.entry(channels[at].clone()).or_insert(self.at);
        }
    }

    /// The process is stopped for a while.
    pub(super) fn freeze(&mut self) {
        let covered: Vec<usize> = (0..self.core.lines.len())
            .filter(|at| self.core.lines[*at].is_streaming())
            .collect();
        let since = self.at;
        let lasted = Duration::from_millis(6_000 + self.number(200_000) as u64);
        self.now += lasted;
        self.at = self.at.plus(lasted);
        self.frozen = Some(self.now);
        self.tell(News::Frozen { since, lasted });
        if self.ended {
            return;
        }
        for line in covered {
            let begins = self.gaps.get(&line);
            let is_told = begins.is_some_and(|begins| self.begins_by(begins, since));
            assert!(is_told, "line {line} was stopped without a gap: {begins:?}");
        }
    }

    /// After an answer that showed what a channel has: what was gone by then is inside a gap.
    pub(super) fn check_loss(&self, channel: &str, asked: Option<Instant>) {
        let (Some(lost), false) = (self.lost.get(channel), self.ended) else {
            return;
        };
        // An answer to what was asked before a stop is not used.
        if self.frozen > asked {
            return;
        }
        for (at, line) in self.core.lines.iter().enumerate() {
            if line.is_streaming() && self.core.channel_of(at).as_deref() == Some(channel) {
                let begins = self.gaps.get(&at);
                let is_told = begins.is_some_and(|begins| self.begins_by(begins, *lost));
                assert!(is_told, "line {at} lost topics at {lost} without a gap: {begins:?}");
            }
        }
    }

    /// Whether one of these gaps begins by then. Where our clock was set, times before and after cannot be compared; the
    /// ledger has the service's.
    fn begins_by(&self, begins: &[Moment], by: Moment) -> bool {
        self.settings > 0 || begins.iter().any(|from| *from <= by)
    }

    /// Whether a line streams on a channel that lost topics: that is noticed within ten minutes.
    pub(super) fn is_deaf(&self) -> bool {
        let mut lines = 0..self.core.lines.len();
        lines.any(|at| {
            let channel = self.core.channel_of(at);
            channel.is_some_and(|channel| self.lost.contains_key(&channel))
        })
    }
}
