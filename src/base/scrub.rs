//! Keeps secrets out of what leaves the process: each secret is known here, and is replaced wherever a peer repeats it.
//!
//! In: secrets, texts · Out: texts with `<secret>` in their place · Thread: any (one lock, held while a text is searched).
//!
//! A secret is found plain, URL-encoded (with or without `-._~`, hex digits of either case), as a text in JSON and in a frame
//! that is a text in JSON, and in base64 of both alphabets, also inside a longer text that was encoded as a whole, such as
//! `id:secret`. A peer that writes it in another way passes.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use super::percent::{percent_encode, percent_encode_all};

/// A longer text of a peer is cut off in messages.
const SHOWN_CHARS: usize = 300;
/// Shorter secrets are not searched for: they occur by chance, and messages would become unreadable.
const SHORTEST_BYTES: usize = 8;
/// The simulator's, which is in its manual.
const NO_SECRET: &str = "simulator";
/// Secrets of the configuration that are known at one time.
const MOST_CONFIGURED: usize = 64;
/// Tokens and channels that are known although they are no longer in use.
const MOST_PASSING: usize = 512;

/// How long a secret is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// As long as the process, or until many more came.
    Configured,
    /// As long as it is in use, and then until many others were learned.
    Passing,
}

/// Says that a secret is in use, until it is dropped.
pub(super) type InUse = Arc<()>;

struct Known {
    stand_in: &'static str,
    /// The plain text first.
    forms: Vec<Zeroizing<Vec<u8>>>,
}

impl Known {
    /// The first `step` words of all forms, each with its form and its place in it.
    fn words(&self, step: usize) -> impl Iterator<Item = (u32, usize, usize)> {
        let forms = self.forms.iter().enumerate();
        forms.flat_map(move |(form, bytes)| (0..step).filter_map(move |at| Some((word(bytes, at)?, form, at))))
    }

    /// The largest step of a search that finds all forms.
    fn step(&self) -> usize {
        let shortest = self.forms.iter().map(|form| form.len()).min();
        shortest.unwrap_or(0).clamp(SHORTEST_BYTES, MOST_STEP + WORD - 1) + 1 - WORD
    }
}

#[derive(Default)]
struct Secrets {
    configured: VecDeque<Arc<Known>>,
    passing: VecDeque<(Arc<Known>, Weak<()>)>,
    /// A text is looked at every so many bytes: wherever a form of the shortest length stands, one such place is among its
    /// first bytes, and the word there lies inside the form. It only becomes smaller.
    step: usize,
    /// By their first words: the secrets, the place of the form among a secret's forms, and of the word in the form.
    words: HashMap<u32, Vec<(Arc<Known>, usize, usize)>>,
    /// A bit for each hash of a word, also of words that are over; empty as long as no secret is known.
    hashes: Vec<u64>,
    /// Secrets that are over since the hashes were made.
    over: usize,
}

/// A secret has so many words for each form at most, which bounds their memory.
const MOST_STEP: usize = 13;
const WORD: usize = 4;

fn secrets() -> &'static RwLock<Secrets> {
    static SECRETS: OnceLock<RwLock<Secrets>> = OnceLock::new();
    SECRETS.get_or_init(RwLock::default)
}

/// From now on the secret is replaced.
pub(super) fn learn(secret: &str, life: Life, stand_in: &'static str) -> InUse {
    let mut secrets = secrets().write().unwrap_or_else(PoisonError::into_inner);
    secrets.learn(secret, life, stand_in)
}

/// All forms of a secret, the longest of those that share a begin first.
fn forms(secret: &str) -> Vec<Zeroizing<Vec<u8>>> {
    let mut others: Vec<String> = Vec::new();
    for encoded in [percent_encode(secret), percent_encode_all(secret)] {
        others.push(encoded.to_ascii_lowercase_hex());
        others.push(encoded);
    }
    let escaped = escaped(secret);
    others.extend([self::escaped(&escaped), escaped]);
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

/// As it stands in JSON, and in a label of a metric: with escapes, without the quotes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
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
    fn learn(&mut self, secret: &str, life: Life, stand_in: &'static str) -> InUse {
        let is_same = |known: &Known| known.forms[0].as_slice() == secret.as_bytes();
        let is_searched_for = secret.len() >= SHORTEST_BYTES && secret != NO_SECRET;
        if !is_searched_for || self.configured.iter().any(|known| is_same(known)) {
            return InUse::default();
        }
        if let Some(at) = self.passing.iter().position(|(known, _)| is_same(known))
            && let Some((known, in_use)) = self.passing.remove(at)
        {
            let in_use = in_use.upgrade().unwrap_or_default();
            match life {
                Life::Configured => self.configured.push_back(known),
                Life::Passing => self.passing.push_back((known, Arc::downgrade(&in_use))),
            }
            return in_use;
        }
        let forms = forms(secret);
        let known = Arc::new(Known { stand_in, forms });
        if self.hashes.is_empty() {
            self.hashes = vec![0; HASHES / 64];
            self.step = MOST_STEP;
        }
        self.step = self.step.min(known.step());
        for (word, form, at) in known.words(self.step) {
            let same = self.words.entry(word).or_insert_with(|| Vec::with_capacity(1));
            same.push((Arc::clone(&known), form, at));
            set(&mut self.hashes, word);
        }
        let in_use = InUse::default();
        let over = match life {
            Life::Configured => {
                self.configured.push_back(known);
                let is_over = self.configured.len() > MOST_CONFIGURED;
                is_over.then(|| self.configured.pop_front()).flatten()
            }
            Life::Passing => {
                let is_unused = |(_, in_use): &(Arc<Known>, Weak<()>)| in_use.strong_count() == 0;
                let unused = self.passing.iter().filter(|one| is_unused(one)).count();
                self.passing.push_back((known, Arc::downgrade(&in_use)));
                let oldest = self
                    .passing
                    .iter()
                    .position(is_unused)
                    .filter(|_| unused > MOST_PASSING);
                oldest.and_then(|at| self.passing.remove(at)).map(|(known, _)| known)
            }
        };
        if let Some(over) = over {
            self.forget(&over);
        }
        in_use
    }

    fn forget(&mut self, over: &Arc<Known>) {
        for (word, ..) in over.words(MOST_STEP) {
            if let Some(same) = self.words.get_mut(&word) {
                same.retain(|(known, ..)| !Arc::ptr_eq(known, over));
                if same.is_empty() {
                    self.words.remove(&word);
                }
            }
        }
        self.over += 1;
        if self.over >= MOST_PASSING {
            self.over = 0;
            self.hashes.fill(0);
            self.words.keys().for_each(|word| set(&mut self.hashes, *word));
        }
    }

    /// Where the next secret is: begin, end, and what stands for it.
    fn next(&self, text: &[u8], from: usize) -> Option<(usize, usize, &'static str)> {
        if self.hashes.is_empty() {
            return None;
        }
        let mut at = from;
        while let Some(bytes) = word(text, at) {
            let hash = hash(bytes);
            if self.hashes[hash / 64] >> (hash % 64) & 1 == 1
                && let Some(found) = self.around(text, from, at, bytes)
            {
                return Some(found);
            }
            at += self.step;
        }
        None
    }

    /// The first secret, and of those that begin there the longest, of which `bytes` is the word at this place.
    fn around(&self, text: &[u8], from: usize, at: usize, bytes: u32) -> Option<(usize, usize, &'static str)> {
        let found = self.words.get(&bytes)?.iter().filter_map(|(known, form, in_form)| {
            let begin = at.checked_sub(*in_form).filter(|begin| *begin >= from)?;
            let form = known.forms.get(*form)?;
            let is_there = text[begin..].starts_with(form);
            is_there.then_some((begin, begin + form.len(), known.stand_in))
        });
        found.min_by_key(|(begin, end, _)| (*begin, std::cmp::Reverse(*end)))
    }

    fn replace(&self, bytes: &mut Vec<u8>, from: usize) {
        let (mut at, mut copied) = (from, 0);
        let mut clean = Vec::new();
        while let Some((begin, end, stand_in)) = self.next(bytes, at) {
            clean.extend_from_slice(&bytes[copied..begin]);
            clean.extend_from_slice(stand_in.as_bytes());
            (at, copied) = (end, end);
        }
        if copied > 0 {
            clean.extend_from_slice(&bytes[copied..]);
            *bytes = clean;
        }
    }

    fn clean<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.next(text.as_bytes(), 0).is_none() {
            return Cow::Borrowed(text);
        }
        let mut clean = text.as_bytes().to_vec();
        self.replace(&mut clean, 0);
        Cow::Owned(String::from_utf8_lossy(&clean).into_owned())
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn set(hashes: &mut [u64], word: u32) {
    let hash = hash(word);
    hashes[hash / 64] |= 1 << (hash % 64);
}

const HASHES: usize = 1 << 16;

/// Less than [`HASHES`].
fn hash(word: u32) -> usize {
    (word.wrapping_mul(0x9e37_79b1) >> 16) as usize
}

/// Replaces secrets in what `bytes` holds from `from` on.
pub(crate) fn bytes(bytes: &mut Vec<u8>, from: usize) {
    let secrets = secrets().read().unwrap_or_else(PoisonError::into_inner);
    secrets.replace(bytes, from);
}

/// The text without secrets.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    secrets().read().unwrap_or_else(PoisonError::into_inner).clean(text)
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

    const SECRET: &str = "scrub/test-+Se<ret&7";

    /// Tests have secrets of their own: those of the process are pushed out by other tests.
    fn of(all: &[&str]) -> Secrets {
        let mut secrets = Secrets::default();
        all.iter()
            .for_each(|secret| drop(secrets.learn(secret, Life::Configured, "<secret>")));
        secrets
    }

    #[test]
    fn a_secret_is_found_in_each_form() {
        let secrets = of(&[SECRET]);
        let text = |text: &str| secrets.clean(text).into_owned();
        let encoded = percent_encode(SECRET);
        assert!(encoded.contains("%2F") && encoded.contains("%3C"));
        for plain in [
            SECRET,
            &encoded,
            &encoded.replace('-', "%2D"),
            &encoded
                .replace('-', "%2d")
                .replace("%2F", "%2f")
                .replace("%2B", "%2b")
                .replace("%3C", "%3c"),
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
                    let scrubbed = text(&form);
                    assert!(
                        scrubbed.contains("<secret>") && scrubbed.len() < 30,
                        "{form}: {scrubbed}"
                    );
                }
            }
        }
        assert_eq!(text("nothing in it"), "nothing in it");
        let quoted = of(&[r#"quo"ted\secret"#]);
        let frame = serde_json::json!({"text": r#"my quo"ted\secret."#}).to_string();
        assert_eq!(quoted.clean(&frame), r#"{"text":"my <secret>."}"#);
        let recorded = serde_json::json!({ "data": frame }).to_string();
        assert_eq!(quoted.clean(&recorded), r#"{"data":"{\"text\":\"my <secret>.\"}"}"#);
        assert!(matches!(secrets.clean("nothing in it"), Cow::Borrowed(_)));
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
            // The step of a search comes from the shortest one.
            for all in [
                ["8bytes!!", "8bytes!!-and-more", "another-Secret"],
                ["twelve-bytes", "twelve-bytes-and-more", "another-Secret"],
                ["many-more-bytes-than-a-step", "many-more-bytes-than-a-step-and-more", "another-of-many-more-bytes"],
            ] {
                for secrets in [of(&all), of(&[all[2], all[1], all[0]])] {
                    let [short, long, other] = all;
                    proptest::prop_assert_eq!(
                        secrets.clean(&format!("{before}{short}{between}{long}{other}{after}")).into_owned(),
                        format!("{before}<secret>{between}<secret><secret>{after}")
                    );
                }
            }
        }
    }

    #[test]
    fn short_secrets_and_the_simulators_are_left_alone() {
        let secrets = of(&["short", NO_SECRET]);
        assert_eq!(secrets.clean("the simulator is short"), "the simulator is short");
    }

    #[test]
    fn what_came_in_between_is_forgotten_and_the_configuration_is_not() {
        let mut secrets = of(&["kept-for-the-whole-run"]);
        let in_use = secrets.learn("in-use-meanwhile", Life::Passing, "<channel>");
        for n in 0..2 * MOST_PASSING {
            secrets.learn(&format!("token-number-{n:08}"), Life::Passing, "<secret>");
        }
        assert!((MOST_PASSING..=MOST_PASSING + 2).contains(&secrets.passing.len()));
        assert!(secrets.words.len() <= 8 * MOST_STEP * (MOST_PASSING + 3));
        assert_eq!(secrets.clean("kept-for-the-whole-run"), "<secret>");
        assert_eq!(secrets.clean("in-use-meanwhile"), "<channel>");
        // Learned again it is as new, and once it is in use no more it is forgotten after many others.
        drop((in_use, secrets.learn("in-use-meanwhile", Life::Passing, "<channel>")));
        for n in 0..=MOST_PASSING + 1 {
            assert_eq!(secrets.clean("in-use-meanwhile"), "<channel>", "after {n}");
            secrets.learn(&format!("later-token-{n:08}"), Life::Passing, "<secret>");
        }
        assert_eq!(secrets.clean("in-use-meanwhile"), "in-use-meanwhile");
        assert_eq!(secrets.clean("kept-for-the-whole-run"), "<secret>");
        // All that are in use are known, however many.
        let many = Vec::from_iter((0..2 * MOST_PASSING).map(|n| format!("many-in-use-{n:08}")));
        let in_use = Vec::from_iter(many.iter().map(|one| secrets.learn(one, Life::Passing, "<secret>")));
        assert!(many.iter().all(|one| secrets.clean(one) == "<secret>"));
        drop(in_use);
        assert_eq!(secrets.clean("token-number-00000000"), "token-number-00000000");
        // What the configuration has, too, is known for as long as that.
        secrets.learn("in-both-lists", Life::Passing, "<secret>");
        secrets.learn("in-both-lists", Life::Configured, "<secret>");
        for n in 0..2 * MOST_PASSING {
            secrets.learn(&format!("last-token-{n:08}"), Life::Passing, "<secret>");
        }
        assert_eq!(secrets.clean("in-both-lists"), "<secret>");
    }
}
