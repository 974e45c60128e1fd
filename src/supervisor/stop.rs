//! The end of a run, in the order of the water: readers, buffer, aggregator, outputs.
//!
//! In: the reason, what is still running · Out: `Stopped` · Thread: the supervisor's.

use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;

use super::line::Line;
use super::{End, Supervisor};
use crate::Moment;
use crate::engine::Finish;
use crate::event::change::Change;
use crate::event::notice::{ConnectionNews, Notice};
use crate::event::state::StateChange;
use crate::net::Cancel;
use crate::rest::channels::{self, Channel};

/// For the sockets to close with 1000.
const CLOSE_LIMIT: Duration = Duration::from_millis(300);
/// For the aggregator to empty the buffer, from the end of the closing on.
const DRAIN_LIMIT: Duration = Duration::from_millis(700);
/// For outputs and clean-up, side by side, from the end of the draining on.
const OUTPUT_LIMIT: Duration = Duration::from_millis(700);

/// What a run leaves.
#[derive(Debug)]
pub(crate) struct Stopped {
    pub(crate) end: End,
    /// When the buffer must be empty.
    pub(crate) drain_until: Instant,
    /// When the outputs must be done.
    pub(crate) outputs_until: Instant,
    /// What was not done in time, in words.
    pub(crate) abandoned: Vec<String>,
}

impl Supervisor {
    pub(super) fn stop(mut self, end: End) -> Stopped {
        let cause = match &end {
            End::Stopped => "asked to stop".to_owned(),
            End::ServerEnded => "the server ended the stream".to_owned(),
            End::OutputClosed => "the output was closed".to_owned(),
            End::GaveUp(error) => error.to_string(),
        };
        if let End::GaveUp(error) = &end {
            self.audit_error(error);
        }
        let began = Instant::now();
        let mut abandoned = Vec::new();
        if let Some(repair) = &self.repair {
            repair.stop();
        }
        let channels = self.channels_in_use();
        self.close_readers(began + CLOSE_LIMIT, &mut abandoned);

        let drain_until = Instant::now().min(began + CLOSE_LIMIT) + DRAIN_LIMIT;
        let outputs_until = drain_until + OUTPUT_LIMIT;
        let state = StateChange::stopped(Moment::now(), cause);
        self.control(Change::Connections {
            open: 0,
            reconnects: self.reconnects,
            channel_expires_at: None,
        });
        self.control(Finish {
            state,
            drain_until,
            outputs_until,
        });
        // The aggregator drains meanwhile.
        self.delete_subscriptions(&channels, outputs_until, &mut abandoned);
        if let Some(repair) = self.repair.take()
            && !repair.ends_by(outputs_until)
        {
            abandoned.push("the repair of gaps did not end in time".to_owned());
        }
        Stopped {
            end,
            drain_until,
            outputs_until,
            abandoned,
        }
    }

    /// Every reader is asked to close; what does not by `until` is cut off. After this no reader thread runs.
    fn close_readers(&mut self, until: Instant, abandoned: &mut Vec<String>) {
        for connection in self.lines.iter().flat_map(Line::connections) {
            connection.reader.close();
        }
        let running = |lines: &[Line]| {
            lines
                .iter()
                .flat_map(Line::connections)
                .filter(|c| !c.reader.is_finished())
                .count()
        };
        while running(&self.lines) > 0 {
            match self.inbox.recv_deadline(until) {
                Ok(Notice::Connection {
                    connection,
                    news: ConnectionNews::Ended { .. },
                }) => {
                    for line in &mut self.lines {
                        if let Some(place) = line.place_of(connection)
                            && let Some(ended) = line.remove(place)
                        {
                            ended.reader.cut();
                        }
                    }
                }
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        let late = running(&self.lines);
        if late > 0 {
            abandoned.push(format!(
                "{late} connections did not close within {} ms",
                CLOSE_LIMIT.as_millis()
            ));
        }
        for line in &mut self.lines {
            for connection in line
                .current
                .take()
                .into_iter()
                .chain(line.next.take())
                .chain(line.retiring.drain(..))
            {
                connection.reader.cut();
            }
        }
    }

    /// Every channel that may have subscriptions, those of replacements included.
    fn channels_in_use(&self) -> Vec<Channel> {
        let of_lines = self.lines.iter().flat_map(|line| {
            let connections = line.connections().filter_map(|connection| connection.channel.as_ref());
            line.channel.iter().chain(connections)
        });
        let mut found: Vec<Channel> = Vec::new();
        for held in of_lines
            .chain(&self.idle)
            .filter(|held| held.token == self.token_number)
        {
            if found.iter().all(|known| known.id != held.channel.id) {
                found.push(held.channel.clone());
            }
        }
        found
    }

    /// Leaves no subscription behind, side by side for all channels.
    fn delete_subscriptions(&mut self, left: &[Channel], until: Instant, abandoned: &mut Vec<String>) {
        let Some(token) = self.token.as_ref().filter(|held| Instant::now() < held.ends) else {
            return;
        };
        if left.is_empty() {
            return;
        }
        // The run's own signal was given: this client has one of its own, and what is left of the time.
        let cancel = Cancel::new();
        let client = self
            .rest
            .scoped(cancel.clone(), until.saturating_duration_since(Instant::now()));
        let (done, results) = crossbeam_channel::bounded(left.len());
        let failed = std::thread::scope(|scope| {
            for channel in left {
                let (client, done, token) = (&client, done.clone(), &token.secret);
                let spawned = std::thread::Builder::new()
                    .name("gs-unsubscribe".to_owned())
                    .spawn_scoped(scope, move || {
                        // The other side stops listening when its time is up.
                        let _ = done.send(channels::unsubscribe_all(client, token, &channel.id));
                    });
                if let Err(error) = spawned {
                    log::warn!("subscriptions are left behind: {error}");
                }
            }
            drop(done);
            let mut failed = 0;
            for _ in left {
                match results.recv_deadline(until) {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => {
                        log::debug!("subscriptions are left behind: {error}");
                        failed += 1;
                    }
                    Err(_) => failed += 1,
                }
            }
            // Ends the calls that are still under way, so that their threads end too.
            cancel.cancel();
            failed
        });
        if failed > 0 {
            abandoned.push(format!("the subscriptions of {failed} channels were not deleted"));
        }
    }
}
