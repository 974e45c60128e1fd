//! The steps from nothing to a ticket: token, verification, listing, plan, channel, subscription.
//!
//! In: configuration, REST answers · Out: a `Plan`, a `Ticket` · Thread: the supervisor's; each call has its own limit
//! and ends at once when the run is stopped.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Supervisor;
use super::channels::{HeldChannel, Making};
use super::choose;
use super::policy::Renew;
use crate::config::Protocol;
use crate::event::change::Change;
use crate::output::recording::{Line, State};
use crate::protocol::Options;
use crate::protocol::metrics::payload;
use crate::protocol::opening::{ChannelSocket, Opening};
use crate::protocol::topic_plan::{self, TopicPlan, TopicQueues, Wish};
use crate::protocol::verification;
use crate::reader::Ticket;
use crate::rest::channels::{self, Channel};
use crate::rest::lookup::Queue;
use crate::rest::oauth::{self, Token};
use crate::rest::{Purpose, analytics};
use crate::{Error, ErrorKind, Id, Moment, Secret};

/// What is subscribed, in ids.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// Queues of the plan; `None` = whatever comes (no listing was asked for).
    pub(super) queues: Option<Vec<Id>>,
    /// Topics, one list a channel; one empty list in the other protocols.
    pub(super) topics: TopicPlan,
}

/// A token and when to replace it.
#[derive(Clone, Debug)]
pub(super) struct HeldToken {
    pub(super) secret: Secret,
    pub(super) expires_at: Moment,
    /// When it is to be replaced.
    pub(super) refresh_due: Instant,
    /// When it is no use to start anything with it.
    pub(super) ends: Instant,
}

impl HeldToken {
    fn new(token: Token, refresh_before: Duration, now: Instant) -> Self {
        // Rounded to the safe side by the fifth of its life at most.
        let before = refresh_before.min(token.life / 5);
        Self {
            secret: token.secret,
            expires_at: token.expires_at,
            refresh_due: now + token.life.saturating_sub(before),
            ends: now + token.life,
        }
    }
}

impl Supervisor {
    /// A token that is good for some time yet; asks for one where there is none.
    pub(super) fn token(&mut self) -> Result<Secret, Error> {
        if let Some(held) = &self.token
            && Instant::now() < held.ends
        {
            return Ok(held.secret.clone());
        }
        self.fresh_token()
    }

    /// Asks for a new token, whatever there is.
    pub(super) fn fresh_token(&mut self) -> Result<Secret, Error> {
        let asked = Instant::now();
        let token =
            oauth::token(&self.rest, &self.config.client_id, &self.config.client_secret).inspect_err(|error| {
                // Refused credentials are not a refused token: asking once more helps nobody.
                self.token_is_second_try |= error.kind() == ErrorKind::Credentials;
            })?;
        log::info!("token: valid for {} s", token.life.as_secs());
        self.audit_token(&token);
        let held = HeldToken::new(token, self.config.token_refresh_before, asked);
        let secret = held.secret.clone();
        self.control(Change::Token {
            expires_at: held.expires_at,
        });
        if let Some(repair) = &self.repair {
            repair.set_token(secret.clone());
        }
        self.token = Some(held);
        self.token_number += 1;
        Ok(secret)
    }

    /// From nothing to a plan: token, for `metrics` the proof of data, the listing where one is needed.
    pub(super) fn prepare(&mut self) -> Result<Plan, Error> {
        let token = self.token()?;
        let plan = self.plan(&token)?;
        if self.config.protocol == Protocol::Metrics && self.config.verify && !self.verified {
            self.verify(&token, plan.queues.as_deref())?;
            self.verified = true;
        }
        Ok(plan)
    }

    /// Reads the listing and plans the topics.
    pub(super) fn plan(&mut self, token: &Secret) -> Result<Plan, Error> {
        let choice = choose::queues(&self.config, &self.rest, token)?;
        if let Some(error) = &choice.unnamed {
            log::warn!("queues go without their names: {error}");
        }
        let queues = choice.ids();
        match choice.queues {
            Some(chosen) => self.tell_queues(chosen, &choice.listing),
            None => self.control(Change::AnyQueue {}),
        }
        if self.config.protocol != Protocol::Notifications {
            return Ok(Plan {
                queues,
                topics: TopicPlan {
                    channels: vec![Vec::new()],
                },
            });
        }
        let queues = queues.unwrap_or_default();
        let users = self.plan_users(token, &queues)?;
        let wish = Wish {
            queues: &queues,
            users: &users,
            topics: &self.config.subscribe.topics,
        };
        let before = self.plan.as_ref().map(|plan| plan.topics.clone()).unwrap_or_default();
        let topics = TopicPlan::new(&wish, &before)?;
        if let Some(repair) = &mut self.repair {
            repair.set_queues(TopicQueues::of(&wish));
        }
        Ok(Plan {
            queues: Some(queues),
            topics,
        })
    }

    /// The chosen queues, and those that a free topic names.
    fn tell_queues(&self, mut chosen: Vec<Queue>, listing: &[Queue]) {
        let named = TopicQueues::of(&Wish {
            topics: &self.config.subscribe.topics,
            ..Wish::default()
        });
        for id in named.conversations.into_iter().chain(named.statistics) {
            if chosen.iter().all(|queue| queue.id != id) {
                let listed = listing.iter().find(|queue| queue.id == id).cloned();
                chosen.extend(listed.map_or_else(|| choose::unnamed([id]), |queue| vec![queue]));
            }
        }
        self.control(Change::Queues(chosen));
    }

    fn plan_users(&mut self, token: &Secret, queues: &[Id]) -> Result<Vec<Id>, Error> {
        let users = choose::users(&self.config, &self.rest, token, queues)?;
        if let Some(error) = &users.unnamed {
            log::warn!("users go without their names: {error}");
        }
        let ids = users.names.keys().cloned().collect();
        if !users.names.is_empty() {
            self.control(Change::Users(users.names));
        }
        Ok(ids)
    }

    /// `metrics`: proves that data is available before the socket is opened.
    fn verify(&mut self, token: &Secret, queues: Option<&[Id]>) -> Result<(), Error> {
        let payload = payload(&self.config.subscribe.metrics, queues);
        let query = verification::query(&payload, Moment::now())?;
        let answer = analytics::conversation_details(&self.rest, token, &query, Purpose::Essential).map_err(
            |error| match error.status() {
                // The payload is the user's: with it as it is, no attempt can succeed.
                Some(400) => error.with_kind(ErrorKind::Configuration),
                _ => error,
            },
        )?;
        if answer.conversations > 0 {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::NoData,
            "verifying the metrics with POST /api/v2/analytics/conversations/details/query",
            "no conversations in the widest time window: check the time windows and filters, or go on with --no-verify",
        ))
    }

    /// Everything a reader needs for line `at`.
    pub(super) fn ticket(&mut self, at: usize, renew: (Renew, Making)) -> Result<(Ticket, Option<HeldChannel>), Error> {
        let token = self.token()?;
        let number = self.next_connection;
        let options = Options {
            connection: number,
            bodies: self.keep_body,
            hasher: self.hasher.clone(),
        };
        let held = match self.config.protocol {
            Protocol::Notifications => Some(self.channel(at, renew, &token)?),
            Protocol::Events | Protocol::Metrics => None,
        };
        let queues = self.plan.as_ref().and_then(|plan| plan.queues.as_deref());
        let channel = held.as_ref().map(|held| ChannelSocket {
            id: held.channel.id.clone(),
            connect_uri: held.channel.connect_uri.clone(),
        });
        let opening = Opening::new(&self.config, queues, channel)?;
        self.next_connection += 1;
        self.journal.record(|| {
            let queues = self.plan.as_ref().and_then(|plan| plan.queues.clone());
            let event_types = self.config.subscribe.event_types.clone();
            let queues = queues.unwrap_or_default();
            Line::state(Moment::now(), Some(number), State::Opening { event_types, queues })
        });
        let ticket = Ticket {
            connection: number,
            url: opening.address(&self.config.hosts.api, &token),
            bearer: opening.bearer(&token),
            machine: opening.machine(options),
            heartbeat: self.config.heartbeat,
            buffer: self.buffer.clone(),
            notices: self.notices.clone(),
            telemetry: self.telemetry.clone(),
            net: self.net.clone(),
            journal: self.journal.clone(),
            hidden: held.as_ref().map(|held| held.channel.id.clone()),
        };
        Ok((ticket, held))
    }

    pub(super) fn subscribe(
        &mut self,
        at: usize,
        channel: &Channel,
        topics: &[String],
        token: &Secret,
    ) -> Result<(), Error> {
        let answer = channels::subscribe(&self.rest, token, &channel.id, topics)?;
        let verdict = topic_plan::read_answer(topics, &answer);
        let mut refused = BTreeMap::new();
        for rejected in &verdict.rejected {
            log::warn!("topic {} refused: {}", rejected.topic, rejected.why());
            refused.insert(rejected.topic.clone(), rejected.why());
        }
        self.audit_subscription(at, topics.len(), &refused);
        for topic in &verdict.unknown {
            log::warn!("topic {topic}: the service did not say whether it is subscribed");
        }
        if !topics.is_empty() && verdict.permitted.is_empty() && verdict.unknown.is_empty() {
            let why = verdict
                .rejected
                .first()
                .map(|rejected| rejected.why())
                .unwrap_or_default();
            return Err(Error::new(
                ErrorKind::Credentials,
                "subscribing",
                format!(
                    "all {} topics were refused: {why}. Give the OAuth client a role with these permissions",
                    verdict.rejected.len()
                ),
            )
            .with_status(403));
        }
        self.control(Change::Refused {
            line: at,
            topics: refused,
        });
        Ok(())
    }
}
