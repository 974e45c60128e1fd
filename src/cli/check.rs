//! `check`: each step of the way as a line of text or of JSON.
//!
//! In: flags, environment, signals · Out: lines on stdout, progress on a terminal's stderr · Thread: main.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use serde_json::json;

use super::args::{CheckFlags, ConnectionFlags, FileFlags, SubscriptionFlags};
use super::settings::Settings;
use super::signals::SignalWatch;
use crate::config::Config;
use crate::net::Cancel;
use crate::output::live::Ability;
use crate::output::text::{plain, span};
use crate::preflight::{self, Awaited, Finding, Outcome, Reporter, Step, Verdict};
use crate::{Error, ErrorKind};

/// A step failed, or the check was stopped before its end.
const FAILED: u8 = 4;

/// Does the check and gives the exit code: a failed step is no error of the program.
///
/// # Errors
/// A configuration that is wrong, told as the step `config`; signals that cannot be listened to.
pub fn start(flags: &CheckFlags) -> Result<u8, Error> {
    let began = Instant::now();
    let mut lines = Lines::new(flags.form.json);
    let done = whole(flags, &mut lines);
    lines.clear_progress();
    match done {
        Ok(outcome) => {
            lines.summary(outcome, began.elapsed());
            let well = outcome.worst < Verdict::Fail && !outcome.interrupted;
            Ok(if well { 0 } else { FAILED })
        }
        Err(error) => {
            if error.kind() == ErrorKind::Configuration {
                lines.found(&Finding {
                    step: Step::Config,
                    verdict: Verdict::Fail,
                    took: began.elapsed(),
                    message: error.to_string(),
                    advice: Some("Correct flags, environment or configuration file; nothing was connected.".to_owned()),
                    details: Vec::new(),
                });
            }
            Err(error)
        }
    }
}

fn whole(flags: &CheckFlags, lines: &mut Lines) -> Result<Outcome, Error> {
    let config = configured(&flags.file, &flags.connection, &flags.subscription)?;
    let cancel = Cancel::new();
    let _signals = cancelled_by_signals(&cancel)?;
    let awaited = if flags.wait {
        Awaited::Heartbeat
    } else {
        Awaited::Answer
    };
    preflight::check(&config, awaited, &cancel, lines)
}

/// The configuration of a command that connects and streams nothing; its notes are logged.
pub(super) fn configured(
    file: &FileFlags,
    connection: &ConnectionFlags,
    subscription: &SubscriptionFlags,
) -> Result<Config, Error> {
    let mut settings = Settings::new(Config::builder().environment());
    settings.file(file);
    settings.connection(connection);
    settings.subscription(subscription);
    let (config, notes) = settings.builder.build_with_notes()?;
    for note in notes {
        log::warn!("{note}");
    }
    Ok(config)
}

/// Lets the first signal end what waits for `cancel`, for as long as the watch lives.
pub(super) fn cancelled_by_signals(cancel: &Cancel) -> Result<SignalWatch, Error> {
    let signals = SignalWatch::start()?;
    let stop = cancel.clone();
    signals.on_stop(move || stop.cancel());
    Ok(signals)
}

/// Writes findings.
struct Lines {
    json: bool,
    colours: bool,
    progress: bool,
    shown: bool,
    counts: [usize; 3],
}

impl Lines {
    fn new(json: bool) -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let ability = Ability::from_environment(variable("TERM").as_deref(), variable("NO_COLOR").as_deref());
        Self {
            json,
            colours: ability == Some(Ability::Colours) && std::io::stdout().is_terminal(),
            progress: ability.is_some() && std::io::stderr().is_terminal(),
            shown: false,
            counts: [0; 3],
        }
    }

    fn clear_progress(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }

    fn write(&mut self, text: &str) {
        self.clear_progress();
        let mut stdout = std::io::stdout().lock();
        // Whoever closed stdout still gets the exit code.
        let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    }

    fn summary(&mut self, outcome: Outcome, took: Duration) {
        let [_, warnings, failures] = self.counts;
        let verdict = if outcome.interrupted {
            Verdict::Fail
        } else {
            outcome.worst
        };
        let message = match (outcome.interrupted, warnings, failures) {
            (true, ..) => "stopped before its end".to_owned(),
            (_, 0, 0) => "everything is well".to_owned(),
            (_, warnings, 0) => format!("it can stream; warnings: {warnings}"),
            (_, warnings, failures) => format!("failures: {failures}, warnings: {warnings}"),
        };
        let line = if self.json {
            json_line("summary", verdict, took, &message, None, &[])
        } else {
            format!("{} in {}\n", message, span(took))
        };
        self.write(&line);
    }
}

impl Reporter for Lines {
    fn begins(&mut self, step: Step, what: &str) {
        if !self.progress {
            return;
        }
        self.clear_progress();
        self.shown = true;
        let _ = write!(std::io::stderr().lock(), "...   {:<11}  {what} ...", step.as_str());
    }

    fn found(&mut self, finding: &Finding) {
        self.counts[finding.verdict as usize] += 1;
        let line = if self.json {
            json_line(
                finding.step.as_str(),
                finding.verdict,
                finding.took,
                &finding.message,
                finding.advice.as_deref(),
                &finding.details,
            )
        } else {
            text_line(finding, self.colours)
        };
        self.write(&line);
    }
}

/// Details shown in text; JSON has all.
const SHOWN: usize = 20;

fn text_line(finding: &Finding, colours: bool) -> String {
    let word = format!("{:<4}", finding.verdict.as_str());
    let word = match (colours, finding.verdict) {
        (false, _) => word,
        (true, Verdict::Ok) => format!("\x1b[32m{word}\x1b[0m"),
        (true, Verdict::Warn) => format!("\x1b[33m{word}\x1b[0m"),
        (true, Verdict::Fail) => format!("\x1b[1;31m{word}\x1b[0m"),
    };
    let mut line = format!(
        "{word}  {:<11}  {} ({} ms)",
        finding.step.as_str(),
        // Several problems of a configuration have a line each.
        plain(&finding.message.replace('\n', " ")),
        finding.took.as_millis()
    );
    if let Some(advice) = &finding.advice {
        line.push_str(" -> ");
        line.push_str(&plain(advice));
    }
    line.push('\n');
    if finding.verdict > Verdict::Ok {
        for detail in finding.details.iter().take(SHOWN) {
            line.push_str(&format!("      {}\n", plain(detail)));
        }
        if finding.details.len() > SHOWN {
            line.push_str(&format!("      and {} more\n", finding.details.len() - SHOWN));
        }
    }
    line
}

fn json_line(
    step: &str,
    verdict: Verdict,
    took: Duration,
    message: &str,
    advice: Option<&str>,
    details: &[String],
) -> String {
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let object = json!({"record": "check", "schema": 1, "step": step, "verdict": verdict.as_str(), "took_ms": took_ms,
        "message": message, "advice": advice, "details": details});
    format!("{object}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(verdict: Verdict) -> Finding {
        Finding {
            step: Step::Permissions,
            verdict,
            took: Duration::from_millis(12),
            message: "1 of 2 topics\x1b[2J refused".to_owned(),
            advice: Some("Give it a role.".to_owned()),
            details: vec!["v2.x: no".to_owned()],
        }
    }

    #[test]
    fn one_line_a_step_and_details_only_where_something_is_wrong() {
        assert_eq!(
            text_line(&finding(Verdict::Fail), false),
            "fail  permissions  1 of 2 topics\u{fffd}[2J refused (12 ms) -> Give it a role.\n      v2.x: no\n"
        );
        assert_eq!(text_line(&finding(Verdict::Ok), false).lines().count(), 1);
        assert!(text_line(&finding(Verdict::Warn), true).starts_with("\x1b[33mwarn\x1b[0m  "));
    }

    #[test]
    fn json_is_one_object_a_line() {
        let f = finding(Verdict::Warn);
        let line = json_line(
            f.step.as_str(),
            f.verdict,
            f.took,
            &f.message,
            f.advice.as_deref(),
            &f.details,
        );
        assert_eq!(line.lines().count(), 1);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["verdict"], "warn");
        assert_eq!(value["took_ms"], 12);
        assert_eq!(value["details"][0], "v2.x: no");
    }
}
