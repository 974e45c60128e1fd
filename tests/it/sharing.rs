//! Readers that publish and dashboards that show, around a real Redis: the numbers are the true ones.
//!
//! In: a simulator that knows the truth, `redis-server` · Out: verdicts · Thread: the test's.

mod redis;

use std::time::Duration;

use genesys_stream::{Config, ConfigBuilder, ConnectionState};
use serde_json::json;

use self::redis::{Redis, is_installed};
use crate::repair::scene::{INTERVAL, Scene, notifications, settle, warm};
use crate::support::{Watched, control, watch};

/// The keys of a reader.
fn reader(redis: &Redis, name: &str) -> String {
    json!({"engine": {"publish": redis.url(), "org": "test", "name": name}}).to_string()
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
    Scene::begin(warm(), |url| notifications(url).json("reader.json", reader(redis, "a")))
}

/// Another reader of the same centre.
fn another(scene: &Scene, redis: &Redis, name: &str) -> Watched {
    let config = notifications(&scene.sim.url()).queue("all").json("reader.json", reader(redis, name));
    watch(config)
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
    late.until("streaming", |s| s.connection.state == ConnectionState::Streaming);
    until_true(&scene, &[&scene.stream, &live, &late]);
    for dashboard in [live, late] {
        let last = dashboard.stop().snapshot;
        assert!(last.counters.events_applied > 100, "{:?}", last.counters);
        assert_eq!(last.connection.gaps, []);
    }
    let published = scene.stream.stop().snapshot;
    assert_eq!(published.outputs["engine"].missed, 0);
    let _ = another;
}
