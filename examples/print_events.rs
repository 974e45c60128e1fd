//! Prints every event of all queues as it comes, for a minute.
//!
//! Region, client and secret come from the environment (see the README). Try it without an account:
//! `genesys-stream simulate` prints the three variables to copy.

use std::time::{Duration, Instant};

use genesys_stream::{Config, Stream};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::builder().environment().queue("all").build()?;
    let (builder, events) = Stream::builder(config).events(1_000);
    let stream = builder.start()?;

    let until = Instant::now() + Duration::from_secs(60);
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        match events.next_within(left.min(Duration::from_secs(1))) {
            Some(event) => println!(
                "{} {} {} latency {:?} ms",
                event.received_at,
                event.kind.as_str(),
                event.topic,
                event.latency_ms()
            ),
            // Wrong credentials, an unknown region …: `stop` below tells why.
            None if stream.is_finished() => break,
            None => {}
        }
    }
    let report = stream.stop()?;
    println!("{} events applied", report.snapshot.counters.events_applied);
    Ok(())
}
