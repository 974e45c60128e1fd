//! Prints every event of all queues as it comes, for a minute.
//!
//! Region, client id and secret come from the environment (see the README). Without an account, `genesys-stream simulate`
//! prints the three variables to copy.

use std::time::Duration;

use genesys_stream::{Config, Error, Stream};

fn main() -> Result<(), Error> {
    let config = Config::builder().environment().queue("all").build()?;
    let (builder, events) = Stream::builder(config).duration(Duration::from_secs(60)).events(1_000);
    let stream = builder.start()?;
    // Ends with the stream.
    for event in events {
        println!(
            "{} {} {} latency {:?} ms",
            event.received_at,
            event.kind.as_str(),
            event.topic,
            event.latency_ms()
        );
    }
    // An error where the stream could not go on: wrong credentials, an unknown region …
    let report = stream.wait()?;
    println!("{} events applied", report.snapshot.counters.events_applied);
    Ok(())
}
