//! Every number against the simulator's own count: at any speed, after outages, with services that ignore parameters.
//!
//! In: a simulator that knows the truth · Out: verdicts · Thread: the test's.

use std::time::Duration;

use genesys_stream::Protocol;
use serde_json::json;

use super::scene::{INTERVAL, PLENTY, Scene, Settings, centre_time, notifications, settle, warm, warm_centre};
use crate::simulator::details;
use crate::support::{against_the_clock, control, impatient, start, until_true, watch};

const TENS: Settings = Settings {
    granularity: "PT10S",
    service_level_secs: Some(12),
    short_abandon_secs: 7,
};

#[test]
fn shuffled_and_doubled_with_every_kind_of_outage() {
    let sim = warm();
    control(&sim, "reorder?percent=30");
    control(&sim, "duplicate?percent=30");
    let scene = Scene::begin_with(sim, TENS, |url| {
        let builder = impatient(url, Protocol::Notifications).snapshot_interval(INTERVAL);
        builder.json("plenty.json", PLENTY)
    });
    control(&scene.sim, "reset");
    scene.stream.until_reconnected(1);
    control(&scene.sim, "outage?secs=1");
    scene.stream.until_reconnected(2);
    scene.until_true();
    control(&scene.sim, "silence?secs=3600");
    scene.stream.until_reconnected(3);
    control(&scene.sim, "close?code=1001");
    scene.stream.until_reconnected(4);
    scene.until_repaired(4);
    scene.until_true();
    let last = scene.stream.stop().snapshot;
    assert!(last.counters.duplicates > 0);
    assert_eq!((last.counters.drift, last.counters.late), (0, 0));
    let covered = |percent: f64| percent == 100.0;
    let windows = &last.all_queues.as_ref().unwrap().windows;
    let since = last.started_at;
    assert!(
        windows
            .iter()
            .filter(|w| w.start >= since)
            .all(|w| covered(w.coverage_percent))
    );
    assert!(
        windows
            .iter()
            .all(|w| w.complete == (w.start.epoch_ms() + 10_000 <= last.as_of.epoch_ms()))
    );
}

fn at_speed(speed: f64, agents: usize, settings: Settings) {
    let sim = start(warm_centre().speed(speed).agents(agents));
    let scene = Scene::begin_with(sim, settings, notifications);
    for gaps in 1..=3 {
        let begun = centre_time(&scene.sim);
        control(&scene.sim, &format!("outage?secs=0.6&rest={}", gaps % 2));
        scene.stream.until_reconnected(gaps);
        until_true("20 s of the centre", || centre_time(&scene.sim) >= begun + 20_000);
        scene.until_true();
    }
    scene.until_repaired(3);
    scene.stream.stop();
}

#[test]
fn five_times_as_fast() {
    at_speed(5.0, 60, TENS);
}

#[test]
fn sixty_times_as_fast() {
    // A small centre: a busy machine must keep up with a minute of it in a second.
    at_speed(60.0, 20, Settings::default());
}

/// The centre is paused before the stream is back, so what happened in the outage is known from REST alone: also calls
/// that are still on hold, and after-call work that goes on after its conversation.
#[test]
fn holds_and_after_call_work_outlast_an_outage() {
    let scene = Scene::begin(start(warm_centre().agents(250)), notifications);
    control(&scene.sim, "outage?secs=2.5");
    until_true("the outage nearly over", || {
        control(&scene.sim, "state")["outage_secs_left"].as_f64().unwrap() <= 0.7
    });
    settle(&scene.sim);
    scene.stream.until_reconnected(1);
    scene.until_repaired(1);
    scene.until_true_standing();
    let (mut on_hold, mut wrapping_up) = (0, 0);
    for conversation in details(&scene.sim, 1000) {
        let is_over = conversation["conversationEnd"].is_string();
        for participant in conversation["participants"].as_array().unwrap() {
            let last = participant["sessions"][0]["segments"]
                .as_array()
                .unwrap()
                .last()
                .unwrap()
                .clone();
            let is_open = last["segmentEnd"].is_null();
            on_hold += u32::from(is_open && last["segmentType"] == "hold");
            wrapping_up += u32::from(is_open && is_over && last["segmentType"] == "wrapup");
        }
    }
    assert!(on_hold > 0 && wrapping_up > 0, "{on_hold} {wrapping_up}");
    control(&scene.sim, "pause?on=0");
    scene.until_true();
    assert_eq!(scene.stream.stop().snapshot.counters.drift, 0);
}

/// A service that ignores order, filters or paging leads to the same numbers, with more pages.
#[test]
fn services_that_do_not_do_as_asked() {
    let whims = [
        "ignore=order",
        "ignore=filters",
        "ignore=paging",
        "ignore=order,filters",
        "ignore=order,filters,paging",
        "ignore=order&deepest=1",
    ];
    std::thread::scope(|scope| {
        for whims in whims {
            let thread = std::thread::Builder::new().name(whims.to_owned());
            thread
                .spawn_scoped(scope, move || as_asked_or_not(whims))
                .expect("a thread");
        }
    });
}

fn as_asked_or_not(whims: &str) {
    let sim = start(warm_centre().agents(20));
    control(&sim, &format!("details?{whims}"));
    let scene = Scene::begin(sim, notifications);
    control(&scene.sim, "outage?secs=1.2");
    scene.stream.until_reconnected(1);
    scene.until_repaired(1);
    scene.until_true();
    scene.stream.stop();
}

/// A gap of a second after a day's work is repaired with a few pages.
#[test]
fn a_repair_costs_what_the_gap_holds() {
    let sim = start(warm_centre().agents(100).warm_up(Duration::from_secs(3600)));
    let scene = Scene::begin(sim, notifications);
    assert!(control(&scene.sim, "state")["conversations_known"].as_u64().unwrap() > 5_000);
    let asked = || control(&scene.sim, "state")["requests"].as_u64().unwrap();
    let before = asked();
    control(&scene.sim, "reset");
    scene.until_repaired(1);
    let calls = asked() - before;
    // The open ones, about 200; two pages of what ended; the queues' statistics; some by their ids.
    assert!(calls < 30, "{calls}");
    scene.until_true();
    scene.stream.stop();
}

/// Without repair the windows of a gap say how much of them was covered; with it all of them.
#[test]
fn coverage_tells_of_gaps() {
    // The machine's delays show in the dates of answers, and with them in what counts as the start.
    against_the_clock(|_| {
        for repaired in [false, true] {
            coverage_of_a_gap(repaired);
        }
    });
}

fn coverage_of_a_gap(repaired: bool) {
    let sim = start(warm_centre().agents(40));
    let config = notifications(&sim.url()).queue("all").json("windows.json", TENS.json());
    let config = if repaired { config } else { config.without_backfill() };
    let stream = watch(config);
    stream.until_fed();
    // The first subscription is confirmed between the start and now.
    let fed = stream.fresh().generated_at.epoch_ms();
    control(&sim, "outage?secs=1");
    stream.until("back", |s| {
        s.connection
            .gaps
            .iter()
            .any(|gap| gap.to.is_some() && gap.repaired == repaired)
    });
    let last = stream.stop().snapshot;
    let gap = &last.connection.gaps[0];
    let (from, to) = (gap.from.epoch_ms(), gap.to.unwrap().epoch_ms());
    assert!(to - from > 800, "{}", json!(last.connection.gaps));
    let begins = last.started_at.epoch_ms();
    let mut missed = 0.0;
    let queues = last
        .queues
        .values()
        .flat_map(|queue| queue.windows.as_ref().unwrap().iter());
    for window in queues.chain(last.all_queues.as_ref().unwrap().windows.iter().cloned()) {
        let start = window.start.epoch_ms();
        let end = (start + 10_000).min(last.as_of.epoch_ms());
        let share = |from: i64, to: i64| (to.min(end) - from.max(start)).max(0) as f64;
        let in_gap = if repaired { 0.0 } else { share(from, to) };
        let (least, most) = (share(i64::MIN, begins) + in_gap, share(i64::MIN, fed) + in_gap);
        let uncovered = (1.0 - window.coverage_percent / 100.0) * (end - start) as f64;
        missed += uncovered;
        // Gaps are translated to the service's clock, whose estimate moves by some milliseconds on a busy machine.
        assert!(
            (least - 100.0..=most + 100.0).contains(&uncovered),
            "{uncovered} ms are uncovered, not {least} to {most}"
        );
    }
    assert!(missed > 0.0);
    assert_eq!(last.connection.gaps.iter().all(|gap| gap.repaired), repaired);
}

/// Totals of a day that began two minutes ago: what happened before midnight is in no total, what happened since is,
/// from REST as from the stream.
#[test]
fn a_day_that_began_while_the_centre_was_at_work() {
    let sim = warm();
    settle(&sim);
    let minute = centre_time(&sim).div_euclid(60_000);
    let midnight = (minute - 1) * 60_000;
    // The offset within half a day of UTC that makes it midnight there.
    let offset = (720 - (minute - 1).rem_euclid(1440)).rem_euclid(1440) - 720;
    let offset = if offset < -720 { offset + 1440 } else { offset };
    let sign = if offset < 0 { '-' } else { '+' };
    let offset = format!("{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60);
    let totals = format!(r#"{{"totals":{{"since":"day","utc_offset":"{offset}"}}}}"#);
    let stream = watch(notifications(&sim.url()).queue("all").json("day.json", totals));
    let compare = |gaps: u64| {
        settle(&sim);
        let truth = sim.truth(&Settings::default().query(Some(midnight)));
        let windows = truth["all_queues"]["windows"].as_array().unwrap().clone();
        let today = |name: &str| -> u64 {
            let since = windows
                .iter()
                .filter(|w| super::scene::moment_ms(&w["start"]) >= midnight);
            since.map(|w| w[name].as_u64().unwrap()).sum()
        };
        let names = [
            "offered",
            "answered",
            "abandoned",
            "flow_out",
            "transferred",
            "handled",
            "wrapups",
        ];
        let truth = names.map(today);
        assert!(truth[0] > 100 && windows.len() > 3, "{truth:?}");
        stream.until(&format!("{truth:?}"), |s| {
            let all = &s.all_queues.as_ref().unwrap().totals;
            let n = [
                all.offered,
                all.answered,
                all.abandoned,
                all.flow_out,
                all.transferred,
                all.handled,
                all.wrapups,
            ];
            s.connection.gaps_total >= gaps && n == truth
        });
        control(&sim, "pause?on=0");
    };
    compare(0);
    control(&sim, "outage?secs=1");
    stream.until_reconnected(1);
    compare(1);
    stream.stop();
}
