//! What one event says of a conversation, in small rows.
//!
//! In: decoders of the stream · Out: `ConversationUpdate` for the model, its `ConversationFacts` for everybody else · Thread:
//! any (plain data).
//!
//! All values of an event that have no time of their own have the same stamp, the newest time in it, so the stamp is there
//! once. The rows are a third as large as [`ConversationFacts`], which matters because every event crosses from one thread
//! to another, and thousands may wait.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::conversation::{
    AcwState, AfterCallWork, Communication, CommunicationState, ConversationFacts, DisconnectKind, MediaKind,
    Participant, Purpose, Stamped, Wrapups,
};
use crate::{Id, Moment};

/// What one event says of a conversation. [`ConversationUpdate::facts`] gives the same in the form in which facts are
/// joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "internals"), non_exhaustive)]
pub struct ConversationUpdate {
    /// The conversation.
    pub id: Id,
    /// The newest time in the event at which something happened: the stamp of all values without a time of their own. The
    /// first moment of the year 0 if the event has no time.
    pub at: Moment,
    /// Its participants, in the order of the event.
    pub participants: Vec<ParticipantUpdate>,
    /// The communications of all participants, in the order of the participants.
    pub communications: Vec<CommunicationUpdate>,
}

/// What one event says of a participant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "internals"), non_exhaustive)]
pub struct ParticipantUpdate {
    /// The participant.
    pub id: Id,
    /// When the participant connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected: Option<Moment>,
    /// When the participant left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Moment>,
    /// `startAcwTime` and `endAcwTime`.
    pub work: AfterCallWork,
    /// When a wrap-up ended that has a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrapup_ended: Option<Moment>,
    /// Its queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<Id>,
    /// Its user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// How many of the communications are its own.
    pub communications: u32,
    /// What kind of participant it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    /// Whether a wrap-up is expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrapup_expected: Option<bool>,
    /// Whether a wrap-up is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrapup_required: Option<bool>,
    /// Whether it monitors, coaches or barges in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub listens_in: bool,
    /// Whether it has a wrap-up code.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wrapup_coded: bool,
}

/// What one event says of a communication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "internals"), non_exhaustive)]
pub struct CommunicationUpdate {
    /// The communication; that of its participant where it has no id of its own.
    pub id: Id,
    /// When it connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected: Option<Moment>,
    /// When it disconnected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disconnected: Option<Moment>,
    /// When its hold began, if it is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_started: Option<Moment>,
    /// When its after-call work began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acw_started: Option<Moment>,
    /// When its after-call work ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acw_ended: Option<Moment>,
    /// Its medium.
    pub kind: MediaKind,
    /// Its state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<CommunicationState>,
    /// How it was disconnected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disconnect: Option<DisconnectKind>,
    /// Whether after-call work is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acw_required: Option<bool>,
    /// The state of its after-call work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acw_state: Option<AcwState>,
    /// Whether it has a wrap-up code.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wrapup_coded: bool,
}

impl ConversationUpdate {
    /// Of an event without a time and without participants.
    #[must_use]
    pub(crate) fn nothing_of(id: Id) -> Self {
        Self {
            id,
            at: Moment::from_epoch_ms(i64::MIN),
            participants: Vec::new(),
            communications: Vec::new(),
        }
    }

    /// The participants, each with its communications.
    pub fn participants(&self) -> impl ExactSizeIterator<Item = (&ParticipantUpdate, &[CommunicationUpdate])> {
        let mut rest = self.communications.as_slice();
        self.participants.iter().map(move |participant| {
            let own = rest.len().min(participant.communications as usize);
            let (own, others) = rest.split_at(own);
            rest = others;
            (participant, own)
        })
    }

    /// The newest time in it; `None` if it has no time.
    #[must_use]
    pub(crate) fn newest(&self) -> Option<Moment> {
        (!self.participants.is_empty())
            .then_some(self.at)
            .filter(|at| *at > Moment::from_epoch_ms(i64::MIN))
    }

    /// The same in the form in which facts are joined.
    #[must_use]
    pub fn facts(&self) -> ConversationFacts {
        let participants = self.participants();
        ConversationFacts {
            id: self.id.clone(),
            ended: None,
            participants: participants.map(|(row, own)| row.facts(own, self.at)).collect(),
        }
    }
}

impl ParticipantUpdate {
    /// A participant of which only the id is known.
    pub(crate) fn nothing_of(id: Id) -> Self {
        Self {
            id,
            connected: None,
            ended: None,
            work: AfterCallWork::default(),
            wrapup_ended: None,
            queue: None,
            user: None,
            communications: 0,
            purpose: None,
            wrapup_expected: None,
            wrapup_required: None,
            listens_in: false,
            wrapup_coded: false,
        }
    }

    /// The pair of after-call work, if there is one.
    pub(crate) fn work(&self) -> &[AfterCallWork] {
        match (self.work.started, self.work.ended) {
            (None, None) => &[],
            _ => std::slice::from_ref(&self.work),
        }
    }

    /// When a wrap-up with a code ended; `at` is the stamp of its event, the time of one without a time.
    pub(crate) fn wrapups(&self, at: Moment) -> (&[Moment], Option<Moment>) {
        match (self.wrapup_coded, &self.wrapup_ended) {
            (true, None) => (&[], Some(at)),
            (true, Some(_)) => (self.wrapup_ended.as_slice(), None),
            (false, _) => (&[], None),
        }
    }

    fn facts(&self, communications: &[CommunicationUpdate], at: Moment) -> Participant {
        let queue = stamped(at, self.queue.clone());
        let (timed, untimed) = self.wrapups(at);
        let flag = |value: Option<bool>| stamped(at, value.map(Reverse));
        Participant {
            id: self.id.clone(),
            connected: self.connected,
            ended: self.ended,
            after_call_work: self.work().to_vec(),
            purpose: stamped(at, self.purpose),
            user: stamped(at, self.user.clone()),
            wrapup_expected: flag(self.wrapup_expected),
            wrapup_required: flag(self.wrapup_required),
            wrapups: Wrapups {
                timed: timed.to_vec(),
                untimed,
            },
            listens_in: flag(Some(self.listens_in)),
            communications: communications.iter().map(|one| one.facts(queue.as_ref(), at)).collect(),
            queue,
        }
    }
}

impl CommunicationUpdate {
    /// A communication of which nothing more is known.
    pub(crate) fn nothing_of(kind: MediaKind, id: Id) -> Self {
        Self {
            id,
            connected: None,
            disconnected: None,
            hold_started: None,
            acw_started: None,
            acw_ended: None,
            kind,
            state: None,
            disconnect: None,
            acw_required: None,
            acw_state: None,
            wrapup_coded: false,
        }
    }

    /// Whether it is over: only the queue of an open communication counts.
    pub(crate) fn is_over(&self) -> bool {
        matches!(
            self.state,
            Some(CommunicationState::Disconnected | CommunicationState::Terminated)
        )
    }

    /// When it was scheduled, if it is a callback that the event, of the stamp `at`, shows as scheduled.
    pub(crate) fn scheduled(&self, at: Moment) -> Option<Moment> {
        let is_scheduled = self.kind == MediaKind::Callback && self.state == Some(CommunicationState::Scheduled);
        (is_scheduled && at > Moment::from_epoch_ms(i64::MIN)).then_some(at)
    }

    fn facts(&self, queue: Option<&Stamped<Id>>, at: Moment) -> Communication {
        Communication {
            kind: self.kind,
            id: self.id.clone(),
            connected: self.connected,
            disconnected: self.disconnected,
            state: stamped(at, self.state),
            queue: queue.filter(|_| !self.is_over()).cloned(),
            oldest_queue: queue.cloned(),
            scheduled: self.scheduled(at),
            disconnect: stamped(at, self.disconnect),
            acw_required: stamped(at, self.acw_required.map(Reverse)),
            acw_state: stamped(at, self.acw_state),
            acw_started: self.acw_started,
            acw_ended: self.acw_ended,
            wrapup_coded: self.wrapup_coded,
            hold_started: self.hold_started,
            hold_over: None,
        }
    }
}

fn stamped<T>(at: Moment, value: Option<T>) -> Option<Stamped<T>> {
    value.map(|value| Stamped { at, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_small() {
        let sizes = (size_of::<ParticipantUpdate>(), size_of::<CommunicationUpdate>());
        assert!(sizes.0 <= 120 && sizes.1 <= 64, "{sizes:?}");
    }
}
