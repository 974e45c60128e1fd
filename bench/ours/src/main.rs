//! Notes when each event is in the model, or when a callback gets it, until the server closes.
//!
//! In: base URL, `model` or `callback`, file for the moments · Out: that file · Thread: main waits; the moments are noted on
//! the aggregator's thread or on the callback's.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::UNIX_EPOCH;

use genesys_stream::internals::APPLIED;
use genesys_stream::{Config, Secret, Stream, WhenFull};

/// More events than a run has.
const CAPACITY: usize = 1_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let url = args.next().ok_or("the URL is missing")?;
    let place = args.next().ok_or("`model` or `callback` is missing")?;
    let times = PathBuf::from(args.next().ok_or("the file for the moments is missing")?);
    let config = Config::builder()
        .region(url)
        .client_id("bench")
        .client_secret(Secret::new("bench"))
        .queue("all")
        .when_full(WhenFull::Block)
        .build()?;
    let stream = Stream::builder(config).until_the_server_ends();
    let moments = match place.as_str() {
        "model" => {
            APPLIED.begin(CAPACITY);
            stream.start()?.wait()?;
            APPLIED.take()
        }
        "callback" => {
            let moments = Arc::new(Mutex::new(Vec::with_capacity(CAPACITY)));
            let noted = Arc::clone(&moments);
            let stream = stream.on_event(move |_| {
                let now = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64);
                noted
                    .lock()
                    .expect("no thread panics while it holds the moments")
                    .push(now);
            });
            stream.start()?.wait()?;
            std::mem::take(&mut *moments.lock().expect("no thread panics while it holds the moments"))
        }
        other => return Err(format!("`{other}` is neither `model` nor `callback`").into()),
    };
    let bytes: Vec<u8> = moments.iter().flat_map(|moment| moment.to_le_bytes()).collect();
    Ok(std::fs::write(times, bytes)?)
}
