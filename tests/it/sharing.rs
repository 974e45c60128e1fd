//! Readers that publish and dashboards that show, around a real Redis: the numbers are the true ones.
//!
//! In: a simulator that knows the truth, `redis-server` · Out: verdicts · Thread: the test's.

mod redis;

use std::time::Duration;

use genesys_stream::simulator::Simulator;
use genesys_stream::{Config, ConfigBuilder, Protocol};
use serde_json::{Value, json};

use self::redis::{Redis, is_installed};
use crate::repair::scene::{INTERVAL, Scene, Settings, centre_time, settle, warm};
use crate::support::{Watched, config, control, watch};

/// A reader of the centre.
fn reader(sim: &Simulator, redis: &Redis, name: &str) -> Watched {
    reader_with(sim, redis, name, json!({}))
}

/// The same with further keys.
fn reader_with(sim: &Simulator, redis: &Redis, name: &str, more: Value) -> Watched {
    let mut keys = json!({
        "rest": {"max_requests_per_min": 100_000},
        "backfill": {"max_requests_per_min": 100_000},
        "engine": {"publish": redis.url(), "org": "test", "name": name}
    });
    for (section, values) in more.as_object().into_iter().flatten() {
        for (key, value) in values.as_object().into_iter().flatten() {
            keys[section][key] = value.clone();
        }
    }
    watch(config(&sim.url(), Protocol::Notifications).snapshot_interval(INTERVAL).queue("all").json("reader.json", keys.to_string()))
}

/// A dashboard, which knows nothing of the centre.
fn dashboard(redis: &Redis) -> Watched {
    watch(dashboard_config(redis))
}

fn dashboard_config(redis: &Redis) -> ConfigBuilder {
    let keys = json!({"engine": {"from": redis.url(), "org": "test"}});
    Config::builder().snapshot_interval(INTERVAL).json("dashboard.json", keys.to_string())
}

/// A reader whose numbers are the true ones.
fn scene(redis: &Redis) -> Scene {
    let sim = warm();
    settle(&sim);
    let scene = Scene {
        since_ms: Some(centre_time(&sim)),
        stream: reader(&sim, redis, "a"),
        sim,
        settings: Settings::default(),
    };
    scene.until_true();
    scene
}

/// Pauses the centre, and waits until all of these show the true numbers.
#[track_caller]
fn until_true(scene: &Scene, dashboards: &[&Watched]) {
    settle(&scene.sim);
    for dashboard in dashboards {
        scene.until_true_standing_on(dashboard);
    }
    control(&scene.sim, "pause?on=0");
}

#[test]
fn a_dashboard_shows_the_true_numbers_live_and_late() {
    if !is_installed() {
        return;
    }
    let redis = Redis::start(&[]);
    let scene = scene(&redis);
    let live = dashboard(&redis);
    live.until_streaming();
    until_true(&scene, &[&scene.stream, &live]);
    scene.stream.until_fed();
    std::thread::sleep(Duration::from_secs(3));
    let late = dashboard(&redis);
    late.until_streaming();
    until_true(&scene, &[&scene.stream, &live, &late]);
    for dashboard in [live, late] {
        let last = dashboard.stop().snapshot;
        assert!(last.counters.events_applied > 100, "{:?}", last.counters);
        assert_eq!(last.connection.gaps, []);
    }
    let published = scene.stream.stop().snapshot;
    assert_eq!(published.outputs["engine"].missed, 0);
}
