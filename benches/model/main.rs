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

use genesys_stream::Moment;
use genesys_stream::config::{Protocol, ServiceLevel, TotalsConfig, TotalsSince, WindowsConfig};
use genesys_stream::model::queue::QueueSet;
use genesys_stream::model::{Model, Settings};

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
    let settings = Settings {
        protocol: Protocol::Notifications,
        stale_after: Duration::from_secs(30),
        retention: Duration::from_secs(200_000),
        max_conversations: 1_000_000,
        windows: WindowsConfig {
            granularity: Duration::from_secs(60),
            keep,
            service_level: ServiceLevel::Queue,
            short_abandon: Duration::ZERO,
        },
        totals: TotalsConfig {
            since: TotalsSince::Start,
            utc_offset_minutes: 0,
        },
    };
    let mut model = Model::new(settings, now);
    model.set_queues(QueueSet::These((0..facts::QUEUES).map(|n| facts::uuid(1, n)).collect()));
    model
}
