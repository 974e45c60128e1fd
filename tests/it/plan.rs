//! `plan`: topics, channels, requests and headroom, with nothing subscribed.
//!
//! In: the built program, scripted peers · Out: verdicts · Thread: the test's.

use serde_json::{Value, json};

use crate::support::peer::{Answer, QUEUES, peer, sound};
use crate::support::process::{Ended, program};

const CREDENTIALS: [(&str, &str); 2] = [
    ("GENESYS_CLIENT_ID", "simulator"),
    ("GENESYS_CLIENT_SECRET", "simulator"),
];

fn plan(url: &str, flags: &[&str]) -> Ended {
    let mut all = vec!["plan", "--region", url];
    all.extend(flags);
    program(&all, &CREDENTIALS).wait()
}

fn json_of(url: &str, flags: &[&str]) -> Value {
    let ended = plan(url, &[flags, &["--json"]].concat());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    serde_json::from_str(&ended.lines.join("\n")).expect("JSON")
}

#[test]
fn topics_and_channels_without_subscribing() {
    let peer = sound();
    let user = "11111111-0000-4000-8000-000000000001";
    let plan = json_of(&peer.url(), &["--queue", "Sales", "--user", user]);
    assert_eq!((&plan["record"], &plan["schema"]), (&json!("plan"), &json!(1)));
    assert_eq!(plan["queues"], json!([{"id": QUEUES[0].0, "name": "Sales"}]));
    assert_eq!(
        plan["channels"],
        json!([{"topics": [
            format!("v2.users.{user}?presence&routingStatus"),
            format!("v2.routing.queues.{}.conversations", QUEUES[0].0),
            format!("v2.analytics.queues.{}.observations", QUEUES[0].0),
        ], "topics_left": 997}])
    );
    assert_eq!(plan["headroom"]["channels"], 17);
    assert_eq!(plan["headroom"]["topics"], 17_997);
    // Token, listing, the user's name, channel, its list, statistics, one page of conversations.
    assert_eq!(plan["requests"]["at_start"], 7);
    assert_eq!(plan["requests"]["per_min"], 0.0);
    assert_eq!(plan["requests"]["max_per_min"], 300);
    let log = peer.log();
    assert_eq!(
        log.count("POST", "/channels") + log.count("PUT", "/subscriptions") + log.upgrades(),
        0
    );
}

#[test]
fn text_for_people() {
    let peer = sound();
    let ended = plan(&peer.url(), &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let text = ended.lines.join("\n");
    for part in [
        "protocol   notifications",
        "queues     2",
        &format!("{}  Support", QUEUES[1].0),
        "topics     4 on 1 channel\n",
        "channel 1  4 of 1000 topics",
        "headroom   17996 topics, 17 channels",
        "0.2 a minute",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn more_than_one_channel() {
    let peer = peer(|asked, _| {
        asked.is("GET", "/api/v2/routing/queues").then(|| {
            let queue = |n: usize| json!({"id": format!("00000000-0000-4000-8000-{n:012}"), "name": format!("Q{n}")});
            let entities: Vec<Value> = (0..600).map(queue).collect();
            Answer::Json(200, json!({"entities": entities, "pageCount": 1}))
        })
    });
    let plan = json_of(&peer.url(), &[]);
    let sizes: Vec<usize> = plan["channels"]
        .as_array()
        .expect("channels")
        .iter()
        .map(|channel| channel["topics"].as_array().expect("topics").len())
        .collect();
    assert_eq!(sizes, [1000, 200]);
    assert_eq!(plan["headroom"]["channels"], 16);
}

#[test]
fn the_tutorials_sockets_show_what_would_be_sent() {
    let peer = sound();
    let events = json_of(&peer.url(), &["--protocol", "events", "--queue", "Sales"]);
    let url = events["socket"]["url"].as_str().expect("a URL");
    assert!(url.ends_with("/api/v2/events?access_token=<token>"), "{url}");
    let frame: Value = serde_json::from_str(events["socket"]["frame"].as_str().expect("a frame")).expect("JSON");
    assert_eq!(
        frame["subscription"]["filters"]["routingQueueIds"],
        json!([QUEUES[0].0])
    );
    let metrics = json_of(&peer.url(), &["--protocol", "metrics", "--metric", "offered"]);
    let frame: Value = serde_json::from_str(metrics["socket"]["frame"].as_str().expect("a frame")).expect("JSON");
    assert_eq!(frame["metrics"], json!(["offered"]));
    assert_eq!(peer.log().upgrades(), 0);
}

#[test]
fn what_keeps_it_from_planning() {
    let peer = peer(|asked, _| {
        let refused = || Answer::Json(401, json!({"error": "invalid_client", "error_description": "no"}));
        let wrong = "Basic d3Jvbmc6d3Jvbmc=";
        (asked.is("POST", "/oauth/token") && asked.header("authorization") == Some(wrong)).then(refused)
    });
    let wrong = [("GENESYS_CLIENT_ID", "wrong"), ("GENESYS_CLIENT_SECRET", "wrong")];
    assert_eq!(program(&["plan", "--region", &peer.url()], &wrong).wait().code, 3);
    let ended = plan(&peer.url(), &["--queue", "Sails"]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("Sales"), "{}", ended.stderr);
}
