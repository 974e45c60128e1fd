//! The life of notification channels: reused, renewed, replaced, bounded, shared with other programs; many at once.
//!
//! In: a scripted peer's and the simulator's channels · Out: verdicts · Thread: the test's.

use std::collections::BTreeSet;
use std::time::Duration;

use genesys_stream::simulator::Simulator;
use genesys_stream::{ConfigBuilder, ConnectionState, GapTopics, Protocol, Snapshot};
use serde_json::json;
use time::format_description::well_known::Rfc3339;

use crate::support::peer::{self, Answer, Asked, Behaviour, Peer, notification, peer, sockets};
use crate::support::{STOP_LIMIT, against_the_clock, busy, config, control, eventually, start, watch};

fn notifications(url: &str) -> ConfigBuilder {
    config(url, Protocol::Notifications)
}

fn is_creation(asked: &Asked) -> bool {
    asked.method == "POST" && asked.path.ends_with("/channels")
}

fn made(peer: &Peer) -> usize {
    peer.log().asked.iter().filter(|asked| is_creation(asked)).count()
}

/// The path of each upgrade so far.
fn upgrades(log: &peer::Log) -> Vec<String> {
    let upgrades = log.asked.iter().filter(|asked| asked.is_upgrade());
    upgrades.map(|asked| asked.path.clone()).collect()
}

/// How often each channel was connected, in the order of the channels.
fn uses(paths: &[String]) -> Vec<usize> {
    paths.chunk_by(|a, b| a == b).map(<[String]>::len).collect()
}

/// A channel is reused ten times, whatever ended the connection; then a new one is created.
#[test]
fn a_channel_is_used_ten_times_again_and_then_replaced() {
    let peer = peer(sockets((0..12).map(|_| Behaviour::Drop).collect()));
    let stream = watch(notifications(&peer.url()));
    stream.until_reconnected(12);
    stream.stop();
    assert_eq!(uses(&upgrades(&peer.log())), [11, 2]);
    assert_eq!(made(&peer), 2);
}

/// A peer that closes the channel's socket again and again soon after it opened: somebody else may connect to it.
#[test]
fn a_channel_that_is_closed_again_and_again_is_replaced_sooner() {
    let closes = (0..6).map(|_| Behaviour::Close(Vec::new(), 1000)).collect();
    let peer = peer(sockets(closes));
    let stream = watch(notifications(&peer.url()));
    stream.until_reconnected(6);
    stream.stop();
    assert_eq!(uses(&upgrades(&peer.log())), [5, 2]);
}

/// Failures create no more channels an hour than allowed. Then the stream waits, says why, and can be stopped.
#[test]
fn failures_create_no_more_channels_an_hour_than_allowed() {
    let peer = peer(|asked, _| {
        asked
            .is_upgrade()
            .then(|| Answer::Json(404, json!({"message": "no such channel"})))
    });
    let stream = watch(notifications(&peer.url()).max_channels_per_hour(4));
    let waiting = stream.until("the bound", |s| {
        s.connection.state == ConnectionState::Backoff
            && s.connection
                .cause
                .as_deref()
                .is_some_and(|cause| cause.contains("bound of 4 channels"))
    });
    assert_eq!(waiting.connection.gaps_total, 0, "nothing was covered before");
    assert_eq!(made(&peer), 3, "the first, and two for failures");
    stream.stop();
}

/// Beyond the bound the old channel is tried again while it is valid.
#[test]
fn beyond_the_bound_the_old_channel_is_tried_again() {
    let closes = (0..14).map(|_| Behaviour::Close(Vec::new(), 1000)).collect();
    let peer = peer(sockets(closes));
    let stream = watch(notifications(&peer.url()).max_channels_per_hour(2));
    stream.until_reconnected(14);
    stream.stop();
    assert_eq!(uses(&upgrades(&peer.log())), [5, 10]);
    assert_eq!(made(&peer), 2);
}

/// Planned replacements do not count towards the bound: several announced closes, each replaced in time, use two
/// channels in turn.
#[test]
fn planned_rotations_do_not_count_and_use_idle_channels_again() {
    let closing = || {
        let frame = notification("v2.system.socket_closing", &json!({"message": "soon"}));
        Behaviour::Well(vec![frame])
    };
    let peer = peer(sockets((0..6).map(|_| closing()).collect()));
    let stream = watch(notifications(&peer.url()).max_channels_per_hour(2));
    let last = stream.until_reconnected(6);
    assert_eq!(last.connection.gaps_total, 0, "{:?}", last.connection.gaps);
    stream.stop();
    let paths = upgrades(&peer.log());
    assert_eq!(paths.len(), 7);
    let different: BTreeSet<&String> = paths.iter().collect();
    assert!(
        different.len() <= 3,
        "left channels lie idle and are used again: {paths:?}"
    );
    assert!(
        paths.windows(2).all(|pair| pair[0] != pair[1]),
        "two sockets never share one: {paths:?}"
    );
}

/// Where the service extends the life of a channel that is subscribed again, that is all that is done near its end.
#[test]
fn a_channel_near_its_end_is_renewed_in_place() {
    against_the_clock(|factor| {
        let sim = start(
            busy()
                .speed(1.0)
                .arrivals_per_sec(5.0)
                .warm_up(Duration::ZERO)
                .channel_life(Duration::from_secs(3) * factor),
        );
        let stream = watch(notifications(&sim.url()));
        let end = |s: &Snapshot| s.connection.channel_expires_at.expect("an end");
        let first = end(&stream.until_fed());
        // Each extends it by 2.4 s.
        let two = 4_000 * i64::from(factor);
        let later = stream.until("two renewals", |s| end(s).millis_since(first) > two);
        assert_eq!((later.connection.reconnects, later.connection.gaps_total), (0, 0));
        let last = stream.stop().snapshot;
        assert_eq!((last.connection.reconnects, last.connection.gaps_total), (0, 0));
        assert_eq!(control(&sim, "state")["channels"], 1);
    });
}

/// Two programs on one OAuth client with room for both do not disturb each other.
#[test]
fn two_programs_with_room_for_both_both_stream() {
    let sim = start(busy());
    let streams = [watch(notifications(&sim.url())), watch(notifications(&sim.url()))];
    for stream in streams {
        let fed = stream.until_fed();
        assert_eq!(fed.connection.gaps_total, 0);
        stream.stop();
    }
    assert_eq!(control(&sim, "state")["channels_evicted"], 0);
}

/// Two programs with room for one: each sees that another one takes its channel; one stands back, the other streams.
#[test]
fn two_programs_that_kick_each_other_do_not_fight() {
    let sim = start(busy().max_channels(1));
    let patient = || notifications(&sim.url()).reconnect_max(Duration::from_secs(60));
    let one = watch(patient());
    one.until_fed();
    let other = watch(patient());
    let stands_back = |s: &Snapshot| {
        s.connection.state == ConnectionState::Backoff
            && s.connection
                .cause
                .as_deref()
                .is_some_and(|cause| cause.contains("another client of this OAuth client took channel #"))
    };
    // Either of the two may lose.
    let first_waits = eventually("one stands back", || {
        let both = [one.fresh(), other.fresh()];
        let back = both.iter().position(|s| stands_back(s));
        back.map(|at| at == 0)
            .ok_or_else(|| format!("{:?}", both.map(|s| s.connection.cause.clone())))
    });
    let evicted = control(&sim, "state")["channels_evicted"].as_u64().expect("a number");
    assert!(evicted <= 8, "{evicted} channels were taken");
    let (waits, streams) = if first_waits { (&one, &other) } else { (&other, &one) };
    let fed = streams.until_fed();
    let still = streams.until("fed for a while", |s| {
        s.counters.events_applied > fed.counters.events_applied + 50
    });
    assert_eq!(still.connection.state, ConnectionState::Streaming);
    let now = control(&sim, "state")["channels_evicted"].as_u64().expect("a number");
    assert!(now <= evicted + 1, "they go on fighting: {evicted}, then {now}");
    let cause = waits.fresh().connection.cause.clone().unwrap_or_default();
    assert!(!cause.contains("streaming-5"), "{cause}");
    one.stop();
    other.stop();
}

/// The same with two channels each, of three that they share: after a while neither takes a channel any more.
#[test]
fn two_programs_with_too_many_channels_come_to_rest() {
    let sim = start(busy().max_channels(3));
    let begin = |topics| watch(of_presence(&sim, topics).reconnect_max(Duration::from_secs(60)));
    let one = begin(0..1_010);
    one.until("two connections", |s| s.connection.connections == 2);
    let other = begin(50_000..51_010);
    // At rest: no channel was taken for a hundred snapshots, two seconds at least.
    let evicted = || control(&sim, "state")["channels_evicted"].as_u64().expect("a number");
    let (mut before, mut since) = (evicted(), 0);
    other.until("rest", |s| {
        let now = evicted();
        if now != before {
            (before, since) = (now, s.revision);
        }
        s.revision > since + 100
    });
    let open = one.fresh().connection.connections + other.fresh().connection.connections;
    assert!((1..=3).contains(&open), "{open} connections");
    assert!(before < 30, "{before} channels were taken");
    one.stop();
    other.stop();
}

/// A centre where nothing happens.
fn at_rest() -> genesys_stream::simulator::Builder {
    Simulator::builder()
        .seed(5)
        .queues(2)
        .agents(10)
        .arrivals_per_sec(0.0)
        .requests_per_min(0)
}

/// A subscription to topics that cannot be combined, one a user.
fn of_presence(sim: &Simulator, users: std::ops::Range<usize>) -> ConfigBuilder {
    let builder = notifications(&sim.url())
        .max_requests_per_min(100_000)
        .without_backfill();
    users.fold(builder, |builder, n| {
        builder.topic(format!("v2.users.7a1b0c2d-0000-4000-8000-{n:012}.presence"))
    })
}

/// 2,500 topics on three channels: when one connection ends, the gap is of its topics alone, and the others go on.
#[test]
fn a_reset_of_one_of_many_channels_is_a_gap_of_its_topics_alone() {
    // 1,250 queues; fewer snapshots than elsewhere, each of them is large.
    let sim = start(
        Simulator::builder()
            .seed(5)
            .queues(1250)
            .agents(100)
            .arrivals_per_sec(20.0)
            .requests_per_min(0),
    );
    let stream = watch(notifications(&sim.url()).snapshot_interval(Duration::from_millis(250)));
    stream.until("three connections", |s| {
        s.connection.connections == 3 && s.connection.state == ConnectionState::Streaming
    });
    control(&sim, "reset?nth=2");
    let back = stream.until_reconnected(1);
    assert_eq!(back.connection.gaps_total, 1, "{:?}", back.connection.gaps);
    let gap = &back.connection.gaps[0];
    let GapTopics::Some(topics) = &gap.topics else {
        panic!("a gap of all: {gap:?}")
    };
    assert!([500, 1000].contains(&topics.len()), "{}", topics.len());
    assert!(gap.to.is_some());
    let later = stream.until("fed by all", |s| {
        s.connection.connections == 3 && s.counters.events_applied > back.counters.events_applied + 20
    });
    assert_eq!((later.connection.reconnects, later.connection.gaps_total), (1, 1));
    assert_eq!(control(&sim, "state")["channels"], 3);
    stream.stop();
}

/// The token of three channels ends: they are replaced one after the other, while the old ones before are closing.
#[test]
fn rotation_of_many_channels_is_rolling() {
    against_the_clock(|factor| {
        let sim = start(at_rest().token_life(Duration::from_secs(10) * factor));
        let stream = watch(of_presence(&sim, 0..2_500));
        let mut most = 0;
        let rotated = stream.until("three rotations", |s| {
            most = most.max(s.connection.connections);
            s.connection.reconnects >= 3
        });
        // Gaps are not printed: their topics would fill pages.
        assert_eq!(rotated.connection.gaps_total, 0);
        assert!((4..=6).contains(&most), "{most} connections at once");
        stream.stop();
    });
}

/// All 18 channels at once are told that their sockets will be closed: never more than 20 sockets, and no gap.
#[test]
fn eighteen_channels_rotate_within_twenty_sockets() {
    let sim = start(at_rest());
    let stream = watch(of_presence(&sim, 0..17_010));
    stream.until("18 connections", |s| {
        s.connection.connections == 18 && s.connection.state == ConnectionState::Streaming
    });
    control(&sim, "socket_closing?after_secs=600");
    let mut most = 0;
    // In two halves, each of which may take as long as any condition.
    stream.until("9 rotations", |s| {
        most = most.max(s.connection.connections);
        s.connection.reconnects >= 9
    });
    let rotated = stream.until("18 rotations", |s| {
        most = most.max(s.connection.connections);
        s.connection.reconnects >= 18
    });
    assert_eq!(rotated.connection.gaps_total, 0);
    assert!((19..=20).contains(&most), "{most} connections at once");
    let state = control(&sim, "state");
    assert_eq!(state["channels_evicted"], 0, "{state}");
    stream.stop();
}

/// A new queue with three channels in use: its topics go to the one with room, and no connection is replaced.
#[test]
fn a_queue_more_touches_no_connection() {
    let id = |n: usize| format!("7a1b0c2d-0000-4000-8000-{n:012}");
    let peer = peer(move |asked, peer| {
        if !asked.is("GET", "/api/v2/routing/queues") {
            return None;
        }
        let listed = peer.log().count("GET", "/api/v2/routing/queues");
        let names: Vec<(String, String)> = (0..1100 + listed / 2).map(|n| (id(n), format!("Queue {n}"))).collect();
        let names: Vec<(&str, &str)> = names.iter().map(|(id, name)| (id.as_str(), name.as_str())).collect();
        Some(peer::queues(&names))
    });
    let stream = watch(
        notifications(&peer.url())
            .queue("all")
            .refresh_queues_every(Duration::from_secs(1)),
    );
    stream.until("three connections", |s| s.connection.connections == 3);
    let seen = stream.until("two queues more", |s| s.queues.len() >= 1102);
    assert_eq!((seen.connection.reconnects, seen.connection.gaps_total), (0, 0));
    stream.stop();
    let log = peer.log();
    let subscriptions: Vec<usize> = log
        .asked
        .iter()
        .filter(|a| a.method == "PUT")
        .map(|a| {
            serde_json::from_str::<Vec<serde_json::Value>>(&a.body)
                .expect("a list")
                .len()
        })
        .collect();
    assert_eq!(subscriptions[..3], [1000, 1000, 200]);
    assert!(
        subscriptions[3..].iter().all(|count| *count > 200 && *count < 300),
        "{subscriptions:?}"
    );
}

/// The time of now and so many seconds, as the service writes it.
fn in_secs(secs: u64) -> String {
    let at = time::OffsetDateTime::now_utc() + Duration::from_secs(secs);
    at.format(&Rfc3339).expect("a date")
}

/// A stop while a replacement is being made, in each of its steps; for the clean-up there are 700 ms.
#[test]
fn stops_while_a_replacement_is_made() {
    for step in ["creation", "subscription", "upgrade", "mute"] {
        against_the_clock(|_| stops_in_step(step));
    }
}

fn stops_in_step(step: &'static str) {
    fn nth(log: &peer::Log, is: impl Fn(&Asked) -> bool) -> usize {
        log.asked.iter().filter(|asked| is(asked)).count()
    }
    let closing = || notification("v2.system.socket_closing", &json!({"message": "soon"}));
    let peer = peer(move |asked, peer| {
        let second = |is: &dyn Fn(&Asked) -> bool| is(asked) && nth(&peer.log(), is) == 2;
        let upgrade = |asked: &Asked| asked.is_upgrade();
        if asked.is_upgrade() && nth(&peer.log(), upgrade) == 1 {
            return Some(Answer::Socket(Behaviour::Well(vec![closing()])));
        }
        match step {
            "creation" => second(&is_creation).then_some(Answer::Nothing),
            "subscription" => second(&|a| a.method == "PUT").then_some(Answer::Nothing),
            "upgrade" => second(&upgrade).then_some(Answer::Nothing),
            _ => second(&upgrade).then(|| Answer::Socket(Behaviour::MuteAfter(Vec::new(), 0))),
        }
    });
    let stream = watch(notifications(&peer.url()));
    peer.until(step, |log| {
        let reached = match step {
            "creation" => nth(log, is_creation),
            "subscription" => nth(log, |a| a.method == "PUT"),
            _ => log.upgrades(),
        };
        (reached == 2).then_some(())
    });
    stream.stop_within(STOP_LIMIT);
    if step != "creation" {
        // Both channels are cleaned up, also the one that carried nothing yet.
        assert_eq!(peer.log().count("DELETE", "/subscriptions"), 2, "{step}");
    }
}

/// A channel that cannot be extended is replaced while REST fails: the old connection goes on until the replacement
/// succeeds.
#[test]
fn a_replacement_that_fails_is_tried_again_while_the_old_one_streams() {
    against_the_clock(|factor| {
        let peer = peer(move |asked, peer| {
            let creations = peer.log().asked.iter().filter(|a| is_creation(a)).count();
            match (is_creation(asked), creations) {
                (false, _) => None,
                (true, 2..=4) => Some(Answer::Json(503, json!({"message": "later"}))),
                (true, n) => {
                    let id = format!("streaming-5-life{n}");
                    let uri = format!("{}/channels/{id}", peer.socket_url());
                    let life_secs = if n == 1 { 5 * u64::from(factor) } else { 3600 };
                    Some(Answer::Json(
                        200,
                        json!({"id": id, "connectUri": uri, "expires": in_secs(life_secs)}),
                    ))
                }
            }
        });
        let stream = watch(notifications(&peer.url()));
        let moved = stream.until_reconnected(1);
        assert_eq!(moved.connection.gaps_total, 0, "{:?}", moved.connection.gaps);
        assert_eq!(made(&peer), 5);
        stream.stop();
    });
}
