//! REST calls that are never answered: they delay nothing but what waits for their answer.
//!
//! In: a scripted peer that leaves one kind of call without an answer · Out: verdicts · Thread: the test's.
//!
//! Meanwhile a connection that is cut is back after its pause, with its gap recorded and the state shown, and the run ends
//! in time. The calls have the limit of all tests, which is longer than any condition is waited for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use genesys_stream::{ConfigBuilder, ConnectionState, Ended, GapTopics, Protocol, Report, Stream};
use serde_json::json;

use crate::support::peer::{self, Answer, Asked, Behaviour, Peer, notification, peer};
use crate::support::{STOP_LIMIT, Watched, against_the_clock, built, config, for_all_protocols, watch, watch_with};

/// Pauses are 200 ms at most.
const BACK: Duration = Duration::from_secs(1);

fn notifications(url: &str) -> ConfigBuilder {
    config(url, Protocol::Notifications)
}

/// A socket that ends without a close when the other end of this channel is dropped.
fn cut_later() -> (Sender<()>, impl Fn() -> Behaviour) {
    let (cut, wait) = bounded::<()>(0);
    (cut, move || {
        let wait: Receiver<()> = wait.clone();
        Behaviour::Custom(Box::new(move |socket| {
            let _ = wait.recv();
            let _ = socket.get_ref().tcp().shutdown(std::net::Shutdown::Both);
        }))
    })
}

fn nth(peer: &Peer, is: impl Fn(&Asked) -> bool) -> usize {
    peer.log().asked.iter().filter(|asked| is(asked)).count()
}

fn is_creation(asked: &Asked) -> bool {
    asked.method == "POST" && asked.path.ends_with("/channels")
}

/// Cuts the connection, and waits until the line is back: soon, with one closed gap.
fn cut_and_wait(stream: &Watched, cut: Sender<()>, limit: Duration) {
    let began = Instant::now();
    drop(cut);
    stream.until("the gap", |s| s.connection.gaps_total == 1);
    let back = stream.until_reconnected(1);
    let took = began.elapsed();
    assert!(took < limit, "back after {took:?}");
    assert_eq!(back.connection.gaps_total, 1, "{:?}", back.connection.gaps);
    let gap = &back.connection.gaps[0];
    assert!(gap.to.is_some() && gap.cause.contains("1006"), "{gap:?}");
}

/// Stops it, with nothing left behind and no call waited for.
fn stop(stream: Watched, factor: u32) -> Report {
    let began = Instant::now();
    let report = stream.stop();
    let took = began.elapsed();
    assert!(took < STOP_LIMIT * factor, "the stop took {took:?}");
    assert!(report.abandoned.is_empty(), "{:?}", report.abandoned);
    report
}

/// The listing is read again and again, and not answered the second time.
#[test]
fn a_listing_without_an_answer_delays_no_reconnect() {
    against_the_clock(listing);
}

fn listing(factor: u32) {
    let (cut, first) = cut_later();
    let peer = peer(move |asked, peer| match () {
        () if asked.is("GET", "/routing/queues") && peer.log().count("GET", "/routing/queues") > 1 => {
            Some(Answer::Nothing)
        }
        () if asked.is_upgrade() && peer.log().upgrades() == 1 => Some(Answer::Socket(first())),
        () => None,
    });
    let stream = watch(
        notifications(&peer.url())
            .queue("all")
            .refresh_queues_every(Duration::from_secs(1)),
    );
    stream.until_streaming();
    peer.until("the second listing", |log| {
        (log.count("GET", "/routing/queues") == 2).then_some(())
    });
    cut_and_wait(&stream, cut, BACK * factor);
    stop(stream, factor);
    assert_eq!(
        peer.log().count("GET", "/routing/queues"),
        2,
        "it is still not answered"
    );
}

/// The service refuses the token for a repair, and does not answer the request for another one.
#[test]
fn a_token_without_an_answer_delays_no_reconnect() {
    against_the_clock(token);
}

fn token(factor: u32) {
    let (cut, first) = cut_later();
    let peer = peer(move |asked, peer| match () {
        () if asked.is("POST", "/oauth/token") && peer.log().count("POST", "/oauth/token") > 1 => Some(Answer::Nothing),
        () if asked.is("POST", "/observations/query") => {
            let body = json!({"message": "no", "code": "bad.credentials", "status": 401});
            Some(Answer::Json(401, body))
        }
        () if asked.is_upgrade() && peer.log().upgrades() == 1 => Some(Answer::Socket(first())),
        () => None,
    });
    let stream = watch(notifications(&peer.url()));
    stream.until_streaming();
    peer.until("the second login", |log| {
        (log.count("POST", "/oauth/token") == 2).then_some(())
    });
    cut_and_wait(&stream, cut, BACK * factor);
    stop(stream, factor);
    let log = peer.log();
    let paths: Vec<&String> = log.asked.iter().filter(|a| a.is_upgrade()).map(|a| &a.path).collect();
    assert!(paths.len() == 2 && paths[0] == paths[1], "the same channel: {paths:?}");
}

/// The channel of a replacement is asked for and not answered, and the connection that it was to replace is cut.
#[test]
fn a_channel_without_an_answer_delays_no_reconnect_of_its_line() {
    against_the_clock(channel_of_its_line);
}

fn channel_of_its_line(factor: u32) {
    let (cut, wait) = bounded::<()>(0);
    let peer = peer(move |asked, peer| match () {
        () if is_creation(asked) && nth(peer, is_creation) > 1 => Some(Answer::Nothing),
        () if asked.is_upgrade() && peer.log().upgrades() == 1 => {
            let wait = wait.clone();
            Some(Answer::Socket(Behaviour::Custom(Box::new(move |socket| {
                let closing = notification("v2.system.socket_closing", &json!({"message": "soon"}));
                let _ = socket.send(tungstenite::Message::text(closing));
                let _ = wait.recv();
                let _ = socket.get_ref().tcp().shutdown(std::net::Shutdown::Both);
            }))))
        }
        () => None,
    });
    let stream = watch(notifications(&peer.url()));
    stream.until_streaming();
    peer.until("a replacement", |log| {
        let made = log.asked.iter().filter(|asked| is_creation(asked)).count();
        (made == 2).then_some(())
    });
    cut_and_wait(&stream, cut, BACK * factor);
    stop(stream, factor);
}

/// The same while the connection of another line is cut.
#[test]
fn a_channel_without_an_answer_delays_no_reconnect_of_another_line() {
    against_the_clock(channel_of_another_line);
}

fn channel_of_another_line(factor: u32) {
    let (cut, smaller) = cut_later();
    let announced = AtomicBool::new(false);
    let peer = peer(move |asked, peer| {
        if is_creation(asked) && nth(peer, is_creation) > 2 {
            return Some(Answer::Nothing);
        }
        let id = asked.path.strip_prefix("/channels/").filter(|_| asked.is_upgrade())?;
        let topics = {
            let log = peer.log();
            let subscription = log.asked.iter().find(|a| a.method == "PUT" && a.path.contains(id))?;
            serde_json::from_str::<Vec<serde_json::Value>>(&subscription.body)
                .expect("a list")
                .len()
        };
        let is_first = peer.log().asked.iter().filter(|a| a.path == asked.path).count() == 1;
        match topics {
            10 if is_first => Some(Answer::Socket(smaller())),
            1000 if !announced.swap(true, Ordering::SeqCst) => {
                let closing = notification("v2.system.socket_closing", &json!({"message": "soon"}));
                Some(Answer::Socket(Behaviour::Well(vec![closing])))
            }
            _ => None,
        }
    });
    let builder = notifications(&peer.url()).max_requests_per_min(600).without_backfill();
    let stream = watch((0..1_010).fold(builder, |builder, n| {
        builder.topic(format!("v2.users.7a1b0c2d-0000-4000-8000-{n:012}.presence"))
    }));
    stream.until("two connections", |s| {
        s.connection.connections == 2 && s.connection.state == ConnectionState::Streaming
    });
    peer.until("a replacement", |log| {
        let made = log.asked.iter().filter(|asked| is_creation(asked)).count();
        (made == 3).then_some(())
    });
    cut_and_wait(&stream, cut, BACK * factor);
    let last = stop(stream, factor).snapshot;
    let GapTopics::Some(topics) = &last.connection.gaps[0].topics else {
        panic!("a gap of all: {:?}", last.connection.gaps)
    };
    assert_eq!(topics.len(), 10, "the line with the call goes on");
}

/// A call without an answer at the start does not hold up the end of a duration: login, listing, channel, subscription.
#[test]
fn a_duration_ends_whatever_is_unanswered() {
    against_the_clock(|factor| for_all_protocols(|protocol| duration(protocol, factor)));
}

fn duration(protocol: Protocol, factor: u32) {
    let steps: &[&str] = match protocol {
        Protocol::Notifications => &["/oauth/token", "/routing/queues", "/channels", "/subscriptions"],
        _ => &["/oauth/token", "/routing/queues"],
    };
    let run = |step: &'static str| {
        let peer = peer::peer(move |asked, _| {
            let is_it = asked.path.contains(step) && asked.method != "DELETE" && !asked.is_upgrade();
            is_it.then_some(Answer::Nothing)
        });
        let builder = Stream::builder(built(config(&peer.url(), protocol).queue("Sales")));
        let stream = watch_with(builder.duration(Duration::from_secs(2)));
        (step, peer, stream)
    };
    let began = Instant::now();
    let running: Vec<_> = steps.iter().map(|step| run(step)).collect();
    for (step, peer, stream) in running {
        let report = stream.ends().expect("an end in order");
        let took = began.elapsed();
        assert_eq!(report.ended, Ended::Stopped, "{step}");
        assert!(took >= Duration::from_secs(2), "{step}: {took:?}");
        assert!(took < Duration::from_secs(2) + STOP_LIMIT * factor, "{step}: {took:?}");
        assert!(
            nth(&peer, |asked| asked.path.contains(step)) >= 1,
            "{step} was asked for"
        );
    }
}

/// While the login is not answered the state is shown, and nothing is told as lost that was never there.
#[test]
fn a_login_without_an_answer_is_connecting() {
    for_all_protocols(|protocol| {
        let peer = peer::peer(|asked, _| asked.is("POST", "/oauth/token").then_some(Answer::Nothing));
        let stream = watch(config(&peer.url(), protocol));
        peer.until("the login", |log| {
            (log.count("POST", "/oauth/token") == 1).then_some(())
        });
        let shown = stream.until("a snapshot", |s| s.revision > 5);
        assert_eq!(shown.connection.state, ConnectionState::Connecting);
        assert_eq!(shown.connection.gaps_total, 0);
        stream.stop();
    });
}
