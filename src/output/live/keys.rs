//! The keys of a terminal, from the bytes that it sends.
//!
//! In: bytes in any pieces · Out: `Key`s · Thread: any (pure).

/// A key, or what was typed with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Char(char),
    Enter,
    Escape,
    Backspace,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
}

/// The longest sequence of a key; a longer one is no key.
const LONGEST: usize = 16;

/// Turns bytes into keys. The bytes of one key may come in pieces.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    waiting: Vec<u8>,
}

impl Decoder {
    /// The keys that are whole with these bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<Key> {
        self.waiting.extend_from_slice(bytes);
        let mut keys = Vec::new();
        let mut at = 0;
        while let Some((length, key)) = first(&self.waiting[at..]) {
            at += length;
            keys.extend(key);
        }
        self.waiting.drain(..at);
        keys
    }

    /// Whether the first bytes of a key wait for its last ones.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Called when nothing more has come for a moment: a lone escape byte is the key Escape, other beginnings are dropped.
    pub(crate) fn give_up_waiting(&mut self) -> Option<Key> {
        (std::mem::take(&mut self.waiting) == [ESCAPE]).then_some(Key::Escape)
    }
}

const ESCAPE: u8 = 0x1b;

/// Length and meaning of the first key; `None` while it is not whole. A sequence without meaning here is no key.
fn first(bytes: &[u8]) -> Option<(usize, Option<Key>)> {
    match *bytes {
        [] => None,
        [ESCAPE, b'[' | b'O', ..] => sequence(bytes),
        [ESCAPE] => None,
        // Escape, then something else; or a key with Alt, which is taken for both.
        [ESCAPE, ..] => Some((1, Some(Key::Escape))),
        [b'\r' | b'\n', ..] => Some((1, Some(Key::Enter))),
        [0x7f | 0x08, ..] => Some((1, Some(Key::Backspace))),
        [byte, ..] if byte < b' ' => Some((1, None)),
        _ => character(bytes),
    }
}

/// `ESC [ … letter`, `ESC [ number ~` or `ESC O letter`.
fn sequence(bytes: &[u8]) -> Option<(usize, Option<Key>)> {
    let Some(length) = bytes.iter().skip(2).position(|byte| (0x40..=0x7e).contains(byte)) else {
        return (bytes.len() > LONGEST).then_some((bytes.len(), None));
    };
    let (parameters, last) = (&bytes[2..2 + length], bytes[2 + length]);
    // With Shift, Alt or Ctrl there is a second parameter.
    let number = parameters.split(|byte| *byte == b';').next().unwrap_or_default();
    let key = match (last, number) {
        (b'A', _) => Some(Key::Up),
        (b'B', _) => Some(Key::Down),
        (b'C', _) => Some(Key::Right),
        (b'D', _) => Some(Key::Left),
        (b'H', _) | (b'~', b"1" | b"7") => Some(Key::Home),
        (b'F', _) | (b'~', b"4" | b"8") => Some(Key::End),
        (b'~', b"5") => Some(Key::PageUp),
        (b'~', b"6") => Some(Key::PageDown),
        (b'~', b"3") => Some(Key::Backspace),
        (b'M', _) if bytes[1] == b'O' => Some(Key::Enter),
        _ => None,
    };
    Some((3 + length, key))
}

/// One character of UTF-8.
fn character(bytes: &[u8]) -> Option<(usize, Option<Key>)> {
    let most = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(most) {
        Ok(text) => text,
        Err(error) if error.valid_up_to() > 0 => std::str::from_utf8(&most[..error.valid_up_to()]).unwrap_or_default(),
        // The rest of the character has not come yet.
        Err(error) if error.error_len().is_none() => return None,
        Err(_) => return Some((1, None)),
    };
    let c = valid.chars().next()?;
    Some((c.len_utf8(), (!c.is_control()).then_some(Key::Char(c))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        Decoder::default().feed(bytes)
    }

    #[test]
    fn letters_arrows_and_editing_keys() {
        assert_eq!(keys("q/ü販".as_bytes()), ['q', '/', 'ü', '販'].map(Key::Char));
        assert_eq!(
            keys(b"\x1b[A\x1bOB\x1b[C\x1b[1;5D"),
            [Key::Up, Key::Down, Key::Right, Key::Left]
        );
        assert_eq!(
            keys(b"\x1b[5~\x1b[6~\x1b[H\x1b[4~\r\x7f"),
            [
                Key::PageUp,
                Key::PageDown,
                Key::Home,
                Key::End,
                Key::Enter,
                Key::Backspace
            ]
        );
        assert_eq!(keys(b"\x01\x1b[200~\xff\xc2\x9b"), [], "no keys of ours");
    }

    #[test]
    fn a_lone_escape_is_known_when_nothing_follows() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(b"\x1b"), []);
        assert!(decoder.is_waiting());
        assert_eq!(decoder.give_up_waiting(), Some(Key::Escape));
        assert_eq!(decoder.feed(b"\x1b["), []);
        assert_eq!(decoder.give_up_waiting(), None);
        assert_eq!(keys(b"\x1b\x1b[A"), [Key::Escape, Key::Up]);
        assert_eq!(keys(b"\x1bq"), [Key::Escape, Key::Char('q')]);
    }

    proptest! {
        #[test]
        fn pieces_give_the_same_keys(bytes in prop::collection::vec(any::<u8>(), 0..60), at in 0_usize..60) {
            let mut decoder = Decoder::default();
            let (first, last) = bytes.split_at(at.min(bytes.len()));
            let mut pieces = decoder.feed(first);
            pieces.extend(decoder.feed(last));
            if bytes.len() <= LONGEST {
                prop_assert_eq!(&pieces, &keys(&bytes));
            }
            prop_assert!(decoder.waiting.len() <= LONGEST);
        }
    }
}
