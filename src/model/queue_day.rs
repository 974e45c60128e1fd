//! The live numbers of queues as the history takes them.
//!
//! In: live numbers, Genesys' observations, gaps, at each tick · Out: the history · Thread: any (pure).

use super::Model;
use super::counts::LiveSums;
use super::day::{Look, LookedAt};
use super::live::QueueLive;
use super::unknown::InGap;
use crate::config::Protocol;
use crate::event::change::ClockLook;
use crate::{Id, Moment};

impl Model {
    /// Takes the live numbers into the history; to be called at each tick. `now` is by our clock.
    pub(crate) fn record_history(&mut self, now: Moment, clock: ClockLook) {
        if self.settings.protocol != Protocol::Notifications {
            return;
        }
        let at = LookedAt {
            ours: now,
            service: self.service_time.at(now),
            stepped_ms: clock.stepped_ms,
        };
        let in_gap = InGap::new(self.gaps.open_gaps());
        let mut histories = std::mem::take(&mut self.histories);
        let listed = self.queue_ids().into_iter();
        let looks = Vec::from_iter(listed.map(|id| (id, self.look_at(id, &in_gap))));
        histories.look(at, &looks);
        self.conversations.set_bytes_beside(histories.bytes());
        self.histories = histories;
    }

    fn look_at(&self, queue: &Id, in_gap: &InGap) -> Look {
        let is_known = self.unknown_reason(queue, in_gap).is_none();
        let live = self.conversations.live_of(queue).filter(|_| is_known);
        let sums = is_known.then(|| live.map_or_else(LiveSums::default, QueueLive::sums));
        let idle = self.observations.idle_on_queue(queue);
        Look {
            waiting: sums.map(|sums| sums.waiting),
            entered: live.and_then(QueueLive::longest_waits_since),
            interacting: sums.map(|sums| sums.interacting),
            // A count that came as a float.
            idle: idle.map(|idle| idle.max(0.0).round() as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Event;
    use crate::EventKind;
    use crate::event::change::ClockLook;
    use crate::event::facts::{Facts, ObservationFacts, ObservationRow, Purpose};
    use crate::event::gap::GapTopics;
    use crate::event::stats::Stats;
    use crate::model::queue::QueueSet;
    use crate::model::snapshot::{Day, LiveRange, WindowLive};
    use crate::model::testing::{at, conversation, event, participant, settings, shown, stamped};

    fn model() -> Model {
        let mut model = Model::new(settings(), at(0));
        model.set_queues(QueueSet::These([Id::new("Q"), Id::new("R")].into()));
        model
    }

    /// A visit that entered Q, and has not left.
    fn waits(since: i64) -> Event {
        let mut customer = participant("customer", Purpose::Customer);
        customer.connected = Some(at(since));
        let mut acd = participant("acd", Purpose::Acd);
        acd.connected = Some(at(since));
        acd.queue = stamped(since, Id::new("Q"));
        let told = Facts::Conversation(Box::new(conversation(vec![customer, acd])));
        event(EventKind::QueueConversation, told, at(since))
    }

    fn idle(model: &mut Model, count: f64, now: i64) {
        let row = ObservationRow {
            media: None,
            interval: None,
            metric: "oOnQueueUsers".into(),
            qualifier: Some("IDLE".into()),
            stats: Stats::from_iter([("count".into(), count)]),
        };
        let rows = vec![row];
        let queue = Id::new("Q");
        model.apply_rest(
            &Facts::Observations(Box::new(ObservationFacts { queue, rows })),
            at(now),
        );
    }

    fn ticks(model: &mut Model, secs: std::ops::RangeInclusive<i64>) {
        for now in secs {
            model.record_history(at(now), ClockLook::default());
        }
    }

    fn range(max: f64, mean: f64, last: f64) -> Option<LiveRange> {
        Some(LiveRange { max, mean, last })
    }

    #[test]
    fn windows_have_what_was_known_of_them() {
        let mut m = model();
        ticks(&mut m, 0..=20);
        m.apply(&waits(10), at(20));
        idle(&mut m, 3.0, 20);
        ticks(&mut m, 20..=40);
        let snapshot = shown(&mut m, at(40));
        let live = |id: &str| {
            let windows = snapshot.queues[&Id::new(id)].windows.as_ref().unwrap();
            windows.last().unwrap().live.unwrap()
        };
        let expected = WindowLive {
            waiting: range(1.0, 0.5, 1.0),
            longest_wait_secs: range(30.0, 10.0, 30.0),
            interacting: range(0.0, 0.0, 0.0),
            idle: range(3.0, 3.0, 3.0),
        };
        assert_eq!(live("Q"), expected);
        assert_eq!(snapshot.all_queues.as_ref().unwrap().windows[0].live, Some(expected));
        let nobody = range(0.0, 0.0, 0.0);
        let quiet = WindowLive {
            waiting: nobody,
            longest_wait_secs: nobody,
            interacting: nobody,
            idle: None,
        };
        assert_eq!(live("R"), quiet);
        let day = |day: &Day| Vec::from_iter(day.quarters());
        let quarter = at(0).epoch_ms().div_euclid(900_000) * 900_000;
        let expected = [(Moment::from_epoch_ms(quarter), expected)];
        assert_eq!(day(&snapshot.queues[&Id::new("Q")].day), expected);
        assert_eq!(day(&snapshot.all_queues.as_ref().unwrap().day), expected);
    }

    #[test]
    fn in_a_gap_nothing_is_known_but_what_observations_told() {
        let mut m = model();
        let own = GapTopics::Some(vec!["v2.routing.queues.Q.conversations".into()]);
        let gap = m.gaps_mut().open(own, at(0), "refused").id;
        m.apply(&waits(10), at(20));
        ticks(&mut m, 20..=70);
        let live = |m: &mut Model| -> Vec<Option<WindowLive>> {
            let snapshot = shown(m, at(130));
            let windows = snapshot.queues[&Id::new("Q")].windows.as_ref().unwrap();
            windows.iter().map(|window| window.live).collect()
        };
        assert_eq!(live(&mut m), [None; 3]);
        idle(&mut m, 2.0, 70);
        ticks(&mut m, 71..=80);
        let only_idle = WindowLive {
            idle: range(2.0, 2.0, 2.0),
            ..WindowLive::default()
        };
        assert_eq!(live(&mut m), [None, Some(only_idle), None]);
        m.gaps_mut().close(gap, at(90));
        ticks(&mut m, 119..=125);
        let after = WindowLive {
            waiting: range(1.0, 1.0, 1.0),
            longest_wait_secs: range(115.0, 112.5, 115.0),
            interacting: range(0.0, 0.0, 0.0),
            idle: range(2.0, 2.0, 2.0),
        };
        assert_eq!(live(&mut m)[2], Some(after));
    }
}
