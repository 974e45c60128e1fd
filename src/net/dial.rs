//! Name lookup and TCP connect, each with a limit and both ended by a stop signal.
//!
//! In: host and port · Out: a tuned `TcpStream` · Thread: the caller's, which waits; `gs-dial` threads for calls that
//! cannot be interrupted.
//!
//! Neither `getaddrinfo` nor `connect` can be interrupted, so each runs on a thread of its own, which is left behind when
//! the caller gives up: a connect then ends by its limit, a lookup when the system's resolver gives up. While a host is
//! being looked up, further dials of that host wait for the same lookup, so at most one thread per host is left behind.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select_biased};

use super::cancel::Cancel;
use super::stopped;
use crate::{Error, ErrorKind};

/// Head start of an address over the next one; the value that RFC 8305 recommends.
const STAGGER: Duration = Duration::from_millis(250);
/// Addresses tried at most; a resolver that gives more is broken.
const MAX_ADDRESSES: usize = 8;

type LookupResult = Result<Vec<IpAddr>, String>;

/// Lookups under way by host, with the channels of the callers that wait for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lookups(Arc<Mutex<HashMap<String, Vec<Sender<LookupResult>>>>>);

impl Lookups {
    fn waiters(&self) -> MutexGuard<'_, HashMap<String, Vec<Sender<LookupResult>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the lookup of `host` that is under way, or starts one with `resolve`.
    fn ask(&self, host: &str, resolve: fn(&str) -> LookupResult) -> io::Result<Receiver<LookupResult>> {
        let (sender, receiver) = bounded(1);
        {
            let mut waiters = self.waiters();
            if let Some(waiting) = waiters.get_mut(host) {
                waiting.push(sender);
                return Ok(receiver);
            }
            waiters.insert(host.to_owned(), vec![sender]);
        }
        let lookups = self.clone();
        let host_name = host.to_owned();
        let spawned = spawn(move || {
            let looked = resolve(&host_name);
            let waiting = lookups.waiters().remove(&host_name).unwrap_or_default();
            for waiter in waiting {
                // Fails only where the caller has given up.
                let _ = waiter.try_send(looked.clone());
            }
        });
        if let Err(error) = spawned {
            self.waiters().remove(host);
            return Err(error);
        }
        Ok(receiver)
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new()
        .name("gs-dial".to_owned())
        .spawn(work)
        .map(drop)
}

fn system_lookup(host: &str) -> LookupResult {
    match (host, 0_u16).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.map(|address| address.ip()).collect()),
        Err(error) => Err(error.to_string()),
    }
}

/// Connects to `host:port` before `deadline`.
///
/// # Errors
/// [`ErrorKind::Transient`] when the name or all its addresses fail or time runs out, [`ErrorKind::Stopped`] on cancel.
pub(crate) fn dial(
    host: &str,
    port: u16,
    lookups: &Lookups,
    deadline: Instant,
    cancel: &Cancel,
) -> Result<TcpStream, Error> {
    let addresses = resolve(host, lookups, system_lookup, deadline, cancel)?;
    let candidates = interleave(&addresses)
        .into_iter()
        .map(|ip| SocketAddr::new(ip, port))
        .collect::<Vec<_>>();
    let stream = race(host, &candidates, connect_one, deadline, cancel)?;
    tune(&stream);
    Ok(stream)
}

/// The addresses of `host` before `deadline`.
///
/// # Errors
/// As [`dial`] for the lookup.
#[cfg(feature = "cli")]
pub(crate) fn look_up(host: &str, lookups: &Lookups, deadline: Instant, cancel: &Cancel) -> Result<Vec<IpAddr>, Error> {
    resolve(host, lookups, system_lookup, deadline, cancel)
}

fn resolve(
    host: &str,
    lookups: &Lookups,
    lookup: fn(&str) -> LookupResult,
    deadline: Instant,
    cancel: &Cancel,
) -> Result<Vec<IpAddr>, Error> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![address]);
    }
    let did = || format!("looking up {host}");
    let failed = |what: String| Error::new(ErrorKind::Transient, did(), what);
    if cancel.is_cancelled() {
        return Err(stopped(did()));
    }
    let looked = lookups
        .ask(host, lookup)
        .map_err(|error| failed(format!("no thread could be started: {error}")))?;
    select_biased! {
        recv(cancel.receiver()) -> _ => Err(stopped(did())),
        recv(looked) -> answer => match answer {
            Ok(Ok(addresses)) if addresses.is_empty() => Err(failed("the name has no address".to_owned())),
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(what)) => Err(failed(what)),
            Err(_) => Err(failed("the lookup ended without an answer".to_owned())),
        },
        default(deadline.saturating_duration_since(Instant::now())) => {
            Err(failed("no answer from the name server in time".to_owned()))
        }
    }
}

/// Keeps the resolver's order but alternates between IPv6 and IPv4, so that a family without a route costs one stagger
/// (RFC 8305, section 4).
fn interleave(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut unique: Vec<IpAddr> = Vec::new();
    for address in addresses {
        if !unique.contains(address) {
            unique.push(*address);
        }
    }
    let Some(first) = unique.first().copied() else {
        return unique;
    };
    let (same, other): (Vec<IpAddr>, Vec<IpAddr>) = unique.iter().partition(|a| a.is_ipv4() == first.is_ipv4());
    let (mut same, mut other) = (same.into_iter(), other.into_iter());
    let mut ordered = Vec::new();
    while ordered.len() < unique.len() {
        ordered.extend(same.next());
        ordered.extend(other.next());
    }
    ordered.truncate(MAX_ADDRESSES);
    ordered
}

fn connect_one(address: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&address, limit)
}

/// Tries the candidates [`STAGGER`] apart, and the next one at once when one fails; the first success wins.
fn race(
    host: &str,
    candidates: &[SocketAddr],
    connect: fn(SocketAddr, Duration) -> io::Result<TcpStream>,
    deadline: Instant,
    cancel: &Cancel,
) -> Result<TcpStream, Error> {
    let port = candidates.first().map_or(0, SocketAddr::port);
    let did = || format!("connecting to {host}:{port}");
    // Room for every attempt: a connection that comes too late is put here and closed when the channel is dropped.
    let (sender, finished) = bounded(candidates.len());
    let mut waiting = candidates.iter().copied();
    let mut running = 0_usize;
    let mut failures: Vec<String> = Vec::new();
    let mut last_error = None;
    // Each turn starts one more attempt; a turn ends with a failure or when the stagger has passed.
    loop {
        if cancel.is_cancelled() {
            return Err(stopped(did()));
        }
        let now = Instant::now();
        let remaining = deadline.saturating_duration_since(now);
        if remaining.is_zero() {
            failures.push("no answer in time".to_owned());
            return Err(Error::new(ErrorKind::Transient, did(), failures.join("; ")));
        }
        if let Some(address) = waiting.next() {
            let sender = sender.clone();
            let spawned = spawn(move || {
                let connected = connect(address, remaining);
                let _ = sender.try_send((address, connected));
            });
            match spawned {
                Ok(()) => running += 1,
                Err(error) => failures.push(format!("no thread could be started: {error}")),
            }
        }
        if running == 0 && waiting.len() == 0 {
            let error = Error::new(ErrorKind::Transient, did(), failures.join("; "));
            return Err(match last_error {
                Some(source) => error.with_source(source),
                None => error,
            });
        }
        let pause = if waiting.len() == 0 {
            remaining
        } else {
            remaining.min(STAGGER)
        };
        select_biased! {
            recv(cancel.receiver()) -> _ => return Err(stopped(did())),
            recv(finished) -> attempt => {
                running = running.saturating_sub(1);
                match attempt {
                    Ok((_, Ok(stream))) => return Ok(stream),
                    Ok((address, Err(error))) => {
                        failures.push(format!("{error} ({address})"));
                        last_error = Some(error);
                    }
                    Err(_) => failures.push("the attempt ended without a result".to_owned()),
                }
            }
            default(pause) => {}
        }
    }
}

/// Sends small packets at once and lets the kernel notice a dead peer: keepalive after 15 s, every 5 s, 3 times;
/// unacknowledged data for 20 s.
///
/// The application's own heartbeat is the primary check, so an option that the system refuses is only logged.
fn tune(stream: &TcpStream) {
    let check = |option: &str, outcome: io::Result<()>| {
        if let Err(error) = outcome {
            log::debug!("socket option {option} refused: {error}");
        }
    };
    check("nodelay", stream.set_nodelay(true));
    let socket = socket2::SockRef::from(stream);
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(15))
        .with_interval(Duration::from_secs(5));
    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_os = "macos",
        target_os = "freebsd"
    ))]
    let keepalive = keepalive.with_retries(3);
    check("keepalive", socket.set_tcp_keepalive(&keepalive));
    #[cfg(any(target_os = "linux", target_os = "android"))]
    check(
        "user timeout",
        socket.set_tcp_user_timeout(Some(Duration::from_secs(20))),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::scripted::assert_quick;
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn connects_and_tunes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream = dial("localhost", port, &Lookups::default(), soon(), &Cancel::new()).unwrap();
        assert!(stream.nodelay().unwrap());
        assert!(socket2::SockRef::from(&stream).keepalive().unwrap());
    }

    #[test]
    fn a_refusal_is_named_with_its_address() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let error = dial("127.0.0.1", port, &Lookups::default(), soon(), &Cancel::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transient);
        assert!(error.to_string().contains(&format!("(127.0.0.1:{port})")), "{error}");
    }

    /// 192.0.2.1 never answers, 192.0.2.2 refuses, any other address is connected to.
    fn scripted(address: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
        match address.ip().to_string().as_str() {
            "192.0.2.1" => {
                // Nothing is ever sent: this waits for the limit, as a connect without an answer does.
                let (_sender, never) = bounded::<()>(0);
                let _ = never.recv_timeout(limit);
                Err(io::ErrorKind::TimedOut.into())
            }
            "192.0.2.2" => Err(io::ErrorKind::ConnectionRefused.into()),
            _ => TcpStream::connect_timeout(&address, limit),
        }
    }

    #[test]
    fn a_silent_address_costs_one_stagger_and_a_refusal_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let at = |ip: &str| SocketAddr::new(ip.parse().unwrap(), port);
        let race_after = |first: &str| {
            let started = Instant::now();
            race("h", &[at(first), at("127.0.0.1")], scripted, soon(), &Cancel::new()).unwrap();
            started.elapsed()
        };
        assert_quick(STAGGER, || race_after("192.0.2.2"));
        assert_quick(Duration::from_secs(2), || {
            let silent = race_after("192.0.2.1");
            assert!(silent >= STAGGER, "{silent:?}");
            silent
        });
    }

    #[test]
    fn cancel_and_deadline_end_a_silent_connect() {
        let at = SocketAddr::new("192.0.2.1".parse().unwrap(), 1);
        assert_quick(Duration::from_secs(2), || {
            let started = Instant::now();
            let deadline = started + Duration::from_millis(50);
            let error = race("h", &[at], scripted, deadline, &Cancel::new()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Transient);
            started.elapsed()
        });
        assert_quick(Duration::from_millis(500), || {
            let cancel = Cancel::new();
            let other = cancel.clone();
            let dialling = std::thread::spawn(move || race("h", &[at], scripted, soon(), &other).unwrap_err());
            let started = Instant::now();
            cancel.cancel();
            assert_eq!(dialling.join().unwrap().kind(), ErrorKind::Stopped);
            started.elapsed()
        });
    }

    static LOOKUPS_RUN: AtomicUsize = AtomicUsize::new(0);

    fn slow_lookup(_: &str) -> LookupResult {
        LOOKUPS_RUN.fetch_add(1, Ordering::SeqCst);
        let (_sender, never) = bounded::<()>(0);
        // Until all three have asked.
        let _ = never.recv_timeout(Duration::from_secs(1));
        Ok(vec!["127.0.0.1".parse().unwrap()])
    }

    #[test]
    fn a_host_is_looked_up_once_while_callers_come_and_go() {
        let lookups = Lookups::default();
        let first = resolve(
            "slow.example",
            &lookups,
            slow_lookup,
            Instant::now() + Duration::from_millis(20),
            &Cancel::new(),
        );
        assert!(first.unwrap_err().to_string().contains("in time"));
        let cancel = Cancel::new();
        cancel.cancel();
        let second = resolve("slow.example", &lookups, slow_lookup, soon(), &cancel);
        assert_eq!(second.unwrap_err().kind(), ErrorKind::Stopped);
        let third = resolve("slow.example", &lookups, slow_lookup, soon(), &Cancel::new());
        assert_eq!(third.unwrap(), vec!["127.0.0.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(LOOKUPS_RUN.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn address_families_alternate() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let given = [ip("::1"), ip("::2"), ip("::1"), ip("127.0.0.1")];
        assert_eq!(interleave(&given), [ip("::1"), ip("127.0.0.1"), ip("::2")]);
        assert!(interleave(&[]).is_empty());
    }
}
