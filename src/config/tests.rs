//! The configuration as its users meet it: all keys with their defaults, the layers, and what goes wrong.
//!
//! In: JSON, flags, variables · Out: verdicts · Thread: the test's.

use std::ffi::OsString;
use std::time::Duration;

use super::json::Value;
use super::*;
use crate::base::problem::Origin;

mod large;

/// Every key with its default, or an example where there is none.
const EXAMPLE: &str = r#"{"region":"mypurecloud.com","login_url":null,"api_url":null,"streaming_url":null,"ca_file":null,"proxy":null,
 "client_id":"some-id","client_secret_file":"SECRET_FILE","protocol":"notifications","verify":true,
 "subscribe":{"queues":["Sales"],"users":[],"topics":[],"refresh_secs":300,
   "event_types":["conversation:updated","routing:queue:updated"],
   "metrics":{"metricTypes":["queue","agent"],"timeWindows":[{"start":"now-PT1H","end":"now"}],"granularity":"PT1M",
              "metrics":["offered","answered","serviceLevelPercent","avgWaitTime"],"entityFilters":{}}},
 "buffer":{"capacity":5000,"when_full":"coalesce"},
 "heartbeat":{"interval_secs":20,"timeout_secs":10,"silence_secs":45},
 "reconnect":{"initial_ms":1000,"max_ms":60000,"max_attempts":0,"stable_after_secs":30},
 "token":{"refresh_before_secs":300},"freshness":{"stale_after_secs":30},
 "windows":{"granularity":"PT1M","keep":60,"service_level_secs":"queue","short_abandon_secs":0},
 "totals":{"since":"start","utc_offset":"+00:00","time_zone":null},
 "model":{"retention_secs":7200,"max_conversations":200000,"max_bytes":134217728,"recheck_secs":3600},
 "rest":{"max_requests_per_min":300},"backfill":{"enabled":true,"max_requests_per_min":120,"lookback_days":31},
 "thresholds":{"default":{},"queues":{},"agents":{}},
 "outputs":{"stdout":"auto","redact":false,"interval_ms":1000,"snapshot_file":null,"snapshot_every_secs":1,"snapshot_mode":"0600","audit_file":null,"record_file":null,"log_file":null,
            "webhook":{"url":"https://hook.example/in","secret_file":null,"on":"snapshot","timeout_secs":5,"allow_http":false}},
 "http":{"listen":null,"token_file":null,"allowed_hosts":[]}}"#;

fn whole() -> ConfigBuilder {
    Config::builder()
        .region("mypurecloud.com")
        .client_id("some-id")
        .client_secret(Secret::new("hunter2"))
}

fn complaint(builder: ConfigBuilder) -> String {
    let error = builder
        .build()
        .map(|c| c.summary())
        .expect_err("this configuration is wrong");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let text = error.to_string();
    assert!(!text.contains("hunter2"), "a secret is shown: {text}");
    text
}

#[test]
fn every_key_has_its_documented_default() {
    let secret_file = std::env::temp_dir().join(format!("gs-config-example-{}", std::process::id()));
    std::fs::write(&secret_file, "hunter2\n").unwrap();
    let text = EXAMPLE.replace("SECRET_FILE", secret_file.to_str().unwrap());
    let (loaded, notes) = Config::builder().json("example.json", text).build_with_notes().unwrap();
    std::fs::remove_file(&secret_file).unwrap();
    assert_eq!(notes, Vec::<String>::new());
    let mut defaults = whole().build().unwrap();
    assert!(defaults.subscribe.queues.is_empty() && defaults.subscribe.all_queues());
    assert_eq!(defaults.outputs.webhook, None);
    defaults.subscribe.queues.push("Sales".to_owned());
    defaults.outputs.snapshot_mode = Some(0o600);
    defaults.outputs.webhook = Some(WebhookConfig {
        url: "https://hook.example/in".to_owned(),
        secret: None,
        on: WebhookOn::Snapshot,
        timeout: Duration::from_secs(5),
        allow_http: false,
    });
    assert_eq!(format!("{loaded:?}"), format!("{defaults:?}"));
    assert_eq!(loaded.client_secret.reveal(), "hunter2");
    let secs = Duration::from_secs;
    assert_eq!(loaded.hosts.login, "https://login.mypurecloud.com");
    assert_eq!(loaded.buffer.capacity, 5000);
    assert_eq!(loaded.buffer.when_full, WhenFull::Coalesce);
    let heartbeat = (
        loaded.heartbeat.interval,
        loaded.heartbeat.timeout,
        loaded.heartbeat.silence,
    );
    assert_eq!(heartbeat, (secs(20), secs(10), secs(45)));
    assert_eq!((loaded.reconnect.initial, loaded.reconnect.max), (secs(1), secs(60)));
    assert_eq!(
        (loaded.reconnect.max_attempts, loaded.reconnect.stable_after),
        (0, secs(30))
    );
    assert_eq!((loaded.token_refresh_before, loaded.stale_after), (secs(300), secs(30)));
    assert_eq!((loaded.windows.granularity, loaded.windows.keep), (secs(60), 60));
    assert_eq!(
        (loaded.model.retention, loaded.model.max_conversations),
        (secs(7200), 200_000)
    );
    assert_eq!(
        (loaded.model.recheck, loaded.rest_max_requests_per_min),
        (secs(3600), 300)
    );
    assert_eq!(
        (loaded.backfill.enabled, loaded.backfill.max_requests_per_min),
        (true, 120)
    );
    assert_eq!(
        (loaded.backfill.lookback_days, loaded.subscribe.refresh),
        (31, secs(300))
    );
    assert_eq!(
        (loaded.outputs.stdout, loaded.outputs.interval),
        (Stdout::Auto, secs(1))
    );
    assert!(loaded.verify && !loaded.outputs.redact);
    assert_eq!(loaded.subscribe.metrics, MetricsPayload::default());
}

#[test]
fn flags_then_environment_then_file_then_default() {
    let environment = |name: &str| match name {
        "GENESYS_REGION" => Some(OsString::from("eu-west-1")),
        "GENESYS_DOMAIN" => Some(OsString::new()),
        "GENESYSCLOUD_OAUTHCLIENT_ID" => Some(OsString::from("id-of-environment\n")),
        "GENESYS_CLIENT_SECRET" => Some(OsString::from("secret")),
        _ => None,
    };
    let file =
        r#"{"region":"mypurecloud.de","client_id":"id-of-file","buffer":{"capacity":7},"reconnect":{"max_ms":5000}}"#;
    let mut builder = Config::builder().environment_from(environment).json("f.json", file);
    builder.give(
        "buffer.capacity",
        Origin::Flag("--buffer"),
        Value::Number("9".to_owned()),
    );
    let config = builder.build().unwrap();
    assert_eq!(config.hosts.api, "https://api.mypurecloud.ie");
    assert_eq!(config.client_id, "id-of-environment");
    assert_eq!(config.buffer.capacity, 9);
    assert_eq!(config.reconnect.max, Duration::from_secs(5));
    assert_eq!(config.reconnect.initial, Duration::from_secs(1));
    assert!(config.proxy_from_env);
    assert!(!whole().build().unwrap().proxy_from_env);
}

#[test]
fn wrong_files() {
    let cases: &[(&str, &[&str])] = &[
        // Notation.
        ("{", &["f.json:1:2", "end of the file"]),
        ("[]", &["f.json:1:1", "found a list", "object"]),
        ("{\"buffer\": {\"capacity\": 1,}}", &["f.json:1:26", "comma"]),
        ("{\n\"verify\": yes}", &["f.json:2:11", "without quotes"]),
        (
            "{\"verify\": true, \"verify\": false}",
            &["f.json:1:18", "verify", "second time"],
        ),
        // Unknown keys.
        (
            "{\"bufer\": {}}",
            &["f.json:1:2", "bufer", "unknown key", "did you mean buffer?"],
        ),
        (
            "{\"buffer\": {\"capacty\": 5}}",
            &["buffer.capacty", "did you mean buffer.capacity?"],
        ),
        ("{\"max_attempts\": 5}", &["did you mean reconnect.max_attempts?"]),
        ("{\"buffer\": {\"colour\": 5}}", &["known here are capacity, when_full"]),
        (
            "{\n  \"client_secret\": \"hunter2\"}",
            &["f.json:2:3", "client_secret: unknown key", "client_secret_file"],
        ),
        (
            "{\"outputs\": {\"webhook\": {\"secret\": \"hunter2\"}}}",
            &["outputs.webhook.secret", "secret_file"],
        ),
        ("{\"apiToken\": \"hunter2\"}", &["apiToken: unknown key", "not shown"]),
        // Types.
        ("{\"buffer\": 5}", &["buffer: found 5; an object"]),
        ("{\"buffer\": null}", &["buffer: found null; an object"]),
        (
            "{\"buffer\": {\"capacity\": \"5\"}}",
            &["buffer.capacity: found \"5\"", "whole number from 1 to 1000000"],
        ),
        ("{\"buffer\": {\"capacity\": null}}", &["found null"]),
        (
            "{\"verify\": \"true\"}",
            &["verify: found \"true\"; allowed are true and false"],
        ),
        ("{\"region\": 7}", &["region: found 7; a text"]),
        (
            "{\"subscribe\": {\"queues\": \"Sales\"}}",
            &["subscribe.queues: found \"Sales\"; a list"],
        ),
        (
            "{\"subscribe\": {\"queues\": [\"Sales\", 5]}}",
            &["f.json:1:36", "subscribe.queues[1]: found 5"],
        ),
        (
            "{\"http\": {\"allowed_hosts\": [\"http://a\"]}}",
            &["http.allowed_hosts[0]"],
        ),
        // Ranges.
        (
            "{\"buffer\": {\"capacity\": 0}}",
            &["f.json:1:25", "found 0; allowed is a whole number from 1"],
        ),
        ("{\"buffer\": {\"capacity\": 2.5}}", &["found 2.5"]),
        ("{\"buffer\": {\"capacity\": -1}}", &["found -1"]),
        (
            "{\"buffer\": {\"capacity\": 99999999999999999999999}}",
            &["found 99999999999999999999999"],
        ),
        (
            "{\"heartbeat\": {\"interval_secs\": 0}}",
            &["heartbeat.interval_secs", "from 1 to 3600 (seconds)"],
        ),
        ("{\"heartbeat\": {\"timeout_secs\": 0}}", &["heartbeat.timeout_secs"]),
        ("{\"heartbeat\": {\"silence_secs\": 0}}", &["heartbeat.silence_secs"]),
        (
            "{\"reconnect\": {\"initial_ms\": 9}}",
            &["from 10 to", "(milliseconds)"],
        ),
        ("{\"windows\": {\"keep\": 0}}", &["windows.keep"]),
        (
            "{\"reconnect\": {\"initial_ms\": 500, \"max_ms\": 100}}",
            &["f.json:1:45", "max_ms 100 below initial_ms 500"],
        ),
        (
            "{\"reconnect\": {\"initial_ms\": 90000}}",
            &["max_ms 60000 below initial_ms 90000"],
        ),
        // Words and shapes.
        (
            "{\"buffer\": {\"when_full\": \"coalsce\"}}",
            &["coalesce, block, drop-oldest, drop-newest", "mean coalesce?"],
        ),
        (
            "{\"protocol\": \"metric\"}",
            &["notifications, events, metrics; did you mean metrics?"],
        ),
        (
            "{\"outputs\": {\"stdout\": \"json\"}}",
            &["auto, live, events, snapshots, lines, none"],
        ),
        (
            "{\"windows\": {\"granularity\": \"PT7M\"}}",
            &["windows.granularity: found \"PT7M\"", "evenly"],
        ),
        (
            "{\"windows\": {\"service_level_secs\": \"20\"}}",
            &["service_level_secs: found \"20\"", "or \"queue\""],
        ),
        ("{\"totals\": {\"utc_offset\": \"2\"}}", &["+02:00"]),
        (
            "{\"totals\": {\"time_zone\": \"Europe/Berlni\"}}",
            &["totals.time_zone: found \"Europe/Berlni\"", "zone files", "\"local\""],
        ),
        (
            "{\"totals\": {\"time_zone\": \"+02:00\"}}",
            &["Europe/Berlin", "\"local\""],
        ),
        ("{\"totals\": {\"since\": \"midnight\"}}", &["allowed are start, day"]),
        // Addresses.
        (
            "{\"region\": \"us-esat-1\"}",
            &["region: found \"us-esat-1\"", "did you mean us-east-1?"],
        ),
        ("{\"region\": \"http://10.0.0.1:80\"}", &["this machine only"]),
        (
            "{\"login_url\": \"http://login.example\"}",
            &["login_url", "this machine only"],
        ),
        (
            "{\"api_url\": \"https://me:hunter2@api.example\"}",
            &["api_url", "user information", "not shown"],
        ),
        (
            "{\"streaming_url\": \"ws://s.example\"}",
            &["streaming_url", "use wss://"],
        ),
        ("{\"proxy\": \"socks5://h:1\"}", &["proxy", "http:// or https://"]),
        (
            "{\"outputs\": {\"webhook\": {\"url\": \"http://h.example/hunter2\"}}}",
            &["allow_http"],
        ),
        (
            "{\"outputs\": {\"webhook\": {\"on\": \"events\"}}}",
            &["outputs.webhook.url: missing"],
        ),
        (
            "{\"http\": {\"listen\": \"9464\"}}",
            &["http.listen: found \"9464\"; allowed is HOST:PORT"],
        ),
        (
            "{\"http\": {\"listen\": \"0.0.0.0:9464\"}}",
            &["needs a token", "http.token_file"],
        ),
        (
            "{\"http\": {\"listen\": \"0.0.0.0:9464\", \"token_file\": \"/nowhere/token\"}}",
            &["http.token_file", "cannot be read"],
        ),
        (
            "{\"ca_file\": \"/nowhere/ca.pem\"}",
            &["ca_file", "/nowhere/ca.pem cannot be read"],
        ),
        // Words of a closed list, and numbers, are shown wherever they stand.
        (
            "{\"protocol\": \"always\"}",
            &["protocol: found \"always\"; allowed are"],
        ),
        (
            "{\"buffer\": {\"when_full\": \"always\"}}",
            &["buffer.when_full: found \"always\"; allowed are"],
        ),
        (
            "{\"totals\": {\"since\": \"always\"}}",
            &["totals.since: found \"always\"; allowed are"],
        ),
        (
            "{\"outputs\": {\"stdout\": \"always\"}}",
            &["outputs.stdout: found \"always\"; allowed are"],
        ),
        (
            "{\"outputs\": {\"webhook\": {\"url\": \"https://h.example/hunter2\", \"on\": \"always\"}}}",
            &["outputs.webhook.on: found \"always\"; allowed are snapshot, events"],
        ),
        (
            "{\"token\": {\"refresh_before_secs\": -7}}",
            &["token.refresh_before_secs: found -7"],
        ),
        ("{\"outputs\": {\"snapshot_mode\": \"777\"}}", &["allowed are 0600"]),
        ("{\"outputs\": {\"snapshot_every_secs\": 0}}", &["found 0"]),
        (
            "{\"outputs\": {\"audit_file\": \"a\", \"log_file\": \"a\"}}",
            &["outputs.log_file", "same file as outputs.audit_file"],
        ),
        // Subscriptions.
        (
            "{\"subscribe\": {\"topics\": [\"v2.system.x\"]}}",
            &["subscribe.topics[0]", "cannot be subscribed"],
        ),
        (
            "{\"subscribe\": {\"topics\": [\"channel.metadata\"]}}",
            &["cannot be subscribed"],
        ),
        ("{\"subscribe\": {\"topics\": [\"a b\"]}}", &["without spaces"]),
        (
            "{\"subscribe\": {\"users\": [\"Anna Meyer\"]}}",
            &["a user's id (not a name)"],
        ),
        ("{\"subscribe\": {\"queues\": [\"  \"]}}", &["a queue's id or name"]),
        (
            "{\"subscribe\": {\"event_types\": []}}",
            &["found 0 items; allowed are 1 to 100"],
        ),
        // The metrics payload.
        (
            "{\"subscribe\": {\"metrics\": {\"metricTypes\": [\"que\"]}}}",
            &["did you mean queue?"],
        ),
        (
            "{\"subscribe\": {\"metrics\": {\"metricTypes\": []}}}",
            &["allowed are 1 to 5"],
        ),
        (
            "{\"subscribe\": {\"metrics\": {\"metrics\": [\"offerd\"]}}}",
            &["did you mean offered?"],
        ),
        ("{\"subscribe\": {\"metrics\": {\"granularity\": \"1M\"}}}", &["PT<n>M"]),
        (
            "{\"subscribe\": {\"metrics\": {\"timeWindows\": [{\"start\": \"1h\", \"end\": \"now\"}]}}}",
            &["timeWindows[0].start: found \"1h\""],
        ),
        (
            "{\"subscribe\": {\"metrics\": {\"timeWindows\": [{\"start\": \"now\"}]}}}",
            &["timeWindows[0].end: missing"],
        ),
        (
            "{\"subscribe\": {\"metrics\": {\"timeWindows\": [{\"start\": \"now\", \"end\": \"now-PT1H\"}]}}}",
            &["does not begin before"],
        ),
        (
            "{\"subscribe\": {\"metrics\": {\"entityFilters\": {\"queueIds\": \"a\"}}}}",
            &["entityFilters.queueIds", "a list of ids"],
        ),
        (
            "{\"subscribe\": {\"metrics\": {\"metric_types\": []}}}",
            &["did you mean subscribe.metrics.metricTypes?"],
        ),
    ];
    for (text, parts) in cases {
        let found = complaint(whole().json("f.json", *text));
        for part in *parts {
            assert!(found.contains(part), "{text}\nshould say {part}\nsays {found}");
        }
        assert!(found.contains("1 problem,"), "{text}\n{found}");
    }
}

#[test]
fn ids_in_topics_are_in_lower_case_and_their_words_keep_theirs() {
    let id = "509F5A7F-CB31-5A43-AC00-8041A8BA3690";
    let topics = [
        format!("v2.users.{id}.routingStatus"),
        format!("v2.users.{id}?routingStatus&presence"),
        format!("v2.detail.events.agent.{id}"),
        "v2.X.y".to_owned(),
    ];
    let config = topics.iter().fold(whole(), |builder, topic| builder.topic(topic));
    let expected = topics.map(|topic| topic.replace(id, &id.to_lowercase()));
    assert_eq!(config.build().unwrap().subscribe.topics, expected);
}

#[test]
fn limits_of_the_metrics_payload() {
    let window = r#"{"start":"now-PT1H","end":"now"}"#;
    let windows = [window; 4].join(",");
    let found = complaint(whole().json(
        "f",
        format!(r#"{{"subscribe":{{"metrics":{{"timeWindows":[{windows}]}}}}}}"#),
    ));
    assert!(found.contains("found 4 time windows; allowed are at most 3"), "{found}");
    let none = whole()
        .json("f", r#"{"subscribe":{"metrics":{"timeWindows":[]}}}"#)
        .build();
    assert_eq!(
        none.expect("no time window is allowed").subscribe.metrics.time_windows,
        []
    );
    let names = vec!["\"offered\""; 21].join(",");
    let found = complaint(whole().json("f", format!(r#"{{"subscribe":{{"metrics":{{"metrics":[{names}]}}}}}}"#)));
    assert!(found.contains("found 21 items; allowed are 1 to 20"), "{found}");
    let ids = vec!["\"509f5a7f-cb31-5a43-ac00-8041a8ba3690\""; 300].join(",");
    let file = format!(r#"{{"subscribe":{{"metrics":{{"entityFilters":{{"queueIds":[{ids}]}}}}}}}}"#);
    let found = complaint(whole().json("f", file));
    assert!(found.contains("entityFilters: the metrics payload would be"), "{found}");
    let queues = |protocol| (0..300).fold(whole().protocol(protocol), |b, n| b.queue(format!("queue {n}")));
    assert!(complaint(queues(Protocol::Metrics)).contains("queue() (subscribe.queues): the metrics payload"));
    assert!(queues(Protocol::Notifications).build().is_ok());
}

#[test]
fn all_problems_of_all_layers_come_at_once() {
    let environment = |name: &str| match name {
        "GENESYS_DOMAIN" => Some(OsString::from("eu-wset-1")),
        "GENESYS_CLIENT_SECRET_FILE" => Some(OsString::from("/nowhere/file")),
        _ => None,
    };
    let file = "{\n\"buffer\": {\"capacity\": 0,\n\"when_full\": \"x\"},\n\"colour\": 1,\n\"protocol\": 5,\n\"region\": \"y\"}";
    let mut builder = Config::builder().environment_from(environment).json("f.json", file);
    builder.give(
        "outputs.interval_ms",
        Origin::Flag("--interval-ms"),
        Value::Text("soon".to_owned()),
    );
    let text = complaint(builder);
    let begins: Vec<&str> = text
        .lines()
        .skip(1)
        .map(|line| line.trim().split(' ').next().unwrap())
        .collect();
    assert_eq!(
        begins,
        [
            "--interval-ms:",
            "GENESYS_DOMAIN:",
            "GENESYS_CLIENT_SECRET_FILE:",
            "f.json:2:24:",
            "f.json:3:14:",
            "f.json:4:1:",
            "f.json:5:13:",
            "f.json:6:11:",
            "client_id:",
        ],
        "{text}"
    );
}

#[test]
fn what_is_missing_is_named_with_how_to_give_it() {
    let text = complaint(Config::builder());
    for part in [
        "--region",
        "GENESYS_DOMAIN",
        "--client-id",
        "GENESYS_CLIENT_ID",
        "GENESYS_CLIENT_SECRET,",
        "client_secret_file",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = complaint(Config::builder().file("/nowhere/f.json").buffer_capacity(0));
    assert!(
        text.contains("/nowhere/f.json: cannot be read") && text.contains("buffer_capacity()"),
        "{text}"
    );
    assert!(!text.contains("client_id"), "{text}");
    assert!(
        complaint(Config::builder().json("f", "{\"client_secret\": \"hunter2\"}")).contains("client secret: missing")
    );
}

#[test]
fn user_information_of_a_proxy_is_refused_in_a_flag_only() {
    let address = "http://me:hunter2@proxy.example:3128";
    let file = format!("{{\"proxy\": \"{address}\"}}");
    let proxy = |builder: ConfigBuilder| builder.build().unwrap().proxy().map(|proxy| proxy.reveal().to_owned());
    assert_eq!(proxy(whole().json("f", file)).as_deref(), Some(address));
    assert_eq!(
        proxy(whole().proxy("proxy.example:3128")).as_deref(),
        Some("http://proxy.example:3128")
    );
    let mut builder = whole();
    builder.give("proxy", Origin::Flag("--proxy"), Value::Text(address.to_owned()));
    assert!(complaint(builder).contains("--proxy: user information"));
}

#[test]
fn null_in_the_file_means_not_given() {
    let config = whole().json(
        "f",
        r#"{"client_secret_file":null,"outputs":{"webhook":null},"http":{"listen":null}}"#,
    );
    assert_eq!(config.build().unwrap().outputs.webhook, None);
    let config = whole().json("f", r#"{"outputs":{"webhook":{"url":null,"on":"events"}}}"#);
    assert_eq!(config.build().unwrap().outputs.webhook, None);
}

#[test]
fn notes_say_what_is_odd() {
    let (_, notes) = whole()
        .region("mypurecloud.i")
        .protocol(Protocol::Events)
        .topic("v2.users.a.presence")
        .heartbeat_interval(Duration::from_secs(50))
        .build_with_notes()
        .unwrap();
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert!(notes[0].contains("did you mean mypurecloud.ie?"), "{notes:?}");
}

#[test]
fn setters_take_every_duration_in_range_and_round_nothing() {
    let odd = Duration::new(1, 500_000_001);
    let config = whole().heartbeat_interval(odd).reconnect_initial(odd).build().unwrap();
    assert_eq!((config.heartbeat_interval(), config.reconnect_initial()), (odd, odd));
    for (length, found) in [
        (Duration::ZERO, "found 0ns;"),
        (Duration::from_nanos(999_999_999), "found 999.999999ms;"),
        (Duration::new(3600, 1), "found 3600.000000001s;"),
        (Duration::MAX, "found 18446744073709551615.999999999s;"),
    ] {
        let text = complaint(whole().heartbeat_interval(length));
        let expected = format!("heartbeat_interval() (heartbeat.interval_secs): {found} allowed is 1 s to 3600 s");
        assert!(text.contains(&expected), "{text}");
    }
    let text = complaint(whole().reconnect_initial(Duration::from_micros(9_999)));
    assert!(text.contains("found 9.999ms; allowed is 10 ms to 3600000 ms"), "{text}");
}

#[test]
fn debug_shows_no_secret() {
    let proxied = || whole().proxy("http://me:hunter2@proxy.example:3128");
    assert!(!format!("{:?}", proxied()).contains("hunter2"));
    assert!(!format!("{:?}", proxied().build().unwrap()).contains("hunter2"));
    assert!(!format!("{:?}", whole()).contains("hunter2"));
    assert!(!format!("{:?}", whole().build().unwrap()).contains("hunter2"));
}

#[test]
fn auto_is_live_on_a_terminal_only() {
    assert_eq!(Stdout::Auto.resolved(Terminal::Yes), Stdout::Live);
    assert_eq!(Stdout::Auto.resolved(Terminal::No), Stdout::Lines);
    assert_eq!(Stdout::Events.resolved(Terminal::Yes), Stdout::Events);
}

#[cfg(all(feature = "cli", feature = "simulator"))]
#[test]
fn a_demo_takes_nothing_of_the_connection_from_the_file() {
    let file = r#"{"region":"eu-west-1","login_url":"https://l.example","proxy":"http://p:1","client_id":"real",
        "client_secret_file":"/nowhere/secret","buffer":{"capacity":3}}"#;
    let config = Config::builder()
        .connection_overridden("http://127.0.0.1:8080", "simulator", Secret::new("simulator"))
        .json("f.json", file)
        .build()
        .unwrap();
    assert_eq!(config.hosts, Hosts::at("http://127.0.0.1:8080").unwrap());
    assert_eq!(
        (config.client_id.as_str(), config.client_secret.reveal()),
        ("simulator", "simulator")
    );
    assert_eq!(
        (config.proxy, config.proxy_from_env, config.buffer.capacity),
        (None, false, 3)
    );
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "[{]\"(region|buffer|subscribe|http)\":[\\[\\]{}:,\"a-z0-9.é/@-]{0,50}") {
        let _ = whole().json("f.json", text).build();
    }
}
