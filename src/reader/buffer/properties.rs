//! Random sends and receives: with each policy every event is accounted for, and each entity's events stay in their order.
//!
//! In: random batches of few entities, small capacities · Out: verdicts · Thread: the test's.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::tests::{batch, event, what};
use super::*;

/// One step of a run.
#[derive(Clone, Debug)]
enum Step {
    /// A reader sends events of these entities; what comes back is sent again at its next step.
    Send(Vec<u8>),
    /// The aggregator applies so many events.
    Apply(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => proptest::collection::vec(0_u8..6, 1..9).prop_map(Step::Send),
        2 => (1_usize..12).prop_map(Step::Apply),
    ];
    proptest::collection::vec(step, 1..60)
}

/// A buffer with one reader and the aggregator, and what became of the events.
struct Run {
    policy: WhenFull,
    sender: BufferSender,
    receiver: BufferReceiver,
    telemetry: Arc<Telemetry>,
    sent: i64,
    back: Vec<crate::Event>,
    in_hand: Batch,
    applied: Vec<(String, i64)>,
}

impl Run {
    fn new(policy: WhenFull, capacity: usize) -> Self {
        let telemetry = Arc::new(Telemetry::new());
        let config = BufferConfig {
            capacity,
            when_full: policy,
        };
        let (sender, receiver) = buffer(config, Arc::clone(&telemetry));
        Self {
            policy,
            sender,
            receiver,
            telemetry,
            sent: 0,
            back: Vec::new(),
            in_hand: Batch::default(),
            applied: Vec::new(),
        }
    }

    fn send(&mut self, entities: &[u8]) {
        Telemetry::add(&self.telemetry.decoded, entities.len() as u64);
        let new: Vec<_> = entities
            .iter()
            .map(|entity| {
                self.sent += 1;
                event(&entity.to_string(), self.sent)
            })
            .collect();
        let mut batch = batch(self.back.drain(..).chain(new));
        let sent = self
            .sender
            .send(&mut batch, Instant::now(), &crossbeam_channel::never());
        assert_eq!(sent == Sent::Done, batch.is_empty());
        while let Some(event) = batch.pop() {
            self.back.push(event);
        }
        assert!(self.back.is_empty() || self.policy == WhenFull::Block);
    }

    fn apply(&mut self, at_most: usize) {
        for _ in 0..at_most {
            if self.in_hand.is_empty() && !self.receiver.take(&mut self.in_hand) {
                return;
            }
            let event = self.in_hand.pop().expect("a batch is not empty");
            self.applied.push(what(&event));
            Telemetry::add(&self.telemetry.applied, 1);
        }
    }

    /// Where every event is, as the counters say and as the test counts.
    fn check(&self, capacity: usize) {
        let c = self.telemetry.counters();
        assert_eq!(
            c.events_decoded,
            c.events_applied + c.events_coalesced + c.events_dropped + c.events_buffered
        );
        assert_eq!(c.events_applied, self.applied.len() as u64);
        let outside = (self.back.len() + self.in_hand.len()) as u64;
        assert!(c.events_buffered <= capacity as u64 + outside, "{c:?}");
        let expected = match self.policy {
            WhenFull::Block => (0, 0),
            WhenFull::Coalesce => (c.events_coalesced, c.events_dropped),
            WhenFull::DropOldest | WhenFull::DropNewest => (0, c.events_dropped),
        };
        assert_eq!((c.events_coalesced, c.events_dropped), expected);
    }
}

proptest! {
    #[test]
    fn every_event_is_accounted_for_and_entities_keep_their_order(steps in steps(), capacity in 1_usize..40) {
        for policy in [WhenFull::Coalesce, WhenFull::Block, WhenFull::DropOldest, WhenFull::DropNewest] {
            let mut run = Run::new(policy, capacity);
            for step in &steps {
                match step {
                    Step::Send(entities) => run.send(entities),
                    Step::Apply(count) => run.apply(*count),
                }
                run.check(capacity);
            }
            while !run.back.is_empty() {
                run.apply(capacity);
                run.send(&[]);
            }
            run.apply(usize::MAX);
            run.check(capacity);
            prop_assert_eq!(run.telemetry.counters().events_buffered, 0);
            let mut last_of: BTreeMap<&str, i64> = BTreeMap::new();
            for (entity, at) in &run.applied {
                let before = last_of.insert(entity, *at);
                prop_assert!(before.is_none_or(|before| before < *at), "{policy:?}: {entity} went back to {at}");
            }
            if policy == WhenFull::Block {
                let all: Vec<i64> = run.applied.iter().map(|(_, at)| *at).collect();
                prop_assert_eq!(all, (1..=run.sent).collect::<Vec<_>>());
            }
            if policy == WhenFull::DropOldest && run.sent > 0 {
                prop_assert_eq!(run.applied.last().map(|(_, at)| *at), Some(run.sent), "the newest is kept");
            }
        }
    }
}
