//! Reads presence, routing status and activity of users, and the short bodies of detail events.
//!
//! In: `eventBody` of user and detail topics · Out: `UserFacts`, ids · Thread: any (pure).

use serde::Deserialize;

use super::super::json::{EpochMs, Field, lenient_object, read_object};
use super::super::words::UpperSnake;
use crate::event::facts::UserFacts;
use crate::{Id, Moment};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Presence {
    presence_definition: Field<PresenceDefinition>,
    /// A user has a presence for each source; only the primary one counts.
    primary: Field<bool>,
    modified_date: Field<Moment>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PresenceDefinition {
    system_presence: Field<UpperSnake>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Activity {
    presence: Field<Presence>,
    routing_status: Field<RoutingStatus>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RoutingStatus {
    status: Field<UpperSnake>,
    start_time: Field<Moment>,
}

lenient_object!(Presence, PresenceDefinition, RoutingStatus);

type Dated = Option<(Box<str>, Option<Moment>)>;

impl Presence {
    fn dated(self) -> Dated {
        if self.primary.copied() == Some(false) {
            return None;
        }
        let UpperSnake(name) = self.presence_definition.some()?.system_presence.some()?;
        Some((name, self.modified_date.some()))
    }
}

impl RoutingStatus {
    fn dated(self) -> Dated {
        let UpperSnake(name) = self.status.some()?;
        Some((name, self.start_time.some()))
    }
}

/// Reads `v2.users.{id}.presence`, whose body names no user. Also gives the count of unreadable times.
pub(super) fn read_presence(body: &str, user: &Id) -> Result<(UserFacts, u32), String> {
    let presence: Presence = read_object("eventBody", body)?;
    let wrong = presence.modified_date.unreadable();
    let facts = UserFacts {
        user: user.clone(),
        presence: presence.dated(),
        routing_status: None,
    };
    Ok((facts, wrong))
}

/// Reads `v2.users.{id}.routingStatus`, and `v2.users.{id}.activity`, which has the same field and the presence.
/// Also gives the count of unreadable times.
pub(super) fn read_activity(body: &str, user: &Id) -> Result<(UserFacts, u32), String> {
    let activity: Activity = read_object("eventBody", body)?;
    let wrong = activity.presence.as_some().map_or(0, |p| p.modified_date.unreadable())
        + activity
            .routing_status
            .as_some()
            .map_or(0, |r| r.start_time.unreadable());
    let facts = UserFacts {
        user: user.clone(),
        presence: activity.presence.some().and_then(Presence::dated),
        routing_status: activity.routing_status.some().and_then(RoutingStatus::dated),
    };
    Ok((facts, wrong))
}

/// The ids and times of a detail event.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Detail {
    pub(super) conversation_id: Field<Id>,
    pub(super) queue_id: Field<Id>,
    pub(super) user_id: Field<Id>,
    event_time: Field<EpochMs>,
    /// `v2.detail.events.agent.{id}.state` has no `eventTime`.
    current_state_start: Field<EpochMs>,
}

impl Detail {
    pub(super) fn read(body: &str) -> Result<Self, String> {
        read_object("eventBody", body)
    }

    /// How many of its times cannot be read.
    pub(super) fn unreadable(&self) -> u32 {
        self.event_time.unreadable() + self.current_state_start.unreadable()
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
