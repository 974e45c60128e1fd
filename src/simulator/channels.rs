//! Tokens, notification channels, and which channel is subscribed to which topic.
//!
//! In: logins, subscriptions, sockets, the service's time · Out: the sockets of a topic, sockets to close · Thread: under
//! one lock.

use super::stream::Outbox;
use super::tokens::Tokens;
use super::topics;
use super::when::{Clock, Ms, millis};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

pub(super) struct Channel {
    pub id: String,
    pub token: String,
    pub client_id: String,
    pub expires: Ms,
    // A counter of uses: times in milliseconds could be equal.
    last_used: u64,
    /// The subscribed ids, single and combined, in order.
    pub topics: Vec<String>,
    pub socket: Option<Arc<Outbox>>,
}

/// The result for one id of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopicResult {
    pub id: String,
    pub rejection: Option<(String, Vec<String>)>,
}

/// Why a whole subscription failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    NoChannel,
    InvalidTopic(String),
    TooMany,
    Unauthorized(String),
}

/// How a subscription changes the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Add,
    Replace,
}

/// Whether one refused topic fails the whole request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Errors {
    Fail,
    Ignore,
}

#[derive(Default)]
pub(super) struct Registry {
    pub(super) tokens: Tokens,
    channels: BTreeMap<String, Channel>,
    listeners: HashMap<String, Vec<String>>,
    uses: u64,
    // How many channels were evicted, for /sim/state.
    pub evicted: u64,
}

/// Which topics are refused, by text or by permission, and which are left out in silence.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    pub forbidden: Vec<String>,
    pub missing_permissions: Vec<String>,
    pub missing: Vec<String>,
}

impl Rules {
    fn leaves_out(&self, topic: &str) -> bool {
        self.missing.iter().any(|text| topic.contains(text.as_str()))
    }

    fn rejection(&self, topic: &str) -> Option<(String, Vec<String>)> {
        let needs = topics::template(topic).map_or(&[][..], |t| t.permissions);
        let missing: Vec<String> = needs
            .iter()
            .filter(|n| self.missing_permissions.iter().any(|m| m == **n))
            .map(|n| (*n).to_owned())
            .collect();
        if !missing.is_empty() {
            return Some((
                format!("Missing the following permission(s): {}", missing.join(", ")),
                missing,
            ));
        }
        let forbidden = self.forbidden.iter().any(|text| topic.contains(text.as_str()));
        forbidden.then(|| {
            (
                "Not authorized for this topic.".to_owned(),
                needs.iter().map(|n| (*n).to_owned()).collect(),
            )
        })
    }
}

impl Registry {
    /// Removes a token and its channels. Returns their sockets with the ids of the channels.
    pub(super) fn log_out(&mut self, token: &str) -> Vec<(String, Arc<Outbox>)> {
        self.tokens.remove(token);
        self.drop_channels(|c| c.token == token)
    }

    pub(super) fn log_out_all(&mut self) -> Vec<(String, Arc<Outbox>)> {
        self.tokens.clear();
        self.drop_channels(|_| true)
    }

    /// Drops every channel, as if newer channels had replaced them.
    pub(super) fn evict_all(&mut self) -> Vec<(String, Arc<Outbox>)> {
        self.evicted += self.channels.len() as u64;
        self.drop_channels(|_| true)
    }

    fn drop_channels(&mut self, which: impl Fn(&Channel) -> bool) -> Vec<(String, Arc<Outbox>)> {
        let gone: Vec<String> = self
            .channels
            .values()
            .filter(|c| which(c))
            .map(|c| c.id.clone())
            .collect();
        gone.into_iter()
            .filter_map(|id| self.drop_channel(&id).map(|socket| (id, socket)))
            .collect()
    }

    fn drop_channel(&mut self, id: &str) -> Option<Arc<Outbox>> {
        let channel = self.channels.remove(id)?;
        self.unsubscribe_all(&channel);
        channel.socket
    }

    fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }

    /// Makes a channel. Returns the socket of the channel that was evicted for it, if any.
    pub(super) fn create(
        &mut self,
        id: String,
        token: &str,
        client_id: &str,
        expires: Ms,
        max: usize,
    ) -> Option<(String, Arc<Outbox>)> {
        let mut evicted = None;
        let own = || self.channels.values().filter(|c| c.client_id == client_id);
        if own().count() >= max {
            let oldest = own()
                .min_by_key(|c| (c.socket.is_some(), c.last_used))
                .map(|c| c.id.clone());
            if let Some(oldest) = oldest {
                self.evicted += 1;
                evicted = self.drop_channel(&oldest).map(|socket| (oldest, socket));
            }
        }
        let channel = Channel {
            id: id.clone(),
            token: token.to_owned(),
            client_id: client_id.to_owned(),
            expires,
            last_used: self.next_use(),
            topics: Vec::new(),
            socket: None,
        };
        self.channels.insert(id, channel);
        evicted
    }

    pub(super) fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.channels.values()
    }

    /// The channel with this id, if it belongs to this client. Without a client (for sockets) any owner will do.
    pub(super) fn channel(&self, id: &str, client_id: Option<&str>) -> Option<&Channel> {
        self.channels
            .get(id)
            .filter(|c| client_id.is_none_or(|client| client == c.client_id))
    }

    /// Adds or replaces subscriptions.
    pub(super) fn subscribe(
        &mut self,
        id: &str,
        wanted: &[String],
        (mode, errors): (Mode, Errors),
        rules: &Rules,
        (expires, max): (Ms, usize),
    ) -> Result<Vec<TopicResult>, Refusal> {
        let channel = self.channels.get(id).ok_or(Refusal::NoChannel)?;
        let mut list = if mode == Mode::Add {
            channel.topics.clone()
        } else {
            Vec::new()
        };
        let mut known: HashSet<String> = list.iter().cloned().collect();
        let mut results = Vec::with_capacity(wanted.len());
        for topic in wanted {
            let Some(single) = topics::expand(topic) else {
                if errors == Errors::Fail {
                    return Err(Refusal::InvalidTopic(topic.clone()));
                }
                let why = "The subscription topic is not valid.".to_owned();
                results.push(TopicResult {
                    id: topic.clone(),
                    rejection: Some((why, Vec::new())),
                });
                continue;
            };
            if single.iter().all(|t| rules.leaves_out(t)) {
                continue;
            }
            let rejected: Vec<(String, (String, Vec<String>))> = single
                .iter()
                .filter_map(|t| rules.rejection(t).map(|r| (t.clone(), r)))
                .collect();
            if let (Some((first, _)), Errors::Fail) = (rejected.first(), errors) {
                return Err(Refusal::Unauthorized(first.clone()));
            }
            let whole = rejected.len() == single.len();
            if !whole && known.insert(topic.clone()) {
                list.push(topic.clone());
            }
            let combined = single.len() > 1 || single[0] != *topic;
            results.push(TopicResult {
                id: topic.clone(),
                rejection: rejected.first().filter(|_| whole).map(|(_, r)| r.clone()),
            });
            if combined && !whole {
                results.extend(
                    rejected
                        .into_iter()
                        .map(|(id, r)| TopicResult { id, rejection: Some(r) }),
                );
            }
        }
        if list.len() > max {
            return Err(Refusal::TooMany);
        }
        self.set_topics(id, list, rules);
        let used = self.next_use();
        if let Some(channel) = self.channels.get_mut(id) {
            channel.last_used = used;
            channel.expires = channel.expires.max(expires);
        }
        Ok(results)
    }

    /// Removes topics from a channel's list; all of them if `unwanted` is `None`. False if there is no such channel.
    pub(super) fn unsubscribe(&mut self, id: &str, unwanted: Option<&[String]>, rules: &Rules) -> bool {
        let Some(channel) = self.channels.get(id) else {
            return false;
        };
        let left = match unwanted {
            None => Vec::new(),
            Some(unwanted) => channel
                .topics
                .iter()
                .filter(|t| !unwanted.contains(t))
                .cloned()
                .collect(),
        };
        self.set_topics(id, left, rules);
        true
    }

    /// Removes the topics that contain a text from the channels whose ids contain another one. Returns the changed channels,
    /// each with the number of removed topics.
    pub(super) fn unsubscribe_some(&mut self, channel: &str, topic: &str, rules: &Rules) -> Vec<(String, usize)> {
        let lists = self.channels.values().filter(|c| c.id.contains(channel)).map(|c| {
            let (gone, left): (Vec<String>, Vec<String>) = c.topics.iter().cloned().partition(|t| t.contains(topic));
            (c.id.clone(), gone.len(), left)
        });
        let changed: Vec<(String, usize, Vec<String>)> = lists.filter(|(_, gone, _)| *gone > 0).collect();
        let set = |(id, gone, left): (String, usize, Vec<String>)| {
            self.set_topics(&id, left, rules);
            (id, gone)
        };
        changed.into_iter().map(set).collect()
    }

    /// Applies changed rules about topics that are left out to the existing subscriptions.
    pub(super) fn leave_out(&mut self, rules: &Rules) {
        let ids: Vec<String> = self.channels.keys().cloned().collect();
        for id in ids {
            let topics = self.channels.get(&id).map_or_else(Vec::new, |c| c.topics.clone());
            let is_kept = |t: &String| topics::expand(t).is_none_or(|all| !all.iter().all(|t| rules.leaves_out(t)));
            self.set_topics(&id, topics.into_iter().filter(is_kept).collect(), rules);
        }
    }

    fn set_topics(&mut self, id: &str, list: Vec<String>, rules: &Rules) {
        let Some(mut channel) = self.channels.remove(id) else {
            return;
        };
        self.unsubscribe_all(&channel);
        channel.topics = list;
        let is_delivered = |t: &String| rules.rejection(t).is_none() && !rules.leaves_out(t);
        for topic in single_topics(&channel).filter(is_delivered) {
            self.listeners.entry(topic).or_default().push(channel.id.clone());
        }
        self.channels.insert(id.to_owned(), channel);
    }

    fn unsubscribe_all(&mut self, channel: &Channel) {
        for topic in single_topics(channel) {
            if let Some(ids) = self.listeners.get_mut(&topic) {
                ids.retain(|id| *id != channel.id);
                if ids.is_empty() {
                    self.listeners.remove(&topic);
                }
            }
        }
    }

    /// The open sockets that are subscribed to a topic.
    pub(super) fn sockets_of(&self, topic: &str) -> Vec<Arc<Outbox>> {
        let ids = self.listeners.get(topic).map_or(&[][..], Vec::as_slice);
        ids.iter()
            .filter_map(|id| self.channels.get(id)?.socket.clone())
            .collect()
    }

    /// Topics that at least one channel is subscribed to.
    pub(super) fn topics(&self) -> impl Iterator<Item = &str> {
        self.listeners.keys().map(String::as_str)
    }

    /// Whether no channel has a subscription.
    pub(super) fn has_no_subscriptions(&self) -> bool {
        self.listeners.is_empty()
    }

    /// Sets the socket of a channel, and returns the previous one. `Err` if there is no such channel.
    pub(super) fn attach(&mut self, id: &str, socket: &Arc<Outbox>) -> Result<Option<Arc<Outbox>>, ()> {
        let used = self.next_use();
        let channel = self.channels.get_mut(id).ok_or(())?;
        channel.last_used = used;
        Ok(channel.socket.replace(Arc::clone(socket)))
    }

    pub(super) fn detach(&mut self, id: &str, socket: &Outbox) {
        let used = self.next_use();
        if let Some(channel) = self.channels.get_mut(id)
            && channel.socket.as_ref().is_some_and(|s| s.id == socket.id)
        {
            channel.socket = None;
            channel.last_used = used;
        }
    }

    /// All open sockets with their channels' ids.
    pub(super) fn sockets(&self) -> Vec<(String, Arc<Outbox>)> {
        self.channels
            .values()
            .filter_map(|c| c.socket.clone().map(|s| (c.id.clone(), s)))
            .collect()
    }

    /// Removes expired tokens and channels. Returns the sockets of the channels.
    pub(super) fn expire(&mut self, clock: &Clock) -> Vec<(String, Arc<Outbox>)> {
        let now = clock.wall();
        self.tokens.forget_expired(now);
        let dead: HashSet<String> = self
            .channels
            .values()
            .filter(|c| c.expires <= now || !self.tokens.contains(&c.token))
            .map(|c| c.id.clone())
            .collect();
        if dead.is_empty() {
            Vec::new()
        } else {
            self.drop_channels(|c| dead.contains(&c.id))
        }
    }
}

fn single_topics(channel: &Channel) -> impl Iterator<Item = String> + use<> {
    let mut seen = HashSet::new();
    let all: Vec<String> = channel
        .topics
        .iter()
        .filter_map(|id| topics::expand(id))
        .flatten()
        .collect();
    all.into_iter().filter(move |t| seen.insert(t.clone()))
}

/// The wall-clock time at which something created now ends.
pub(super) fn end_of(clock: &Clock, life: std::time::Duration) -> Ms {
    clock.wall() + millis(clock.shorten(life))
}
