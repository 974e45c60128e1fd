//! The HTTP server of a stream: bound before anything is connected, then fed like any output.
//!
//! In: snapshots · Out: what `web` serves · Thread: `gs-out-http`, and those of `web`.

use std::net::SocketAddr;
use std::sync::Arc;

use super::OutputSeat;
use crate::Error;
use crate::config::Config;
use crate::model::snapshot::Snapshot;
use crate::output::sink::{Closed, Outlet, Snapshots, Wants};
use crate::output::tally::Tally;
use crate::output::{Item, Outputs};
use crate::web::Web;

/// The bound server; `None` where `http.listen` is not set.
pub(super) struct Listening(Option<Web>);

/// Binds `http.listen`.
pub(super) fn listen(config: &Config) -> Result<Listening, Error> {
    let web = Web::bind(config)?;
    if let Some(web) = &web {
        log::info!("page and metrics: http://{}/", web.address());
    }
    Ok(Listening(web))
}

impl Listening {
    /// Where it listens.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.0.as_ref().map(Web::address)
    }

    /// Makes it one of the outputs.
    pub(super) fn join(self, outputs: &mut Outputs, seat: &OutputSeat) -> Result<(), Error> {
        if let Some(web) = self.0 {
            outputs.add(seat.spawn("http", Box::new(WebOutlet(Some(web))))?);
        }
        Ok(())
    }
}

/// The output that feeds it. A snapshot counts as written when viewers can see it.
struct WebOutlet(Option<Web>);

impl Outlet for WebOutlet {
    fn wants(&self) -> Wants {
        Wants {
            events: false,
            changes: false,
            snapshots: Snapshots::Newest,
        }
    }

    fn take(&mut self, item: Item, tally: &Tally) -> Result<(), Closed> {
        if let (Some(web), Item::Snapshot(snapshot)) = (&self.0, item) {
            tally.offered();
            web.publish(snapshot);
            tally.wrote(1);
        }
        Ok(())
    }

    fn flush(&mut self, _: &Tally) -> Result<(), Closed> {
        Ok(())
    }

    fn end(&mut self, last: Option<Arc<Snapshot>>, _: &Tally) -> Result<(), Closed> {
        if let Some(web) = self.0.take() {
            web.end(last);
        }
        Ok(())
    }
}
