//! What an event costs, and what a conversation takes, by the number of conversations that are open.
//!
//! In: nothing · Out: nanoseconds an event, bytes of RSS a conversation, on stdout · Thread: main.
//!
//! `cargo bench --bench model`. Memory is read from `/proc/self/statm`, each number in a process of its own.

use std::hint::black_box;
use std::time::{Duration, Instant};

use genesys_stream::config::{Protocol, ServiceLevel, TotalsConfig, TotalsSince, WindowsConfig};
use genesys_stream::facts::{ConversationFacts, Facts, MediaKind, Medium, MediumState, Participant, Purpose, Stamped};
use genesys_stream::model::queue::QueueSet;
use genesys_stream::model::{Model, Settings};
use genesys_stream::protocol::{Heard, KeepBody, Machine, Notifications, Options};
use genesys_stream::{Event, Id, Moment, Secret};

const SIZES: [u64; 3] = [1_000, 10_000, 100_000];
const EVENTS: u64 = 300_000;
const QUEUES: u64 = 20;
const START_MS: i64 = 1_777_903_500_000;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("open") => open_bytes(),
        Some("finished") => finished_bytes(),
        _ => {
            let decoding = decoding();
            for size in SIZES {
                cost(size, decoding);
            }
            for what in ["open", "finished"] {
                let status = std::env::current_exe().and_then(|own| std::process::Command::new(own).arg(what).status());
                if let Err(error) = status {
                    println!("{what}: {error}");
                }
            }
        }
    }
}

/// Every event finds its conversation by chance, and changes something in it: a hold begins or ends.
fn cost(size: u64, decoding: u64) {
    let (mut model, template) = (model(), decoded(&mut machine()));
    (0..size).for_each(|n| apply(&mut model, &template, talking(n), at(0)));
    let mut rng = fastrand::Rng::with_seed(size);
    let mut best = Duration::MAX;
    for round in 0..5 {
        let events: Vec<Event> = (0..EVENTS / 5)
            .map(|n| {
                let mut facts = talking(rng.u64(..size));
                let secs = 100 + (round * EVENTS / 5 + n) as i64;
                held(&mut facts, secs);
                event(&template, facts, at(0))
            })
            .collect();
        let begun = Instant::now();
        for event in &events {
            black_box(model.apply(event, at(0)));
        }
        best = best.min(begun.elapsed());
    }
    let nanos = best.as_nanos() as u64 * 5 / EVENTS;
    println!(
        "{size:>7} open: {nanos} ns an event in the model, {} ns with its decoding",
        nanos + decoding
    );
}

fn open_bytes() {
    const COUNT: u64 = 100_000;
    let (mut model, template) = (model(), decoded(&mut machine()));
    apply(&mut model, &template, talking(COUNT), at(0));
    let before = rss_bytes();
    for n in 0..COUNT {
        apply(&mut model, &template, arriving(n), at(0));
        apply(&mut model, &template, talking(n), at(0));
    }
    report("open", rss_bytes() - before, COUNT);
}

/// Between two moments with as many conversations open, settled ones have come.
fn finished_bytes() {
    const A_SECOND: u64 = 50;
    let (mut model, template) = (model(), decoded(&mut machine()));
    let (mut before, mut known) = (0, 0);
    for n in 0..400_000 {
        let now = at((n / A_SECOND) as i64);
        apply(&mut model, &template, arriving(n), now);
        apply(&mut model, &template, talking(n), now);
        apply(&mut model, &template, over(n), now);
        if n == 100_000 {
            (before, known) = (rss_bytes(), model.conversations().condensed() as u64);
        }
    }
    let condensed = model.conversations().condensed() as u64 - known;
    report("finished and remembered", rss_bytes() - before, condensed);
}

fn report(what: &str, bytes: i64, count: u64) {
    println!("{count:>7} {what}: {} bytes of RSS each", bytes / count as i64);
}

/// Resident pages of 4 KiB; 0 where the system does not say.
fn rss_bytes() -> i64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<i64>().ok());
    pages.unwrap_or(0) * 4096
}

fn model() -> Model {
    let settings = Settings {
        protocol: Protocol::Notifications,
        stale_after: Duration::from_secs(30),
        retention: Duration::from_secs(86_400),
        max_conversations: 1_000_000,
        windows: WindowsConfig {
            granularity: Duration::from_secs(60),
            keep: 60,
            service_level: ServiceLevel::Queue,
            short_abandon: Duration::ZERO,
        },
        totals: TotalsConfig {
            since: TotalsSince::Start,
            utc_offset_minutes: 0,
        },
    };
    let mut model = Model::new(settings, at(0));
    model.set_queues(QueueSet::These((0..QUEUES).map(|n| uuid(1, n)).collect()));
    model
}

fn apply(model: &mut Model, template: &Event, facts: ConversationFacts, now: Moment) {
    model.apply(&event(template, facts, now), now);
}

fn event(template: &Event, facts: ConversationFacts, now: Moment) -> Event {
    let mut event = template.clone();
    event.received_at = now;
    event.facts = Facts::Conversation(Box::new(facts));
    event
}

/// A frame as the service sends it.
const FRAME: &str = include_str!("../tests/fixtures/ws-queue-conversation-6-acw.json");

/// The frame's event, without its body.
fn decoded(machine: &mut Notifications) -> Event {
    let mut heard = Vec::new();
    machine.on_text(FRAME, at(0), &mut heard);
    match heard.pop() {
        Some(Heard::Event(event)) => *event,
        other => panic!("the fixture is no event: {other:?}"),
    }
}

fn machine() -> Notifications {
    let mut options = Options::new(1);
    options.bodies = KeepBody::Drop;
    Notifications::new(options, Secret::new(""))
}

/// What comes before the model, for comparison.
fn decoding() -> u64 {
    const FRAMES: u64 = 20_000;
    let mut machine = machine();
    let begun = Instant::now();
    for _ in 0..FRAMES {
        black_box(decoded(&mut machine));
    }
    begun.elapsed().as_nanos() as u64 / FRAMES
}

fn at(secs: i64) -> Moment {
    Moment::from_epoch_ms(START_MS + secs * 1000)
}

/// Looks like chance, and is the same every time.
fn uuid(kind: u64, n: u64) -> Id {
    let mut rng = fastrand::Rng::with_seed(kind << 40 | n);
    let (a, b) = (rng.u64(..), rng.u64(..));
    Id::new(&format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xffff,
        b >> 48,
        b & 0xffff_ffff_ffff
    ))
}

/// Customer, menu, queue.
fn arriving(n: u64) -> ConversationFacts {
    let began = (n / 50) as i64;
    let queue = Some(uuid(1, n % QUEUES));
    ConversationFacts {
        id: uuid(2, n),
        participants: vec![
            participant(n, 0, Purpose::Customer, None, began, None),
            participant(n, 1, Purpose::Other, None, began, Some(began + 5)),
            participant(n, 2, Purpose::Acd, queue, began + 5, None),
        ],
    }
}

/// Customer, menu, queue, a missed alert, an agent.
fn talking(n: u64) -> ConversationFacts {
    let began = (n / 50) as i64;
    let answered = began + 10 + (n % 50) as i64;
    let queue = Some(uuid(1, n % QUEUES));
    let mut missed = participant(n, 3, Purpose::Agent, queue.clone(), began + 6, Some(began + 9));
    missed.connected = None;
    missed.media[0].connected = None;
    ConversationFacts {
        id: uuid(2, n),
        participants: vec![
            participant(n, 0, Purpose::Customer, None, began, None),
            participant(n, 1, Purpose::Other, None, began, Some(began + 5)),
            participant(n, 2, Purpose::Acd, queue.clone(), began + 5, Some(answered)),
            missed,
            participant(n, 4, Purpose::Agent, queue, answered, None),
        ],
    }
}

/// The same, ended and wrapped up.
fn over(n: u64) -> ConversationFacts {
    let mut facts = talking(n);
    let ended = at((n / 50) as i64 + 200 + (n % 97) as i64);
    for p in facts.participants.iter_mut().filter(|p| p.ended.is_none()) {
        p.ended = Some(ended);
        p.media[0].disconnected = Some(ended);
        p.media[0].state = stamped(ended, MediumState::Terminated);
    }
    let agent = &mut facts.participants[4];
    agent.acw_started = Some(ended);
    agent.acw_ended = Some(ended.plus(Duration::from_secs(20)));
    agent.wrapup_coded = true;
    facts
}

fn held(facts: &mut ConversationFacts, secs: i64) {
    for p in &mut facts.participants {
        p.media[0].held = stamped(at(secs), p.ended.is_none() && secs % 2 == 0);
    }
    let agent = &mut facts.participants[4].media[0];
    agent.hold_started = stamped(at(secs), at(secs));
}

fn stamped<T>(at: Moment, value: T) -> Option<Stamped<T>> {
    Some(Stamped { at, value })
}

fn participant(n: u64, place: u64, purpose: Purpose, queue: Option<Id>, from: i64, to: Option<i64>) -> Participant {
    let stamp = at(from);
    let (connected, ended) = (Some(at(from)), to.map(at));
    let is_agent = purpose == Purpose::Agent;
    let state = if ended.is_some() {
        MediumState::Terminated
    } else {
        MediumState::Connected
    };
    Participant {
        id: uuid(10 + place, n),
        connected,
        ended,
        acw_started: None,
        acw_ended: None,
        purpose: stamped(stamp, purpose),
        queue: queue.map(|value| Stamped { at: stamp, value }),
        user: is_agent.then(|| Stamped {
            at: stamp,
            value: uuid(3, n % 500),
        }),
        wrapup_expected: is_agent.then_some(Stamped { at: stamp, value: true }),
        wrapup_required: is_agent.then_some(Stamped { at: stamp, value: true }),
        wrapup_coded: false,
        listens_in: false,
        media: vec![Medium {
            kind: MediaKind::Voice,
            id: uuid(20 + place, n),
            connected,
            disconnected: ended,
            state: stamped(stamp, state),
            disconnect: None,
            acw_required: None,
            acw_state: None,
            hold_started: None,
            held: stamped(stamp, false),
        }],
    }
}
