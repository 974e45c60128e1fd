//! Sends a given number of conversation events as fast as the sockets take them.
//!
//! In: a count and a size · Out: events of whole conversations, from a separate centre, on the subscribed topics · Thread:
//! the caller's.

use super::centre::Centre;
use super::centre::facts::Change;
use super::json::Id;
use super::options::Options;
use super::publish::notification;
use super::render::conversation::{Shape, conversation};
use super::shared::Shared;
use super::stream::Outbox;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How many different events are prepared at most; then they are repeated with other conversation ids.
const MOST_PREPARED: usize = 4_000;
/// How long a socket may take no frame before it is skipped.
const STALL: Duration = Duration::from_secs(30);

struct PreparedEvent {
    topic: String,
    body: String,
    /// The conversation, and the positions of its id in the body.
    conversation: Id,
    at: Vec<usize>,
}

/// Sends the events and returns how many were sent. An event counts once, however many sockets get it.
pub(super) fn run(shared: &Arc<Shared>, events: u64, bytes: usize) -> Result<u64, String> {
    let count = usize::try_from(events).map_or(MOST_PREPARED, |events| events.min(MOST_PREPARED));
    let made = make(shared, count, bytes);
    let listened: Vec<(&PreparedEvent, Vec<Arc<Outbox>>)> = {
        let registry = shared.registry();
        made.iter()
            .map(|m| (m, registry.sockets_of(&m.topic)))
            .filter(|(_, sockets)| !sockets.is_empty())
            .collect()
    };
    if listened.is_empty() {
        return Err("no socket listens to a queue's conversations".to_owned());
    }
    let mut sent = 0;
    for round in 0u64.. {
        for (made, sockets) in &listened {
            if sent == events || shared.stopping.load(Ordering::Relaxed) {
                return Ok(sent);
            }
            let mut body = made.body.clone();
            // Each round has its own conversations.
            let id = Id(made.conversation.0 ^ u128::from(round)).to_string();
            made.at
                .iter()
                .for_each(|&at| body.replace_range(at..at + id.len(), &id));
            let frame = notification(
                &made.topic,
                &body,
                &Id(u128::from(sent) | 4 << 76 | 2 << 62).to_string(),
            );
            let mut taken = false;
            for socket in sockets {
                taken |= socket.send_bulk(Arc::clone(&frame), STALL);
            }
            if !taken {
                return Ok(sent);
            }
            sent += 1;
        }
    }
    Ok(sent)
}

/// Prepares at least `count` events, in order, of conversations that all end.
fn make(shared: &Arc<Shared>, count: usize, bytes: usize) -> Vec<PreparedEvent> {
    let options = Options {
        seed: shared.options.seed ^ 0x666c_6f6f_6400_0003,
        warm_up: Duration::ZERO,
        arrivals_per_sec: Some(2.0),
        ..shared.options.clone()
    };
    let begin = shared.clock.centre() - 3_600_000;
    let mut centre = Centre::new(&options, Arc::clone(&shared.world), begin);
    let mut made = Vec::new();
    let mut gather = |changes: Vec<Change>| {
        for change in changes {
            let Change::Conversation { conversation: c, .. } = change else {
                continue;
            };
            let mut value = conversation(&shared.world, &c, Shape::Notification);
            let lacking = bytes.saturating_sub(value.to_string().len() + 200);
            if lacking > 0 {
                value["participants"][0]["attributes"]["padding"] = "x".repeat(lacking).into();
            }
            let body = value.to_string();
            let at: Vec<usize> = body.match_indices(&c.id.to_string()).map(|(at, _)| at).collect();
            for queue in c.queues() {
                let topic = format!("v2.routing.queues.{}.conversations", shared.world.queues[queue].id);
                made.push(PreparedEvent {
                    topic,
                    body: body.clone(),
                    conversation: c.id,
                    at: at.clone(),
                });
            }
        }
        made.len()
    };
    while gather(centre.advance(centre.now() + 10_000)) < count && centre.now() < begin + 1_800_000 {}
    centre.set_rate(0.0);
    for _ in 0..200 {
        if centre.open_count() == 0 {
            break;
        }
        gather(centre.advance(centre.now() + 10_000));
    }
    without_oversized(made, bytes)
}

/// Removes conversations with events far larger than asked for (many transfers), if enough others remain.
fn without_oversized(made: Vec<PreparedEvent>, bytes: usize) -> Vec<PreparedEvent> {
    let most = bytes + bytes / 4;
    let large: HashSet<Id> = made
        .iter()
        .filter(|m| m.body.len() > most)
        .map(|m| m.conversation)
        .collect();
    let small = made.iter().filter(|m| !large.contains(&m.conversation)).count();
    if small < 200 {
        return made;
    }
    made.into_iter().filter(|m| !large.contains(&m.conversation)).collect()
}
