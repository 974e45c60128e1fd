//! The end of a run, in the order in which data flows: readers, buffer, aggregator, outputs.
//!
//! In: the reason, what is still running · Out: `Stopped` · Thread: the supervisor's.

use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;

use super::acts::Act;
use super::core::CLOSE_LIMIT;
use super::{End, Supervisor};
use crate::audit::entries;
use crate::engine::Finish;
use crate::event::change::Change;
use crate::event::state::{ORDERLY_STOPS, StateChange};
use crate::net::Cancel;
use crate::rest::channels::{self, Channel};
use crate::{Moment, Secret};

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
        let [asked, server_ended, output_closed] = ORDERLY_STOPS.map(str::to_owned);
        let cause = match &end {
            End::Stopped => asked,
            End::ServerEnded => server_ended,
            End::OutputClosed => output_closed,
            End::GaveUp(error) => error.to_string(),
        };
        if let End::GaveUp(error) = &end {
            self.journal.audit(|| entries::error(error, Moment::now()));
        }
        let began = Instant::now();
        let mut abandoned = Vec::new();
        self.calls.cancel();
        if let Some(repair) = &self.repair {
            repair.stop();
        }
        let left = self.core.to_clean(began);
        self.close_sockets(&mut abandoned);

        let drain_until = Instant::now().min(began + CLOSE_LIMIT) + DRAIN_LIMIT;
        let outputs_until = drain_until + OUTPUT_LIMIT;
        let state = StateChange::stopped(Moment::now(), cause);
        self.control.send(Change::Connections {
            open: 0,
            reconnects: self.core.reconnects(),
            channel_expires_at: None,
        });
        self.control.send(Finish {
            state,
            drain_until,
            outputs_until,
        });
        // The aggregator drains meanwhile.
        if let Some((token, channels)) = left {
            self.delete_subscriptions(&token, &channels, outputs_until, &mut abandoned);
        }
        if let Some(repair) = self.repair.take()
            && !repair.ends_by(outputs_until)
        {
            abandoned.push("the repair of gaps did not end in time".to_owned());
        }
        if !self.calls.end_by(outputs_until) {
            abandoned.push("a REST call did not end in time".to_owned());
        }
        Stopped {
            end,
            drain_until,
            outputs_until,
            abandoned,
        }
    }

    /// Every reader is asked to close; what does not in time is cut off. After this no reader thread runs.
    fn close_sockets(&mut self, abandoned: &mut Vec<String>) {
        let acts = self.turn(super::Core::close);
        // Another reason to end changes nothing any more, here and below.
        let _ = self.carry_out(acts);
        while !self.core.is_closed() {
            let due = self.core.next_due().unwrap_or_else(Instant::now);
            match self.inbox.recv_deadline(due) {
                Ok(notice) => {
                    let _ = self.on_notice(notice);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let acts = self.turn(super::Core::on_due);
                    let late = acts.iter().filter(|act| matches!(act, Act::Cut(_))).count();
                    let _ = self.carry_out(acts);
                    if late > 0 {
                        abandoned.push(format!(
                            "{late} connections did not close within {} ms",
                            CLOSE_LIMIT.as_millis()
                        ));
                    }
                }
            }
        }
    }

    /// Leaves no subscription behind, side by side for all channels.
    fn delete_subscriptions(&self, token: &Secret, left: &[Channel], until: Instant, abandoned: &mut Vec<String>) {
        if left.is_empty() {
            return;
        }
        // The calls of the run were ended: this client has a signal of its own, and what is left of the time.
        let cancel = Cancel::new();
        let client = self
            .rest
            .scoped(cancel.clone(), until.saturating_duration_since(Instant::now()));
        let (done, results) = crossbeam_channel::bounded(left.len());
        let failed = std::thread::scope(|scope| {
            for channel in left {
                let (client, done) = (&client, done.clone());
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
