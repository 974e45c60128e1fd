//! What a conversation takes, open or finished and remembered.
//!
//! In: nothing · Out: bytes of RSS a conversation, on stdout · Thread: main.

use genesys_stream::internals::Model;
use genesys_stream::{ConversationFacts, Facts, Moment};

use crate::facts::{arriving, at, over, talking};
use crate::frames::{Decoder, frame};

/// Each with three participants first, then with five.
pub(crate) fn open_bytes() {
    const COUNT: u64 = 100_000;
    let mut store = Store::new();
    store.apply(talking(COUNT, 0), at(0));
    let before = rss_bytes();
    for n in 0..COUNT {
        store.apply(arriving(n, (n / 50) as i64), at(0));
        store.apply(talking(n, (n / 50) as i64), at(0));
    }
    report("open", rss_bytes() - before, COUNT);
}

/// Between two moments with as many conversations open, settled ones have come.
pub(crate) fn finished_bytes() {
    const A_SECOND: u64 = 50;
    let mut store = Store::new();
    let (mut before, mut known) = (0, 0);
    for n in 0..400_000 {
        let began = (n / A_SECOND) as i64;
        for facts in [arriving(n, began), talking(n, began), over(n, began)] {
            store.apply(facts, at(began));
        }
        if n == 100_000 {
            (before, known) = (rss_bytes(), store.model.conversations().packed() as u64);
        }
    }
    let packed = store.model.conversations().packed() as u64 - known;
    report("finished and remembered", rss_bytes() - before, packed);
}

struct Store {
    model: Model,
    event: genesys_stream::Event,
}

impl Store {
    fn new() -> Self {
        Self {
            model: crate::model(60, at(0)),
            event: Decoder::new().decode(&frame(&talking(0, 0), 0, at(0)), at(0)),
        }
    }

    fn apply(&mut self, facts: ConversationFacts, now: Moment) {
        self.event.received_at = now;
        self.event.facts = Facts::Conversation(Box::new(facts));
        self.model.apply(&self.event, now);
    }
}

fn report(what: &str, bytes: i64, count: u64) {
    println!("{count:>7} {what}: {} bytes of RSS each", bytes / count as i64);
}

/// Resident pages of 4 KiB; 0 where the system does not say.
fn rss_bytes() -> i64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<i64>().ok());
    pages.unwrap_or(0) * 4096
}
