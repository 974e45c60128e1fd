//! The live page, metrics, health and snapshots over HTTP.
//!
//! In: snapshots and changes from an output's thread, requests · Out: replies · Thread: `web-accept`, `web-http-N` for each connection.
//!
//! Each snapshot is put into a feed, from which the page and `/api/events` are served. Other requests are answered with the
//! newest snapshot; where that is not of this moment, the engine is asked for one. Each form of a snapshot (JSON, picture for
//! the page) is made once, by the first viewer that needs it, and shared.

mod access;
mod board;
mod day;
mod feed;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod metrics;
mod pages;
mod picture;
mod readiness;
mod routes;
/// As the choice `limits` of the page's address: `STATUS:amber:red,…`.
fn limits_text(limits: &AgentLimits) -> String {
    let each = limits
        .0
        .iter()
        .map(|(status, Levels { amber, red })| format!("{status}:{amber}:{red}"));
    Vec::from_iter(each).join(",")
}

#[cfg(test)]
mod testing;
mod viewer;

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::url::Url;
use crate::config::{AgentLimits, Config, Levels, TotalsSince};
use crate::http_server::{self, Server};
use crate::model::snapshot::Snapshot;
use crate::output::Item;
use crate::{Error, ErrorKind};
use access::{Hosts, TokenCheck};
use board::Board;
use routes::Site;

/// Connections at one time, viewers included, where the process may have as many descriptors.
const CONNECTIONS: usize = 512;
/// At the end viewers get the last snapshot, if they take it within this time.
const LAST_SNAPSHOT_TIME: Duration = Duration::from_millis(400);

/// Where the numbers come from, as the page says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A service; one on this machine is a simulator.
    Service,
    /// A recording.
    #[cfg(feature = "cli")]
    Replay,
}

/// What the page and `/readyz` need of the configuration.
#[derive(Clone, Debug)]
struct Settings {
    /// A last frame, or a snapshot, older than this is stale.
    stale_after: Duration,
    /// Time between two snapshots of the page and of `/api/events`.
    interval: Duration,
    totals_since: TotalsSince,
    /// The name that the page gets.
    source: &'static str,
    /// Limits of the time in status as the page's address has them; empty without any.
    limits: String,
}

/// The running server. Dropping it stops it.
pub(crate) struct Web {
    server: Server,
    board: Arc<Board>,
}

impl Web {
    /// Binds `http.listen`; `None` where it is not set. Nothing is served before the first snapshot but `/healthz`.
    ///
    /// # Errors
    /// When the address cannot be used: of kind [`ErrorKind::Configuration`], so that nothing is connected.
    pub(crate) fn bind(config: &Config, source: Source) -> Result<Option<Self>, Error> {
        let http = &config.http;
        let Some(listen) = &http.listen else { return Ok(None) };
        let refused = |what: String| {
            Error::new(
                ErrorKind::Configuration,
                format!("listening on {listen} (http.listen, --listen)"),
                what,
            )
        };
        let addresses = listen
            .to_socket_addrs()
            .map_err(|error| refused(error.to_string()).with_source(error))?;
        let connections = http_server::within_descriptors(CONNECTIONS);
        let limits = http_server::Limits {
            connections,
            body_bytes: 8 * 1024,
            head_time: Duration::from_secs(5),
            body_time: Duration::from_secs(5),
            idle_time: Duration::from_secs(30),
            write_time: viewer::EVENT_TIME,
            ..http_server::Limits::default()
        };
        let settings = Settings {
            stale_after: config.stale_after,
            interval: config.outputs.interval,
            totals_since: config.totals.since,
            source: match source {
                #[cfg(feature = "cli")]
                Source::Replay => "replay",
                Source::Service if Url::parse(&config.hosts.api).is_ok_and(|url| url.target.is_loopback()) => {
                    "simulator"
                }
                Source::Service => "service",
            },
            limits: limits_text(&config.agent_limits),
        };
        let host = listen.rsplit_once(':').map_or(listen.as_str(), |(host, _)| host);
        let mut problem = "it is not an address of this machine".to_owned();
        for address in addresses {
            if !address.ip().is_loopback() && http.token.is_none() {
                return Err(refused(format!(
                    "other machines can reach {}, so a token is needed: set http.token_file (--token-file), or listen on 127.0.0.1",
                    address.ip()
                )));
            }
            let board = Arc::new(Board::new(settings.clone()));
            let hosts = Hosts::new(host, address.ip(), &http.allowed_hosts);
            let server = Server::bind(address, "web", limits.clone(), |port| {
                let token_check = http
                    .token
                    .as_ref()
                    .map(|token| TokenCheck::new(token, port))
                    .transpose()?;
                let site = Site::new(Arc::clone(&board), hosts, token_check, connections);
                Ok(Box::new(move |request: &http_server::Request| site.answer(request)))
            });
            match server {
                Ok(server) => return Ok(Some(Self { server, board })),
                // Not the next address of the same name: some of the visitors would reach the other program.
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                    let what = "another program listens there; end it, or choose another port (0: a free one)";
                    return Err(refused(what.to_owned()).with_source(error));
                }
                Err(error) => problem = error.to_string(),
            }
        }
        Err(refused(problem))
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// From now on `ask` gives snapshots of this moment; it may take a second, and give none.
    pub(crate) fn ask_through(&self, ask: impl Fn() -> Option<Arc<Snapshot>> + Send + Sync + 'static) {
        self.board.ask_through(Box::new(ask));
    }

    /// Shows this snapshot from now on.
    pub(crate) fn publish(&self, snapshot: Arc<Snapshot>) {
        self.board.publish(snapshot, Instant::now());
    }

    /// Remembers a change of the stream's state, a gap or an alert, to be shown with the next snapshot.
    pub(crate) fn note(&self, item: &Item) {
        self.board.note(item);
    }

    /// Shows the last snapshot to the viewers that are connected, and stops.
    pub(crate) fn end(mut self, last: Option<Arc<Snapshot>>) {
        self.board.end(last, Instant::now() + LAST_SNAPSHOT_TIME);
        self.server.stop();
    }
}
