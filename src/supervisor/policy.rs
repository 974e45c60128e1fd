//! What to do when something ended: a table from reason and history to verdict.
//!
//! In: `CloseReason` or `Error`, what went before · Out: `Verdict` · Thread: none of its own (pure).

use crate::config::Protocol;
use crate::event::notice::CloseReason;
use crate::{Error, ErrorKind};

/// What went before.
#[derive(Clone, Copy, Debug)]
pub(super) struct History {
    pub(super) protocol: Protocol,
    /// A stream was established in this run before.
    pub(super) ever_streamed: bool,
    /// The token was replaced because it was refused, and nothing has worked since.
    pub(super) token_is_second_try: bool,
    /// How often the channel was connected again.
    pub(super) reuses: u32,
    /// Connections of the channel in a row that the peer closed soon after they opened, this one included.
    pub(super) closed_early: u32,
    /// Channels in a row that somebody took from us, this one included; 0 where it was not taken.
    pub(super) taken: u32,
    /// Channels of the plan.
    pub(super) channels: u32,
}

impl History {
    /// Nothing went before.
    pub(super) fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            ever_streamed: false,
            token_is_second_try: false,
            reuses: 0,
            closed_early: 0,
            taken: 0,
            channels: 1,
        }
    }
}

/// A channel that was connected again so often is replaced (Genesys' own client does so after 10, seen 2026-08).
pub(super) const MAX_REUSES: u32 = 10;
/// A channel whose connections the peer closed so often in a row, each soon after it opened, is replaced: somebody else may
/// connect to it as often as we do.
pub(super) const MAX_CLOSED_EARLY: u32 = 5;

/// What to do.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    /// Try again after a pause, with what is renewed first.
    Retry(Renew),
    /// Somebody takes our channels again and again: a new one, but not before a long pause.
    StandBack,
    /// End the run with this error.
    GiveUp(Error),
}

/// What is renewed before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Renew {
    /// Nothing: the same channel is used while it is valid.
    Nothing,
    /// The channel and its subscriptions.
    Channel,
    /// The token, and with it the channel.
    Token,
}

/// Whether this end means that the channel does not exist any more.
pub(crate) fn channel_is_gone(reason: &CloseReason) -> bool {
    match reason {
        CloseReason::ChannelGone | CloseReason::TakenOver(_) => true,
        CloseReason::Upgrade { status, .. } => (400..=499).contains(status) && *status != 429,
        _ => false,
    }
}

/// After a connection ended.
pub(super) fn after_close(reason: &CloseReason, history: History) -> Verdict {
    let is_worn = history.reuses >= MAX_REUSES || history.closed_early >= MAX_CLOSED_EARLY;
    match verdict_on(reason, history) {
        // The service ends one of our channels for each that another process creates, so each of ours may be taken once
        // before a pattern shows; two more are a fight.
        Verdict::Retry(Renew::Channel) if history.taken >= history.channels + 2 => Verdict::StandBack,
        Verdict::Retry(Renew::Nothing) if is_worn && history.protocol == Protocol::Notifications => {
            Verdict::Retry(Renew::Channel)
        }
        verdict => verdict,
    }
}

fn verdict_on(reason: &CloseReason, history: History) -> Verdict {
    let give_up = |kind, did: &str| Verdict::GiveUp(Error::new(kind, did, reason.to_string()));
    match reason {
        CloseReason::Dial(error) => after_error(error, history),
        CloseReason::Upgrade { status, .. } => after_status(*status, "opening the stream", reason, history),
        CloseReason::Refused(refusal) => match (refusal.status, history.protocol) {
            (Some(400), Protocol::Metrics) => give_up(ErrorKind::Configuration, "subscribing to the metrics"),
            (Some(400), _) => give_up(ErrorKind::Refused, "subscribing"),
            (Some(status @ (401 | 403)), _) => after_status(status, "subscribing", reason, history),
            _ => Verdict::Retry(Renew::Nothing),
        },
        CloseReason::ChannelGone | CloseReason::TakenOver(_) => Verdict::Retry(Renew::Channel),
        CloseReason::Stopped
        | CloseReason::Replaced
        | CloseReason::UpgradeFailed(_)
        | CloseReason::HandshakeLate
        | CloseReason::Closed { .. }
        | CloseReason::Lost(_)
        | CloseReason::Silence
        | CloseReason::PingUnanswered
        | CloseReason::TooLong
        | CloseReason::Violation(_)
        | CloseReason::WriteStalled
        | CloseReason::Panicked(_) => Verdict::Retry(Renew::Nothing),
    }
}

fn after_status(status: u16, did: &str, reason: &CloseReason, history: History) -> Verdict {
    let give_up = |kind| Verdict::GiveUp(Error::new(kind, did, reason.to_string()).with_status(status));
    match (status, history.protocol) {
        // A channel is a secret address: its upgrade carries no token, so any 4xx means that the channel is gone.
        (429, _) => Verdict::Retry(Renew::Nothing),
        (400..=499, Protocol::Notifications) => Verdict::Retry(Renew::Channel),
        (400, Protocol::Metrics) => give_up(ErrorKind::Configuration),
        (400, _) => give_up(ErrorKind::Refused),
        (401, _) if history.token_is_second_try => give_up(ErrorKind::Credentials),
        (401, _) => Verdict::Retry(Renew::Token),
        (403, _) => give_up(ErrorKind::Credentials),
        _ => Verdict::Retry(Renew::Nothing),
    }
}

/// After a step before the connection failed: token, listing, channel, subscription, address.
pub(super) fn after_error(error: &Error, history: History) -> Verdict {
    match error.kind() {
        // A token that is refused may have been revoked or have ended early: one fresh one is tried.
        ErrorKind::Credentials if error.status() == Some(401) && !history.token_is_second_try => {
            Verdict::Retry(Renew::Token)
        }
        // A certificate that failed once a stream had been established is a fault on the way, and may pass.
        ErrorKind::Certificate if history.ever_streamed => Verdict::Retry(Renew::Nothing),
        ErrorKind::Refused if error.status() == Some(404) => Verdict::Retry(Renew::Channel),
        ErrorKind::Transient | ErrorKind::Internal => Verdict::Retry(Renew::Nothing),
        _ => Verdict::GiveUp(error.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Refusal;

    fn history(protocol: Protocol) -> History {
        History::new(protocol)
    }

    fn said(verdict: &Verdict) -> String {
        match verdict {
            Verdict::Retry(renew) => format!("{renew:?}"),
            Verdict::StandBack => "StandBack".to_owned(),
            Verdict::GiveUp(error) => format!("{:?}", error.kind()),
        }
    }

    fn refused(status: Option<u16>) -> CloseReason {
        CloseReason::Refused(Refusal {
            status,
            message: "no".to_owned(),
        })
    }

    #[test]
    fn closes() {
        use Protocol::{Events, Metrics, Notifications};
        let upgrade = |status| CloseReason::Upgrade {
            status,
            retry_after: None,
        };
        for (reason, protocol, verdict) in [
            (CloseReason::Closed { code: Some(1001) }, Notifications, "Nothing"),
            (CloseReason::Lost("reset".to_owned()), Events, "Nothing"),
            (CloseReason::Silence, Metrics, "Nothing"),
            (CloseReason::PingUnanswered, Events, "Nothing"),
            (CloseReason::Panicked("oh".to_owned()), Notifications, "Nothing"),
            (CloseReason::HandshakeLate, Events, "Nothing"),
            (CloseReason::ChannelGone, Notifications, "Channel"),
            (
                CloseReason::TakenOver("another_channel_subscribed".to_owned()),
                Notifications,
                "Channel",
            ),
            (upgrade(404), Notifications, "Channel"),
            (upgrade(401), Notifications, "Channel"),
            (upgrade(429), Notifications, "Nothing"),
            (upgrade(503), Notifications, "Nothing"),
            (upgrade(401), Events, "Token"),
            (upgrade(401), Metrics, "Token"),
            (upgrade(403), Events, "Credentials"),
            (upgrade(404), Events, "Nothing"),
            (upgrade(400), Events, "Refused"),
            (upgrade(400), Metrics, "Configuration"),
            (refused(Some(400)), Metrics, "Configuration"),
            (refused(Some(400)), Events, "Refused"),
            (refused(Some(403)), Events, "Credentials"),
            (refused(Some(401)), Metrics, "Token"),
            (refused(Some(500)), Metrics, "Nothing"),
            (refused(None), Events, "Nothing"),
        ] {
            assert_eq!(
                said(&after_close(&reason, history(protocol))),
                verdict,
                "{reason} {protocol:?}"
            );
        }
    }

    #[test]
    fn the_same_channel_first_until_it_is_worn_or_taken_again_and_again() {
        let closed = CloseReason::Closed { code: Some(1001) };
        let gone = CloseReason::ChannelGone;
        let silent = CloseReason::Silence;
        for (reason, protocol, (reuses, closed_early, taken, channels), verdict) in [
            (&closed, Protocol::Notifications, (9, 4, 0, 1), "Nothing"),
            (&closed, Protocol::Notifications, (10, 0, 0, 1), "Channel"),
            (&silent, Protocol::Notifications, (10, 0, 0, 1), "Channel"),
            (&closed, Protocol::Notifications, (0, 5, 0, 1), "Channel"),
            (&closed, Protocol::Events, (10, 5, 0, 1), "Nothing"),
            (&gone, Protocol::Notifications, (0, 0, 1, 1), "Channel"),
            (&gone, Protocol::Notifications, (0, 0, 2, 1), "Channel"),
            (&gone, Protocol::Notifications, (0, 0, 3, 1), "StandBack"),
            (&gone, Protocol::Notifications, (0, 0, 19, 18), "Channel"),
            (&gone, Protocol::Notifications, (0, 0, 20, 18), "StandBack"),
            (&closed, Protocol::Notifications, (0, 0, 0, 1), "Nothing"),
        ] {
            let before = History {
                reuses,
                closed_early,
                taken,
                channels,
                ..history(protocol)
            };
            assert_eq!(said(&after_close(reason, before)), verdict, "{reason} {before:?}");
        }
    }

    #[test]
    fn a_channel_that_is_gone_is_told_from_one_that_is_not() {
        let upgrade = |status| CloseReason::Upgrade {
            status,
            retry_after: None,
        };
        for reason in [upgrade(404), upgrade(401), CloseReason::ChannelGone] {
            assert!(channel_is_gone(&reason), "{reason}");
        }
        for reason in [upgrade(429), upgrade(503), CloseReason::Silence, CloseReason::Replaced] {
            assert!(!channel_is_gone(&reason), "{reason}");
        }
    }

    #[test]
    fn a_token_gets_one_second_try() {
        let second = History {
            token_is_second_try: true,
            ..history(Protocol::Events)
        };
        let reason = CloseReason::Upgrade {
            status: 401,
            retry_after: None,
        };
        assert_eq!(said(&after_close(&reason, second)), "Credentials");
        let error = Error::new(ErrorKind::Credentials, "listing queues", "401").with_status(401);
        assert_eq!(said(&after_error(&error, history(Protocol::Notifications))), "Token");
        assert_eq!(said(&after_error(&error, second)), "Credentials");
    }

    #[test]
    fn errors() {
        let error = |kind| Error::new(kind, "trying", "no");
        let fresh = history(Protocol::Notifications);
        let streamed = History {
            ever_streamed: true,
            ..fresh
        };
        for (error, before, verdict) in [
            (error(ErrorKind::Transient), fresh, "Nothing"),
            (error(ErrorKind::Configuration), fresh, "Configuration"),
            (error(ErrorKind::Credentials).with_status(403), fresh, "Credentials"),
            (error(ErrorKind::Refused).with_status(400), streamed, "Refused"),
            (error(ErrorKind::Refused).with_status(404), streamed, "Channel"),
            (error(ErrorKind::Certificate), fresh, "Certificate"),
            (error(ErrorKind::Certificate), streamed, "Nothing"),
            (error(ErrorKind::NoData), fresh, "NoData"),
        ] {
            assert_eq!(said(&after_error(&error, before)), verdict, "{error}");
        }
    }
}
