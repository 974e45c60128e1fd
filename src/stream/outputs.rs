//! The outputs of a stream: where each sits, and those that the configuration names.
//!
//! In: `Config`, a seat · Out: running outputs · Thread: whoever starts the stream; each output has its own.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, select};

use crate::audit::entries;
use crate::config::{Config, WebhookConfig, WebhookOn};
use crate::event::Event;
use crate::event::notice::Notice;
use crate::model::snapshot::Snapshot;
use crate::net::Net;
use crate::output::appending::Appending;
use crate::output::audit_file::{AuditFile, ROTATE_BYTES};
use crate::output::journal::Journal;
use crate::output::record::Bodies;
use crate::output::recorder::{self, Recorder};
use crate::output::sink::{self, Closed, Handover, Outlet, OutputEnded, Snapshots, Wants};
use crate::output::snapshot_file::SnapshotFile;
use crate::output::tally::Tally;
use crate::output::webhook::{Order, Webhook};
use crate::output::writer::LineOutlet;
use crate::output::{Item, Output};
use crate::protocol::KeepBody;
use crate::rest::webhook::WebhookClient;
use crate::{Error, Moment};

/// What an output needs to know of the stream it belongs to.
pub(crate) struct OutputSeat {
    /// Tells the supervisor that nobody reads this output any more.
    pub(crate) notices: Sender<Notice>,
    /// Whether the aggregator waits for it.
    pub(crate) handover: Handover,
}

pub(super) type MakeOutput = Box<dyn FnOnce(&OutputSeat) -> Result<Output, Error> + Send>;

impl OutputSeat {
    /// Starts an output on this seat. When its reader is gone, the stream ends.
    pub(crate) fn spawn(&self, name: &'static str, outlet: Box<dyn Outlet>) -> Result<Output, Error> {
        self.spawn_as(name, outlet, self.handover.clone(), sink::CAPACITY)
    }

    /// As [`OutputSeat::spawn`], where more may have to wait.
    fn spawn_with_room(&self, name: &'static str, outlet: Box<dyn Outlet>, capacity: usize) -> Result<Output, Error> {
        self.spawn_as(name, outlet, self.handover.clone(), capacity)
    }

    /// As [`OutputSeat::spawn`], for an output that the stream waits for at other times than for most.
    fn spawn_as(
        &self,
        name: &'static str,
        outlet: Box<dyn Outlet>,
        handover: Handover,
        capacity: usize,
    ) -> Result<Output, Error> {
        let notices = self.notices.clone();
        let notice = Box::new(move |ended| match ended {
            OutputEnded::Finished => {}
            OutputEnded::Closed => {
                // Nobody listens any more only when the stream has ended anyway.
                let _ = notices.send(Notice::OutputClosed(name.to_owned()));
            }
            OutputEnded::Panicked => log::error!("output {name}: a defect ended it; the stream goes on"),
        });
        Output::spawn(name, outlet, handover, capacity, notice)
    }
}

/// Starts the outputs that the configuration names.
pub(super) fn configured(config: &Config, net: &Arc<Net>, seat: &OutputSeat) -> Result<Vec<Output>, Error> {
    let mut all = Vec::new();
    if let Some(path) = &config.outputs.snapshot_file {
        all.push(seat.spawn("snapshot_file", Box::new(SnapshotFile::new(path)?))?);
    }
    if let Some(webhook) = &config.outputs.webhook {
        all.push(self::webhook(webhook, config, net, seat)?);
    }
    Ok(all)
}

/// Starts audit file and recording, and opens the ways to them.
pub(super) fn journal(config: &Config, seat: &OutputSeat) -> Result<(Journal, Vec<Output>), Error> {
    let (mut journal, mut all) = (Journal::default(), Vec::new());
    if let Some(path) = &config.outputs.audit_file {
        let output = seat.spawn("audit_file", Box::new(AuditFile::new(path, ROTATE_BYTES)?))?;
        let tap = output.tap();
        journal.audit = Some(Arc::new(move |entry| tap.offer(Item::Audited(Arc::new(entry)))));
        all.push(output);
        journal.audit(|| entries::start(config, std::process::id(), Moment::now()));
        journal.audit(|| entries::configuration(config, Moment::now()));
    }
    if let Some(path) = &config.outputs.record_file {
        let recorder = Recorder::new(bodies(config));
        let writer = Appending::new("record file", path)?.with_preface(Box::new(recorder.preface()));
        let outlet = LineOutlet::new("record_file", recorder, writer);
        let output = seat.spawn_with_room("record_file", Box::new(outlet), recorder::CAPACITY)?;
        let tap = output.tap();
        journal.record = Some(Arc::new(move |line| tap.offer(Item::Recorded(Arc::new(line)))));
        all.push(output);
    }
    Ok((journal, all))
}

/// What bodies the configured outputs show.
pub(super) fn configured_bodies(config: &Config) -> KeepBody {
    match &config.outputs.webhook {
        Some(webhook) if webhook.on == WebhookOn::Events => KeepBody::Verbatim,
        _ => KeepBody::Drop,
    }
}

/// As `outputs.redact` says.
pub(super) fn bodies(config: &Config) -> Bodies {
    match config.outputs.redact {
        true => Bodies::Redacted,
        false => Bodies::Verbatim,
    }
}

fn webhook(webhook: &WebhookConfig, config: &Config, net: &Arc<Net>, seat: &OutputSeat) -> Result<Output, Error> {
    let client = WebhookClient::new(&webhook.url, webhook.secret.clone(), webhook.timeout, Arc::clone(net))?;
    let order = Order {
        on: webhook.on,
        bodies: bodies(config),
        gather: config.outputs.interval,
    };
    // Never waited for, whatever the buffer's policy: the receiver is somebody else's.
    seat.spawn_as(
        "webhook",
        Box::new(Webhook::new(client, order)?),
        Handover::Offer,
        sink::CAPACITY,
    )
}

/// Events of a stream, in the order in which they were applied: an iterator that ends with the stream.
#[derive(Clone, Debug)]
pub struct Events {
    pub(super) receiver: Receiver<Arc<Event>>,
}

impl Events {
    /// The next event, waiting at most `timeout`; `None` when none came, or the stream has ended.
    #[must_use]
    pub fn next_within(&self, timeout: Duration) -> Option<Arc<Event>> {
        self.receiver.recv_timeout(timeout).ok()
    }
}

impl Iterator for Events {
    type Item = Arc<Event>;

    fn next(&mut self) -> Option<Arc<Event>> {
        self.receiver.recv().ok()
    }
}

/// The output behind [`Events`].
pub(super) struct EventChannel {
    pub(super) sender: Option<Sender<Arc<Event>>>,
    /// There where the stream waits for the receiver.
    pub(super) stopping: Option<Receiver<()>>,
}

impl Outlet for EventChannel {
    fn wants(&self) -> Wants {
        Wants {
            events: true,
            changes: false,
            snapshots: Snapshots::None,
        }
    }

    fn take(&mut self, item: Item, tally: &Tally) -> Result<(), Closed> {
        let Item::Event(event) = item else { return Ok(()) };
        let sent = match (&self.sender, &self.stopping) {
            (None, _) => false,
            (Some(sender), None) => match sender.try_send(event) {
                Ok(()) => true,
                Err(TrySendError::Full(_)) => false,
                Err(TrySendError::Disconnected(_)) => {
                    // The program dropped its receiver: that is no reason to end the stream.
                    self.sender = None;
                    false
                }
            },
            (Some(sender), Some(stopping)) => select! {
                send(sender, event) -> sent => sent.is_ok(),
                recv(stopping) -> _ => false,
            },
        };
        if sent {
            tally.wrote(1)
        } else {
            tally.missed(1)
        }
        Ok(())
    }

    fn flush(&mut self, _tally: &Tally) -> Result<(), Closed> {
        Ok(())
    }

    fn end(&mut self, _last: Option<Arc<Snapshot>>, _tally: &Tally) -> Result<(), Closed> {
        self.sender = None;
        Ok(())
    }
}
