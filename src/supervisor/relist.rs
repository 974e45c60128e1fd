//! With all queues: the listing is read again, and topics follow on the channels that stand.
//!
//! In: the listing of now · Out: changed subscriptions, new lines, lines that end · Thread: the supervisor's.

use std::time::Instant;

use super::Supervisor;
use super::line::Line;
use super::policy::Renew;
use crate::event::change::Change;
use crate::rest::channels::Channel;
use crate::{Error, Moment, Secret};

impl Supervisor {
    /// With `all`: reads the listing again; topics follow.
    pub(super) fn relist(&mut self) {
        self.relist_due = Instant::now().checked_add(self.config.subscribe.refresh);
        let Ok(token) = self.token() else { return };
        let plan = match self.plan(&token) {
            Ok(plan) => plan,
            Err(error) => {
                if error.status() == Some(401) {
                    self.refresh_token_now();
                }
                log::warn!("the listing of queues was not read again: {error}");
                self.audit_error(&error);
                return;
            }
        };
        let now = Instant::now();
        for (at, topics) in plan.topics.channels.iter().enumerate() {
            match self.lines.get_mut(at) {
                Some(line) if line.topics == *topics => {}
                Some(line) => {
                    log::info!("the queues changed: {} topics on channel {}", topics.len(), at + 1);
                    line.topics.clone_from(topics);
                    if let Err(error) = self.subscribe_in_place(at, topics, &token) {
                        log::warn!("the subscription was not changed in place: {error}");
                        self.lines[at].rotate_at(now, Renew::Channel, "the queues changed");
                    }
                }
                None => self.lines.push(Line::new(topics.clone(), self.config.reconnect, now)),
            }
        }
        // Fewer channels than before: the last ones end.
        while self.lines.len() > plan.topics.channels.len().max(1) {
            self.end_last_line();
        }
        self.plan = Some(plan);
        self.baseline();
    }

    /// On the line's channel, and on the one that is about to take over.
    fn subscribe_in_place(&mut self, at: usize, topics: &[String], token: &Secret) -> Result<(), Error> {
        let line = &self.lines[at];
        let next = line.next.as_ref().and_then(|next| next.channel.as_ref());
        let standing: Vec<Channel> = line
            .channel
            .iter()
            .chain(next)
            .map(|held| held.channel.clone())
            .collect();
        standing
            .iter()
            .try_for_each(|channel| self.subscribe(at, channel, topics, token))
    }

    fn end_last_line(&mut self) {
        let at = self.lines.len() - 1;
        let line = &mut self.lines[at];
        let current = line.current.take().into_iter();
        let ending: Vec<_> = current.chain(line.next.take()).chain(line.retiring.drain(..)).collect();
        let mut left = vec![line.channel.take()];
        for connection in ending {
            self.control(Change::ConnectionEnded {
                connection: connection.number,
            });
            left.push(connection.channel);
            connection.reader.cut();
        }
        // Its topics are no longer asked for: what of them was uncovered is so up to now.
        self.control(Change::GapClosed {
            line: at,
            to: Moment::now(),
        });
        let mut seen: Vec<Secret> = Vec::new();
        for held in left.into_iter().flatten() {
            if !seen.contains(&held.channel.id) {
                seen.push(held.channel.id.clone());
                self.leave_channel(at, Some(held));
            }
        }
        self.lines.pop();
    }
}
