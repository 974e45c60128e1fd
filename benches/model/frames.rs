//! Frames as the service sends them, made of facts, and the way back.
//!
//! In: facts, a change · Out: JSON text; the event it decodes to · Thread: main.

use std::fmt::Write as _;

use genesys_stream::internals::{Heard, KeepBody, Machine, Notifications, Options};
use genesys_stream::{CommunicationState, ConversationFacts, Event, Moment, Participant, Purpose};

/// The conversation in its queue's topic, with the properties that the service writes and nobody here reads; the last
/// participant's hold began at `changed`, or ended then where `number` is odd.
pub(crate) fn frame(facts: &ConversationFacts, number: u64, changed: Moment) -> String {
    let mut text = String::with_capacity(6_000);
    let queue = facts.participants[2].queue.as_ref().map(|queue| &queue.value);
    let queue = queue.map(ToString::to_string).unwrap_or_default();
    let id = &facts.id;
    let _ = write!(
        text,
        r#"{{"topicName":"v2.routing.queues.{queue}.conversations","version":"2","eventBody":{{"id":"{id}","participants":["#
    );
    for (place, p) in facts.participants.iter().enumerate() {
        text.push_str(if place > 0 { "," } else { "" });
        let hold = (place == 4).then_some((number.is_multiple_of(2), changed));
        write_participant(&mut text, p, &queue, hold);
    }
    let _ = write!(
        text,
        r#"],"recordingState":"none","divisions":[{{"division":{{"id":"884c5ef8-7497-5af7-9be4-2f2af7db44b9","selfUri":"/api/v2/authorization/divisions/884c5ef8-7497-5af7-9be4-2f2af7db44b9"}},"entities":[{{"id":"{queue}"}}]}}]}},"metadata":{{"CorrelationId":"5fb4174c-f207-57b1-90df-{number:012x}"}}}}"#
    );
    text
}

fn write_participant(text: &mut String, p: &Participant, queue: &str, hold: Option<(bool, Moment)>) {
    let purpose = match p.purpose.map(|purpose| purpose.value) {
        Some(Purpose::Customer) => "customer",
        Some(Purpose::Acd) => "acd",
        Some(Purpose::Agent) => "agent",
        _ => "ivr",
    };
    let _ = write!(
        text,
        r#"{{"id":"{}","name":"Example Name","queueId":"{queue}","purpose":"{purpose}","address":"tel:+15550100""#,
        p.id
    );
    if let Some(user) = &p.user {
        let _ = write!(
            text,
            r#","userId":"{}","wrapupPrompt":"timeout","wrapupTimeoutMs":30000,"alertingTimeoutMs":15000,"wrapupRequired":true,"wrapupExpected":true"#,
            user.value
        );
    } else {
        text.push_str(r#","wrapupRequired":false,"wrapupExpected":false"#);
    }
    time(text, "connectedTime", p.connected);
    time(text, "endTime", p.ended);
    if let Some(work) = p.after_call_work.first() {
        time(text, "startAcwTime", work.started);
        time(text, "endAcwTime", work.ended);
    }
    let _ = write!(
        text,
        r#","conversationRoutingData":{{"queue":{{"id":"{queue}"}},"priority":0}},"attributes":{{}},"calls":["#
    );
    for communication in &p.communications {
        let state = match communication.state.map(|state| state.value) {
            Some(CommunicationState::Terminated) => "terminated",
            _ => "connected",
        };
        let held = hold.is_some_and(|(held, _)| held);
        let _ = write!(
            text,
            r#"{{"id":"{}","state":"{state}","initialState":"alerting","recording":false,"recordingState":"none","muted":false,"confined":false,"held":{held},"securePause":false,"direction":"inbound","provider":"Edge","self":{{"name":"Example Name","addressNormalized":"+15550100"}},"other":{{"addressNormalized":"+15550199"}}"#,
            communication.id
        );
        time(text, "connectedTime", communication.connected);
        time(text, "disconnectedTime", communication.disconnected);
        time(text, "startHoldTime", hold.map(|(_, changed)| changed));
        text.push('}');
    }
    text.push_str("]}");
}

fn time(text: &mut String, name: &str, at: Option<Moment>) {
    if let Some(at) = at {
        let _ = write!(text, r#","{name}":"{at}""#);
    }
}

/// What a reader does with a frame's text.
pub(crate) struct Decoder {
    machine: Notifications,
    heard: Vec<Heard>,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        let mut options = Options::new(1);
        options.bodies = KeepBody::Drop;
        Self {
            machine: Notifications::new(options),
            heard: Vec::new(),
        }
    }

    pub(crate) fn decode(&mut self, text: &str, now: Moment) -> Event {
        self.machine.on_text(text, now.into(), &mut self.heard);
        match self.heard.pop() {
            Some(Heard::Event(event)) => event,
            other => panic!("the frame is no event: {other:?}"),
        }
    }
}
