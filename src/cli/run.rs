//! `run` and `demo`: a stream from its start to its end.
//!
//! In: a checked configuration · Out: records on stdout, an error or none · Thread: main.

use std::sync::Arc;

use super::keyboard::{self, Keyboard};
use super::logging::LogTarget;
use super::settings::RunOptions;
use super::signals::SignalWatch;
use crate::Error;
use crate::config::{Config, Stdout, Terminal, TimeZone, TotalsSince};
use crate::engine::replay::{Pace, Recording, Tell};
use crate::output::live::{Ability, About, Live};
use crate::output::record::Records;
use crate::output::writer;
use crate::protocol::KeepBody;
use crate::stream::Stream;

/// What there is once per process and a stream needs.
pub struct Process {
    /// The log, which is held back while `live` draws on the terminal.
    pub log: LogTarget,
    /// Its first signal stops the stream.
    pub signals: SignalWatch,
}

/// Where events come from.
pub enum Source {
    /// The service, until stopped.
    Live(RunOptions),
    /// A recording, to its end.
    Recording(Box<Recording>, ReplayOptions),
}

/// How a recording is replayed.
pub struct ReplayOptions {
    /// How many times faster than recorded; 0 = as fast as possible.
    pub speed: f64,
    /// Shows the progress, except while `live` draws on the terminal.
    pub tell: Option<Tell>,
}

/// Warns about settings without effect, then streams until stopped.
pub fn start(config: Config, notes: &[String], source: Source, process: &Process) -> Result<(), Error> {
    if let Some(file) = &config.outputs.log_file {
        process.log.append_to(file)?;
        process.signals.go_on_at_hangup();
    }
    for line in notes {
        log::warn!("{line}");
        // Warnings go to the terminal even where the log goes to a file.
        if process.log.is_file() {
            super::say(&format!("warning: {line}"));
        }
    }
    if let Source::Live(_) = source {
        log::info!("{}", config.summary());
    }
    run(config, source, process)
}

/// Streams until stopped. The supervisor runs on this thread.
fn run(config: Config, source: Source, process: &Process) -> Result<(), Error> {
    let ability = Ability::from_environment(variable("TERM").as_deref(), variable("NO_COLOR").as_deref());
    let stdout = match (config.outputs.stdout.resolved(Terminal::of_stdout()), ability) {
        // A terminal whose cursor cannot be moved gets lines.
        (Stdout::Live, None) => Stdout::Lines,
        (stdout, _) => stdout,
    };
    let region = config.hosts.region.clone();
    let since = match config.totals.since {
        TotalsSince::Start => "since start",
        TotalsSince::Day => "today",
    };
    let limits = config.agent_limits.clone();
    let interval = config.outputs.interval;
    let mut builder = Stream::builder(config);
    if let Source::Live(options) = &source {
        if let Some(duration) = options.duration {
            builder = builder.duration(duration);
        }
        if options.once {
            builder = builder.until_the_server_ends();
        }
    }
    let mut restorer = None;
    if let (Stdout::Live, Some(ability)) = (stdout, ability) {
        let keyboard = Keyboard::new(process.signals.clone());
        let (tell, inputs) = crossbeam_channel::bounded(keyboard::MOST_WAITING);
        let about = About {
            ability,
            region,
            since,
            keys: keyboard.keys(),
            zone: TimeZone::local(),
            limits,
        };
        let log = Box::new(process.log.clone());
        let live = Live::new(writer::stdout(), Arc::new(keyboard.clone()), about, inputs, log);
        let restore = live.restorer();
        restorer = Some(restore.clone());
        let at_exit = restore.clone();
        process
            .signals
            .before_exit(move || at_exit.restore(&mut std::io::stdout()));
        builder = builder.output(KeepBody::Drop, move |spawner| {
            let output = spawner.spawn("stdout", Box::new(live))?;
            keyboard.listen(tell, output.sender(), restore)?;
            Ok(output)
        });
    }
    let records = match stdout {
        Stdout::Events => Some(Records::Events),
        Stdout::Snapshots => Some(Records::Snapshots),
        Stdout::Lines => Some(Records::Lines),
        Stdout::Auto | Stdout::Live | Stdout::None => None,
    };
    if let Some(records) = records {
        builder = builder.records_named("stdout", records, writer::stdout());
    }
    let result = match source {
        Source::Live(_) => {
            let run = builder.prepare()?;
            let stop = run.stop_handle();
            #[cfg(unix)]
            let notifier = super::systemd::Notifier::from_environment();
            #[cfg(unix)]
            notifier
                .follow(run.pulse())
                .map_err(|error| Error::caused_by(crate::ErrorKind::Local, "starting the thread for systemd", error))?;
            process.signals.on_stop(move || {
                #[cfg(unix)]
                notifier.tell("STOPPING=1");
                stop.stop();
            });
            run.run()
        }
        Source::Recording(recording, ReplayOptions { speed, tell }) => {
            let tell = tell.filter(|_| stdout != Stdout::Live);
            let run = builder.replay(*recording, Pace { speed, interval, tell })?;
            let stop = run.stop_handle();
            process.signals.on_stop(move || stop.stop());
            run.run()
        }
    };
    if let Some(restorer) = restorer {
        // Has an effect only where the thread of the screen was abandoned.
        restorer.restore(&mut std::io::stdout());
    }
    process.log.release();
    for what in result?.abandoned {
        super::say(&format!("warning: {what}"));
    }
    Ok(())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
