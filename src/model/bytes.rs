//! Small numbers and enums in few bytes.
//!
//! In: numbers, moments, enums · Out: bytes, and the same again · Thread: any (pure).
//!
//! Bytes that are not there read as zero: what is written here is read here, so none is ever missing.

use crate::event::facts::{AcwState, CommunicationState, DisconnectKind, MediaKind, Purpose};

/// Appends a number: seven bits a byte, the lowest first; the top bit says that more follow.
pub(super) fn put(to: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        to.push(n as u8 | 0x80);
        n >>= 7;
    }
    to.push(n as u8);
}

/// Takes a number off the front.
pub(super) fn take(from: &mut &[u8]) -> u64 {
    let (mut n, mut shift) = (0, 0);
    while let Some((&byte, rest)) = from.split_first() {
        *from = rest;
        n |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 || shift >= 63 {
            break;
        }
        shift += 7;
    }
    n
}

/// Appends a number that may be negative: the sign goes to the lowest bit, so that a small one stays small.
pub(super) fn put_signed(to: &mut Vec<u8>, n: i64) {
    put(to, ((n << 1) ^ (n >> 63)) as u64);
}

/// Takes a number that may be negative off the front.
pub(super) fn take_signed(from: &mut &[u8]) -> i64 {
    let n = take(from);
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// An enum that is kept as a number below 128.
pub(super) trait Coded: Copy {
    fn code(self) -> u8;
    /// `None` for a number that stands for nothing.
    fn of_code(code: u8) -> Option<Self>;
}

/// The match in `code` is exhaustive and `of_code` comes from the same list, so a variant that is forgotten does not
/// compile.
macro_rules! coded {
    ($type:ty: $($variant:ident)*) => {
        impl Coded for $type {
            fn code(self) -> u8 {
                match self {
                    $( Self::$variant => Self::$variant as u8, )*
                }
            }

            fn of_code(code: u8) -> Option<Self> {
                match code {
                    $( code if code == Self::$variant as u8 => Some(Self::$variant), )*
                    _ => None,
                }
            }
        }
    };
}

coded!(MediaKind: Voice Message Email Chat Callback Video Other);
coded!(Purpose: Acd Agent Customer External Other User);
coded!(CommunicationState: Alerting Connected Other Parked Scheduled Disconnected Terminated);
coded!(DisconnectKind: Plain Transfer);
coded!(AcwState: Pending Complete NotApplicable Skipped Unknown);

impl Coded for bool {
    fn code(self) -> u8 {
        u8::from(self)
    }

    fn of_code(code: u8) -> Option<Self> {
        (code <= 1).then_some(code == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(unsigned in any::<u64>(), signed in any::<i64>(), small in -64_i64..64) {
            let mut bytes = Vec::new();
            put(&mut bytes, unsigned);
            put_signed(&mut bytes, signed);
            let before = bytes.len();
            put_signed(&mut bytes, small);
            prop_assert_eq!(bytes.len(), before + 1);
            let mut rest = &bytes[..];
            prop_assert_eq!((take(&mut rest), take_signed(&mut rest), take_signed(&mut rest)), (unsigned, signed, small));
            prop_assert!(rest.is_empty());
        }
    }

    #[test]
    fn codes_stand_for_one_variant_each() {
        for media in MediaKind::ALL {
            assert_eq!(MediaKind::of_code(media.code()), Some(media));
        }
        assert_eq!(MediaKind::of_code(7), None);
    }
}
