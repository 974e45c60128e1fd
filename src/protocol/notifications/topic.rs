//! Reads topic names: the kind of the topic's events and the ids in the name.
//!
//! In: topic names · Out: `Topic` · Thread: any (pure; the cache belongs to one machine).

use std::collections::HashMap;
use std::sync::Arc;

use super::conversation::Layout;
use crate::Id;
use crate::base::hash::Seeded;
use crate::base::topic_words::MEDIA_TOPICS;
use crate::event::EventKind;
use crate::event::facts::MediaKind;

/// How the body of a topic is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A conversation: of all media, or of one.
    Conversation(Layout),
    /// Statistics: observations and activity.
    Observations,
    Presence,
    RoutingStatus,
    UserActivity,
    DetailEvent,
    /// The body is kept but not read.
    Opaque,
    /// A message about the channel itself.
    System(System),
}

impl Shape {
    /// Whether the body is read for facts.
    pub(super) fn has_facts(self) -> bool {
        !matches!(self, Self::Opaque | Self::System(_))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    /// `channel.metadata`: heartbeats and pongs.
    Alive,
    /// A system message whose body tells what it is about.
    Other,
    SubscriptionsChanged,
    SocketClosing,
    NoLongerSubscribed,
    TokenRevoked,
}

#[derive(Clone, Debug)]
pub(super) struct Topic {
    pub(super) name: Arc<str>,
    pub(super) kind: EventKind,
    pub(super) shape: Shape,
    pub(super) conversation: Option<Id>,
    pub(super) queue: Option<Id>,
    pub(super) user: Option<Id>,
}

impl Topic {
    /// Reads a name in any case, although Genesys' topics are case-sensitive.
    pub(super) fn parse(name: &str) -> Self {
        let parts: Vec<&str> = name.split('.').collect();
        let lower: Vec<String> = parts.iter().map(|part| part.to_ascii_lowercase()).collect();
        let words: Vec<&str> = lower.iter().map(String::as_str).collect();
        let id = |at: usize| parts.get(at).filter(|text| !text.is_empty()).map(|text| Id::new(text));
        let topic = |kind, shape| Self {
            name: name.into(),
            kind,
            shape,
            conversation: None,
            queue: None,
            user: None,
        };
        match *words.as_slice() {
            ["channel", "metadata"] => topic(EventKind::Unknown, Shape::System(System::Alive)),
            ["v2", "subscription", "updated"] => topic(EventKind::Unknown, Shape::System(System::SubscriptionsChanged)),
            ["v2", "system", what, ..] => topic(
                EventKind::Unknown,
                Shape::System(match what {
                    "socket_closing" => System::SocketClosing,
                    "no_longer_subscribed" => System::NoLongerSubscribed,
                    "token_revoked" => System::TokenRevoked,
                    _ => System::Other,
                }),
            ),
            ["v2", "routing", "queues", _, "conversations"] => Self {
                queue: id(3),
                ..topic(EventKind::QueueConversation, Shape::Conversation(Layout::Listed))
            },
            ["v2", "routing", "queues", _, "conversations", media] if MEDIA_TOPICS.contains(&media) => Self {
                queue: id(3),
                ..topic(
                    EventKind::QueueConversation,
                    Shape::Conversation(Layout::Flat(MediaKind::parse(media))),
                )
            },
            ["v2", "analytics", "queues", _, "observations"] => Self {
                queue: id(3),
                ..topic(EventKind::QueueObservation, Shape::Observations)
            },
            ["v2", "analytics", "queues", _, "activity"] => Self {
                queue: id(3),
                ..topic(EventKind::QueueActivity, Shape::Observations)
            },
            ["v2", "users", _, "presence"] => Self {
                user: id(2),
                ..topic(EventKind::UserPresence, Shape::Presence)
            },
            ["v2", "users", _, "routingstatus"] => Self {
                user: id(2),
                ..topic(EventKind::UserRoutingStatus, Shape::RoutingStatus)
            },
            ["v2", "users", _, "activity"] => Self {
                user: id(2),
                ..topic(EventKind::UserActivity, Shape::UserActivity)
            },
            ["v2", "users", _, "conversations"] => Self {
                user: id(2),
                ..topic(EventKind::UserConversation, Shape::Conversation(Layout::Listed))
            },
            ["v2", "users", _, "conversations", media] if MEDIA_TOPICS.contains(&media) => Self {
                user: id(2),
                ..topic(
                    EventKind::UserConversation,
                    Shape::Conversation(Layout::Flat(MediaKind::parse(media))),
                )
            },
            ["v2", "detail", "events", "conversation", _, ..] => Self {
                conversation: id(4),
                ..topic(EventKind::DetailEvent, Shape::DetailEvent)
            },
            ["v2", "detail", "events", "agent", _, ..] => Self {
                user: id(4),
                ..topic(EventKind::DetailEvent, Shape::DetailEvent)
            },
            ["v2", "detail", "events", ..] => topic(EventKind::DetailEvent, Shape::DetailEvent),
            _ => {
                let after = |names: &[&str]| {
                    words
                        .iter()
                        .position(|word| names.contains(word))
                        .and_then(|at| id(at + 1))
                };
                Self {
                    conversation: after(&["conversation", "conversations"]),
                    queue: after(&["queues"]),
                    user: after(&["users"]),
                    ..topic(EventKind::Unknown, Shape::Opaque)
                }
            }
        }
    }
}

/// A cache of topics, so that each name is read once.
#[derive(Debug)]
pub(super) struct Topics(HashMap<Box<str>, Arc<Topic>, Seeded>);

/// The most topics in the cache. A channel has at most 1000 subscriptions, and combined ones give a few more names. The
/// cache is emptied when it is full, so that a peer that invents names cannot exhaust the memory.
const MOST_TOPICS: usize = 4096;

impl Topics {
    /// An empty cache; names are hashed by `hasher`.
    pub(super) fn new(hasher: Seeded) -> Self {
        Self(HashMap::with_hasher(hasher))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn find(&mut self, name: &str) -> Arc<Topic> {
        if let Some(topic) = self.0.get(name) {
            return Arc::clone(topic);
        }
        if self.0.len() >= MOST_TOPICS {
            self.0.clear();
        }
        let topic = Arc::new(Topic::parse(name));
        self.0.insert(name.into(), Arc::clone(&topic));
        topic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_ids_by_pattern() {
        use EventKind as K;
        for (name, kind, shape, conversation, queue, user) in [
            (
                "v2.routing.queues.Q.conversations",
                K::QueueConversation,
                Shape::Conversation(Layout::Listed),
                None,
                Some("Q"),
                None,
            ),
            (
                "v2.routing.queues.Q.conversations.calls",
                K::QueueConversation,
                Shape::Conversation(Layout::Flat(MediaKind::Voice)),
                None,
                Some("Q"),
                None,
            ),
            (
                "v2.routing.queues.Q.conversations.cobrowseSessions",
                K::QueueConversation,
                Shape::Conversation(Layout::Flat(MediaKind::Other)),
                None,
                Some("Q"),
                None,
            ),
            (
                "v2.routing.queues.Q.conversations.videos",
                K::QueueConversation,
                Shape::Conversation(Layout::Flat(MediaKind::Video)),
                None,
                Some("Q"),
                None,
            ),
            (
                "v2.routing.queues.Q.users",
                K::Unknown,
                Shape::Opaque,
                None,
                Some("Q"),
                None,
            ),
            (
                "v2.analytics.queues.Q.observations",
                K::QueueObservation,
                Shape::Observations,
                None,
                Some("Q"),
                None,
            ),
            (
                "v2.analytics.queues.Q.activity",
                K::QueueActivity,
                Shape::Observations,
                None,
                Some("Q"),
                None,
            ),
            (
                "v2.analytics.users.U.aggregates",
                K::Unknown,
                Shape::Opaque,
                None,
                None,
                Some("U"),
            ),
            (
                "v2.users.U.presence",
                K::UserPresence,
                Shape::Presence,
                None,
                None,
                Some("U"),
            ),
            (
                "V2.Users.U.RoutingStatus",
                K::UserRoutingStatus,
                Shape::RoutingStatus,
                None,
                None,
                Some("U"),
            ),
            (
                "v2.users.U.activity",
                K::UserActivity,
                Shape::UserActivity,
                None,
                None,
                Some("U"),
            ),
            (
                "v2.users.U.conversations",
                K::UserConversation,
                Shape::Conversation(Layout::Listed),
                None,
                None,
                Some("U"),
            ),
            (
                "v2.users.U.conversations.emails",
                K::UserConversation,
                Shape::Conversation(Layout::Flat(MediaKind::Email)),
                None,
                None,
                Some("U"),
            ),
            (
                "v2.users.U.conversationsummary",
                K::Unknown,
                Shape::Opaque,
                None,
                None,
                Some("U"),
            ),
            (
                "v2.detail.events.conversation.C.acd.end",
                K::DetailEvent,
                Shape::DetailEvent,
                Some("C"),
                None,
                None,
            ),
            (
                "v2.detail.events.agent.U.state",
                K::DetailEvent,
                Shape::DetailEvent,
                None,
                None,
                Some("U"),
            ),
            (
                "v2.conversations.C.transcription",
                K::Unknown,
                Shape::Opaque,
                Some("C"),
                None,
                None,
            ),
            ("v2.users..presence", K::UserPresence, Shape::Presence, None, None, None),
            ("", K::Unknown, Shape::Opaque, None, None, None),
            ("v2", K::Unknown, Shape::Opaque, None, None, None),
            ("v3.new.thing", K::Unknown, Shape::Opaque, None, None, None),
        ] {
            let topic = Topic::parse(name);
            assert_eq!(&*topic.name, name);
            assert_eq!((topic.kind, topic.shape), (kind, shape), "{name}");
            assert_eq!(topic.conversation, conversation.map(Id::new), "{name}");
            assert_eq!(topic.queue, queue.map(Id::new), "{name}");
            assert_eq!(topic.user, user.map(Id::new), "{name}");
        }
    }

    #[test]
    fn the_cache_is_bounded() {
        let mut topics = Topics::new(Seeded::random());
        for n in 0..MOST_TOPICS * 2 + 10 {
            assert_eq!(&*topics.find(&format!("t{n}")).name, format!("t{n}"));
        }
        assert!(topics.0.len() <= MOST_TOPICS);
    }
}
