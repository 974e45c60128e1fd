//! Makes facts of what was found in a conversation.
//!
//! In: `Found` · Out: `ConversationFacts` · Thread: any (pure).

use std::cmp::Reverse;

use super::{Found, FoundCommunication, FoundParticipant, LISTS, Layout, Read, Wrapup};
use crate::event::facts::{
    AfterCallWork, Communication, CommunicationState, ConversationFacts, MediaKind, Participant, Stamped, Wrapups,
};
use crate::{Id, Moment};

impl Found {
    /// The facts, in the memory of spare ones. What was found is used up.
    pub(super) fn build(&mut self, layout: Layout, spare: &mut Option<Box<ConversationFacts>>) -> Result<Read, String> {
        let Some(id) = self.id.take() else {
            return Err("a conversation without an id".to_owned());
        };
        if let Some(wrong) = self.wrong {
            return Err(wrong.to_owned());
        }
        let at = At(self.stamp.unwrap_or_else(|| Moment::from_epoch_ms(i64::MIN)));
        let mut unreadable = self.unreadable;
        let mut facts = match spare.take() {
            Some(mut facts) => {
                (facts.id, facts.ended) = (id, None);
                facts
            }
            None => Box::new(ConversationFacts::nothing_of(id)),
        };
        let mut used = std::mem::take(&mut facts.participants);
        let mut built = 0;
        let mut rest = self.communications.as_mut_slice();
        for participant in &mut self.participants {
            let (own, others) = std::mem::take(&mut rest).split_at_mut(participant.communications);
            rest = others;
            let lists = used.get_mut(built).map(Lists::of).unwrap_or_default();
            match participant.build(own, layout, at, lists) {
                Some(participant) if built < used.len() => used[built] = participant,
                Some(participant) => used.push(participant),
                None => {
                    unreadable += 1;
                    continue;
                }
            }
            built += 1;
        }
        used.truncate(built);
        facts.participants = used;
        Ok(Read { facts, unreadable })
    }
}

/// Empty lists with the memory of an old participant.
#[derive(Default)]
struct Lists {
    communications: Vec<Communication>,
    after_call_work: Vec<AfterCallWork>,
    wrapups: Wrapups,
}

impl Lists {
    fn of(old: &mut Participant) -> Self {
        let mut lists = Self {
            communications: std::mem::take(&mut old.communications),
            after_call_work: std::mem::take(&mut old.after_call_work),
            wrapups: std::mem::take(&mut old.wrapups),
        };
        lists.communications.clear();
        lists.after_call_work.clear();
        lists.wrapups.timed.clear();
        lists.wrapups.untimed = None;
        lists
    }
}

impl FoundParticipant {
    /// `None` without an id: nothing could be joined to it.
    fn build(
        &mut self,
        communications: &mut [FoundCommunication],
        layout: Layout,
        at: At,
        mut lists: Lists,
    ) -> Option<Participant> {
        let id = self.id.take()?;
        let queue = self.queue_id.take().or(self.routed_queue.take()).or(self.queue.take());
        let queue = at.value(queue);
        match layout {
            Layout::Flat(kind) => {
                self.flat.connected = self.connected;
                self.flat.disconnected = self.ended;
                lists
                    .communications
                    .push(self.flat.build(kind, &id, queue.as_ref(), at));
            }
            Layout::Listed => {
                let built =
                    |one: &mut FoundCommunication| one.build(LISTS[usize::from(one.list)], &id, queue.as_ref(), at);
                lists.communications.extend(communications.iter_mut().map(built));
            }
        }
        let work = AfterCallWork {
            started: self.acw_started,
            ended: self.acw_ended,
        };
        if work.started.is_some() || work.ended.is_some() {
            lists.after_call_work.push(work);
        }
        add_wrapup(self.wrapup, at.0, &mut lists.wrapups);
        Some(Participant {
            connected: self.connected,
            ended: self.ended,
            after_call_work: lists.after_call_work,
            purpose: at.value(self.purpose),
            wrapup_expected: at.value(self.wrapup_expected.map(Reverse)),
            wrapup_required: at.value(self.wrapup_required.map(Reverse)),
            wrapups: lists.wrapups,
            listens_in: at.value(Some(Reverse(self.listens_in))),
            queue,
            user: at.value(self.user_id.take().or(self.user.take())),
            id,
            communications: lists.communications,
        })
    }
}

/// Adds the wrap-up of a participant, if it has a code; `at` is the newest time in its event.
fn add_wrapup(wrapup: Wrapup, at: Moment, wrapups: &mut Wrapups) {
    if wrapup.is_coded {
        match wrapup.ended {
            Some(end) => wrapups.timed.push(end),
            None => wrapups.untimed = Some(at),
        }
    }
}

impl FoundCommunication {
    /// A communication without an id gets the id of its participant.
    fn build(&mut self, kind: MediaKind, participant: &Id, queue: Option<&Stamped<Id>>, at: At) -> Communication {
        let is_over = matches!(
            self.state,
            Some(CommunicationState::Disconnected | CommunicationState::Terminated)
        );
        let is_scheduled = kind == MediaKind::Callback && self.state == Some(CommunicationState::Scheduled);
        let is_held = !is_over && self.held != Some(false);
        Communication {
            kind,
            id: self.id.take().unwrap_or_else(|| participant.clone()),
            connected: self.connected,
            disconnected: self.disconnected,
            state: at.value(self.state),
            queue: queue.filter(|_| !is_over).cloned(),
            oldest_queue: queue.cloned(),
            scheduled: Some(at.0).filter(|at| is_scheduled && *at > Moment::from_epoch_ms(i64::MIN)),
            disconnect: at.value(self.disconnect),
            acw_required: at.value(self.acw_required.map(Reverse)),
            acw_state: at.value(self.acw.state),
            acw_started: self.acw.started,
            acw_ended: self.acw.ended,
            wrapup_coded: self.wrapup.is_coded,
            hold_started: self.hold_started.filter(|_| is_held),
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
