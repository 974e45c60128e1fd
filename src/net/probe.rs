//! The steps of opening a connection one by one, for `check`, which reports the one that fails.
//!
//! In: a target, `Net` · Out: addresses, the proxy in use, the issuer of the certificate · Thread: the caller's.

use std::net::IpAddr;
use std::time::Instant;

use super::{Cancel, Net, Security, Target, dial, issuer, open};
use crate::Error;

/// The endpoint that a connection to a target dials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FirstHop {
    /// The target itself, or the proxy.
    pub(crate) target: Target,
    /// Whether it is a proxy.
    pub(crate) is_proxy: bool,
}

/// The endpoint that a connection to `target` dials: the target or a proxy.
///
/// # Errors
/// Those of the proxy rules.
pub(crate) fn first_hop(target: &Target, net: &Net) -> Result<FirstHop, Error> {
    Ok(match net.proxies.choose(target)? {
        Some(proxy) => FirstHop {
            target: proxy.target.clone(),
            is_proxy: true,
        },
        None => FirstHop {
            target: target.clone(),
            is_proxy: false,
        },
    })
}

/// The addresses of a host; one that is an address gives itself.
///
/// # Errors
/// As [`dial::dial`] for the lookup alone.
pub(crate) fn look_up(host: &str, net: &Net, deadline: Instant, cancel: &Cancel) -> Result<Vec<IpAddr>, Error> {
    dial::look_up(
        host,
        &net.lookups,
        deadline.min(Instant::now() + net.limits.connect),
        cancel,
    )
}

/// Connects and closes the connection; returns the address that answered.
///
/// # Errors
/// As [`dial::dial`].
pub(crate) fn connect(hop: &Target, net: &Net, deadline: Instant, cancel: &Cancel) -> Result<Option<IpAddr>, Error> {
    let stream = dial::dial(&hop.host, hop.port, &net.lookups, deadline, cancel)?;
    Ok(stream.peer_addr().ok().map(|address| address.ip()))
}

/// Opens a connection to `target`, through the proxy where there is one, and closes it; returns the issuer of the
/// certificate, `None` on a plain connection and where the certificate names none.
///
/// # Errors
/// As [`open`].
pub(crate) fn issuer(target: &Target, net: &Net, deadline: Instant, cancel: &Cancel) -> Result<Option<String>, Error> {
    let stream = open(target, net, deadline, cancel)?;
    Ok(match target.security {
        Security::Plain => None,
        Security::Tls => stream.peer_certificate().and_then(issuer::issuer_of),
    })
}
