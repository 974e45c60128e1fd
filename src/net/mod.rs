//! Connections to the service: one function opens them, for REST calls and WebSockets.
//!
//! In: a target, proxy and trust settings, a deadline, a stop signal · Out: a `Stream` · Thread: the caller's.

pub(crate) mod backoff;
pub(crate) mod cancel;
pub(crate) mod dial;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub(crate) mod issuer;
#[cfg(feature = "cli")]
pub(crate) mod probe;
pub(crate) mod proxy;
pub(crate) mod socket;
pub(crate) mod tls;

#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Instant;

use rustls::StreamOwned;

pub(crate) use cancel::{Cancel, Waited};
pub(crate) use socket::{DeadlineTcp, ShutdownHandle, Stream};

pub(crate) use crate::base::url::{Security, Target, Url};
use crate::config::{Config, LimitsConfig};
use crate::{Error, ErrorKind, Secret};

/// The `User-Agent` header for the service and for proxies.
pub(crate) const USER_AGENT: &str = concat!("genesys-stream/", env!("CARGO_PKG_VERSION"));

/// What the connections of a run share: proxy rules, TLS settings, lookups under way, time limits.
#[derive(Debug)]
pub(crate) struct Net {
    proxies: proxy::ProxyRules,
    tls: tls::Tls,
    lookups: dial::Lookups,
    /// Time limits of the steps.
    pub(crate) limits: LimitsConfig,
}

impl Net {
    /// Reads the settings, and the environment's proxies where the configuration says so.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] for a CA file that cannot be used, or for an unusable proxy that a connection to a
    /// configured host would take.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        Self::for_hosts(config, |name| {
            // A value that is no UTF-8 is wrong, not absent.
            let value = std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
            value.filter(|_| config.proxy_from_env)
        })
    }

    fn for_hosts(config: &Config, variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let mut net = Self::with(
            config.proxy.as_ref().map(Secret::reveal),
            config.ca_file.clone(),
            variable,
        )?;
        net.limits = config.limits;
        let hosts = &config.hosts;
        // A wrong proxy is reported before anything is connected, not in the middle of a run.
        for host in [&hosts.login, &hosts.api, &hosts.streaming] {
            if let Ok(url) = Url::parse(host) {
                net.proxies.choose(&url.target)?;
            }
        }
        Ok(net)
    }

    /// Checks that a connection to `target` could be opened as far as the proxy rules go; nothing is connected.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] for a proxy that cannot be used.
    pub(crate) fn check_route(&self, target: &Target) -> Result<(), Error> {
        self.proxies.choose(target).map(drop)
    }

    /// From single settings, with the default time limits; `variable` looks a variable of the environment up.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] for a CA file or an explicit proxy that cannot be used.
    pub(crate) fn with(
        proxy: Option<&str>,
        ca_file: Option<PathBuf>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let tls = tls::Tls::new(ca_file);
        tls.check_ca_file()?;
        Ok(Self {
            proxies: proxy::ProxyRules::new(proxy, variable)?,
            tls,
            lookups: dial::Lookups::default(),
            limits: LimitsConfig::default(),
        })
    }
}

/// The error of an operation that the stop signal ended.
pub(crate) fn stopped(did: impl Into<String>) -> Error {
    Error::new(ErrorKind::Stopped, did, "stopped on request")
}

/// Opens a connection to `target`, through a proxy where the rules say so, before `deadline`.
///
/// The connect and each TLS handshake have their own limits within `deadline`. `cancel` shuts the stream down at any time;
/// its read deadline is `deadline` until it is set anew.
///
/// # Errors
/// [`ErrorKind::Stopped`] on cancel, [`ErrorKind::Certificate`], [`ErrorKind::Configuration`] for an unusable CA file or proxy,
/// [`ErrorKind::Credentials`] for a proxy's 407, else [`ErrorKind::Transient`].
pub(crate) fn open(target: &Target, net: &Net, deadline: Instant, cancel: &Cancel) -> Result<Stream, Error> {
    let opened = open_uncancelled(target, net, deadline, cancel);
    if cancel.is_cancelled() {
        // Any other error is a consequence of the signal.
        return Err(stopped(format!("connecting to {target}")));
    }
    opened
}

fn open_uncancelled(target: &Target, net: &Net, deadline: Instant, cancel: &Cancel) -> Result<Stream, Error> {
    let proxy = net.proxies.choose(target)?;
    let first_hop = proxy.map_or(target, |proxy| &proxy.target);
    let secure = |hop: &Target| hop.security == Security::Tls;
    // Before the dial: an unusable CA file is reported whether or not the network answers.
    let tls = if secure(target) || secure(first_hop) {
        Some(net.tls.config()?)
    } else {
        None
    };
    let connect_by = deadline.min(Instant::now() + net.limits.connect);
    let tcp = dial::dial(&first_hop.host, first_hop.port, &net.lookups, connect_by, cancel)?;
    let registration = cancel
        .register(&tcp)
        .map_err(|error| Error::caused_by(ErrorKind::Local, format!("connecting to {target}"), error))?;
    let tls_by = || deadline.min(Instant::now() + net.limits.handshake);
    let mut stream = Stream::Plain(DeadlineTcp::new(tcp, deadline, Some(registration)));
    if let Some(proxy) = proxy {
        if let Some(tls) = tls.clone().filter(|_| secure(&proxy.target)) {
            stream = secured(stream, tls, &proxy.target.host, tls_by())?;
        }
        stream.set_read_deadline(deadline.min(Instant::now() + net.limits.connect));
        proxy.connect(&mut stream, target)?;
    }
    if let Some(tls) = tls.filter(|_| secure(target)) {
        stream = secured(stream, tls, &target.host, tls_by())?;
    }
    stream.set_read_deadline(deadline);
    Ok(stream)
}

/// Puts a TLS layer over `stream`, before `deadline`.
fn secured(
    mut stream: Stream,
    config: std::sync::Arc<rustls::ClientConfig>,
    host: &str,
    deadline: Instant,
) -> Result<Stream, Error> {
    stream.set_read_deadline(deadline);
    let connection = tls::handshake(config, host, &mut stream)?;
    match stream {
        Stream::Plain(tcp) => Ok(Stream::Tls(Box::new(StreamOwned::new(connection, tcp)))),
        Stream::Tls(proxy) => Ok(Stream::TlsInTls(Box::new(StreamOwned::new(connection, *proxy)))),
        Stream::TlsInTls(_) => Err(Error::new(
            ErrorKind::Internal,
            format!("TLS handshake with {host}"),
            "a third layer of TLS",
        )),
    }
}
