//! Notes when each event has been applied, until the server closes.
//!
//! In: base URL, file for the moments · Out: that file · Thread: main waits; the moments are noted on the callback's thread.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::UNIX_EPOCH;

use genesys_stream::{Config, Secret, Stream, WhenFull};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let url = args.next().ok_or("the URL is missing")?;
    let times = PathBuf::from(args.next().ok_or("the file for the moments is missing")?);
    let config = Config::builder()
        .region(url)
        .client_id("bench")
        .client_secret(Secret::new("bench"))
        .queue("all")
        .when_full(WhenFull::Block)
        .build()?;
    let moments = Arc::new(Mutex::new(Vec::with_capacity(1_000_000)));
    let noted = Arc::clone(&moments);
    Stream::builder(config)
        .on_event(move |_| {
            let now = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64);
            noted
                .lock()
                .expect("no thread panics while it holds the moments")
                .push(now);
        })
        .until_the_server_ends()
        .start()?
        .wait()?;
    let moments = moments.lock().expect("no thread panics while it holds the moments");
    let bytes: Vec<u8> = moments.iter().flat_map(|moment| moment.to_le_bytes()).collect();
    Ok(std::fs::write(times, bytes)?)
}
