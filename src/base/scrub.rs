//! Keeps secrets out of what leaves the process: each secret is known here, and is replaced wherever a peer repeats it.
//!
//! In: secrets, texts · Out: texts with `<secret>` in their place · Thread: any (one lock, held while a text is searched).
//!
//! A secret is found plain, URL-encoded (hex digits of either case), and in base64 of both alphabets, also inside a longer
//! text that was encoded as a whole, such as `id:secret`. A peer that writes it in another way passes.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{OnceLock, PoisonError, RwLock};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use super::percent::percent_encode;

/// A longer text of a peer is cut off in messages.
const SHOWN_CHARS: usize = 300;
/// Shorter secrets are not searched for: they occur by chance, and messages would become unreadable.
const SHORTEST_BYTES: usize = 8;
/// The simulator's, which is in its manual.
const NO_SECRET: &str = "simulator";
/// Secrets of the configuration that are known at one time.
const MOST_CONFIGURED: usize = 64;
/// Tokens and channels that are known at one time; the oldest are over.
const MOST_PASSING: usize = 512;

/// How long a secret is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// As long as the process, or until many more came.
    Configured,
    /// Until many more came.
    Passing,
}

struct Known {
    stand_in: &'static str,
    /// The plain text first.
    forms: Vec<Zeroizing<Vec<u8>>>,
}

#[derive(Default)]
struct Secrets {
    configured: VecDeque<Known>,
    passing: VecDeque<Known>,
    /// The first words of all forms, in order.
    words: Vec<Word>,
    /// A bit for each hash of a word; empty as long as no secret is known.
    hashes: Vec<u64>,
}

/// Four bytes of a form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Word {
    bytes: u32,
    /// Where in the form they are.
    at: usize,
    /// The place of the secret among all, and of the form among its forms.
    form: (usize, usize),
}

/// A text is looked at every so many bytes: wherever a form of the shortest length stands, one such place is among its first
/// five, and the word there lies inside the form.
const STEP: usize = 5;
const WORD: usize = 4;
const _: () = assert!(STEP + WORD - 1 <= SHORTEST_BYTES);

fn secrets() -> &'static RwLock<Secrets> {
    static SECRETS: OnceLock<RwLock<Secrets>> = OnceLock::new();
    SECRETS.get_or_init(RwLock::default)
}

/// From now on the secret is replaced.
pub(super) fn learn(secret: &str, life: Life, stand_in: &'static str) {
    if secret.len() < SHORTEST_BYTES || secret == NO_SECRET {
        return;
    }
    let is_known = |secrets: &Secrets| {
        secrets
            .all()
            .any(|known| known.forms[0].as_slice() == secret.as_bytes())
    };
    if is_known(&secrets().read().unwrap_or_else(PoisonError::into_inner)) {
        return;
    }
    let known = Known {
        stand_in,
        forms: forms(secret),
    };
    let mut secrets = secrets().write().unwrap_or_else(PoisonError::into_inner);
    let (list, most) = match life {
        Life::Configured => (&mut secrets.configured, MOST_CONFIGURED),
        Life::Passing => (&mut secrets.passing, MOST_PASSING),
    };
    list.push_back(known);
    if list.len() > most {
        list.pop_front();
    }
    secrets.index();
}

/// All forms of a secret, the longest of those that share a begin first.
fn forms(secret: &str) -> Vec<Zeroizing<Vec<u8>>> {
    let mut others: Vec<String> = Vec::new();
    let encoded = percent_encode(secret);
    others.push(encoded.to_ascii_lowercase_hex());
    others.push(encoded);
    others.extend((0..3).flat_map(|before| {
        let standard = inside_base64(secret.as_bytes(), before);
        [standard.replace('+', "-").replace('/', "_"), standard]
    }));
    others.retain(|form| form.len() >= SHORTEST_BYTES && form != secret);
    others.sort_unstable_by_key(|form| std::cmp::Reverse(form.len()));
    others.dedup();
    let forms = std::iter::once(secret.to_owned()).chain(others);
    forms.map(|form| Zeroizing::new(form.into_bytes())).collect()
}

trait LowerHex {
    fn to_ascii_lowercase_hex(&self) -> String;
}

impl LowerHex for String {
    /// `%2F` becomes `%2f`.
    fn to_ascii_lowercase_hex(&self) -> String {
        let mut left = 0;
        let lower = |c: char| {
            left = if c == '%' { 3 } else { left };
            left = i32::max(left - 1, -1);
            if left >= 0 { c.to_ascii_lowercase() } else { c }
        };
        self.chars().map(lower).collect()
    }
}

/// The digits that depend on the secret alone, in the base64 of a text that has so many bytes before it (of a multiple of
/// three).
fn inside_base64(secret: &[u8], before: usize) -> String {
    let mut whole = Zeroizing::new(vec![0; before]);
    whole.extend_from_slice(secret);
    let (first, end) = ((before * 8).div_ceil(6), whole.len() * 8 / 6);
    BASE64_STANDARD.encode(&*whole)[first..end].to_owned()
}

impl Secrets {
    fn all(&self) -> impl Iterator<Item = &Known> {
        self.configured.iter().chain(&self.passing)
    }

    fn form(&self, (known, form): (usize, usize)) -> Option<(&[u8], &'static str)> {
        let known = match known.checked_sub(self.configured.len()) {
            None => self.configured.get(known)?,
            Some(known) => self.passing.get(known)?,
        };
        Some((known.forms.get(form)?, known.stand_in))
    }

    fn index(&mut self) {
        let mut words = Vec::new();
        for (known, secret) in self.all().enumerate() {
            for (form, bytes) in secret.forms.iter().enumerate() {
                let firsts = (0..STEP).filter_map(|at| Some((at, word(bytes, at)?)));
                words.extend(firsts.map(|(at, bytes)| Word {
                    bytes,
                    at,
                    form: (known, form),
                }));
            }
        }
        words.sort_unstable();
        self.hashes = vec![0; 1 << 10];
        for word in &words {
            let hash = hash(word.bytes);
            self.hashes[hash / 64] |= 1 << (hash % 64);
        }
        self.words = words;
    }

    /// Where the next secret is: begin, end, and what stands for it.
    fn next(&self, text: &[u8], from: usize) -> Option<(usize, usize, &'static str)> {
        let mut at = from;
        while let Some(bytes) = word(text, at) {
            let hash = hash(bytes);
            if self.hashes[hash / 64] >> (hash % 64) & 1 == 1
                && let Some(found) = self.around(text, from, at, bytes)
            {
                return Some(found);
            }
            at += STEP;
        }
        None
    }

    /// The first secret, and of those that begin there the longest, of which `bytes` is the word at this place.
    fn around(&self, text: &[u8], from: usize, at: usize, bytes: u32) -> Option<(usize, usize, &'static str)> {
        let first = self.words.partition_point(|word| word.bytes < bytes);
        let same = self.words[first..].iter().take_while(|word| word.bytes == bytes);
        let found = same.filter_map(|word| {
            let begin = at.checked_sub(word.at).filter(|begin| *begin >= from)?;
            let (form, stand_in) = self.form(word.form)?;
            let is_there = text[begin..].starts_with(form);
            is_there.then_some((begin, begin + form.len(), stand_in))
        });
        found.min_by_key(|(begin, end, _)| (*begin, std::cmp::Reverse(*end)))
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// 16 bits.
fn hash(word: u32) -> usize {
    (word.wrapping_mul(0x9e37_79b1) >> 16) as usize
}

/// Replaces secrets in what `bytes` holds from `from` on.
pub(crate) fn bytes(bytes: &mut Vec<u8>, from: usize) {
    let secrets = secrets().read().unwrap_or_else(PoisonError::into_inner);
    if secrets.hashes.is_empty() {
        return;
    }
    let mut at = from;
    while let Some((begin, end, stand_in)) = secrets.next(bytes, at) {
        bytes.splice(begin..end, stand_in.bytes());
        at = begin + stand_in.len();
    }
}

/// The text without secrets.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    let is_clean = {
        let secrets = secrets().read().unwrap_or_else(PoisonError::into_inner);
        secrets.hashes.is_empty() || secrets.next(text.as_bytes(), 0).is_none()
    };
    if is_clean {
        return Cow::Borrowed(text);
    }
    let mut scrubbed = text.as_bytes().to_vec();
    bytes(&mut scrubbed, 0);
    Cow::Owned(String::from_utf8_lossy(&scrubbed).into_owned())
}

/// A text of a peer as one line without secrets: control characters become spaces, and a long text is cut off.
pub(crate) fn line_of_peer(peers: &str) -> String {
    // Before it is cut, because half a secret would not be found.
    let clean = text(peers);
    let shown = clean.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = shown.take(SHOWN_CHARS).collect();
    if clean.chars().nth(SHOWN_CHARS).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "scrub/test+Se<ret&7";

    #[test]
    fn a_secret_is_found_in_each_form() {
        learn(SECRET, Life::Configured, "<secret>");
        let encoded = percent_encode(SECRET);
        assert!(encoded.contains("%2F") && encoded.contains("%3C"));
        for plain in [
            SECRET,
            &encoded,
            &encoded
                .replace("%2F", "%2f")
                .replace("%2B", "%2b")
                .replace("%3C", "%3c"),
        ] {
            assert_eq!(
                text(&format!("a {plain} b {plain}")),
                "a <secret> b <secret>",
                "{plain}"
            );
        }
        for before in ["", "i", "id", "id:", "client:"] {
            for after in ["", "x", "xy"] {
                let whole = BASE64_STANDARD.encode(format!("{before}{SECRET}{after}"));
                for form in [whole.clone(), whole.replace('+', "-").replace('/', "_")] {
                    let scrubbed = text(&form).into_owned();
                    assert!(
                        scrubbed.contains("<secret>") && scrubbed.len() < 30,
                        "{form}: {scrubbed}"
                    );
                }
            }
        }
        assert_eq!(text("nothing in it"), "nothing in it");
        assert!(matches!(text("nothing in it"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_text_of_a_peer_is_short_and_half_a_secret_is_not_left_at_its_end() {
        learn("cut-in-two-by-the-limit", Life::Passing, "<channel>");
        let long = format!("{}cut-in-two-by-the-limit", "ä\n".repeat(146));
        let line = line_of_peer(&long);
        assert!(
            line.ends_with("<channe…") || line.ends_with("<channel…") || line.ends_with("<channel>"),
            "{line}"
        );
        assert!(!line.contains("cut-in") && !line.contains('\n'));
        assert!(line_of_peer(&"x".repeat(1000)).chars().count() == SHOWN_CHARS + 1);
        assert_eq!(line_of_peer("short"), "short");
    }

    proptest::proptest! {
        #[test]
        fn a_secret_is_found_wherever_it_stands(before in "[a-z0-9/%+]{0,30}", between in "[a-z]{0,9}", after in "[a-z]{0,9}") {
            const SECRETS: [&str; 3] = ["8bytes!!", "8bytes!!-and-more", "another-Secret"];
            SECRETS.iter().for_each(|secret| learn(secret, Life::Configured, "<secret>"));
            let [short, long, other] = SECRETS;
            proptest::prop_assert_eq!(
                text(&format!("{before}{short}{between}{long}{other}{after}")).into_owned(),
                format!("{before}<secret>{between}<secret><secret>{after}")
            );
        }
    }

    #[test]
    fn short_secrets_and_the_simulators_are_left_alone() {
        learn("short", Life::Configured, "<secret>");
        learn(NO_SECRET, Life::Configured, "<secret>");
        assert_eq!(text("the simulator is short"), "the simulator is short");
    }

    #[test]
    fn what_came_in_between_is_forgotten_and_the_configuration_is_not() {
        learn("kept-for-the-whole-run", Life::Configured, "<secret>");
        (0..2 * MOST_PASSING).for_each(|n| learn(&format!("token-number-{n:08}"), Life::Passing, "<secret>"));
        let secrets = secrets().read().unwrap_or_else(PoisonError::into_inner);
        assert!(secrets.passing.len() <= MOST_PASSING && secrets.configured.len() <= MOST_CONFIGURED);
        drop(secrets);
        assert_eq!(text("kept-for-the-whole-run"), "<secret>");
        let newest = format!("token-number-{:08}", 2 * MOST_PASSING - 1);
        assert_eq!(text(&newest), "<secret>");
    }
}
