//! The program: arguments in, exit code out.
//!
//! In: arguments, environment, signals · Out: exit code · Thread: main.

mod args;
mod audit;
mod check;
mod explain;
mod help;
mod keyboard;
mod log_file;
pub mod logging;
mod man;
mod plan;
mod replay;
mod run;
mod settings;
pub mod signals;
#[cfg(feature = "simulator")]
mod simulate;
#[cfg(unix)]
mod systemd;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser};

use self::args::{Cli, Command, RunFlags};
use self::run::{Process, Source};
use self::settings::{Settings, refuse_secret_flags};
use self::signals::SignalWatch;
use crate::config::Config;
use crate::config::message::nearest;
use crate::{Error, ErrorKind};

const USAGE: u8 = 2;

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    signals::survive_file_size_limit();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Err(complaint) = refuse_secret_flags(&arguments) {
        say(&format!("error: {complaint}"));
        return ExitCode::from(USAGE);
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(mut error) => {
            suggest_command(&mut error);
            // Help and version come here too, with exit code 0.
            let code = u8::try_from(error.exit_code()).unwrap_or(USAGE);
            return match written(error.print()) {
                Err(unwritten) if code == 0 => fail(&unwritten),
                _ => ExitCode::from(code),
            };
        }
    };
    let rust_log = std::env::var("RUST_LOG").ok();
    let log = logging::start(cli.verbosity, rust_log.as_deref());
    let mut code = 0;
    let result = match cli.command {
        Command::Run(flags) => run(&flags, &log),
        Command::Check(flags) => check::start(&flags).map(|verdict| code = verdict),
        Command::Plan(flags) => plan::start(&flags),
        Command::Replay(flags) => replay::start(*flags, &log),
        Command::Explain(flags) => explain::start(&flags),
        Command::Audit(command) => audit::run(&command).map(|verdict| code = verdict),
        #[cfg(feature = "simulator")]
        Command::Demo(flags) => demo(&flags, &log),
        #[cfg(feature = "simulator")]
        Command::Simulate(flags) => simulate::serve(flags),
        Command::Completions(flags) => print(&completions(flags.shell)),
        Command::Man => manual(),
    };
    log.release();
    match result {
        Ok(()) => ExitCode::from(code),
        Err(error) => {
            if log.is_file() && exit_code(&error) != 0 {
                log::error!("{error}");
            }
            fail(&error)
        }
    }
}

/// The exit code of an error, which is shown on stderr unless the program was stopped.
fn fail(error: &Error) -> ExitCode {
    let code = exit_code(error);
    if code != 0 {
        say(&format!("error: {error}"));
    }
    ExitCode::from(code)
}

fn run(flags: &RunFlags, log: &logging::LogTarget) -> Result<(), Error> {
    let mut settings = Settings::new(Config::builder().environment());
    settings.file(&flags.file);
    settings.connection(&flags.connection);
    settings.subscription(&flags.subscription);
    settings.output(&flags.output);
    settings.engine(&flags.engine);
    #[cfg(feature = "engine")]
    settings.sharing(&flags.sharing);
    let options = settings.stop(&flags.stop);
    let (config, notes) = settings.builder.build_with_notes()?;
    let process = Process {
        log: log.clone(),
        signals: SignalWatch::start()?,
    };
    run::start(config, &notes, Source::Live(options), &process)
}

#[cfg(feature = "simulator")]
fn demo(flags: &args::DemoFlags, log: &logging::LogTarget) -> Result<(), Error> {
    let simulator = simulate::SimulatorSettings::for_demo(&flags.centre);
    // Without the environment: it must not make a demo fail, and nothing of a real account is sent.
    let builder = Config::builder().connection_overridden(
        "http://127.0.0.1:1",
        &simulator.client_id,
        simulator.client_secret.clone(),
    );
    let mut settings = Settings::new(builder);
    settings.file(&flags.file);
    settings.subscription(&flags.subscription);
    settings.output(&flags.output);
    settings.engine(&flags.engine);
    let options = settings.stop(&flags.stop);
    let (mut config, notes) = settings.builder.build_with_notes()?;
    let process = Process {
        log: log.clone(),
        signals: SignalWatch::start()?,
    };
    let running = simulate::start(&simulator)?;
    running.reach()?;
    config.hosts = crate::config::Hosts::at(&running.url)?;
    run::start(config, &notes, Source::Live(options), &process)
}

fn manual() -> Result<(), Error> {
    let mut page = Vec::new();
    man::write(Cli::command(), &mut page)
        .map_err(|error| Error::new(ErrorKind::Internal, "writing the manual page", error.to_string()))?;
    print(&String::from_utf8_lossy(&page))
}

fn completions(shell: clap_complete::Shell) -> String {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "genesys-stream", &mut text);
    // In bash's labels clap_complete takes the hyphen of the name for a level of commands, but not where it sets them.
    String::from_utf8_lossy(&text).replace("genesys__subcmd__stream", "genesys__stream")
}

/// Prints text on stdout.
fn print(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    written(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// Prints a verdict on stdout: one that nobody can read must not look like a success, so a closed pipe is an error too.
fn print_whole(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    let outcome = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    outcome.map_err(|error| Error::new(ErrorKind::Local, "writing to stdout", error.to_string()))
}

/// Adds the nearest command to the message about an unknown one, where clap finds none.
fn suggest_command(error: &mut clap::Error) {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else {
        return;
    };
    let program = Cli::command();
    let known = program.get_subcommands().map(clap::Command::get_name);
    let meant = nearest(word, known).map(str::to_owned);
    if let (Some(meant), None) = (meant, error.get(ContextKind::SuggestedSubcommand)) {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![meant]));
    }
}

/// The outcome of writing to stdout: a reader that closes it needs no more, any other failure is an error.
fn written(outcome: io::Result<()>) -> Result<(), Error> {
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new(ErrorKind::Local, "writing to stdout", error.to_string()))
        }
        _ => Ok(()),
    }
}

/// The exit code of an error, by who must act.
fn exit_code(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::Stopped => 0,
        ErrorKind::Configuration => USAGE,
        ErrorKind::Credentials => 3,
        ErrorKind::NoData => 4,
        ErrorKind::Refused | ErrorKind::Certificate | ErrorKind::Transient | ErrorKind::Local | ErrorKind::Internal => {
            1
        }
    }
}

/// Prints a line on stderr; a closed stderr is ignored.
fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_says_who_must_act() {
        for (kind, code) in [
            (ErrorKind::Stopped, 0),
            (ErrorKind::Refused, 1),
            (ErrorKind::Certificate, 1),
            (ErrorKind::Transient, 1),
            (ErrorKind::Local, 1),
            (ErrorKind::Internal, 1),
            (ErrorKind::Configuration, 2),
            (ErrorKind::Credentials, 3),
            (ErrorKind::NoData, 4),
        ] {
            assert_eq!(exit_code(&Error::new(kind, "a", "b")), code, "{kind:?}");
        }
    }
}
