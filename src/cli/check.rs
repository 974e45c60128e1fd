//! `check`: each step as a line of text or JSON.
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
use crate::output::live::{Ability, Size};
use crate::output::text::{plain, span, width};
use crate::preflight::{self, Awaited, Finding, Outcome, Reporter, Step, Verdict};
use crate::{Error, ErrorKind};

/// The exit code where a step failed or the check was stopped before its end.
const FAILED: u8 = 4;

/// Makes the check and returns the exit code; a failed step is not an error of the program.
///
/// # Errors
/// A wrong configuration, which is also reported as the step `config`; signals that cannot be received;
/// [`ErrorKind::Local`] where the result cannot be written.
pub fn start(flags: &CheckFlags) -> Result<u8, Error> {
    let began = Instant::now();
    let mut printer = Printer::new(flags.form.json);
    let checked = check(flags, &mut printer);
    printer.clear_progress();
    match &checked {
        Ok(outcome) => printer.summary(*outcome, began.elapsed()),
        Err(error) if error.kind() == ErrorKind::Configuration => printer.found(&Finding {
            step: Step::Config,
            verdict: Verdict::Fail,
            took: began.elapsed(),
            message: error.to_string(),
            advice: Some("Correct flags, environment or configuration file; nothing was connected.".to_owned()),
            details: Vec::new(),
        }),
        Err(_) => {}
    }
    let outcome = checked?;
    printer.written?;
    let is_good = outcome.worst < Verdict::Fail && !outcome.interrupted;
    Ok(if is_good { 0 } else { FAILED })
}

fn check(flags: &CheckFlags, printer: &mut Printer) -> Result<Outcome, Error> {
    let config = configured(&flags.file, &flags.connection, &flags.subscription)?;
    let cancel = Cancel::new();
    let _signals = cancelled_by_signals(&cancel)?;
    let awaited = if flags.wait {
        Awaited::Heartbeat
    } else {
        Awaited::Answer
    };
    preflight::check(&config, awaited, &cancel, printer)
}

/// The configuration of a command that does not stream; its notes are logged.
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

/// Makes the first signal give `cancel`, until the watch is dropped.
pub(super) fn cancelled_by_signals(cancel: &Cancel) -> Result<SignalWatch, Error> {
    let signals = SignalWatch::start()?;
    let stop = cancel.clone();
    signals.on_stop(move || stop.cancel());
    Ok(signals)
}

/// Prints findings on stdout, and progress on stderr.
struct Printer {
    json: bool,
    colours: bool,
    progress: bool,
    /// Whether a line of progress is on the terminal.
    shown: bool,
    /// Findings by verdict.
    counts: [usize; 3],
    /// The first failure to write, if there was one.
    written: Result<(), Error>,
}

impl Printer {
    fn new(json: bool) -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let ability = Ability::from_environment(variable("TERM").as_deref(), variable("NO_COLOR").as_deref());
        Self {
            json,
            colours: ability == Some(Ability::Colours) && std::io::stdout().is_terminal(),
            progress: ability.is_some() && std::io::stderr().is_terminal(),
            shown: false,
            counts: [0; 3],
            written: Ok(()),
        }
    }

    fn clear_progress(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }

    fn write(&mut self, text: &str) {
        self.clear_progress();
        if self.written.is_ok() {
            self.written = super::print_whole(text);
        }
    }

    fn summary(&mut self, outcome: Outcome, took: Duration) {
        let [_, warnings, failures] = self.counts;
        let verdict = if outcome.interrupted {
            Verdict::Fail
        } else {
            outcome.worst
        };
        let message = match (outcome.interrupted, warnings, failures) {
            (true, ..) => "stopped before the end".to_owned(),
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

impl Reporter for Printer {
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
            text_line(finding, self.colours, columns())
        };
        self.write(&line);
    }
}

/// Details of a finding shown in text; JSON has all.
const SHOWN: usize = 20;
/// Columns of text where stdout is no terminal.
const COLUMNS: usize = 100;

/// The columns of the terminal on stdout.
fn columns() -> usize {
    match std::io::stdout().is_terminal() {
        true => usize::from(Size::of_terminal().cols).max(40),
        false => COLUMNS,
    }
}

/// Appends advice on lines of its own that are at most `columns` wide.
fn fold_advice(advice: &str, columns: usize, text: &mut String) {
    let mut used = columns;
    for (at, word) in advice.split_whitespace().enumerate() {
        let wide = width(word);
        if used + 1 + wide > columns {
            text.push_str(if at == 0 { "      -> " } else { "\n         " });
            used = 9;
        } else {
            text.push(' ');
            used += 1;
        }
        text.push_str(word);
        used += wide;
    }
    text.push('\n');
}

fn text_line(finding: &Finding, colours: bool, columns: usize) -> String {
    let word = format!("{:<4}", finding.verdict.as_str());
    let word = match (colours, finding.verdict) {
        (false, _) => word,
        (true, Verdict::Ok) => format!("\x1b[32m{word}\x1b[0m"),
        (true, Verdict::Warn) => format!("\x1b[33m{word}\x1b[0m"),
        (true, Verdict::Fail) => format!("\x1b[1;31m{word}\x1b[0m"),
    };
    let mut line = format!(
        "{word}  {:<11}  {} ({} ms)\n",
        finding.step.as_str(),
        // An error of the configuration has a line for each problem.
        plain(&finding.message.replace('\n', " ")),
        finding.took.as_millis()
    );
    if let Some(advice) = &finding.advice {
        fold_advice(&plain(advice), columns, &mut line);
    }
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
            text_line(&finding(Verdict::Fail), false, 80),
            "fail  permissions  1 of 2 topics\u{fffd}[2J refused (12 ms)\n      -> Give it a role.\n      v2.x: no\n"
        );
        let good = Finding {
            advice: None,
            ..finding(Verdict::Ok)
        };
        assert_eq!(text_line(&good, false, 80).lines().count(), 1);
        assert!(text_line(&finding(Verdict::Warn), true, 80).starts_with("\x1b[33mwarn\x1b[0m  "));
    }

    #[test]
    fn advice_is_folded() {
        let mut text = String::new();
        fold_advice(
            "Give the OAuth client a role that holds routing:queue:view, please.",
            40,
            &mut text,
        );
        assert_eq!(
            text,
            "      -> Give the OAuth client a role\n         that holds routing:queue:view,\n         please.\n"
        );
        assert!(text.lines().all(|line| line.len() <= 40));
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
