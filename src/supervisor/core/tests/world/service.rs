//! What the service answers and how connections end, at random.
//!
//! In: calls, random choices · Out: answers, errors, reasons · Thread: the test's.

use std::time::Duration;

use super::World;
use crate::event::notice::{CloseReason, Refusal};
use crate::event::queue::Queue;
use crate::protocol::topic_plan::Entity;
use crate::rest::channels::Channel;
use crate::rest::oauth::Token;
use crate::supervisor::acts::{Answer, Call, Listing};
use crate::{Error, ErrorKind, Id, Moment, Secret};

impl World {
    pub(super) fn error(&mut self, call: &Call) -> Error {
        let error = |kind| Error::new(kind, "calling", "no");
        match self.number(40) {
            0 if !matches!(call, Call::LeaveChannel { .. }) => error(ErrorKind::Credentials).with_status(403),
            1..=6 if !matches!(call, Call::Token) => error(ErrorKind::Credentials).with_status(401),
            7..=12 => error(ErrorKind::Refused).with_status(404),
            13..=18 => {
                // What is read of a header is an hour at most.
                let most = [1, 600, 3_601][self.number(3)];
                let secs = self.number(most) as u64;
                let wait = Some(Duration::from_secs(secs));
                error(ErrorKind::Transient).with_status(429).with_retry_after(wait)
            }
            _ => error(ErrorKind::Transient),
        }
    }

    pub(super) fn sound_answer(&mut self, call: &Call) -> Answer {
        match call {
            Call::Token => {
                let life = [1, 20, 600, 86_400, 31_536_000][self.number(5)];
                let life = Duration::from_secs(life);
                Answer::Token(Token {
                    secret: Secret::new(format!("token {}", self.next_choice)),
                    expires_at: self.at.plus(life),
                    life,
                })
            }
            Call::Listing { .. } => {
                let queues = self.number(4);
                let queue = |n: usize| Queue {
                    id: Id::new(&format!("queue-{n}")),
                    name: None,
                    service_levels: Vec::new(),
                };
                let mut listing = Listing::default();
                listing.choice.sees_none = queues == 0;
                listing.choice.queues = Some((0..queues).map(queue).collect());
                Answer::Listing(Box::new(listing))
            }
            Call::CreateChannel { token_number, .. } => {
                self.channels += 1;
                let life = [
                    None,
                    Some(30),
                    Some(1_000),
                    Some(86_400),
                    Some(-1_000),
                    Some(i64::from(u32::MAX)),
                ][self.number(6)];
                Answer::Channel {
                    channel: Channel {
                        id: Secret::new(format!("channel {}", self.channels)),
                        connect_uri: Secret::new("wss://streaming/channel"),
                        expires: life.map(|secs: i64| Moment::from_epoch_ms(self.at.epoch_ms() + secs * 1000)),
                    },
                    token_number: *token_number,
                }
            }
            Call::Subscribe { topics, channel, .. } => Answer::Subscribed(self.subscribe(channel, topics)),
            Call::RenewChannel { topics, channel, .. } => {
                let later = [None, Some(0), Some(86_400)][self.number(3)];
                let later = later.map(|secs| self.at.plus(Duration::from_secs(secs)));
                Answer::Renewed(self.subscribe(channel, topics), later)
            }
            Call::ReadBack { channel, .. } => {
                let topics = self.subscribed.get(channel.reveal()).into_iter().flatten();
                let entity = |topic: &String| Entity {
                    id: topic.clone(),
                    ..Entity::default()
                };
                Answer::ReadBack(topics.map(entity).collect())
            }
            Call::LeaveChannel { channel, .. } => {
                self.subscribed.remove(channel.reveal());
                self.lost.remove(channel.reveal());
                Answer::Left(!self.one_in(3))
            }
        }
    }

    fn subscribe(&mut self, channel: &Secret, topics: &[String]) -> Vec<Entity> {
        let entities = self.entities(topics);
        let accepted = entities.iter().filter(|entity| entity.state == "Permitted");
        let accepted = accepted.map(|entity| entity.id.clone()).collect();
        self.subscribed.insert(channel.reveal().to_owned(), accepted);
        self.lost.remove(channel.reveal());
        entities
    }

    fn entities(&mut self, topics: &[String]) -> Vec<Entity> {
        let is_refused = topics.len() > 1 && self.one_in(5);
        let entity = |(at, topic): (usize, &String)| Entity {
            id: topic.clone(),
            state: if is_refused && at == 0 { "Rejected" } else { "Permitted" }.to_owned(),
            ..Entity::default()
        };
        topics.iter().enumerate().map(entity).collect()
    }

    pub(super) fn reason(&mut self) -> CloseReason {
        let asked = [None, Some(0), Some(3_600)][self.number(3)];
        let upgrade = |status| CloseReason::Upgrade {
            status,
            retry_after: asked.map(Duration::from_secs),
        };
        match self.number(28) {
            0 => CloseReason::Dial(Error::new(ErrorKind::Transient, "dialling", "refused")),
            1 => upgrade(503),
            2 => upgrade(429),
            3 => upgrade(404),
            4 => upgrade(401),
            5 => CloseReason::UpgradeFailed("no answer".to_owned()),
            6 => CloseReason::Refused(Refusal {
                status: [None, Some(401), Some(500)][self.number(3)],
                message: "no".to_owned(),
            }),
            7 => CloseReason::HandshakeLate,
            8..=11 => CloseReason::Closed {
                code: [None, Some(1000), Some(1001), Some(1011)][self.number(4)],
            },
            12..=14 => CloseReason::Lost("reset".to_owned()),
            15..=16 => CloseReason::Silence,
            17 => CloseReason::PingUnanswered,
            18 => CloseReason::TooLong,
            19 => CloseReason::Violation("opcode".to_owned()),
            20 => CloseReason::WriteStalled,
            21..=22 => CloseReason::ChannelGone,
            23 => CloseReason::TakenOver("another".to_owned()),
            24 => CloseReason::Panicked("oh".to_owned()),
            25 => upgrade(302),
            26 => upgrade(100),
            _ => CloseReason::Stopped,
        }
    }
}
