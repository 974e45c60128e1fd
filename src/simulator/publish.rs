//! Turns changes of the centre into frames for the subscribed sockets.
//!
//! In: changes, the tick of the analytics topics · Out: frames · Thread: the centre's.

use super::centre::facts::{Change, Conversation, Step};
use super::render::conversation::Shape;
use super::render::{conversation, detail_event, flat, observations, people};
use super::shared::Shared;
use super::stream::{Frame, Outbox, events, metrics, notifications, text_frame};
use super::when::Ms;
use super::world::Media;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// The numbers published last, so that analytics topics send only changes.
#[derive(Default)]
pub(super) struct Publisher {
    observed: HashMap<usize, (Vec<Value>, usize)>,
    active: HashMap<usize, Vec<[usize; 3]>>,
    waits: HashMap<usize, f64>,
}

/// A notification as a frame.
pub(super) fn notification(topic: &str, body: &str, correlation: &str) -> Frame {
    text_frame(&format!(
        r#"{{"topicName":"{topic}","version":"2","eventBody":{body},"metadata":{{"CorrelationId":"{correlation}"}}}}"#
    ))
}

/// Sends a body to the sockets that are subscribed to a topic. `body` is called only if there are any.
fn deliver(shared: &Shared, topic: &str, body: impl FnOnce() -> Value) {
    let sockets = shared.registry().sockets_of(topic);
    if sockets.is_empty() {
        return;
    }
    let frame = notification(topic, &body().to_string(), &shared.random_id().to_string());
    for socket in sockets {
        socket.send_event(Arc::clone(&frame));
    }
}

impl Publisher {
    /// Publishes changes.
    pub(super) fn changes(&mut self, shared: &Shared, changes: Vec<Change>) {
        let quiet = shared.registry().has_no_subscriptions();
        for change in changes {
            match change {
                Change::Conversation {
                    at,
                    conversation,
                    steps,
                } => {
                    events::publish(shared, &conversation, at);
                    if !quiet {
                        conversation_change(shared, &conversation, &steps, at);
                    }
                }
                _ if quiet => {}
                Change::Presence { user } => {
                    let id = shared.world.users[user].id;
                    deliver(shared, &format!("v2.users.{id}.presence"), || {
                        people::presence_event(&shared.centre(), user)
                    });
                    deliver(shared, &format!("v2.users.{id}.activity"), || {
                        people::activity_event(&shared.centre(), user)
                    });
                }
                Change::Routing { user } => {
                    let id = shared.world.users[user].id;
                    deliver(shared, &format!("v2.users.{id}.routingStatus"), || {
                        people::routing_event(&shared.centre(), user)
                    });
                    deliver(shared, &format!("v2.users.{id}.activity"), || {
                        people::activity_event(&shared.centre(), user)
                    });
                }
                Change::Load { user } => {
                    let topic = format!("v2.users.{}.conversationsummary", shared.world.users[user].id);
                    deliver(shared, &topic, || people::summary(&shared.centre(), user));
                }
                Change::Joined { user, joined } => {
                    for &queue in &shared.world.users[user].queues {
                        let topic = format!("v2.routing.queues.{}.users", shared.world.queues[queue].id);
                        deliver(shared, &topic, || {
                            people::queue_user_event(&shared.world, queue, user, joined)
                        });
                    }
                }
            }
        }
    }

    /// Runs once a second: expires tokens and channels, closes announced sockets, publishes analytics.
    pub(super) fn tick(&mut self, shared: &Shared) {
        let gone = shared.registry().expire(&shared.clock);
        for (_, socket) in gone {
            notifications::close_as_gone(&socket);
        }
        let now = shared.clock.wall();
        let mut others: Vec<(String, Arc<Outbox>)> = shared
            .events()
            .iter()
            .map(|s| (s.token.clone(), Arc::clone(&s.outbox)))
            .collect();
        others.extend(
            shared
                .metrics()
                .iter()
                .map(|s| (s.token.clone(), Arc::clone(&s.outbox))),
        );
        for (token, outbox) in others {
            let good = shared.registry().tokens.valid(&token, now).is_some();
            if !good {
                outbox.close(1008, "token expired");
            }
        }
        announced(shared);
        // Frames that were delayed for reordering wait for a second at most.
        shared.unpublished.store(1, Ordering::SeqCst);
        shared.all_sockets().iter().for_each(|s| s.send_delayed());
        shared.unpublished.store(0, Ordering::SeqCst);
        self.analytics(shared);
        self.waits(shared);
        metrics::publish(shared);
    }

    fn analytics(&mut self, shared: &Shared) {
        let wanted: Vec<(usize, bool)> = {
            let registry = shared.registry();
            let topics = registry.topics().filter_map(|t| t.strip_prefix("v2.analytics.queues."));
            topics
                .filter_map(|t| t.split_once('.'))
                .filter_map(|(id, last)| Some((shared.world.queue_index(id)?, last == "activity")))
                .collect()
        };
        if wanted.is_empty() {
            return;
        }
        let present = observations::present_counts(&shared.centre());
        for (queue, is_activity) in wanted {
            if is_activity {
                self.activity(shared, queue, &present[queue]);
            } else {
                self.observations(shared, queue, &present);
            }
        }
    }

    /// Sends at most one message: the next group, in turn, that changed.
    fn observations(&mut self, shared: &Shared, queue: usize, present: &[[(usize, usize, usize); 4]]) {
        let bodies = observations::notifications(&mut shared.centre(), queue, present);
        let Some((last, turn)) = self.observed.get_mut(&queue) else {
            self.observed.insert(queue, (bodies, 0));
            return;
        };
        for step in 1..=bodies.len() {
            let at = (*turn + step) % bodies.len();
            if last.get(at) == Some(&bodies[at]) {
                continue;
            }
            *turn = at;
            last.resize(bodies.len(), Value::Null);
            last[at] = bodies[at].clone();
            let topic = format!("v2.analytics.queues.{}.observations", shared.world.queues[queue].id);
            deliver(shared, &topic, || bodies[at].clone());
            return;
        }
    }

    fn activity(&mut self, shared: &Shared, queue: usize, present: &[(usize, usize, usize); 4]) {
        let counts: Vec<[usize; 3]> = present.iter().map(|&(w, a, i)| [w, a, i]).collect();
        let last = self.active.insert(queue, counts.clone());
        if last.is_some_and(|last| last != counts) {
            let topic = format!("v2.analytics.queues.{}.activity", shared.world.queues[queue].id);
            deliver(shared, &topic, || {
                let centre = shared.centre();
                observations::activity(&observations::present(&centre)[queue], centre.now())
            });
        }
    }

    fn waits(&mut self, shared: &Shared) {
        if shared.events().is_empty() {
            self.waits.clear();
            return;
        }
        for queue in 0..shared.world.queues.len() {
            let counts = {
                let mut centre = shared.centre();
                let now = centre.now();
                centre.stats.of_queue(now, queue).1
            };
            let (sum, count) = counts
                .iter()
                .fold((0, 0), |(s, n), c| (s + c.waited.sum, n + c.waited.count));
            if count > 0 {
                let average = sum as f64 / count as f64 / 1000.0;
                if self.waits.insert(queue, average) != Some(average) {
                    events::publish_queue(shared, queue, average);
                }
            }
        }
    }
}

fn announced(shared: &Shared) {
    let now = Instant::now();
    let due: Vec<Arc<Outbox>> = {
        let mut faults = shared.faults();
        let (due, later) = std::mem::take(&mut faults.closings)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        faults.closings = later;
        let due: Vec<(Instant, Vec<Arc<Outbox>>)> = due;
        due.into_iter().flat_map(|(_, sockets)| sockets).collect()
    };
    for socket in due {
        socket.close(1001, "going away as announced");
    }
}

fn conversation_change(shared: &Shared, c: &Conversation, steps: &[Step], at: Ms) {
    let world = &shared.world;
    // Each rendered once for all topics of the change.
    let mut whole: Option<String> = None;
    let mut by_media: Vec<(Media, Option<String>)> = c.all_media().into_iter().map(|media| (media, None)).collect();
    let queues = c
        .queues()
        .into_iter()
        .map(|q| format!("v2.routing.queues.{}.conversations", world.queues[q].id));
    let users = c
        .users()
        .into_iter()
        .map(|u| format!("v2.users.{}.conversations", world.users[u].id));
    for topic in queues.chain(users) {
        let of_one = by_media
            .iter_mut()
            .map(|(media, body)| (format!("{topic}.{}", media.array_name()), Some(*media), body));
        for (topic, media, body) in std::iter::once((topic.clone(), None, &mut whole)).chain(of_one) {
            let sockets = shared.registry().sockets_of(&topic);
            if sockets.is_empty() {
                continue;
            }
            let body = body.get_or_insert_with(|| match media {
                Some(media) => flat::conversation(world, c, media).to_string(),
                None => conversation::conversation(world, c, Shape::Notification).to_string(),
            });
            let frame = notification(&topic, body, &shared.random_id().to_string());
            sockets.iter().for_each(|s| s.send_event(Arc::clone(&frame)));
        }
    }
    for &step in steps {
        if let Some((suffix, body)) = detail_event::render(world, c, step, at) {
            deliver(
                shared,
                &format!("v2.detail.events.conversation.{}.{suffix}", c.id),
                || body,
            );
        }
    }
}
