//! The history of the live numbers: it contains what every snapshot showed, and a replay has the same.
//!
//! In: a simulator, whole streams · Out: verdicts · Thread: the test's.

use std::collections::BTreeMap;

use genesys_stream::{Id, LiveRange, Moment, Protocol, Snapshot};

use crate::audit::Directory;
use crate::replay::{assert_equal, replayed};
use crate::support::{busy, config, control, start, watch};

/// The greatest values that snapshots showed, by queue and window: waiting, longest wait, interacting.
#[derive(Default)]
struct Shown(BTreeMap<(Id, Moment), [f64; 3]>);

impl Shown {
    fn add(&mut self, snapshot: &Snapshot) {
        for (id, queue) in &snapshot.queues {
            let (Some(waiting), Some(interacting)) = (queue.live.waiting.known(), queue.live.interacting.known())
            else {
                continue;
            };
            let now = [
                waiting as f64,
                queue.longest_wait_secs.unwrap_or(0.0),
                interacting as f64,
            ];
            let current = queue
                .windows
                .as_ref()
                .and_then(|windows| windows.last())
                .expect("the current window");
            let live = current.live.expect("it is known");
            let ranges =
                [live.waiting, live.longest_wait_secs, live.interacting].map(|range| range.expect("it is known"));
            assert_eq!(
                ranges.map(|range| range.last),
                now,
                "the snapshot has a look of its own"
            );
            let greatest = self.0.entry((id.clone(), current.start)).or_default();
            for (greatest, now) in greatest.iter_mut().zip(now) {
                *greatest = greatest.max(now);
            }
        }
    }
}

#[test]
fn the_history_contains_what_each_snapshot_showed_and_a_replay_has_it_too() {
    let directory = Directory::new("history");
    let path = directory.file("recording.jsonl");
    let sim = start(busy());
    let windows = r#"{"windows":{"granularity":"PT5S","keep":1000}}"#;
    let builder = config(&sim.url(), Protocol::Notifications).queue("all");
    let stream = watch(builder.json("windows.json", windows).record_file(&path));
    stream.until_fed();
    let mut shown = Shown::default();
    let begun = stream.fresh().as_of;
    stream.until("some windows have passed", |snapshot| {
        shown.add(snapshot);
        snapshot.as_of.millis_since(begun) > 30_000
    });
    control(&sim, "close?code=1011");
    let reconnected = stream.until_reconnected(1).as_of;
    stream.until("some more have passed", |snapshot| {
        shown.add(snapshot);
        // What is asked for comes between two ticks.
        shown.add(&stream.stream().snapshot());
        snapshot.as_of.millis_since(reconnected) > 30_000
    });
    let last = stream.stop().snapshot;
    assert!(shown.0.len() > 4 * 10);
    for ((id, start), greatest) in shown.0 {
        let windows = last.queues[&id].windows.as_ref().expect("windows");
        let window = windows.iter().find(|window| window.start == start).expect("it is kept");
        let live = window.live.expect("it was known");
        let ranges: [LiveRange; 3] =
            [live.waiting, live.longest_wait_secs, live.interacting].map(|range| range.expect("it was known"));
        for (range, greatest) in ranges.iter().zip(greatest) {
            assert!(range.max >= greatest, "{id} {start}: {range:?}, {greatest} was shown");
            assert!((0.0..=range.max).contains(&range.mean), "{id} {start}: {range:?}");
        }
    }
    let all = &last.all_queues.as_ref().expect("numbers over all").windows;
    let idle = all.iter().filter_map(|window| window.live?.idle);
    assert!(idle.count() > 5, "observations tell who is idle");
    assert_equal(&last, &replayed(&path));
}
