//! `lines`: short lines for people about each event, without customer data.
//!
//! In: `Item`s · Out: text lines `<time> | <what>`, at the end a block that begins with `snapshot` · Thread: that of its
//! output.
//!
//! Only decoded facts are shown, never bodies, so that no customer data can leak.

use std::sync::Arc;

use super::Item;
use super::sink::{Events, Snapshots, Wants};
use super::summary;
use super::text::{between, number, plain, seconds, secs, short, span};
use super::writer::{Render, Rendered};
use crate::base::scrub;
use crate::event::alert::{Alert, AlertState};
use crate::event::facts::{
    AcwState, CommunicationState, ConversationFacts, Facts, MediaKind, ObservationFacts, Participant, Purpose,
    UserFacts,
};
use crate::event::state::{ConnectionState, ORDERLY_STOPS};
use crate::event::{Event, EventKind};
use crate::model::snapshot::{Gap, GapTopics, Snapshot};
use crate::output::record::StateChange;
use crate::{Id, Moment};

/// The most numbers shown of one event.
const SHOWN: usize = 4;

/// Renders items as lines. Names come from the newest snapshot; before the first one, ids are shown.
#[derive(Default)]
pub(crate) struct Lines {
    names: Option<Arc<Snapshot>>,
    /// An error before any stream is told by the program itself, once, and there is nothing to sum up.
    has_streamed: bool,
}

impl Render for Lines {
    fn wants(&self) -> Wants {
        Wants {
            events: Events::Whole,
            changes: true,
            alerts: true,
            snapshots: Snapshots::Newest,
        }
    }

    fn render(&mut self, item: &Item, out: &mut Vec<u8>) -> Rendered {
        let begin = out.len();
        let rendered = self.line_of(item, out);
        scrub::bytes(out, begin);
        rendered
    }

    fn end(&mut self, last: Option<&Snapshot>, out: &mut Vec<u8>) {
        let is_empty = |last: &&Snapshot| !self.has_streamed && last.counters.frames_received == 0;
        let is_failure = |last: &&Snapshot| is_failure(last.connection.cause.as_deref());
        if let Some(last) = last.filter(|last| !(is_empty(last) && is_failure(last))) {
            out.extend_from_slice(scrub::text(&summary::block(last)).as_bytes());
        }
    }
}

impl Lines {
    fn line_of(&mut self, item: &Item, out: &mut Vec<u8>) -> Rendered {
        match item {
            Item::Snapshot(snapshot) => {
                self.names = Some(Arc::clone(snapshot));
                return Rendered::Nothing;
            }
            Item::Event(event) => self.event(event, out),
            Item::State(change) => {
                self.has_streamed |= change.state == ConnectionState::Streaming;
                let is_stop = change.state == ConnectionState::Stopped;
                match is_stop && !self.has_streamed && is_failure(change.cause.as_deref()) {
                    true => line(out, change.at, "state | stopped"),
                    false => line(out, change.at, &state(change)),
                }
            }
            Item::Gap(gap) => line(out, gap.to.unwrap_or(gap.from), &self::gap(gap)),
            Item::Alert(alert) => line(out, alert.at, &self::alert(alert)),
            Item::Audited(_) | Item::Recorded(_) => return Rendered::Nothing,
            #[cfg(feature = "engine")]
            Item::Shared(_) => return Rendered::Nothing,
        }
        Rendered::Plain
    }

    fn event(&self, event: &Event, out: &mut Vec<u8>) {
        let at = event.event_time.unwrap_or(event.received_at);
        match &event.facts {
            Facts::Metrics(facts) => {
                let at = facts.at.unwrap_or(event.received_at);
                for (name, value) in &facts.values {
                    let name = plain(name);
                    line(
                        out,
                        at,
                        &format!("{}.{name} = {}", plain(&facts.metric_type), number(*value)),
                    );
                }
                if facts.values.is_empty() {
                    line(out, at, &format!("{} without metrics", plain(&facts.metric_type)));
                }
            }
            Facts::ConversationUpdate(update) => line(out, at, &self.conversation(event, &update.facts())),
            Facts::Conversation(facts) => line(out, at, &self.conversation(event, facts)),
            Facts::Observations(facts) => line(out, at, &self.observations(facts)),
            Facts::User(facts) => line(out, at, &self.user(facts)),
            Facts::ConversationState(facts) => {
                let id = facts
                    .conversation
                    .as_ref()
                    .map_or_else(|| "without an id".to_owned(), short);
                let active = match facts.active {
                    Some(true) => "active",
                    Some(false) => "not active",
                    None => "updated",
                };
                let what = format!("conversation {id} {active}");
                line(out, facts.at.unwrap_or(at), &self.of_queue(facts.queue.as_ref(), &what));
            }
            Facts::QueueStatistics(facts) => {
                let wait = facts.average_wait_secs.map_or_else(|| "unknown".to_owned(), secs);
                let what = format!("average wait {wait}");
                line(out, facts.at.unwrap_or(at), &self.of_queue(Some(&facts.queue), &what));
            }
            Facts::None => {
                let kind = if event.kind == EventKind::Unknown {
                    "unknown".to_owned()
                } else {
                    event.kind.as_str().replace('_', " ")
                };
                let topic = if event.topic.is_empty() {
                    "(no topic)".into()
                } else {
                    plain(&event.topic)
                };
                line(out, at, &format!("{kind} | {topic}"));
            }
        }
    }

    fn of_queue(&self, queue: Option<&Id>, what: &str) -> String {
        match queue {
            Some(queue) => format!("{} | {what}", self.queue_name(queue)),
            None => what.to_owned(),
        }
    }

    fn queue_name(&self, id: &Id) -> String {
        let known = self.names.as_ref().and_then(|snapshot| snapshot.queues.get(id));
        match known.and_then(|queue| queue.name.as_deref()) {
            Some(name) => plain(name).into_owned(),
            None => format!("queue {}", short(id)),
        }
    }

    fn conversation(&self, event: &Event, facts: &ConversationFacts) -> String {
        let queue = event.queue_id.as_ref();
        let medium = facts
            .participants
            .iter()
            .flat_map(|participant| &participant.communications)
            .map(|communication| communication.kind)
            .min()
            .map_or("conversation", MediaKind::as_str);
        self.of_queue(queue, &format!("{medium} {} {}", short(&facts.id), stage(facts, queue)))
    }

    fn observations(&self, facts: &ObservationFacts) -> String {
        let mut shown: Vec<String> = facts
            .rows
            .iter()
            .take(SHOWN)
            .map(|row| {
                let media = row.media.map_or(String::new(), |media| format!("{} ", media.as_str()));
                let qualifier = row
                    .qualifier
                    .as_deref()
                    .map_or(String::new(), |q| format!(" {}", status(q)));
                let value = row
                    .stats
                    .get("count")
                    .or_else(|| row.stats.get("ratio"))
                    .or_else(|| row.stats.iter().next().map(|(_, value)| value));
                let value = value.map_or_else(|| "-".to_owned(), number);
                format!("{media}{}{qualifier} {value}", metric(&row.metric))
            })
            .collect();
        if facts.rows.len() > SHOWN {
            shown.push(format!("{} more", facts.rows.len() - SHOWN));
        }
        self.of_queue(Some(&facts.queue), &shown.join(", "))
    }

    fn user(&self, facts: &UserFacts) -> String {
        let known = self.names.as_ref().and_then(|snapshot| snapshot.users.get(&facts.user));
        let name = match known.and_then(|user| user.name.as_deref()) {
            Some(name) => plain(name).into_owned(),
            None => format!("user {}", short(&facts.user)),
        };
        let mut says = Vec::new();
        if let Some((presence, _)) = &facts.presence {
            says.push(format!("presence {}", plain(presence)));
        }
        if let Some((status, _)) = &facts.routing_status {
            says.push(format!("routing status {}", plain(status)));
        }
        format!("{name} | {}", says.join(", "))
    }
}

/// The name of a metric for people: `oWaiting` as `waiting`, `oOnQueueUsers` as `on queue users`, `tHandle` as
/// `time of handle`.
fn metric(name: &str) -> String {
    let words = |name: &str| {
        let mut words = String::new();
        for c in plain(name).chars() {
            if c.is_uppercase() && !words.is_empty() {
                words.push(' ');
            }
            words.extend(c.to_lowercase());
        }
        words
    };
    let mut letters = name.chars();
    match (letters.next(), letters.clone().next()) {
        (Some('o' | 'n'), Some(second)) if second.is_uppercase() => words(letters.as_str()),
        (Some('t'), Some(second)) if second.is_uppercase() => format!("time of {}", words(letters.as_str())),
        _ => words(name),
    }
}

/// A status for people: `IDLE` as `idle`; the id of a presence is shortened.
fn status(qualifier: &str) -> String {
    match qualifier.contains(|c: char| c.is_ascii_digit()) {
        true => short(&Id::new(qualifier)),
        false => plain(qualifier).to_lowercase().replace('_', " "),
    }
}

fn line(out: &mut Vec<u8>, at: Moment, what: &str) {
    out.extend_from_slice(seconds(at).as_bytes());
    out.extend_from_slice(b" | ");
    out.extend_from_slice(what.as_bytes());
    out.push(b'\n');
}

/// The stage of a conversation by this one event alone; the dashboard's numbers come from all its events (`model`).
fn stage(facts: &ConversationFacts, queue: Option<&Id>) -> &'static str {
    let here = |p: &&Participant| queue.is_none() || p.queue.as_ref().is_none_or(|q| Some(&q.value) == queue);
    let is = |p: &Participant, wanted: &[Purpose]| p.purpose.is_some_and(|purpose| wanted.contains(&purpose.value));
    let state = |p: &Participant, wanted: CommunicationState| {
        p.communications
            .iter()
            .any(|c| c.state.is_some_and(|s| s.value == wanted))
    };
    let agents = || {
        let all = facts.participants.iter().filter(here);
        all.filter(|p| is(p, &[Purpose::Agent, Purpose::User]) && !p.is_listening())
    };
    let talking =
        |p: &Participant| p.ended.is_none() && (p.connected.is_some() || state(p, CommunicationState::Connected));
    let after = |p: &Participant| {
        let pending = p
            .communications
            .iter()
            .any(|c| c.acw_state.is_some_and(|s| s.value == AcwState::Pending));
        let begun = p.after_call_work.iter().any(|work| work.ended.is_none());
        begun || pending && p.after_call_work.is_empty()
    };
    let mut callers = facts
        .participants
        .iter()
        .filter(|p| is(p, &[Purpose::Customer, Purpose::External]))
        .peekable();
    let caller_known = callers.peek().is_some();
    if let Some(agent) = agents().find(|p| talking(p)) {
        if agent.communications.iter().any(|c| c.hold_started.is_some()) {
            "on hold"
        } else {
            "interacting"
        }
    } else if agents().any(after) {
        "after-call work"
    } else if caller_known && callers.all(|p| p.ended.is_some()) {
        "ended"
    } else if agents().any(|p| p.ended.is_none() && state(p, CommunicationState::Alerting)) {
        "alerting"
    } else {
        let visits = || {
            facts
                .participants
                .iter()
                .filter(here)
                .filter(|p| is(p, &[Purpose::Acd]))
        };
        if visits().any(|p| p.ended.is_none()) {
            "waiting"
        } else if visits().next().is_some() {
            "left the queue"
        } else {
            "updated"
        }
    }
}

/// Whether a run stopped for this cause because it could not go on.
fn is_failure(cause: Option<&str>) -> bool {
    cause.is_some_and(|cause| !ORDERLY_STOPS.contains(&cause))
}

/// `streaming: cause (attempt 2, again in 1.5 s)`.
pub(crate) fn state(change: &StateChange) -> String {
    let mut text = format!("state | {}", change.state.as_str());
    if let Some(cause) = &change.cause {
        text.push_str(": ");
        text.push_str(&plain(cause));
    }
    let mut about = Vec::new();
    if let Some(attempt) = change.attempt {
        about.push(format!("attempt {attempt}"));
    }
    if let Some(wait) = change.retry_in {
        about.push(format!("again in {}", span(wait)));
    }
    if !about.is_empty() {
        text.push_str(&format!(" ({})", about.join(", ")));
    }
    text
}

fn gap(gap: &Gap) -> String {
    let topics = match &gap.topics {
        GapTopics::All => "all topics".to_owned(),
        GapTopics::Some(topics) if topics.len() == 1 => "1 topic".to_owned(),
        GapTopics::Some(topics) => format!("{} topics", topics.len()),
    };
    let length = match gap.to {
        Some(to) => format!("{} long", span(between(gap.from, to))),
        None => "open".to_owned(),
    };
    let repaired = if gap.repaired { ", repaired" } else { "" };
    format!(
        "gap {} | {length} since {}, {topics}: {}{repaired}",
        gap.id,
        seconds(gap.from),
        plain(&gap.cause)
    )
}

fn alert(alert: &Alert) -> String {
    let queue = alert.queue.as_deref();
    let queue = queue.map_or_else(|| short(&alert.queue_id).into(), plain);
    let value = alert.value.map_or_else(|| "–".to_owned(), number);
    let is = match alert.state {
        AlertState::Firing => alert.level.as_str(),
        AlertState::Resolved => "resolved",
    };
    let (name, threshold) = (alert.name.as_str(), number(alert.threshold));
    format!("alert | {queue} | {name} {is}: {value} (threshold {threshold})")
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
