//! When to ask a connection for a sign of life, and when to give it up.
//!
//! In: frames and due times, as instants · Out: what is due · Thread: none of its own (a reader owns one).

use std::time::{Duration, Instant};

use crate::config::HeartbeatConfig;

/// What a due timer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Send a ping.
    Ping,
    /// The subscription was not confirmed in time.
    HandshakeLate,
    /// Neither the answer to a ping nor any other frame came in time.
    PingUnanswered,
    /// No frame of any kind for too long.
    Silence,
}

/// What is known of how the peer answers pings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    /// The peer must answer (a WebSocket ping), or it has answered before.
    Expected,
    /// The peer may not know our ping (the JSON ping is optional). Until it has answered one, only silence ends the connection.
    Unknown,
}

/// The timers of one connection. All are absolute: single bytes of a frame move none of them.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    limits: HeartbeatConfig,
    next_ping: Instant,
    /// Whether an unanswered ping ends this connection.
    answers: Answers,
    /// Set by a ping, cleared by any frame.
    answer_due: Option<Instant>,
    silence_due: Instant,
    handshake_due: Option<Instant>,
}

impl Heartbeat {
    /// The socket was upgraded at `now`.
    pub(crate) fn new(limits: HeartbeatConfig, answers: Answers, handshake: Option<Duration>, now: Instant) -> Self {
        Self {
            limits,
            answers,
            next_ping: now + limits.interval,
            answer_due: None,
            silence_due: now + limits.silence,
            handshake_due: handshake.map(|limit| now + limit),
        }
    }

    /// A complete frame came; any frame shows that the peer is alive.
    pub(crate) fn on_frame(&mut self, now: Instant) {
        self.answer_due = None;
        self.silence_due = now + self.limits.silence;
    }

    /// The frame was the answer to a ping: from now on answers are expected.
    pub(crate) fn on_pong(&mut self) {
        self.answers = Answers::Expected;
    }

    /// The reader did not read for a while (the buffer was full): the silence until `now` is not the peer's.
    pub(crate) fn on_resumed(&mut self, now: Instant) {
        self.on_frame(now);
    }

    /// The subscription was confirmed.
    pub(crate) fn on_confirmed(&mut self) {
        self.handshake_due = None;
    }

    /// The subscription was sent again: the limit for its confirmation begins anew.
    pub(crate) fn on_sent_again(&mut self, limit: Option<Duration>, now: Instant) {
        if self.handshake_due.is_some() {
            self.handshake_due = limit.map(|limit| now + limit);
        }
    }

    /// Makes a ping due now, so that a new connection soon shows that it is alive.
    pub(crate) fn ping_at_once(&mut self, now: Instant) {
        self.next_ping = now;
    }

    /// When [`Heartbeat::on_due`] is to be called next.
    pub(crate) fn next_due(&self) -> Instant {
        [self.answer_due, self.handshake_due, self.probe_due()]
            .into_iter()
            .flatten()
            .fold(self.next_ping.min(self.silence_due), Instant::min)
    }

    /// What is due at `now`, one thing per call. A ping that is returned counts as sent.
    pub(crate) fn on_due(&mut self, now: Instant) -> Option<Due> {
        let passed = |due: Option<Instant>| due.is_some_and(|due| now >= due);
        if passed(self.handshake_due) {
            return Some(Due::HandshakeLate);
        }
        if now >= self.silence_due {
            return Some(Due::Silence);
        }
        if passed(self.answer_due) {
            return Some(Due::PingUnanswered);
        }
        if now >= self.next_ping || passed(self.probe_due()) {
            self.next_ping = now + self.limits.interval;
            let answer_due = match self.answers {
                Answers::Expected => now + self.limits.timeout,
                Answers::Unknown => (now + self.limits.timeout).max(self.silence_due),
            };
            self.answer_due.get_or_insert(answer_due);
            return Some(Due::Ping);
        }
        None
    }

    /// Where the ping interval is longer than the silence limit allows, a ping is due early enough for its answer to come
    /// before that limit.
    fn probe_due(&self) -> Option<Instant> {
        if self.answer_due.is_some() || self.limits.silence <= self.limits.timeout {
            return None;
        }
        self.silence_due.checked_sub(self.limits.timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits(interval: u32, timeout: u32, silence: u32) -> HeartbeatConfig {
        HeartbeatConfig {
            interval: SECOND * interval,
            timeout: SECOND * timeout,
            silence: SECOND * silence,
        }
    }

    /// Runs the timers for `secs`, with frames where `frame` says so; returns what was due and when.
    fn run(beat: &mut Heartbeat, start: Instant, secs: u32, frame: impl Fn(u32) -> bool) -> Vec<(u32, Due)> {
        let mut seen = Vec::new();
        for at in 0..=secs {
            let now = start + SECOND * at;
            if frame(at) {
                beat.on_frame(now);
            }
            while let Some(due) = beat.on_due(now) {
                seen.push((at, due));
                if due != Due::Ping {
                    return seen;
                }
            }
        }
        seen
    }

    #[test]
    fn a_dead_peer_is_left_when_its_ping_stays_unanswered() {
        let start = Instant::now();
        let mut beat = Heartbeat::new(limits(20, 10, 45), Answers::Expected, None, start);
        assert_eq!(
            run(&mut beat, start, 100, |_| false),
            [(20, Due::Ping), (30, Due::PingUnanswered)]
        );
    }

    #[test]
    fn any_frame_answers_a_ping_and_a_day_passes() {
        let start = Instant::now();
        let mut beat = Heartbeat::new(limits(20, 10, 45), Answers::Expected, None, start);
        let seen = run(&mut beat, start, 86_400, |at| at % 20 == 9);
        assert_eq!(seen.len(), 86_400 / 20);
        assert!(seen.iter().all(|(_, due)| *due == Due::Ping));
    }

    #[test]
    fn a_peer_that_never_answered_a_ping_is_judged_by_silence() {
        let start = Instant::now();
        let mut beat = Heartbeat::new(limits(20, 10, 45), Answers::Unknown, None, start);
        let seen = run(&mut beat, start, 86_400, |at| at % 30 == 0);
        assert!(
            seen.len() >= 86_400 / 20 && seen.iter().all(|(_, due)| *due == Due::Ping),
            "{seen:?}"
        );
        let mut beat = Heartbeat::new(limits(20, 10, 45), Answers::Unknown, None, start);
        assert_eq!(
            run(&mut beat, start, 100, |_| false),
            [(20, Due::Ping), (40, Due::Ping), (45, Due::Silence)]
        );
        let mut beat = Heartbeat::new(limits(20, 10, 45), Answers::Unknown, None, start);
        beat.on_pong();
        assert_eq!(
            run(&mut beat, start, 100, |_| false),
            [(20, Due::Ping), (30, Due::PingUnanswered)]
        );
    }

    #[test]
    fn rare_pings_do_not_delay_the_notice_of_silence() {
        let start = Instant::now();
        let mut beat = Heartbeat::new(limits(300, 10, 45), Answers::Expected, None, start);
        assert_eq!(
            run(&mut beat, start, 100, |_| false),
            [(35, Due::Ping), (45, Due::Silence)]
        );
        let mut beat = Heartbeat::new(limits(300, 60, 45), Answers::Expected, None, start);
        assert_eq!(run(&mut beat, start, 100, |_| false), [(45, Due::Silence)]);
    }

    #[test]
    fn a_handshake_has_its_own_limit_whatever_frames_come() {
        let start = Instant::now();
        let mut beat = Heartbeat::new(limits(20, 10, 45), Answers::Expected, Some(SECOND * 10), start);
        assert_eq!(run(&mut beat, start, 100, |_| true), [(10, Due::HandshakeLate)]);
        let mut beat = Heartbeat::new(limits(20, 10, 45), Answers::Expected, Some(SECOND * 10), start);
        beat.on_confirmed();
        assert_eq!(run(&mut beat, start, 19, |_| true), []);
    }

    #[test]
    fn next_due_is_never_later_than_what_is_due() {
        let start = Instant::now();
        let mut beat = Heartbeat::new(limits(20, 10, 45), Answers::Expected, Some(SECOND * 3), start);
        beat.ping_at_once(start);
        assert_eq!(beat.next_due(), start);
        assert_eq!(beat.on_due(start), Some(Due::Ping));
        assert_eq!(beat.next_due(), start + SECOND * 3);
        beat.on_confirmed();
        assert_eq!(beat.next_due(), start + SECOND * 10);
        beat.on_frame(start + SECOND);
        assert_eq!(beat.next_due(), start + SECOND * 20);
    }
}
