//! The courier of a webhook: posts, tries again, and says so once in a while.
//!
//! In: work from the desk · Out: posts, counts · Thread: `gs-webhook`; it waits for work, or for a receiver until the
//! limit of one post, a cancel or the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Order;
use super::desk::{Desk, Fate, Pause, What};
use crate::config::{ReconnectConfig, WebhookOn};
use crate::net::backoff::Backoff;
use crate::output::Item;
use crate::output::complaint::Complaint;
use crate::output::record::{self, Bodies, redact};
use crate::rest::webhook::{Post, WebhookClient};

/// Pauses after failures: as of the stream's own reconnects, but never so long that a wall shows old numbers.
const PAUSES: ReconnectConfig = ReconnectConfig {
    initial: Duration::from_millis(500),
    max: Duration::from_secs(30),
    max_attempts: 0,
    max_channels_per_hour: 0,
    // Each success begins anew.
    stable_after: Duration::ZERO,
};

/// See the module.
pub(super) struct Courier {
    client: WebhookClient,
    order: Order,
    desk: Arc<Desk>,
    /// Number of the last event that was taken: `seq` has no holes.
    seq: u64,
    /// Number of the last post of records that was taken.
    posts: u64,
    complaint: Complaint,
}

impl Courier {
    pub(super) fn new(client: WebhookClient, order: Order, desk: Arc<Desk>) -> Self {
        Self {
            client,
            order,
            desk,
            seq: 0,
            posts: 0,
            complaint: Complaint::default(),
        }
    }

    pub(super) fn run(mut self) {
        let mut backoff = Backoff::new(PAUSES);
        let mut not_before = Pause::None;
        while let Some(work) = self.desk.next(not_before) {
            let began = Instant::now();
            let (letter_seq, revision, body) = self.write(&work.what);
            let post = Post {
                revision,
                content_type: match self.order.on {
                    WebhookOn::Snapshot => "application/json",
                    WebhookOn::Events => "application/x-ndjson",
                },
                body: &body,
            };
            let result = self.client.post(&post, &work.cancel);
            let fate = match &result {
                Ok(()) => Fate::Taken,
                Err(why) if why.refused => Fate::Refused,
                Err(_) => Fate::Failed,
            };
            let missed = self.desk.settle(work.what, fate);
            match result {
                Ok(()) => {
                    self.seq = letter_seq;
                    self.posts += 1;
                    backoff.on_streaming(Instant::now());
                    if let Some(line) = self.complaint.worked("webhook") {
                        log::info!("{line}");
                    }
                    not_before = match self.order.on {
                        WebhookOn::Snapshot => Pause::None,
                        WebhookOn::Events => Pause::Gather(began + self.order.gather),
                    };
                }
                Err(not_taken) => {
                    backoff.on_failure(Instant::now());
                    let pause = backoff.pause(fastrand::f64(), not_taken.retry_after);
                    not_before = Pause::Failure(Instant::now() + pause);
                    // What the end broke off is told by the end.
                    if !work.cancel.is_cancelled()
                        && let Some(line) = self.complaint.failed("webhook", &not_taken.why, missed, Instant::now())
                    {
                        log::warn!("{line}");
                    }
                }
            }
        }
    }

    /// The body, its revision, and the number of the last event in it.
    fn write(&self, what: &What) -> (u64, u64, Vec<u8>) {
        let mut body = Vec::new();
        let mut seq = self.seq;
        match what {
            What::Snapshot(snapshot) => {
                self.write_snapshot(&mut body, snapshot);
                // One object, no line.
                body.pop();
                (seq, snapshot.revision, body)
            }
            What::Records(records) => {
                for item in records {
                    match item {
                        Item::Event(event) => {
                            seq += 1;
                            record::event(&mut body, seq, event, self.order.bodies);
                        }
                        Item::State(change) => record::state(&mut body, change),
                        Item::Gap(gap) => record::gap(&mut body, gap),
                        Item::Snapshot(snapshot) => self.write_snapshot(&mut body, snapshot),
                        Item::Audited(_) | Item::Recorded(_) => {}
                    }
                }
                (seq, self.posts + 1, body)
            }
        }
    }

    fn write_snapshot(&self, body: &mut Vec<u8>, snapshot: &crate::model::snapshot::Snapshot) {
        match self.order.bodies {
            Bodies::Verbatim => record::snapshot(body, snapshot),
            Bodies::Redacted => {
                let mut whole = Vec::new();
                record::snapshot(&mut whole, snapshot);
                redact(body, &String::from_utf8_lossy(&whole));
                body.push(b'\n');
            }
        }
    }
}
