//! The steps that ask the service: token, queues, users, permissions, metrics, backfill.
//!
//! In: REST answers · Out: findings · Thread: the caller's.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{
    Check, CheckEnded, Judgement, Step, StepResult, Verdict, advice, advice_for_transient, guessed_role_advice,
    is_page, role_advice,
};
use crate::base::inserted::Inserted as _;
use crate::base::plural::counted;
use crate::protocol::metrics::payload;
use crate::protocol::topic_plan::{self, TopicPlan, Wish};
use crate::protocol::verification;
use crate::rest::lookup::Queue;
use crate::rest::{Purpose, analytics, channels, oauth};
use crate::supervisor::choose;
use crate::{Error, ErrorKind, Id, Moment, Secret};

/// Queues named in the message; all are in the details.
const NAMED: usize = 3;

/// The permissions that these calls need, by Genesys' names (`docs/operations.md#protocols`).
const QUEUE_VIEW: &str = "routing:queue:view";
const MEMBER_VIEW: &str = "routing:queueMember:view and directory:user:view";
const DETAIL_VIEW: &str = "analytics:conversationDetail:view";
const OBSERVATION_VIEW: &str = "analytics:queueObservation:view";

/// Advice where topics are refused and no permission is named.
const TOPIC_ADVICE: &str = "The service names no missing permission, so the topic may not exist: check its spelling and the id \
    in it. GET /api/v2/notifications/availabletopics lists the topics that exist.";

/// Advice where the channels of the OAuth client run out.
pub(super) const CHANNEL_ADVICE: &str = "Give this program an OAuth client of its own; channels of earlier runs end within 24 \
    hours.";

impl Check<'_> {
    pub(super) fn log_in(&mut self) -> StepResult<Secret> {
        let began = Instant::now();
        self.reporter.begins(Step::Token, "asking for a token");
        match oauth::token(&self.rest, &self.config.client_id, &self.config.client_secret) {
            Ok(token) => {
                self.token = Some(token.secret.clone());
                let life = lasting(token.life);
                self.report(Step::Token, began, Judgement::ok(format!("valid for {life}")));
                Ok(token.secret)
            }
            Err(error) => {
                let advice = match error.kind() {
                    ErrorKind::Credentials if !is_page(&error) => {
                        "Compare region, client id and secret with the OAuth client in Admin > Integrations > OAuth; it must be \
                         active, with the grant type Client Credentials. A wrong region gives the same answer."
                            .to_owned()
                    }
                    _ => advice_for_transient(&error),
                };
                self.end(Step::Token, began, &error, &advice)
            }
        }
    }

    /// The ids of the queues; `None` where all queues are meant and the protocol needs no ids.
    pub(super) fn queues(&mut self, token: &Secret) -> StepResult<Option<Vec<Id>>> {
        let began = Instant::now();
        self.reporter.begins(Step::Queues, "reading the listing");
        let choice = match choose::queues(self.config, &self.rest, token, &[]) {
            Ok(choice) => choice,
            Err(error) => {
                let advice = match error.kind() {
                    ErrorKind::Configuration => {
                        "Correct the name, or give the id. A queue that is not listed is in a division that the roles of the \
                         OAuth client do not cover."
                            .to_owned()
                    }
                    _ => advice(&error, QUEUE_VIEW),
                };
                return self.end(Step::Queues, began, &error, &advice);
            }
        };
        let ids = choice.ids();
        let judgement = match &choice.queues {
            None => Judgement::ok("all; this protocol needs no list"),
            Some(queues) if choice.sees_none || queues.is_empty() && self.wishes_queues() => {
                let judgement = Judgement::fail("the client sees no queue", guessed_role_advice(QUEUE_VIEW));
                self.report(Step::Queues, began, judgement);
                return Err(CheckEnded);
            }
            Some(queues) if queues.is_empty() => Judgement::ok("none are wanted"),
            Some(queues) => of_queues(queues, choice.unnamed.as_ref()),
        };
        self.report(Step::Queues, began, judgement);
        Ok(ids)
    }

    fn wishes_queues(&self) -> bool {
        self.config.subscribe.all_queues() || !self.config.subscribe.queues.is_empty()
    }

    pub(super) fn users(&mut self, token: &Secret, queues: &[Id]) -> StepResult<Vec<Id>> {
        if self.config.subscribe.users.is_empty() {
            return Ok(Vec::new());
        }
        let began = Instant::now();
        self.reporter.begins(Step::Users, "reading users");
        let users = match choose::users(self.config, &self.rest, token, queues) {
            Ok(users) => users,
            Err(error) => {
                let advice = advice(&error, MEMBER_VIEW);
                return self.end(Step::Users, began, &error, &advice);
            }
        };
        let unknown: Vec<String> = users
            .names
            .iter()
            .filter(|(_, name)| name.is_none())
            .map(|(id, _)| id.to_string())
            .collect();
        let message = counted(users.names.len(), "user");
        let judgement = match users.unnamed {
            Some(error) => Judgement::warn(
                format!("{message}, without their names: {error}"),
                advice(&error, "directory:user:view"),
            ),
            None if !unknown.is_empty() => Judgement::warn(
                format!("{message}, {} of them unknown to the service", unknown.len()),
                "Check these ids: a user that does not exist has no events.",
            )
            .with(unknown),
            None => Judgement::ok(message),
        };
        self.report(Step::Users, began, judgement);
        Ok(users.names.into_keys().collect())
    }

    /// Creates a channel and subscribes every topic, because only the service's answer says which are permitted.
    pub(super) fn permissions(&mut self, token: &Secret, queues: &[Id], users: &[Id]) -> StepResult {
        let began = Instant::now();
        self.reporter.begins(Step::Permissions, "subscribing every topic once");
        let wish = Wish {
            queues,
            users,
            topics: &self.config.subscribe.topics,
        };
        let plan = match TopicPlan::new(&wish, &TopicPlan::default()) {
            Ok(plan) if !plan.channels.is_empty() => plan,
            Ok(_) => {
                let judgement = Judgement::fail("there is no topic to subscribe", "Name queues, users or topics.");
                self.report(Step::Permissions, began, judgement);
                return Err(CheckEnded);
            }
            Err(error) => return self.end(Step::Permissions, began, &error, "Name fewer queues, users or topics."),
        };
        self.count_channels(token)?;
        let channel = match channels::create(&self.rest, token) {
            Ok(channel) => channel,
            Err(error) => {
                let advice = advice(&error, "the OAuth scope notifications");
                return self.end(Step::Channel, began, &error, &advice);
            }
        };
        self.channel = Some(channel.clone());
        let mut answer = topic_plan::Answer::default();
        // One channel is enough, because each list replaces the one before. The first list is sent last, and stays.
        for topics in plan.channels.iter().rev() {
            match channels::subscribe(&self.rest, token, &channel.id, topics) {
                Ok(entities) => {
                    let part = topic_plan::read_answer(topics, &entities);
                    answer.permitted.extend(part.permitted);
                    answer.rejected.extend(part.rejected);
                    answer.unknown.extend(part.unknown);
                }
                Err(error) => {
                    let advice = match error.status() {
                        Some(400) => TOPIC_ADVICE.to_owned(),
                        _ => advice(&error, "the permissions of these topics"),
                    };
                    return self.end(Step::Permissions, began, &error, &advice);
                }
            }
        }
        let judgement = of_permissions(&answer);
        let nothing_left =
            judgement.verdict == Verdict::Fail && answer.permitted.is_empty() && answer.unknown.is_empty();
        self.report(Step::Permissions, began, judgement);
        if nothing_left { Err(CheckEnded) } else { Ok(()) }
    }

    /// Counts the channels of the OAuth client. Where all are in use, the check ends: one more would end another program's.
    fn count_channels(&mut self, token: &Secret) -> StepResult {
        let began = Instant::now();
        match channels::list(&self.rest, token, channels::Whose::Client) {
            Ok(listed) => self.channels_before = listed.len(),
            Err(error) if error.kind() == ErrorKind::Stopped => return self.end(Step::Channel, began, &error, ""),
            // Counting is a courtesy: the check can go on without it.
            Err(error) => log::debug!("the channels of the OAuth client cannot be counted: {error}"),
        }
        if self.channels_before < channels::CHANNELS_A_CLIENT {
            return Ok(());
        }
        let message = format!(
            "{} of {} notification channels of this OAuth client exist already; none was opened",
            self.channels_before,
            channels::CHANNELS_A_CLIENT
        );
        let advice = format!("One more would end the channel of another program. {CHANNEL_ADVICE}");
        self.report(Step::Channel, began, Judgement::fail(message, advice));
        Err(CheckEnded)
    }

    /// `metrics`: whether there is data for the wanted metrics.
    pub(super) fn metrics(&mut self, token: &Secret, queues: Option<&[Id]>) -> StepResult {
        let began = Instant::now();
        if self.config.protocol != crate::config::Protocol::Metrics {
            return Ok(());
        }
        if !self.config.verify {
            self.report(Step::Metrics, began, Judgement::ok("skipped (--no-verify)"));
            return Ok(());
        }
        self.reporter.begins(Step::Metrics, "asking for one conversation");
        let payload = payload(&self.config.subscribe.metrics, queues);
        let answer = verification::query(&payload, Moment::now())
            .and_then(|query| analytics::conversation_details(&self.rest, token, &query, Purpose::Essential));
        match answer {
            Ok(answer) if answer.conversations > 0 => {
                let hits = answer.total_hits.map_or(String::new(), |hits| {
                    format!(" ({})", counted(hits as usize, "conversation"))
                });
                self.report(
                    Step::Metrics,
                    began,
                    Judgement::ok(format!("data in the widest time window{hits}")),
                );
                Ok(())
            }
            Ok(_) => {
                let judgement = Judgement::fail(
                    "no conversation in the widest time window",
                    "Check time windows and filters; with --no-verify the program streams without data.",
                );
                self.report(Step::Metrics, began, judgement);
                Err(CheckEnded)
            }
            Err(error) => {
                let advice = advice(&error, DETAIL_VIEW);
                self.end(Step::Metrics, began, &error, &advice)
            }
        }
    }

    /// `notifications`: whether REST can give the state at the start and fill in gaps.
    pub(super) fn backfill(&mut self, token: &Secret, queues: &[Id]) -> StepResult {
        let began = Instant::now();
        if !self.config.backfill.enabled || queues.is_empty() {
            return Ok(());
        }
        self.reporter
            .begins(Step::Backfill, "asking REST for statistics and conversations");
        let some = &queues[..queues.len().min(analytics::QUEUES_A_CALL)];
        let payload = payload(&self.config.subscribe.metrics, Some(some));
        let observed =
            analytics::queue_observations(&self.rest, token, some, &analytics::QUEUE_METRICS, Purpose::Essential);
        let detailed = verification::query(&payload, Moment::now())
            .and_then(|query| analytics::conversation_details(&self.rest, token, &query, Purpose::Essential));
        let failed: Vec<(Error, &str)> = [
            observed.err().map(|error| (error, OBSERVATION_VIEW)),
            detailed.err().map(|error| (error, DETAIL_VIEW)),
        ]
        .into_iter()
        .flatten()
        .collect();
        if let Some((error, _)) = failed.iter().find(|(error, _)| error.kind() == ErrorKind::Stopped) {
            return self.end(Step::Backfill, began, error, "");
        }
        let judgement = match failed.as_slice() {
            [] => Judgement::ok("statistics and conversations can be read"),
            [(error, permission), ..] => Judgement::warn(
                format!("it streams, but the state at the start stays unknown and gaps stay open: {error}"),
                advice(error, permission),
            )
            .with(failed.iter().skip(1).map(|(error, _)| error.to_string()).collect()),
        };
        self.report(Step::Backfill, began, judgement);
        Ok(())
    }
}

fn of_queues(queues: &[Queue], unnamed: Option<&Error>) -> Judgement {
    let mut named: Vec<String> = queues
        .iter()
        .take(NAMED)
        .map(|queue| match &queue.name {
            Some(name) => format!("{name} ({})", queue.id),
            None => queue.id.to_string(),
        })
        .collect();
    if queues.len() > NAMED {
        named.push(format!("{} more", queues.len() - NAMED));
    }
    let message = format!("{}: {}", counted(queues.len(), "queue"), named.join(", "));
    if let Some(error) = unnamed {
        return Judgement::warn(
            format!("{message}; names and service levels are unknown: {error}"),
            advice(error, QUEUE_VIEW),
        );
    }
    let details = queues
        .iter()
        .map(|queue| format!("{} {}", queue.id, queue.name.as_deref().unwrap_or_default()));
    Judgement::ok(message).with(details.collect())
}

fn of_permissions(answer: &topic_plan::Answer) -> Judgement {
    let all = answer.permitted.len() + answer.rejected.len() + answer.unknown.len();
    if !answer.rejected.is_empty() {
        let missing: BTreeSet<&str> = answer
            .rejected
            .iter()
            .flat_map(|rejected| rejected.missing_permissions.iter().map(String::as_str))
            .inserted();
        let missing: Vec<&str> = missing.into_iter().collect();
        let named = match missing.is_empty() {
            true => String::new(),
            false => format!(", missing: {}", missing.join(", ")),
        };
        let unexplained = answer
            .rejected
            .iter()
            .any(|rejected| rejected.missing_permissions.is_empty());
        let advice = match (missing.is_empty(), unexplained) {
            (true, _) => TOPIC_ADVICE.to_owned(),
            (false, false) => role_advice(&missing.join(", ")),
            (false, true) => format!("{} For the others: {TOPIC_ADVICE}", role_advice(&missing.join(", "))),
        };
        let details = answer
            .rejected
            .iter()
            .map(|rejected| format!("{}: {}", rejected.topic, rejected.why()));
        return Judgement::fail(
            format!("{} of {} refused{named}", answer.rejected.len(), counted(all, "topic")),
            advice,
        )
        .with(details.collect());
    }
    if !answer.unknown.is_empty() {
        return Judgement::warn(
            format!(
                "{} of {}: the service does not say whether they are subscribed",
                answer.unknown.len(),
                counted(all, "topic")
            ),
            TOPIC_ADVICE,
        )
        .with(answer.unknown.clone());
    }
    Judgement::ok(format!("{} permitted", counted(all, "topic")))
}

/// A duration in the unit that fits: `24 h`, `5 min`, `60 s`.
fn lasting(life: Duration) -> String {
    match life.as_secs() {
        0..120 => format!("{} s", life.as_secs()),
        120..7200 => format!("{} min", life.as_secs() / 60),
        secs => format!("{} h", (secs + 1800) / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::topic_plan::Entity;

    #[test]
    fn refused_topics_name_what_is_missing_once() {
        let entity = |id: &str, state: &str, missing: &[&str]| Entity {
            id: id.to_owned(),
            state: state.to_owned(),
            missing_permissions: missing.iter().map(|name| (*name).to_owned()).collect(),
            ..Entity::default()
        };
        let missing = ["analytics:queueObservation:view"];
        let entities = [
            entity("a", "Permitted", &[]),
            entity("b", "Rejected", &missing),
            entity("c", "Rejected", &missing),
        ];
        let judgement = of_permissions(&topic_plan::read_answer(&["a", "b", "c"], &entities));
        assert_eq!(judgement.verdict, Verdict::Fail);
        assert_eq!(
            judgement.message,
            "2 of 3 topics refused, missing: analytics:queueObservation:view"
        );
        let advice = judgement.advice.unwrap();
        assert!(
            advice.contains("role that holds analytics:queueObservation:view"),
            "{advice}"
        );
        assert_eq!(judgement.details.len(), 2);
    }

    #[test]
    fn a_topic_that_does_not_exist_is_no_matter_of_roles() {
        let entity = |id: &str, missing: &[&str]| Entity {
            id: id.to_owned(),
            state: "Rejected".to_owned(),
            missing_permissions: missing.iter().map(|name| (*name).to_owned()).collect(),
            ..Entity::default()
        };
        let advice = |entities: &[Entity]| {
            of_permissions(&topic_plan::read_answer(&["a", "b"], entities))
                .advice
                .unwrap()
        };
        let unknown = advice(&[entity("a", &[]), entity("b", &[])]);
        assert!(
            unknown.contains("may not exist") && !unknown.contains("role"),
            "{unknown}"
        );
        let both = advice(&[entity("a", &["x:y:z"]), entity("b", &[])]);
        assert!(both.contains("holds x:y:z") && both.contains("may not exist"), "{both}");
        assert_eq!(advice(&[]), TOPIC_ADVICE, "not mentioned");
    }

    #[test]
    fn durations_are_shown_in_the_unit_that_fits() {
        let text = |secs| lasting(Duration::from_secs(secs));
        assert_eq!(
            (text(86_399), text(300), text(60)),
            ("24 h".to_owned(), "5 min".to_owned(), "60 s".to_owned())
        );
    }
}
