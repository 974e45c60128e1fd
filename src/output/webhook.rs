//! The webhook: snapshots, events or alerts posted to a receiver.
//!
//! In: `Item`s · Out: payloads in the queue of the thread that posts · Thread: that of its output; it waits for the
//! receiver only at the end.
//!
//! Snapshots: only the newest waits; one that is replaced before it is posted counts as missed. Events and alerts: in order,
//! at most 500 in a post; while [`MAX_QUEUED`] wait, new ones are missed.

mod poster;
mod queue;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::poster::Poster;
use self::queue::PostQueue;
use super::Item;
use super::counters::OutputCounters;
use super::sink::{Closed, Events, Sink, Snapshots, Wants};
use crate::config::WebhookOn;
use crate::model::snapshot::Snapshot;
use crate::output::record::Bodies;
use crate::rest::webhook::WebhookClient;
use crate::{Error, ErrorKind};

/// Records that may wait for the receiver: four full posts.
const MAX_QUEUED: usize = 2000;
/// At the end all outputs together have 700 ms; the post that is running then gets this much of it.
const RUNNING_POST_LIMIT: Duration = Duration::from_millis(250);
/// The last post gets this much of it.
const LAST_POST_LIMIT: Duration = Duration::from_millis(350);

/// What is posted, and how.
pub(crate) struct WebhookSettings {
    pub(crate) on: WebhookOn,
    pub(crate) bodies: Bodies,
    /// How long events are gathered before they are posted, unless they fill a post earlier.
    pub(crate) gather: Duration,
}

/// The sink of the webhook.
pub(crate) struct Webhook {
    on: WebhookOn,
    queue: Arc<PostQueue>,
}

impl Webhook {
    /// Starts the thread `gs-webhook`, which posts.
    ///
    /// # Errors
    /// If the operating system cannot start a thread.
    pub(crate) fn new(client: WebhookClient, settings: WebhookSettings) -> Result<Self, Error> {
        let (queue, on) = (Arc::new(PostQueue::default()), settings.on);
        let poster = Poster::new(client, settings, Arc::clone(&queue));
        std::thread::Builder::new()
            .name("gs-webhook".to_owned())
            .spawn(move || poster.run())
            .map_err(|error| Error::caused_by(ErrorKind::Local, "starting the webhook's thread", error))?;
        Ok(Self { on, queue })
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.queue.abandon();
    }
}

impl Sink for Webhook {
    fn wants(&self) -> Wants {
        match self.on {
            WebhookOn::Events => Wants {
                events: Events::WithoutFacts,
                changes: true,
                alerts: true,
                snapshots: Snapshots::None,
            },
            WebhookOn::Alerts => Wants {
                events: Events::None,
                changes: false,
                alerts: true,
                snapshots: Snapshots::None,
            },
            WebhookOn::Snapshot => Wants {
                events: Events::None,
                changes: false,
                alerts: false,
                snapshots: Snapshots::Each,
            },
        }
    }

    fn attach(&mut self, counters: &Arc<OutputCounters>) {
        self.queue.attach(Arc::clone(counters));
    }

    fn take(&mut self, item: Item, counters: &OutputCounters) -> Result<(), Closed> {
        counters.missed(self.queue.push(item));
        Ok(())
    }

    fn flush(&mut self, _: &OutputCounters) -> Result<(), Closed> {
        Ok(())
    }

    fn end(&mut self, last: Option<Arc<Snapshot>>, counters: &OutputCounters) -> Result<(), Closed> {
        if let Some(last) = last.filter(|_| self.on != WebhookOn::Alerts) {
            counters.offered();
            counters.missed(self.queue.push_last(last, self.on));
        }
        self.queue.close();
        if !self.queue.is_idle_by(Instant::now() + RUNNING_POST_LIMIT) {
            // Its time is needed for the last post.
            self.queue.cancel_current();
        }
        if !self.queue.is_done_by(Instant::now() + LAST_POST_LIMIT) {
            let left = self.queue.abandon();
            log::warn!("output webhook: the receiver did not take {left} records before the end");
            counters.missed(left);
        }
        Ok(())
    }
}
