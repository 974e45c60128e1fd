//! The HTTP server of a stream: bound before anything is connected, then fed like any output.
//!
//! In: snapshots, changes, the engine to be asked for more · Out: what `web` serves · Thread: `gs-out-http`, and those of `web`.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::Error;
use crate::config::Config;
use crate::engine::ControlSender;
use crate::model::snapshot::Snapshot;
use crate::output::Item;
use crate::output::counters::OutputCounters;
use crate::output::sink::{self, Closed, Sink, Snapshots, Wants};
use crate::web::{Source, Web};

/// The server, if `http.listen` is set: bound, not fed yet.
pub(super) struct BoundServer(Option<Web>);

impl BoundServer {
    /// Binds `http.listen`.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) when the address cannot be used.
    pub(super) fn bind(config: &Config, source: Source) -> Result<Self, Error> {
        let web = Web::bind(config, source)?;
        if let Some(web) = &web {
            log::info!("page and metrics: http://{}/", web.address());
        }
        Ok(Self(web))
    }

    /// Where it listens.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.0.as_ref().map(Web::address)
    }

    /// Requests are answered with snapshots of this engine.
    pub(super) fn ask(&self, control: &ControlSender) {
        if let Some(web) = &self.0 {
            let control = control.clone();
            web.ask_through(move || super::ask_snapshot(&control));
        }
    }

    /// The sink that feeds it.
    pub(super) fn into_sink(self) -> Option<Box<dyn Sink>> {
        Some(Box::new(WebSink(Some(self.0?))))
    }
}

/// Feeds the server until the end. A snapshot or change counts as written when viewers can see it.
struct WebSink(Option<Web>);

impl Sink for WebSink {
    fn wants(&self) -> Wants {
        Wants {
            events: sink::Events::None,
            changes: true,
            alerts: true,
            snapshots: Snapshots::Newest,
        }
    }

    fn take(&mut self, item: Item, counters: &OutputCounters) -> Result<(), Closed> {
        let Some(web) = &self.0 else { return Ok(()) };
        if let Item::Snapshot(snapshot) = item {
            counters.offered();
            web.publish(snapshot);
        } else {
            web.note(&item);
        }
        counters.wrote(1);
        Ok(())
    }

    fn flush(&mut self, _: &OutputCounters) -> Result<(), Closed> {
        Ok(())
    }

    fn end(&mut self, last: Option<Arc<Snapshot>>, _: &OutputCounters) -> Result<(), Closed> {
        if let Some(web) = self.0.take() {
            web.end(last);
        }
        Ok(())
    }
}
