//! Reads presence, routing status and activity of users, and the short bodies of detail events.
//!
//! In: `eventBody` of user and detail topics · Out: `UserFacts`, ids · Thread: any (pure).

use super::super::json::{EpochMs, Field};
use super::super::scan::{Invalid, Object, Scanner, keys};
use super::super::words::UpperSnake;
use crate::event::facts::UserFacts;
use crate::{Id, Moment};

keys! { PresenceKey { PresenceDefinition = "presenceDefinition", Primary = "primary", ModifiedDate = "modifiedDate" } }
keys! { DefinitionKey { SystemPresence = "systemPresence" } }
keys! { ActivityKey { Presence = "presence", RoutingStatus = "routingStatus" } }
keys! { RoutingStatusKey { Status = "status", StartTime = "startTime" } }
keys! {
    DetailKey {
        ConversationId = "conversationId",
        QueueId = "queueId",
        UserId = "userId",
        EventTime = "eventTime",
        CurrentStateStart = "currentStateStart",
    }
}

#[derive(Default)]
struct Presence {
    system_presence: Option<UpperSnake>,
    /// A user has a presence for each source; only the primary one counts.
    primary: Option<bool>,
    modified_date: Field<Moment>,
}

#[derive(Default)]
struct RoutingStatus {
    status: Option<UpperSnake>,
    start_time: Field<Moment>,
}

type Dated = Option<(Box<str>, Option<Moment>)>;

impl Presence {
    fn read(scan: &mut Scanner<'_>, mut object: Object) -> Result<Self, Invalid> {
        let mut presence = Self::default();
        while let Some(key) = scan.next_key(&mut object)? {
            match key {
                PresenceKey::PresenceDefinition => {
                    presence.system_presence = scan.object_as(definition)?.some().flatten();
                }
                PresenceKey::Primary => presence.primary = scan.field()?.some(),
                PresenceKey::ModifiedDate => presence.modified_date = scan.moment()?,
            }
        }
        Ok(presence)
    }

    /// Counts a time that cannot be read, and a name that was cut.
    fn unreadable(&self) -> u32 {
        self.modified_date.unreadable() + cuts(self.system_presence.as_ref())
    }

    fn dated(self) -> Dated {
        if self.primary == Some(false) {
            return None;
        }
        Some((self.system_presence?.name, self.modified_date.some()))
    }
}

fn definition(scan: &mut Scanner<'_>, mut object: Object) -> Result<Option<UpperSnake>, Invalid> {
    let mut name = None;
    while let Some(DefinitionKey::SystemPresence) = scan.next_key(&mut object)? {
        name = scan.field()?.some();
    }
    Ok(name)
}

impl RoutingStatus {
    fn read(scan: &mut Scanner<'_>, mut object: Object) -> Result<Self, Invalid> {
        let mut routing = Self::default();
        while let Some(key) = scan.next_key(&mut object)? {
            match key {
                RoutingStatusKey::Status => routing.status = scan.field()?.some(),
                RoutingStatusKey::StartTime => routing.start_time = scan.moment()?,
            }
        }
        Ok(routing)
    }

    /// Counts a time that cannot be read, and a name that was cut.
    fn unreadable(&self) -> u32 {
        self.start_time.unreadable() + cuts(self.status.as_ref())
    }

    fn dated(self) -> Dated {
        Some((self.status?.name, self.start_time.some()))
    }
}

fn cuts(status: Option<&UpperSnake>) -> u32 {
    u32::from(status.is_some_and(|status| status.is_cut))
}

/// Reads `v2.users.{id}.presence`, whose body names no user. Also gives the count of unreadable times.
pub(super) fn read_presence(scan: &mut Scanner<'_>, user: &Id) -> Result<(UserFacts, u32), Invalid> {
    let object = scan.object()?;
    let presence = Presence::read(scan, object)?;
    let wrong = presence.unreadable();
    let facts = UserFacts {
        user: user.clone(),
        presence: presence.dated(),
        routing_status: None,
    };
    Ok((facts, wrong))
}

/// Reads `v2.users.{id}.routingStatus`, and `v2.users.{id}.activity`, which has the same field and the presence.
/// Also gives the count of unreadable times.
pub(super) fn read_activity(scan: &mut Scanner<'_>, user: &Id) -> Result<(UserFacts, u32), Invalid> {
    let mut presence = Presence::default();
    let mut routing = RoutingStatus::default();
    let mut object = scan.object()?;
    while let Some(key) = scan.next_key(&mut object)? {
        match key {
            ActivityKey::Presence => presence = scan.object_as(Presence::read)?.some().unwrap_or_default(),
            ActivityKey::RoutingStatus => routing = scan.object_as(RoutingStatus::read)?.some().unwrap_or_default(),
        }
    }
    let wrong = presence.unreadable() + routing.unreadable();
    let facts = UserFacts {
        user: user.clone(),
        presence: presence.dated(),
        routing_status: routing.dated(),
    };
    Ok((facts, wrong))
}

/// The ids and times of a detail event.
#[derive(Default)]
pub(super) struct Detail {
    pub(super) conversation_id: Option<Id>,
    pub(super) queue_id: Option<Id>,
    pub(super) user_id: Option<Id>,
    event_time: Field<EpochMs>,
    /// `v2.detail.events.agent.{id}.state` has no `eventTime`.
    current_state_start: Field<EpochMs>,
}

impl Detail {
    pub(super) fn read(scan: &mut Scanner<'_>) -> Result<Self, Invalid> {
        let mut detail = Self::default();
        let mut object = scan.object()?;
        while let Some(key) = scan.next_key(&mut object)? {
            match key {
                DetailKey::ConversationId => detail.conversation_id = scan.id()?.some(),
                DetailKey::QueueId => detail.queue_id = scan.id()?.some(),
                DetailKey::UserId => detail.user_id = scan.id()?.some(),
                DetailKey::EventTime => detail.event_time = scan.field()?,
                DetailKey::CurrentStateStart => detail.current_state_start = scan.field()?,
            }
        }
        Ok(detail)
    }

    /// How many of its times cannot be read, or are later than `trusted_until`.
    pub(super) fn unreadable(&self, trusted_until: Moment) -> u32 {
        let is_late = |time: &Field<EpochMs>| time.copied().is_some_and(|EpochMs(at)| at > trusted_until);
        let times = [&self.event_time, &self.current_state_start].into_iter();
        times.map(|time| time.unreadable() + u32::from(is_late(time))).sum()
    }

    /// The newest of the event's times that is not later than `limit`.
    pub(super) fn newest_until(&self, limit: Moment) -> Option<Moment> {
        [&self.event_time, &self.current_state_start]
            .into_iter()
            .filter_map(|field| field.copied())
            .map(|EpochMs(at)| at)
            .filter(|&at| at <= limit)
            .max()
    }
}
