//! Backfill through REST, at the start and after gaps: the numbers are what they would have been without the outage.
//!
//! In: a simulator that knows the truth, a scripted peer for other faults · Out: verdicts · Thread: the test's.

use std::time::Duration;

use genesys_stream::simulator::Simulator;
use genesys_stream::{Gap, Protocol, Snapshot, WhenFull};
use serde_json::{Value, json};

use crate::support::peer::{Answer, Asked, Behaviour, Peer, QUEUES, Running, peer};
use crate::support::{against_the_clock, control, impatient, start, watch};

pub mod scene;
mod truth;

use self::scene::{Scene, notifications, settle, warm, warm_centre};

/// Conversations that are open at the start, and what had happened to them before, are known from REST alone.
#[test]
fn the_beginning() {
    let scene = Scene::begin(start(warm_centre().agents(250)), notifications);
    let first = scene.stream.fresh();
    assert!(
        first.totals.live.interacting.known() > Some(100),
        "several pages: {:?}",
        first.totals
    );
    let last = scene.stream.stop().snapshot;
    assert!(last.counters.repairs > 100);
    assert_eq!(last.connection.gaps_total, 0);
}

/// With totals since the local midnight, what had ended before the start counts as well, and its windows are covered.
#[test]
fn the_day_so_far() {
    let now = time::OffsetDateTime::now_utc();
    // An offset that makes it noon now: everything that the centre did is of this day.
    let minutes = 720 - (i32::from(now.hour()) * 60 + i32::from(now.minute()));
    let sign = if minutes < 0 { '-' } else { '+' };
    let offset = format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60);
    let totals = format!(r#"{{"totals":{{"since":"day","utc_offset":"{offset}"}}}}"#);
    let sim = warm();
    settle(&sim);
    let scene = Scene {
        stream: watch(notifications(&sim.url()).queue("all").json("day.json", totals)),
        sim,
        since_ms: None,
        settings: scene::Settings::default(),
    };
    scene.until_true();
    scene.stream.until("covered", |s| {
        let windows = s.all_queues.as_ref().map(|all| all.windows.as_slice());
        windows.is_some_and(|w| w.len() > 3 && w.iter().all(|window| window.coverage_percent == 100.0))
    });
    scene.stream.stop();
}

/// Sockets die and REST fails for a while; the centre works on.
#[test]
fn after_an_outage() {
    let scene = Scene::begin(warm(), notifications);
    control(&scene.sim, "outage?secs=2");
    scene.until_repaired(1);
    scene.until_true();
    let last = scene.stream.stop().snapshot;
    assert_eq!(last.counters.drift, 0);
}

#[test]
fn after_resets_in_a_row() {
    let scene = Scene::begin(warm(), notifications);
    for gaps in 1..=5 {
        control(&scene.sim, "outage?secs=0.3&rest=1");
        scene.stream.until_reconnected(gaps);
    }
    scene.until_repaired(5);
    scene.until_true();
    scene.stream.stop();
}

/// A rehearsal of some minutes: `cargo test --test it -- --ignored a_hundred_outages`.
#[test]
#[ignore = "takes minutes"]
fn after_a_hundred_outages() {
    let scene = Scene::begin(warm(), notifications);
    for gaps in 1..=100_u32 {
        let secs = 0.1 + f64::from(gaps % 7) / 5.0;
        control(&scene.sim, &format!("outage?secs={secs}&rest={}", gaps % 2));
        scene.stream.until_reconnected(gaps.into());
    }
    scene.until_repaired(100);
    scene.until_true();
    scene.stream.stop();
}

/// Half-open: what is sent is lost until the silence is noticed.
#[test]
fn after_silence() {
    let scene = Scene::begin(warm(), |url| {
        let builder = impatient(url, Protocol::Notifications).snapshot_interval(scene::INTERVAL);
        builder.json("plenty.json", scene::PLENTY)
    });
    control(&scene.sim, "silence?secs=3600");
    scene.until_repaired(1);
    scene.until_true();
    scene.stream.stop();
}

/// Events that the buffer dropped are a gap like any other.
#[test]
fn dropped_events_are_asked_for() {
    let sim = start(
        Simulator::builder()
            .optional_after_call_work(false)
            .queues(2)
            .arrivals_per_sec(0.0)
            .warm_up(Duration::ZERO)
            .requests_per_min(0),
    );
    let tight = notifications(&sim.url())
        .buffer_capacity(1)
        .when_full(WhenFull::DropNewest);
    let stream = watch(tight.queue("all"));
    stream.until_streaming();
    control(&sim, "flood?events=2000&bytes=2000");
    let repaired = stream.until("repaired", |s| {
        s.counters.events_dropped > 0 && !gaps(s).is_empty() && gaps(s).iter().all(|gap| gap.repaired)
    });
    assert!(gaps(&repaired).iter().all(|gap| gap.cause.contains("dropped")));
    stream.stop();
}

#[test]
fn without_backfill_a_gap_stays() {
    let sim = warm();
    let stream = watch(notifications(&sim.url()).queue("all").without_backfill());
    stream.until_fed();
    control(&sim, "reset");
    let back = stream.until_reconnected(1);
    assert!(back.connection.gaps.iter().all(|gap| gap.to.is_some()));
    let last = stream.stop().snapshot;
    assert!(last.connection.gaps.iter().all(|gap| !gap.repaired));
    assert_eq!(last.counters.repairs, 0);
}

const DETAILS: &str = "/api/v2/analytics/conversations/details/query";

/// A peer with the test's answers to the details query; `sockets` says what one socket after the other does.
fn answering(sockets: Vec<Behaviour>, details: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Running {
    let sockets = std::sync::Mutex::new(sockets.into_iter());
    let asked_before = std::sync::atomic::AtomicUsize::new(0);
    peer(move |asked: &Asked, _: &Peer| {
        if asked.is_upgrade() {
            return sockets.lock().unwrap().next().map(Answer::Socket);
        }
        asked.is("POST", DETAILS).then(|| {
            let before = asked_before.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            details(asked, before)
        })
    })
}

fn nothing() -> Answer {
    Answer::Json(200, json!({"totalHits": 0}))
}

fn gaps(snapshot: &Snapshot) -> Vec<&Gap> {
    snapshot.connection.gaps.iter().collect()
}

/// Without the permission nothing is repaired, and it is asked once only.
#[test]
fn without_the_permission_gaps_stay_and_it_is_asked_once() {
    let ends = vec![Behaviour::Close(Vec::new(), 1011), Behaviour::Close(Vec::new(), 1011)];
    let peer = answering(ends, |_, _| {
        Answer::Json(
            403,
            json!({"message": "no", "code": "missing.permissions", "status": 403}),
        )
    });
    let stream = watch(notifications(&peer.url()).queue(QUEUES[0].1));
    stream.until_reconnected(2);
    // The statistics are asked for with each gap, before the conversations.
    peer.until("the last gap was looked at", |log| {
        (log.count("POST", "queues/observations") >= 2).then_some(())
    });
    let last = stream.stop().snapshot;
    assert_eq!(gaps(&last).len(), 2);
    assert!(gaps(&last).iter().all(|gap| gap.to.is_some() && !gap.repaired));
    assert_eq!(peer.log().count("POST", DETAILS), 1);
}

/// A service that does not know the filter for open conversations is asked without it.
#[test]
fn a_filter_that_is_not_known_is_left_out() {
    let peer = answering(vec![Behaviour::Close(Vec::new(), 1011)], |asked, _| {
        match asked.body.contains("conversationEnd") {
            true => Answer::Json(400, json!({"status": 400, "code": "bad.request"})),
            false => nothing(),
        }
    });
    let stream = watch(notifications(&peer.url()).queue(QUEUES[0].1));
    stream.until("repaired", |s| gaps(s).iter().any(|gap| gap.repaired));
    let log = peer.log();
    let with_filter = |asked: &&Asked| asked.is("POST", DETAILS) && asked.body.contains("conversationFilters");
    // With 31 days, 7 days, one day: it is not the interval that is refused.
    assert_eq!(log.asked.iter().filter(with_filter).count(), 3);
    assert!(log.count("POST", DETAILS) >= 2);
    drop(log);
    stream.stop();
}

/// After a failed call the same page is asked for again; a refused token is replaced first.
#[test]
fn a_repair_goes_on_where_it_was() {
    let peer = answering(vec![Behaviour::Close(Vec::new(), 1011)], |asked, before| match before {
        0 => Answer::Json(503, json!({"status": 503})),
        1 => Answer::WithHeader(429, ("Retry-After", "0".to_owned()), json!({"status": 429})),
        2 => Answer::Text(200, "{\"conversations\":".to_owned()),
        3 => Answer::Json(401, json!({"status": 401, "code": "bad.credentials"})),
        _ => {
            let token = asked.header("authorization").unwrap_or_default();
            assert!(token.starts_with("Bearer token-"), "no token");
            nothing()
        }
    });
    let stream = watch(notifications(&peer.url()).queue(QUEUES[0].1));
    let repaired = stream.until("repaired", |s| gaps(s).iter().any(|gap| gap.repaired));
    assert_eq!(repaired.connection.gaps_total, 1);
    assert_eq!(peer.log().count("POST", "/oauth/token"), 2);
    stream.stop();
}

/// A queue that only a free topic names is asked for as well.
#[test]
fn a_queue_that_only_a_topic_names_is_repaired() {
    let queue = QUEUES[1].0;
    let peer = answering(vec![Behaviour::Close(Vec::new(), 1011)], |_, _| nothing());
    let topic = format!("v2.routing.queues.{queue}.conversations.calls");
    let stream = watch(notifications(&peer.url()).topic(topic));
    let repaired = stream.until("repaired", |s| gaps(s).iter().any(|gap| gap.repaired));
    assert!(repaired.queues.keys().any(|id| id.to_string() == queue));
    let log = peer.log();
    let all = log.asked.iter().filter(|asked| asked.is("POST", DETAILS));
    assert!(all.clone().count() > 0);
    for asked in all {
        assert!(asked.body.contains(queue), "{}", asked.body);
    }
    drop(log);
    stream.stop();
}

/// An open conversation without further events is asked for by its id.
#[test]
fn an_open_conversation_is_asked_for_again() {
    let waiting = crate::support::fixture("ws-queue-conversation-1-waiting.json");
    let frame: Value = serde_json::from_str(&waiting).unwrap();
    let id = frame["eventBody"]["id"].as_str().unwrap().to_owned();
    let peer = answering(vec![Behaviour::Well(vec![waiting])], |_, _| nothing());
    let stream = watch(
        notifications(&peer.url())
            .queue(QUEUES[0].1)
            .json("recheck.json", r#"{"model":{"recheck_secs":1}}"#),
    );
    let path = peer.until("asked for", |log| {
        let by_ids = log
            .asked
            .iter()
            .find(|asked| asked.is("GET", "conversations/details?id="));
        by_ids.map(|asked| asked.path.clone())
    });
    assert!(path.ends_with(&id), "{path}");
    stream.stop();
}

/// A stop in the middle of a call that is not answered is prompt.
#[test]
fn a_stop_during_a_repair_is_prompt() {
    against_the_clock(|_| {
        let peer = answering(vec![Behaviour::Close(Vec::new(), 1011)], |_, _| Answer::Nothing);
        let stream = watch(notifications(&peer.url()).queue(QUEUES[0].1));
        stream.until_reconnected(1);
        peer.until("asked", |log| (log.count("POST", DETAILS) > 0).then_some(()));
        let last = stream.stop_within(Duration::from_secs(1)).snapshot;
        assert!(gaps(&last).iter().all(|gap| !gap.repaired));
    });
}
