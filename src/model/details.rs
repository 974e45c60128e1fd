//! Conversation details of the REST API, read as facts; the mapping is described in `docs/numbers.md`.
//!
//! In: answers of `/api/v2/analytics/conversations/details…` · Out: `ConversationFacts` · Thread: any (pure).
//!
//! Where the mapping leaves something open:
//! * Segments are ordered by `segmentStart`, then by their place in the list.
//! * If the conversation has ended and the last segment has no end, the segment ended with the conversation.
//! * After-call work whose last wrap-up segment is open has not ended and is expected.
//! * If an agent has left and nothing is known of after-call work, none is expected.

use serde::Deserialize;

use crate::event::facts::{
    AcwState, Communication, ConversationFacts, DisconnectKind, MediaKind, Participant, Purpose, Stamped,
};
use crate::protocol::json::{Entries, Field, Lenient, lenient_object, read_object};
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
}

/// One answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DetailsPage {
    /// Its conversations.
    pub conversations: Vec<RestConversation>,
    /// Entries that are no conversation.
    pub unreadable: usize,
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
        self.facts.participants.iter().any(Participant::in_after_call_work)
    }

    fn last_time(&self) -> Option<Moment> {
        let participants = self.facts.participants.iter();
        let times = participants.flat_map(|p| [p.connected, p.ended, p.acw_started, p.acw_ended]);
        times.flatten().max()
    }
}

/// Reads a whole answer.
///
/// # Errors
/// Says what is wrong where the body is no object with a list of conversations; it never shows content.
pub(crate) fn read_answer(body: &[u8]) -> Result<DetailsPage, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the answer is no UTF-8".to_owned())?;
    let answer: RawAnswer = read_object("the answer", text)?;
    let entries = match answer.conversations {
        // The service leaves the list out if it found nothing.
        Field::Absent => return Ok(DetailsPage::default()),
        Field::Wrong => return Err("conversations is no list".to_owned()),
        Field::Given(entries) => entries,
    };
    let mut page = DetailsPage {
        conversations: Vec::with_capacity(entries.good.len()),
        unreadable: entries.wrong,
    };
    for raw in entries.good {
        match raw.into_conversation() {
            Some(conversation) => page.conversations.push(conversation),
            None => page.unreadable += 1,
        }
    }
    Ok(page)
}

/// Reads one conversation: an element of `conversations`, or the answer that asks for one.
///
/// # Errors
/// Says what is wrong where the text is no object or has no `conversationId`; it never shows content.
#[cfg(test)]
pub(crate) fn read_conversation(json: &str) -> Result<RestConversation, String> {
    let raw: RawConversation = read_object("the conversation", json)?;
    raw.into_conversation()
        .ok_or_else(|| "a conversation without a conversationId".to_owned())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawAnswer {
    conversations: Field<Entries<RawConversation>>,
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
    /// Read as an identifier, so that an empty code is no code.
    wrap_up_code: Field<Id>,
}

lenient_object!(RawConversation, RawParticipant, RawSession, RawSegment);

/// Kinds of segments that the mapping distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SegmentKind {
    /// `interact`, `hold`, `parked`: an agent is connected.
    Connected,
    /// `wrapup`.
    Wrapup,
    /// `monitoring`, `coaching`, `barging`, `screenmonitoring`.
    ListensIn,
    /// `alert`, `dialing`, `ivr` …
    Other,
}

impl<'de> Lenient<'de> for SegmentKind {
    fn text(text: &str) -> Option<Self> {
        let is = |names: &[&str]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
        Some(if is(&["interact", "hold", "parked"]) {
            Self::Connected
        } else if is(&["wrapup"]) {
            Self::Wrapup
        } else if is(&["monitoring", "coaching", "barging", "screenmonitoring"]) {
            Self::ListensIn
        } else {
            Self::Other
        })
    }
}

impl RawSegment {
    fn is(&self, kind: SegmentKind) -> bool {
        self.segment_type.copied() == Some(kind)
    }
}

impl RawSession {
    /// Whether it monitors, coaches or barges in: it then names the participant it listens to, whatever its segments say.
    fn listens_in(&self) -> bool {
        [
            &self.monitored_participant_id,
            &self.coached_participant_id,
            &self.barged_participant_id,
        ]
        .iter()
        .any(|id| id.as_some().is_some())
    }

    /// Its segments in the order of their starts; those without one first.
    fn sorted(&self) -> Vec<&RawSegment> {
        let mut segments: Vec<&RawSegment> = self.segments.entries().iter().collect();
        segments.sort_by_key(|one| one.segment_start.copied());
        segments
    }

    fn to_communication(&self, participant: &Id, stamp: Moment) -> Communication {
        let disconnect = self.sorted().iter().rev().find_map(|s| s.disconnect_type.copied());
        let skipped = self.acw_skipped.copied() == Some(true);
        Communication {
            kind: self.media_type.copied().unwrap_or(MediaKind::Other),
            id: self.session_id.as_some().unwrap_or(participant).clone(),
            connected: None,
            disconnected: None,
            state: None,
            disconnect: disconnect.map(|value| Stamped { at: stamp, value }),
            acw_required: None,
            acw_state: skipped.then_some(Stamped {
                at: stamp,
                value: AcwState::Skipped,
            }),
            hold_started: None,
            held: None,
        }
    }
}

impl RawConversation {
    /// `None` without an id. Participants without an id are left out, because later facts could not be joined to them.
    fn into_conversation(self) -> Option<RestConversation> {
        let (start, end) = (self.conversation_start.copied(), self.conversation_end.copied());
        let participants = self.participants.entries();
        let segments = participants
            .iter()
            .flat_map(|p| p.sessions.entries())
            .flat_map(|session| session.segments.entries());
        let times = segments.flat_map(|s| [s.segment_start.copied(), s.segment_end.copied()]);
        let newest = times.chain([start, end]).flatten().max();
        let stamp = newest.unwrap_or_else(|| Moment::from_epoch_ms(i64::MIN));
        Some(RestConversation {
            facts: ConversationFacts {
                participants: participants.iter().filter_map(|p| p.to_facts(end, stamp)).collect(),
                id: self.conversation_id.some()?,
            },
            start,
            end,
        })
    }
}

impl RawParticipant {
    fn to_facts(&self, conversation_end: Option<Moment>, stamp: Moment) -> Option<Participant> {
        let id = self.participant_id.as_some()?.clone();
        let sessions = self.sessions.entries();
        let segments = || sessions.iter().flat_map(|session| session.segments.entries());
        let is_agent = matches!(self.purpose.copied(), Some(Purpose::Agent | Purpose::User));
        let connects = |s: &&RawSegment| !is_agent || s.is(SegmentKind::Connected);
        let queue = segments().find_map(|s| s.queue_id.as_some());
        let wrapup = || segments().filter(|s| s.is(SegmentKind::Wrapup));
        let has_wrapup = wrapup().next().is_some();
        let wrapup_is_over = wrapup()
            .max_by_key(|s| s.segment_start.copied())
            .is_some_and(|s| s.segment_end.copied().is_some());
        let expected = match (has_wrapup, conversation_end) {
            (true, _) => (!wrapup_is_over).then_some(true),
            (false, Some(_)) => Some(false),
            (false, None) => None,
        };
        let stamped = |value| Stamped { at: stamp, value };
        Some(Participant {
            connected: segments()
                .filter(connects)
                .filter_map(|s| s.segment_start.copied())
                .min(),
            ended: self.ended(conversation_end),
            acw_started: wrapup().filter_map(|s| s.segment_start.copied()).min(),
            acw_ended: wrapup()
                .filter(|_| wrapup_is_over)
                .filter_map(|s| s.segment_end.copied())
                .max(),
            purpose: self.purpose.copied().map(|value| Stamped { at: stamp, value }),
            queue: queue.cloned().map(|value| Stamped { at: stamp, value }),
            user: self
                .user_id
                .as_some()
                .cloned()
                .map(|value| Stamped { at: stamp, value }),
            wrapup_expected: expected.filter(|_| is_agent).map(stamped),
            wrapup_required: None,
            wrapup_coded: segments().any(|s| s.wrap_up_code.as_some().is_some()),
            listens_in: sessions.iter().any(RawSession::listens_in) || segments().any(|s| s.is(SegmentKind::ListensIn)),
            communications: sessions
                .iter()
                .map(|session| session.to_communication(&id, stamp))
                .collect(),
            id,
        })
    }

    /// While the conversation is open, each session must have been disconnected: a participant on hold has not ended.
    fn ended(&self, conversation_end: Option<Moment>) -> Option<Moment> {
        let mut latest = None;
        for session in self.sessions.entries() {
            let segments = session.sorted();
            let talk = || segments.iter().filter(|s| !s.is(SegmentKind::Wrapup));
            let Some(last) = talk().next_back() else { continue };
            let disconnected = last
                .segment_end
                .copied()
                .filter(|_| last.disconnect_type.as_some().is_some());
            if disconnected.is_none() && conversation_end.is_none() {
                return None;
            }
            let ended = match last.segment_end.copied() {
                Some(_) => talk().filter_map(|s| s.segment_end.copied()).max(),
                None => conversation_end,
            };
            latest = latest.max(ended);
        }
        latest
    }
}

#[cfg(test)]
mod tests;
