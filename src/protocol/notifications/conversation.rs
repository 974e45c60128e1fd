//! Reads conversations from the general topics and from the topics of one medium.
//!
//! In: `eventBody` of conversation topics · Out: `ConversationFacts`, how much could not be read · Thread: any (pure).

use std::cmp::Reverse;

use serde::Deserialize;

use super::super::json::{Entries, Field, lenient_object, read_object};
use crate::event::facts::{
    AcwState, AfterCallWork, Communication, CommunicationState, ConversationFacts, DisconnectKind, MediaKind,
    Participant, Purpose, Stamped, Wrapups,
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
    after_call_work: Field<RawAfterCallWork>,
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
    after_call_work: Field<RawAfterCallWork>,
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

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawAfterCallWork {
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
    RawAfterCallWork
);

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
    pub(super) facts: ConversationFacts,
    /// Times that are not readable or not trusted, and participants without an id.
    pub(super) unreadable: u32,
}

/// Reads a conversation; times later than `trusted_until` count as absent. The error says what is wrong without showing
/// content.
pub(super) fn read(body: &str, layout: Layout, trusted_until: Moment) -> Result<Read, String> {
    into_facts(read_object("eventBody", body)?, layout, trusted_until)
}

/// Reads a conversation at the beginning of `text`; also gives its length. `None` where there is no readable object.
pub(super) fn read_prefix(text: &str, layout: Layout, trusted_until: Moment) -> Option<(Result<Read, String>, usize)> {
    if !text.starts_with('{') {
        return None;
    }
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<RawConversation>();
    let raw = stream.next()?.ok()?;
    Some((into_facts(raw, layout, trusted_until), stream.byte_offset()))
}

fn into_facts(raw: RawConversation, layout: Layout, trusted_until: Moment) -> Result<Read, String> {
    let Some(id) = raw.id.some() else {
        return Err("a conversation without an id".to_owned());
    };
    let mut participants = match raw.participants {
        Field::Absent => Vec::new(),
        Field::Wrong => return Err("participants is not a list".to_owned()),
        Field::Given(entries) if entries.wrong > 0 => return Err("a participant is not an object".to_owned()),
        Field::Given(entries) => entries.good,
    };
    let mut unreadable = 0;
    for participant in &mut participants {
        participant.for_each_time(|time| {
            let is_trusted = match time {
                Field::Absent => true,
                Field::Given(at) => *at <= trusted_until,
                Field::Wrong => false,
            };
            if !is_trusted {
                unreadable += 1;
                *time = Field::Absent;
            }
        });
    }
    let stamp = participants
        .iter()
        .filter_map(newest_of_participant)
        .max()
        .unwrap_or_else(|| Moment::from_epoch_ms(i64::MIN));
    let mut facts = ConversationFacts {
        id,
        ended: None,
        participants: Vec::with_capacity(participants.len()),
    };
    for participant in participants {
        match participant.into_facts(layout, stamp) {
            Some(participant) => facts.participants.push(participant),
            None => unreadable += 1,
        }
    }
    Ok(Read { facts, unreadable })
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

fn newest_of_acw(acw: &Field<RawAfterCallWork>) -> Option<Moment> {
    acw.as_some()
        .and_then(|acw| acw.start_time.copied().max(acw.end_time.copied()))
}

fn is_coded(wrapup: &Field<Wrapup>) -> bool {
    wrapup.as_some().is_some_and(|w| w.code.as_some().is_some())
}

fn reference(field: Field<Reference>) -> Option<Id> {
    field.some().and_then(|reference| reference.id.some())
}

/// Calls `with` for the times in a wrap-up and in after-call work.
fn for_each_time_after(
    wrapup: &mut Field<Wrapup>,
    acw: &mut Field<RawAfterCallWork>,
    mut with: impl FnMut(&mut Field<Moment>),
) {
    if let Field::Given(wrapup) = wrapup {
        with(&mut wrapup.end_time);
    }
    if let Field::Given(acw) = acw {
        with(&mut acw.start_time);
        with(&mut acw.end_time);
    }
}

impl RawParticipant {
    /// Calls `with` for every time that the numbers use.
    fn for_each_time(&mut self, mut with: impl FnMut(&mut Field<Moment>)) {
        for time in [
            &mut self.start_time,
            &mut self.connected_time,
            &mut self.end_time,
            &mut self.start_acw_time,
            &mut self.end_acw_time,
            &mut self.start_hold_time,
        ] {
            with(time);
        }
        for_each_time_after(&mut self.wrapup, &mut self.after_call_work, &mut with);
        for list in self.lists_mut() {
            let Field::Given(entries) = list else { continue };
            for one in &mut entries.good {
                with(&mut one.connected_time);
                with(&mut one.disconnected_time);
                with(&mut one.start_hold_time);
                for_each_time_after(&mut one.wrapup, &mut one.after_call_work, &mut with);
            }
        }
    }

    fn lists_mut(&mut self) -> [&mut Field<Entries<RawCommunication>>; 11] {
        [
            &mut self.calls,
            &mut self.callbacks,
            &mut self.chats,
            &mut self.cobrowsesessions,
            &mut self.emails,
            &mut self.messages,
            &mut self.internal_messages,
            &mut self.screen_monitorings,
            &mut self.screenshares,
            &mut self.social_expressions,
            &mut self.videos,
        ]
    }

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
    fn into_facts(mut self, layout: Layout, at: Moment) -> Option<Participant> {
        let stamped = At(at);
        let id = self.id.as_some()?.clone();
        let queue = std::mem::take(&mut self.queue_id)
            .some()
            .or_else(|| {
                std::mem::take(&mut self.conversation_routing_data)
                    .some()
                    .and_then(|data| reference(data.queue))
            })
            .or_else(|| reference(std::mem::take(&mut self.queue)));
        let queue = stamped.value(queue);
        let communications = match layout {
            Layout::Flat(kind) => vec![self.flat_communication(kind, id.clone(), queue.as_ref(), stamped)],
            Layout::Listed => {
                let lists = self.lists();
                let mut all = Vec::with_capacity(lists.iter().map(|(_, list)| list.entries().len()).sum());
                for (kind, list) in lists {
                    let facts = |one: &RawCommunication| one.to_facts(kind, &id, queue.as_ref(), stamped);
                    all.extend(list.entries().iter().map(facts));
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
        let work = AfterCallWork {
            started: self.start_acw_time.copied(),
            ended: self.end_acw_time.copied(),
        };
        let is_there = work.started.is_some() || work.ended.is_some();
        Some(Participant {
            connected: self.connected_time.copied(),
            ended: self.end_time.copied(),
            after_call_work: if is_there { vec![work] } else { Vec::new() },
            purpose: stamped.value(self.purpose.some()),
            wrapup_expected: stamped.value(self.wrapup_expected.some().map(Reverse)),
            wrapup_required: stamped.value(self.wrapup_required.some().map(Reverse)),
            wrapups: wrapups(&self.wrapup, at),
            listens_in: stamped.value(Some(Reverse(listens.iter().any(|field| field.as_some().is_some())))),
            queue,
            user: stamped.value(self.user_id.some().or_else(|| reference(self.user))),
            id,
            communications,
        })
    }

    fn flat_communication(&self, kind: MediaKind, id: Id, queue: Option<&Stamped<Id>>, at: At) -> Communication {
        RawCommunication {
            id: Field::Given(id.clone()),
            connected_time: self.connected_time,
            disconnected_time: self.end_time,
            start_hold_time: self.start_hold_time,
            state: self.state,
            held: self.held,
            disconnect_type: self.disconnect_type,
            after_call_work: self.after_call_work.clone(),
            after_call_work_required: self.after_call_work_required,
            wrapup: Field::Absent,
        }
        .to_facts(kind, &id, queue, at)
    }
}

/// The wrap-up of a participant, if it has a code; `at` is the newest time in its event.
fn wrapups(wrapup: &Field<Wrapup>, at: Moment) -> Wrapups {
    let mut wrapups = Wrapups::default();
    if is_coded(wrapup) {
        match wrapup_end(wrapup) {
            Some(end) => wrapups.timed.push(end),
            None => wrapups.untimed = Some(at),
        }
    }
    wrapups
}

impl RawCommunication {
    /// A communication without an id gets the id of its participant.
    fn to_facts(&self, kind: MediaKind, participant: &Id, queue: Option<&Stamped<Id>>, at: At) -> Communication {
        let state = self.state.copied();
        let is_over = matches!(
            state,
            Some(CommunicationState::Disconnected | CommunicationState::Terminated)
        );
        let is_scheduled = kind == MediaKind::Callback && state == Some(CommunicationState::Scheduled);
        let is_held = !is_over && self.held.copied() != Some(false);
        let acw = self.after_call_work.as_some();
        Communication {
            kind,
            id: self.id.as_some().unwrap_or(participant).clone(),
            connected: self.connected_time.copied(),
            disconnected: self.disconnected_time.copied(),
            state: at.value(state),
            queue: queue.filter(|_| !is_over).cloned(),
            oldest_queue: queue.cloned(),
            scheduled: Some(at.0).filter(|at| is_scheduled && *at > Moment::from_epoch_ms(i64::MIN)),
            disconnect: at.value(self.disconnect_type.copied()),
            acw_required: at.value(self.after_call_work_required.copied().map(Reverse)),
            acw_state: at.value(acw.and_then(|acw| acw.state.copied())),
            acw_started: acw.and_then(|acw| acw.start_time.copied()),
            acw_ended: acw.and_then(|acw| acw.end_time.copied()),
            wrapup_coded: is_coded(&self.wrapup),
            hold_started: self.start_hold_time.copied().filter(|_| is_held),
            hold_over: None,
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
