//! `plan`: prints what would be subscribed, as text or JSON.
//!
//! In: flags, environment, signals · Out: stdout · Thread: main.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::args::PlanFlags;
use super::check::{cancelled_by_signals, configured};
use crate::Error;
use crate::base::plural::counted;
use crate::net::Cancel;
use crate::output::text::{number, plain};
use crate::preflight::plan::{self, Planned};
use crate::protocol::topic_plan::{MAX_CHANNELS, MAX_IDS_PER_CHANNEL};

/// Makes the plan and prints it.
///
/// # Errors
/// Those of the configuration, the login, the listing and of writing to stdout.
pub fn start(flags: &PlanFlags) -> Result<(), Error> {
    let config = configured(&flags.file, &flags.connection, &flags.subscription)?;
    let cancel = Cancel::new();
    let _signals = cancelled_by_signals(&cancel)?;
    let planned = plan::plan(&config, &cancel)?;
    let text = if flags.form.json {
        format!("{}\n", in_json(&planned))
    } else {
        in_text(&planned)
    };
    super::print(&text)
}

fn in_json(planned: &Planned) -> Value {
    let queues = planned.queues.as_ref().map(|queues| {
        let one = |queue: &crate::rest::lookup::Queue| json!({"id": queue.id, "name": queue.name});
        queues.iter().map(one).collect::<Vec<_>>()
    });
    let users: Vec<Value> = planned
        .users
        .iter()
        .map(|(id, name)| json!({"id": id, "name": name}))
        .collect();
    let channels: Vec<Value> = planned
        .channels
        .iter()
        .map(|topics| json!({"topics": topics, "topics_left": MAX_IDS_PER_CHANNEL.saturating_sub(topics.len())}))
        .collect();
    let requests = &planned.requests;
    let socket = planned
        .socket
        .as_ref()
        .map(|(address, frame)| json!({"url": address, "frame": frame}));
    json!({
        "record": "plan",
        "schema": 1,
        "protocol": planned.protocol.as_str(),
        "queues": queues,
        "users": users,
        "channels": channels,
        "socket": socket,
        "requests": {"at_start": requests.at_start, "per_min": requests.per_min, "max_per_min": requests.max_per_min,
            "backfill_max_per_min": requests.backfill_max_per_min},
        "headroom": {"topics": planned.topics_left(), "channels": MAX_CHANNELS.saturating_sub(planned.channels.len()),
            "channels_in_use": planned.channels_in_use,
            "requests_per_min": f64::from(requests.max_per_min) - requests.per_min},
    })
}

fn in_text(planned: &Planned) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "protocol   {}", planned.protocol.as_str());
    match &planned.queues {
        None => out.push_str("queues     all; no filter is sent\n"),
        Some(queues) => {
            let _ = writeln!(out, "queues     {}", queues.len());
            for queue in queues {
                let name = queue.name.as_deref().unwrap_or("(name unknown)");
                let _ = writeln!(out, "           {}  {}", plain(&queue.id.to_string()), plain(name));
            }
        }
    }
    if !planned.users.is_empty() {
        let _ = writeln!(out, "users      {}", planned.users.len());
    }
    if let Some((address, frame)) = &planned.socket {
        let _ = writeln!(out, "socket     {address}\nsent       {}", plain(frame));
    } else {
        channels(&mut out, planned);
    }
    let requests = &planned.requests;
    let _ = writeln!(
        out,
        "requests   at least {} at the start, then {} a minute; allowed are {} a minute, {} of them for backfill and repair",
        requests.at_start,
        number(requests.per_min),
        requests.max_per_min,
        requests.backfill_max_per_min.min(requests.max_per_min)
    );
    out
}

fn channels(out: &mut String, planned: &Planned) {
    let topics: usize = planned.channels.iter().map(Vec::len).sum();
    let _ = writeln!(
        out,
        "topics     {topics} on {}",
        counted(planned.channels.len(), "channel")
    );
    for (at, topics) in planned.channels.iter().enumerate() {
        let _ = writeln!(
            out,
            "channel {}  {} of {MAX_IDS_PER_CHANNEL} topics",
            at + 1,
            topics.len()
        );
        for topic in topics {
            let _ = writeln!(out, "           {}", plain(topic));
        }
    }
    let in_use = planned.channels_in_use.map_or(String::new(), |count| {
        format!("; {count} of {MAX_CHANNELS} channels of this OAuth client exist now, idle ones are reused or replaced")
    });
    let _ = writeln!(
        out,
        "headroom   {}, {}{in_use}",
        counted(planned.topics_left(), "topic"),
        counted(MAX_CHANNELS.saturating_sub(planned.channels.len()), "channel")
    );
}
