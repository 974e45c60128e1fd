//! What each policy keeps, merges and drops, and that every event is accounted for.
//!
//! In: events of few entities, small capacities · Out: verdicts · Thread: the test's, and senders of its own.

use std::time::Duration;

use super::*;
use crate::config::Protocol;
use crate::event::facts::{ConversationStateFacts, Facts, MetricFacts};
use crate::event::{Event, EventKind};
use crate::{Id, Moment};

/// An event of one conversation; `active` tells its events apart.
pub(in crate::reader) fn event(conversation: &str, at_ms: i64) -> Event {
    Event {
        received_at: Moment::from_epoch_ms(at_ms),
        connection: 1,
        protocol: Protocol::Events,
        kind: EventKind::Conversation,
        topic: "conversation:updated".into(),
        conversation_id: Some(Id::new(conversation)),
        queue_id: None,
        user_id: None,
        service_time: Moment::default(),
        travel_ms: None,
        event_time: None,
        body: None,
        fingerprint: 0,
        facts: Facts::ConversationState(ConversationStateFacts {
            conversation: Some(Id::new(conversation)),
            queue: None,
            active: Some(at_ms % 2 == 0),
            at: Some(Moment::from_epoch_ms(at_ms)),
        }),
        unreadable: 1,
    }
}

/// A batch of these events.
pub(super) fn batch(events: impl IntoIterator<Item = Event>) -> Batch {
    let mut batch = Batch::default();
    events.into_iter().for_each(|event| batch.push(event));
    batch
}

struct Rig {
    sender: BufferSender,
    receiver: BufferReceiver,
    telemetry: Arc<Telemetry>,
    stop: StopSignal,
    _run: Sender<Never>,
}

fn rig(capacity: usize, when_full: WhenFull) -> Rig {
    let telemetry = Arc::new(Telemetry::new());
    let (sender, receiver) = buffer(BufferConfig { capacity, when_full }, Arc::clone(&telemetry));
    let (run, stop) = bounded(0);
    Rig {
        sender,
        receiver,
        telemetry,
        stop,
        _run: run,
    }
}

impl Rig {
    fn send(&self, event: Event) -> Sent {
        self.send_all(&mut batch([event]))
    }

    fn send_all(&self, batch: &mut Batch) -> Sent {
        Telemetry::add(&self.telemetry.decoded, batch.len() as u64);
        self.sender.send(batch, Instant::now(), &self.stop)
    }

    /// Takes everything that waits; the ids and moments in order.
    fn drain(&self) -> Vec<(String, i64)> {
        let mut out = Vec::new();
        let mut batch = Batch::default();
        while self.receiver.take(&mut batch) {
            Telemetry::add(&self.telemetry.applied, batch.len() as u64);
            while let Some(event) = batch.pop() {
                out.push(what(&event));
            }
        }
        out
    }
}

/// Which conversation an event is of, and when it came.
pub(in crate::reader) fn what(event: &Event) -> (String, i64) {
    let id = event.conversation_id.as_ref().expect("set above");
    (id.to_string(), event.received_at.epoch_ms())
}

fn owned(list: &[(&str, i64)]) -> Vec<(String, i64)> {
    list.iter().map(|(id, at)| ((*id).to_owned(), *at)).collect()
}

#[test]
fn with_room_nothing_is_merged_and_order_is_kept() {
    for policy in [
        WhenFull::Coalesce,
        WhenFull::Block,
        WhenFull::DropNewest,
        WhenFull::DropOldest,
    ] {
        let rig = rig(3, policy);
        for (id, at) in [("a", 0), ("a", 2), ("b", 4)] {
            assert!(matches!(rig.send(event(id, at)), Sent::Done));
        }
        assert_eq!(rig.drain(), owned(&[("a", 0), ("a", 2), ("b", 4)]), "{policy:?}");
        assert_eq!(rig.telemetry.counters().events_buffered, 0);
    }
}

#[test]
fn coalesce_joins_into_the_newest_waiting_event_of_the_entity() {
    let rig = rig(3, WhenFull::Coalesce);
    for (id, at) in [("a", 0), ("b", 2), ("a", 4), ("a", 6), ("b", 8)] {
        assert!(matches!(rig.send(event(id, at)), Sent::Done));
    }
    assert_eq!(rig.drain(), owned(&[("a", 0), ("b", 8), ("a", 6)]));
    let counters = rig.telemetry.counters();
    assert_eq!(
        (
            counters.events_applied,
            counters.events_coalesced,
            counters.events_dropped
        ),
        (3, 2, 0)
    );
    // What was taken cannot be merged into any more.
    rig.send(event("a", 10));
    assert_eq!(rig.drain(), owned(&[("a", 10)]));
}

#[test]
fn a_merged_event_has_what_is_unreadable_in_both() {
    let mut waiting = event("a", 0);
    crate::event::coalesce::merge(&mut waiting, event("a", 2));
    assert_eq!(waiting.unreadable, 2);
}

#[test]
fn coalesce_drops_the_oldest_only_when_a_timer_is_due_and_nothing_can_be_merged() {
    let rig = rig(2, WhenFull::Coalesce);
    rig.send(event("a", 0));
    rig.send(event("b", 2));
    assert!(matches!(rig.send(event("c", 4)), Sent::Done));
    assert_eq!(rig.drain(), owned(&[("b", 2), ("c", 4)]));
    assert_eq!(rig.telemetry.counters().events_dropped, 1);
}

#[test]
fn coalesce_waits_for_room_until_the_timer() {
    let rig = rig(1, WhenFull::Coalesce);
    rig.send(event("a", 0));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            Telemetry::add(&rig.telemetry.decoded, 1);
            let until = Instant::now() + Duration::from_secs(60);
            rig.sender.send(&mut batch([event("b", 2)]), until, &rig.stop)
        });
        let mut seen = Vec::new();
        let mut taken = Batch::default();
        while seen.len() < 2 {
            let filled = rig.receiver.filled().recv_timeout(Duration::from_secs(60));
            filled.expect("both come");
            while rig.receiver.take(&mut taken) {
                seen.extend(taken.pop().map(|event| event.received_at.epoch_ms()));
            }
        }
        assert_eq!(seen, [0, 2]);
        assert!(matches!(waiting.join().expect("no panic"), Sent::Done));
    });
    assert_eq!(rig.telemetry.counters().events_dropped, 0);
}

#[test]
fn block_gives_back_what_does_not_fit_at_the_timer_and_loses_nothing() {
    let rig = rig(2, WhenFull::Block);
    let mut sent = batch([event("a", 0), event("b", 2), event("c", 4)]);
    assert_eq!(rig.send_all(&mut sent), Sent::NotYet);
    assert_eq!(sent.len(), 1);
    assert_eq!(rig.telemetry.counters().events_buffered, 3);
    assert_eq!(rig.drain(), owned(&[("a", 0), ("b", 2)]));
    assert_eq!(rig.sender.send(&mut sent, Instant::now(), &rig.stop), Sent::Done);
    assert_eq!(rig.drain(), owned(&[("c", 4)]));
    let counters = rig.telemetry.counters();
    assert_eq!(
        (
            counters.events_decoded,
            counters.events_applied,
            counters.events_buffered
        ),
        (3, 3, 0)
    );
}

#[test]
fn block_and_coalesce_end_their_wait_when_stopped() {
    for policy in [WhenFull::Block, WhenFull::Coalesce] {
        let telemetry = Arc::new(Telemetry::new());
        let (sender, _receiver) = buffer(
            BufferConfig {
                capacity: 1,
                when_full: policy,
            },
            telemetry,
        );
        let (run, stop) = bounded(0);
        let far = Instant::now() + Duration::from_secs(600);
        assert_eq!(sender.send(&mut batch([event("a", 0)]), far, &stop), Sent::Done);
        std::thread::scope(|scope| {
            let mut late = batch([event("b", 2)]);
            let (sender, stop) = (&sender, &stop);
            let waiting = scope.spawn(move || (sender.send(&mut late, far, stop), late.len()));
            drop(run);
            assert_eq!(waiting.join().expect("no panic"), (Sent::NotYet, 1), "{policy:?}");
        });
    }
}

#[test]
fn events_of_one_batch_are_merged_and_dropped_one_by_one() {
    let all = || batch([event("a", 4), event("c", 6), event("b", 8), event("c", 10)]);
    for (policy, kept, merged, dropped) in [
        (WhenFull::Coalesce, vec![("b", 8), ("a", 4), ("c", 10)], 2, 1),
        (WhenFull::DropOldest, vec![("c", 6), ("b", 8), ("c", 10)], 0, 3),
        (WhenFull::DropNewest, vec![("a", 0), ("b", 2), ("a", 4)], 0, 3),
    ] {
        let rig = rig(3, policy);
        rig.send_all(&mut batch([event("a", 0), event("b", 2)]));
        let mut sent = all();
        assert_eq!(rig.send_all(&mut sent), Sent::Done);
        assert!(sent.is_empty());
        assert_eq!(rig.drain(), owned(&kept), "{policy:?}");
        let counters = rig.telemetry.counters();
        assert_eq!(
            (counters.events_coalesced, counters.events_dropped),
            (merged, dropped),
            "{policy:?}"
        );
    }
}

#[test]
fn lone_events_that_wait_share_batches_and_a_batch_stays_small() {
    let rig = rig(8 * BATCH_EVENTS, WhenFull::Block);
    assert_eq!(rig.sender.batch_events(), BATCH_EVENTS);
    for n in 0..2 * BATCH_EVENTS as i64 {
        rig.send(event("a", n));
    }
    let mut taken = Batch::default();
    let mut lengths = Vec::new();
    while rig.receiver.take(&mut taken) {
        lengths.push(taken.len());
        taken.skip(taken.len());
    }
    assert_eq!(lengths, [BATCH_EVENTS, BATCH_EVENTS]);
    assert_eq!(buffer_of(3).batch_events(), 1, "a small buffer has small batches");
}

fn buffer_of(capacity: usize) -> BufferSender {
    rig(capacity, WhenFull::Block).sender
}

#[test]
fn the_drop_policies_drop_what_their_name_says() {
    for (policy, kept) in [
        (WhenFull::DropOldest, [("c", 4), ("d", 6)]),
        (WhenFull::DropNewest, [("a", 0), ("b", 2)]),
    ] {
        let rig = rig(2, policy);
        for (id, at) in [("a", 0), ("b", 2), ("c", 4), ("d", 6)] {
            assert!(matches!(rig.send(event(id, at)), Sent::Done));
        }
        assert_eq!(rig.drain(), owned(&kept), "{policy:?}");
        assert_eq!(rig.telemetry.counters().events_dropped, 2);
    }
}

#[test]
fn many_readers_and_a_slow_aggregator_account_for_every_event() {
    for policy in [
        WhenFull::Coalesce,
        WhenFull::Block,
        WhenFull::DropNewest,
        WhenFull::DropOldest,
    ] {
        let rig = rig(8, policy);
        let Rig {
            sender,
            receiver,
            telemetry,
            stop,
            _run,
        } = rig;
        std::thread::scope(|scope| {
            for reader in 0..4 {
                let (sender, telemetry, stop) = (sender.clone(), &telemetry, &stop);
                scope.spawn(move || {
                    for n in 0..2_000 {
                        Telemetry::add(&telemetry.decoded, 1);
                        let mut batch = batch([event(&format!("{}", (reader * 7 + n) % 20), n)]);
                        while sender.send(&mut batch, Instant::now() + Duration::from_millis(5), stop) == Sent::NotYet {
                        }
                    }
                });
            }
            drop(sender);
            let mut taken = Batch::default();
            while receiver.filled().recv().is_ok() {
                while receiver.take(&mut taken) {
                    while taken.pop().is_some() {
                        Telemetry::add(&telemetry.applied, 1);
                        assert!(telemetry.counters().events_buffered <= 8 + 4 + 1);
                    }
                }
            }
        });
        let counters = telemetry.counters();
        assert_eq!(counters.events_decoded, 8_000);
        assert_eq!(counters.events_buffered, 0, "{policy:?}");
        assert_eq!(
            counters.events_applied + counters.events_coalesced + counters.events_dropped,
            8_000,
            "{policy:?}"
        );
        if policy == WhenFull::Block {
            assert_eq!(counters.events_applied, 8_000);
        }
    }
}

#[test]
fn what_is_discarded_at_the_end_is_counted() {
    let rig = rig(4, WhenFull::Block);
    rig.send(event("a", 0));
    rig.send(event("b", 2));
    let mut in_hand = batch([event("c", 4)]);
    Telemetry::add(&rig.telemetry.decoded, 1);
    assert_eq!(rig.receiver.discard(&mut in_hand), 3);
    let counters = rig.telemetry.counters();
    assert_eq!((counters.events_dropped, counters.events_buffered), (3, 0));
}

/// An event of an entity of its own whose body has so many bytes.
fn large(number: i64, bytes: usize) -> Event {
    let mut event = event(&number.to_string(), number);
    event.body = Some("x".repeat(bytes).into());
    event
}

#[test]
fn an_event_that_others_are_merged_into_does_not_grow_without_end() {
    let rig = rig(1, WhenFull::Coalesce);
    let rows = crate::base::limits::ROWS / 2;
    for n in 0..10 {
        let values = (0..rows).map(|m| (format!("metric {n} {m}").as_str().into(), 1.0));
        let facts = MetricFacts {
            metric_type: "queue".into(),
            entity: None,
            at: None,
            values: values.collect(),
        };
        rig.send(Event {
            facts: Facts::Metrics(Box::new(facts)),
            ..event("q", n)
        });
    }
    let mut taken = Batch::default();
    let mut most = 0;
    while rig.receiver.take(&mut taken) {
        for event in std::iter::from_fn(|| taken.pop()) {
            Telemetry::add(&rig.telemetry.applied, 1);
            let Facts::Metrics(facts) = &event.facts else {
                panic!("no metrics")
            };
            most = most.max(facts.values.len());
        }
    }
    assert_eq!(most, 2 * rows);
    let counters = rig.telemetry.counters();
    assert_eq!(counters.events_buffered, 0);
    assert!(counters.events_dropped > 0, "{counters:?}");
    assert_eq!(
        counters.events_applied + counters.events_coalesced + counters.events_dropped,
        10
    );
}

#[test]
fn large_events_have_less_room() {
    let third = (BYTES_OF_EVENTS * EVENT_BYTES) / 3 - 10_000;
    for (policy, kept) in [
        (WhenFull::DropOldest, [5, 6, 7]),
        (WhenFull::Coalesce, [5, 6, 7]),
        (WhenFull::DropNewest, [0, 1, 2]),
        (WhenFull::Block, [0, 1, 2]),
    ] {
        for together in [true, false] {
            let rig = rig(100, policy);
            let mut left = 0;
            let mut send = |mut batch: Batch| {
                rig.send_all(&mut batch);
                left += batch.len() as u64;
            };
            let events = (0..8).map(|n| large(n, third));
            match together {
                true => send(batch(events)),
                false => events.for_each(|event| send(batch([event]))),
            }
            let mut found = Vec::new();
            let mut taken = Batch::default();
            while rig.receiver.take(&mut taken) {
                found.extend(std::iter::from_fn(|| taken.pop()).map(|event| what(&event).1));
            }
            assert_eq!(found, kept, "{policy:?}");
            let dropped = rig.telemetry.counters().events_dropped;
            assert_eq!(
                (dropped, left),
                if policy == WhenFull::Block { (0, 5) } else { (5, 0) },
                "{policy:?}"
            );
            // One that is larger than all may be waits alone.
            assert_eq!(rig.send(large(9, 4 * third)), Sent::Done);
            assert!(rig.receiver.take(&mut taken));
            assert_eq!(taken.len(), 1, "{policy:?}");
        }
    }
}
