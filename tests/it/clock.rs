//! A service whose clock differs from ours by minutes and hours, in both directions: the numbers are the true ones.
//!
//! In: a simulator whose clock is shifted · Out: verdicts · Thread: the test's.

use std::time::{SystemTime, UNIX_EPOCH};

use genesys_stream::Snapshot;

use crate::audit::Directory;
use crate::repair::scene::{Scene, centre_time, notifications, warm_centre};
use crate::replay::{assert_equal, replayed};
use crate::support::{control, start};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;

/// Dates are whole seconds, and a busy machine is slow between two looks at a clock.
const TOLERANCE_MS: i64 = 5_000;

/// A stream against a centre whose clock is ahead of ours by so much, with an outage in between.
fn a_service_ahead_by(ahead_ms: i64) {
    let directory = Directory::new(&format!("clock{ahead_ms}"));
    let recording = directory.file("recording");
    let epoch_ms = now_ms() + ahead_ms;
    let scene = Scene::begin(start(warm_centre().epoch_ms(epoch_ms)), |url| {
        notifications(url).record_file(&recording)
    });
    scene.stream.until_fed();
    control(&scene.sim, "outage?secs=1");
    scene.until_repaired(1);
    scene.until_true();

    let snapshot = scene.stream.fresh();
    let centre_ms = centre_time(&scene.sim);
    // A centre that is paused falls behind; that is measured with the next answer.
    let paused_ms = ahead_ms + now_ms() - centre_ms;
    let near = |what: &str, found: i64, wanted: i64| {
        let off = (found - wanted).abs();
        assert!(
            off <= TOLERANCE_MS + paused_ms,
            "{what}: {off} ms off, the service is ahead by {ahead_ms} ms"
        );
    };
    near("as_of", snapshot.as_of.epoch_ms(), centre_ms);
    near("clock_ahead_ms", snapshot.connection.clock_ahead_ms, -ahead_ms);
    near("started_at", snapshot.started_at.epoch_ms() + ahead_ms, epoch_ms);
    assert_eq!(snapshot.counters.late, 0);
    assert_eq!(snapshot.counters.drift, 0);
    waits_are_short(&snapshot);
    for (kind, latency) in &snapshot.latency {
        // An event that ends a hold has no new time, so single latencies may be minutes.
        assert!(latency.p50_ms < 60_000, "{kind}: {latency:?}");
    }
    // Gaps are by our clock, the windows that they uncover by the service's.
    let gap = &snapshot.connection.gaps[0];
    let ago_ms = centre_ms - (gap.from.epoch_ms() + ahead_ms);
    assert!(
        (-TOLERANCE_MS - paused_ms..5 * MINUTE_MS).contains(&ago_ms),
        "{gap:?}: {ago_ms}"
    );
    let all = snapshot.all_queues.as_ref().expect("notifications");
    let newest = all.windows.last().expect("a window");
    assert_eq!(
        newest.start.epoch_ms(),
        snapshot.as_of.epoch_ms() / MINUTE_MS * MINUTE_MS
    );
    let live = scene.stream.stop().snapshot;
    assert_equal(&live, &replayed(&recording));
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    now.as_millis() as i64
}

/// A wait of the centre takes minutes; one by the wrong clock would take hours, or be negative.
fn waits_are_short(snapshot: &Snapshot) {
    for (id, queue) in &snapshot.queues {
        let longest = queue.longest_wait_secs.unwrap_or(0.0);
        assert!((0.0..1800.0).contains(&longest), "{id}: {longest}");
    }
}

#[test]
fn ours_is_three_hours_fast() {
    a_service_ahead_by(-3 * HOUR_MS);
}

#[test]
fn ours_is_three_hours_slow() {
    a_service_ahead_by(3 * HOUR_MS);
}

#[test]
fn ours_is_ten_minutes_fast_or_slow() {
    a_service_ahead_by(-10 * MINUTE_MS);
    a_service_ahead_by(10 * MINUTE_MS);
}
