//! Plans which topics are subscribed on which channels.
//!
//! In: queue ids, user ids, configured topics, the previous plan · Out: `TopicPlan` · Thread: any (pure).
//!
//! An *id* is an entry of a subscription list: one topic, or several combined (`v2.users.{id}?presence&routingStatus`).
//! Events always carry the name of the single topic. Configured topics are combined if one channel cannot hold all.
//!
//! Ids fill the first channel, then the second, and so on; up to 1000 ids need one channel. A new plan keeps every id of the
//! previous plan on its channel, removes ids that are no longer wanted, and puts new ids on the first channel with room, so
//! that a new or removed queue moves no other topic.

mod answer;

use std::collections::{HashMap, HashSet};

use crate::{Error, ErrorKind, Id};

#[cfg(feature = "cli")]
pub use answer::Answer;
pub use answer::{Entity, missing, read_answer};

/// The most ids on one channel (Genesys' limit, seen 2026-08).
pub const MAX_IDS_PER_CHANNEL: usize = 1000;

/// The most channels of one process. Genesys allows 20 for an OAuth client; two stay free, so that a new channel can be
/// subscribed before the old one is closed.
pub const MAX_CHANNELS: usize = 18;

/// The most characters of an id: Genesys' own client refuses 200 and more.
const MAX_ID_CHARS: usize = 199;

/// The queues, users and topics to subscribe.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish<'a> {
    /// For each, its conversations and its observations are subscribed.
    pub queues: &'a [Id],
    /// For each, presence and routing status are subscribed.
    pub users: &'a [Id],
    /// Topics as the user configured them, single or combined.
    pub topics: &'a [String],
}

/// The ids of each channel, in the order of subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicPlan {
    /// One list for each channel. A list may be empty if all its ids were removed while a later channel still has some.
    pub channels: Vec<Vec<String>>,
}

/// Ids that belong on the same channel, because a gap of one makes the numbers of the other incomplete too.
type Group = Vec<String>;

impl TopicPlan {
    /// Makes a plan; `before` is the current plan, or an empty one.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if an id is too long, or there are more ids than 18 channels can hold.
    pub fn new(wish: &Wish<'_>, before: &Self) -> Result<Self, Error> {
        let groups = groups(wish)?;
        let total: usize = groups.iter().map(Vec::len).sum();
        let most = MAX_CHANNELS * MAX_IDS_PER_CHANNEL;
        if total > most {
            return Err(Error::new(
                ErrorKind::Configuration,
                "planning the subscription",
                format!(
                    "{total} topics are more than the {most} that {MAX_CHANNELS} channels hold: {} would not be subscribed, the \
                     first of them {:?}; name fewer queues, users or topics",
                    total - most,
                    groups.iter().flatten().nth(most).map_or("", String::as_str)
                ),
            ));
        }
        let wanted: HashSet<&String> = groups.iter().flatten().collect();
        let mut channels: Vec<Vec<String>> = before
            .channels
            .iter()
            .map(|ids| ids.iter().filter(|id| wanted.contains(id)).cloned().collect())
            .collect();
        let placed: HashSet<String> = channels.iter().flatten().cloned().collect();
        // Channels only become fuller, so the search for one with room can go on where it ended.
        let mut first_with_room = 0;
        for group in groups {
            let mut missing: Vec<String> = group.into_iter().filter(|id| !placed.contains(id)).collect();
            while !missing.is_empty() {
                let room = |ids: &Vec<String>| MAX_IDS_PER_CHANNEL.saturating_sub(ids.len());
                while channels.get(first_with_room).is_some_and(|ids| room(ids) == 0) {
                    first_with_room += 1;
                }
                let open = channels.get(first_with_room..).unwrap_or_default();
                let whole = open.iter().position(|ids| room(ids) >= missing.len());
                if whole.is_none() && channels.len() < MAX_CHANNELS {
                    channels.push(Vec::new());
                    continue;
                }
                // If all channels are in use and none has room for the whole group, the group is divided.
                // One has room for some ids, because the total was checked.
                let Some(ids) = channels.get_mut(first_with_room + whole.unwrap_or(0)) else {
                    break;
                };
                let take = room(ids).min(missing.len());
                ids.extend(missing.drain(..take));
            }
        }
        while channels.last().is_some_and(Vec::is_empty) {
            channels.pop();
        }
        Ok(Self { channels })
    }

    /// All ids, channel after channel.
    #[cfg(test)]
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.channels.iter().flatten().map(String::as_str)
    }

    /// For each id, the index of its channel.
    #[cfg(test)]
    pub fn channel_of(&self) -> HashMap<&str, usize> {
        let numbered = self.channels.iter().enumerate();
        numbered
            .flat_map(|(at, ids)| ids.iter().map(move |id| (id.as_str(), at)))
            .collect()
    }
}

/// The groups of ids; each single topic is in one of them only.
fn groups(wish: &Wish<'_>) -> Result<Vec<Group>, Error> {
    let mut taken = HashSet::new();
    let mut groups = Vec::new();
    for user in wish.users {
        let mut kept: Vec<&str> = Vec::with_capacity(2);
        for last in ["presence", "routingStatus"] {
            if taken.insert(format!("v2.users.{user}.{last}")) {
                kept.push(last);
            }
        }
        groups.extend(
            combine(&format!("v2.users.{user}"), &kept)
                .into_iter()
                .map(|id| vec![id]),
        );
    }
    for queue in wish.queues {
        let group: Group = queue_topics(queue)
            .into_iter()
            .filter(|topic| taken.insert(topic.clone()))
            .collect();
        groups.push(group);
    }
    let mut free: Vec<Group> = Vec::new();
    for topic in wish.topics {
        let singles = expand(topic);
        let new: Vec<String> = singles
            .iter()
            .filter(|single| !is_system_topic(single) && taken.insert((*single).clone()))
            .cloned()
            .collect();
        if new.len() == singles.len() {
            free.push(vec![topic.trim().to_owned()]);
        } else if let Some((prefix, _)) = topic.trim().split_once('?') {
            // Some of its topics are subscribed already: only the others are added.
            let lasts: Vec<&str> = new
                .iter()
                .filter_map(|single| single.strip_prefix(prefix)?.strip_prefix('.'))
                .collect();
            free.extend(combine(prefix, &lasts).into_iter().map(|id| vec![id]));
        }
    }
    if groups.iter().chain(&free).map(Vec::len).sum::<usize>() > MAX_IDS_PER_CHANNEL {
        free = combined(&free);
    }
    groups.extend(free);
    groups.retain(|group| !group.is_empty());
    match groups
        .iter()
        .flatten()
        .find(|id| id.is_empty() || id.chars().count() > MAX_ID_CHARS)
    {
        None => Ok(groups),
        Some(id) if id.is_empty() => Err(Error::new(
            ErrorKind::Configuration,
            "planning the subscription",
            "a topic is empty",
        )),
        Some(id) => Err(Error::new(
            ErrorKind::Configuration,
            "planning the subscription",
            format!(
                "the topic {id:?} has {} characters, at most {MAX_ID_CHARS} are allowed",
                id.chars().count()
            ),
        )),
    }
}

/// The same topics in as few ids as possible, in the order of their first topics.
fn combined(free: &[Group]) -> Vec<Group> {
    let mut order: Vec<String> = Vec::new();
    let mut lasts_of: HashMap<String, Vec<String>> = HashMap::new();
    for single in free.iter().flatten().flat_map(|id| expand(id)) {
        // A topic without a dot cannot be combined.
        let (prefix, last) = single.rsplit_once('.').unwrap_or((&single, ""));
        let lasts = lasts_of.entry(prefix.to_owned()).or_insert_with(|| {
            order.push(prefix.to_owned());
            Vec::new()
        });
        lasts.push(last.to_owned());
    }
    let ids = order.iter().flat_map(|prefix| {
        let lasts: Vec<&str> = lasts_of[prefix].iter().map(String::as_str).collect();
        match lasts.as_slice() {
            [""] => vec![prefix.clone()],
            _ => combine(prefix, &lasts),
        }
    });
    ids.map(|id| vec![id]).collect()
}

/// The queues of the subscribed topics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicQueues {
    /// Queues whose conversations are subscribed, with one medium or all.
    pub conversations: Vec<Id>,
    /// Queues whose statistics are subscribed.
    pub statistics: Vec<Id>,
}

impl TopicQueues {
    /// The queues of `wish` and those that its topics name, each once.
    #[must_use]
    pub fn of(wish: &Wish<'_>) -> Self {
        let mut found = Self {
            conversations: wish.queues.to_vec(),
            statistics: wish.queues.to_vec(),
        };
        for topic in wish.topics.iter().flat_map(|topic| expand(topic)) {
            let of_conversations = topic.strip_prefix("v2.routing.queues.");
            let Some((queue, what)) = of_conversations
                .or_else(|| topic.strip_prefix("v2.analytics.queues."))
                .and_then(|rest| rest.split_once('.'))
            else {
                continue;
            };
            let carries = |what: &str| what == "conversations" || what.starts_with("conversations.");
            let list = match of_conversations {
                Some(_) if carries(what) => &mut found.conversations,
                Some(_) => continue,
                None => &mut found.statistics,
            };
            let queue = Id::new(queue);
            if !list.contains(&queue) {
                list.push(queue);
            }
        }
        found
    }
}

/// The topics of one queue. They share no prefix, so they cannot be combined.
#[must_use]
pub fn queue_topics(queue: &Id) -> [String; 2] {
    [
        format!("v2.routing.queues.{queue}.conversations"),
        format!("v2.analytics.queues.{queue}.observations"),
    ]
}

/// Whether this is a system topic. They are delivered without a subscription, and must not be in a subscription list
/// (Genesys' SDKs leave them out too).
fn is_system_topic(topic: &str) -> bool {
    topic == "channel.metadata" || topic.starts_with("v2.system.")
}

/// Combines topics that differ in their last segment only into as few ids as the limit on their length allows.
#[must_use]
pub fn combine(prefix: &str, lasts: &[&str]) -> Vec<String> {
    let mut ids: Vec<(String, usize)> = Vec::new();
    for last in lasts {
        match ids.last_mut() {
            Some((id, count)) if id.chars().count() + 1 + last.chars().count() <= MAX_ID_CHARS => {
                id.push('&');
                id.push_str(last);
                *count += 1;
            }
            _ => ids.push((format!("{prefix}?{last}"), 1)),
        }
    }
    ids.into_iter()
        .map(|(id, count)| if count == 1 { id.replacen('?', ".", 1) } else { id })
        .collect()
}

/// The single topics of an id: `v2.users.U?presence&station` gives `v2.users.U.presence` and `v2.users.U.station`.
#[must_use]
pub fn expand(id: &str) -> Vec<String> {
    let id = id.trim();
    match id.split_once('?') {
        None => vec![id.to_owned()],
        Some((prefix, lasts)) => lasts.split('&').map(|last| format!("{prefix}.{last}")).collect(),
    }
}

#[cfg(test)]
mod tests;
