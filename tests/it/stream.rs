//! `notifications` from listing to clean-up: topics, channels, subscriptions, permissions.
//!
//! In: the simulator's rules, and a scripted peer's answers · Out: verdicts · Thread: the test's.

use std::time::Duration;

use genesys_stream::{ConnectionState, ErrorKind, EventKind, GapTopics, Protocol, Stream};
use serde_json::{Value, json};

use crate::support::peer::{self, Answer, Asked, Behaviour, QUEUES, event, notification, peer, sockets, sound};
use crate::support::{
    against_the_clock, built, busy, config, control, fixture, fixture_path, start, watch, watch_with,
};

const SALES: &str = QUEUES[0].0;

fn notifications(url: &str) -> genesys_stream::ConfigBuilder {
    config(url, Protocol::Notifications)
}

fn subscribed(asked: &Asked) -> Vec<String> {
    let topics: Vec<Value> = serde_json::from_str(&asked.body).expect("a list of topics");
    topics
        .iter()
        .map(|topic| topic["id"].as_str().expect("an id").to_owned())
        .collect()
}

fn is_subscription(asked: &Asked) -> bool {
    (asked.method == "PUT" || asked.method == "POST") && asked.path.contains("/subscriptions")
}

#[test]
fn queues_by_name_and_by_id_become_topics() {
    let peer = sound();
    let stream = watch(notifications(&peer.url()).queue("support").queue(SALES));
    let snapshot = stream.until_streaming();
    let names: Vec<Option<&str>> = snapshot.queues.values().map(|queue| queue.name.as_deref()).collect();
    assert_eq!(names, [Some("Sales"), Some("Support")]);
    stream.stop();
    let log = peer.log();
    let asked = log
        .asked
        .iter()
        .find(|asked| is_subscription(asked))
        .expect("a subscription");
    assert!(asked.path.contains("ignoreErrors=true"), "{}", asked.path);
    let mut topics = subscribed(asked);
    topics.sort();
    let mut expected: Vec<String> = QUEUES
        .iter()
        .flat_map(|(id, _)| {
            [
                format!("v2.analytics.queues.{id}.observations"),
                format!("v2.routing.queues.{id}.conversations"),
            ]
        })
        .collect();
    expected.sort();
    assert_eq!(topics, expected);
}

/// Every example of the service's documentation, over a socket: each is an event of its kind.
#[test]
fn the_examples_of_the_service_stream() {
    let examples = [
        "ws-queue-conversation-1-waiting.json",
        "ws-queue-conversation-4-connected.json",
        "ws-queue-conversation-7-wrapped-up.json",
        "ws-analytics-queue-observations.json",
        "ws-user-presence.json",
        "ws-user-routing-status.json",
        "ws-detail-acd-start.json",
    ];
    let texts = examples.iter().map(|name| fixture(name)).collect();
    let peer = peer(sockets(vec![Behaviour::Well(texts)]));
    let (builder, events) = Stream::builder(built(notifications(&peer.url()).queue(SALES))).events(100);
    let stream = watch_with(builder);
    stream.until("all", |s| s.counters.events_applied == examples.len() as u64);
    let snapshot = stream.stop().snapshot;
    assert_eq!((snapshot.counters.unknown, snapshot.counters.malformed), (0, 0));
    let kinds: Vec<EventKind> = events.map(|event| event.kind).collect();
    assert_eq!(
        kinds,
        [
            EventKind::QueueConversation,
            EventKind::QueueConversation,
            EventKind::QueueConversation,
            EventKind::QueueObservation,
            EventKind::UserPresence,
            EventKind::UserRoutingStatus,
            EventKind::DetailEvent,
        ]
    );
}

#[test]
fn one_forbidden_topic_is_reported_and_the_rest_streams() {
    let sim = start(busy());
    let (id, _) = sim.queues()[0].clone();
    let forbidden = format!("v2.analytics.queues.{id}.observations");
    control(&sim, &format!("forbid?topic={forbidden}"));
    let stream = watch(notifications(&sim.url()));
    let snapshot = stream.until_fed();
    let refused: Vec<&String> = snapshot.connection.refused_topics.keys().collect();
    assert_eq!(refused, [&forbidden]);
    assert!(!snapshot.connection.refused_topics[&forbidden].is_empty());
    stream.stop();
}

#[test]
fn without_any_permission_it_gives_up() {
    let sim = start(busy());
    control(&sim, "forbid?topic=v2.");
    let error = watch(notifications(&sim.url())).gives_up_at_once();
    assert_eq!(error.kind(), ErrorKind::Credentials, "{error}");
    assert_eq!(error.status(), Some(403));
}

#[test]
fn an_unknown_queue_is_named_with_the_nearest() {
    let peer = sound();
    let error = watch(notifications(&peer.url()).queue("Sails").queue("Supprt")).gives_up_at_once();
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    let text = error.to_string();
    assert!(text.contains("\"Sails\"") && text.contains("\"Sales\""), "{text}");
    assert!(text.contains("\"Supprt\"") && text.contains("\"Support\""), "{text}");
    assert_eq!(peer.log().count("POST", "/channels"), 0, "nothing was subscribed");
}

/// The answer to the creation of a channel, with an address of the test's own.
fn channel_at(uri: &'static str) -> impl Fn(&Asked, &peer::Peer) -> Option<Answer> + Send + Sync + 'static {
    move |asked, _| {
        let creation = asked.method == "POST" && asked.path.ends_with("/channels");
        let uri = uri.to_owned();
        creation.then(|| Answer::Json(200, json!({"id": "streaming-5-x", "connectUri": uri})))
    }
}

#[test]
fn a_foreign_connect_uri_is_refused() {
    for uri in [
        "wss://streaming.example.com/channels/streaming-5-x",
        "ws://127.0.0.1:9/channels/streaming-5-x",
        "ws://somebody@127.0.0.1/channels/streaming-5-x",
        "http://127.0.0.1/channels/streaming-5-x",
    ] {
        let peer = peer(channel_at(uri));
        let error = watch(notifications(&peer.url())).gives_up_at_once();
        assert_eq!(error.kind(), ErrorKind::Refused, "{uri}: {error}");
        assert!(!error.to_string().contains("streaming-5-x"), "{error}");
        assert_eq!(peer.log().upgrades(), 0);
    }
}

#[test]
fn a_plain_connect_uri_of_a_secure_service_is_refused() {
    let peer = peer::tls_peer("server", |asked, peer| {
        let creation = asked.method == "POST" && asked.path.ends_with("/channels");
        let uri = format!("{}/channels/x", peer.socket_url().replacen("wss", "ws", 1));
        creation.then(|| Answer::Json(200, json!({"id": "x", "connectUri": uri})))
    });
    let error = watch(notifications(&peer.url()).ca_file(fixture_path("tls/ca.pem"))).gives_up_at_once();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert_eq!(peer.log().upgrades(), 0);
}

/// A refusal of the whole subscription: 400 is the request's fault, 403 the permissions'.
#[test]
fn a_refused_subscription_ends_it() {
    for (status, kind) in [(400, ErrorKind::Refused), (403, ErrorKind::Credentials)] {
        let peer = peer(move |asked, _| {
            let body = json!({"message": "no", "code": "notification.invalid.topic", "status": status});
            is_subscription(asked).then_some(Answer::Json(status, body))
        });
        let error = watch(notifications(&peer.url())).gives_up_at_once();
        assert_eq!((error.kind(), error.status()), (kind, Some(status)), "{error}");
    }
}

/// A 200 with half a body, once for each step: a passing failure, so the step is tried again.
#[test]
fn a_malformed_answer_is_tried_again() {
    let listing = |asked: &Asked| asked.is("GET", "/routing/queues");
    let channel = |asked: &Asked| asked.method == "POST" && asked.path.ends_with("/channels");
    let peer = peer(move |asked, peer| {
        let log = peer.log();
        let is_first_of =
            |step: &dyn Fn(&Asked) -> bool| step(asked) && log.asked.iter().filter(|a| step(a)).count() == 1;
        (is_first_of(&listing) || is_first_of(&channel) || is_first_of(&is_subscription))
            .then(|| Answer::Text(200, "{\"entities\": tru".to_owned()))
    });
    let stream = watch(notifications(&peer.url()));
    let streaming = stream.until_streaming();
    assert_eq!(streaming.connection.gaps_total, 0, "nothing was covered before");
    stream.stop();
    let log = peer.log();
    let times = |step: &dyn Fn(&Asked) -> bool| log.asked.iter().filter(|a| step(a)).count();
    // The channel without a subscription is used again.
    assert_eq!((times(&listing), times(&channel), times(&is_subscription)), (2, 2, 2));
}

#[test]
fn unknown_topics_and_fields_are_kept() {
    let body = json!({"whatever": [1, 2, {"deep": null}], "queueId": SALES});
    let texts = vec![
        notification("v2.brand.new.topic", &body),
        notification(&format!("v2.routing.queues.{SALES}.novelties"), &body),
    ];
    let peer = peer(sockets(vec![Behaviour::Well(texts)]));
    let (builder, events) = Stream::builder(built(notifications(&peer.url()))).events(10);
    let stream = watch_with(builder);
    stream.until("both", |s| s.counters.unknown == 2 && s.counters.events_applied == 2);
    stream.stop();
    for event in events {
        assert_eq!(event.kind, EventKind::Unknown);
        let kept: Value = serde_json::from_str(event.body.as_deref().expect("a body")).expect("JSON");
        assert_eq!(kept, body);
    }
}

/// The topics of each subscription, in their order.
fn topics_of(log: &peer::Log) -> Vec<Vec<String>> {
    log.asked
        .iter()
        .filter(|asked| is_subscription(asked))
        .map(subscribed)
        .collect()
}

#[test]
fn more_topics_than_one_channel_takes() {
    // For the clean-up there are 700 ms.
    against_the_clock(|_| two_channels());
}

fn two_channels() {
    // The smaller channel's first socket closes once the test says so.
    let (go, wait) = crossbeam_channel::bounded::<()>(0);
    let peer = peer(move |asked, peer| {
        let wait = wait.clone();
        let log = peer.log();
        let smaller = log.asked.iter().filter(|a| is_subscription(a)).nth(1)?.path.clone();
        let id = asked.path.strip_prefix("/channels/")?;
        let first = log.asked.iter().filter(|a| a.path == asked.path).count() == 1;
        (first && smaller.contains(id)).then(|| {
            Answer::Socket(Behaviour::Custom(Box::new(move |socket| {
                let _ = wait.recv();
                let _ = socket.close(None);
                while socket.read().is_ok() {}
            })))
        })
    });
    let mut builder = notifications(&peer.url()).max_requests_per_min(600);
    for number in 0..1100 {
        builder = builder.user(format!("7a1b0c2d-0000-4000-8000-{number:012}"));
    }
    let stream = watch(builder);
    stream.until("two connections", |s| {
        s.connection.connections == 2 && s.connection.state == ConnectionState::Streaming
    });
    let topics = topics_of(&peer.log());
    assert_eq!(topics.iter().map(Vec::len).collect::<Vec<_>>(), [1000, 100]);
    assert_eq!(peer.log().upgrades(), 2);
    // The end of one channel's socket is a gap of its topics alone.
    drop(go);
    let back = stream.until_reconnected(1);
    assert_eq!(back.connection.gaps_total, 1);
    assert_eq!(back.connection.gaps[0].topics, GapTopics::Some(topics[1].clone()));
    let report = stream.stop();
    assert!(report.abandoned.is_empty(), "{:?}", report.abandoned);
    let deleted = peer.log().count("DELETE", "/subscriptions");
    assert_eq!(deleted, 2, "one clean-up a channel");
}

/// For the clean-up there are 700 ms.
#[test]
fn subscriptions_are_deleted_at_the_end() {
    against_the_clock(|_| {
        let peer = sound();
        let stream = watch(notifications(&peer.url()));
        stream.until_streaming();
        assert_eq!(peer.log().count("DELETE", "/subscriptions"), 0);
        let report = stream.stop();
        assert!(report.abandoned.is_empty(), "{:?}", report.abandoned);
        assert_eq!(peer.log().count("DELETE", "/subscriptions"), 1);
    });
}

/// A clean-up that gets no answer does not delay the stop, and is reported.
#[test]
fn a_clean_up_without_an_answer_is_abandoned() {
    let peer = peer(|asked, _| asked.is("DELETE", "/subscriptions").then_some(Answer::Nothing));
    let stream = watch(notifications(&peer.url()));
    stream.until_streaming();
    let report = stream.stop();
    let abandoned = report.abandoned.iter().filter(|what| what.contains("subscriptions"));
    assert_eq!(abandoned.count(), 1, "{:?}", report.abandoned);
}

/// With `all`, a queue that is created later is found and subscribed on the same channel without an interruption.
#[test]
fn a_queue_made_later_is_followed() {
    let late = ("7a1b0c2d-0000-4000-8000-00000000000c", "Late");
    let peer = peer(move |asked, peer| {
        let relisted = peer.log().count("GET", "/routing/queues") > 1;
        (asked.is("GET", "/routing/queues") && relisted).then(|| peer::queues(&[QUEUES[0], QUEUES[1], late]))
    });
    let stream = watch(
        notifications(&peer.url())
            .queue("all")
            .refresh_queues_every(Duration::from_secs(1)),
    );
    let found = stream.until("the new queue", |s| {
        s.queues.values().any(|queue| queue.name.as_deref() == Some("Late"))
    });
    assert_eq!((found.connection.reconnects, found.connection.gaps_total), (0, 0));
    peer.until("its topics", |log| {
        let last = topics_of(log).pop()?;
        last.contains(&format!("v2.routing.queues.{}.conversations", late.0))
            .then_some(())
    });
    stream.stop();
    assert_eq!(peer.log().count("POST", "/api/v2/notifications/channels"), 1);
}

fn channels_made(peer: &peer::Peer) -> usize {
    let log = peer.log();
    let made = log
        .asked
        .iter()
        .filter(|a| a.method == "POST" && a.path.ends_with("/channels"));
    made.count()
}

/// A reconnect uses the same channel while it is valid: the subscriptions stay.
#[test]
fn a_reconnect_uses_the_same_channel() {
    let peer = peer(sockets(vec![Behaviour::Close(Vec::new(), 1001), Behaviour::Drop]));
    let stream = watch(notifications(&peer.url()));
    stream.until_reconnected(2);
    stream.stop();
    assert_eq!(channels_made(&peer), 1);
    assert_eq!(topics_of(&peer.log()).len(), 1);
    let log = peer.log();
    let paths: Vec<&str> = log
        .asked
        .iter()
        .filter(|a| a.is_upgrade())
        .map(|a| a.path.as_str())
        .collect();
    assert_eq!(paths.len(), 3);
    assert!(paths.iter().all(|path| *path == paths[0]));
}

/// A channel that is gone is replaced by a new one with the same topics, whichever way the service says so.
#[test]
fn a_channel_that_is_gone_is_replaced() {
    let gone = json!({"result": "404", "message": "Channel not found"}).to_string();
    let taken = notification(
        "v2.system.no_longer_subscribed.streaming-5-2",
        &json!({"systemTopicType": "no_longer_subscribed", "reason": "another_channel_subscribed"}),
    );
    for (sign, cause) in [(gone, "channel gone"), (taken, "another client")] {
        let peer = peer(sockets(vec![Behaviour::Well(vec![sign])]));
        let stream = watch(notifications(&peer.url()));
        let back = stream.until_reconnected(1);
        assert!(
            back.connection.gaps[0].cause.contains(cause),
            "{:?}",
            back.connection.gaps
        );
        stream.stop();
        let topics = topics_of(&peer.log());
        assert_eq!((channels_made(&peer), topics.len()), (2, 2));
        assert_eq!(topics[0], topics[1]);
    }
    for status in [401, 404] {
        let peer = peer(move |asked, peer| {
            let first = asked.is_upgrade() && peer.log().upgrades() == 1;
            first.then(|| Answer::Json(status, json!({"message": "no such channel"})))
        });
        let stream = watch(notifications(&peer.url()));
        stream.until_streaming();
        stream.stop();
        assert_eq!(channels_made(&peer), 2, "after {status}");
        assert_eq!(peer.log().count("POST", "/oauth/token"), 1, "the token is not to blame");
    }
}

#[test]
fn an_evicted_channel_is_replaced() {
    let sim = start(busy());
    let stream = watch(notifications(&sim.url()));
    stream.until_fed();
    control(&sim, "evict");
    let back = stream.until_reconnected(1);
    assert_eq!(back.connection.gaps_total, 1);
    stream.until("fed again", |s| {
        s.counters.events_applied > back.counters.events_applied
    });
    stream.stop();
}

/// The new connection stands before the announced close comes.
#[test]
fn an_announced_close_leaves_no_gap() {
    against_the_clock(|factor| {
        let sim = start(busy().speed(1.0).arrivals_per_sec(20.0).warm_up(Duration::ZERO));
        let stream = watch(notifications(&sim.url()));
        stream.until_fed();
        control(&sim, &format!("socket_closing?after_secs={}", 2 * factor));
        let moved = stream.until_reconnected(1);
        assert_eq!(moved.connection.gaps_total, 0, "{:?}", moved.connection.gaps);
        stream.until("fed by the new connection", |s| {
            s.connection.connections == 1 && s.counters.events_applied > moved.counters.events_applied + 5
        });
        let last = stream.stop().snapshot;
        assert_eq!((last.connection.gaps_total, last.connection.reconnects), (0, 1));
    });
}

/// A channel ends with its life: another one takes over before.
#[test]
fn a_channel_near_its_end_is_replaced_without_a_gap() {
    against_the_clock(|factor| {
        let life = Duration::from_secs(2) * factor;
        let peer = peer(move |asked, peer| {
            let creation = asked.method == "POST" && asked.path.ends_with("/channels");
            creation.then(|| {
                let expires = time::OffsetDateTime::now_utc() + life;
                let expires = expires
                    .format(&time::format_description::well_known::Rfc3339)
                    .expect("a date");
                let id = format!("streaming-5-{}", peer.next());
                let uri = format!("{}/channels/{id}", peer.socket_url());
                Answer::Json(200, json!({"id": id, "connectUri": uri, "expires": expires}))
            })
        });
        let stream = watch(notifications(&peer.url()));
        let moved = stream.until_reconnected(1);
        assert_eq!(moved.connection.gaps_total, 0, "{:?}", moved.connection.gaps);
        assert_eq!(channels_made(&peer), 2);
        stream.stop();
    });
}

/// The state at the start is asked for over REST once the stream covers what follows; it does not count as events.
#[test]
fn the_state_at_the_start_comes_from_rest() {
    let peer = peer(|asked, _| {
        asked
            .is("POST", "/queues/observations/query")
            .then(|| Answer::Text(200, fixture("rest-queue-observations-response.json")))
    });
    let stream = watch(notifications(&peer.url()).queue(SALES));
    let seen = stream.until("observations", |s| {
        s.queues.values().any(|queue| !queue.observations.is_empty())
    });
    assert_eq!(seen.counters.events_decoded, 0, "{:?}", seen.counters);
    stream.stop();
    let log = peer.log();
    let place = |found: &dyn Fn(&Asked) -> bool| log.asked.iter().position(found).expect("asked");
    assert!(place(&|a| a.is("POST", "/observations/query")) > place(&Asked::is_upgrade));
}

/// `events`: a filter that is refused with 403 is dropped once, and events are filtered here.
#[test]
fn a_refused_filter_is_applied_here() {
    let sim = start(busy().refuse_event_filters(true));
    let (id, _) = sim.queues()[0].clone();
    let (builder, events) = Stream::builder(built(config(&sim.url(), Protocol::Events).queue(id.clone()))).events(1000);
    let stream = watch_with(builder);
    stream.until("some", |s| s.counters.events_applied >= 5);
    stream.stop();
    let foreign = events.filter(|event| event.queue_id.as_ref().is_some_and(|queue| queue.to_string() != id));
    assert_eq!(foreign.count(), 0);
}

/// Refusals of the tutorials' subscriptions.
#[test]
fn the_tutorials_subscriptions_are_refused_by_status() {
    for (protocol, says, kind) in [
        (
            Protocol::Events,
            json!({"type": "error", "status": 400, "message": "bad type"}),
            ErrorKind::Refused,
        ),
        (
            Protocol::Events,
            json!({"type": "error", "message": "403 Forbidden"}),
            ErrorKind::Credentials,
        ),
        (
            Protocol::Metrics,
            json!({"status": 400, "message": "bad metric"}),
            ErrorKind::Configuration,
        ),
        (
            Protocol::Metrics,
            json!({"status": 403, "message": "no"}),
            ErrorKind::Credentials,
        ),
    ] {
        let peer = peer(sockets(vec![Behaviour::Says(says.to_string())]));
        let error = watch(config(&peer.url(), protocol)).gives_up_at_once();
        assert_eq!(error.kind(), kind, "{says}: {error}");
    }
}

/// `metrics`: without any conversation to verify with, nothing is opened, unless verification is off.
#[test]
fn metrics_are_proved_first() {
    let empty = |asked: &Asked, _: &peer::Peer| {
        let proof = asked.is("POST", "/analytics/conversations/details/query");
        proof.then(|| Answer::Json(200, json!({"totalHits": 0})))
    };
    let peer1 = peer(empty);
    let error = watch(config(&peer1.url(), Protocol::Metrics)).gives_up_at_once();
    assert_eq!(error.kind(), ErrorKind::NoData, "{error}");
    assert_eq!(peer1.log().upgrades(), 0);

    let peer2 = peer(empty);
    let stream = watch(config(&peer2.url(), Protocol::Metrics).without_verification());
    stream.until_streaming();
    stream.stop();
    assert_eq!(peer2.log().count("POST", "/details/query"), 0);
}

/// The metrics socket is opened with the token in a header, the events socket with it in the query, a channel's
/// socket without any.
#[test]
fn each_socket_gets_the_token_in_its_own_way() {
    for protocol in crate::support::PROTOCOLS {
        let peer = peer(sockets(vec![Behaviour::Well(vec![event(protocol, 1)])]));
        let stream = watch(config(&peer.url(), protocol));
        stream.until_fed();
        stream.stop();
        let log = peer.log();
        let upgrade = log.asked.iter().find(|a| a.is_upgrade()).expect("an upgrade");
        let (header, query) = (
            upgrade.header("authorization"),
            upgrade.path.contains("access_token=token-"),
        );
        let expected = match protocol {
            Protocol::Notifications => (None, false),
            Protocol::Events => (None, true),
            Protocol::Metrics => (Some("Bearer token-1"), false),
            other => panic!("no test for {other:?}"),
        };
        assert_eq!((header, query), expected, "{protocol:?}");
    }
}
