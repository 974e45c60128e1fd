//! The fault matrix: each fault for each protocol, plain and under TLS, with the times of the table in `docs/operations.md`.
//!
//! In: a simulator with faults on demand, which knows the truth · Out: verdicts · Thread: the test's, one a protocol.
//!
//! A row says what is done to the service, how soon that must be noticed, how soon the stream must be on again after
//! the service is, and what a snapshot says about it. With `notifications` the numbers must then be the simulator's
//! own; the tutorials' protocols cannot repair, so their gap must be recorded and stay.

use std::time::{Duration, Instant};

use genesys_stream::simulator::Simulator;
use genesys_stream::{ConnectionState, Protocol, Snapshot};

use crate::repair::scene::{INTERVAL, PLENTY, Scene, Settings, centre_time, settle};
use crate::support::front::Front;
use crate::support::{against_the_clock, control, fixture_path, for_all_protocols, impatient, start, watch};

/// What a loaded machine may add to any limit; more with each run that fails.
const SLACK: Duration = Duration::from_secs(3);
/// With the settings of [`impatient`]: a ping after 1 s, its answer 1 s later; or 2 s of silence.
const DEAF: Duration = Duration::from_secs(2);
const AT_ONCE: Duration = Duration::ZERO;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Plain,
    Tls,
}

/// How a fault shows in the snapshots.
#[derive(Clone, Copy)]
enum Seen {
    /// The stream ends, and the gap's cause contains one of these.
    Gap(&'static [&'static str]),
    /// Another connection takes over in time.
    Replaced,
    /// The stream goes on, and this becomes true.
    Nothing(fn(&Snapshot) -> bool),
}

struct Fault {
    /// Control calls that begin it and end it.
    begin: &'static [&'static str],
    end: &'static [&'static str],
    /// What is seen, for each protocol.
    seen: fn(Protocol) -> Seen,
    /// Until it is noticed at the latest, beside [`SLACK`].
    noticed: Duration,
    /// How long it goes on after it was noticed: pauses of the service.
    lasts: Duration,
}

impl Fault {
    fn gap(begin: &'static [&'static str], causes: fn(Protocol) -> Seen, noticed: Duration) -> Fault {
        Fault {
            begin,
            end: &[],
            seen: causes,
            noticed,
            lasts: Duration::ZERO,
        }
    }

    fn ends(self, end: &'static [&'static str]) -> Fault {
        Fault { end, ..self }
    }

    fn lasts(self, lasts: Duration) -> Fault {
        Fault { lasts, ..self }
    }

    fn is_met(&self) {
        self.is_met_over(Transport::Plain);
    }

    fn is_met_under_tls(&self) {
        self.is_met_over(Transport::Tls);
    }

    fn is_met_over(&self, transport: Transport) {
        for_all_protocols(|protocol| {
            against_the_clock(|factor| self.is_met_by(protocol, transport, SLACK * factor));
        });
    }

    fn is_met_by(&self, protocol: Protocol, transport: Transport, slack: Duration) {
        let within = |what: &str, since: Instant, limit: Duration| {
            let took = since.elapsed();
            assert!(
                took < limit + slack,
                "{what} took {took:?}, allowed are {limit:?} on an idle machine"
            );
        };
        let scene = begin(protocol, transport);
        let stream = &scene.stream;
        let before = stream.until_fed();
        let began = Instant::now();
        self.begin.iter().for_each(|call| drop(control(&scene.sim, call)));
        match (self.seen)(protocol) {
            Seen::Gap(causes) => {
                let noticed = stream.until("noticed", |s| s.connection.gaps_total > 0);
                within("noticing", began, self.noticed);
                let cause = &noticed.connection.gaps[0].cause;
                assert!(causes.iter().any(|known| cause.contains(known)), "{cause}");
                let since = Instant::now();
                self.end.iter().for_each(|call| drop(control(&scene.sim, call)));
                stream.until_reconnected(1);
                within("streaming again", since, self.lasts);
            }
            Seen::Replaced => {
                // The old connection is closed when the new one has shown life; there is no gap.
                let channel = before.connection.channel_expires_at;
                stream.until("a new channel", |s| {
                    assert_eq!(s.connection.state, ConnectionState::Streaming);
                    s.connection.channel_expires_at > channel
                });
                within("the handover", began, self.noticed);
            }
            Seen::Nothing(holds) => {
                let seen = stream.until("its trace", holds);
                assert_eq!(seen.connection.reconnects, 0);
                self.end.iter().for_each(|call| drop(control(&scene.sim, call)));
            }
        }
        settle_accounts(scene, protocol, (self.seen)(protocol));
    }
}

/// Nothing is lost or counted twice, or there is a gap.
fn settle_accounts(scene: Scene, protocol: Protocol, seen: Seen) {
    let is_gap = matches!(seen, Seen::Gap(_));
    if protocol == Protocol::Notifications {
        scene.until_repaired(usize::from(is_gap));
        scene.until_true();
    } else {
        let now = scene.stream.fresh();
        scene
            .stream
            .until("fed again", |s| s.counters.events_applied > now.counters.events_applied);
    }
    let last = scene.stream.stop().snapshot;
    let connection = &last.connection;
    if is_gap {
        assert!(connection.gaps_total >= 1);
        assert!(
            connection.gaps.iter().all(|gap| gap.to.is_some()),
            "{:?}",
            connection.gaps
        );
        let repaired = protocol == Protocol::Notifications;
        assert!(
            connection.gaps.iter().all(|gap| gap.repaired == repaired),
            "{:?}",
            connection.gaps
        );
    } else {
        assert_eq!(connection.gaps_total, 0, "{:?}", connection.gaps);
    }
}

fn begin(protocol: Protocol, transport: Transport) -> Scene {
    let sim = start(
        Simulator::builder()
            .seed(11)
            .queues(3)
            .agents(150)
            .optional_after_call_work(false)
            .requests_per_min(0)
            .tls_front(transport == Transport::Tls)
            .warm_up(Duration::from_secs(120)),
    );
    let url = match transport {
        Transport::Plain => sim.url(),
        Transport::Tls => Front::start(sim.local_addr()).url(),
    };
    let builder = impatient(&url, protocol)
        .json("plenty.json", PLENTY)
        .snapshot_interval(INTERVAL)
        .ca_file(fixture_path("tls/ca.pem"));
    if protocol == Protocol::Notifications {
        return Scene::begin(sim, |_| builder);
    }
    settle(&sim);
    let scene = Scene {
        since_ms: Some(centre_time(&sim)),
        stream: watch(builder),
        sim,
        settings: Settings::default(),
    };
    control(&scene.sim, "pause?on=0");
    scene
}

fn lost(_: Protocol) -> Seen {
    Seen::Gap(&["socket closed (1006)"])
}

fn deaf(_: Protocol) -> Seen {
    Seen::Gap(&["silence", "ping unanswered"])
}

fn goes_on(_: Protocol) -> Seen {
    Seen::Nothing(|s| s.counters.events_applied > 15)
}

macro_rules! matrix {
    ($($(#[$doc:meta])* $name:ident $(, tls $tls:ident)?: $fault:expr;)*) => {
        $($(#[$doc])* #[test]
        fn $name() {
            $fault.is_met();
        }
        $(#[test]
        fn $tls() {
            $fault.is_met_under_tls();
        })?)*
    };
}

matrix! {
    closed_by_the_peer, tls closed_by_the_peer_under_tls:
        Fault::gap(&["close?code=1011"], |_| Seen::Gap(&["socket closed (1011)"]), AT_ONCE);
    closed_as_going_away: Fault::gap(&["close?code=1001"], |_| Seen::Gap(&["socket closed (1001)"]), AT_ONCE);
    reset, tls reset_under_tls: Fault::gap(&["reset"], lost, AT_ONCE);
    half_open, tls half_open_under_tls: Fault::gap(&["silence"], deaf, DEAF);
    neither_reads_nor_writes, tls neither_reads_nor_writes_under_tls: Fault::gap(&["stall"], deaf, DEAF);
    a_byte_at_a_time, tls a_byte_at_a_time_under_tls:
        Fault::gap(&["dribble?ms=400"], deaf, DEAF).ends(&["dribble?ms=0"]);
    an_outage, tls an_outage_under_tls:
        Fault::gap(&["outage?secs=2"], lost, AT_ONCE).lasts(Duration::from_secs(2));
    an_outage_of_sockets_only: Fault::gap(&["outage?secs=1&rest=1"], lost, AT_ONCE).lasts(Duration::from_secs(1));
    reset_and_too_many_requests:
        Fault::gap(&["429?secs=1&count=3", "reset"], lost, AT_ONCE).lasts(Duration::from_secs(4));
    reset_and_too_many_requests_until_a_date:
        Fault::gap(&["429?secs=2&count=1&date=1", "reset"], lost, AT_ONCE).lasts(Duration::from_secs(3));
    reset_and_a_broken_service: Fault::gap(&["error?status=503&count=5", "reset"], lost, AT_ONCE);
    reset_and_a_refused_token: Fault::gap(&["error?status=401&count=1", "reset"], lost, AT_ONCE);
    revoked_tokens: Fault::gap(&["revoke"], |protocol| match protocol {
        Protocol::Notifications => Seen::Gap(&["channel gone", "socket closed"]),
        _ => Seen::Gap(&["socket closed (1008)"]),
    }, AT_ONCE);
    an_evicted_channel: Fault::gap(&["evict"], |protocol| match protocol {
        Protocol::Notifications => Seen::Gap(&["channel gone", "took the channel"]),
        _ => goes_on(protocol),
    }, AT_ONCE);
    an_announced_close: Fault::gap(&["socket_closing?after_secs=3"], |protocol| match protocol {
        Protocol::Notifications => Seen::Replaced,
        _ => goes_on(protocol),
    }, Duration::from_secs(3));
    no_heartbeats: Fault::gap(&["no_heartbeat"], goes_on, AT_ONCE);
    everything_twice: Fault::gap(&["duplicate?percent=100"], |protocol| match protocol {
        Protocol::Notifications => Seen::Nothing(|s| s.counters.duplicates > 20),
        _ => goes_on(protocol),
    }, AT_ONCE).ends(&["duplicate?percent=0"]);
    another_order: Fault::gap(&["reorder?percent=60"], goes_on, AT_ONCE).ends(&["reorder?percent=0"]);
    texts_that_are_no_events:
        Fault::gap(&["garbage?count=40"], |_| Seen::Nothing(|s| s.counters.malformed >= 10), AT_ONCE);
    text_that_is_no_text: Fault::gap(&["garbage?kind=utf8"], |_| Seen::Gap(&["WebSocket protocol broken"]), AT_ONCE);
    an_unknown_opcode: Fault::gap(&["garbage?kind=opcode"], |_| Seen::Gap(&["WebSocket protocol broken"]), AT_ONCE);
    a_message_beyond_all_limits:
        Fault::gap(&["oversize?bytes=5000000"], |_| Seen::Gap(&["message longer than the limit"]), AT_ONCE);
}
