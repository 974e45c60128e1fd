//! What the tests of a whole stream share: configurations, a watched stream, a test for all protocols at once.
//!
//! In: where the other side is · Out: a running stream and its snapshots · Thread: the test's; the stream has its own.

pub mod front;
mod patience;
pub mod peer;
#[cfg(all(unix, feature = "cli"))]
pub mod process;
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, unbounded};
use genesys_stream::simulator::{self, Simulator};
use genesys_stream::{
    Config, ConfigBuilder, ConnectionState, Counters, Error, Moment, Protocol, Report, Secret, Snapshot, Stream,
    StreamBuilder,
};

pub use self::patience::{PATIENCE, against_the_clock, eventually, until_true};

/// A stop takes no longer, in every state, on a machine that has the time: for use in [`against_the_clock`].
pub const STOP_LIMIT: Duration = Duration::from_secs(2);

/// A stop that waits for nothing ends within this long, however busy the machine is. A stop that waits for a call, a
/// handshake or a connection takes [`CALL_LIMIT`].
const BUSY_STOP_LIMIT: Duration = Duration::from_secs(20);

/// How long a call, a handshake or an attempt to connect may take in [`config`]: longer than anything takes on a busy
/// machine, and than a stop may take.
const CALL_LIMIT: Duration = Duration::from_secs(300);

pub const PROTOCOLS: [Protocol; 3] = [Protocol::Notifications, Protocol::Events, Protocol::Metrics];

/// Runs one test for each protocol, side by side: most of it is waiting.
pub fn for_all_protocols(test: impl Fn(Protocol) + Sync) {
    let failed: Vec<&str> = std::thread::scope(|scope| {
        let running: Vec<_> = PROTOCOLS
            .iter()
            .map(|&protocol| {
                let test = &test;
                let run = std::thread::Builder::new()
                    .name(protocol.as_str().to_owned())
                    .spawn_scoped(scope, move || test(protocol));
                (protocol, run.expect("a thread"))
            })
            .collect();
        running
            .into_iter()
            .filter_map(|(protocol, run)| run.join().err().map(|_| protocol.as_str()))
            .collect()
    });
    assert!(failed.is_empty(), "failed for: {}", failed.join(", "));
}

/// A configuration for a simulator or a peer: short pauses between attempts, long limits, a snapshot every 20 ms.
pub fn config(url: &str, protocol: Protocol) -> ConfigBuilder {
    Config::builder()
        .region(url)
        .client_id("simulator")
        .client_secret(Secret::new("simulator"))
        .protocol(protocol)
        .reconnect_initial(Duration::from_millis(20))
        .reconnect_max(Duration::from_millis(200))
        .connect_limit(CALL_LIMIT)
        .handshake_limit(CALL_LIMIT)
        .rest_limit(CALL_LIMIT)
        .snapshot_interval(Duration::from_millis(20))
}

/// As [`config`], giving up a silent connection as early as can be configured: after 2 s.
pub fn impatient(url: &str, protocol: Protocol) -> ConfigBuilder {
    less_patient(url, protocol, 1)
}

/// As [`impatient`], but so many times later.
pub fn less_patient(url: &str, protocol: Protocol, factor: u32) -> ConfigBuilder {
    config(url, protocol)
        .heartbeat_interval(Duration::from_secs(1) * factor)
        .heartbeat_timeout(Duration::from_secs(1) * factor)
        .silence_limit(Duration::from_secs(2) * factor)
}

pub fn built(builder: ConfigBuilder) -> Config {
    builder.build().expect("a configuration")
}

/// A busy centre: five times as fast as the clock.
pub fn busy() -> simulator::Builder {
    Simulator::builder()
        .seed(7)
        .queues(4)
        .agents(30)
        .speed(5.0)
        .optional_after_call_work(false)
        .requests_per_min(0)
}

pub fn start(builder: simulator::Builder) -> Simulator {
    builder.start().expect("a simulator")
}

pub fn control(sim: &Simulator, call: &str) -> serde_json::Value {
    let answer = sim.control(call).unwrap_or_else(|why| panic!("{call}: {why}"));
    serde_json::from_str(&answer).expect("JSON")
}

/// Every decoded event is applied, coalesced, dropped or still in the buffer, in every snapshot.
pub fn assert_identity(counters: &Counters) {
    let c = counters;
    assert_eq!(
        c.events_decoded,
        c.events_applied + c.events_coalesced + c.events_dropped + c.events_buffered,
        "{c:?}"
    );
}

/// A stream with the snapshots that its callback received.
pub struct Watched {
    stream: Option<Stream>,
    snapshots: Receiver<Arc<Snapshot>>,
}

/// Starts a stream and watches it.
pub fn watch(config: ConfigBuilder) -> Watched {
    watch_with(Stream::builder(built(config)))
}

/// As [`watch`], with callbacks of the test's own.
pub fn watch_with(builder: StreamBuilder) -> Watched {
    let (tell, snapshots) = unbounded();
    let stream = builder
        .on_snapshot(move |snapshot| {
            // The test may have ended.
            let _ = tell.send(Arc::new(snapshot.clone()));
        })
        .start()
        .expect("threads");
    Watched {
        stream: Some(stream),
        snapshots,
    }
}

impl Watched {
    pub fn stream(&self) -> &Stream {
        self.stream.as_ref().expect("not stopped yet")
    }

    /// The first snapshot for which this holds, of all that were not looked at yet; the identity of the counters holds
    /// in each of them.
    #[track_caller]
    pub fn until(&self, what: &str, mut holds: impl FnMut(&Snapshot) -> bool) -> Arc<Snapshot> {
        let deadline = Instant::now() + PATIENCE;
        let mut last = None;
        while let Ok(snapshot) = self.snapshots.recv_deadline(deadline) {
            assert_identity(&snapshot.counters);
            if holds(&snapshot) {
                return snapshot;
            }
            last = Some(snapshot);
        }
        let last = last.map(|s| serde_json::to_string(&*s).expect("JSON"));
        panic!("not seen: {what}; last snapshot: {last:?}");
    }

    /// A snapshot that was made after this call.
    #[track_caller]
    pub fn fresh(&self) -> Arc<Snapshot> {
        let now = Moment::now();
        self.until("a fresh snapshot", |s| s.generated_at > now)
    }

    /// As [`Watched::until`], for conditions that take longer to judge than the next snapshot takes to come: of those
    /// that wait only the newest is judged.
    #[track_caller]
    pub fn until_newest(&self, what: &str, mut judge: impl FnMut(&Snapshot) -> Result<(), String>) {
        eventually(what, || {
            let snapshot = self.until("a snapshot", |_| self.snapshots.is_empty());
            judge(&snapshot)
        });
    }

    /// Waits until it streams and something was applied.
    #[track_caller]
    pub fn until_fed(&self) -> Arc<Snapshot> {
        self.until("streaming and fed", |s| {
            s.connection.state == ConnectionState::Streaming && s.counters.events_applied > 0
        })
    }

    #[track_caller]
    pub fn until_streaming(&self) -> Arc<Snapshot> {
        self.until("streaming", |s| s.connection.state == ConnectionState::Streaming)
    }

    /// Waits for the `count`th reconnect: streaming, with every gap closed but those of refused topics.
    #[track_caller]
    pub fn until_reconnected(&self, count: u64) -> Arc<Snapshot> {
        self.until("reconnected", |s| {
            let connection = &s.connection;
            connection.state == ConnectionState::Streaming
                && connection.reconnects >= count
                && (connection.gaps.iter()).all(|gap| gap.to.is_some() || gap.cause.starts_with("refused: "))
        })
    }

    /// Stops it: everything received is accounted for, and nothing was waited for.
    #[track_caller]
    pub fn stop(self) -> Report {
        self.stop_within(BUSY_STOP_LIMIT)
    }

    /// As [`Watched::stop`], with a limit.
    #[track_caller]
    pub fn stop_within(mut self, limit: Duration) -> Report {
        let began = Instant::now();
        let report = self.stream.take().expect("once").stop().expect("an end in order");
        let took = began.elapsed();
        assert!(took < limit, "the stop took {took:?}: {:?}", report.abandoned);
        assert_identity(&report.snapshot.counters);
        // On a busy machine its time may be over before everything is done.
        if report.abandoned.is_empty() {
            assert_eq!(report.snapshot.counters.events_buffered, 0);
            assert_eq!(report.snapshot.connection.state, ConnectionState::Stopped);
        }
        report
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub fn ends(self) -> Result<Report, Error> {
        self.ends_seeing(|_| {})
    }

    /// Waits until it gives up, which it does without trying anything again.
    #[track_caller]
    pub fn gives_up_at_once(self) -> Error {
        let ended = self.ends_seeing(|s| {
            let connection = &s.connection;
            assert_ne!(connection.state, ConnectionState::Backoff, "{:?}", connection.cause);
        });
        ended.expect_err("gives up")
    }

    #[track_caller]
    fn ends_seeing(mut self, mut see: impl FnMut(&Snapshot)) -> Result<Report, Error> {
        let deadline = Instant::now() + PATIENCE;
        // The callback's end of the channel goes with the stream.
        while let Ok(snapshot) = self.snapshots.recv_deadline(deadline) {
            assert_identity(&snapshot.counters);
            see(&snapshot);
        }
        assert!(Instant::now() < deadline, "it goes on");
        self.stream.take().expect("once").wait()
    }
}

/// A file of `tests/fixtures`.
pub fn fixture(name: &str) -> String {
    let path = fixture_path(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn fixture_path(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}
