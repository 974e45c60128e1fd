//! The entries of a shared stream: what they hold, and their form in the engine.
//!
//! In: events and what a run tells · Out: the fields `n`, `v`, `k`, `d` of an entry, and back · Thread: any (pure).
//!
//! Entries hold facts and no bodies: identifiers, times, closed sets of words, names of queues. What could be an address
//! in an identifier is replaced by its hash. `docs/sharing.md` describes each kind.

use std::fmt;
use std::hash::BuildHasher;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::resp::Reply;
use crate::base::digest;
use crate::base::hash::Seeded;
use crate::config::Protocol;
use crate::event::Event;
use crate::event::change::Change;
use crate::event::facts::Facts;
use crate::event::gap::Gap;
use crate::{EventKind, Id, Moment};

/// The form of the entries; a reader of another form is left out.
pub(super) const VERSION: &str = "1";

/// The id of an entry: milliseconds since 1970 of the reader's clock, and a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntryId {
    pub(super) ms: u64,
    pub(super) seq: u64,
}

impl EntryId {
    /// Reads `ms-seq`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (ms, seq) = text.split_once('-')?;
        Some(Self {
            ms: ms.parse().ok()?,
            seq: seq.parse().ok()?,
        })
    }

    /// The id of the entry that follows at `now_ms`: later than this one, whatever the clock says.
    pub(super) fn next(self, now_ms: u64) -> Self {
        match self.seq.checked_add(1).filter(|_| now_ms <= self.ms) {
            Some(seq) => Self { ms: self.ms, seq },
            None => Self {
                ms: now_ms.max(self.ms.saturating_add(1)),
                seq: 0,
            },
        }
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// What an entry tells, as of `at` of the service's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Content {
    pub(super) at: Moment,
    #[serde(flatten)]
    pub(super) what: What,
}

/// See [`Content`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    Event(Box<SharedEvent>),
    Change(Change),
    /// A gap of the reader, with its times by the service's clock. Its id is of the reader's run.
    Gap(Gap),
    /// The topics of the reader are covered up to this moment, its gaps aside.
    Cover {
        to: Option<Moment>,
    },
    /// The reader ends in order.
    Down {
        cause: Option<String>,
    },
    About(Box<About>),
}

impl What {
    /// The field `k`.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Event(_) => "event",
            Self::Change(_) | Self::Gap(_) => "change",
            Self::Cover { .. } => "cover",
            Self::Down { .. } => "down",
            Self::About(_) => "about",
        }
    }
}

/// All that holds of a reader now: the first entry of its run, told again now and then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct About {
    /// A random number of the process.
    pub(super) run: String,
    /// Of the program.
    pub(super) version: String,
    /// The part of queues and users that it subscribes.
    pub(super) share: String,
    /// The newest change of each kind that still holds.
    pub(super) changes: Vec<Change>,
    /// Its last gaps.
    pub(super) gaps: Vec<Gap>,
}

/// The head and the facts of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SharedEvent {
    topic: String,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Moment>,
    #[serde(default, skip_serializing_if = "is_zero")]
    unreadable: u32,
    facts: Facts,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl SharedEvent {
    pub(super) fn of(event: &Event) -> Self {
        Self {
            topic: event.topic.to_string(),
            kind: event.kind.as_str().to_owned(),
            conversation: event.conversation_id.clone(),
            queue: event.queue_id.clone(),
            user: event.user_id.clone(),
            time: event.event_time,
            unreadable: event.unreadable,
            facts: event.facts.clone(),
        }
    }

    /// What it is about, where its facts have no time of their own, so that only the order of arrival tells which is newer.
    pub(super) fn undated(&self) -> Option<&str> {
        let is_undated = match &self.facts {
            Facts::Observations(_) => true,
            Facts::User(user) => [&user.presence, &user.routing_status]
                .into_iter()
                .flatten()
                .any(|half| half.1.is_none()),
            _ => false,
        };
        is_undated.then_some(&*self.topic)
    }

    /// What tells undated facts of one topic apart: statistics of several media share a topic.
    pub(super) fn part(&self) -> String {
        match &self.facts {
            Facts::Observations(observations) => format!("{:?}", observations.rows.first().map(|row| row.media)),
            _ => String::new(),
        }
    }

    /// The event as the reader `connection` heard it. `service` is the time of its receipt there, `ours` that of its receipt
    /// here.
    pub(super) fn event(self, connection: u32, service: Moment, ours: Moment, hasher: &Seeded) -> Event {
        let fingerprint = match self.undated() {
            // The reader left repetitions out, and two readers are not compared.
            Some(_) => 0,
            None => hasher.hash_one((&self.topic, serde_json::to_vec(&self.facts).unwrap_or_default())),
        };
        let travel = self.time.map(|time| service.millis_since(time));
        Event {
            received_at: ours,
            service_time: service,
            travel_ms: travel.map(|ms| u64::try_from(ms).unwrap_or(0)),
            connection,
            protocol: Protocol::Notifications,
            kind: kind_of(&self.kind),
            topic: self.topic.into(),
            conversation_id: self.conversation,
            queue_id: self.queue,
            user_id: self.user,
            event_time: self.time,
            body: None,
            fingerprint,
            unreadable: self.unreadable,
            facts: self.facts,
        }
    }
}

fn kind_of(name: &str) -> EventKind {
    let known = EventKind::ALL.into_iter().find(|kind| kind.as_str() == name);
    known.unwrap_or(EventKind::Unknown)
}

impl Content {
    /// The field `d`.
    pub(super) fn data(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        let looks_like_address =
            text.contains('@') || text.contains("tel:") || text.contains("sip:") || text.contains("\"+");
        if !looks_like_address {
            return text;
        }
        match serde_json::from_str::<Value>(&text) {
            Ok(mut value) => {
                hide_addresses(&mut value);
                value.to_string()
            }
            Err(_) => text,
        }
    }
}

fn hide_addresses(value: &mut Value) {
    match value {
        Value::String(text) => hide_address(text),
        Value::Array(items) => items.iter_mut().for_each(hide_addresses),
        Value::Object(fields) => {
            let taken = std::mem::take(fields);
            for (mut key, mut value) in taken {
                // Names of queues are shown as they are.
                if key != "name" {
                    hide_addresses(&mut value);
                }
                hide_address(&mut key);
                fields.insert(key, value);
            }
        }
        _ => {}
    }
}

/// Hides a text that is an address, and addresses within a topic.
fn hide_address(text: &mut String) {
    let is_address = |part: &str| {
        let number = part
            .strip_prefix('+')
            .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
        number || part.contains('@') || part.starts_with("tel:") || part.starts_with("sip:")
    };
    if is_address(text) {
        // The same for all readers of the organisation, so that what they tell is joined.
        *text = match text.starts_with("v2.") {
            true => text
                .split('.')
                .map(|part| hidden(part, is_address(part)))
                .collect::<Vec<_>>()
                .join("."),
            false => hidden(text, true),
        };
    }
}

fn hidden(text: &str, is_address: bool) -> String {
    match is_address {
        true => format!("h:{}", &digest::sha256_hex(text.to_ascii_lowercase().as_bytes())[..32]),
        false => text.to_owned(),
    }
}

/// An entry as the engine gives it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: EntryId,
    pub(super) n: u64,
    /// `None` where it is of another version, or cannot be read.
    pub(super) content: Option<Content>,
}

impl Entry {
    /// Reads an item of `XRANGE` or `XREAD`.
    pub(super) fn of(item: &Reply) -> Option<Self> {
        let [id, fields] = item.items() else { return None };
        let field = |name: &str| {
            let mut pairs = fields.items().chunks(2);
            let pair = pairs.find(|pair| pair.first().and_then(Reply::text) == Some(name));
            pair.and_then(|pair| pair.get(1)).and_then(Reply::text)
        };
        let content = field("d").filter(|_| field("v") == Some(VERSION));
        Some(Self {
            id: EntryId::parse(id.text()?)?,
            n: field("n")?.parse().ok()?,
            content: content.and_then(|text| serde_json::from_str(text).ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::queue::Queue;

    fn at(ms: i64) -> Moment {
        Moment::from_epoch_ms(ms)
    }

    #[test]
    fn ids_only_rise() {
        let mut id = EntryId::default();
        for (now, expected) in [(5, "5-0"), (5, "5-1"), (4, "5-2"), (9, "9-0")] {
            id = id.next(now);
            assert_eq!(id.to_string(), expected);
            assert_eq!(EntryId::parse(expected), Some(id));
        }
    }

    #[test]
    fn contents_come_back_and_hold_no_address() {
        let queue = |id: &str, name: &str| Queue {
            id: Id::new(id),
            name: Some(name.to_owned()),
            service_levels: Vec::new(),
        };
        let topics = vec!["v2.users.erika@example.com.presence".to_owned()];
        let about = About {
            run: "r".to_owned(),
            version: "0".to_owned(),
            share: "1/1".to_owned(),
            changes: vec![
                Change::Queues(vec![queue("q", "Sales @ night"), queue("sip:erika@example.com", "x")]),
                Change::Covered {
                    line: 0,
                    topics,
                    since: at(1),
                },
                Change::Users([(Id::new("+4930123"), None)].into()),
            ],
            gaps: Vec::new(),
        };
        let content = Content {
            at: at(7),
            what: What::About(Box::new(about)),
        };
        let text = content.data();
        assert!(
            text.contains("Sales @ night") && !text.contains("erika") && !text.contains("4930"),
            "{text}"
        );
        let read: Content = serde_json::from_str(&text).unwrap();
        assert_eq!((read.at, read.what.kind()), (at(7), "about"));
        for what in [
            What::Cover { to: Some(at(3)) },
            What::Down { cause: None },
            What::Change(Change::AnyQueue {}),
        ] {
            let content = Content { at: at(2), what };
            assert_eq!(serde_json::from_str::<Content>(&content.data()).unwrap(), content);
        }
    }
}
