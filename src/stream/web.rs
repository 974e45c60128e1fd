//! The HTTP server of a stream: bound before anything is connected, then fed like any output.
//!
//! In: snapshots, changes, the engine to be asked for more · Out: what `web` serves · Thread: `gs-out-http`, and those of `web`.

use std::net::{IpAddr, SocketAddr, UdpSocket};
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
            let addresses = addresses(web.address(), config.http.listen.as_deref(), &config.http.allowed_hosts);
            log::info!("page and metrics: {}", addresses.join(" "));
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

/// Where the page can be opened: the listen address and its name, of all addresses this machine's own, the allowed names.
fn addresses(bound: SocketAddr, listen: Option<&str>, allowed: &[String]) -> Vec<String> {
    let port = bound.port();
    let mut hosts = Vec::new();
    if bound.ip().is_unspecified() {
        hosts.push("127.0.0.1".to_owned());
        hosts.extend(own_address().filter(|ip| !ip.is_loopback()).map(|ip| ip.to_string()));
    } else {
        hosts.push(
            SocketAddr::new(bound.ip(), 0)
                .to_string()
                .trim_end_matches(":0")
                .to_owned(),
        );
        let named = listen.and_then(|listen| listen.rsplit_once(':'));
        let name = named
            .map(|(host, _)| host)
            .filter(|host| !host.starts_with('[') && host.parse::<IpAddr>().is_err());
        hosts.extend(name.map(str::to_owned));
    }
    hosts.extend(allowed.iter().cloned());
    hosts.into_iter().map(|host| format!("http://{host}:{port}/")).collect()
}

/// The address from which this machine would reach another one; nothing is sent.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // An address for documentation (RFC 5737), which takes the default route.
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_the_page_is_named() {
        let named = |bound: &str, listen: &str, allowed: &[&str]| {
            let allowed: Vec<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
            addresses(bound.parse().unwrap(), Some(listen), &allowed).join(" ")
        };
        assert_eq!(named("127.0.0.1:9464", "127.0.0.1:9464", &[]), "http://127.0.0.1:9464/");
        assert_eq!(named("[::1]:80", "[::1]:80", &[]), "http://[::1]:80/");
        assert_eq!(
            named("192.0.2.7:80", "wall.example:80", &["tv.example"]),
            "http://192.0.2.7:80/ http://wall.example:80/ http://tv.example:80/"
        );
        let all = named("0.0.0.0:9464", "0.0.0.0:9464", &[]);
        assert!(
            all.starts_with("http://127.0.0.1:9464/") && !all.contains("0.0.0.0"),
            "{all}"
        );
    }
}
