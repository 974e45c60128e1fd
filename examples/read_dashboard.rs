//! Reads the dashboard when the program wants it, each second for half a minute: no callback, no thread of its own.

use std::time::Duration;

use genesys_stream::{Config, ConnectionState, Error, Stream};

fn main() -> Result<(), Error> {
    let config = Config::builder().environment().queue("all").build()?;
    let stream = Stream::start(config)?;
    stream.wait_streaming(Duration::from_secs(30))?;
    for _ in 0..30 {
        let dashboard = stream.snapshot();
        if dashboard.connection.state != ConnectionState::Streaming {
            println!("not streaming: {:?}", dashboard.connection.cause);
        }
        for queue in dashboard.queues.values() {
            println!(
                "{:20} waiting {:3}  longest {:>6}  interacting {:3}",
                queue.name.as_deref().unwrap_or("?"),
                queue.live.waiting,
                queue
                    .longest_wait_secs
                    .map_or("-".to_owned(), |secs| format!("{secs:.0} s")),
                queue.live.interacting
            );
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    stream.stop()?;
    Ok(())
}
