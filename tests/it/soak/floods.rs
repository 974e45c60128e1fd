//! What hostile sockets say: texts of frames, made from a number.
//!
//! In: a number that no frame had before · Out: text · Thread: the peer's.

use std::fmt::Write as _;

use genesys_stream::Moment;

use crate::support::peer::QUEUES;

/// Frames stay below the 4 MiB at which a connection is broken.
const LARGE_BYTES: usize = 3_900_000;

/// The latest time that the program can show.
const FAR: &str = "9999-12-31T23:59:59.000Z";

/// How many queues there are where there are many: two topics each is about what 18 channels hold.
pub const LISTED: u64 = 8_000;

/// The name of the topic of a queue that is subscribed.
fn topic(what: &str, number: u64) -> String {
    let queue = QUEUES[number as usize % QUEUES.len()].0;
    match what {
        "conversations" => format!("v2.routing.queues.{queue}.conversations"),
        _ => format!("v2.analytics.queues.{queue}.observations"),
    }
}

fn queue(number: u64) -> &'static str {
    QUEUES[number as usize % QUEUES.len()].0
}

fn notification(topic: &str, body: &str) -> String {
    format!(r#"{{"topicName":"{topic}","version":"2","eventBody":{body},"metadata":{{"CorrelationId":"x"}}}}"#)
}

/// An identifier as the service makes them.
fn id(kind: u16, number: u64) -> String {
    format!(
        "{:08x}-{kind:04x}-4000-8000-{:012x}",
        number >> 48,
        number & 0xffff_ffff_ffff
    )
}

/// Text that a list is made of, entry by entry, until the frame is large.
fn filled(entry: impl Fn(u64) -> String) -> String {
    let mut list = String::new();
    for number in 0.. {
        let entry = entry(number);
        if list.len() + entry.len() > LARGE_BYTES {
            break;
        }
        let comma = if list.is_empty() { "" } else { "," };
        let _ = write!(list, "{comma}{entry}");
    }
    list
}

fn participant(id: &str, purpose: &str, queue: &str, at: &str, more: &str) -> String {
    format!(r#"{{"id":"{id}","purpose":"{purpose}","queueId":"{queue}","connectedTime":"{at}"{more}}}"#)
}

fn conversation(number: u64, id: &str, participants: &str) -> String {
    let body = format!(r#"{{"id":"{id}","participants":[{participants}]}}"#);
    notification(&topic("conversations", number), &body)
}

/// A notice of the control plane, over and over.
pub fn notice(of: &'static str) -> impl Fn(u64) -> String {
    move |_| notification(of, r#"{"message":"soon","reason":"so it is"}"#)
}

/// Errors, in a few texts and in ever new ones.
pub fn errors(number: u64) -> String {
    match number % 3 {
        0 => r#"{"result":500,"message":"no"}"#.to_owned(),
        1 => format!(r#"{{"result":"5{:02}","message":"no"}}"#, number % 100),
        _ => format!(r#"{{"result":500,"message":"no {number} {}"}}"#, "n".repeat(1_000)),
    }
}

/// Statistics with numbers beyond what a sum of them can hold.
pub fn huge_numbers(number: u64) -> String {
    let value = ["1.8e307", "-1.7e308", "1e308", "1e999", "4.9e-324"][number as usize % 5];
    let metrics: Vec<String> = ["oWaiting", "oInteracting", "tAnswered", "tHandle", "oServiceLevel"]
        .iter()
        .map(|metric| {
            format!(
                r#"{{"metric":"{metric}","stats":{{"count":{value},"sum":{value},"max":{value},"min":{value},"ratio":{value},"numerator":{value},"denominator":{value},"target":{value}}}}}"#
            )
        })
        .collect();
    let body = format!(
        r#"{{"group":{{"queueId":"{}","mediaType":"voice"}},"data":[{{"interval":"{}/{FAR}","metrics":[{}]}}]}}"#,
        queue(number),
        Moment::now(),
        metrics.join(",")
    );
    notification(&topic("observations", number), &body)
}

/// Large events of statistics: ever new media, metrics and qualifiers, with intervals ever further ahead.
pub fn rows(number: u64) -> String {
    let data = filled(|row| {
        let (at, row) = (
            Moment::from_epoch_ms(Moment::now().epoch_ms() + row as i64 * 60_000),
            number * 100_000 + row,
        );
        format!(
            r#"{{"interval":"{at}/{FAR}","metrics":[{{"metric":"m{row}","qualifier":"q{row}","stats":{{"count":{row},"s{row}":1}}}}]}}"#
        )
    });
    let body = format!(
        r#"{{"group":{{"queueId":"{}","mediaType":"medium{number}"}},"data":[{data}]}}"#,
        queue(number)
    );
    notification(&topic("observations", number), &body)
}

/// Large conversations of one participant with ever new communications.
pub fn media(number: u64) -> String {
    let now = Moment::now();
    let calls = filled(|call| {
        format!(
            r#"{{"id":"{}","state":"connected","connectedTime":"{now}"}}"#,
            id(1, number * 100_000 + call)
        )
    });
    let more = format!(r#","calls":[{calls}]"#);
    let participant = participant(&id(2, number), "customer", queue(number), &now.to_string(), &more);
    conversation(number, &id(3, number), &participant)
}

/// Large conversations with ever new participants, on ever new queues.
pub fn participants(number: u64) -> String {
    let now = Moment::now().to_string();
    let list = filled(|one| {
        let one = number * 100_000 + one;
        let purpose = ["customer", "acd", "agent"][one as usize % 3];
        participant(&id(4, one), purpose, &id(5, one), &now, "")
    });
    conversation(number, &id(6, number), &list)
}

/// Short conversations, each with visits of a new queue: none of them ends.
pub fn new_queues(number: u64) -> String {
    let now = Moment::now().to_string();
    let queue = id(7, number);
    let both = [
        participant(&id(8, number), "customer", &queue, &now, ""),
        participant(&id(9, number), "acd", &queue, &now, ""),
    ];
    conversation(number, &id(10, number), &both.join(","))
}

/// Identifiers and topics as long as a frame, and just within their limit.
pub fn long_ids(number: u64) -> String {
    let (now, short) = (Moment::now().to_string(), id(11, number));
    let long = match number % 2 {
        0 => format!("{short}{}", "i".repeat(LARGE_BYTES)),
        _ => format!("{short}{}", "i".repeat(256 - short.len())),
    };
    match number / 2 % 5 {
        0 => conversation(number, &long, &participant(&short, "customer", queue(number), &now, "")),
        1 => conversation(number, &short, &participant(&long, "customer", queue(number), &now, "")),
        2 => conversation(number, &short, &participant(&short, "acd", &long, &now, "")),
        3 => notification(&format!("v2.users.{long}.presence"), &presence("AVAILABLE", &now)),
        _ => notification(&long, "{}"),
    }
}

fn presence(status: &str, at: &str) -> String {
    format!(
        r#"{{"source":"PURECLOUD","presenceDefinition":{{"id":"p","systemPresence":"{status}"}},"modifiedDate":"{at}"}}"#
    )
}

/// Topics that nobody subscribed, each once.
pub fn new_topics(number: u64) -> String {
    notification(&format!("v2.something.new.{}", id(12, number)), r#"{"any":"thing"}"#)
}

/// Users that nobody knows, each with a status of its own.
pub fn new_users(number: u64) -> String {
    let topic = format!("v2.users.{}.presence", id(13, number));
    let status = format!("STATUS{number}{}", "S".repeat(100));
    notification(&topic, &presence(&status, &Moment::now().to_string()))
}

/// Statistics of queues that nobody knows.
pub fn new_statistics(number: u64) -> String {
    let topic = format!("v2.analytics.queues.{}.observations", id(14, number));
    let data = r#"{"interval":"","metrics":[{"metric":"oWaiting","stats":{"count":1}}]}"#;
    notification(
        &topic,
        &format!(r#"{{"group":{{"mediaType":"voice"}},"data":[{data}]}}"#),
    )
}

/// Everything happens in the year 9999, or in each window from now until then.
pub fn far_ahead(number: u64) -> String {
    let ahead = Moment::from_epoch_ms(Moment::now().epoch_ms() + number as i64 % 4_000_000 * 60_000).to_string();
    let at = if number.is_multiple_of(2) { FAR } else { &ahead };
    match number / 2 % 3 {
        0 => {
            let call = format!(
                r#","calls":[{{"id":"{}","state":"connected","connectedTime":"{at}"}}]"#,
                id(15, number)
            );
            let both = [
                participant(&id(16, number), "customer", queue(number), at, &call),
                participant(
                    &id(17, number),
                    "acd",
                    queue(number),
                    at,
                    &format!(r#","endTime":"{at}""#),
                ),
            ];
            conversation(number, &id(18, number), &both.join(","))
        }
        1 => notification(
            &format!("v2.users.{}.presence", id(19, number % 10)),
            &presence("AVAILABLE", at),
        ),
        _ => {
            let metric = r#"{"metric":"oWaiting","stats":{"count":7}}"#;
            let body = format!(
                r#"{{"group":{{"queueId":"{}","mediaType":"voice"}},"data":[{{"interval":"{at}/{at}","metrics":[{metric}]}}]}}"#,
                queue(number)
            );
            notification(&topic("observations", number), &body)
        }
    }
}

/// Conversations with bodies of 100 kB.
pub fn large_bodies(number: u64) -> String {
    let (now, fat) = (Moment::now().to_string(), "b".repeat(100_000));
    let more = format!(r#","attributes":{{"fat":"{fat}"}}"#);
    conversation(
        number,
        &id(20, number),
        &participant(&id(21, number), "customer", queue(number), &now, &more),
    )
}

/// Frames that are no JSON, not deep enough to be refused, or broken in the middle.
pub fn garbage(number: u64) -> String {
    match number % 4 {
        0 => "[".repeat(5_000),
        1 => r#"{"topicName":"v2.routing.queues.x.conversations","eventBody":{"id":"#.to_owned(),
        2 => format!(
            "{{{}}}",
            (0..2_000)
                .map(|n| format!(r#""k{n}":{n}"#))
                .collect::<Vec<_>>()
                .join(",")
        ),
        _ => "\u{0}\u{fffd}\\ud800".repeat(1_000),
    }
}

/// The first tutorial's events: conversations that all stay, with and without ids, and queues without number.
pub fn tutorial_events(number: u64) -> String {
    let data = match number % 4 {
        0 => r#"{"state":"connected"}"#.to_owned(),
        1 => {
            return format!(
                r#"{{"type":"event","event":{{"type":"routing:queue:updated","data":{{"id":"{}","statistics":{{"averageWaitTime":1e308}}}}}}}}"#,
                id(22, number)
            );
        }
        2 => return format!(r#"{{"type":"error","message":"no {number}"}}"#),
        _ => format!(
            r#"{{"id":"{}","state":"connected","queueId":"{}","timestamp":"{FAR}"}}"#,
            id(23, number),
            id(24, number)
        ),
    };
    format!(r#"{{"type":"event","event":{{"type":"conversation:updated","data":{data}}}}}"#)
}

/// The second tutorial's events: names, types and entities without number, and events that lack something.
pub fn tutorial_metrics(number: u64) -> String {
    let now = Moment::now();
    match number % 3 {
        0 => format!(
            r#"{{"timestamp":"{now}","metricType":"type{number}","metrics":[{{"name":"m{number}","value":1.8e307}}]}}"#
        ),
        1 => format!(
            r#"{{"timestamp":"{now}","metricType":"queue","metrics":[{{"name":"offered","value":1}}],"queueId":"{}"}}"#,
            id(25, number)
        ),
        _ => format!(r#"{{"metricType":"lacks{number}"}}"#),
    }
}

/// The identifier of one of many queues that are listed.
pub fn listed(number: u64) -> String {
    format!("{number:08}-0000-4000-8000-00000000000a")
}

/// Conversations that came, were answered and ended, on all listed queues in turn, in all windows that are kept.
pub fn busy_queues(number: u64) -> String {
    let queue = listed(number % LISTED);
    let now = Moment::now().epoch_ms();
    let at = |ago_ms: i64| Moment::from_epoch_ms(now - ago_ms).to_string();
    let begin = (number / LISTED % 60) as i64 * 60_000 + 30_000;
    let (came, taken, over) = (at(begin), at(begin - 5_000), at(begin - 9_000));
    let ended = format!(r#","endTime":"{over}""#);
    let list = [
        participant(&id(26, number), "customer", &queue, &came, &ended),
        participant(
            &id(27, number),
            "acd",
            &queue,
            &came,
            &format!(r#","endTime":"{taken}""#),
        ),
        participant(&id(28, number), "agent", &queue, &taken, &ended),
    ];
    let body = format!(r#"{{"id":"{}","participants":[{}]}}"#, id(29, number), list.join(","));
    notification(&format!("v2.routing.queues.{queue}.conversations"), &body)
}

/// All that is kept somewhere, in turn.
pub fn everything(number: u64) -> String {
    let kinds: [fn(u64) -> String; 6] = [
        new_queues,
        new_users,
        new_statistics,
        far_ahead,
        huge_numbers,
        new_topics,
    ];
    match number % 1_000 {
        0 => rows(number),
        1 => media(number),
        2 => participants(number),
        _ => kinds[number as usize % kinds.len()](number),
    }
}
