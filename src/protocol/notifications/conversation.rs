//! Reads conversations from the general topics and from the topics of one medium, in one walk.
//!
//! In: `eventBody` of conversation topics · Out: `ConversationFacts`, how much could not be read · Thread: any (pure).

mod build;

use super::super::json::Field;
use super::super::scan::{Invalid, Object, Scanner, keys};
use crate::event::facts::{AcwState, CommunicationState, ConversationFacts, DisconnectKind, MediaKind, Purpose};
use crate::{Id, Moment};

keys! { ConversationKey { Id = "id", Participants = "participants" } }

keys! {
    ParticipantKey {
        Id = "id",
        StartTime = "startTime",
        ConnectedTime = "connectedTime",
        EndTime = "endTime",
        StartAcwTime = "startAcwTime",
        EndAcwTime = "endAcwTime",
        Purpose = "purpose",
        QueueId = "queueId",
        ConversationRoutingData = "conversationRoutingData",
        Queue = "queue",
        UserId = "userId",
        User = "user",
        WrapupExpected = "wrapupExpected",
        WrapupRequired = "wrapupRequired",
        Wrapup = "wrapup",
        MonitoredParticipantId = "monitoredParticipantId",
        ScreenMonitoredParticipantId = "screenMonitoredParticipantId",
        CoachedParticipantId = "coachedParticipantId",
        BargedParticipantId = "bargedParticipantId",
        Calls = "calls",
        Callbacks = "callbacks",
        Chats = "chats",
        CobrowseSessions = "cobrowsesessions" | CobrowseSessionsInCamelCase = "cobrowseSessions",
        Emails = "emails",
        Messages = "messages",
        InternalMessages = "internalMessages",
        ScreenMonitorings = "screenMonitorings",
        Screenshares = "screenshares",
        SocialExpressions = "socialExpressions",
        Videos = "videos",
        // Only in the topics of one medium:
        State = "state",
        Held = "held",
        StartHoldTime = "startHoldTime",
        DisconnectType = "disconnectType",
        AfterCallWork = "afterCallWork",
        AfterCallWorkRequired = "afterCallWorkRequired",
    }
}

keys! {
    CommunicationKey {
        Id = "id",
        ConnectedTime = "connectedTime",
        DisconnectedTime = "disconnectedTime",
        StartHoldTime = "startHoldTime",
        State = "state",
        Held = "held",
        DisconnectType = "disconnectType",
        AfterCallWork = "afterCallWork",
        AfterCallWorkRequired = "afterCallWorkRequired",
        Wrapup = "wrapup",
    }
}

keys! { ReferenceKey { Id = "id" } }
keys! { RoutingKey { Queue = "queue" } }
keys! { WrapupKey { Code = "code", EndTime = "endTime" } }
keys! { AcwKey { State = "state", StartTime = "startTime", EndTime = "endTime" } }

/// Where participants have their communications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// In a list for each medium.
    Listed,
    /// In the participant itself: the topic is about this medium only.
    Flat(MediaKind),
}

/// What a body says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) facts: Box<ConversationFacts>,
    /// Times that are not readable or not trusted, and participants without an id.
    pub(super) unreadable: u32,
}

/// What the walk through a body found. Kept from body to body, so that its lists are allocated once.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    id: Option<Id>,
    participants: Vec<FoundParticipant>,
    /// Of all participants, one after the other.
    communications: Vec<FoundCommunication>,
    /// `participants`, where it is not a list of objects.
    wrong: Option<&'static str>,
    /// The newest time at which something happened. Planned times (`callbackScheduledTime`, `resumeTime`) and times in
    /// attributes do not count.
    stamp: Option<Moment>,
    /// Times that are not readable or not trusted.
    unreadable: u32,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct FoundParticipant {
    id: Option<Id>,
    connected: Option<Moment>,
    ended: Option<Moment>,
    acw_started: Option<Moment>,
    acw_ended: Option<Moment>,
    purpose: Option<Purpose>,
    queue_id: Option<Id>,
    routed_queue: Option<Id>,
    queue: Option<Id>,
    user_id: Option<Id>,
    user: Option<Id>,
    wrapup_expected: Option<bool>,
    wrapup_required: Option<bool>,
    wrapup: Wrapup,
    listens_in: bool,
    /// How many of the communications are its own.
    communications: usize,
    /// What the participant says of its communication in the topics of one medium; its other fields are not used.
    flat: FoundCommunication,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct FoundCommunication {
    /// The place of its list among the lists of a participant.
    list: u8,
    id: Option<Id>,
    connected: Option<Moment>,
    disconnected: Option<Moment>,
    hold_started: Option<Moment>,
    state: Option<CommunicationState>,
    held: Option<bool>,
    disconnect: Option<DisconnectKind>,
    acw: AfterCallWork,
    acw_required: Option<bool>,
    wrapup: Wrapup,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Wrapup {
    is_coded: bool,
    ended: Option<Moment>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct AfterCallWork {
    state: Option<AcwState>,
    started: Option<Moment>,
    ended: Option<Moment>,
}

/// The media of a participant's lists, by [`FoundCommunication::list`].
const LISTS: [MediaKind; 11] = [
    MediaKind::Voice,
    MediaKind::Callback,
    MediaKind::Chat,
    MediaKind::Other,
    MediaKind::Email,
    MediaKind::Message,
    MediaKind::Other,
    MediaKind::Other,
    MediaKind::Other,
    MediaKind::Other,
    MediaKind::Video,
];

/// Reads the conversation at the scanner's place; times later than `trusted_until` count as absent. The error says what is
/// wrong without showing content. `found` is only reused, of `spare` the memory.
pub(super) fn read(
    scan: &mut Scanner<'_>,
    found: &mut Found,
    spare: &mut Option<Box<ConversationFacts>>,
    layout: Layout,
    trusted_until: Moment,
) -> Result<Result<Read, String>, Invalid> {
    found.walk(scan, trusted_until)?;
    Ok(found.build(layout, spare))
}

impl Found {
    fn walk(&mut self, scan: &mut Scanner<'_>, trusted_until: Moment) -> Result<(), Invalid> {
        self.id = None;
        self.participants.clear();
        self.communications.clear();
        self.wrong = None;
        self.stamp = None;
        self.unreadable = 0;
        let mut object = scan.object()?;
        while let Some(key) = scan.next_key(&mut object)? {
            match key {
                ConversationKey::Id => self.id = scan.id()?.some(),
                ConversationKey::Participants => match scan.list_field()? {
                    Field::Absent => {}
                    Field::Wrong => self.wrong = Some("participants is not a list"),
                    Field::Given(mut list) => {
                        while scan.next_entry(&mut list)? {
                            match scan.object_field()? {
                                Field::Given(object) => self.participant(scan, object, trusted_until)?,
                                Field::Absent | Field::Wrong => self.wrong = Some("a participant is not an object"),
                            }
                        }
                    }
                },
            }
        }
        Ok(())
    }

    fn participant(&mut self, scan: &mut Scanner<'_>, mut object: Object, until: Moment) -> Result<(), Invalid> {
        use ParticipantKey as Key;
        let place = self.participants.len();
        let first = self.communications.len();
        self.participants.push(FoundParticipant::default());
        let mut listens_in = false;
        while let Some(key) = scan.next_key(&mut object)? {
            let list = match key {
                Key::Calls => 0,
                Key::Callbacks => 1,
                Key::Chats => 2,
                Key::CobrowseSessions => 3,
                Key::Emails => 4,
                Key::Messages => 5,
                Key::InternalMessages => 6,
                Key::ScreenMonitorings => 7,
                Key::Screenshares => 8,
                Key::SocialExpressions => 9,
                Key::Videos => 10,
                Key::MonitoredParticipantId
                | Key::ScreenMonitoredParticipantId
                | Key::CoachedParticipantId
                | Key::BargedParticipantId => {
                    listens_in |= scan.id()?.as_some().is_some();
                    continue;
                }
                _ => {
                    let mut times = Watch {
                        until,
                        stamp: &mut self.stamp,
                        unreadable: &mut self.unreadable,
                    };
                    self.participants[place].field(key, scan, &mut times)?;
                    continue;
                }
            };
            let Field::Given(mut entries) = scan.list_field()? else {
                continue;
            };
            while scan.next_entry(&mut entries)? {
                if let Field::Given(object) = scan.object_field()? {
                    let mut times = Watch {
                        until,
                        stamp: &mut self.stamp,
                        unreadable: &mut self.unreadable,
                    };
                    let mut one = FoundCommunication {
                        list,
                        ..FoundCommunication::default()
                    };
                    one.fields(scan, object, &mut times)?;
                    self.communications.push(one);
                }
            }
        }
        let own = &mut self.communications[first..];
        if !own.is_sorted_by_key(|one| one.list) {
            own.sort_by_key(|one| one.list);
        }
        let participant = &mut self.participants[place];
        participant.communications = own.len();
        participant.listens_in = listens_in;
        Ok(())
    }
}

/// Reads the times that the numbers use.
struct Watch<'a> {
    /// A later time is not trusted.
    until: Moment,
    stamp: &'a mut Option<Moment>,
    unreadable: &'a mut u32,
}

impl Watch<'_> {
    #[inline]
    fn time(&mut self, scan: &mut Scanner<'_>) -> Result<Option<Moment>, Invalid> {
        Ok(match scan.moment()? {
            Field::Absent => None,
            Field::Given(at) if at <= self.until => {
                *self.stamp = (*self.stamp).max(Some(at));
                Some(at)
            }
            Field::Given(_) | Field::Wrong => {
                *self.unreadable += 1;
                None
            }
        })
    }

    fn wrapup(&mut self, scan: &mut Scanner<'_>) -> Result<Wrapup, Invalid> {
        let wrapup = scan.object_as(|scan, mut object| {
            let mut wrapup = Wrapup::default();
            while let Some(key) = scan.next_key(&mut object)? {
                match key {
                    // Read as an id, so that an empty code counts as absent.
                    WrapupKey::Code => wrapup.is_coded = scan.id()?.as_some().is_some(),
                    WrapupKey::EndTime => wrapup.ended = self.time(scan)?,
                }
            }
            Ok(wrapup)
        })?;
        Ok(wrapup.some().unwrap_or_default())
    }

    fn after_call_work(&mut self, scan: &mut Scanner<'_>) -> Result<AfterCallWork, Invalid> {
        let work = scan.object_as(|scan, mut object| {
            let mut work = AfterCallWork::default();
            while let Some(key) = scan.next_key(&mut object)? {
                match key {
                    AcwKey::State => work.state = scan.field()?.some(),
                    AcwKey::StartTime => work.started = self.time(scan)?,
                    AcwKey::EndTime => work.ended = self.time(scan)?,
                }
            }
            Ok(work)
        })?;
        Ok(work.some().unwrap_or_default())
    }
}

/// The `id` in the object of a field.
fn reference(scan: &mut Scanner<'_>) -> Result<Option<Id>, Invalid> {
    let id = scan.object_as(|scan, mut object| {
        let mut id = None;
        while let Some(ReferenceKey::Id) = scan.next_key(&mut object)? {
            id = scan.id()?.some();
        }
        Ok(id)
    })?;
    Ok(id.some().flatten())
}

/// The `queue.id` in the object of a field.
fn routed_queue(scan: &mut Scanner<'_>) -> Result<Option<Id>, Invalid> {
    let id = scan.object_as(|scan, mut object| {
        let mut id = None;
        while let Some(RoutingKey::Queue) = scan.next_key(&mut object)? {
            id = reference(scan)?;
        }
        Ok(id)
    })?;
    Ok(id.some().flatten())
}

impl FoundParticipant {
    /// Reads the value of any key but those of communications and of other participants.
    fn field(&mut self, key: ParticipantKey, scan: &mut Scanner<'_>, times: &mut Watch<'_>) -> Result<(), Invalid> {
        use ParticipantKey as Key;
        match key {
            Key::Id => self.id = scan.id()?.some(),
            Key::StartTime => {
                times.time(scan)?;
            }
            Key::ConnectedTime => self.connected = times.time(scan)?,
            Key::EndTime => self.ended = times.time(scan)?,
            Key::StartAcwTime => self.acw_started = times.time(scan)?,
            Key::EndAcwTime => self.acw_ended = times.time(scan)?,
            Key::Purpose => self.purpose = scan.field()?.some(),
            Key::QueueId => self.queue_id = scan.id()?.some(),
            Key::ConversationRoutingData => self.routed_queue = routed_queue(scan)?,
            Key::Queue => self.queue = reference(scan)?,
            Key::UserId => self.user_id = scan.id()?.some(),
            Key::User => self.user = reference(scan)?,
            Key::WrapupExpected => self.wrapup_expected = scan.field()?.some(),
            Key::WrapupRequired => self.wrapup_required = scan.field()?.some(),
            Key::Wrapup => self.wrapup = times.wrapup(scan)?,
            Key::State => self.flat.state = scan.field()?.some(),
            Key::Held => self.flat.held = scan.field()?.some(),
            Key::StartHoldTime => self.flat.hold_started = times.time(scan)?,
            Key::DisconnectType => self.flat.disconnect = scan.field()?.some(),
            Key::AfterCallWork => self.flat.acw = times.after_call_work(scan)?,
            Key::AfterCallWorkRequired => self.flat.acw_required = scan.field()?.some(),
            _ => scan.wrong_type()?,
        }
        Ok(())
    }
}

impl FoundCommunication {
    fn fields(&mut self, scan: &mut Scanner<'_>, mut object: Object, times: &mut Watch<'_>) -> Result<(), Invalid> {
        use CommunicationKey as Key;
        while let Some(key) = scan.next_key(&mut object)? {
            match key {
                Key::Id => self.id = scan.id()?.some(),
                Key::ConnectedTime => self.connected = times.time(scan)?,
                Key::DisconnectedTime => self.disconnected = times.time(scan)?,
                Key::StartHoldTime => self.hold_started = times.time(scan)?,
                Key::State => self.state = scan.field()?.some(),
                Key::Held => self.held = scan.field()?.some(),
                Key::DisconnectType => self.disconnect = scan.field()?.some(),
                Key::AfterCallWork => self.acw = times.after_call_work(scan)?,
                Key::AfterCallWorkRequired => self.acw_required = scan.field()?.some(),
                Key::Wrapup => self.wrapup = times.wrapup(scan)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
