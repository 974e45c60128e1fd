//! The webhook: snapshots or events posted to a receiver, which never holds up the stream.
//!
//! In: `Item`s · Out: what shall be posted, on the courier's desk · Thread: that of its output, which never waits for the
//! receiver but at the end.
//!
//! Snapshots: the newest wins; one that was replaced before it was taken is missed. Events: in order, at most 500 a post;
//! beyond [`MOST_WAITING`] the newest are missed.

mod courier;
mod desk;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::courier::Courier;
use self::desk::Desk;
use super::Item;
use super::sink::{Closed, Outlet, Snapshots, Wants};
use super::tally::Tally;
use crate::config::WebhookOn;
use crate::model::snapshot::Snapshot;
use crate::output::record::Bodies;
use crate::rest::webhook::WebhookClient;
use crate::{Error, ErrorKind};

/// Records that may wait for the receiver: four posts.
const MOST_WAITING: usize = 2000;
/// A post under way when the end comes may take this much of the outputs' time (700 ms) …
const UNDER_WAY_LIMIT: Duration = Duration::from_millis(250);
/// … and the last one this much.
const LAST_LIMIT: Duration = Duration::from_millis(350);

/// What the webhook is asked to do.
pub(crate) struct Order {
    pub(crate) on: WebhookOn,
    pub(crate) bodies: Bodies,
    /// Events are gathered for this long, unless they fill a post before.
    pub(crate) gather: Duration,
}

/// The stream's side of the webhook.
pub(crate) struct Webhook {
    on: WebhookOn,
    desk: Arc<Desk>,
}

impl Webhook {
    /// Starts the courier's thread `gs-webhook`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn new(client: WebhookClient, order: Order) -> Result<Self, Error> {
        let (desk, on) = (Arc::new(Desk::default()), order.on);
        let courier = Courier::new(client, order, Arc::clone(&desk));
        std::thread::Builder::new()
            .name("gs-webhook".to_owned())
            .spawn(move || courier.run())
            .map_err(|error| Error::caused_by(ErrorKind::Local, "starting the webhook's thread", error))?;
        Ok(Self { on, desk })
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.desk.abandon();
    }
}

impl Outlet for Webhook {
    fn wants(&self) -> Wants {
        let events = self.on == WebhookOn::Events;
        Wants {
            events,
            changes: events,
            snapshots: if events { Snapshots::None } else { Snapshots::Each },
        }
    }

    fn attach(&mut self, tally: &Arc<Tally>) {
        self.desk.attach(Arc::clone(tally));
    }

    fn take(&mut self, item: Item, tally: &Tally) -> Result<(), Closed> {
        tally.missed(self.desk.put(item));
        Ok(())
    }

    fn flush(&mut self, _: &Tally) -> Result<(), Closed> {
        Ok(())
    }

    fn end(&mut self, last: Option<Arc<Snapshot>>, tally: &Tally) -> Result<(), Closed> {
        if let Some(last) = last {
            tally.offered();
            tally.missed(self.desk.put_last(last, self.on));
        }
        self.desk.close();
        if !self.desk.is_between_posts_by(Instant::now() + UNDER_WAY_LIMIT) {
            // It would have to be replaced by the last one anyway.
            self.desk.give_up_current();
        }
        if !self.desk.is_done_by(Instant::now() + LAST_LIMIT) {
            let left = self.desk.abandon();
            log::warn!("output webhook: the receiver did not take {left} records before the end");
            tally.missed(left);
        }
        Ok(())
    }
}
