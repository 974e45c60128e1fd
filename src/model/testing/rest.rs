//! The same little histories as conversation details of REST would tell them.
//!
//! In: histories · Out: JSON as the service writes it · Thread: any (tests only).

use serde_json::{Value, json};

use super::centre::{History, Plan, Stint, call_of, medium_of, moment};
use crate::Id;
use crate::event::facts::{MediaKind, Purpose};

impl History {
    /// What REST answers at `now_ms`, once it knows everything up to then. `None` before the conversation began.
    pub fn details_at(&self, now_ms: i64) -> Option<Value> {
        let begun = || self.plans.iter().filter(|plan| plan.begun(now_ms).next().is_some());
        let stints = || begun().flat_map(|plan| plan.begun(now_ms)).map(|(_, stint)| stint);
        let start = stints().map(|stint| stint.created).min()?;
        let end = stints().map(|stint| stint.ended.unwrap_or(i64::MAX)).max();
        let mut whole = json!({
            "conversationId": self.id.to_string(),
            "conversationStart": moment(start).to_string(),
            "participants": begun().map(|plan| self.participant(plan, now_ms)).collect::<Vec<_>>(),
        });
        if let Some(end) = end.filter(|end| *end <= now_ms) {
            whole["conversationEnd"] = moment(end).to_string().into();
        }
        Some(whole)
    }

    fn participant(&self, plan: &Plan, now_ms: i64) -> Value {
        let purpose = match plan.purpose {
            Purpose::Customer => "customer",
            Purpose::External => "external",
            Purpose::Acd => "acd",
            Purpose::Agent => "agent",
            Purpose::User => "user",
            Purpose::Other => "ivr",
        };
        let is_agent = matches!(plan.purpose, Purpose::Agent | Purpose::User);
        let mut sessions = Vec::new();
        for (n, stint) in plan.begun(now_ms) {
            let medium = Id::new(&medium_of(&plan.id, n));
            let has_talked = stint.connected.is_some_and(|at| at <= now_ms);
            let session = |media, id| session(stint, is_agent, (media, id), now_ms);
            sessions.push(session(self.media.as_str(), &medium));
            if self.media == MediaKind::Callback && plan.purpose == Purpose::Agent && has_talked {
                sessions.push(session("voice", &call_of(&medium)));
            }
        }
        let mut participant = json!({"participantId": plan.id.to_string(), "purpose": purpose, "sessions": sessions});
        if let Some(user) = &plan.user {
            participant["userId"] = user.to_string().into();
        }
        participant
    }
}

fn session(stint: &Stint, is_agent: bool, (media, id): (&str, &Id), now_ms: i64) -> Value {
    let mut segments = Vec::new();
    let mut add = |kind: &str, from: i64, to: Option<i64>, disconnect: Option<&str>| {
        if from > now_ms {
            return;
        }
        let to = to.filter(|to| *to <= now_ms);
        let mut segment = json!({"segmentType": kind, "segmentStart": moment(from).to_string()});
        if let Some(to) = to {
            segment["segmentEnd"] = moment(to).to_string().into();
        }
        if let Some(disconnect) = disconnect.filter(|_| to.is_some()) {
            segment["disconnectType"] = disconnect.into();
        }
        if let Some(queue) = &stint.queue {
            segment["queueId"] = queue.to_string().into();
        }
        segments.push(segment);
    };
    let ends = if stint.transfers { "transfer" } else { "client" };
    match stint.connected {
        None => add("alert", stint.created, stint.ended, Some("noAnswerTransfer")),
        Some(connected) => {
            if is_agent {
                add("alert", stint.created, Some(connected), None);
            }
            let pause = stint.pause.filter(|_| is_agent);
            if let Some((from, to)) = pause {
                add("interact", connected, Some(from), None);
                add(if media == "email" { "parked" } else { "hold" }, from, Some(to), None);
            }
            let last = pause.map_or(connected, |(_, to)| to);
            add("interact", last, stint.ended, Some(ends));
        }
    }
    if let Some((from, to)) = stint.after_call_work {
        add("wrapup", from, Some(to), None);
        if to <= now_ms
            && let Some(wrapup) = segments.last_mut()
        {
            wrapup["wrapUpCode"] = "7fb334b0-0e9e-11e4-9191-0800200c9a66".into();
        }
    }
    let mut session = json!({"sessionId": id.to_string(), "mediaType": media, "segments": segments});
    if stint.skips && stint.ended.is_some_and(|ended| ended <= now_ms) {
        session["acwSkipped"] = true.into();
    }
    session
}
