//! Conversations as the service tells them: each frame holds the whole state after one more step.
//!
//! In: a call, its step, times · Out: JSON text · Thread: any (pure).

use crate::text::{queue_seed, time, uuid};

/// One conversation and how far it has come.
pub struct Call {
    pub seed: u64,
    pub queue: usize,
    pub kind: Kind,
    /// The time of each step so far, in milliseconds since 1970.
    pub times: Vec<i64>,
}

/// What happens in a conversation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Waits, is offered to an agent, answered, held twice, ended, wrapped up.
    Answered,
    /// Waits, is offered to an agent; then the customer hangs up.
    Abandoned,
    /// One frame: five participants; the second agent talks.
    Transferred,
    /// One frame: waited and hung up.
    GivenUp,
}

/// One participant and its only call.
struct Participant {
    /// Makes its ids differ from those of the others.
    number: u64,
    purpose: &'static str,
    state: &'static str,
    connected: Option<i64>,
    ended: Option<i64>,
    held_since: Option<i64>,
    work: Work,
}

/// After-call work.
enum Work {
    NotExpected,
    Expected,
    Since(i64),
    Done(i64, i64),
}

impl Call {
    /// The number of steps of its life.
    pub fn steps(&self) -> usize {
        match self.kind {
            Kind::Answered => 9,
            Kind::Abandoned => 3,
            Kind::Transferred | Kind::GivenUp => 1,
        }
    }

    /// Writes the frame that tells its newest step.
    pub fn write(&self, out: &mut Vec<u8>) {
        let queue = uuid(queue_seed(self.queue));
        put(
            out,
            &[
                br#"{"topicName":"v2.routing.queues."#,
                &queue,
                br#".conversations","version":"2","eventBody":{"id":""#,
            ],
        );
        put(out, &[&uuid(self.seed), br#"","participants":["#]);
        for (place, participant) in self.participants().iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            self.write_participant(out, participant, &queue);
        }
        put(out, &[br#"],"recordingState":"none","divisions":[{"division":{"id":"884c5ef8-7497-5af7-9be4-2f2af7db44b9","selfUri":"/api/v2/authorization/divisions/884c5ef8-7497-5af7-9be4-2f2af7db44b9"},"entities":[{"id":""#, &queue, br#""}]}]},"metadata":{"CorrelationId":""#]);
        put(out, &[&uuid(self.seed ^ (self.times.len() as u64) << 48), br#""}}"#]);
    }

    fn participants(&self) -> Vec<Participant> {
        let t = &self.times;
        let at = |step: usize| t.get(step).copied();
        match self.kind {
            Kind::Answered => {
                let ended = at(7);
                let held = if t.len() == 4 {
                    at(3)
                } else {
                    (t.len() == 6).then(|| t[5])
                };
                let work = match (ended, at(8)) {
                    (None, _) => Work::Expected,
                    (Some(since), None) => Work::Since(since),
                    (Some(since), Some(until)) => Work::Done(since, until),
                };
                let mut all = vec![there(0, "customer", t[0], ended), there(1, "acd", t[0], at(2))];
                if t.len() > 1 {
                    all.push(Participant {
                        work,
                        held_since: held,
                        ..agent(2, at(2), ended)
                    });
                }
                all
            }
            Kind::Abandoned => {
                let ended = at(2);
                let mut all = vec![there(0, "customer", t[0], ended), there(1, "acd", t[0], ended)];
                if t.len() > 1 {
                    let work = Work::NotExpected;
                    all.push(Participant {
                        work,
                        ..agent(2, None, ended)
                    });
                }
                all
            }
            Kind::Transferred => vec![
                there(0, "customer", t[0], None),
                there(1, "ivr", t[0], Some(t[0] + 1000)),
                there(2, "acd", t[0] + 1000, Some(t[0] + 2000)),
                Participant {
                    work: Work::Done(t[0] + 3000, t[0] + 4000),
                    ..agent(3, Some(t[0] + 2000), Some(t[0] + 3000))
                },
                agent(4, Some(t[0] + 3000), None),
            ],
            Kind::GivenUp => vec![
                there(0, "customer", t[0], Some(t[0] + 2000)),
                there(1, "acd", t[0], Some(t[0] + 2000)),
            ],
        }
    }

    fn write_participant(&self, out: &mut Vec<u8>, p: &Participant, queue: &[u8]) {
        let own = |part: u64| uuid(self.seed.wrapping_add((p.number + 1) << 56).wrapping_add(part << 52));
        put(out, &[br#"{"id":""#, &own(0), br#"""#]);
        put_time(out, "connectedTime", p.connected);
        put_time(out, "endTime", p.ended);
        put(
            out,
            &[
                br#","name":"Example Name","queueId":""#,
                queue,
                br#"","purpose":""#,
                p.purpose.as_bytes(),
            ],
        );
        put(out, &[br#"","address":"tel:+15550100","wrapupRequired":"#]);
        let expects = !matches!(p.work, Work::NotExpected);
        put(
            out,
            &[if expects { b"true" } else { b"false" }, br#","wrapupExpected":"#],
        );
        put(out, &[if expects { b"true" } else { b"false" }]);
        if p.purpose == "agent" {
            // One of 500 people.
            let user = uuid(0x0a9e_0000_0000_0000 + self.seed % 500);
            put(
                out,
                &[
                    br#","userId":""#,
                    &user,
                    br#"","wrapupPrompt":"timeout","wrapupTimeoutMs":30000,"alertingTimeoutMs":15000"#,
                ],
            );
        }
        let work = match p.work {
            Work::Since(since) => (Some(since), None),
            Work::Done(since, until) => (Some(since), Some(until)),
            _ => (None, None),
        };
        put_time(out, "startAcwTime", work.0);
        put_time(out, "endAcwTime", work.1);
        if let Some(until) = work.1 {
            put(out, &[br#","wrapup":{"code":"57bc5b86-fe6e-5c3b-a35d-c8074d95d9c8","notes":"","tags":[],"durationSeconds":21,"endTime":""#, &time(until), br#""}"#]);
        }
        put(
            out,
            &[
                br#","conversationRoutingData":{"queue":{"id":""#,
                queue,
                br#""},"priority":0}"#,
            ],
        );
        // The step is told, so that the end of a hold is no repetition of the state before it.
        let step = [b'0' + self.times.len() as u8];
        put(
            out,
            &[br#","attributes":{"step":""#, &step, br#""},"calls":[{"id":""#, &own(1)],
        );
        put(out, &[br#"","state":""#, p.state.as_bytes(), br#"","initialState":"alerting","recording":false,"recordingState":"none","muted":false,"confined":false,"held":"#]);
        put(out, &[if p.held_since.is_some() { b"true" } else { b"false" }]);
        put(
            out,
            &[
                br#","securePause":false,"direction":"inbound","provider":"Edge","peerId":""#,
                &own(2),
            ],
        );
        put(out, &[br#"","self":{"name":"Example Name","addressNormalized":"+15550100"},"other":{"addressNormalized":"+15550199"}"#]);
        if expects {
            put(out, &[br#","afterCallWorkRequired":true"#]);
        }
        put_time(out, "connectedTime", p.connected);
        put_time(out, "startHoldTime", p.held_since);
        if let Some(ended) = p.ended {
            put_time(out, "disconnectedTime", Some(ended));
            put(
                out,
                &[
                    br#","disconnectType":""#,
                    if p.purpose == "acd" { b"transfer" } else { b"peer" },
                    br#"""#,
                ],
            );
        }
        put(out, &[b"}]}"]);
    }
}

/// Somebody who is connected from `connected` on.
fn there(number: u64, purpose: &'static str, connected: i64, ended: Option<i64>) -> Participant {
    Participant {
        number,
        purpose,
        state: if ended.is_some() { "terminated" } else { "connected" },
        connected: Some(connected),
        ended,
        held_since: None,
        work: Work::NotExpected,
    }
}

/// An agent, who is alerted first and has after-call work to do.
fn agent(number: u64, connected: Option<i64>, ended: Option<i64>) -> Participant {
    Participant {
        state: match (connected, ended) {
            (_, Some(_)) => "terminated",
            (Some(_), None) => "connected",
            (None, None) => "alerting",
        },
        connected,
        work: Work::Expected,
        ..there(number, "agent", 0, ended)
    }
}

/// Appends the parts.
pub fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

fn put_time(out: &mut Vec<u8>, name: &str, at: Option<i64>) {
    if let Some(at) = at {
        put(out, &[b",\"", name.as_bytes(), b"\":\"", &time(at), b"\""]);
    }
}
