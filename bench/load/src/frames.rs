//! Makes the frames of a run beforehand, in the forms of the three protocols.
//!
//! In: options, the time now · Out: WebSocket frames, and what a client must have counted at the end · Thread: any (pure).

use std::io::Write as _;

use crate::call::{Call, Kind, put};
use crate::options::{Options, Protocol, Shape};
use crate::text::{mixed, queue_seed, time, uuid};

/// Conversations that are alive at any time.
const ALIVE: usize = 2_000;
/// The inner times of the first and the last event differ by at most this much, so that none is stale when it is sent.
const SPAN_MS: i64 = 20_000;

/// Frames one after the other.
pub struct Frames {
    pub bytes: Vec<u8>,
    /// Where each frame ends.
    pub ends: Vec<usize>,
    pub expected: Expected,
}

/// What the totals must be when every frame has been applied.
#[derive(Default)]
pub struct Expected {
    pub offered: u64,
    pub answered: u64,
    pub abandoned: u64,
    pub handled: u64,
    /// Conversations with a customer who is still there (`events`: that are connected or consulting).
    pub active: u64,
}

/// The times of the events are `now` less [`SPAN_MS`] to `now`; of a paced run, the moments at which they will be sent.
pub fn make(options: &Options, now_ms: i64) -> Frames {
    let mut frames = Frames {
        bytes: Vec::with_capacity(options.events * 3_200),
        ends: Vec::with_capacity(options.events),
        expected: Expected::default(),
    };
    let mut centre = Centre {
        alive: Vec::new(),
        begun: 0,
    };
    let count = options.events as i64;
    let mut text = Vec::with_capacity(8_000);
    for number in 0..options.events {
        let at = match options.rate {
            Some(rate) => now_ms + (number as u64 * 1000 / rate) as i64,
            None => now_ms - SPAN_MS * (count - number as i64) / count,
        };
        text.clear();
        match (options.protocol, options.shape) {
            (Protocol::Notifications, Shape::Traffic) => {
                centre.traffic(options, number, at, &mut text, &mut frames.expected)
            }
            (Protocol::Notifications, Shape::Open) => {
                let call = Call {
                    seed: number as u64,
                    queue: number % options.queues,
                    kind: Kind::Transferred,
                    times: vec![at - 5_000],
                };
                call.write(&mut text);
                let expected = &mut frames.expected;
                for count in [
                    &mut expected.offered,
                    &mut expected.answered,
                    &mut expected.handled,
                    &mut expected.active,
                ] {
                    *count += 1;
                }
            }
            (Protocol::Notifications, Shape::Windows) => {
                let minute = (number / options.queues % 60) as i64;
                let began = now_ms - minute * 60_000 - 5_000;
                let call = Call {
                    seed: number as u64,
                    queue: number % options.queues,
                    kind: Kind::GivenUp,
                    times: vec![began],
                };
                call.write(&mut text);
                frames.expected.offered += 1;
                frames.expected.abandoned += 1;
            }
            (Protocol::Events, _) => centre.tutorial_event(options, number, at, &mut text, &mut frames.expected),
            (Protocol::Metrics, _) => metric(options, number, at, &mut text),
        }
        frame(&mut frames.bytes, 1, &text);
        frames.ends.push(frames.bytes.len());
    }
    frames
}

/// Appends a frame of a server: a text has the code 1, a close 8, a pong 10.
pub fn frame(out: &mut Vec<u8>, code: u8, payload: &[u8]) {
    out.push(0x80 | code);
    match payload.len() {
        length @ 0..126 => out.push(length as u8),
        length @ 126..65_536 => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

struct Centre {
    alive: Vec<Call>,
    /// Conversations that have begun, the seed of the next one.
    begun: u64,
}

impl Centre {
    fn next_call(&mut self, queues: usize) -> Call {
        let seed = self.begun;
        self.begun += 1;
        let drawn = mixed(seed);
        let kind = if drawn.is_multiple_of(8) {
            Kind::Abandoned
        } else {
            Kind::Answered
        };
        Call {
            seed,
            queue: (drawn >> 8) as usize % queues,
            kind,
            times: Vec::with_capacity(9),
        }
    }

    /// Four of five events are about conversations, one is about a queue.
    fn traffic(&mut self, options: &Options, number: usize, at: i64, text: &mut Vec<u8>, expected: &mut Expected) {
        if number % 5 == 4 {
            return observation(options, number, at, text);
        }
        let call = self.step(options, number, at);
        call.write(text);
        match (call.kind, call.times.len()) {
            (_, 1) => {
                expected.offered += 1;
                expected.active += 1;
            }
            (Kind::Answered, 3) => expected.answered += 1,
            (Kind::Answered, 8) => expected.active -= 1,
            (Kind::Answered, 9) => expected.handled += 1,
            (Kind::Abandoned, 3) => {
                expected.abandoned += 1;
                expected.active -= 1;
            }
            _ => {}
        }
    }

    /// Takes one step of one conversation; one that has ended is replaced by a new one.
    fn step(&mut self, options: &Options, number: usize, at: i64) -> &Call {
        let place = if self.alive.len() < ALIVE {
            let call = self.next_call(options.queues);
            self.alive.push(call);
            self.alive.len() - 1
        } else {
            let place = mixed(number as u64 | 1 << 63) as usize % ALIVE;
            if self.alive[place].times.len() == self.alive[place].steps() {
                self.alive[place] = self.next_call(options.queues);
            }
            place
        };
        let call = &mut self.alive[place];
        // Later than the step before, also where several steps fall into one millisecond.
        let at = call.times.last().map_or(at, |before| at.max(before + 1));
        call.times.push(at);
        call
    }

    fn tutorial_event(
        &mut self,
        options: &Options,
        number: usize,
        at: i64,
        text: &mut Vec<u8>,
        expected: &mut Expected,
    ) {
        if number % 5 == 4 {
            let queue = uuid(queue_seed(number % options.queues));
            put(
                text,
                &[
                    br#"{"type":"event","event":{"type":"routing:queue:updated","data":{"id":""#,
                    &queue,
                    br#"","statistics":{"averageWaitTime":"#,
                ],
            );
            let _ = write!(text, "{}.5}},\"timestamp\":\"", number % 600);
            return put(text, &[&time(at), br#""}}}"#]);
        }
        let call = self.step(options, number, at);
        let steps = call.times.len();
        let state: &[u8] = match (call.kind, steps) {
            (Kind::Abandoned, 3) | (Kind::Answered, 9) => b"closed",
            (Kind::Answered, 8) => b"wrapup",
            (_, 4 | 6) => b"consulting",
            _ => b"connected",
        };
        match (call.kind, steps) {
            (_, 1) => expected.active += 1,
            (Kind::Abandoned, 3) | (Kind::Answered, 8) => expected.active -= 1,
            _ => {}
        }
        let (id, queue) = (uuid(call.seed), uuid(queue_seed(call.queue)));
        put(
            text,
            &[
                br#"{"type":"event","event":{"type":"conversation:updated","data":{"id":""#,
                &id,
                br#"","state":""#,
                state,
            ],
        );
        let newest = call.times.last().copied().unwrap_or(at);
        put(
            text,
            &[
                br#"","queueId":""#,
                &queue,
                br#"","timestamp":""#,
                &time(newest),
                br#""}}}"#,
            ],
        );
    }
}

fn observation(options: &Options, number: usize, at: i64, text: &mut Vec<u8>) {
    let queue = uuid(queue_seed(number / 5 % options.queues));
    let half_hour = at - at.rem_euclid(1_800_000);
    put(
        text,
        &[
            br#"{"topicName":"v2.analytics.queues."#,
            &queue,
            br#".observations","version":"2","eventBody":{"group":{"queueId":""#,
            &queue,
        ],
    );
    put(
        text,
        &[
            br#"","mediaType":"voice"},"data":[{"interval":""#,
            &time(half_hour),
            b"/",
            &time(half_hour + 1_800_000),
            br#"","metrics":["#,
        ],
    );
    // Counts differ from one event to the next, so that none is a repetition.
    for (name, count) in [
        ("oWaiting", number % 40),
        ("oInteracting", number % 60),
        ("nOffered", number),
        ("nTransferred", number % 97),
    ] {
        let _ = write!(text, r#"{{"metric":"{name}","stats":{{"count":{count}}}}},"#);
    }
    for name in ["tAnswered", "tHandle", "tAcw", "tAbandon"] {
        let _ = write!(
            text,
            r#"{{"metric":"{name}","stats":{{"count":{number},"sum":{},"max":31002,"min":1203}}}},"#,
            number * 83
        );
    }
    for status in ["IDLE", "INTERACTING", "OFF_QUEUE"] {
        let _ = write!(
            text,
            r#"{{"metric":"oUserRoutingStatuses","qualifier":"{status}","stats":{{"count":{}}}}},"#,
            number % 31
        );
    }
    put(text, &[br#"{"metric":"oServiceLevel","stats":{"ratio":0.8,"numerator":8,"denominator":10,"target":0.8}}]}]},"metadata":{"CorrelationId":""#, &uuid(number as u64 | 1 << 62), br#""}}"#]);
}

fn metric(options: &Options, number: usize, at: i64, text: &mut Vec<u8>) {
    put(text, &[br#"{"timestamp":""#, &time(at), br#"","metricType":""#]);
    if number % 5 == 4 {
        put(
            text,
            &[
                br#"agent","userId":""#,
                &uuid(0x0a9e_0000_0000_0000 + number as u64 % 500),
            ],
        );
    } else {
        put(
            text,
            &[br#"queue","queueId":""#, &uuid(queue_seed(number % options.queues))],
        );
    }
    let _ = write!(
        text,
        r#"","metrics":[{{"name":"offered","value":{number}}},{{"name":"answered","value":{}}},{{"name":"serviceLevelPercent","value":{}.5}},{{"name":"avgWaitTime","value":{}.25}}]}}"#,
        number / 2,
        number % 100,
        number % 600
    );
}
