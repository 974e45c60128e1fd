//! Starts the outputs of a stream: those of the builder, and those that the configuration names.
//!
//! In: `Config`, outputs of the builder · Out: running outputs · Thread: that which starts the stream; each output has its own.

use std::sync::Arc;

use crossbeam_channel::Sender;

use super::web::BoundServer;
use crate::audit::entries;
use crate::config::{Config, WebhookConfig, WebhookOn};
use crate::event::notice::Notice;
use crate::net::Net;
use crate::output::appending::Appending;
use crate::output::audit_file::{AuditFile, ROTATE_BYTES};
use crate::output::journal::Journal;
use crate::output::record::Bodies;
use crate::output::recorder::{self, Recorder};
use crate::output::sink::{self, Handover, OutputEnded, Sink};
use crate::output::snapshot_file::SnapshotFile;
use crate::output::waiting::Room;
use crate::output::webhook::{Webhook, WebhookSettings};
use crate::output::writer::LineSink;
use crate::output::{Item, Output, Outputs};
use crate::protocol::KeepBody;
use crate::rest::webhook::WebhookClient;
use crate::{Error, Moment};

/// Starts outputs of one stream.
pub(crate) struct OutputSpawner {
    /// Tells the supervisor when nobody reads an output any more.
    pub(super) notices: Sender<Notice>,
    /// Whether the aggregator waits for outputs.
    pub(super) handover: Handover,
}

/// Starts an output that the builder was given.
pub(super) type MakeOutput = Box<dyn FnOnce(&OutputSpawner) -> Result<Output, Error> + Send>;

impl OutputSpawner {
    /// Starts an output; the stream ends when its reader is gone.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn spawn(&self, name: &'static str, sink: Box<dyn Sink>) -> Result<Output, Error> {
        self.spawn_with(name, sink, self.handover.clone(), sink::ROOM)
    }

    /// Starts an output with its own way of being handed items, of which as many may wait as `room` says.
    fn spawn_with(
        &self,
        name: &'static str,
        sink: Box<dyn Sink>,
        handover: Handover,
        room: Room,
    ) -> Result<Output, Error> {
        let notices = self.notices.clone();
        let notice = Box::new(move |ended| match ended {
            OutputEnded::Finished => {}
            OutputEnded::Closed => {
                // The supervisor is gone only when the stream has ended anyway.
                let _ = notices.send(Notice::OutputClosed(name.to_owned()));
            }
            OutputEnded::Panicked => log::error!("output {name}: a defect ended it; the stream goes on"),
        });
        Output::spawn(name, sink, handover, room, notice)
    }
}

/// Starts the outputs of the builder, the server of `http.listen` and the outputs that the configuration names.
///
/// # Errors
/// When the system gives no thread, or a file cannot be used.
pub(super) fn start(
    makes: Vec<MakeOutput>,
    server: BoundServer,
    config: &Config,
    net: &Arc<Net>,
    spawner: &OutputSpawner,
    outputs: &mut Outputs,
) -> Result<(), Error> {
    for make in makes {
        outputs.add(make(spawner)?);
    }
    if let Some(sink) = server.into_sink() {
        outputs.add(spawner.spawn("http", sink)?);
    }
    if let Some(path) = &config.outputs.snapshot_file {
        let file = SnapshotFile::new(path, config.outputs.snapshot_every, config.outputs.snapshot_mode)?;
        outputs.add(spawner.spawn("snapshot_file", Box::new(file))?);
    }
    if let Some(webhook) = &config.outputs.webhook {
        outputs.add(self::webhook(webhook, config, net, spawner)?);
    }
    Ok(())
}

/// Starts audit file and recording, as far as the configuration names them.
///
/// # Errors
/// When the system gives no thread, or a file cannot be used.
pub(super) fn start_journal(config: &Config, spawner: &OutputSpawner, outputs: &mut Outputs) -> Result<Journal, Error> {
    let mut journal = Journal::default();
    if let Some(path) = &config.outputs.audit_file {
        let output = spawner.spawn("audit_file", Box::new(AuditFile::new(path, ROTATE_BYTES)?))?;
        let sender = output.sender();
        journal.audit = Some(Arc::new(move |entry| sender.offer(Item::Audited(Arc::new(entry)))));
        outputs.add(output);
        journal.audit(|| entries::start(config, std::process::id(), Moment::now()));
        journal.audit(|| entries::configuration(config, Moment::now()));
    }
    if let Some(path) = &config.outputs.record_file {
        let recorder = Recorder::new(bodies(config));
        let writer = Appending::new("record file", path)?.with_preface(Box::new(recorder.preface()));
        let sink = LineSink::new("record_file", recorder, writer);
        let handover = spawner.handover.clone();
        let output = spawner.spawn_with("record_file", Box::new(sink), handover, recorder::ROOM)?;
        let sender = output.sender();
        journal.record = Some(Arc::new(move |line| sender.offer(Item::Recorded(Arc::new(line)))));
        outputs.add(output);
    }
    Ok(journal)
}

/// Starts the output that publishes through Redis, where `engine.publish` is set.
///
/// # Errors
/// When the system gives no thread, or the CA file cannot be used.
#[cfg(feature = "engine")]
pub(super) fn start_publisher(
    parts: crate::sharing::PublisherParts,
    spawner: &OutputSpawner,
    journal: &mut Journal,
    outputs: &mut Outputs,
) -> Result<(), Error> {
    let engine = &parts.config.engine;
    if engine.publish.is_empty() {
        return Ok(());
    }
    // Its thread never waits for the network, so that nothing gathers in front of it for long.
    let room = Room {
        items: 1 << 20,
        bytes: engine.buffer_bytes,
    };
    let publisher = Box::new(crate::sharing::Publisher::start(parts)?);
    let output = spawner.spawn_with("engine", publisher, Handover::DropWhenFull, room)?;
    let sender = output.sender();
    journal.share = Some(Arc::new(move |shared| sender.offer(Item::Shared(Arc::new(shared)))));
    outputs.add(output);
    Ok(())
}

/// Whether an output shows bodies: one of the builder, or a webhook that gets events.
pub(super) fn keep_body(of_builder: KeepBody, config: &Config) -> KeepBody {
    match &config.outputs.webhook {
        Some(webhook) if webhook.on == WebhookOn::Events => KeepBody::Verbatim,
        _ => of_builder,
    }
}

/// How records show bodies: `outputs.redact`.
pub(super) fn bodies(config: &Config) -> Bodies {
    match config.outputs.redact {
        true => Bodies::Redacted,
        false => Bodies::Verbatim,
    }
}

fn webhook(webhook: &WebhookConfig, config: &Config, net: &Arc<Net>, spawner: &OutputSpawner) -> Result<Output, Error> {
    let client = WebhookClient::new(&webhook.url, webhook.secret.clone(), webhook.timeout, Arc::clone(net))?;
    let settings = WebhookSettings {
        on: webhook.on,
        bodies: bodies(config),
        gather: config.outputs.interval,
    };
    // Never waited for, whatever the buffer's policy: the receiver is somebody else's.
    spawner.spawn_with(
        "webhook",
        Box::new(Webhook::new(client, settings)?),
        Handover::DropWhenFull,
        sink::ROOM,
    )
}
