//! The adapter from `net::open` to ureq: the only file that uses ureq's transport API.
//!
//! In: what ureq wants to connect to · Out: a connection of `net::open` under ureq's time limits · Thread: the caller's.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::Duration as UreqDuration;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport};

use crate::net::socket::WRITE_LIMIT;
use crate::net::{Cancel, Net, Security, Stream, Url, open};

/// Looks nothing up: [`open`] does it, and only where no proxy is used.
#[derive(Debug)]
pub(super) struct NoLookup;

impl Resolver for NoLookup {
    fn resolve(&self, _: &Uri, _: &ureq::config::Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

/// Opens connections through [`open`].
#[derive(Debug)]
pub(super) struct NetConnector {
    pub(super) net: Arc<Net>,
    pub(super) cancel: Cancel,
    /// The time limit where ureq sets none.
    pub(super) limit: Duration,
}

impl Connector<()> for NetConnector {
    type Out = NetTransport;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<NetTransport>, ureq::Error> {
        let url = Url::of(details.uri).map_err(ureq::Error::BadUri)?;
        let deadline = Instant::now() + limit_of(details.timeout, self.limit);
        let stream = open(&url.target, &self.net, deadline, &self.cancel)
            .map_err(|error| ureq::Error::Other(Box::new(error)))?;
        Ok(Some(NetTransport {
            stream,
            security: url.target.security,
            buffers: LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size()),
            limit: self.limit,
        }))
    }
}

fn limit_of(timeout: NextTimeout, otherwise: Duration) -> Duration {
    match timeout.after {
        UreqDuration::Exact(limit) => limit.min(otherwise),
        UreqDuration::NotHappening => otherwise,
    }
}

/// A connection as ureq uses it.
pub(super) struct NetTransport {
    stream: Stream,
    security: Security,
    buffers: LazyBuffers,
    limit: Duration,
}

impl Transport for NetTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let limit = limit_of(timeout.for_write(), self.limit);
        self.stream.set_write_limit(limit.min(WRITE_LIMIT));
        // A TLS write may have to read first.
        self.stream.set_read_deadline(Instant::now() + limit);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        match self.stream.write_all(output).and_then(|()| self.stream.flush()) {
            Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => {
                Err(ureq::Error::Timeout(timeout.reason))
            }
            outcome => Ok(outcome?),
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let limit = limit_of(timeout.for_read(), self.limit);
        self.stream.set_read_deadline(Instant::now() + limit);
        match self.stream.read(self.buffers.input_append_buf()) {
            Ok(amount) => {
                self.buffers.input_appended(amount);
                Ok(amount > 0)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(ureq::Error::Timeout(timeout.reason)),
            Err(error) => Err(error.into()),
        }
    }

    fn is_open(&mut self) -> bool {
        self.stream.is_idle()
    }

    fn is_tls(&self) -> bool {
        self.security == Security::Tls
    }
}

impl fmt::Debug for NetTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetTransport")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}
