//! What is told of a conversation: by one event, or by facts that were joined before.
//!
//! In: `ConversationUpdate`, `ConversationFacts` · Out: one way to read both · Thread: any (pure).

use std::cmp::Reverse;
use std::slice;

use crate::event::facts::{
    AcwState, AfterCallWork, Communication, CommunicationState, ConversationFacts, DisconnectKind, MediaKind,
    Participant, Purpose, Stamped,
};
use crate::event::update::{CommunicationUpdate, ConversationUpdate, ParticipantUpdate};
use crate::{Id, Moment};

/// What is told of a conversation.
pub(crate) trait ConversationTold {
    fn id(&self) -> &Id;
    /// As REST tells.
    fn ended(&self) -> Option<Moment>;
    fn participants(&self) -> impl ExactSizeIterator<Item = impl ParticipantTold>;
    /// The newest time in it, stamps included; `None` if it holds no time.
    fn newest(&self) -> Option<Moment>;
}

/// What is told of a participant.
pub(crate) trait ParticipantTold {
    fn id(&self) -> &Id;
    /// The stamp of all values, where they have one and the same.
    fn stamp(&self) -> Option<Moment>;
    fn connected(&self) -> Option<Moment>;
    fn ended(&self) -> Option<Moment>;
    fn work(&self) -> &[AfterCallWork];
    /// When wrap-ups with a code ended, and the stamp of one without a time.
    fn wrapups(&self) -> (&[Moment], Option<Moment>);
    fn purpose(&self) -> Option<Stamped<Purpose>>;
    fn queue(&self) -> Option<Stamped<&Id>>;
    fn wrapup_expected(&self) -> Option<Stamped<Reverse<bool>>>;
    fn wrapup_required(&self) -> Option<Stamped<Reverse<bool>>>;
    fn listens_in(&self) -> Option<Stamped<Reverse<bool>>>;
    fn communications(&self) -> impl Iterator<Item = impl CommunicationTold>;
}

/// What is told of a communication.
pub(crate) trait CommunicationTold {
    fn kind(&self) -> MediaKind;
    fn id(&self) -> &Id;
    /// The stamp of all values, where they have one and the same.
    fn stamp(&self) -> Option<Moment>;
    fn connected(&self) -> Option<Moment>;
    fn disconnected(&self) -> Option<Moment>;
    fn state(&self) -> Option<Stamped<CommunicationState>>;
    fn queue(&self) -> Option<Stamped<&Id>>;
    fn oldest_queue(&self) -> Option<Stamped<&Id>>;
    fn scheduled(&self) -> Option<Moment>;
    fn disconnect(&self) -> Option<Stamped<DisconnectKind>>;
    fn acw_required(&self) -> Option<Stamped<Reverse<bool>>>;
    fn acw_state(&self) -> Option<Stamped<AcwState>>;
    fn acw_started(&self) -> Option<Moment>;
    fn acw_ended(&self) -> Option<Moment>;
    fn wrapup_coded(&self) -> bool;
    fn hold_started(&self) -> Option<Moment>;
    fn hold_over(&self) -> Option<Moment>;
}

impl ConversationTold for ConversationFacts {
    fn id(&self) -> &Id {
        &self.id
    }
    fn ended(&self) -> Option<Moment> {
        self.ended
    }
    fn participants(&self) -> impl ExactSizeIterator<Item = impl ParticipantTold> {
        self.participants.iter()
    }
    fn newest(&self) -> Option<Moment> {
        Self::newest(self)
    }
}

fn borrowed(stamped: &Option<Stamped<Id>>) -> Option<Stamped<&Id>> {
    stamped.as_ref().map(|Stamped { at, value }| Stamped { at: *at, value })
}

impl ParticipantTold for &Participant {
    fn id(&self) -> &Id {
        &self.id
    }
    fn stamp(&self) -> Option<Moment> {
        None
    }
    fn connected(&self) -> Option<Moment> {
        self.connected
    }
    fn ended(&self) -> Option<Moment> {
        self.ended
    }
    fn work(&self) -> &[AfterCallWork] {
        &self.after_call_work
    }
    fn wrapups(&self) -> (&[Moment], Option<Moment>) {
        (&self.wrapups.timed, self.wrapups.untimed)
    }
    fn purpose(&self) -> Option<Stamped<Purpose>> {
        self.purpose
    }
    fn queue(&self) -> Option<Stamped<&Id>> {
        borrowed(&self.queue)
    }
    fn wrapup_expected(&self) -> Option<Stamped<Reverse<bool>>> {
        self.wrapup_expected
    }
    fn wrapup_required(&self) -> Option<Stamped<Reverse<bool>>> {
        self.wrapup_required
    }
    fn listens_in(&self) -> Option<Stamped<Reverse<bool>>> {
        self.listens_in
    }
    fn communications(&self) -> impl Iterator<Item = impl CommunicationTold> {
        self.communications.iter()
    }
}

impl CommunicationTold for &Communication {
    fn kind(&self) -> MediaKind {
        self.kind
    }
    fn id(&self) -> &Id {
        &self.id
    }
    fn stamp(&self) -> Option<Moment> {
        None
    }
    fn connected(&self) -> Option<Moment> {
        self.connected
    }
    fn disconnected(&self) -> Option<Moment> {
        self.disconnected
    }
    fn state(&self) -> Option<Stamped<CommunicationState>> {
        self.state
    }
    fn queue(&self) -> Option<Stamped<&Id>> {
        borrowed(&self.queue)
    }
    fn oldest_queue(&self) -> Option<Stamped<&Id>> {
        borrowed(&self.oldest_queue)
    }
    fn scheduled(&self) -> Option<Moment> {
        self.scheduled
    }
    fn disconnect(&self) -> Option<Stamped<DisconnectKind>> {
        self.disconnect
    }
    fn acw_required(&self) -> Option<Stamped<Reverse<bool>>> {
        self.acw_required
    }
    fn acw_state(&self) -> Option<Stamped<AcwState>> {
        self.acw_state
    }
    fn acw_started(&self) -> Option<Moment> {
        self.acw_started
    }
    fn acw_ended(&self) -> Option<Moment> {
        self.acw_ended
    }
    fn wrapup_coded(&self) -> bool {
        self.wrapup_coded
    }
    fn hold_started(&self) -> Option<Moment> {
        self.hold_started
    }
    fn hold_over(&self) -> Option<Moment> {
        self.hold_over
    }
}

impl ConversationTold for ConversationUpdate {
    fn id(&self) -> &Id {
        &self.id
    }
    fn ended(&self) -> Option<Moment> {
        None
    }
    fn participants(&self) -> impl ExactSizeIterator<Item = impl ParticipantTold> {
        let at = self.at;
        self.participants().map(move |(row, communications)| ToldByEvent {
            row,
            communications,
            at,
        })
    }
    fn newest(&self) -> Option<Moment> {
        Self::newest(self)
    }
}

/// A participant in an event with the stamp `at`.
struct ToldByEvent<'a> {
    row: &'a ParticipantUpdate,
    communications: &'a [CommunicationUpdate],
    at: Moment,
}

impl ToldByEvent<'_> {
    fn flag(&self, value: Option<bool>) -> Option<Stamped<Reverse<bool>>> {
        stamped(self.at, value.map(Reverse))
    }
}

fn stamped<T>(at: Moment, value: Option<T>) -> Option<Stamped<T>> {
    value.map(|value| Stamped { at, value })
}

impl ParticipantTold for ToldByEvent<'_> {
    fn id(&self) -> &Id {
        &self.row.id
    }
    fn stamp(&self) -> Option<Moment> {
        Some(self.at)
    }
    fn connected(&self) -> Option<Moment> {
        self.row.connected
    }
    fn ended(&self) -> Option<Moment> {
        self.row.ended
    }
    fn work(&self) -> &[AfterCallWork] {
        self.row.work()
    }
    fn wrapups(&self) -> (&[Moment], Option<Moment>) {
        self.row.wrapups(self.at)
    }
    fn purpose(&self) -> Option<Stamped<Purpose>> {
        stamped(self.at, self.row.purpose)
    }
    fn queue(&self) -> Option<Stamped<&Id>> {
        stamped(self.at, self.row.queue.as_ref())
    }
    fn wrapup_expected(&self) -> Option<Stamped<Reverse<bool>>> {
        self.flag(self.row.wrapup_expected)
    }
    fn wrapup_required(&self) -> Option<Stamped<Reverse<bool>>> {
        self.flag(self.row.wrapup_required)
    }
    fn listens_in(&self) -> Option<Stamped<Reverse<bool>>> {
        self.flag(Some(self.row.listens_in))
    }
    fn communications(&self) -> impl Iterator<Item = impl CommunicationTold> {
        let (queue, at) = (self.row.queue.as_ref(), self.at);
        let rows: slice::Iter<'_, CommunicationUpdate> = self.communications.iter();
        rows.map(move |row| ToldOfCommunication { row, queue, at })
    }
}

/// A communication in an event with the stamp `at`, and the queue of its participant there.
struct ToldOfCommunication<'a> {
    row: &'a CommunicationUpdate,
    queue: Option<&'a Id>,
    at: Moment,
}

impl CommunicationTold for ToldOfCommunication<'_> {
    fn kind(&self) -> MediaKind {
        self.row.kind
    }
    fn id(&self) -> &Id {
        &self.row.id
    }
    fn stamp(&self) -> Option<Moment> {
        Some(self.at)
    }
    fn connected(&self) -> Option<Moment> {
        self.row.connected
    }
    fn disconnected(&self) -> Option<Moment> {
        self.row.disconnected
    }
    fn state(&self) -> Option<Stamped<CommunicationState>> {
        stamped(self.at, self.row.state)
    }
    fn queue(&self) -> Option<Stamped<&Id>> {
        stamped(self.at, self.queue.filter(|_| !self.row.is_over()))
    }
    fn oldest_queue(&self) -> Option<Stamped<&Id>> {
        stamped(self.at, self.queue)
    }
    fn scheduled(&self) -> Option<Moment> {
        self.row.scheduled(self.at)
    }
    fn disconnect(&self) -> Option<Stamped<DisconnectKind>> {
        stamped(self.at, self.row.disconnect)
    }
    fn acw_required(&self) -> Option<Stamped<Reverse<bool>>> {
        stamped(self.at, self.row.acw_required.map(Reverse))
    }
    fn acw_state(&self) -> Option<Stamped<AcwState>> {
        stamped(self.at, self.row.acw_state)
    }
    fn acw_started(&self) -> Option<Moment> {
        self.row.acw_started
    }
    fn acw_ended(&self) -> Option<Moment> {
        self.row.acw_ended
    }
    fn wrapup_coded(&self) -> bool {
        self.row.wrapup_coded
    }
    fn hold_started(&self) -> Option<Moment> {
        self.row.hold_started
    }
    fn hold_over(&self) -> Option<Moment> {
        None
    }
}
