//! A channel for a line: an idle one or a new one, with the line's topics subscribed.
//!
//! In: the answers of REST · Out: the channel, or why there is none · Thread: none of its own (pure).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::acts::{Act, Answer, Call, CallId, Turn};
use super::super::channels::ChannelKey;
use super::super::process::Process;
use super::super::session::HeldToken;
use crate::audit::entries;
use crate::event::change::NOT_SUBSCRIBED;
use crate::protocol::topic_plan::{Entity, read_answer};
use crate::{Error, ErrorKind};

/// Why a channel is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It is the first of its line, or replaces one as planned.
    Planned,
    /// Something failed: a new channel counts against the bound an hour.
    AfterFailure,
}

/// The list of a line, as it is at some time.
#[derive(Clone, Debug)]
pub(super) struct Topics {
    /// Number of the line.
    pub(super) line: usize,
    /// Counts the lists of the line.
    pub(super) version: u32,
    pub(super) ids: Arc<[String]>,
}

/// A channel that is being obtained.
#[derive(Debug)]
pub(super) struct Request {
    call: CallId,
    step: Step,
    topics: Topics,
    pub(super) token: HeldToken,
    pub(super) reason: Reason,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Creating,
    Subscribing(ChannelKey),
}

/// How a request went on.
pub(super) enum Progress {
    /// The next call is under way.
    Goes(Request),
    /// The channel has the topics.
    Done(ChannelKey, Taken),
    Failed(Error),
}

impl Request {
    /// Begins with a channel that lies idle, or creates one.
    pub(super) fn begin(
        topics: Topics,
        token: HeldToken,
        reason: Reason,
        process: &mut Process,
        turn: &mut Turn<'_>,
    ) -> Self {
        let idle = process.channels.take_idle(token.number, turn.now);
        let (call, step) = match idle {
            Some(key) => (subscribe(key, &topics, &token, process, turn), Step::Subscribing(key)),
            None => {
                let call = turn.call(Call::CreateChannel {
                    token: token.secret.clone(),
                    token_number: token.number,
                });
                (call, Step::Creating)
            }
        };
        Self {
            call,
            step,
            topics,
            token,
            reason,
        }
    }

    pub(super) fn awaits(&self, call: CallId) -> bool {
        self.call == call
    }

    /// The channel that its topics are being put on.
    pub(super) fn channel(&self) -> Option<ChannelKey> {
        match self.step {
            Step::Creating => None,
            Step::Subscribing(key) => Some(key),
        }
    }

    /// The answer to its call. `refused` are the topics that the service refused before.
    pub(super) fn on_answer(
        self,
        answer: Result<Answer, Error>,
        refused: &BTreeMap<String, String>,
        process: &mut Process,
        turn: &mut Turn<'_>,
    ) -> Progress {
        match (self.step, answer) {
            (Step::Creating, Ok(Answer::Channel { channel, .. })) => {
                turn.act(Act::Audit(entries::channel(self.topics.line, channel.expires, turn.at)));
                let key = process.channels.add(channel, self.token.clone(), turn);
                let call = subscribe(key, &self.topics, &self.token, process, turn);
                Progress::Goes(Self {
                    call,
                    step: Step::Subscribing(key),
                    ..self
                })
            }
            (Step::Subscribing(key), Ok(Answer::Subscribed(entities))) => {
                let taken = take_in(&self.topics, &entities, refused, turn);
                match taken.refused_all() {
                    None => {
                        if let Some(held) = process.channels.get_mut(key) {
                            held.version = self.topics.version;
                            turn.info(format!(
                                "channel {}: {} topics subscribed",
                                held.name(),
                                self.topics.ids.len()
                            ));
                        }
                        Progress::Done(key, taken)
                    }
                    Some(error) => {
                        process.channels.put_idle(key);
                        Progress::Failed(error)
                    }
                }
            }
            (step, answer) => {
                let error = answer.err().unwrap_or_else(|| unexpected("asking for a channel"));
                match step {
                    Step::Subscribing(key) if error.status() == Some(404) => process.channels.forget(key),
                    Step::Subscribing(key) => process.channels.put_idle(key),
                    Step::Creating => {}
                }
                Progress::Failed(error)
            }
        }
    }
}

/// An answer of another kind than the call's.
pub(super) fn unexpected(did: &str) -> Error {
    Error::new(ErrorKind::Internal, did, "the answer is that of another call")
}

fn subscribe(key: ChannelKey, topics: &Topics, token: &HeldToken, process: &Process, turn: &mut Turn<'_>) -> CallId {
    turn.call(Call::Subscribe {
        token: token.secret.clone(),
        channel: process.channels.id(key),
        topics: Arc::clone(&topics.ids),
    })
}

/// What came of a subscription, topic by topic.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) accepted: Vec<String>,
    /// With the reasons: the missing permissions, else the service's text, or that the answer does not name them.
    pub(super) refused: BTreeMap<String, String>,
    /// The service's words on the first one, where it refused all.
    refused_all: Option<String>,
}

impl Taken {
    /// The error that it means where the service refused all topics.
    fn refused_all(&self) -> Option<Error> {
        let why = self.refused_all.as_ref()?;
        let advice = if why.contains("missing: ") {
            "Give the OAuth client a role with these permissions"
        } else {
            "No missing permission is named, so these topics may not exist: check their spelling and the ids in them"
        };
        let what = format!("all {} topics were refused: {why}. {advice}", self.refused.len());
        Some(Error::new(ErrorKind::Credentials, "subscribing", what).with_status(403))
    }
}

/// Reads the answer to a subscription: each topic stands or falls by itself. `before` are those that were refused before.
pub(super) fn take_in(
    topics: &Topics,
    entities: &[Entity],
    before: &BTreeMap<String, String>,
    turn: &mut Turn<'_>,
) -> Taken {
    let answer = read_answer(&topics.ids, entities);
    let is_new = |topic: &String| !before.contains_key(topic);
    let mut refused = BTreeMap::new();
    for rejected in &answer.rejected {
        if is_new(&rejected.topic) {
            turn.warn(format!("topic {} refused: {}", rejected.topic, rejected.why()));
        }
        refused.insert(rejected.topic.clone(), rejected.short());
    }
    for topic in &answer.unknown {
        if is_new(topic) {
            turn.warn(format!(
                "topic {topic}: the service did not say whether it is subscribed"
            ));
        }
        refused.insert(topic.clone(), NOT_SUBSCRIBED.to_owned());
    }
    for topic in answer.permitted.iter().filter(|topic| !is_new(topic)) {
        turn.info(format!("topic {topic} is subscribed now"));
    }
    turn.act(Act::Audit(entries::subscription(
        topics.line,
        topics.ids.len(),
        &refused,
        turn.at,
    )));
    let is_all_refused = !topics.ids.is_empty() && answer.permitted.is_empty() && answer.unknown.is_empty();
    Taken {
        refused_all: is_all_refused.then(|| answer.rejected.first().map(|first| first.why()).unwrap_or_default()),
        accepted: answer.permitted,
        refused,
    }
}
