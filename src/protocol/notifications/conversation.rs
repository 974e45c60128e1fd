//! Reads conversations from the general topics and from the topics of one medium.
//!
//! In: `eventBody` of conversation topics · Out: `ConversationFacts` · Thread: any (pure).

use serde::Deserialize;

use super::super::json::{Entries, Field, lenient_object, read_object};
use crate::event::facts::{
    AcwState, Communication, CommunicationState, ConversationFacts, DisconnectKind, MediaKind, Participant, Purpose,
    Stamped,
};
use crate::{Id, Moment};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawConversation {
    id: Field<Id>,
    participants: Field<Entries<RawParticipant>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawParticipant {
    id: Field<Id>,
    start_time: Field<Moment>,
    connected_time: Field<Moment>,
    end_time: Field<Moment>,
    start_acw_time: Field<Moment>,
    end_acw_time: Field<Moment>,
    purpose: Field<Purpose>,
    queue_id: Field<Id>,
    conversation_routing_data: Field<RoutingPart>,
    queue: Field<Reference>,
    user_id: Field<Id>,
    user: Field<Reference>,
    wrapup_expected: Field<bool>,
    wrapup_required: Field<bool>,
    wrapup: Field<Wrapup>,
    monitored_participant_id: Field<Id>,
    screen_monitored_participant_id: Field<Id>,
    coached_participant_id: Field<Id>,
    barged_participant_id: Field<Id>,
    calls: Field<Entries<RawCommunication>>,
    callbacks: Field<Entries<RawCommunication>>,
    chats: Field<Entries<RawCommunication>>,
    #[serde(alias = "cobrowseSessions")]
    cobrowsesessions: Field<Entries<RawCommunication>>,
    emails: Field<Entries<RawCommunication>>,
    messages: Field<Entries<RawCommunication>>,
    internal_messages: Field<Entries<RawCommunication>>,
    screen_monitorings: Field<Entries<RawCommunication>>,
    screenshares: Field<Entries<RawCommunication>>,
    social_expressions: Field<Entries<RawCommunication>>,
    videos: Field<Entries<RawCommunication>>,
    // Only in the topics of one medium:
    state: Field<CommunicationState>,
    held: Field<bool>,
    start_hold_time: Field<Moment>,
    disconnect_type: Field<DisconnectKind>,
    after_call_work: Field<AfterCallWork>,
    after_call_work_required: Field<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawCommunication {
    id: Field<Id>,
    connected_time: Field<Moment>,
    disconnected_time: Field<Moment>,
    start_hold_time: Field<Moment>,
    state: Field<CommunicationState>,
    held: Field<bool>,
    disconnect_type: Field<DisconnectKind>,
    after_call_work: Field<AfterCallWork>,
    after_call_work_required: Field<bool>,
    wrapup: Field<Wrapup>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reference {
    id: Field<Id>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RoutingPart {
    queue: Field<Reference>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Wrapup {
    /// Read as an id, so that an empty code counts as absent.
    code: Field<Id>,
    end_time: Field<Moment>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AfterCallWork {
    state: Field<AcwState>,
    start_time: Field<Moment>,
    end_time: Field<Moment>,
}

lenient_object!(
    RawParticipant,
    RawCommunication,
    Reference,
    RoutingPart,
    Wrapup,
    AfterCallWork
);

/// Where participants have their communications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// In a list for each medium.
    Listed,
    /// In the participant itself: the topic is about this medium only.
    Flat(MediaKind),
}

/// Reads a conversation. The error says what is wrong without showing content.
pub(super) fn read(body: &str, layout: Layout) -> Result<ConversationFacts, String> {
    into_facts(read_object("eventBody", body)?, layout)
}

/// Reads a conversation at the beginning of `text`; also gives its length. `None` where there is no readable object.
pub(super) fn read_prefix(text: &str, layout: Layout) -> Option<(Result<ConversationFacts, String>, usize)> {
    if !text.starts_with('{') {
        return None;
    }
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<RawConversation>();
    let raw = stream.next()?.ok()?;
    Some((into_facts(raw, layout), stream.byte_offset()))
}

fn into_facts(raw: RawConversation, layout: Layout) -> Result<ConversationFacts, String> {
    let Some(id) = raw.id.some() else {
        return Err("a conversation without an id".to_owned());
    };
    let participants = match raw.participants {
        Field::Absent => Vec::new(),
        Field::Wrong => return Err("participants is not a list".to_owned()),
        Field::Given(entries) if entries.wrong > 0 => return Err("a participant is not an object".to_owned()),
        Field::Given(entries) => entries.good,
    };
    let stamp = participants
        .iter()
        .filter_map(newest_of_participant)
        .max()
        .unwrap_or_else(|| Moment::from_epoch_ms(i64::MIN));
    let mut facts = ConversationFacts {
        id,
        participants: Vec::with_capacity(participants.len()),
    };
    for participant in participants {
        facts.participants.extend(participant.into_facts(layout, stamp));
    }
    Ok(facts)
}

/// The newest time at which something happened. Planned times (`callbackScheduledTime`, `resumeTime`) and times in
/// attributes do not count.
fn newest_of_participant(p: &RawParticipant) -> Option<Moment> {
    let own = [
        p.start_time.copied(),
        p.connected_time.copied(),
        p.end_time.copied(),
        p.start_acw_time.copied(),
        p.end_acw_time.copied(),
        p.start_hold_time.copied(),
        wrapup_end(&p.wrapup),
        newest_of_acw(&p.after_call_work),
    ];
    let communications = p.lists().into_iter().flat_map(|(_, list)| list.entries()).map(|m| {
        [
            m.connected_time.copied(),
            m.disconnected_time.copied(),
            m.start_hold_time.copied(),
            wrapup_end(&m.wrapup),
            newest_of_acw(&m.after_call_work),
        ]
        .into_iter()
        .max()
        .flatten()
    });
    own.into_iter().chain(communications).max().flatten()
}

fn wrapup_end(wrapup: &Field<Wrapup>) -> Option<Moment> {
    wrapup.as_some().and_then(|w| w.end_time.copied())
}

fn newest_of_acw(acw: &Field<AfterCallWork>) -> Option<Moment> {
    acw.as_some()
        .and_then(|acw| acw.start_time.copied().max(acw.end_time.copied()))
}

fn is_coded(wrapup: &Field<Wrapup>) -> bool {
    wrapup.as_some().is_some_and(|w| w.code.as_some().is_some())
}

fn reference(field: Field<Reference>) -> Option<Id> {
    field.some().and_then(|reference| reference.id.some())
}

impl RawParticipant {
    fn lists(&self) -> [(MediaKind, &Field<Entries<RawCommunication>>); 11] {
        [
            (MediaKind::Voice, &self.calls),
            (MediaKind::Callback, &self.callbacks),
            (MediaKind::Chat, &self.chats),
            (MediaKind::Other, &self.cobrowsesessions),
            (MediaKind::Email, &self.emails),
            (MediaKind::Message, &self.messages),
            (MediaKind::Other, &self.internal_messages),
            (MediaKind::Other, &self.screen_monitorings),
            (MediaKind::Other, &self.screenshares),
            (MediaKind::Other, &self.social_expressions),
            (MediaKind::Video, &self.videos),
        ]
    }

    /// `None` without an id: nothing could be joined to it.
    fn into_facts(self, layout: Layout, at: Moment) -> Option<Participant> {
        let stamped = At(at);
        let id = self.id.as_some()?.clone();
        let communications = match layout {
            Layout::Flat(kind) => vec![self.flat_communication(kind, id.clone(), stamped)],
            Layout::Listed => {
                let lists = self.lists();
                let mut all = Vec::with_capacity(lists.iter().map(|(_, list)| list.entries().len()).sum());
                for (kind, list) in lists {
                    all.extend(list.entries().iter().map(|one| one.to_facts(kind, &id, stamped)));
                }
                all
            }
        };
        let listens = [
            &self.monitored_participant_id,
            &self.screen_monitored_participant_id,
            &self.coached_participant_id,
            &self.barged_participant_id,
        ];
        Some(Participant {
            connected: self.connected_time.copied(),
            ended: self.end_time.copied(),
            acw_started: self.start_acw_time.copied(),
            acw_ended: self.end_acw_time.copied(),
            purpose: stamped.value(self.purpose.some()),
            wrapup_expected: stamped.value(self.wrapup_expected.some()),
            wrapup_required: stamped.value(self.wrapup_required.some()),
            wrapup_coded: is_coded(&self.wrapup)
                || self
                    .lists()
                    .iter()
                    .any(|(_, list)| list.entries().iter().any(|m| is_coded(&m.wrapup))),
            listens_in: listens.iter().any(|field| field.as_some().is_some()),
            queue: stamped.value(
                self.queue_id
                    .some()
                    .or_else(|| {
                        self.conversation_routing_data
                            .some()
                            .and_then(|data| reference(data.queue))
                    })
                    .or_else(|| reference(self.queue)),
            ),
            user: stamped.value(self.user_id.some().or_else(|| reference(self.user))),
            id,
            communications,
        })
    }

    fn flat_communication(&self, kind: MediaKind, id: Id, at: At) -> Communication {
        Communication {
            kind,
            id,
            connected: self.connected_time.copied(),
            disconnected: self.end_time.copied(),
            state: at.value(self.state.copied()),
            disconnect: at.value(self.disconnect_type.copied()),
            acw_required: at.value(self.after_call_work_required.copied()),
            acw_state: at.value(self.after_call_work.as_some().and_then(|acw| acw.state.copied())),
            hold_started: at.value(self.start_hold_time.copied()),
            held: at.value(self.held.copied()),
        }
    }
}

impl RawCommunication {
    /// A communication without an id gets the id of its participant.
    fn to_facts(&self, kind: MediaKind, participant: &Id, at: At) -> Communication {
        Communication {
            kind,
            id: self.id.as_some().unwrap_or(participant).clone(),
            connected: self.connected_time.copied(),
            disconnected: self.disconnected_time.copied(),
            state: at.value(self.state.copied()),
            disconnect: at.value(self.disconnect_type.copied()),
            acw_required: at.value(self.after_call_work_required.copied()),
            acw_state: at.value(self.after_call_work.as_some().and_then(|acw| acw.state.copied())),
            hold_started: at.value(self.start_hold_time.copied()),
            held: at.value(self.held.copied()),
        }
    }
}

/// The stamp for the values of an event that have no time of their own.
#[derive(Clone, Copy)]
struct At(Moment);

impl At {
    fn value<T>(self, value: Option<T>) -> Option<Stamped<T>> {
        value.map(|value| Stamped { at: self.0, value })
    }
}
