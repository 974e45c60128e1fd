//! Simulates a Genesys Cloud organisation: the whole service on one loopback port.
//!
//! In: HTTP and WebSocket clients · Out: the service's answers and events · Thread: `sim-centre`, `sim-accept`, one or two
//! for each connection.
//!
//! Login, REST, notifications and the tutorials' sockets show one model of a contact centre, which is the same for the same
//! seed. The simulator shares no decoding code with the client, so that it cannot repeat the client's mistakes.
//!
//! While it runs, it is controlled by `GET` or `POST /sim/NAME?parameters` (no login; `/sim/` lists the calls), or by
//! [`Simulator::control`]. Times in events are the centre's: the wall clock at speed 1, ahead of it
//! at higher speeds, and so are the dates of answers.

mod calls;
mod centre;
mod channels;
mod control;
mod flood;
mod json;
mod options;
mod publish;
mod render;
mod script;
mod service;
mod shared;
mod stream;
mod tokens;
mod topics;
mod truth;
mod when;
mod world;

pub use options::{Credentials, Options};
pub use script::Script;
pub use truth::{ServiceLevel, TruthQuery};

use crate::http_server::{Limits, Server, form_pairs};
use centre::Centre;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use publish::Publisher;
use shared::Shared;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder as ThreadBuilder, JoinHandle};
use std::time::{Duration, Instant};
use when::Clock;
use world::World;

/// Time between two updates of the analytics topics, at speed 1.
const TICK: Duration = Duration::from_secs(1);
/// The centre's thread sleeps at least this long, so that a high speed does not use a whole core.
const LEAST_SLEEP: Duration = Duration::from_millis(2);

/// The most actions that the centre runs before it releases its lock. If there are more than the machine can run, the
/// centre falls behind its clock.
const ACTIONS_AT_ONCE: usize = 2_000;

/// A running simulator. Dropping it closes all sockets and joins all threads, within about a second.
///
/// ```
/// let simulator = genesys_stream::simulator::Simulator::builder().seed(7).queues(3).start()?;
/// assert!(simulator.url().starts_with("http://127.0.0.1:"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Simulator {
    shared: Arc<Shared>,
    server: Server,
    centre: Option<JoinHandle<()>>,
    /// Dropping it ends the script.
    script: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Simulator {
    /// Begins with the default [`Options`].
    pub fn builder() -> Builder {
        Builder {
            options: Options::default(),
        }
    }

    /// Starts an organisation with these options.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] if an option is out of range or the address is not valid; otherwise the error of
    /// binding it.
    pub fn start(options: Options) -> io::Result<Simulator> {
        if let Some(problem) = options.problem() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let addr = address(&options.listen)?;
        let clock = Clock::start(options.epoch_ms, options.speed);
        let world = Arc::new(World::build(&options, clock.epoch()));
        let centre = Centre::new(&options, Arc::clone(&world), clock.epoch());
        let (wake, woken) = bounded(1);
        let shared = Arc::new(Shared::new(options, clock, world, centre, wake));
        let for_handler = Arc::clone(&shared);
        let limits = Limits {
            connections: 1024,
            ..Limits::default()
        };
        let server = Server::bind(addr, "sim", limits, |_| {
            Ok(Box::new(move |request| service::handle(&for_handler, request)))
        })?;
        *shared::lock(&shared.local_addr) = server.local_addr().to_string();
        let for_centre = Arc::clone(&shared);
        let centre = ThreadBuilder::new()
            .name("sim-centre".to_owned())
            .spawn(move || run_centre(&for_centre, &woken))?;
        let mut simulator = Simulator {
            shared,
            server,
            centre: Some(centre),
            script: None,
        };
        if let Some(script) = simulator.shared.options.script.clone() {
            let shared = Arc::clone(&simulator.shared);
            let (stop, stopped) = bounded(0);
            let thread = ThreadBuilder::new()
                .name("sim-script".to_owned())
                .spawn(move || control::script::run(&shared, &script, &stopped))?;
            simulator.script = Some((stop, thread));
        }
        Ok(simulator)
    }

    /// The base URL for login, REST and sockets: `http://HOST:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.local_addr())
    }

    /// The bound address.
    pub fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Lines for a shell that make a client use this simulator: region, client id, client secret.
    pub fn env_lines(&self) -> Vec<String> {
        let mut lines = vec![format!("export GENESYS_REGION={}", self.url())];
        if let Some(client) = self.shared.options.credentials.first() {
            lines.push(format!("export GENESYS_CLIENT_ID={}", quoted(&client.client_id)));
            lines.push(format!(
                "export GENESYS_CLIENT_SECRET={}",
                quoted(&client.client_secret)
            ));
        }
        lines
    }

    /// Makes a control call without HTTP: `simulator.control("close?code=1011")`. Returns the JSON answer.
    ///
    /// # Errors
    /// The JSON that says what is wrong with the call.
    pub fn control(&self, call: &str) -> Result<String, String> {
        let (name, query) = call.split_once('?').unwrap_or((call, ""));
        let answer = control::call(&self.shared, &format!("/sim/{name}"), form_pairs(query));
        let text = String::from_utf8_lossy(&answer.body).trim().to_owned();
        if answer.status == 200 { Ok(text) } else { Err(text) }
    }

    /// The true numbers: `queues`, `totals` and `all_queues` of a snapshot as they must be, from the centre's own facts.
    /// Also `as_of`, `since`, `granularity`, the number of `conversations` counted, and how many ended conversations the
    /// centre has `forgotten` ([`Options::retention`]). Waits up to two seconds if `as_of_ms` is in the future.
    pub fn truth(&self, query: &TruthQuery) -> serde_json::Value {
        match control::truth(&self.shared, query) {
            Ok(answer) => answer,
            Err(_) => control::truth_now(&self.shared, query),
        }
    }

    /// Ids and names of the queues.
    pub fn queues(&self) -> Vec<(String, String)> {
        self.shared
            .world
            .queues
            .iter()
            .map(|q| (q.id.to_string(), q.name.clone()))
            .collect()
    }

    /// Ids and names of the users, agents first.
    pub fn users(&self) -> Vec<(String, String)> {
        self.shared
            .world
            .users
            .iter()
            .map(|u| (u.id.to_string(), u.name.clone()))
            .collect()
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator")
            .field("url", &self.url())
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.socket_faults.stopping.store(true, Ordering::SeqCst);
        let _ = self.shared.wake.try_send(());
        if let Some((stop, script)) = self.script.take() {
            drop(stop);
            let _ = script.join();
        }
        if let Some(centre) = self.centre.take() {
            let _ = centre.join();
        }
        self.server.stop();
    }
}

/// Sets options one by one; [`Options`] describes them.
#[derive(Debug, Clone)]
pub struct Builder {
    options: Options,
}

macro_rules! setters {
    ($($name:ident: $kind:ty, $doc:literal;)*) => {
        impl Builder {
            $(#[doc = $doc]
            #[must_use]
            pub fn $name(mut self, $name: $kind) -> Self {
                self.options.$name = $name.into();
                self
            })*

            /// Starts with these options; see [`Simulator::start`].
            ///
            /// # Errors
            /// Those of [`Simulator::start`].
            pub fn start(self) -> io::Result<Simulator> {
                Simulator::start(self.options)
            }
        }
    };
}

setters! {
    listen: &str, "Sets [`Options::listen`].";
    seed: u64, "Sets [`Options::seed`].";
    speed: f64, "Sets [`Options::speed`].";
    queues: usize, "Sets [`Options::queues`].";
    agents: usize, "Sets [`Options::agents`].";
    users: usize, "Sets [`Options::users`].";
    arrivals_per_sec: f64, "Sets [`Options::arrivals_per_sec`].";
    credentials: Vec<Credentials>, "Sets [`Options::credentials`].";
    token_life: Duration, "Sets [`Options::token_life`].";
    channel_life: Duration, "Sets [`Options::channel_life`].";
    heartbeat: Duration, "Sets [`Options::heartbeat`].";
    requests_per_min: u32, "Sets [`Options::requests_per_min`].";
    max_channels: usize, "Sets [`Options::max_channels`].";
    max_topics: usize, "Sets [`Options::max_topics`].";
    forbidden_topics: Vec<String>, "Sets [`Options::forbidden_topics`].";
    missing_permissions: Vec<String>, "Sets [`Options::missing_permissions`].";
    optional_after_call_work: bool, "Sets [`Options::optional_after_call_work`].";
    refuse_event_filters: bool, "Sets [`Options::refuse_event_filters`].";
    socket_frames: usize, "Sets [`Options::socket_frames`].";
    epoch_ms: i64, "Sets [`Options::epoch_ms`].";
    warm_up: Duration, "Sets [`Options::warm_up`].";
    retention: Duration, "Sets [`Options::retention`].";
    tls_front: bool, "Sets [`Options::tls_front`].";
    script: Script, "Sets [`Options::script`].";
}

fn address(listen: &str) -> io::Result<SocketAddr> {
    let invalid = |why: String| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("listen: found {listen:?}, allowed HOST:PORT: {why}"),
        )
    };
    let mut found = listen.to_socket_addrs().map_err(|e| invalid(e.to_string()))?;
    found
        .next()
        .ok_or_else(|| invalid("the host has no address".to_owned()))
}

/// Quotes a text as one word for a shell.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if plain {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The centre's thread: advances the centre with the clock, publishes its changes, updates the analytics topics once a
/// second.
fn run_centre(shared: &Shared, woken: &Receiver<()>) {
    let every = shared.clock.shorten(TICK);
    let mut publisher = Publisher::default();
    let mut next_tick = Instant::now() + every;
    while !shared.stopping.load(Ordering::SeqCst) {
        let (changes, next) = {
            let mut centre = shared.centre();
            let changes = centre.advance_some(shared.clock.centre(), ACTIONS_AT_ONCE);
            shared.unpublished.store(changes.len() as u64, Ordering::SeqCst);
            (changes, centre.next_due())
        };
        publisher.changes(shared, changes);
        shared.unpublished.store(0, Ordering::SeqCst);
        let now = Instant::now();
        if next_tick <= now {
            publisher.tick(shared);
            next_tick = now + every;
        }
        let until_tick = next_tick.saturating_duration_since(Instant::now());
        let until_due = next.map_or(until_tick, |at| shared.clock.until(at));
        match woken.recv_timeout(until_due.min(until_tick).max(LEAST_SLEEP)) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
