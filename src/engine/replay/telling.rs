//! What a recording tells of one conversation: its events and its facts from REST, joined.
//!
//! In: a recording, an id · Out: the joined facts, names of queues · Thread: the caller's.

use std::collections::BTreeMap;

use super::Recording;
use super::decoders::Decoders;
use crate::base::receipt::Receipt;
use crate::config::Protocol;
use crate::event::change::Change;
use crate::event::facts::{ConversationFacts, Facts};
use crate::model::explain::together;
use crate::output::recording::{Content, Start, State};
use crate::protocol::{Heard, KeepBody};
use crate::{Error, ErrorKind, Id, Moment};

/// A conversation as a recording tells it.
pub(crate) struct Told {
    /// Stream and REST taken together; none where the recording does not know it.
    pub(crate) facts: Option<ConversationFacts>,
    /// The time of the last line, or the newest time in the facts where that is later.
    pub(crate) as_of: Moment,
    /// Names of the queues that have one.
    pub(crate) queues: BTreeMap<Id, String>,
}

/// Reads a recording to its end.
///
/// # Errors
/// [`ErrorKind::Configuration`] for a broken line, and for a recording of a protocol that tells nothing of conversations.
pub(crate) fn told_of(mut recording: Recording, id: &Id) -> Result<Told, Error> {
    let refused = |recording: &Recording, what: &str| recording.broken(what).with_kind(ErrorKind::Configuration);
    let (begin, start) = recording.start();
    let mut decoders = decoders(start).map_err(|what| refused(&recording, &what))?;
    let (mut stream, mut rest): (Option<ConversationFacts>, Option<ConversationFacts>) = (None, None);
    let mut queues = BTreeMap::new();
    let mut as_of = begin;
    let mut heard = Vec::new();
    let join = |layer: &mut Option<ConversationFacts>, facts: &ConversationFacts| {
        if facts.id == *id {
            let layer = layer.get_or_insert_with(|| ConversationFacts::nothing_of(id.clone()));
            layer.join_from(facts);
        }
    };
    while let Some(line) = recording
        .next_line()
        .map_err(|error| error.with_kind(ErrorKind::Configuration))?
    {
        as_of = as_of.max(line.at);
        match line.content {
            Content::Frame(text) => {
                let connection = line.connection.unwrap_or_default();
                let service = line.at.plus_ms(line.service_ahead_ms.unwrap_or_default());
                let at = Receipt::new(line.at, service);
                decoders
                    .decode(connection, text.as_deref(), at, &mut heard)
                    .map_err(|what| refused(&recording, &what))?;
                for heard in heard.drain(..) {
                    if let Heard::Event(event) = heard
                        && let Facts::ConversationUpdate(update) = &event.facts
                    {
                        join(&mut stream, &update.facts());
                    }
                }
            }
            Content::State(State::Start(start)) => {
                decoders = self::decoders(&start).map_err(|what| refused(&recording, &what))?;
            }
            Content::State(State::Opening { event_types, queues }) => {
                let queues = queues.iter().map(ToString::to_string).collect();
                decoders
                    .open(line.connection.unwrap_or_default(), event_types, queues)
                    .map_err(|what| refused(&recording, &what))?;
            }
            Content::Rest(Change::Conversations(all)) => all.iter().for_each(|facts| join(&mut rest, facts)),
            Content::Rest(Change::Queues(all)) => {
                queues.extend(all.into_iter().filter_map(|queue| Some((queue.id, queue.name?))));
            }
            Content::Rest(_) | Content::State(_) => {}
        }
    }
    let facts = match (stream, rest) {
        (None, None) => None,
        (stream, rest) => {
            let stream = stream.unwrap_or_else(|| ConversationFacts::nothing_of(id.clone()));
            Some(together(stream, rest.as_ref()))
        }
    };
    let newest = facts.as_ref().and_then(ConversationFacts::newest);
    Ok(Told {
        as_of: newest.map_or(as_of, |newest| newest.max(as_of)),
        facts,
        queues,
    })
}

fn decoders(start: &Start) -> Result<Decoders, String> {
    match start.settings.protocol {
        Protocol::Notifications => Ok(Decoders::new(Protocol::Notifications, KeepBody::Drop)),
        other => Err(format!(
            "it is a recording of the protocol {}, which tells no participants",
            other.as_str()
        )),
    }
}
