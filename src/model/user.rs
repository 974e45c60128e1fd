//! Presence and routing status of the users.
//!
//! In: presence and routing status, each with or without a time · Out: `UserSnapshot` · Thread: any (pure).

use std::collections::BTreeMap;

use crate::base::inserted::Inserted as _;
use crate::base::limits::USERS as USERS_AT_MOST;
use crate::event::change::Membership;
use crate::event::facts::UserFacts;
use crate::model::snapshot::UserSnapshot;
use crate::{Id, Moment};

/// Bytes of all users, as an estimate; a user with a name of 30 letters has some 250. Each snapshot has them again, in memory
/// and as text. Memberships have a limit of their own.
const BYTES_AT_MOST: usize = 12 << 20;

/// What is known of all users.
#[derive(Debug, Default)]
pub(crate) struct Users {
    users: BTreeMap<Id, User>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct User {
    name: Option<Box<str>>,
    presence: Option<Status>,
    routing_status: Option<Status>,
    /// The queues of which the user is a member, as far as that was looked up.
    queues: Box<[Id]>,
}

#[derive(Debug)]
struct Status {
    value: Box<str>,
    /// Its own time, else when this value first arrived.
    since: Moment,
    /// The newest time of its events; older events change nothing.
    newest: Option<Moment>,
}

impl Users {
    /// Takes presence and routing status, each by its own time, else by its arrival at `now`.
    pub(crate) fn apply(&mut self, facts: &UserFacts, now: Moment) {
        self.change(&facts.user, |user| {
            set(&mut user.presence, facts.presence.as_ref(), now);
            set(&mut user.routing_status, facts.routing_status.as_ref(), now);
        });
    }

    /// Sets the name of a user, who is listed even without an event.
    pub(crate) fn set_name(&mut self, id: &Id, name: Option<&str>) {
        self.change(id, |user| user.name = name.map(Into::into));
    }

    /// Sets the queues of which each user is a member; other users are members of none.
    pub(crate) fn set_memberships(&mut self, all: Vec<Membership>) {
        let mut queues: BTreeMap<Id, Vec<Id>> = all.into_iter().map(|one| (one.user, one.queues)).inserted();
        for (id, user) in &mut self.users {
            user.queues = queues.remove(id).unwrap_or_default().into_boxed_slice();
        }
        for (id, queues) in queues {
            self.change(&id, |user| user.queues = queues.into_boxed_slice());
        }
    }

    /// All users.
    #[must_use]
    pub(crate) fn snapshot(&self) -> BTreeMap<Id, UserSnapshot> {
        let value = |status: &Option<Status>| status.as_ref().map(|status| status.value.to_string());
        let since = |status: &Option<Status>| status.as_ref().map(|status| status.since);
        let one = |user: &User| UserSnapshot {
            name: user.name.as_deref().map(str::to_owned),
            presence: value(&user.presence),
            routing_status: value(&user.routing_status),
            since: since(&user.presence).max(since(&user.routing_status)),
            queues: user.queues.to_vec(),
        };
        self.users.iter().map(|(id, user)| (id.clone(), one(user))).inserted()
    }

    /// Changes a user, a new one if there is room.
    fn change(&mut self, id: &Id, change: impl FnOnce(&mut User)) {
        let is_full = self.users.len() >= USERS_AT_MOST || self.bytes >= BYTES_AT_MOST;
        let user = match self.users.get_mut(id) {
            Some(user) => user,
            None if is_full => return,
            None => {
                self.bytes += size_of::<(Id, User)>() + id.heap_bytes();
                self.users.entry(id.clone()).or_default()
            }
        };
        let before = user.heap_bytes();
        change(user);
        self.bytes = self.bytes + user.heap_bytes() - before;
    }
}

impl User {
    fn heap_bytes(&self) -> usize {
        let of = |status: &Option<Status>| status.as_ref().map_or(0, |status| status.value.len());
        self.name.as_ref().map_or(0, |name| name.len()) + of(&self.presence) + of(&self.routing_status)
    }
}

fn set(status: &mut Option<Status>, said: Option<&(Box<str>, Option<Moment>)>, now: Moment) {
    let Some((value, own)) = said else { return };
    let known = status.as_ref();
    let newest = known.and_then(|known| known.newest);
    if own.is_some() && *own < newest {
        return;
    }
    let unchanged = known.filter(|known| known.value == *value);
    let since = own.or(unchanged.map(|known| known.since)).unwrap_or(now);
    *status = Some(Status {
        value: value.clone(),
        since,
        newest: newest.max(*own),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::at;

    fn facts(presence: Option<(&str, Option<i64>)>, routing: Option<(&str, Option<i64>)>) -> UserFacts {
        let half = |half: Option<(&str, Option<i64>)>| half.map(|(value, own)| (value.into(), own.map(at)));
        UserFacts {
            user: Id::new("u"),
            presence: half(presence),
            routing_status: half(routing),
        }
    }

    fn shown(users: &Users) -> UserSnapshot {
        users.snapshot().remove(&Id::new("u")).unwrap()
    }

    #[test]
    fn each_half_goes_by_its_own_time() {
        let mut users = Users::default();
        users.apply(&facts(Some(("AVAILABLE", Some(10))), Some(("IDLE", Some(30)))), at(31));
        users.apply(&facts(Some(("BUSY", Some(20))), Some(("OFF_QUEUE", Some(29)))), at(32));
        let user = shown(&users);
        assert_eq!(user.presence.as_deref(), Some("BUSY"));
        assert_eq!(user.routing_status.as_deref(), Some("IDLE"));
        assert_eq!(user.since, Some(at(30)));
        users.apply(&facts(None, Some(("INTERACTING", Some(30)))), at(33));
        assert_eq!(
            shown(&users).routing_status.as_deref(),
            Some("INTERACTING"),
            "equal time: arrival"
        );
    }

    #[test]
    fn memberships_replace_those_before() {
        let id = Id::new;
        let mut users = Users::default();
        users.apply(&facts(Some(("AVAILABLE", Some(10))), None), at(10));
        let of = |user: &str, queues: &[&str]| Membership {
            user: id(user),
            queues: queues.iter().map(|queue| id(queue)).collect(),
        };
        users.set_memberships(vec![of("u", &["Q", "R"]), of("v", &["R"])]);
        let queues = |users: &Users| Vec::from_iter(users.snapshot().into_values().map(|user| user.queues));
        assert_eq!(queues(&users), [vec![id("Q"), id("R")], vec![id("R")]]);
        users.set_memberships(vec![of("v", &["Q"])]);
        assert_eq!(queues(&users), [vec![], vec![id("Q")]]);
        assert_eq!(shown(&users).presence.as_deref(), Some("AVAILABLE"));
    }

    #[test]
    fn without_a_time_arrival_decides_and_old_times_still_change_nothing() {
        let mut users = Users::default();
        users.apply(&facts(Some(("AVAILABLE", Some(10))), None), at(10));
        users.apply(&facts(Some(("MEAL", None)), None), at(50));
        assert_eq!(shown(&users).presence.as_deref(), Some("MEAL"));
        assert_eq!(shown(&users).since, Some(at(50)));
        users.apply(&facts(Some(("MEAL", None)), None), at(60));
        assert_eq!(shown(&users).since, Some(at(50)), "nothing changed");
        users.apply(&facts(Some(("BREAK", Some(9))), None), at(70));
        assert_eq!(shown(&users).presence.as_deref(), Some("MEAL"));
        users.apply(&facts(Some(("BREAK", Some(40))), None), at(80));
        assert_eq!(shown(&users).presence.as_deref(), Some("BREAK"));
        assert_eq!(shown(&users).since, Some(at(40)));
    }

    #[test]
    fn users_are_bounded_in_bytes() {
        let mut users = Users::default();
        let long = "S".repeat(128);
        for n in 0..USERS_AT_MOST {
            let mut told = facts(Some((&long, None)), Some((&long, None)));
            told.user = Id::new(&format!("{n:0256}"));
            users.apply(&told, at(n as i64));
        }
        assert!(users.bytes < BYTES_AT_MOST + 1_000 && users.users.len() < USERS_AT_MOST);
        let known = Id::new(&format!("{:0256}", 0));
        users.set_name(&known, Some("still told"));
        assert_eq!(users.snapshot()[&known].name.as_deref(), Some("still told"));
    }

    #[test]
    fn a_name_lists_a_user_of_whom_nothing_is_known() {
        let mut users = Users::default();
        users.set_name(&Id::new("u"), Some("Example Agent"));
        let user = shown(&users);
        assert_eq!(user.name.as_deref(), Some("Example Agent"));
        assert_eq!((user.presence, user.routing_status, user.since), (None, None, None));
    }
}
