//! What happens in the centre: each action at its time.
//!
//! In: due actions · Out: calls of the part of the centre that carries them out · Thread: the centre's lock.

use super::Centre;

/// Something to do at a certain time. Whether it still applies is checked then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    /// The next possible arrival; it applies if the rate was not changed since (the number counts changes of the rate).
    Arrival(u64),
    /// The service has let the customer in, who is bound for this queue.
    Welcome(u64, usize),
    FlowDone(u64),
    /// The queue takes the conversation.
    Queued(u64, usize),
    GiveUp(u64, usize),
    Overflow(u64, usize),
    AskForCallback(u64, usize),
    /// The queue no longer waits for the agent who moved the conversation.
    AnyAgent(u64, usize),
    CallbackDue(u64, usize),
    /// Customers cancel the callbacks that are not due yet.
    CancelCallbacks,
    Answer(u64, usize),
    /// An agent picks up some time after the queue handed the conversation over.
    PickUp(u64, usize),
    HangUp(u64, usize),
    Miss(u64, usize),
    Hold(u64, usize),
    Unhold(u64, usize),
    Park(u64, usize),
    Unpark(u64, usize),
    Dial(u64, usize),
    CustomerAnswers(u64, usize),
    Consult(u64, usize),
    ConsultAnswer(u64, usize),
    ConsultEnd(u64, usize),
    ExternalAnswer(u64, usize),
    ExternalLeaves(u64, usize),
    ConferenceEnd(u64, usize),
    Monitor(u64, usize),
    MonitorEnd(u64, usize),
    VoicemailDone(u64, usize),
    TalkEnd(u64, usize),
    AfterCallEnd(u64, usize),
    /// The customer of an ended thread writes again.
    ComeBack(u64),
    Recover(usize),
    Presence(usize),
}

impl Centre {
    pub(super) fn run(&mut self, action: Action) {
        match action {
            Action::Arrival(generation) => self.arrival(generation),
            Action::Welcome(key, queue) => self.welcome(key, queue),
            Action::FlowDone(key) => self.flow_done(key),
            Action::Queued(key, visit) => self.queued(key, visit),
            Action::GiveUp(key, visit) => self.give_up(key, visit),
            Action::Overflow(key, visit) => self.overflow(key, visit),
            Action::AskForCallback(key, visit) => self.ask_for_callback(key, visit),
            Action::AnyAgent(key, visit) => self.any_agent(key, visit),
            Action::CallbackDue(key, visit) => self.callback_due(key, visit),
            Action::CancelCallbacks => self.cancel_callbacks(),
            Action::Answer(key, who) => self.answer(key, who),
            Action::PickUp(key, who) => self.pick_up(key, who),
            Action::HangUp(key, who) => self.hang_up(key, who),
            Action::Miss(key, who) => self.miss(key, who),
            Action::Hold(key, who) => self.hold(key, who),
            Action::Unhold(key, who) => self.unhold(key, who),
            Action::Park(key, who) => self.park(key, who),
            Action::Unpark(key, who) => self.unpark(key, who),
            Action::Dial(key, who) => self.dial(key, who),
            Action::CustomerAnswers(key, who) => self.customer_answers(key, who),
            Action::Consult(key, who) => self.consult(key, who),
            Action::ConsultAnswer(key, who) => self.consult_answer(key, who),
            Action::ConsultEnd(key, who) => self.consult_end(key, who),
            Action::ExternalAnswer(key, asker) => self.external_answer(key, asker),
            Action::ExternalLeaves(key, who) => self.external_leaves(key, who),
            Action::ConferenceEnd(key, second) => self.conference_end(key, second),
            Action::Monitor(key, who) => self.monitor(key, who),
            Action::MonitorEnd(key, who) => self.monitor_end(key, who),
            Action::VoicemailDone(key, who) => self.voicemail_done(key, who),
            Action::TalkEnd(key, who) => self.talk_end(key, who),
            Action::AfterCallEnd(key, who) => self.after_call_end(key, who),
            Action::ComeBack(key) => self.come_back(key),
            Action::Recover(user) => self.recover(user),
            Action::Presence(user) => self.presence_due(user),
        }
    }
}
