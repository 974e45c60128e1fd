//! What an event costs by the number of open conversations, and by the number of windows that are kept.
//!
//! In: nothing · Out: tables and verdicts on stdout · Thread: main.
//!
//! All sizes take turns, in many rounds, so that whatever else runs on this machine hits them alike.

use std::hint::black_box;
use std::time::Duration;

use genesys_stream::internals::Model;
use genesys_stream::{Event, Moment};

use crate::facts::{at, over, talking};
use crate::floor::Floor;
use crate::frames::{Decoder, frame};
use crate::rounds::{Counts, STEPS, Times, verdict};

const SIZES: [u64; 3] = [1_000, 10_000, 100_000];
const ROUNDS: usize = 16;
/// Pieces of a turn that do not count, and pieces that do.
const WARM: usize = 64;
const TIMED: usize = 96;

/// Every event finds its conversation by chance, and changes something in it: a hold begins or ends.
pub(crate) fn by_conversations() -> bool {
    let mut all: Vec<Open> = SIZES.into_iter().map(Open::new).collect();
    for _ in 0..ROUNDS {
        all.iter_mut().for_each(Open::turn);
    }
    let mut of =
        |times: fn(&mut Open) -> &mut Times| -> Vec<f64> { all.iter_mut().map(|open| times(open).nanos()).collect() };
    let (whole, model, floor) = (of(|o| &mut o.whole), of(|o| &mut o.applying), of(|o| &mut o.walking));
    println!(
        "open conversations                {:>7}{:>7}{:>7}",
        SIZES[0], SIZES[1], SIZES[2]
    );
    let holds = required("an event, from text to applied", &whole);
    verdict("the model alone", &model);
    let list: Vec<String> = floor.iter().map(|nanos| format!("{nanos:>7.0}")).collect();
    println!("{:<34}{} ns", "the same memory by chance, alone", list.join(""));
    let beyond: Vec<f64> = model.iter().zip(&floor).map(|(model, floor)| model - floor).collect();
    verdict("the model without that", &beyond);
    holds
}

struct Open {
    size: u64,
    model: Model,
    decoder: Decoder,
    floor: Floor,
    rng: fastrand::Rng,
    events: u64,
    whole: Times,
    applying: Times,
    walking: Times,
}

impl Open {
    fn new(size: u64) -> Self {
        let (mut model, mut decoder) = (crate::model(60, at(0)), Decoder::new());
        for n in 0..size {
            let text = frame(&talking(n, (n / 50) as i64), 1, at(0));
            model.apply(&decoder.decode(&text, at(0)), at(0));
        }
        assert_eq!(model.conversations().len() as u64, size);
        Self {
            size,
            model,
            decoder,
            floor: Floor::new(size),
            rng: fastrand::Rng::with_seed(size),
            events: 0,
            whole: Times::default(),
            applying: Times::default(),
            walking: Times::default(),
        }
    }

    fn turn(&mut self) {
        for piece in 0..WARM + TIMED {
            let counts = if piece < WARM { Counts::No } else { Counts::Yes };
            let (now, texts) = self.texts();
            let (model, decoder) = (&mut self.model, &mut self.decoder);
            self.whole.time(counts, || apply_texts(model, decoder, &texts, now));
            let (now, texts) = self.texts();
            let events: Vec<Event> = texts.iter().map(|text| self.decoder.decode(text, now)).collect();
            let model = &mut self.model;
            self.applying.time(counts, || apply_events(model, &events, now));
        }
        for piece in 0..WARM + TIMED {
            let counts = if piece < WARM { Counts::No } else { Counts::Yes };
            let floor = &mut self.floor;
            self.walking.time(counts, || (0..STEPS).for_each(|_| floor.step()));
        }
    }

    fn texts(&mut self) -> (Moment, Vec<String>) {
        let mut now = at(0);
        let texts = (0..STEPS).map(|_| {
            self.events += 1;
            now = at(3_000).plus(Duration::from_millis(10 * self.events));
            let n = self.rng.u64(..self.size);
            frame(&talking(n, (n / 50) as i64), self.events, now)
        });
        let texts = texts.collect();
        (now, texts)
    }
}

const KEPT: [usize; 2] = [60, 2_000];

/// Every event tells a whole conversation of some minute that is kept: it counts in windows by chance, where most of a
/// real stream goes into the newest.
pub(crate) fn by_windows() -> bool {
    let mut all: Vec<Windows> = KEPT.into_iter().map(Windows::new).collect();
    for _ in 0..ROUNDS {
        all.iter_mut().for_each(Windows::turn);
    }
    let whole: Vec<f64> = all.iter_mut().map(|windows| windows.whole.nanos()).collect();
    let applying: Vec<f64> = all.iter_mut().map(|windows| windows.applying.nanos()).collect();
    println!("kept windows                      {:>7}{:>7}", KEPT[0], KEPT[1]);
    let holds = required("an event, from text to applied", &whole);
    verdict("the model alone", &applying);
    holds
}

struct Windows {
    keep: usize,
    model: Model,
    decoder: Decoder,
    rng: fastrand::Rng,
    events: u64,
    whole: Times,
    applying: Times,
}

impl Windows {
    fn new(keep: usize) -> Self {
        let mut windows = Self {
            keep,
            model: crate::model(keep, at(0)),
            decoder: Decoder::new(),
            rng: fastrand::Rng::with_seed(7),
            events: 0,
            whole: Times::default(),
            applying: Times::default(),
        };
        for _ in 0..120_000 / STEPS {
            let (now, texts) = windows.texts();
            for text in &texts {
                let event = windows.decoder.decode(text, now);
                windows.model.apply(&event, now);
            }
        }
        windows
    }

    fn turn(&mut self) {
        for piece in 0..WARM + TIMED {
            let counts = if piece < WARM { Counts::No } else { Counts::Yes };
            let (now, texts) = self.texts();
            let (model, decoder) = (&mut self.model, &mut self.decoder);
            self.whole.time(counts, || apply_texts(model, decoder, &texts, now));
            let (now, texts) = self.texts();
            let events: Vec<Event> = texts.iter().map(|text| self.decoder.decode(text, now)).collect();
            let model = &mut self.model;
            self.applying.time(counts, || apply_events(model, &events, now));
        }
    }

    fn texts(&mut self) -> (Moment, Vec<String>) {
        let now = (self.events / 4) as i64;
        let text = |_| {
            self.events += 1;
            let began = now - 320 - self.rng.i64(0..self.keep as i64 * 60 - 320);
            frame(&over(self.events, began), self.events, at(began + 100))
        };
        (at(now), (0..STEPS).map(text).collect())
    }
}

/// A verdict on which the exit code depends.
fn required(what: &str, nanos: &[f64]) -> bool {
    let holds = verdict(what, nanos);
    if !holds {
        println!("FAIL: {what} costs more where there is more to remember");
    }
    holds
}

fn apply_texts(model: &mut Model, decoder: &mut Decoder, texts: &[String], now: Moment) {
    for text in texts {
        let event = decoder.decode(text, now);
        black_box(model.apply(&event, now));
    }
}

fn apply_events(model: &mut Model, events: &[Event], now: Moment) {
    for event in events {
        black_box(model.apply(event, now));
    }
}
