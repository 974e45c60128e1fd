//! The chart of the day: the windows of a queue, of some queues together, or of all.
//!
//! In: a snapshot, ids · Out: JSON for the page · Thread: any (pure).
//!
//! Asked for by the page once a minute, apart from its pictures: these hold only the newest windows, and few viewers look
//! at a chart.

use std::collections::BTreeMap;

use serde::Serialize;

use super::picture::object;
use crate::base::inserted::Inserted as _;
use crate::model::snapshot::{QueueSnapshot, Snapshot, WindowSnapshot};
use crate::{Id, Moment};

/// One window; counts and means are sums over the queues.
#[derive(Debug, Default, Serialize)]
struct DayWindow {
    offered: u64,
    answered: u64,
    abandoned: u64,
    /// Of the queue that was covered least.
    coverage_percent: f64,
    /// Known for one queue, and for all; the greatest of several together is not.
    waiting_max: Option<f64>,
    waiting_mean: Option<f64>,
    longest_wait_max: Option<f64>,
    interacting_mean: Option<f64>,
    idle_mean: Option<f64>,
}

impl DayWindow {
    fn of(window: &WindowSnapshot) -> Self {
        let live = window.live.unwrap_or_default();
        Self {
            offered: window.numbers.offered,
            answered: window.numbers.answered,
            abandoned: window.numbers.abandoned,
            coverage_percent: window.coverage_percent,
            waiting_max: live.waiting.map(|range| range.max),
            waiting_mean: live.waiting.map(|range| range.mean),
            longest_wait_max: live.longest_wait_secs.map(|range| range.max),
            interacting_mean: live.interacting.map(|range| range.mean),
            idle_mean: live.idle.map(|range| range.mean),
        }
    }

    /// Together with another queue. Agents of two queues may be the same, so they are not added.
    fn add(&mut self, other: &Self) {
        let sum = |a: Option<f64>, b: Option<f64>| a.map_or(b, |a| Some(a + b.unwrap_or(0.0)));
        self.offered += other.offered;
        self.answered += other.answered;
        self.abandoned += other.abandoned;
        self.coverage_percent = self.coverage_percent.min(other.coverage_percent);
        self.waiting_max = None;
        self.waiting_mean = sum(self.waiting_mean, other.waiting_mean);
        self.longest_wait_max = match (self.longest_wait_max, other.longest_wait_max) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
        self.interacting_mean = sum(self.interacting_mean, other.interacting_mean);
        self.idle_mean = None;
    }
}

/// `{"<start>":{…}}` of these queues together, of all without any. What is not known is absent.
pub(super) fn json(snapshot: &Snapshot, queues: &[Id]) -> String {
    let chosen = || queues.iter().filter_map(|id| snapshot.queues.get(id));
    let windows = match (queues, &snapshot.all_queues) {
        ([], Some(all)) => all
            .windows
            .iter()
            .map(|window| (window.start, DayWindow::of(window)))
            .inserted(),
        _ => sums(chosen()),
    };
    let rows = windows
        .iter()
        .map(|(start, window)| (start.to_string(), object(window)));
    serde_json::to_string(&rows.inserted::<BTreeMap<_, _>>()).unwrap_or_default()
}

fn sums<'a>(queues: impl Iterator<Item = &'a QueueSnapshot>) -> BTreeMap<Moment, DayWindow> {
    let mut windows: BTreeMap<Moment, DayWindow> = BTreeMap::new();
    for window in queues
        .filter_map(|queue| queue.windows.as_ref())
        .flat_map(|windows| windows.iter())
    {
        let other = DayWindow::of(&window);
        match windows.get_mut(&window.start) {
            Some(sum) => sum.add(&other),
            None => drop(windows.insert(window.start, other)),
        }
    }
    windows
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::snapshot::{AllQueues, LiveRange, Numbers, WindowLive};
    use crate::web::testing;

    fn window(minute: i64, offered: u64, waiting: Option<(f64, f64)>) -> WindowSnapshot {
        let range = waiting.map(|(max, mean)| LiveRange {
            max,
            mean,
            ..LiveRange::default()
        });
        WindowSnapshot {
            start: Moment::from_epoch_ms(minute * 60_000),
            granularity: "PT1M".into(),
            complete: true,
            coverage_percent: 100.0,
            numbers: Numbers {
                offered,
                ..Numbers::default()
            },
            live: range.map(|range| WindowLive {
                waiting: Some(range),
                longest_wait_secs: Some(range),
                ..WindowLive::default()
            }),
        }
    }

    fn snapshot() -> Snapshot {
        let mut snapshot = testing::snapshot();
        for (id, windows) in [
            ("a", vec![window(1, 2, None), window(2, 3, Some((4.0, 1.25)))]),
            ("b", vec![window(2, 5, Some((6.0, 2.0)))]),
        ] {
            let queue = QueueSnapshot {
                windows: Some(windows.into_iter().collect()),
                ..QueueSnapshot::default()
            };
            snapshot.queues.insert(Id::new(id), queue);
        }
        snapshot
    }

    fn told(snapshot: &Snapshot, queues: &[&str]) -> Value {
        let queues: Vec<Id> = queues.iter().map(|id| Id::new(id)).collect();
        serde_json::from_str(&json(snapshot, &queues)).unwrap()
    }

    const SECOND: &str = "1970-01-01T00:02:00.000Z";

    #[test]
    fn one_queue_has_its_greatest_and_several_have_sums() {
        let one = told(&snapshot(), &["a"]);
        let first = json!({"offered": 2, "answered": 0, "abandoned": 0, "coverage_percent": 100});
        assert_eq!(one["1970-01-01T00:01:00.000Z"], first, "what is unknown is absent");
        assert_eq!(
            (&one[SECOND]["waiting_max"], &one[SECOND]["waiting_mean"]),
            (&json!(4), &json!(1.3))
        );
        let both = told(&snapshot(), &["a", "b", "c"]);
        let sum = &both[SECOND];
        assert_eq!(
            (&sum["offered"], &sum["waiting_mean"], &sum["longest_wait_max"]),
            (&json!(8), &json!(3.3), &json!(6))
        );
        assert_eq!(sum["waiting_max"], Value::Null);
    }

    #[test]
    fn all_have_the_windows_of_all() {
        let mut snapshot = snapshot();
        assert_eq!(told(&snapshot, &["none"]), json!({}));
        snapshot.all_queues = Some(AllQueues {
            totals: Numbers::default(),
            windows: vec![window(2, 9, Some((7.0, 3.0)))],
        });
        let all = told(&snapshot, &[]);
        assert_eq!(
            (&all[SECOND]["offered"], &all[SECOND]["waiting_max"]),
            (&json!(9), &json!(7))
        );
    }
}
