//! Reads conversations from the general topics and from the topics of one medium, in one walk.
//!
//! In: `eventBody` of conversation topics · Out: `ConversationUpdate`, how much could not be read · Thread: any (pure).

use super::super::json::Field;
use super::super::scan::{Invalid, Object, Scanner, keys};
use crate::base::limits::{COMMUNICATIONS, PARTICIPANTS};
use crate::base::order::Ordered as _;
use crate::event::facts::{AcwState, MediaKind};
use crate::event::spare::Spare;
use crate::event::update::{CommunicationUpdate, ConversationUpdate, ParticipantUpdate};
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
        // The lists, in the order of `LISTS`:
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

/// The media of a participant's lists, in the order of their keys.
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

impl ParticipantKey {
    /// The place of a list of communications in [`LISTS`].
    #[inline]
    fn list(self) -> Option<u8> {
        (self as u8)
            .checked_sub(Self::Calls as u8)
            .filter(|list| usize::from(*list) < LISTS.len())
    }
}

/// What a body says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) update: Box<ConversationUpdate>,
    /// Times that are not readable or not trusted, and participants without an id.
    pub(super) unreadable: u32,
}

/// The memory that the walks through bodies use again.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Where one of a participant's communications came from: the place of its list, and whether it has an id of its own.
    origins: Vec<(u8, bool)>,
    /// Facts that nobody needs any more.
    pub(super) spare: Spare,
}

/// Reads the conversation at the scanner's place; times later than `until` are not trusted and count as absent. The error
/// says what is wrong without showing content.
pub(super) fn read(
    scan: &mut Scanner<'_>,
    memory: &mut Memory,
    layout: Layout,
    until: Moment,
) -> Result<Result<Read, String>, Invalid> {
    let mut update = match memory.spare.conversation.take() {
        Some(mut update) => {
            update.participants.clear();
            update.communications.clear();
            update
        }
        None => Box::new(ConversationUpdate::nothing_of(Id::PLACEHOLDER)),
    };
    let mut walk = Walk {
        layout,
        until,
        stamp: None,
        unreadable: 0,
        wrong: None,
        origins: &mut memory.origins,
        update: &mut update,
    };
    let id = walk.conversation(scan)?;
    let (stamp, unreadable, wrong) = (walk.stamp, walk.unreadable, walk.wrong);
    let Some(id) = id else {
        return Ok(Err("a conversation without an id".to_owned()));
    };
    if let Some(wrong) = wrong {
        return Ok(Err(wrong.to_owned()));
    }
    update.id = id;
    update.at = stamp.unwrap_or_else(|| Moment::from_epoch_ms(i64::MIN));
    Ok(Ok(Read { update, unreadable }))
}

/// The walk through a body.
struct Walk<'a> {
    layout: Layout,
    /// A later time is not trusted.
    until: Moment,
    /// The newest time at which something happened. Planned times (`callbackScheduledTime`, `resumeTime`) and times in
    /// attributes do not count.
    stamp: Option<Moment>,
    /// Times that are not readable or not trusted, and participants without an id.
    unreadable: u32,
    /// `participants`, where it is not a list of objects.
    wrong: Option<&'static str>,
    /// Of the participant's communications so far.
    origins: &'a mut Vec<(u8, bool)>,
    update: &'a mut ConversationUpdate,
}

/// A participant whose object is not read whole.
struct OpenParticipant {
    row: ParticipantUpdate,
    id: Option<Id>,
    // The first queue that is there counts, and the first user.
    queue_id: Option<Id>,
    routed_queue: Option<Id>,
    queue: Option<Id>,
    user_id: Option<Id>,
    user: Option<Id>,
    /// What it says of its communication in the topics of one medium; other topics do not use it.
    flat: OpenCommunication,
}

/// A communication whose object is not read whole.
struct OpenCommunication {
    row: CommunicationUpdate,
    id: Option<Id>,
    held: Option<bool>,
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

impl OpenCommunication {
    fn new(kind: MediaKind) -> Self {
        Self {
            row: CommunicationUpdate::nothing_of(kind, Id::PLACEHOLDER),
            id: None,
            held: None,
        }
    }

    /// Of one that is over or not held any more, the begin of a hold says nothing.
    fn finished(mut self) -> CommunicationUpdate {
        if self.held == Some(false) || self.row.is_over() {
            self.row.hold_started = None;
        }
        if let Some(id) = self.id {
            self.row.id = id;
        }
        self.row
    }
}

impl Walk<'_> {
    /// Gives the conversation's id.
    fn conversation(&mut self, scan: &mut Scanner<'_>) -> Result<Option<Id>, Invalid> {
        let mut id = None;
        let mut object = scan.object()?;
        while let Some(key) = scan.next_key(&mut object)? {
            match key {
                ConversationKey::Id => id = scan.id()?.some(),
                ConversationKey::Participants => match scan.list_field()? {
                    Field::Absent => {}
                    Field::Wrong => self.wrong = Some("participants is not a list"),
                    Field::Given(mut list) => {
                        while scan.next_entry(&mut list)? {
                            if self.update.participants.len() >= PARTICIPANTS {
                                scan.leave_out()?;
                                continue;
                            }
                            match scan.object_field()? {
                                Field::Given(object) => self.participant(scan, object)?,
                                Field::Absent | Field::Wrong => self.wrong = Some("a participant is not an object"),
                            }
                        }
                    }
                },
            }
        }
        Ok(id)
    }

    fn participant(&mut self, scan: &mut Scanner<'_>, mut object: Object) -> Result<(), Invalid> {
        let first = self.update.communications.len();
        self.origins.clear();
        let mut open = OpenParticipant {
            row: ParticipantUpdate::nothing_of(Id::PLACEHOLDER),
            id: None,
            queue_id: None,
            routed_queue: None,
            queue: None,
            user_id: None,
            user: None,
            flat: OpenCommunication::new(MediaKind::Other),
        };
        while let Some(key) = scan.next_key::<ParticipantKey>(&mut object)? {
            match key.list() {
                Some(list) => self.list(scan, list)?,
                None => self.participant_field(scan, key, &mut open)?,
            }
        }
        let Some(id) = open.id else {
            // Nothing could be joined to it.
            self.unreadable += 1;
            self.update.communications.truncate(first);
            return Ok(());
        };
        match self.layout {
            Layout::Listed => self.finish_lists(first, &id),
            Layout::Flat(kind) => {
                self.update.communications.truncate(first);
                self.update.communications.push(CommunicationUpdate {
                    kind,
                    id: id.clone(),
                    connected: open.row.connected,
                    disconnected: open.row.ended,
                    ..open.flat.finished()
                });
            }
        }
        let own = self.update.communications.len() - first;
        self.update.participants.push(ParticipantUpdate {
            id,
            queue: open.queue_id.or(open.routed_queue).or(open.queue),
            user: open.user_id.or(open.user),
            communications: u32::try_from(own).unwrap_or(u32::MAX),
            ..open.row
        });
        Ok(())
    }

    /// Reads the value of any key but those of communications.
    #[inline]
    fn participant_field(
        &mut self,
        scan: &mut Scanner<'_>,
        key: ParticipantKey,
        open: &mut OpenParticipant,
    ) -> Result<(), Invalid> {
        use ParticipantKey as Key;
        let row = &mut open.row;
        match key {
            Key::Id => open.id = scan.id()?.some(),
            Key::StartTime => {
                self.time(scan)?;
            }
            Key::ConnectedTime => row.connected = self.time(scan)?,
            Key::EndTime => row.ended = self.time(scan)?,
            Key::StartAcwTime => row.work.started = self.time(scan)?,
            Key::EndAcwTime => row.work.ended = self.time(scan)?,
            Key::Purpose => row.purpose = scan.field()?.some(),
            Key::QueueId => open.queue_id = scan.id()?.some(),
            Key::ConversationRoutingData => open.routed_queue = routed_queue(scan)?,
            Key::Queue => open.queue = reference(scan)?,
            Key::UserId => open.user_id = scan.id()?.some(),
            Key::User => open.user = reference(scan)?,
            Key::WrapupExpected => row.wrapup_expected = scan.field()?.some(),
            Key::WrapupRequired => row.wrapup_required = scan.field()?.some(),
            Key::Wrapup => {
                let wrapup = self.wrapup(scan)?;
                row.wrapup_coded = wrapup.is_coded;
                row.wrapup_ended = wrapup.ended.filter(|_| wrapup.is_coded);
            }
            Key::MonitoredParticipantId
            | Key::ScreenMonitoredParticipantId
            | Key::CoachedParticipantId
            | Key::BargedParticipantId => row.listens_in |= scan.id()?.as_some().is_some(),
            Key::State => open.flat.row.state = scan.field()?.some(),
            Key::Held => open.flat.held = scan.field()?.some(),
            Key::StartHoldTime => open.flat.row.hold_started = self.time(scan)?,
            Key::DisconnectType => open.flat.row.disconnect = scan.field()?.some(),
            Key::AfterCallWork => self.after_call_work(scan, &mut open.flat.row)?,
            Key::AfterCallWorkRequired => open.flat.row.acw_required = scan.field()?.some(),
            _ => scan.wrong_type()?,
        }
        Ok(())
    }

    /// Reads a list of communications.
    fn list(&mut self, scan: &mut Scanner<'_>, list: u8) -> Result<(), Invalid> {
        let Field::Given(mut entries) = scan.list_field()? else {
            return Ok(());
        };
        while scan.next_entry(&mut entries)? {
            if self.origins.len() >= COMMUNICATIONS {
                scan.leave_out()?;
            } else if let Field::Given(object) = scan.object_field()? {
                self.communication(scan, object, list)?;
            }
        }
        Ok(())
    }

    fn communication(&mut self, scan: &mut Scanner<'_>, mut object: Object, list: u8) -> Result<(), Invalid> {
        use CommunicationKey as Key;
        let mut open = OpenCommunication::new(LISTS[usize::from(list)]);
        let row = &mut open.row;
        while let Some(key) = scan.next_key(&mut object)? {
            match key {
                Key::Id => open.id = scan.id()?.some(),
                Key::ConnectedTime => row.connected = self.time(scan)?,
                Key::DisconnectedTime => row.disconnected = self.time(scan)?,
                Key::StartHoldTime => row.hold_started = self.time(scan)?,
                Key::State => row.state = scan.field()?.some(),
                Key::Held => open.held = scan.field()?.some(),
                Key::DisconnectType => row.disconnect = scan.field()?.some(),
                Key::AfterCallWork => self.after_call_work(scan, row)?,
                Key::AfterCallWorkRequired => row.acw_required = scan.field()?.some(),
                Key::Wrapup => row.wrapup_coded = self.wrapup(scan)?.is_coded,
            }
        }
        self.origins.push((list, open.id.is_some()));
        self.update.communications.push(open.finished());
        Ok(())
    }

    /// Brings a participant's communications into the order of the lists; one without an id gets that of the participant.
    fn finish_lists(&mut self, first: usize, participant: &Id) {
        let own = &mut self.update.communications[first..];
        for (one, (_, has_id)) in own.iter_mut().zip(self.origins.iter()) {
            if !has_id {
                one.id = participant.clone();
            }
        }
        if !self.origins.is_sorted_by_key(|(list, _)| *list) {
            let lists = self.origins.iter().map(|(list, _)| *list);
            let mut rows: Vec<_> = lists.zip(self.update.communications.drain(first..)).collect();
            rows.order_by_key(|(list, _)| *list);
            self.update.communications.extend(rows.into_iter().map(|(_, row)| row));
        }
    }

    #[inline]
    fn time(&mut self, scan: &mut Scanner<'_>) -> Result<Option<Moment>, Invalid> {
        Ok(match scan.moment()? {
            Field::Absent => None,
            Field::Given(at) if at <= self.until => {
                self.stamp = self.stamp.max(Some(at));
                Some(at)
            }
            Field::Given(_) | Field::Wrong => {
                self.unreadable += 1;
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

    fn after_call_work(&mut self, scan: &mut Scanner<'_>, row: &mut CommunicationUpdate) -> Result<(), Invalid> {
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
        let work = work.some().unwrap_or_default();
        (row.acw_state, row.acw_started, row.acw_ended) = (work.state, work.started, work.ended);
        Ok(())
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

#[cfg(test)]
mod tests;
