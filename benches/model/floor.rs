//! What the machine itself asks for touching a conversation's worth of memory by chance.
//!
//! In: conversations · Out: a block to walk through · Thread: main.

/// Lines of 64 bytes a conversation; its packed state and what leads to it take about as much.
const LINES: usize = 8;
const WORDS: usize = LINES * 8;

/// A block of so many conversations' size.
pub(crate) struct Floor {
    words: Vec<u64>,
    at: u64,
}

impl Floor {
    pub(crate) fn new(conversations: u64) -> Self {
        let words = conversations as usize * WORDS;
        let mut rng = fastrand::Rng::with_seed(conversations);
        Self {
            words: (0..words).map(|_| rng.u64(..)).collect(),
            at: 0,
        }
    }

    /// Reads and writes a conversation's lines; which comes next is known only then, as with events.
    pub(crate) fn step(&mut self) {
        let place = ((u128::from(self.at) * (self.words.len() / WORDS) as u128) >> 64) as usize * WORDS;
        let mut next = self.at;
        for word in self.words[place..place + WORDS].iter_mut().step_by(8) {
            next = next.rotate_left(7) ^ *word;
            *word = word.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.at;
        }
        self.at = next.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
