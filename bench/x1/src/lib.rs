//! Reads frames into derived types that have the fields our decoder uses, and counts a few things.
//!
//! In: the text of a frame · Out: counts · Thread: any.
//!
//! It checks nothing, joins nothing and keeps nothing: a later event of a conversation is one more event.

use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Frame<'a> {
    topic_name: Option<&'a str>,
    #[serde(borrow)]
    event_body: Option<Body<'a>>,
    // `events`:
    #[serde(borrow)]
    event: Option<TutorialEvent<'a>>,
    // `metrics`:
    metric_type: Option<&'a str>,
    timestamp: Option<&'a str>,
    queue_id: Option<&'a str>,
    user_id: Option<&'a str>,
    #[serde(borrow)]
    metrics: Option<Vec<Metric<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Body<'a> {
    id: Option<&'a str>,
    #[serde(borrow)]
    participants: Option<Vec<Participant<'a>>>,
    #[serde(borrow)]
    group: Option<Group<'a>>,
    #[serde(borrow)]
    data: Option<Vec<Datum<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Participant<'a> {
    id: Option<&'a str>,
    connected_time: Option<&'a str>,
    end_time: Option<&'a str>,
    start_acw_time: Option<&'a str>,
    end_acw_time: Option<&'a str>,
    purpose: Option<&'a str>,
    queue_id: Option<&'a str>,
    user_id: Option<&'a str>,
    wrapup_expected: Option<bool>,
    wrapup_required: Option<bool>,
    #[serde(borrow)]
    wrapup: Option<Wrapup<'a>>,
    #[serde(borrow)]
    conversation_routing_data: Option<Routing<'a>>,
    #[serde(borrow)]
    calls: Option<Vec<Communication<'a>>>,
    #[serde(borrow)]
    callbacks: Option<Vec<Communication<'a>>>,
    #[serde(borrow)]
    chats: Option<Vec<Communication<'a>>>,
    #[serde(borrow)]
    emails: Option<Vec<Communication<'a>>>,
    #[serde(borrow)]
    messages: Option<Vec<Communication<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Communication<'a> {
    id: Option<&'a str>,
    state: Option<&'a str>,
    connected_time: Option<&'a str>,
    disconnected_time: Option<&'a str>,
    start_hold_time: Option<&'a str>,
    held: Option<bool>,
    disconnect_type: Option<&'a str>,
    after_call_work_required: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Wrapup<'a> {
    code: Option<&'a str>,
    end_time: Option<&'a str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Routing<'a> {
    #[serde(borrow)]
    queue: Option<Reference<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reference<'a> {
    id: Option<&'a str>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Group<'a> {
    queue_id: Option<&'a str>,
    media_type: Option<&'a str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Datum<'a> {
    interval: Option<&'a str>,
    #[serde(borrow)]
    metrics: Option<Vec<Statistic<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Statistic<'a> {
    metric: Option<&'a str>,
    qualifier: Option<&'a str>,
    stats: Option<Stats>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Stats {
    count: Option<f64>,
    sum: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    ratio: Option<f64>,
    numerator: Option<f64>,
    denominator: Option<f64>,
    target: Option<f64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TutorialEvent<'a> {
    #[serde(rename = "type")]
    what: Option<&'a str>,
    #[serde(borrow)]
    data: Option<TutorialBody<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct TutorialBody<'a> {
    id: Option<&'a str>,
    state: Option<&'a str>,
    queue_id: Option<&'a str>,
    timestamp: Option<&'a str>,
    statistics: Option<Average>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Average {
    average_wait_time: Option<f64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metric<'a> {
    name: Option<&'a str>,
    value: Option<f64>,
}

/// What was counted.
#[derive(Default)]
pub struct Counts {
    pub events: u64,
    /// Frames that are no events: confirmations.
    pub others: u64,
    /// Uses every field that was read, so that no compiler leaves the reading out.
    pub fields: u64,
    /// When each event was counted, nanoseconds since 1970; only if that is wanted.
    pub moments: Option<Vec<u64>>,
}

impl Counts {
    /// Reads one frame.
    ///
    /// # Errors
    /// When it is not JSON of these types.
    pub fn read(&mut self, text: &str) -> Result<(), serde_json::Error> {
        let frame: Frame<'_> = serde_json::from_str(text)?;
        let fields = frame.fields();
        self.fields += fields;
        if frame.topic_name.is_none() && frame.event.is_none() && frame.metric_type.is_none() {
            self.others += 1;
            return Ok(());
        }
        self.events += 1;
        if let Some(moments) = &mut self.moments {
            moments.push(now_ns());
        }
        Ok(())
    }

    /// Tells the result as the runner of the benchmarks reads it, and writes the moments to `times`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn report(&self, times: Option<&Path>) -> std::io::Result<()> {
        println!("counted {} {}", self.events, now_ns());
        eprintln!("{} fields, {} other frames", self.fields, self.others);
        if let (Some(path), Some(moments)) = (times, &self.moments) {
            let bytes: Vec<u8> = moments.iter().flat_map(|moment| moment.to_le_bytes()).collect();
            std::fs::write(path, bytes)?;
        }
        Ok(())
    }
}

/// How many of these are given.
macro_rules! given {
    ($($field:expr),* $(,)?) => { 0 $(+ u64::from($field.is_some()))* };
}

impl Frame<'_> {
    fn fields(&self) -> u64 {
        let body = self.event_body.as_ref().map_or(0, Body::fields);
        let event = self.event.as_ref().map_or(0, |event| {
            let data = event.data.as_ref();
            given!(event.what)
                + data.map_or(0, |data| {
                    let average = data
                        .statistics
                        .as_ref()
                        .and_then(|statistics| statistics.average_wait_time);
                    given!(data.id, data.state, data.queue_id, data.timestamp, average)
                })
        });
        let metrics = self
            .metrics
            .iter()
            .flatten()
            .map(|metric| given!(metric.name, metric.value))
            .sum::<u64>();
        body + event + metrics + given!(self.timestamp, self.queue_id, self.user_id)
    }
}

impl Body<'_> {
    fn fields(&self) -> u64 {
        let participants = self.participants.iter().flatten().map(Participant::fields).sum::<u64>();
        let group = self
            .group
            .as_ref()
            .map_or(0, |group| given!(group.queue_id, group.media_type));
        let data = self.data.iter().flatten().map(|datum| {
            let stats = datum.metrics.iter().flatten().map(|statistic| {
                let values = statistic.stats.as_ref().map_or(0, |s| {
                    given!(
                        s.count,
                        s.sum,
                        s.min,
                        s.max,
                        s.ratio,
                        s.numerator,
                        s.denominator,
                        s.target
                    )
                });
                values + given!(statistic.metric, statistic.qualifier)
            });
            stats.sum::<u64>() + given!(datum.interval)
        });
        participants + group + data.sum::<u64>() + given!(self.id)
    }
}

impl Participant<'_> {
    fn fields(&self) -> u64 {
        let lists = [&self.calls, &self.callbacks, &self.chats, &self.emails, &self.messages];
        let communications = lists.into_iter().flatten().flatten().map(|c| {
            given!(c.id, c.state, c.connected_time, c.disconnected_time, c.start_hold_time)
                + given!(c.held, c.disconnect_type, c.after_call_work_required)
        });
        let wrapup = self
            .wrapup
            .as_ref()
            .map_or(0, |wrapup| given!(wrapup.code, wrapup.end_time));
        let routing = self
            .conversation_routing_data
            .as_ref()
            .and_then(|routing| routing.queue.as_ref());
        communications.sum::<u64>()
            + wrapup
            + routing.map_or(0, |queue| given!(queue.id))
            + given!(
                self.id,
                self.connected_time,
                self.end_time,
                self.start_acw_time,
                self.end_acw_time
            )
            + given!(
                self.purpose,
                self.queue_id,
                self.user_id,
                self.wrapup_expected,
                self.wrapup_required
            )
    }
}

fn now_ns() -> u64 {
    UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64)
}
