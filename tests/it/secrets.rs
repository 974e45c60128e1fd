//! A peer that repeats every secret wherever it can: none is in anything that the program leaves behind.
//!
//! In: a scripted peer, the built program · Out: verdicts · Thread: the test's.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Instant;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use serde_json::{Value, json};

use crate::audit::Directory;
use crate::support::PATIENCE;
use crate::support::peer::{Answer, Asked, Behaviour, QUEUES, Running, notification, peer, queues};
use crate::support::process::program;
use crate::web_asking::{events, get};

const CLIENT: &str = "planted-client";
const SECRET: &str = "Planted/Secret+9<x";
const TOKEN: &str = "planted-token-0123456789";
const CHANNEL: &str = "streaming-5-planted-channel";
const HOOK_SECRET: &str = "planted-hook-secret";
const PAGE_TOKEN: &str = "planted-page-token-0123";

/// Each secret as it is, URL-encoded, and in base64 with others.
fn forms(secrets: &[&str]) -> Vec<String> {
    let encoded =
        |text: &str, [slash, plus, less]: [&str; 3]| text.replace('/', slash).replace('+', plus).replace('<', less);
    let (upper, lower) = (["%2F", "%2B", "%3C"], ["%2f", "%2b", "%3c"]);
    let mut all = Vec::new();
    for secret in secrets {
        all.extend([(*secret).to_owned(), encoded(secret, upper), encoded(secret, lower)]);
        all.push(BASE64_STANDARD.encode(format!("{CLIENT}:{secret}")));
        all.push(BASE64_URL_SAFE.encode(format!("x{secret}")));
    }
    all
}

/// As an error of the service.
fn refusal(status: u16, echo: String) -> Answer {
    let body = json!({"message": echo, "code": SECRET, "status": status, "contextId": echo,
        "error": SECRET, "error_description": echo});
    Answer::WithHeader(status, ("ININ-Correlation-Id", echo), body)
}

fn conversation(echo: &str) -> Value {
    json!({"id": TOKEN, "note": echo, "participants": [
        {"id": CHANNEL, "purpose": "customer", "name": echo, "connectedTime": "2026-05-04T14:00:00.000Z",
         "attributes": {SECRET: echo}},
        {"id": SECRET, "purpose": "acd", "queueId": QUEUES[0].0, "connectedTime": "2026-05-04T14:00:00.000Z"}]})
}

fn frames(echo: &str) -> Vec<String> {
    let sales = QUEUES[0].0;
    let statistics = json!({"group": {"queueId": sales, "mediaType": "voice"}, "data": [
        {"interval": "2126-05-04T14:00:00.000Z/2126-05-04T14:30:00.000Z", "metrics": [
            {"metric": TOKEN, "qualifier": CHANNEL, "stats": {"count": 1}},
            {"metric": "oUserRoutingStatuses", "qualifier": SECRET, "stats": {"count": 1}}]}]});
    vec![
        json!({"result": 500, "message": echo}).to_string(),
        json!({"something": echo}).to_string(),
        format!(
            r#"{{"topicName":"v2.routing.queues.{sales}.conversations","eventBody":[{}]}}"#,
            json!(echo)
        ),
        notification(
            &format!("v2.unknown.{CHANNEL}"),
            &json!({"channel": CHANNEL, "all": echo}),
        ),
        notification(
            &format!("v2.users.{TOKEN}.presence"),
            &json!({"source": SECRET, "presenceDefinition": {"id": "p", "systemPresence": CHANNEL}}),
        ),
        notification(&format!("v2.analytics.queues.{sales}.observations"), &statistics),
        notification(&format!("v2.routing.queues.{sales}.conversations"), &conversation(echo)),
    ]
}

/// What fails the first time that it is asked for.
const EACH: &[&str] = &[
    "/oauth/token",
    "/api/v2/routing/queues",
    "/notifications/channels",
    "/subscriptions",
];

/// Repeats these secrets, and token and channel once it has given them.
fn hostile(known: &[&'static str], fails_first: &'static [&'static str]) -> Running {
    let given = Mutex::new(known.to_vec());
    let failed = Mutex::new(Vec::new());
    peer(move |asked: &Asked, peer| {
        let echo = || forms(&given.lock().unwrap()).join(" ");
        let first = fails_first.iter().find(|kind| asked.path.contains(**kind));
        if let Some(kind) = first
            && !failed.lock().unwrap().contains(&kind)
        {
            failed.lock().unwrap().push(kind);
            return Some(refusal(503, echo()));
        }
        if asked.is("POST", "/hook") || asked.path.contains("/details/query") {
            return Some(refusal(400, echo()));
        }
        if asked.path.contains("/oauth/token") {
            given.lock().unwrap().push(TOKEN);
            return Some(Answer::Json(
                200,
                json!({"access_token": TOKEN, "token_type": "bearer", "expires_in": 86_400}),
            ));
        }
        if asked.path.starts_with("/api/v2/routing/queues") {
            return Some(queues(&[(QUEUES[0].0, &echo()), (QUEUES[1].0, TOKEN)]));
        }
        if asked.is("POST", "/subscriptions") || asked.is("PUT", "/subscriptions") {
            let topics: Vec<Value> = serde_json::from_str(&asked.body).unwrap_or_default();
            let entities = topics.iter().map(|topic| {
                let is_first = topic["id"].as_str().is_some_and(|id| id.contains(QUEUES[0].0));
                match is_first {
                    true => json!({"id": topic["id"], "state": "Permitted"}),
                    false => json!({"id": topic["id"], "state": "Rejected", "rejectionReason": echo(),
                        "missingPermissions": [echo()]}),
                }
            });
            return Some(Answer::Json(200, json!({"entities": Vec::from_iter(entities)})));
        }
        if asked.is("POST", "/api/v2/notifications/channels") {
            given.lock().unwrap().push(CHANNEL);
            let uri = format!("{}/channels/{CHANNEL}", peer.socket_url());
            return Some(Answer::Json(
                200,
                json!({"id": CHANNEL, "connectUri": uri, "expires": "2126-05-05T14:00:00.000Z"}),
            ));
        }
        if asked.path.contains("observations/query") {
            let rows = json!([{"metric": SECRET, "qualifier": TOKEN, "stats": {"count": 1}}]);
            let results = json!([{"group": {"queueId": QUEUES[0].0, "mediaType": "voice"}, "data": rows}]);
            return Some(Answer::Json(200, json!({"results": results})));
        }
        asked
            .is_upgrade()
            .then(|| Answer::Socket(Behaviour::Well(frames(&echo()))))
    })
}

/// Its name, and what it holds.
type Artefact = (String, String);

#[test]
fn no_artefact_holds_a_secret_that_a_peer_repeated() {
    let peer = hostile(&[SECRET, HOOK_SECRET, PAGE_TOKEN], EACH);
    let directory = Directory::new("secrets");
    let path = |name: &str| directory.file(name).display().to_string();
    std::fs::write(path("hook-secret"), HOOK_SECRET).unwrap();
    std::fs::write(path("page-token"), PAGE_TOKEN).unwrap();
    let config = json!({"reconnect": {"initial_ms": 10}, "outputs": {"interval_ms": 100,
        "webhook": {"url": format!("{}/hook", peer.url()), "on": "events", "secret_file": path("hook-secret")}}});
    std::fs::write(path("config.json"), config.to_string()).unwrap();
    let child = program(
        &[
            "run",
            "-v",
            "-v",
            "--region",
            &peer.url(),
            "--client-id",
            CLIENT,
            "--queue",
            "all",
            "--config",
            &path("config.json"),
            "--output",
            "events",
            "--listen",
            "127.0.0.1:0",
            "--token-file",
            &path("page-token"),
            "--audit-file",
            &path("audit"),
            "--record",
            &path("record"),
            "--snapshot-file",
            &path("snapshot"),
        ],
        &[("GENESYS_CLIENT_SECRET", SECRET)],
    );
    let (mut out, mut log) = (Vec::new(), Vec::new());
    let page = loop {
        log.push(child.log_line("the page's address", |_| true));
        if let Some((_, address)) = log.last().and_then(|line| line.split_once("http://127.0.0.1:")) {
            let port: String = address.chars().take_while(char::is_ascii_digit).collect();
            if !peer.url().ends_with(&port) {
                break SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()));
            }
        }
    };
    out.extend(child.lines_until("the conversation", |line| {
        line.contains("queue_conversation") && line.contains("record\":\"event")
    }));
    let mut found: Vec<Artefact> = Vec::new();
    let bearer = format!("Bearer {PAGE_TOKEN}");
    let fields = [("Authorization", bearer.as_str())];
    // Until the numbers of the frames are there.
    let deadline = Instant::now() + PATIENCE;
    let snapshot = loop {
        assert!(Instant::now() < deadline, "the numbers never came");
        let body = get(page, "/api/snapshot", &fields).body;
        if body.contains(r#""interacting":0"#) && body.contains("oUserRoutingStatuses") {
            break body;
        }
    };
    found.push(("/api/snapshot".to_owned(), snapshot));
    for at in ["/", "/metrics", "/readyz", "/healthz", "/nothing"] {
        let answer = get(page, at, &fields);
        found.push((at.to_owned(), answer.body));
    }
    for at in ["/api/events", "/api/page"] {
        found.push((at.to_owned(), events(page, at, &fields).next().unwrap_or_default()));
    }
    let children = |of: &str| std::fs::read_to_string(format!("/proc/{}/{of}", child.id())).unwrap_or_default();
    found.push(("command line".to_owned(), children("cmdline")));
    peer.until("a post", |log| (log.count("POST", "/hook") > 0).then_some(()));
    child.signal("TERM");
    let ended = child.wait();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    out.extend(ended.lines);
    found.push(("stdout".to_owned(), out.join("\n")));
    found.push(("stderr".to_owned(), log.join("\n") + &ended.stderr));
    for file in ["audit", "record", "snapshot"] {
        found.push((file.to_owned(), std::fs::read_to_string(path(file)).unwrap()));
    }
    let posted = |asked: &&Asked| asked.is("POST", "/hook");
    let posts = Vec::from_iter(peer.log().asked.iter().filter(posted).map(|asked| asked.body.clone()));
    found.push(("webhook".to_owned(), posts.join("\n")));
    for (name, text) in &found {
        assert!(name == "/nothing" || !text.is_empty(), "{name} is empty");
        for form in forms(&[SECRET, HOOK_SECRET, PAGE_TOKEN, TOKEN, CHANNEL]) {
            assert!(!text.contains(&form), "{name} holds {form}: {text}");
        }
    }
    let holds = |artefact: &str, what: &str| {
        let text = &found.iter().find(|(name, _)| name == artefact).unwrap().1;
        assert!(text.contains(what), "{artefact} has no {what}: {text}");
    };
    for artefact in [
        "stdout",
        "stderr",
        "audit",
        "record",
        "snapshot",
        "webhook",
        "/metrics",
        "/api/snapshot",
        "/api/page",
    ] {
        holds(artefact, "<secret>");
    }
    for artefact in ["stdout", "record", "webhook"] {
        holds(artefact, "<channel>");
    }
}

/// On a terminal, in lines, and as the steps of `check` and `plan`.
#[test]
fn nothing_that_is_shown_to_people_holds_a_secret() {
    let variables = [("GENESYS_CLIENT_SECRET", SECRET)];
    let run = |arguments: &[&str], fails_first| {
        let peer = hostile(&[SECRET], fails_first);
        let url = peer.url();
        let connection = ["--region", &url, "--client-id", CLIENT, "--queue", "all"];
        let child = program(&[arguments, &connection].concat(), &variables);
        if arguments[0] == "run" {
            let mut lines = child.lines_until("the conversation", |line| {
                line.contains("longest_wait_secs") || line.contains("waiting")
            });
            child.signal("TERM");
            let ended = child.wait();
            lines.extend(ended.lines);
            return lines.join("\n") + &ended.stderr;
        }
        let ended = child.wait();
        ended.lines.join("\n") + &ended.stderr
    };
    let commands: [(&[&str], &[&str]); 7] = [
        (&["check"], &[]),
        (&["check"], &EACH[2..]),
        (&["check", "--json"], &[]),
        (&["plan"], &[]),
        (&["plan", "--json"], &[]),
        (&["run", "-v", "--output", "lines"], EACH),
        (&["run", "-v", "--output", "snapshots"], EACH),
    ];
    for (arguments, fails_first) in commands {
        let text = run(arguments, fails_first);
        assert!(text.contains("<secret>"), "{arguments:?}: {text}");
        for form in forms(&[SECRET, TOKEN, CHANNEL]) {
            assert!(!text.contains(&form), "{arguments:?} shows {form}: {text}");
        }
    }
}
