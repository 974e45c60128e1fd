//! The chart of the day: windows and quarters of an hour of a queue, of some queues together, or of all.
//!
//! In: a snapshot, ids · Out: JSON for the page · Thread: any (pure).
//!
//! Asked for by the page once a minute, apart from its pictures: these hold only the newest windows, and few viewers look
//! at a chart.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::picture::object;
use crate::base::inserted::Inserted as _;
use crate::model::snapshot::{Snapshot, WindowLive, WindowSnapshot};
use crate::{Id, Moment};

/// One window or quarter of an hour; counts and means are sums over the queues.
#[derive(Debug, Default, Serialize)]
struct Part {
    /// Quarters have no counts.
    offered: Option<u64>,
    answered: Option<u64>,
    abandoned: Option<u64>,
    /// Of the queue that was covered least.
    coverage_percent: Option<f64>,
    /// Known for one queue, and for all; the greatest of several together is not.
    waiting_max: Option<f64>,
    waiting_mean: Option<f64>,
    longest_wait_max: Option<f64>,
    interacting_mean: Option<f64>,
}

impl Part {
    fn of_live(live: WindowLive) -> Self {
        Self {
            waiting_max: live.waiting.map(|range| range.max),
            waiting_mean: live.waiting.map(|range| range.mean),
            longest_wait_max: live.longest_wait_secs.map(|range| range.max),
            interacting_mean: live.interacting.map(|range| range.mean),
            ..Self::default()
        }
    }

    fn of_window(window: &WindowSnapshot) -> Self {
        Self {
            offered: Some(window.numbers.offered),
            answered: Some(window.numbers.answered),
            abandoned: Some(window.numbers.abandoned),
            coverage_percent: Some(window.coverage_percent),
            ..Self::of_live(window.live.unwrap_or_default())
        }
    }

    /// The counts alone.
    fn without_live(&self) -> Self {
        Self {
            offered: self.offered,
            answered: self.answered,
            abandoned: self.abandoned,
            coverage_percent: self.coverage_percent,
            ..Self::default()
        }
    }

    /// Together with another queue.
    fn add(&mut self, other: &Self) {
        fn both<T>(a: Option<T>, b: Option<T>, join: impl Fn(T, T) -> T) -> Option<T> {
            Some(join(a?, b?))
        }
        self.offered = both(self.offered, other.offered, |a, b| a + b);
        self.answered = both(self.answered, other.answered, |a, b| a + b);
        self.abandoned = both(self.abandoned, other.abandoned, |a, b| a + b);
        self.coverage_percent = both(self.coverage_percent, other.coverage_percent, f64::min);
        self.waiting_max = None;
        self.waiting_mean = both(self.waiting_mean, other.waiting_mean, |a, b| a + b);
        self.longest_wait_max = both(self.longest_wait_max, other.longest_wait_max, f64::max);
        self.interacting_mean = both(self.interacting_mean, other.interacting_mean, |a, b| a + b);
    }
}

/// Each with the number of queues that are in it.
type Parts = BTreeMap<Moment, (Part, usize)>;

/// `{"windows":{"<start>":{…}},"quarters":{"<start>":{…}}}` of these queues together, of all without any. What is not known
/// is absent: live numbers where those of one of the queues are not known.
pub(super) fn json(snapshot: &Snapshot, queues: &[Id]) -> String {
    let (mut windows, mut quarters) = (Parts::new(), Parts::new());
    let add = |parts: &mut Parts, (start, part): (Moment, Part)| match parts.get_mut(&start) {
        Some((sum, count)) => {
            sum.add(&part);
            *count += 1;
        }
        None => drop(parts.insert(start, (part, 1))),
    };
    let live = |(start, live): (Moment, WindowLive)| (start, Part::of_live(live));
    if let ([], Some(all)) = (queues, &snapshot.all_queues) {
        let counted = all.windows.iter().map(|window| (window.start, Part::of_window(window)));
        counted.for_each(|part| add(&mut windows, part));
        all.day.quarters().map(live).for_each(|part| add(&mut quarters, part));
    }
    let wanted: Vec<_> = queues.iter().filter_map(|id| snapshot.queues.get(id)).collect();
    for queue in &wanted {
        let counted = queue.windows.iter().flat_map(|windows| windows.iter());
        let counted = counted.map(|window| (window.start, Part::of_window(&window)));
        counted.for_each(|part| add(&mut windows, part));
        queue.day.quarters().map(live).for_each(|part| add(&mut quarters, part));
    }
    let rows = |parts: &Parts| -> Value {
        let rows = parts.iter().map(|(start, (part, count))| match *count < wanted.len() {
            true => (start.to_string(), object(&part.without_live()).into()),
            false => (start.to_string(), object(part).into()),
        });
        rows.inserted::<Map<String, Value>>().into()
    };
    json!({"windows": rows(&windows), "quarters": rows(&quarters)}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::snapshot::{AllQueues, LiveRange, Numbers, QueueSnapshot};
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
        let told: Value = serde_json::from_str(&super::json(snapshot, &queues)).unwrap();
        assert_eq!(told["quarters"], json!({}), "nothing was observed");
        told["windows"].clone()
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
    fn a_sum_is_not_known_where_one_of_its_queues_is_not() {
        let mut snapshot = snapshot();
        let windows = vec![window(1, 1, Some((9.0, 9.0))), window(2, 1, None)];
        let queue = QueueSnapshot {
            windows: Some(windows.into_iter().collect()),
            ..QueueSnapshot::default()
        };
        snapshot.queues.insert(Id::new("d"), queue);
        let both = told(&snapshot, &["a", "d"]);
        assert_eq!(
            (&both[SECOND]["offered"], &both[SECOND]["waiting_mean"]),
            (&json!(4), &Value::Null)
        );
        let first = &told(&snapshot, &["b", "d"])["1970-01-01T00:01:00.000Z"];
        assert_eq!(
            (&first["offered"], &first["waiting_mean"]),
            (&json!(1), &Value::Null),
            "b has no such window"
        );
    }

    #[test]
    fn all_have_the_windows_of_all() {
        let mut snapshot = snapshot();
        assert_eq!(told(&snapshot, &["none"]), json!({}));
        snapshot.all_queues = Some(AllQueues {
            totals: Numbers::default(),
            windows: vec![window(2, 9, Some((7.0, 3.0)))],
            ..AllQueues::default()
        });
        let all = told(&snapshot, &[]);
        assert_eq!(
            (&all[SECOND]["offered"], &all[SECOND]["waiting_max"]),
            (&json!(9), &json!(7))
        );
    }
}
