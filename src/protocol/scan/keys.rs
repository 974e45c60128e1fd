//! Known keys of objects, looked up by their first eight bytes.
//!
//! In: keys as written in the code · Out: enums · Thread: any (pure).

/// The known keys of an object, made by `keys!`.
pub(crate) trait Key: Copy {
    /// The key of this text.
    fn of(key: &[u8]) -> Option<Self> {
        let word = key_word(key);
        if key.len() < 8 {
            return Self::short(word);
        }
        let (known, length) = Self::long(word, &[key, b"\""].concat())?;
        (length == key.len()).then_some(known)
    }
    /// The key of fewer than eight bytes, which are `word` with zeros behind them.
    fn short(word: u64) -> Option<Self>;
    /// The key with which this text begins, a quote behind it, and its length; its first eight bytes are `word`.
    fn long(word: u64, text: &[u8]) -> Option<(Self, usize)>;
    /// The place of the field in a set of bits. Two spellings of a field have one place.
    fn field(self) -> u32;
}

/// The first eight bytes of a key as a number, with zeros behind a shorter one.
pub(crate) const fn key_word(key: &[u8]) -> u64 {
    let mut word = [0; 8];
    let mut at = 0;
    while at < key.len() && at < 8 {
        word[at] = key[at];
        at += 1;
    }
    u64::from_le_bytes(word)
}

/// Declares the known keys of an object: a key is looked up by its first eight bytes and then compared whole.
macro_rules! keys {
    ($(#[$doc:meta])* $name:ident { $($key:ident = $text:literal $(| $other:ident = $other_text:literal)?),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum $name { $($key),+ }

        impl $crate::protocol::scan::Key for $name {
            #[inline]
            #[allow(non_upper_case_globals, reason = "each is named as its variant")]
            fn short(word: u64) -> Option<Self> {
                $(
                    const $key: u64 = $crate::protocol::scan::key_word($text.as_bytes());
                    $(const $other: u64 = $crate::protocol::scan::key_word($other_text.as_bytes());)?
                )+
                match word {
                    $(
                        $key if $text.len() < 8 => Some(Self::$key),
                        $($other if $other_text.len() < 8 => Some(Self::$key),)?
                    )+
                    _ => None,
                }
            }
            #[inline]
            #[allow(non_upper_case_globals, reason = "each is named as its variant")]
            fn long(word: u64, text: &[u8]) -> Option<(Self, usize)> {
                $(
                    const $key: u64 = $crate::protocol::scan::key_word($text.as_bytes());
                    $(const $other: u64 = $crate::protocol::scan::key_word($other_text.as_bytes());)?
                )+
                match word {
                    $(
                        $key if $text.len() >= 8 && text.starts_with(concat!($text, "\"").as_bytes()) => {
                            Some((Self::$key, $text.len()))
                        }
                        $($other if $other_text.len() >= 8 && text.starts_with(concat!($other_text, "\"").as_bytes()) => {
                            Some((Self::$key, $other_text.len()))
                        })?
                    )+
                    _ => None,
                }
            }
            fn field(self) -> u32 {
                self as u32
            }
        }
    };
}
pub(crate) use keys;
