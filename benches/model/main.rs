//! What an event costs, and what a conversation takes, by the number of conversations that are open.
//!
//! In: nothing · Out: nanoseconds an event, bytes of RSS a conversation, verdicts, on stdout; 1 if one fails · Thread: main.
//!
//! `cargo bench --bench model`. Memory is read from `/proc/self/statm`, each number in a process of its own.

mod cost;
mod facts;
mod floor;
mod frames;
mod memory;
mod rounds;

use std::process::ExitCode;
use std::time::Duration;

use genesys_stream::internals::{Model, QueueSet, Settings};
use genesys_stream::{Config, Moment, Secret};

fn main() -> ExitCode {
    let mut holds = true;
    match std::env::args().nth(1).as_deref() {
        Some("open") => memory::open_bytes(),
        Some("finished") => memory::finished_bytes(),
        Some("cost") => holds &= cost::by_conversations(),
        Some("windows") => holds &= cost::by_windows(),
        _ => {
            for what in ["cost", "windows", "open", "finished"] {
                let status = std::env::current_exe().and_then(|own| std::process::Command::new(own).arg(what).status());
                holds &= status.is_ok_and(|status| status.success());
            }
        }
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// An empty model of minutes, of which so many windows are kept.
fn model(keep: usize, now: Moment) -> Model {
    let config = Config::builder()
        .region("eu-west-1")
        .client_id("bench")
        .client_secret(Secret::new("bench"))
        .windows_kept(keep)
        .build()
        .expect("a configuration");
    let settings = Settings {
        retention: Duration::from_secs(200_000),
        max_conversations: 1_000_000,
        max_bytes: 1 << 40,
        ..Settings::from(&config)
    };
    let mut model = Model::new(settings, now);
    model.set_queues(QueueSet::These((0..facts::QUEUES).map(|n| facts::uuid(1, n)).collect()));
    model
}
