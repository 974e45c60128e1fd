//! A callback as in the tutorials: called with the newest numbers; if it fails, the stream goes on.

use std::time::Duration;

use genesys_stream::{Config, Error, Event, Snapshot, Stream};

/// Stands for whatever takes the numbers: a database, a display, a message bus.
fn update_dashboard(dashboard: &Snapshot) -> Result<(), String> {
    if dashboard.connection.last_frame_at.is_none() {
        return Err("nothing received yet".to_owned());
    }
    println!(
        "active {:?} waiting {:?} interacting {:?}",
        dashboard.totals.active_conversations, dashboard.totals.live.waiting, dashboard.totals.live.interacting
    );
    Ok(())
}

fn main() -> Result<(), Error> {
    let config = Config::builder().environment().queue("all").build()?;
    let report = Stream::builder(config)
        .on_snapshot(update_dashboard)
        .on_event(|event: &Event| println!("{} {}", event.received_at, event.kind.as_str()))
        .duration(Duration::from_secs(30))
        .start()?
        .wait()?;
    for (output, counts) in &report.snapshot.outputs {
        println!("{output}: {} taken, {} missed", counts.written, counts.missed);
    }
    Ok(())
}
