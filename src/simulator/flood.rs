//! A flood of conversation events: as many as asked, as fast as the sockets take them.
//!
//! In: a count and a size · Out: whole conversations' events, from a centre of its own, on the subscribed topics · Thread: the caller's.

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

/// Different events made at most, before they begin anew under other conversation ids.
const MADE: usize = 4_000;
/// A socket that takes nothing for this long is left.
const STALL: Duration = Duration::from_secs(30);

struct Made {
    topic: String,
    body: String,
    /// The conversation, and where its id stands in the body.
    conversation: Id,
    at: Vec<usize>,
}

/// Sends and gives how many were sent: an event counts once, however many sockets hear it.
pub(super) fn run(shared: &Arc<Shared>, events: u64, bytes: usize) -> Result<u64, String> {
    let count = usize::try_from(events).map_or(MADE, |events| events.min(MADE));
    let made = make(shared, count, bytes);
    let listened: Vec<(&Made, Vec<Arc<Outbox>>)> = {
        let hub = shared.hub();
        made.iter()
            .map(|m| (m, hub.sockets_of(&m.topic)))
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
            // Each round is about conversations of its own.
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

/// At least `count` events of conversations that all come to their end, in order.
fn make(shared: &Arc<Shared>, count: usize, bytes: usize) -> Vec<Made> {
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
                made.push(Made {
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
    shapely(made, bytes)
}

/// Leaves out conversations that grow far beyond the size asked for (many transfers), if enough others remain.
fn shapely(made: Vec<Made>, bytes: usize) -> Vec<Made> {
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
