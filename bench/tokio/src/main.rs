//! The same counting as `x1`, in a task of tokio's default runtime.
//!
//! In: URL, first text to send (may be empty), file for the moments (may be missing) · Out: counts on stdout · Thread: those
//! of the runtime.

use std::path::PathBuf;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use x1::Counts;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let url = args.next().ok_or("the URL is missing")?;
    let first = args.next().unwrap_or_default();
    let times = args.next().map(PathBuf::from);
    let counts = Counts {
        moments: times.as_ref().map(|_| Vec::new()),
        ..Counts::default()
    };
    // A task, as a program would have one for its socket; main waits.
    let counts = tokio::spawn(count(url, first, counts))
        .await?
        .map_err(|error| error.to_string())?;
    Ok(counts.report(times.as_deref())?)
}

async fn count(
    url: String,
    first: String,
    mut counts: Counts,
) -> Result<Counts, Box<dyn std::error::Error + Send + Sync>> {
    let (mut socket, _) = tokio_tungstenite::connect_async_with_config(url, None, true).await?;
    if !first.is_empty() {
        socket.send(Message::text(first)).await?;
    }
    while let Some(message) = socket.next().await {
        if let Message::Text(text) = message? {
            counts.read(&text)?;
        }
    }
    Ok(counts)
}
