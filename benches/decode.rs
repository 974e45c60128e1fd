//! Cost of decoding a frame, in CPU time of one thread.
//!
//! In: frames made from the service's examples · Out: numbers on stdout · Thread: main.
//!
//! Each kind of frame is decoded in many passes, and the fastest pass counts: others use the machine, too, and only ever
//! slow a pass down. `cargo bench` measures; without `--bench` (as under `cargo test --all-targets`) one pass only shows
//! that it works.

use std::time::Duration;

use genesys_stream::Moment;
use genesys_stream::internals::{Events, Heard, KeepBody, Machine, Metrics, Notifications, Options, PayloadText};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

/// The events of one conversation from its beginning to its end.
const CONVERSATIONS: [&str; 7] = [
    include_str!("../tests/fixtures/ws-queue-conversation-1-waiting.json"),
    include_str!("../tests/fixtures/ws-queue-conversation-2-alerting.json"),
    include_str!("../tests/fixtures/ws-queue-conversation-3-no-answer-requeue.json"),
    include_str!("../tests/fixtures/ws-queue-conversation-4-connected.json"),
    include_str!("../tests/fixtures/ws-queue-conversation-5-held.json"),
    include_str!("../tests/fixtures/ws-queue-conversation-6-acw.json"),
    include_str!("../tests/fixtures/ws-queue-conversation-7-wrapped-up.json"),
];
const OBSERVATIONS: [&str; 2] = [
    include_str!("../tests/fixtures/ws-analytics-queue-observations.json"),
    include_str!("../tests/fixtures/ws-analytics-queue-activity.json"),
];
const USERS: [&str; 3] = [
    include_str!("../tests/fixtures/ws-user-presence.json"),
    include_str!("../tests/fixtures/ws-user-routing-status.json"),
    include_str!("../tests/fixtures/ws-user-activity.json"),
];
const EVENTS: [&str; 2] = [
    r#"{"type":"event","event":{"type":"conversation:updated","data":{"id":"1b3e08b8-e7c3-538a-87c3-a10b68b6b415","state":"connected","queueId":"509f5a7f-cb31-5a43-ac00-8041a8ba3690","timestamp":"2026-05-04T14:05:30.000Z"}}}"#,
    r#"{"type":"event","event":{"type":"routing:queue:updated","data":{"id":"509f5a7f-cb31-5a43-ac00-8041a8ba3690","statistics":{"averageWaitTime":12.5,"waiting":3},"timestamp":"2026-05-04T14:05:30.000Z"}}}"#,
];
const METRICS: [&str; 1] = [
    r#"{"metricType":"queue","timestamp":"2026-05-04T14:05:30.000Z","queueId":"509f5a7f-cb31-5a43-ac00-8041a8ba3690","metrics":[{"name":"oWaiting","value":3},{"name":"oInteracting","value":5},{"name":"oServiceLevel","value":0.8},{"name":"tAnswered","value":84210}]}"#,
];
/// Participants of every conversation; an example with fewer has some of them twice, under new ids.
const PARTICIPANTS: usize = 5;
/// Copies of the examples under ids of their own.
const COPIES: usize = 200;

fn main() {
    let passes = if std::env::args().any(|argument| argument == "--bench") {
        60
    } else {
        1
    };
    let options = || Options {
        bodies: KeepBody::Drop,
        ..Options::new(1)
    };
    let mut notifications = Notifications::new(options());
    let mut events = Events::new(options(), Vec::new(), Vec::new());
    let mut metrics = Metrics::new(
        options(),
        PayloadText::new(&Default::default()).expect("a short payload"),
    );
    events.on_text(r#"{"type":"ack"}"#, Moment::now().into(), &mut Vec::new());
    metrics.on_text(r#"{"status":200}"#, Moment::now().into(), &mut Vec::new());
    measure("conversation of a queue", passes, &mut notifications, &conversations());
    measure(
        "statistics of a queue",
        passes,
        &mut notifications,
        &compact(&OBSERVATIONS),
    );
    measure(
        "presence and routing status",
        passes,
        &mut notifications,
        &compact(&USERS),
    );
    measure("protocol events", passes, &mut events, &compact(&EVENTS));
    measure("protocol metrics", passes, &mut metrics, &compact(&METRICS));
}

fn measure(what: &str, passes: usize, machine: &mut impl Machine, frames: &[String]) {
    let at = Moment::now().into();
    let mut heard = Vec::new();
    let mut least = Duration::MAX;
    for _ in 0..passes {
        let began = cpu_time();
        for frame in frames {
            machine.on_text(frame, at, &mut heard);
            assert!(matches!(heard[..], [Heard::Event(_)]), "each frame is an event");
            heard.clear();
        }
        least = least.min(cpu_time() - began);
    }
    let bytes = frames.iter().map(String::len).sum::<usize>() / frames.len();
    let nanos = least.as_nanos() / frames.len() as u128;
    println!("{what:<28} {bytes:>5} bytes {nanos:>6} ns of CPU");
}

/// CPU time of this thread.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime)
        .try_into()
        .expect("a time after zero")
}

fn compact(examples: &[&str]) -> Vec<String> {
    let values = examples
        .iter()
        .map(|text| serde_json::from_str::<Value>(text).expect("JSON"));
    let texts: Vec<String> = values.map(|value| in_order(&value)).collect();
    (0..COPIES * texts.len())
        .map(|n| texts[n % texts.len()].clone())
        .collect()
}

fn conversations() -> Vec<String> {
    let mut texts = Vec::new();
    for example in CONVERSATIONS {
        let mut frame: Value = serde_json::from_str(example).expect("JSON");
        let list = frame["eventBody"]["participants"].as_array_mut().expect("a list");
        for n in list.len()..PARTICIPANTS {
            let mut again = list[n % 2].clone();
            again["id"] = format!("61c76ad5-aa46-5f93-9fc8-{n:012x}").into();
            list.push(again);
        }
        list.truncate(PARTICIPANTS);
        texts.push(in_order(&frame));
    }
    let conversation = "1b3e08b8-e7c3-538a-87c3-a10b68b6b415";
    let text = |n: usize| texts[n % texts.len()].replace(conversation, &format!("1b3e08b8-e7c3-538a-87c3-{n:012x}"));
    (0..COPIES * texts.len()).map(text).collect()
}

/// The service writes the topic before the body; the tree sorts its keys.
fn in_order(frame: &Value) -> String {
    match (frame.get("topicName"), frame.get("eventBody")) {
        (Some(topic), Some(body)) => {
            let metadata = frame.get("metadata").unwrap_or(&Value::Null);
            format!(r#"{{"topicName":{topic},"version":"2","eventBody":{body},"metadata":{metadata}}}"#)
        }
        _ => frame.to_string(),
    }
}
