//! Reads the dashboard in process, when the program wants it: no callback, no thread of one's own.

use std::time::Duration;

use genesys_stream::{Config, ConnectionState, Stream};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::builder().environment().queue("all").build()?;
    let stream = Stream::start(config)?;
    for _ in 0..30 {
        std::thread::sleep(Duration::from_secs(1));
        if stream.is_finished() {
            break;
        }
        let dashboard = stream.snapshot();
        if dashboard.connection.state != ConnectionState::Streaming {
            println!("not streaming yet: {:?}", dashboard.connection.cause);
            continue;
        }
        for queue in dashboard.queues.values() {
            println!(
                "{:20} waiting {:3}  longest {:>6}  interacting {:3}",
                queue.name.as_deref().unwrap_or("?"),
                queue.live.waiting.unwrap_or(0),
                queue
                    .longest_wait_secs
                    .map_or("-".to_owned(), |secs| format!("{secs:.0} s")),
                queue.live.interacting.unwrap_or(0)
            );
        }
    }
    stream.stop()?;
    Ok(())
}
