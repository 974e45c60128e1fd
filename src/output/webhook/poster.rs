//! The thread that posts to a webhook, retries, and logs failures.
//!
//! In: payloads from the queue · Out: posts, counts · Thread: `gs-webhook`; it waits for a payload, or for the receiver
//! until the limit of one post, a cancel or the end of the stream.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::WebhookSettings;
use super::queue::{NotBefore, Outcome, Payload, PostQueue};
use crate::config::{ReconnectConfig, WebhookOn};
use crate::net::backoff::Backoff;
use crate::output::Item;
use crate::output::failure_log::FailureLog;
use crate::output::record;
use crate::rest::webhook::{Post, WebhookClient};

/// Pauses after failures: they begin like those of the stream's reconnects, but stay short enough that a wallboard never
/// shows numbers much older than half a minute.
const PAUSES: ReconnectConfig = ReconnectConfig {
    initial: Duration::from_millis(500),
    max: Duration::from_secs(30),
    max_attempts: 0,
    max_channels_per_hour: 0,
    // Each success resets the pauses.
    stable_after: Duration::ZERO,
};

/// What the posting thread owns.
pub(super) struct Poster {
    client: WebhookClient,
    settings: WebhookSettings,
    queue: Arc<PostQueue>,
    /// `seq` of the last event that the receiver took. Only events that were taken are numbered, so `seq` has no holes.
    seq: u64,
    failures: FailureLog,
}

impl Poster {
    pub(super) fn new(client: WebhookClient, settings: WebhookSettings, queue: Arc<PostQueue>) -> Self {
        Self {
            client,
            settings,
            queue,
            seq: 0,
            failures: FailureLog::default(),
        }
    }

    pub(super) fn run(mut self) {
        let mut backoff = Backoff::new(PAUSES);
        let mut not_before = NotBefore::Now;
        while let Some(work) = self.queue.next(not_before) {
            let began = Instant::now();
            let (last_seq, revision, body) = self.write(&work.payload);
            let post = Post {
                revision,
                content_type: match self.settings.on {
                    WebhookOn::Snapshot => "application/json",
                    WebhookOn::Events | WebhookOn::Alerts => "application/x-ndjson",
                },
                body: &body,
            };
            let result = self.client.post(&post, &work.cancel);
            let outcome = match &result {
                Ok(()) => Outcome::Taken,
                Err(error) if error.refused => Outcome::Refused,
                Err(_) => Outcome::Failed,
            };
            let missed = self.queue.settle(work.payload, outcome);
            match result {
                Ok(()) => {
                    self.seq = last_seq;
                    backoff.on_streaming(Instant::now());
                    if let Some(line) = self.failures.worked("webhook") {
                        log::info!("{line}");
                    }
                    not_before = match self.settings.on {
                        WebhookOn::Snapshot => NotBefore::Now,
                        WebhookOn::Events | WebhookOn::Alerts => NotBefore::Gathered(began + self.settings.gather),
                    };
                }
                Err(error) => {
                    backoff.on_failure(Instant::now());
                    let pause = backoff.pause(fastrand::f64(), error.retry_after);
                    not_before = NotBefore::Retry(Instant::now() + pause);
                    // A post that was cancelled at the end is reported by `Webhook::end`.
                    if !work.cancel.is_cancelled()
                        && let Some(line) = self.failures.failed("webhook", &error.why, missed, Instant::now())
                    {
                        log::warn!("{line}");
                    }
                }
            }
        }
    }

    /// The `seq` of the last event in the body, the revision of the post, and the body.
    fn write(&self, payload: &Payload) -> (u64, u64, Vec<u8>) {
        let mut body = Vec::new();
        let mut seq = self.seq;
        match payload {
            Payload::Snapshot(snapshot) => {
                record::snapshot(&mut body, snapshot, self.settings.bodies);
                // A JSON object without the newline of a record.
                body.pop();
                (seq, snapshot.revision, body)
            }
            Payload::Batch { number, records } => {
                for item in records {
                    match item {
                        Item::Event(event) => {
                            seq += 1;
                            record::event(&mut body, seq, event, self.settings.bodies);
                        }
                        Item::State(change) => record::state(&mut body, change),
                        Item::Gap(gap) => record::gap(&mut body, gap, self.settings.bodies),
                        Item::Alert(alert) => record::alert(&mut body, alert, self.settings.bodies),
                        Item::Snapshot(snapshot) => record::snapshot(&mut body, snapshot, self.settings.bodies),
                        Item::Audited(_) | Item::Recorded(_) => {}
                        #[cfg(feature = "engine")]
                        Item::Shared(_) => {}
                    }
                }
                (seq, *number, body)
            }
        }
    }
}
