//! Lines that a peer makes us repeat: each is told at once, then counted, and told again once a minute with its count.
//!
//! In: lines and the time · Out: what to tell · Thread: none of its own (pure).

use std::time::{Duration, Instant};

/// A line that comes again is told once in this time.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// Different lines that are counted apart; all others are one.
const MOST_LINES: usize = 16;
/// Stands for the lines beyond these.
const OTHERS: &str = "other texts";

/// The lines of the last minute.
#[derive(Debug, Default)]
pub(crate) struct Repeats(Vec<Counted>);

#[derive(Debug)]
struct Counted {
    line: Box<str>,
    told_at: Instant,
    /// Times that it came since then.
    untold: u64,
}

impl Counted {
    fn told(&self) -> String {
        format!("{} (came {} times more)", self.line, self.untold)
    }
}

impl Repeats {
    /// A line came. Gives it where it is to be told now.
    pub(crate) fn came(&mut self, line: &str, now: Instant) -> Option<String> {
        let find = |list: &[Counted], line: &str| list.iter().position(|one| &*one.line == line);
        let (line, place) = match find(&self.0, line) {
            None if self.0.len() >= MOST_LINES => (OTHERS, find(&self.0, OTHERS)),
            place => (line, place),
        };
        if let Some(place) = place {
            self.0[place].untold += 1;
            return None;
        }
        self.0.push(Counted {
            line: line.into(),
            told_at: now,
            untold: 0,
        });
        Some(line.to_owned())
    }

    /// What came again, of lines that were told a minute ago. Lines that did not come again are forgotten.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<String> {
        let mut due = Vec::new();
        self.0.retain_mut(|one| {
            if now.saturating_duration_since(one.told_at) < TELL_EVERY {
                return true;
            }
            let came_again = one.untold > 0;
            if came_again {
                due.push(one.told());
                (one.told_at, one.untold) = (now, 0);
            }
            came_again
        });
        due
    }

    /// What came again and was not told.
    pub(crate) fn rest(&self) -> impl Iterator<Item = String> {
        self.0.iter().filter(|one| one.untold > 0).map(Counted::told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_line_is_counted_and_told_once_a_minute() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        let after = |secs| start + Duration::from_secs(secs);
        assert_eq!(repeats.came("500", start).as_deref(), Some("500"));
        assert!((0..1_000_000).all(|_| repeats.came("500", after(1)).is_none()));
        assert_eq!(repeats.came("400", after(2)).as_deref(), Some("400"));
        assert_eq!(repeats.rest().collect::<Vec<_>>(), ["500 (came 1000000 times more)"]);
        assert!(repeats.due(after(59)).is_empty());
        assert_eq!(repeats.due(after(60)), ["500 (came 1000000 times more)"]);
        assert!(repeats.came("500", after(61)).is_none());
        assert!(repeats.came("400", after(61)).is_none());
        assert_eq!(repeats.due(after(62)), ["400 (came 1 times more)"]);
        assert!(repeats.due(after(200)).len() == 1 && repeats.due(after(300)).is_empty());
        assert!(
            repeats.came("500", after(301)).is_some(),
            "forgotten, as it did not come for a minute"
        );
    }

    #[test]
    fn a_peer_that_invents_lines_takes_no_memory() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        let told = (0..10_000)
            .filter(|n| repeats.came(&n.to_string(), start).is_some())
            .count();
        assert_eq!(told, MOST_LINES + 1);
        assert_eq!(repeats.due(start + TELL_EVERY), ["other texts (came 9983 times more)"]);
    }
}
