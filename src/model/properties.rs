//! Whatever order, repetition, loss and repair do: the same facts give the same numbers.
//!
//! In: random centres · Out: equal snapshots · Thread: any (tests only).

use proptest::prelude::*;
use serde_json::Value;

use super::details::read_conversation;
use super::testing::centre::{History, moment, uuid};
use super::testing::{event, shown, totals_config, windows_config};
use super::*;
use crate::config::{TimeZone, TotalsSince};
use crate::event::facts::{ConversationFacts, MediaKind, Purpose};
use crate::event::gap::GapTopics;

/// When everything is over but still in a window.
const LATER_MS: i64 = 3_000_000;

struct Centre {
    queues: Vec<Id>,
    histories: Vec<History>,
    /// In the order of their times.
    told: Vec<(i64, ConversationFacts)>,
}

fn centre(rng: &mut fastrand::Rng) -> Centre {
    let queues: Vec<Id> = (0..3).map(|_| uuid(rng)).collect();
    let mut histories = Vec::new();
    let mut told = Vec::new();
    for _ in 0..rng.usize(1..8) {
        let start = rng.i64(0..300);
        let history = History::random(rng, &queues, start);
        told.extend(history.moments().into_iter().map(|ms| (ms, history.told_at(ms, rng))));
        histories.push(history);
    }
    told.sort_by_key(|(ms, _)| *ms);
    Centre {
        queues,
        histories,
        told,
    }
}

fn settings() -> Settings {
    Settings {
        protocol: Protocol::Notifications,
        stale_after: Duration::from_secs(30),
        retention: Duration::from_secs(7200),
        max_conversations: 100,
        max_bytes: 1 << 27,
        windows: windows_config(),
        totals: totals_config(),
        thresholds: Default::default(),
    }
}

fn model_with(queues: &[Id], settings: Settings) -> Model {
    let mut model = Model::new(settings, moment(60_000));
    model.set_queues(QueueSet::These(queues.iter().cloned().collect()));
    model
}

fn model(queues: &[Id]) -> Model {
    model_with(queues, settings())
}

fn take(model: &mut Model, facts: &ConversationFacts, now: Moment) {
    let facts = Facts::Conversation(Box::new(facts.clone()));
    model.apply(&event(EventKind::QueueConversation, facts, now), now);
}

fn repair(model: &mut Model, history: &History, told_at_ms: i64, now: Moment) {
    if let Some(details) = history.details_at(told_at_ms) {
        let conversation = read_conversation(&details.to_string()).unwrap();
        model.apply_rest(&Facts::Conversation(Box::new(conversation.facts)), now);
    }
}

/// Where two differ, to say it shortly.
fn difference(one: &Value, other: &Value, at: &str) -> Option<String> {
    if one == other {
        return None;
    }
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys());
            let null = Value::Null;
            let of = |map: &serde_json::Map<String, Value>, key: &str| map.get(key).unwrap_or(&null).clone();
            let mut found = keys.filter_map(|key| difference(&of(a, key), &of(b, key), &format!("{at}.{key}")));
            found.next()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(n, (a, b))| difference(a, b, &format!("{at}[{n}]")))
        }
        _ => Some(format!("{at}: {one} and {other}")),
    }
}

/// Everything but `hold_secs`, which the stream tells approximately.
fn numbers(model: &mut Model, as_of: Moment) -> Value {
    fn without_hold(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.remove("hold_secs");
                map.values_mut().for_each(without_hold);
            }
            Value::Array(list) => list.iter_mut().for_each(without_hold),
            _ => {}
        }
    }
    let snapshot = shown(model, as_of);
    let mut numbers = serde_json::json!({
        "totals": snapshot.totals, "all_queues": snapshot.all_queues, "queues": snapshot.queues});
    without_hold(&mut numbers);
    numbers
}

/// All numbers and the counters, the approximate included.
fn everything(model: &mut Model, as_of: Moment) -> Value {
    let snapshot = shown(model, as_of);
    serde_json::json!({
        "totals": snapshot.totals, "all_queues": snapshot.all_queues, "queues": snapshot.queues,
        "counters": snapshot.counters})
}

/// The same conversation as somebody else would tell it, at another time.
fn contradicting(facts: &ConversationFacts, rng: &mut fastrand::Rng) -> ConversationFacts {
    let mut facts = facts.clone();
    for p in &mut facts.participants {
        let by = Duration::from_millis(rng.u64(..20_000));
        let moved = |at: Moment| {
            if by.as_millis().is_multiple_of(2) {
                at.plus(by)
            } else {
                at.minus(by)
            }
        };
        for time in [&mut p.connected, &mut p.ended] {
            *time = time.map(moved);
        }
        for work in &mut p.after_call_work {
            for time in [&mut work.started, &mut work.ended] {
                *time = time.map(moved);
            }
        }
        for c in &mut p.communications {
            for time in [
                &mut c.connected,
                &mut c.disconnected,
                &mut c.acw_started,
                &mut c.acw_ended,
            ] {
                *time = time.map(moved);
            }
        }
        if let Some(purpose) = p.purpose.as_mut().filter(|_| rng.u8(..3) == 0) {
            purpose.at = moved(purpose.at);
            purpose.value = if rng.bool() { Purpose::Agent } else { Purpose::Other };
        }
    }
    facts
}

fn in_order(centre: &Centre, upto: usize, now: Moment) -> Model {
    let mut model = model(&centre.queues);
    centre.told[..upto]
        .iter()
        .for_each(|(_, facts)| take(&mut model, facts, now));
    model
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn order_and_repetition_do_not_matter(seed in any::<u64>(), cut in 0.05_f64..1.0) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let centre = centre(&mut rng);
        let upto = ((centre.told.len() as f64 * cut).ceil() as usize).max(1);
        let now = moment(LATER_MS);
        let told = &centre.told[..upto];
        let mut told = told.to_vec();
        // What contradicts what was told: of two times the join keeps one, whichever came first.
        for _ in 0..rng.usize(..4) {
            let other = contradicting(&told[rng.usize(..upto)].1, &mut rng);
            told.push((0, other));
        }
        let times: Vec<usize> = told.iter().map(|_| rng.usize(1..4)).collect();
        let repeated = told.iter().zip(times).flat_map(|(event, times)| std::iter::repeat_n(event, times));
        let mut shuffled: Vec<_> = repeated.collect();
        rng.shuffle(&mut shuffled);
        let mut other = model(&centre.queues);
        shuffled.iter().for_each(|(_, facts)| take(&mut other, facts, now));
        let mut in_order = model(&centre.queues);
        told.iter().for_each(|(_, facts)| take(&mut in_order, facts, now));
        prop_assert_eq!(difference(&numbers(&mut in_order, now), &numbers(&mut other, now), ""), None);
    }

    #[test]
    fn what_was_heard_and_rest_give_the_whole(seed in any::<u64>()) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let centre = centre(&mut rng);
        let now = moment(LATER_MS);
        let heard = rng.u8(0..100);
        let mut part: Vec<_> = centre.told.iter().filter(|_| rng.u8(0..100) < heard).map(Some).collect();
        // Repairs come at any time, more than once.
        part.extend(centre.histories.iter().map(|_| None));
        rng.shuffle(&mut part);
        let mut repaired = model(&centre.queues);
        let mut asked = 0..;
        for facts in part {
            match facts {
                Some((_, facts)) => take(&mut repaired, facts, now),
                None => {
                    let history = &centre.histories[asked.next().unwrap_or(0)];
                    repair(&mut repaired, history, rng.i64(0..LATER_MS), now);
                    repair(&mut repaired, history, LATER_MS, now);
                }
            }
        }
        let whole = numbers(&mut in_order(&centre, centre.told.len(), now), now);
        prop_assert_eq!(difference(&whole, &numbers(&mut repaired, now), ""), None);
        prop_assert_eq!(repaired.conversations().drift(), 0);
    }

    #[test]
    fn prefixes_and_rest_give_the_whole(seed in any::<u64>()) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let centre = centre(&mut rng);
        let now = moment(LATER_MS);
        let last = centre.told.last().map_or(0, |(ms, _)| *ms);
        let mut heard = model(&centre.queues);
        for history in &centre.histories {
            let until = rng.i64(-1..=last);
            let own = centre.told.iter().filter(|(ms, facts)| facts.id == *history.id() && *ms <= until);
            own.for_each(|(_, facts)| take(&mut heard, facts, now));
            if rng.bool() {
                repair(&mut heard, history, rng.i64(0..=last), now);
            }
            repair(&mut heard, history, LATER_MS, now);
        }
        let whole = numbers(&mut in_order(&centre, centre.told.len(), now), now);
        prop_assert_eq!(difference(&whole, &numbers(&mut heard, now), ""), None);
        prop_assert_eq!(heard.conversations().drift(), 0);
    }

    #[test]
    fn an_outage_that_is_repaired_leaves_no_trace(seed in any::<u64>()) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let centre = centre(&mut rng);
        let now = moment(LATER_MS);
        let last = centre.told.last().map_or(0, |(ms, _)| *ms);
        let from = rng.i64(0..=last);
        let to = rng.i64(from..=last);
        let mut other = model(&centre.queues);
        for (_, facts) in centre.told.iter().filter(|(ms, _)| *ms <= from || *ms > to) {
            take(&mut other, facts, now);
        }
        let asked_at = to + rng.i64(0..20_000);
        centre.histories.iter().for_each(|history| repair(&mut other, history, asked_at, now));
        let whole = numbers(&mut in_order(&centre, centre.told.len(), now), now);
        prop_assert_eq!(difference(&whole, &numbers(&mut other, now), ""), None);
    }

    #[test]
    fn two_observers_together_know_the_whole(seed in any::<u64>()) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let centre = centre(&mut rng);
        let now = moment(LATER_MS);
        let (mut mine, mut theirs) = (model(&centre.queues), model(&centre.queues));
        // Halves that overlap, halves that do not, and one after the other.
        let kind = rng.u8(..3);
        let turn = rng.usize(0..=centre.told.len());
        for (at, (_, facts)) in centre.told.iter().enumerate() {
            let who = match kind {
                0 => rng.u8(..3),
                1 => rng.u8(..2),
                _ => u8::from(at >= turn),
            };
            if who != 0 {
                take(&mut mine, facts, now);
            }
            if who != 1 {
                take(&mut theirs, facts, now);
            }
        }
        let ids: Vec<Id> = centre.told.iter().map(|(_, facts)| facts.id.clone()).collect();
        for facts in ids.iter().filter_map(|id| theirs.conversations().facts(id)) {
            take(&mut mine, &facts, now);
        }
        let whole = numbers(&mut in_order(&centre, centre.told.len(), now), now);
        prop_assert_eq!(difference(&whole, &numbers(&mut mine, now), ""), None);
    }

    #[test]
    fn packed_conversations_take_every_fact_like_whole_ones(seed in any::<u64>(), kept in 0..3_usize) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let centre = centre(&mut rng);
        let mut arriving = Vec::new();
        for (ms, facts) in &centre.told {
            for _ in 0..rng.usize(1..3) {
                let mut facts = facts.clone();
                match rng.u8(..6) {
                    0 => facts = contradicting(&facts, &mut rng),
                    1 => facts.participants.retain(|_| rng.bool()),
                    _ => {}
                }
                let late_ms = if rng.bool() { 0 } else { rng.i64(0..2_000_000) };
                arriving.push((ms + late_ms, facts));
            }
        }
        arriving.sort_by_key(|(ms, _)| *ms);
        let (mut packing, mut whole) = (model(&centre.queues), model(&centre.queues));
        packing.conversations.keep_finished(kept);
        whole.conversations.keep_finished(usize::MAX);
        for (ms, facts) in &arriving {
            let now = moment(*ms);
            let repaired = (rng.u8(..10) == 0).then(|| rng.usize(..centre.histories.len()));
            for model in [&mut packing, &mut whole] {
                model.on_tick(now);
                take(model, facts, now);
                if let Some(n) = repaired {
                    repair(model, &centre.histories[n], *ms, now);
                }
                model.on_tick(now);
            }
            prop_assert_eq!(difference(&everything(&mut whole, now), &everything(&mut packing, now), ""), None);
        }
        let now = moment(LATER_MS);
        packing.on_tick(now);
        whole.on_tick(now);
        let left = packing.conversations().len();
        prop_assert!(left <= packing.conversations.open().count() + kept, "{} are whole", left);
        prop_assert_eq!(difference(&everything(&mut whole, now), &everything(&mut packing, now), ""), None);
    }

    #[test]
    fn what_is_packed_keeps_its_numbers_and_ignores_what_is_repeated(seed in any::<u64>()) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let centre = centre(&mut rng);
        let later = moment(LATER_MS);
        let soon = Settings {
            retention: Duration::from_secs(100),
            ..settings()
        };
        let mut model = model_with(&centre.queues, soon);
        for (ms, facts) in &centre.told {
            take(&mut model, facts, moment(*ms));
        }
        model.on_tick(later);
        prop_assert!(model.conversations().packed() > 0);
        prop_assert_eq!(model.conversations().len() + model.conversations().packed(), centre.histories.len());
        let whole = numbers(&mut in_order(&centre, centre.told.len(), later), later);
        prop_assert_eq!(difference(&whole, &numbers(&mut model, later), ""), None);
        let mut again: Vec<_> = centre.told.iter().collect();
        rng.shuffle(&mut again);
        again.iter().for_each(|(_, facts)| take(&mut model, facts, later));
        centre.histories.iter().for_each(|history| repair(&mut model, history, LATER_MS, later));
        prop_assert_eq!(difference(&whole, &numbers(&mut model, later), ""), None);
    }

    #[test]
    fn parts_shared_with_the_snapshot_before_are_those_of_a_snapshot_built_anew(seed in any::<u64>()) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let centre = centre(&mut rng);
        let mut keeps_few = settings();
        keeps_few.windows.keep = 3;
        let mut model = model_with(&centre.queues, keeps_few);
        for (ms, facts) in &centre.told {
            // Now and then the clock is behind.
            let now = moment(*ms - rng.i64(0..3) / 2 * 90_000);
            let queue = &centre.queues[rng.usize(..centre.queues.len())];
            match rng.u8(..10) {
                0 => {
                    let thresholds = MediaKind::ALL.map(|kind| (kind, Duration::from_millis(rng.u64(0..30_000))));
                    let settings = QueueSettings { service_level_thresholds: thresholds.into(), ..QueueSettings::default() };
                    model.set_queue_settings(queue.clone(), settings);
                }
                1 => {
                    let topic = format!("v2.routing.queues.{queue}.conversations");
                    model.gaps_mut().open(GapTopics::Some(vec![topic]), now, "refused");
                }
                2 => {
                    let some = centre.queues[rng.usize(..3)..].iter().cloned().collect();
                    model.set_queues(QueueSet::These(some));
                }
                3 => model.set_covered_from(moment(-100_000)),
                4 => model.on_tick(now).clear(),
                _ => take(&mut model, facts, now),
            }
            let before = std::mem::take(&mut model.packed_windows);
            let anew = shown(&mut model, now);
            model.packed_windows = before;
            let shared = shown(&mut model, now);
            prop_assert_eq!((shared.queues, shared.all_queues), (anew.queues, anew.all_queues));
        }
    }

    #[test]
    fn totals_of_a_day_are_those_of_its_facts(seed in any::<u64>(), minutes in 0_i32..50, zone in 0..3) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let centre = centre(&mut rng);
        let mut day = settings();
        day.totals.since = TotalsSince::Day;
        // The tests' fixed moment is 14:05 UTC, so midnight comes some minutes later there.
        let offset = 24 * 60 - (14 * 60 + 5) - minutes;
        match zone {
            0 => day.totals.utc_offset_minutes = offset,
            // The same midnight at the end of a day of 23 hours, and at the begin of one of 25.
            1 => {
                let changes = moment((i64::from(minutes) - 20) * 60_000);
                day.totals.time_zone = Some(TimeZone::changing(offset - 60, changes, offset));
            }
            _ => {
                let changes = moment((i64::from(minutes) + 180) * 60_000);
                day.totals.time_zone = Some(TimeZone::changing(offset, changes, offset - 60));
            }
        }
        let now = moment(LATER_MS);
        let (mut rolling, mut late) = (model_with(&centre.queues, day.clone()), model_with(&centre.queues, day));
        for (ms, facts) in &centre.told {
            rolling.on_tick(moment(*ms));
            take(&mut rolling, facts, moment(*ms));
        }
        let mut shuffled: Vec<_> = centre.told.iter().collect();
        rng.shuffle(&mut shuffled);
        shuffled.iter().for_each(|(_, facts)| take(&mut late, facts, now));
        prop_assert_eq!(difference(&numbers(&mut rolling, now), &numbers(&mut late, now), ""), None);
        let midnight = late.day_start(now).unwrap();
        prop_assert_eq!(midnight, moment(i64::from(minutes) * 60_000));
        // Windows of a minute from midnight on hold the same facts.
        let shown = shown(&mut late, now).all_queues.unwrap();
        let since: Vec<_> = shown.windows.iter().filter(|window| window.start >= midnight).collect();
        prop_assert_eq!(shown.totals.offered, since.iter().map(|w| w.numbers.offered).sum::<u64>());
        prop_assert_eq!(shown.totals.handled, since.iter().map(|w| w.numbers.handled).sum::<u64>());
    }
}
