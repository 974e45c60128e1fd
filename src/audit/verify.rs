//! Checks the chain of an audit file, line by line.
//!
//! In: lines · Out: a summary of the whole chain, or the first broken line · Thread: any (pure).
//!
//! A chain does not show that lines were cut off at its end, nor that its last line was changed.

use serde_json::Value;

use super::FIRST;
use crate::base::digest::sha256_hex;

/// Summary of a chain without a fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Whole {
    /// Number of lines, torn ones included.
    pub(crate) lines: u64,
    /// Numbers of the lines that a crash tore; the entry after each says so.
    pub(crate) torn: Vec<u64>,
    /// Times of the first and the last entry, as written.
    pub(crate) span: Option<(String, String)>,
    /// `prev` of the first line, if it refers to an earlier file.
    pub(crate) continues: Option<String>,
}

/// The first broken line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Its number, from 1.
    pub(crate) line: u64,
    /// What was expected and found.
    pub(crate) what: String,
}

/// Checks lines in order.
#[derive(Debug, Default)]
pub(crate) struct Verifier {
    whole: Whole,
    /// SHA-256 of the line before.
    before: Option<String>,
    /// The line before is no entry; that is allowed only if this line says that it was torn.
    unreadable: bool,
    /// The `prev` of the line before does not match the line before it; the next line shows which of the two was changed.
    doubt: Option<Doubt>,
}

#[derive(Debug)]
struct Doubt {
    line: u64,
    said: String,
    expected: String,
}

impl Doubt {
    /// `goes_on`: the next line matches the line in doubt, so that the line before it was changed.
    fn resolve(&self, goes_on: Option<bool>) -> Broken {
        let Doubt { line, said, expected } = self;
        let before = line - 1;
        match goes_on {
            Some(false) => Broken {
                line: *line,
                what: format!(
                    "its prev is {said}, expected is {expected} (the SHA-256 of line {before}), and line {} does not follow \
                     from it either: it was changed or put there",
                    line + 1
                ),
            },
            _ => Broken {
                line: before,
                what: format!(
                    "its SHA-256 is {expected}, line {line} expects {said}: it was changed, or lines after it were removed, \
                     moved or put there"
                ),
            },
        }
    }
}

impl Verifier {
    /// Checks the next line, given without its newline.
    ///
    /// # Errors
    /// The first broken line, as soon as it is known.
    pub(crate) fn line(&mut self, line: &[u8]) -> Result<(), Broken> {
        self.whole.lines += 1;
        let number = self.whole.lines;
        let before = self.before.replace(sha256_hex(line));
        let entry = Read::of(line);
        if let Some(doubt) = self.doubt.take() {
            let goes_on = entry.as_ref().map(|entry| Some(&entry.prev) == before.as_ref());
            return Err(doubt.resolve(goes_on.or(Some(false))));
        }
        if std::mem::take(&mut self.unreadable) {
            let is_excused = entry
                .as_ref()
                .is_some_and(|entry| entry.kind == "torn" && Some(&entry.prev) == before.as_ref());
            if !is_excused {
                return Err(no_entry(number - 1));
            }
            self.whole.torn.push(number - 1);
        }
        let Some(entry) = entry else {
            self.unreadable = true;
            return Ok(());
        };
        match before {
            None if entry.prev == FIRST => {}
            None => self.whole.continues = Some(entry.prev),
            Some(expected) if expected == entry.prev => {}
            Some(expected) => {
                self.doubt = Some(Doubt {
                    line: number,
                    said: entry.prev,
                    expected,
                });
            }
        }
        match &mut self.whole.span {
            Some((_, last)) => *last = entry.at,
            none => *none = Some((entry.at.clone(), entry.at)),
        }
        Ok(())
    }

    /// Ends the check; `rest` is what follows the last newline of the file.
    ///
    /// # Errors
    /// The first broken line.
    pub(crate) fn finish(mut self, rest: &[u8]) -> Result<Whole, Broken> {
        if !rest.is_empty() {
            self.line(rest)?;
            if self.doubt.is_none() {
                return Err(Broken {
                    line: self.whole.lines,
                    what: "it has no end (no newline): the writer was cut off, or the file was. The next start of the \
                           stream ends it and goes on after it"
                        .to_owned(),
                });
            }
        }
        if let Some(doubt) = self.doubt {
            return Err(doubt.resolve(None));
        }
        if self.unreadable {
            return Err(no_entry(self.whole.lines));
        }
        Ok(self.whole)
    }
}

fn no_entry(line: u64) -> Broken {
    Broken {
        line,
        what: "it is no audit entry: expected is a JSON object with at, kind and prev (64 hex digits)".to_owned(),
    }
}

/// The fields of an entry that the check needs.
struct Read {
    at: String,
    kind: String,
    prev: String,
}

impl Read {
    fn of(line: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(line).ok()?;
        let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
        let is_hex = |prev: &String| prev.len() == 64 && prev.bytes().all(|b| b.is_ascii_hexdigit());
        Some(Self {
            at: text("at")?,
            kind: text("kind")?,
            prev: text("prev").filter(is_hex)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Chain;
    use super::super::tests::entry;
    use super::*;
    use crate::Moment;
    use crate::audit::Entry;
    use proptest::prelude::*;

    fn lines(count: i64) -> Vec<Vec<u8>> {
        let mut chain = Chain::beginning();
        let mut lines = Vec::new();
        for n in 1..=count {
            let mut line = chain.line(&entry(n));
            line.pop();
            chain = Chain::after(&line);
            lines.push(line);
        }
        lines
    }

    fn verify(lines: &[Vec<u8>]) -> Result<Whole, Broken> {
        let mut verifier = Verifier::default();
        for line in lines {
            verifier.line(line)?;
        }
        verifier.finish(b"")
    }

    #[test]
    fn a_whole_chain_and_one_that_continues() {
        let lines = lines(5);
        let whole = verify(&lines).unwrap();
        assert_eq!((whole.lines, whole.continues.as_deref()), (5, None));
        let continues = verify(&lines[2..]).unwrap().continues.unwrap();
        assert_eq!(continues, sha256_hex(&lines[1]));
        assert_eq!(verify(&[]).unwrap().lines, 0);
    }

    #[test]
    fn the_first_broken_line_is_named() {
        let sound = lines(6);
        let broken = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
            let mut lines = sound.clone();
            change(&mut lines);
            verify(&lines).unwrap_err()
        };
        let edit = |from: &'static str, to: &'static str, at: usize| {
            broken(&move |lines| {
                let text = String::from_utf8(lines[at].clone()).unwrap();
                assert!(text.contains(from), "{text}");
                lines[at] = text.replace(from, to).into_bytes();
            })
        };
        let changed = edit("\"life_secs\":3", "\"life_secs\":4", 2);
        assert_eq!(changed.line, 3, "{changed:?}");
        assert!(
            changed.what.contains(&sha256_hex(&sound[2])),
            "what line 4 expects: {changed:?}"
        );
        assert_eq!(edit("\"prev\":\"", "\"prev\":\"0", 2).line, 3, "no 64 digits");
        let prev = broken(&|lines| {
            let text = String::from_utf8(lines[2].clone()).unwrap();
            lines[2] = text.replace(&sha256_hex(&sound[1]), FIRST).into_bytes();
        });
        assert_eq!(prev.line, 3, "{prev:?}");
        let put_in = broken(&|lines| lines.insert(3, lines[3].clone()));
        assert_eq!(put_in.line, 4, "{put_in:?}");
        assert_eq!(broken(&|lines| drop(lines.remove(3))).line, 3);
        assert_eq!(broken(&|lines| lines.swap(3, 4)).line, 4);
        assert_eq!(broken(&|lines| lines[1] = b"garbage".to_vec()).line, 2);
        assert_eq!(broken(&|lines| lines[5] = Vec::new()).line, 6);
        assert_eq!(broken(&|lines| lines[4][10] ^= 1).line, 5, "before the last");
    }

    #[test]
    fn a_torn_line_is_excused_by_the_entry_after_it_only() {
        let mut all = lines(3);
        all[2].truncate(20);
        let torn = Entry::new("torn", Moment::from_epoch_ms(9));
        let line = |entry: &Entry, before: &[u8]| {
            let mut line = Chain::after(before).line(entry);
            line.pop();
            line
        };
        let excused = line(&torn, &all[2]);
        let unexcused = line(&entry(9), &all[2]);
        all.push(excused);
        assert_eq!(verify(&all).unwrap().torn, [3]);
        all[3] = unexcused;
        assert_eq!(verify(&all).unwrap_err().line, 3);
        all[3] = line(&torn, b"another line");
        assert_eq!(verify(&all).unwrap_err().line, 3);
    }

    #[test]
    fn an_unfinished_last_line_is_named() {
        let all = lines(3);
        let mut verifier = Verifier::default();
        verifier.line(&all[0]).unwrap();
        verifier.line(&all[1]).unwrap();
        let broken = verifier.finish(&all[2][..30]).unwrap_err();
        assert!(broken.line == 3 && broken.what.contains("no newline"), "{broken:?}");
    }

    proptest! {
        /// Whatever is done to one line but the last is found, at that line.
        #[test]
        fn no_flipped_bit_stays_unseen(at in 0_usize..5, byte in 0_usize..100, bit in 0_u32..7) {
            let mut all = lines(6);
            let byte = byte % all[at].len();
            all[at][byte] ^= 1 << bit;
            prop_assert_eq!(verify(&all).unwrap_err().line, at as u64 + 1);
        }

        #[test]
        fn nothing_panics(all in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6)) {
            let _ = verify(&all);
        }
    }
}
