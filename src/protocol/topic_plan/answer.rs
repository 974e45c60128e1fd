//! Reads the service's answer to a subscription, topic by topic.
//!
//! In: requested ids, the entities of the answer · Out: `Answer` · Thread: any (pure).

use crate::base::scrub::line_of_peer;
use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Deserializer};

use super::expand;

/// One entry of the answer's `entities`. `null` counts as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Entity {
    /// A topic, single or combined.
    #[serde(deserialize_with = "null_is_default")]
    pub id: String,
    /// `Permitted` or `Rejected`.
    #[serde(deserialize_with = "null_is_default")]
    pub state: String,
    /// Why it was rejected.
    pub rejection_reason: Option<String>,
    /// The permissions that it needs.
    #[serde(deserialize_with = "null_is_default")]
    pub missing_permissions: Vec<String>,
}

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A topic that the service refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The single topic.
    pub topic: String,
    /// The service's reason.
    pub reason: Option<String>,
    /// The permissions that it needs.
    pub missing_permissions: Vec<String>,
}

impl Rejected {
    /// The missing permissions, else the reason.
    #[must_use]
    pub fn short(&self) -> String {
        match self.missing_permissions.as_slice() {
            [] => self.reason.clone().unwrap_or_else(|| "no reason given".to_owned()),
            missing => missing.join(", "),
        }
    }

    /// The reason and the missing permissions in one line.
    #[must_use]
    pub fn why(&self) -> String {
        let reason = self.reason.as_deref().unwrap_or("no reason given");
        match self.missing_permissions.as_slice() {
            [] => reason.to_owned(),
            missing => format!("{reason} (missing: {})", missing.join(", ")),
        }
    }
}

/// The single topics of a request by their result, in the order of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Topics that are subscribed.
    pub permitted: Vec<String>,
    /// Topics that the service refused.
    pub rejected: Vec<Rejected>,
    /// Topics that the answer does not mention, or with another state.
    pub unknown: Vec<String>,
}

/// Reads the answer to a subscription of `requested` ids.
///
/// An entry for a single topic counts more than one for a combined id that contains it: a combined id may be `Permitted`
/// although there is a `Rejected` entry for one of its topics. Of two entries of the same kind the rejection counts.
#[must_use]
pub fn read_answer<S: AsRef<str>>(requested: &[S], entities: &[Entity]) -> Answer {
    let mut exact: HashMap<String, &Entity> = HashMap::new();
    let mut combined: HashMap<String, &Entity> = HashMap::new();
    for entity in entities {
        let said = if entity.id.contains('?') {
            &mut combined
        } else {
            &mut exact
        };
        for topic in expand(&entity.id) {
            let kept = said.entry(topic).or_insert(entity);
            if is(entity, "rejected") {
                *kept = entity;
            }
        }
    }
    let mut answer = Answer::default();
    for topic in requested.iter().flat_map(|id| expand(id.as_ref())) {
        match exact.get(&topic).or_else(|| combined.get(&topic)) {
            Some(entity) if is(entity, "permitted") => answer.permitted.push(topic),
            Some(entity) if is(entity, "rejected") => answer.rejected.push(Rejected {
                topic,
                reason: entity.rejection_reason.as_deref().map(line_of_peer),
                missing_permissions: entity
                    .missing_permissions
                    .iter()
                    .map(|name| line_of_peer(name))
                    .collect(),
            }),
            _ => answer.unknown.push(topic),
        }
    }
    answer
}

/// The single topics of `expected` that a list which was read back does not hold. Letter case does not count.
#[must_use]
pub fn missing(expected: &[String], listed: &[Entity]) -> Vec<String> {
    let is_there = |entity: &&Entity| !is(entity, "rejected");
    let there = listed.iter().filter(is_there).flat_map(|entity| expand(&entity.id));
    let there: HashSet<String> = there.map(|topic| topic.to_ascii_lowercase()).collect();
    let is_missing = |topic: &&String| !there.contains(&topic.to_ascii_lowercase());
    expected.iter().filter(is_missing).cloned().collect()
}

fn is(entity: &Entity, state: &str) -> bool {
    entity.state.eq_ignore_ascii_case(state)
}
