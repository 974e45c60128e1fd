//! Which queues and users a configuration means: names become ids, through the listing where one is needed.
//!
//! In: configuration, a token, REST answers · Out: queues, users · Thread: the caller's; each
//! call has its own limit.

use std::collections::BTreeMap;

use crate::base::limits::{MEMBERSHIP_BYTES, USERS};
use crate::config::{Config, Protocol};
use crate::rest::RestClient;
use crate::rest::lookup::{self, Queue};
use crate::{Error, ErrorKind, Id, Secret};

/// The chosen queues.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    /// `None` = all queues, where the protocol needs no ids for that.
    pub(crate) queues: Option<Vec<Queue>>,
    /// All that the client sees; empty where the listing was not read.
    pub(crate) listing: Vec<Queue>,
    /// Whether the listing was read.
    pub(crate) listed: bool,
    /// The listing was read, and the client sees no queue at all. That makes no name unknown: it may be given a role later.
    pub(crate) sees_none: bool,
    /// Names were to be looked up in a listing without any queue: they are not known yet.
    pub(crate) is_unresolved: bool,
    /// Queues that were known before and that the listing does not contain any more.
    pub(crate) gone: Vec<Id>,
    /// How much of the listing could not be read, or is over a limit.
    pub(crate) unreadable: u32,
    /// Why the queues go without their names, where the listing failed and was not needed.
    pub(crate) unnamed: Option<Error>,
}

impl Choice {
    /// Their ids.
    pub(crate) fn ids(&self) -> Option<Vec<Id>> {
        let queues = self.queues.as_ref()?;
        Some(queues.iter().map(|queue| queue.id.clone()).collect())
    }
}

/// Reads the listing where names or all queues are wanted. `known` are those that were chosen before by name or id.
///
/// # Errors
/// Those of the listing where it is needed; [`ErrorKind::Configuration`] for unknown ids, unknown and ambiguous names.
pub(crate) fn queues(config: &Config, rest: &RestClient, token: &Secret, known: &[Queue]) -> Result<Choice, Error> {
    let subscribe = &config.subscribe;
    let named: Vec<String> = subscribe
        .queues
        .iter()
        .filter(|queue| *queue != "all")
        .cloned()
        .collect();
    let all = subscribe.all_queues();
    let only_ids = named.iter().all(|name| lookup::is_uuid(name));
    let notifications = config.protocol == Protocol::Notifications;
    let without_listing = || match known {
        [] if only_ids => unnamed(named.iter().map(|name| Id::new(name))),
        known => known.to_vec(),
    };
    let mut choice = Choice {
        queues: (!all || notifications).then(without_listing),
        ..Choice::default()
    };
    // The tutorials' sockets take ids; only names need the listing there, and "all" is no filter.
    let wants_listing = if notifications {
        all || !named.is_empty()
    } else {
        !all && !only_ids
    };
    if !wants_listing {
        return Ok(choice);
    }
    match lookup::queues(rest, token) {
        Ok(lookup::Listed {
            all: listing,
            unreadable,
            ..
        }) => {
            choice.listed = true;
            choice.unreadable = unreadable;
            choice.sees_none = listing.is_empty();
            if all {
                choice.queues = Some(listing.clone());
            } else if listing.is_empty() {
                choice.is_unresolved = known.is_empty() && !only_ids;
            } else if known.is_empty() {
                choice.queues = Some(lookup::resolve(&named, &listing)?);
            } else {
                let listed = |queue: &Queue| listing.iter().find(|listed| listed.id == queue.id);
                let gone = known.iter().filter(|queue| listed(queue).is_none());
                choice.gone = gone.map(|queue| queue.id.clone()).collect();
                let now = known.iter().map(|queue| listed(queue).unwrap_or(queue).clone());
                choice.queues = Some(now.collect());
            }
            choice.listing = listing;
            Ok(choice)
        }
        // The listing would only add names to the ids; the stream works without.
        Err(error) if !all && only_ids && error.kind() != ErrorKind::Stopped && error.status() != Some(401) => {
            choice.unnamed = Some(error);
            Ok(choice)
        }
        Err(error) => Err(error),
    }
}

/// The chosen users.
#[derive(Debug, Default)]
pub(crate) struct Users {
    /// With their names, as far as they are known.
    pub(crate) names: BTreeMap<Id, Option<String>>,
    /// The queues of each of them, where the members of queues are meant.
    pub(crate) queues: Option<BTreeMap<Id, Vec<Id>>>,
    /// How much of the listings could not be read, or is over a limit.
    pub(crate) unreadable: u32,
    /// Why some go without.
    pub(crate) unnamed: Option<Error>,
}

/// Looks for the users: members of the queues where they are meant, and the names of the others.
///
/// # Errors
/// Those of the member listing.
pub(crate) fn users(config: &Config, rest: &RestClient, token: &Secret, queues: &[Id]) -> Result<Users, Error> {
    let mut users = Users::default();
    for user in &config.subscribe.users {
        if user == "queue-members" {
            let of_users = users.queues.get_or_insert_default();
            let mut bytes = 0;
            for queue in queues {
                let members = lookup::queue_members(rest, token, queue)?;
                users.unreadable = users.unreadable.saturating_add(members.unreadable);
                for member in members.all {
                    let is_known = users.names.contains_key(&member.id);
                    let more = bytes + size_of::<Id>() + queue.heap_bytes();
                    let has_room = more <= MEMBERSHIP_BYTES;
                    let is_taken = is_known || users.names.len() < USERS;
                    if !has_room || !is_taken {
                        users.unreadable = users.unreadable.saturating_add(1);
                    }
                    if !is_taken {
                        continue;
                    }
                    if has_room {
                        bytes = more;
                        of_users.entry(member.id.clone()).or_default().push(queue.clone());
                    }
                    users.names.insert(member.id, member.name);
                }
            }
        } else {
            users.names.entry(Id::new(user)).or_default();
        }
    }
    let unnamed: Vec<Id> = users
        .names
        .iter()
        .filter(|(_, name)| name.is_none())
        .map(|(user, _)| user.clone())
        .collect();
    if !unnamed.is_empty() {
        match lookup::users(rest, token, &unnamed) {
            Ok(found) => {
                users.unreadable = users.unreadable.saturating_add(found.unreadable);
                let found = found.all.into_iter();
                users.names.extend(found.map(|user| (user.id, user.name)));
            }
            Err(error) if error.kind() == ErrorKind::Stopped => return Err(error),
            Err(error) => users.unnamed = Some(error),
        }
    }
    Ok(users)
}

/// Queues of which only the ids are known.
pub(crate) fn unnamed(ids: impl IntoIterator<Item = Id>) -> Vec<Queue> {
    ids.into_iter()
        .map(|id| Queue {
            id,
            name: None,
            service_levels: Vec::new(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::net::scripted::{Reply, Server};
    use crate::net::{Cancel, Net};
    use crate::rest::Limits;

    /// A service that lists ever new members for each queue; the same ones where its id is long.
    #[test]
    fn members_are_bounded_in_bytes_and_in_number() {
        let server = Server::http(|asked| {
            let queue = asked.line.split('/').nth(5).unwrap_or_default().to_owned();
            let queue = if queue.len() > 100 { "same".to_owned() } else { queue };
            let page = (0..100).map(|n| format!(r#"{{"id":"{queue}-{n}"}}"#));
            Reply::json(
                200,
                &format!(r#"{{"entities":[{}],"pageCount":1}}"#, Vec::from_iter(page).join(",")),
            )
        });
        let config = Config::builder()
            .region(format!("http://{}", server.address))
            .client_id("c");
        let config = config
            .client_secret(Secret::new("s"))
            .queue("all")
            .user("queue-members");
        let config = config
            .json("f", r#"{"rest":{"max_requests_per_min":100000}}"#)
            .build()
            .unwrap();
        let net = Arc::new(Net::new(&config).unwrap());
        let client = RestClient::new(config.hosts.clone(), net, Cancel::new(), Limits::new(&config));
        let queues = |count: usize, letters: usize| {
            Vec::from_iter((0..count).map(|n| Id::new(&format!("{}{n:04}", "q".repeat(letters)))))
        };
        let found = users(&config, &client, &Secret::new("t"), &queues(210, 4)).unwrap();
        assert_eq!((found.names.len(), found.unreadable), (USERS, 1_000));
        let found = users(&config, &client, &Secret::new("t"), &queues(250, 250)).unwrap();
        let memberships: usize = found.queues.unwrap().values().map(Vec::len).sum();
        assert_eq!(
            (found.names.len(), memberships + found.unreadable as usize),
            (100, 25_000)
        );
        assert!((6_500..7_500).contains(&memberships), "{memberships}");
    }
}
