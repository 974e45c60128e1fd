//! Instructions for decoding an event and for applying it, counted by valgrind and compared with committed figures.
//!
//! In: `benches/instructions/figures.txt` · Out: a table and a verdict on stdout; 1 if a figure differs · Thread: main.
//!
//! `make instructions`. Unlike a time, a count does not depend on what else runs on the machine. With `UPDATE=1` the
//! figures are written anew. Without valgrind nothing is compared, which is an error where `CI` is set.

#[path = "../model/facts.rs"]
#[allow(dead_code, reason = "the model's benchmark uses the rest")]
mod facts;
#[path = "../model/frames.rs"]
mod frames;

use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use facts::{at, talking};
use frames::{Decoder, frame};
use genesys_stream::internals::{Model, QueueSet, Settings};
use genesys_stream::{Config, Secret};

type AnyError = Box<dyn std::error::Error>;

/// Open conversations, each of five participants.
const CONVERSATIONS: u64 = 200;
/// Events in the shorter of two runs; the longer one has twice as many, so that what is done once does not count.
const EVENTS: u64 = 1_000;
/// A figure may differ from the committed one by so many percent.
const TOLERANCE_PERCENT: f64 = 5.0;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let verdict = match arguments.as_slice() {
        [step, events] => Step::of(step).and_then(|step| {
            run(step, events.parse()?);
            Ok(true)
        }),
        _ => compare(),
    };
    match verdict {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How far an event goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// Only its text is written.
    Write,
    /// It is decoded, too.
    Decode,
    /// It is applied, too.
    Apply,
}

impl Step {
    fn of(name: &str) -> Result<Self, AnyError> {
        match name {
            "write" => Ok(Self::Write),
            "decode" => Ok(Self::Decode),
            "apply" => Ok(Self::Apply),
            _ => Err(format!("{name} is no step").into()),
        }
    }
}

/// Each event changes something in its conversation: a hold begins or ends.
fn run(step: Step, events: u64) {
    let config = Config::builder()
        .region("eu-west-1")
        .client_id("bench")
        .client_secret(Secret::new("bench"))
        .build()
        .expect("a configuration");
    let mut model = Model::new(Settings::from(&config), at(0));
    model.set_queues(QueueSet::These((0..facts::QUEUES).map(|n| facts::uuid(1, n)).collect()));
    let mut decoder = Decoder::new();
    for n in 0..CONVERSATIONS {
        let text = frame(&talking(n, (n / 50) as i64), 1, at(0));
        model.apply(&decoder.decode(&text, at(0)), at(0));
    }
    for number in 2..2 + events {
        let now = at(3_000).plus(Duration::from_millis(10 * number));
        let n = number % CONVERSATIONS;
        let text = black_box(frame(&talking(n, (n / 50) as i64), number / CONVERSATIONS, now));
        if step < Step::Decode {
            continue;
        }
        let event = black_box(decoder.decode(&text, now));
        if step == Step::Apply {
            black_box(model.apply(&event, now));
        }
    }
}

/// Instructions of one event up to this step.
fn instructions(step: &str) -> Result<f64, AnyError> {
    let of = |events: u64| -> Result<u64, AnyError> {
        let output = Command::new("valgrind")
            .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
            .arg(std::env::current_exe()?)
            .args([step, &events.to_string()])
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let counted = said.lines().find_map(|line| line.split_once("refs:"));
        let Some((_, count)) = counted.filter(|_| output.status.success()) else {
            return Err(format!("valgrind counted nothing; it said: {said}").into());
        };
        Ok(count.trim().replace(',', "").parse()?)
    };
    Ok((of(2 * EVENTS)? - of(EVENTS)?) as f64 / EVENTS as f64)
}

/// Whether all figures are as committed.
fn compare() -> Result<bool, AnyError> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!(
            "SKIPPED: instructions are not counted, because there is no valgrind (Debian: apt-get install valgrind)"
        );
        return Ok(std::env::var_os("CI").is_none());
    }
    let (written, decoded, applied) = (instructions("write")?, instructions("decode")?, instructions("apply")?);
    let found = [("decode", decoded - written), ("join", applied - decoded)];
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/figures.txt");
    if std::env::var_os("UPDATE").is_some() {
        let lines = found.map(|(name, count)| format!("{name} {count:.0}\n"));
        std::fs::write(&path, lines.concat())?;
    }
    let committed = std::fs::read_to_string(&path)?;
    let mut is_same = true;
    for (name, count) in found {
        let line = committed
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let wanted: f64 = line
            .ok_or_else(|| format!("figures.txt has no line {name}"))?
            .trim()
            .parse()?;
        let percent = (count / wanted - 1.0) * 100.0;
        let holds = percent.abs() <= TOLERANCE_PERCENT;
        is_same &= holds;
        let verdict = if holds { "as committed" } else { "NOT as committed" };
        println!("{name:<8}{count:>8.0} instructions an event, {wanted:.0} committed ({percent:+.1} %): {verdict}");
    }
    if !is_same {
        println!(
            "More than {TOLERANCE_PERCENT} % differ. If that is meant, write new figures with `UPDATE=1 make instructions` and commit them."
        );
    }
    Ok(is_same)
}
