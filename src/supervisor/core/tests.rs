//! Random histories of the supervisor's state machine, and what must hold in each of their states.
//!
//! In: random choices · Out: verdicts · Thread: the test's.

mod world;

use std::time::Duration;

use proptest::prelude::*;

pub(in crate::supervisor) use self::world::UnderWay;
use self::world::World;
use super::{Core, Line};
use crate::config::Protocol;

impl Core {
    fn line_of(&self, connection: u32) -> Option<usize> {
        self.lines.iter().position(|line| line.has_connection(connection))
    }

    fn current_number(&self, line: usize) -> Option<u32> {
        self.lines.get(line)?.current_number()
    }

    fn is_covered(&self) -> bool {
        self.lines.iter().all(Line::is_covered)
    }

    /// The channel of the connection that carries the topics of a line.
    fn channel_of(&self, line: usize) -> Option<String> {
        let key = self.lines.get(line)?.current_channel()?;
        Some(self.process.channels.id(key).reveal().to_owned())
    }

    fn is_up_to_date(&self) -> bool {
        self.lines.iter().all(|line| line.is_up_to_date(&self.process))
    }
}

/// Histories of one property. `GS_HISTORIES` asks for more than the suite has time for: `GS_HISTORIES=10000 cargo test --lib
/// supervisor::core` walks through 30,000.
fn histories(by_default: u32) -> ProptestConfig {
    let asked = std::env::var("GS_HISTORIES").ok().and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: asked.unwrap_or(by_default),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn choices() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(any::<u32>(), 10..400)
}

fn protocols() -> impl Strategy<Value = Protocol> {
    prop_oneof![
        4 => Just(Protocol::Notifications),
        1 => Just(Protocol::Events),
        1 => Just(Protocol::Metrics)
    ]
}

proptest! {
    #![proptest_config(histories(1_000))]

    /// One line, from login and listing on. Whatever happened: once the service is sound again, it streams.
    #[test]
    fn one_line_comes_back_from_everything(protocol in protocols(), choices in choices()) {
        let mut world = World::new(protocol, &choices);
        world.live();
        if !world.has_ended() {
            world.calm_down();
        }
    }

    /// Many lines that share the places for sockets, the token and the channels, and come and go with new plans.
    #[test]
    fn many_lines_come_back_from_everything(lines in 1usize..=18, choices in choices()) {
        let mut world = World::new(Protocol::Notifications, &choices);
        world.plan(lines);
        world.live();
        if !world.has_ended() {
            world.calm_down();
        }
    }

    /// A stop ends every state within its limit.
    #[test]
    fn a_stop_ends_every_state(
        protocol in protocols(),
        lines in 1usize..=18,
        choices in choices(),
        later in choices(),
    ) {
        let mut world = World::new(protocol, &choices);
        if protocol == Protocol::Notifications {
            world.plan(lines);
        }
        world.live();
        world.stop(&later);
    }
}

proptest! {
    #![proptest_config(histories(100))]

    /// Whatever a service does, what is begun stays bounded, nothing waits for longer than it may ask for, and afterwards
    /// everything streams.
    #[test]
    fn a_hostile_service_costs_little(protocol in protocols(), lines in 1usize..=3, choices in choices()) {
        // No history of few attempts.
        let choices: Vec<u32> = std::iter::once(1).chain(choices).collect();
        let mut world = World::new(protocol, &choices);
        if protocol == Protocol::Notifications {
            world.plan(lines);
        }
        world.endure(Duration::from_secs(1_800));
        if !world.has_ended() {
            world.calm_down();
        }
    }
}
