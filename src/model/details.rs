//! Conversation details of the REST API, read as facts; the mapping is described in `docs/gaps.md`.
//!
//! In: answers of `/api/v2/analytics/conversations/details…` · Out: `ConversationFacts` · Thread: any (pure).
//!
//! Where the mapping leaves something open:
//! * Segments are ordered by `segmentStart`, then by their place in the list.
//! * If the conversation has ended and the last segment has no end, the segment ended with the conversation.
//! * After-call work whose last wrap-up segment is open has not ended.
//! * A session that names whom it monitors, without a segment that says so, listens in.

use std::cmp::Reverse;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::base::limits::{COMMUNICATIONS, ENTRY_BYTES, ID_BYTES, PAGE_BYTES, PARTICIPANTS, SEGMENTS, cut};
use crate::base::order::Ordered as _;
use crate::event::facts::{
    AcwState, Communication, CommunicationState, ConversationFacts, DisconnectKind, MediaKind, Participant, Purpose,
    Stamped, Wrapups,
};
use crate::protocol::json::{Entries, Field, Lenient, Present, each_entry, lenient_object, read_object};
use crate::{Id, Moment};

/// One conversation as REST describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RestConversation {
    /// What it says.
    pub facts: ConversationFacts,
    /// `conversationStart`.
    pub start: Option<Moment>,
    /// `conversationEnd`; none while it is open.
    pub end: Option<Moment>,
    /// Its times that are not readable or not trusted, participants without an id, and what is over a limit.
    pub unreadable: u32,
}

/// One answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DetailsPage {
    /// Its conversations.
    pub conversations: Vec<RestConversation>,
    /// Entries that are no conversation, and those beyond the limits of an answer.
    pub unreadable: usize,
    /// The beginning of the first of them.
    pub first_unreadable: String,
}

impl RestConversation {
    /// Whether a conversation that the model does not know enters the numbers: it is open (after-call work included) or
    /// was so at `since` or later. `since` is the begin of the gap, the start, or the local midnight if totals count
    /// since then. What began after a gap enters, too, because the stream tells of it anyway.
    #[must_use]
    pub(crate) fn enters(&self, since: Moment) -> bool {
        if self.end.is_none() || self.wraps_up() {
            return true;
        }
        self.last_time().max(self.end) >= Some(since)
    }

    /// Whether an agent is still in after-call work.
    #[must_use]
    pub(crate) fn wraps_up(&self) -> bool {
        self.communications()
            .any(|c| c.acw_started.is_some() && c.acw_ended.is_none())
    }

    fn communications(&self) -> impl Iterator<Item = &Communication> {
        self.facts.participants.iter().flat_map(|p| &p.communications)
    }

    /// Bytes in memory, as an estimate.
    fn bytes(&self) -> usize {
        // What is made of it on the way to the numbers is as large once more.
        const BESIDE: usize = 256;
        size_of::<Self>() + BESIDE + self.facts.heap_bytes()
    }

    fn last_time(&self) -> Option<Moment> {
        let times = self
            .communications()
            .flat_map(|c| [c.connected, c.disconnected, c.acw_started, c.acw_ended]);
        times.flatten().max()
    }
}

/// Reads a whole answer; times later than `trusted_until` count as absent.
///
/// # Errors
/// Says what is wrong where the body is no object with a list of conversations; it never shows content.
pub(crate) fn read_answer(body: &[u8], trusted_until: Moment) -> Result<DetailsPage, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the answer is no UTF-8".to_owned())?;
    let answer: RawAnswer<'_> = read_object("the answer", text)?;
    let mut page = DetailsPage::default();
    // The service leaves the list out if it found nothing.
    let Some(list) = answer.conversations else {
        return Ok(page);
    };
    let mut bytes = 0;
    let mut take = |entry: &str| {
        let read = (entry.len() <= ENTRY_BYTES && bytes <= PAGE_BYTES)
            .then(|| serde_json::from_str::<Field<RawConversation>>(entry).ok()?.some())
            .flatten();
        let conversation = read.and_then(|mut raw| {
            let unreadable = raw.remove_unreadable(trusted_until);
            let conversation = raw.into_conversation()?;
            Some(RestConversation {
                unreadable,
                ..conversation
            })
        });
        match conversation {
            Some(conversation) => {
                bytes += conversation.bytes();
                page.conversations.push(conversation);
            }
            None => {
                if page.unreadable == 0 {
                    cut(entry, ID_BYTES).clone_into(&mut page.first_unreadable);
                }
                page.unreadable += 1;
            }
        }
    };
    match each_entry(list, &mut take) {
        true => Ok(page),
        false => Err("conversations is no list".to_owned()),
    }
}

/// Reads one conversation: an element of `conversations`, or the answer that asks for one.
///
/// # Errors
/// Says what is wrong where the text is no object or has no `conversationId`; it never shows content.
#[cfg(test)]
pub(crate) fn read_conversation(json: &str) -> Result<RestConversation, String> {
    let mut raw: RawConversation = read_object("the conversation", json)?;
    raw.remove_unreadable(Moment::from_epoch_ms(i64::MAX));
    raw.into_conversation()
        .ok_or_else(|| "a conversation without a conversationId".to_owned())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawAnswer<'a> {
    #[serde(borrow)]
    conversations: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawConversation {
    conversation_id: Field<Id>,
    conversation_start: Field<Moment>,
    conversation_end: Field<Moment>,
    participants: Field<Entries<RawParticipant>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawParticipant {
    participant_id: Field<Id>,
    purpose: Field<Purpose>,
    user_id: Field<Id>,
    sessions: Field<Entries<RawSession>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawSession {
    session_id: Field<Id>,
    media_type: Field<MediaKind>,
    acw_skipped: Field<bool>,
    monitored_participant_id: Field<Id>,
    coached_participant_id: Field<Id>,
    barged_participant_id: Field<Id>,
    segments: Field<Entries<RawSegment>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawSegment {
    segment_type: Field<SegmentKind>,
    segment_start: Field<Moment>,
    segment_end: Field<Moment>,
    queue_id: Field<Id>,
    disconnect_type: Field<DisconnectKind>,
    wrap_up_code: Field<Present>,
}

lenient_object!(
    RawConversation,
    RawParticipant[PARTICIPANTS],
    RawSession[COMMUNICATIONS],
    RawSegment[SEGMENTS],
);

/// Kinds of segments that the mapping distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SegmentKind {
    /// `interact`, `hold`, `parked`: an agent is connected.
    Talk,
    /// `monitoring`, `coaching`, `barging`, `screenmonitoring`: an agent is connected and listens in.
    Listen,
    /// `wrapup`.
    Wrapup,
    /// `scheduled`.
    Scheduled,
    /// `system`.
    System,
    /// `delay`, `dialing`, `contacting`, `alert`, `converting`, `transmitting`, `uploading`: nobody is connected yet.
    Before,
    /// `ivr`, `voicemail` …: connects everybody but agents.
    Other,
}

impl<'de> Lenient<'de> for SegmentKind {
    fn text(text: &str) -> Option<Self> {
        let is = |names: &[&str]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
        Some(if is(&["interact", "hold", "parked"]) {
            Self::Talk
        } else if is(&["wrapup"]) {
            Self::Wrapup
        } else if is(&["monitoring", "coaching", "barging", "screenmonitoring"]) {
            Self::Listen
        } else if is(&["scheduled"]) {
            Self::Scheduled
        } else if is(&["system"]) {
            Self::System
        } else if is(&[
            "delay",
            "dialing",
            "contacting",
            "alert",
            "converting",
            "transmitting",
            "uploading",
        ]) {
            Self::Before
        } else {
            Self::Other
        })
    }
}

impl RawSegment {
    fn is(&self, kind: SegmentKind) -> bool {
        self.kind() == kind
    }

    fn kind(&self) -> SegmentKind {
        self.segment_type.copied().unwrap_or(SegmentKind::Other)
    }

    fn start(&self) -> Option<Moment> {
        self.segment_start.copied()
    }

    fn end(&self) -> Option<Moment> {
        self.segment_end.copied()
    }
}

/// The segments of a session in the order of their starts; those without one first.
struct Segments<'a>(Vec<&'a RawSegment>);

impl<'a> Segments<'a> {
    fn of_kind(&self, kind: SegmentKind) -> impl DoubleEndedIterator<Item = &'a RawSegment> {
        self.0.iter().copied().filter(move |s| s.is(kind))
    }

    /// All but after-call work.
    fn talk(&self) -> impl DoubleEndedIterator<Item = &'a RawSegment> {
        self.0.iter().copied().filter(|s| !s.is(SegmentKind::Wrapup))
    }

    fn connected(&self, purpose: Option<Purpose>) -> Option<Moment> {
        let is_agent = matches!(purpose, Some(Purpose::Agent | Purpose::User));
        let has_system_only = self.0.iter().all(|s| s.is(SegmentKind::System)) && purpose != Some(Purpose::Acd);
        let connects = |s: &&RawSegment| match s.kind() {
            SegmentKind::Talk | SegmentKind::Listen => true,
            SegmentKind::Other => !is_agent,
            SegmentKind::System => !is_agent && has_system_only,
            SegmentKind::Wrapup | SegmentKind::Scheduled | SegmentKind::Before => false,
        };
        self.0.iter().copied().filter(connects).find_map(RawSegment::start)
    }

    /// While the conversation is open, its last segment must have been disconnected: who is on hold has not ended.
    fn disconnected(&self, conversation_end: Option<Moment>) -> Option<Moment> {
        let last = self.talk().next_back()?;
        let is_disconnected = last.end().is_some() && last.disconnect_type.as_some().is_some();
        if !is_disconnected && conversation_end.is_none() {
            return None;
        }
        match last.end() {
            // The end of a `scheduled` segment is planned.
            Some(_) => {
                let real = self.talk().filter(|s| !s.is(SegmentKind::Scheduled));
                real.filter_map(RawSegment::end).max().or(last.end())
            }
            None => conversation_end,
        }
    }
}

impl RawSession {
    fn sorted(&self) -> Segments<'_> {
        let mut segments: Vec<&RawSegment> = self.segments.entries().iter().collect();
        segments.order_by_key(|one| one.segment_start.copied());
        Segments(segments)
    }

    /// Whether it monitors, coaches or barges in by its last word.
    fn listens_in(&self, segments: &Segments<'_>) -> bool {
        let names_whom = || {
            let whom = [
                &self.monitored_participant_id,
                &self.coached_participant_id,
                &self.barged_participant_id,
            ];
            whom.iter().any(|id| id.as_some().is_some())
        };
        match segments.of_kind(SegmentKind::Listen).next() {
            Some(_) => segments.talk().next_back().is_some_and(|s| s.is(SegmentKind::Listen)),
            None => names_whom(),
        }
    }

    fn to_communication(&self, owner: &Owner<'_>) -> Communication {
        let segments = self.sorted();
        let kind = self.media_type.copied().unwrap_or(MediaKind::Other);
        let stamp = owner.stamp;
        let queue = segments.0.iter().rev().find_map(|s| s.queue_id.as_some());
        let disconnect = segments.0.iter().rev().find_map(|s| s.disconnect_type.copied());
        let skipped = self.acw_skipped.copied() == Some(true);
        let wrapup = || segments.of_kind(SegmentKind::Wrapup);
        let wrapup_is_over = wrapup().next_back().is_some_and(|s| s.end().is_some());
        let scheduled = segments.of_kind(SegmentKind::Scheduled).find_map(RawSegment::start);
        let disconnected = segments.disconnected(owner.conversation_end);
        Communication {
            kind,
            id: self.session_id.as_some().unwrap_or(owner.id).clone(),
            connected: segments.connected(owner.purpose),
            disconnected,
            state: disconnected.map(|_| Stamped {
                at: stamp,
                value: CommunicationState::Disconnected,
            }),
            queue: queue.cloned().map(|value| Stamped { at: stamp, value }),
            oldest_queue: None,
            scheduled: scheduled.filter(|_| kind == MediaKind::Callback),
            disconnect: disconnect.map(|value| Stamped { at: stamp, value }),
            acw_required: None,
            acw_state: skipped.then_some(Stamped {
                at: stamp,
                value: AcwState::Skipped,
            }),
            acw_started: wrapup().find_map(RawSegment::start),
            acw_ended: wrapup().filter(|_| wrapup_is_over).filter_map(RawSegment::end).max(),
            wrapup_coded: segments.0.iter().any(|s| s.wrap_up_code.as_some().is_some()),
            hold_started: None,
            hold_over: None,
        }
    }
}

impl RawConversation {
    /// Removes times that are not readable or later than `trusted_until`, participants without an id, because later facts could
    /// not be joined to them, and sessions whose id cannot be read, because they would be taken for others. Returns how many,
    /// and how many entries of lists are over a limit or no objects.
    fn remove_unreadable(&mut self, trusted_until: Moment) -> u32 {
        let mut unreadable = 0;
        let mut check = |time: &mut Field<Moment>, until: Moment| {
            let is_trusted = match time {
                Field::Absent => true,
                Field::Given(at) => *at <= until,
                Field::Wrong => false,
            };
            if !is_trusted {
                unreadable += 1;
                *time = Field::Absent;
            }
        };
        check(&mut self.conversation_start, trusted_until);
        check(&mut self.conversation_end, trusted_until);
        let Field::Given(participants) = &mut self.participants else {
            return unreadable;
        };
        let mut left_out = participants.wrong;
        for sessions in participants.good.iter_mut().filter_map(|p| p.sessions.as_mut()) {
            let before = sessions.good.len();
            sessions.good.retain(|session| session.session_id != Field::Wrong);
            let segments = sessions.good.iter().filter_map(|session| session.segments.as_some());
            left_out += before - sessions.good.len() + sessions.wrong + segments.map(|all| all.wrong).sum::<usize>();
        }
        let sessions = participants.good.iter_mut().filter_map(|p| p.sessions.as_mut());
        for session in sessions.flat_map(|sessions| &mut sessions.good) {
            let Field::Given(segments) = &mut session.segments else {
                continue;
            };
            for segment in &mut segments.good {
                let until = if segment.is(SegmentKind::Scheduled) {
                    // The end of such a segment is planned.
                    Moment::from_epoch_ms(i64::MAX)
                } else {
                    trusted_until
                };
                check(&mut segment.segment_start, trusted_until);
                check(&mut segment.segment_end, until);
            }
        }
        let before = participants.good.len();
        participants.good.retain(|p| p.participant_id.as_some().is_some());
        left_out += before - participants.good.len();
        unreadable.saturating_add(u32::try_from(left_out).unwrap_or(u32::MAX))
    }

    /// `None` without an id.
    fn into_conversation(self) -> Option<RestConversation> {
        let (start, end) = (self.conversation_start.copied(), self.conversation_end.copied());
        let participants = self.participants.entries();
        let segments = participants
            .iter()
            .flat_map(|p| p.sessions.entries())
            .flat_map(|session| session.segments.entries());
        let times = segments.flat_map(|s| {
            let end = s.end().filter(|_| !s.is(SegmentKind::Scheduled));
            [s.start(), end]
        });
        let newest = times.chain([start, end]).flatten().max();
        let stamp = newest.unwrap_or_else(|| Moment::from_epoch_ms(i64::MIN));
        Some(RestConversation {
            unreadable: 0,
            facts: ConversationFacts {
                participants: participants.iter().filter_map(|p| p.to_facts(end, stamp)).collect(),
                ended: end,
                id: self.conversation_id.some()?,
            },
            start,
            end,
        })
    }
}

/// What a session takes from its participant and conversation.
struct Owner<'a> {
    id: &'a Id,
    purpose: Option<Purpose>,
    conversation_end: Option<Moment>,
    /// Newest time in the conversation.
    stamp: Moment,
}

impl RawParticipant {
    fn to_facts(&self, conversation_end: Option<Moment>, stamp: Moment) -> Option<Participant> {
        let id = self.participant_id.as_some()?;
        let owner = Owner {
            id,
            purpose: self.purpose.copied(),
            conversation_end,
            stamp,
        };
        let sessions = self.sessions.entries();
        // The session with the newest segment decides.
        let newest = sessions.iter().map(|session| (session, session.sorted()));
        let newest = newest.max_by_key(|(_, segments)| segments.talk().next_back().and_then(RawSegment::start));
        let queue = sessions.iter().rev().find_map(|session| {
            let segments = session.sorted();
            segments.0.iter().rev().find_map(|s| s.queue_id.as_some()).cloned()
        });
        Some(Participant {
            id: id.clone(),
            connected: None,
            ended: None,
            after_call_work: Vec::new(),
            purpose: owner.purpose.map(|value| Stamped { at: stamp, value }),
            queue: queue.map(|value| Stamped { at: stamp, value }),
            user: self
                .user_id
                .as_some()
                .cloned()
                .map(|value| Stamped { at: stamp, value }),
            wrapup_expected: None,
            wrapup_required: None,
            wrapups: Wrapups::default(),
            listens_in: newest.map(|(session, segments)| Stamped {
                at: stamp,
                value: Reverse(session.listens_in(&segments)),
            }),
            communications: sessions
                .iter()
                .map(|session| session.to_communication(&owner))
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests;
