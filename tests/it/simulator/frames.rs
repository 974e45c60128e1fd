//! What the frames of queue conversations tell: participants, their communications, their stays.
//!
//! In: frames in any order, also twice · Out: facts for the count beside · Thread: the test's.

use serde_json::Value;
use std::collections::BTreeMap;

const ARRAYS: [&str; 4] = ["calls", "messages", "emails", "callbacks"];

/// What the frames so far say about a communication; merged so that order and repetition do not matter.
#[derive(Default, Clone)]
pub struct Contact {
    pub is_callback: bool,
    /// Of the newest frame that showed it open, with the newest time in that frame.
    pub queue: Option<(i64, String)>,
    /// Of the oldest frame.
    pub first_queue: Option<(i64, String)>,
    pub connected: Option<i64>,
    pub ended: Option<i64>,
    pub work: (Option<i64>, Option<i64>),
    pub required: bool,
    pub settled: bool,
    pub code: bool,
    pub transfer: bool,
    /// The newest time in the oldest frame that showed it scheduled.
    pub scheduled: Option<i64>,
}

/// What the frames so far say about a participant.
#[derive(Default, Clone)]
pub struct Person {
    pub purpose: String,
    pub contacts: BTreeMap<String, Contact>,
    /// By the newest frame, with its newest time.
    pub expected: (i64, bool),
    pub listens: (i64, bool),
}

/// One presence of a participant.
#[derive(Clone)]
pub struct Stay {
    pub who: usize,
    pub queue: Option<String>,
    pub begin: i64,
    pub end: Option<i64>,
    pub contacts: Vec<Contact>,
    pub is_last: bool,
}

#[derive(Default)]
pub struct Seen {
    pub conversations: BTreeMap<String, BTreeMap<String, Person>>,
    pub frames: usize,
}

pub fn ms(value: &Value) -> Option<i64> {
    let format = &time::format_description::well_known::Rfc3339;
    let at = time::OffsetDateTime::parse(value.as_str()?, format).unwrap();
    Some((at.unix_timestamp_nanos() / 1_000_000) as i64)
}

/// The newest time in a body; planned ones do not count.
fn newest(value: &Value) -> Option<i64> {
    match value {
        Value::Object(object) => {
            let of = |(key, value): (&String, &Value)| match key.ends_with("Time") {
                true if key == "callbackScheduledTime" => None,
                true => ms(value),
                false => newest(value),
            };
            object.iter().filter_map(of).max()
        }
        Value::Array(list) => list.iter().filter_map(newest).max(),
        _ => None,
    }
}

fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}

impl Contact {
    fn add(&mut self, medium: &Value, queue: Option<&str>, stamp: i64) {
        let state = medium["state"].as_str().unwrap();
        let is_open = !["disconnected", "terminated"].contains(&state);
        if let Some(queue) = queue {
            let seen = (stamp, queue.to_owned());
            if self.first_queue.as_ref().is_none_or(|first| stamp < first.0) {
                self.first_queue = Some(seen.clone());
            }
            if is_open && self.queue.as_ref().is_none_or(|newest| stamp >= newest.0) {
                self.queue = Some(seen);
            }
        }
        self.connected = earlier(self.connected, ms(&medium["connectedTime"]));
        self.ended = self.ended.max(ms(&medium["disconnectedTime"]));
        let work = &medium["afterCallWork"];
        self.work.0 = self.work.0.or(ms(&work["startTime"]));
        self.work.1 = self.work.1.or(ms(&work["endTime"]));
        self.required |= medium["afterCallWorkRequired"] == true;
        self.code |= medium["wrapup"]["code"].is_string();
        let done = work["state"].as_str().unwrap_or_default();
        self.settled |= ["skipped", "notApplicable", "complete"].contains(&done);
        let how = medium["disconnectType"].as_str().unwrap_or_default();
        self.transfer |= how.contains("transfer") && how != "transfer.noanswer";
        if state == "scheduled" {
            self.scheduled = earlier(self.scheduled, Some(stamp));
        }
    }

    pub fn queue(&self) -> Option<String> {
        let known = self.queue.as_ref().or(self.first_queue.as_ref());
        known.map(|(_, queue)| queue.clone())
    }
}

impl Seen {
    pub fn frame(&mut self, frame: &Value) {
        let topic = frame["topicName"].as_str().unwrap_or_default();
        if !topic.ends_with(".conversations") {
            return;
        }
        self.frames += 1;
        let body = &frame["eventBody"];
        // A callback for later has no time but the planned one.
        let stamp = newest(body).unwrap_or(0);
        let people = self
            .conversations
            .entry(body["id"].as_str().unwrap().to_owned())
            .or_default();
        for p in body["participants"].as_array().unwrap() {
            let person = people.entry(p["id"].as_str().unwrap().to_owned()).or_default();
            person.purpose = p["purpose"].as_str().unwrap().to_owned();
            let expected = if p["wrapupExpected"].is_null() {
                p["wrapupRequired"] == true
            } else {
                p["wrapupExpected"] == true
            };
            let listens = p["monitoredParticipantId"].is_string();
            for (kept, now) in [(&mut person.expected, expected), (&mut person.listens, listens)] {
                // At equal times that which comes later in life: not expected, not listening.
                if stamp > kept.0 || (stamp == kept.0 && !now) {
                    *kept = (stamp, now);
                }
            }
            for array in ARRAYS {
                for medium in p[array].as_array().into_iter().flatten() {
                    let id = medium["id"].as_str().unwrap().to_owned();
                    let contact = person.contacts.entry(id).or_default();
                    contact.is_callback = array == "callbacks";
                    contact.add(medium, p["queueId"].as_str(), stamp);
                }
            }
        }
    }
}

/// What overlaps on one queue is one stay.
pub fn stays_of(who: usize, person: &Person) -> Vec<Stay> {
    let mut begun: Vec<&Contact> = person.contacts.values().filter(|c| c.connected.is_some()).collect();
    begun.sort_by_key(|c| c.connected);
    let mut stays: Vec<Stay> = Vec::new();
    for contact in begun {
        let begin = contact.connected.unwrap();
        let goes_on = |stay: &&mut Stay| stay.queue == contact.queue() && stay.end.is_none_or(|end| begin < end);
        match stays.iter_mut().find(goes_on) {
            Some(stay) => {
                stay.end = stay.end.zip(contact.ended).map(|(one, other)| one.max(other));
                stay.contacts.push(contact.clone());
            }
            None => stays.push(Stay {
                who,
                queue: contact.queue(),
                begin,
                end: contact.ended,
                contacts: vec![contact.clone()],
                is_last: false,
            }),
        }
    }
    if let Some(last) = stays.last_mut() {
        last.is_last = true;
    }
    stays
}
