//! SHA-256 and HMAC-SHA-256 as lower-case hex.
//!
//! In: bytes, a key · Out: 64 hex digits · Thread: any (pure).

use std::fmt::Write as _;

use ring::{digest, hmac};

use crate::Secret;

/// SHA-256 of `bytes`.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// The first eight bytes of the SHA-256 of `bytes`, big-endian.
#[cfg(feature = "engine")]
pub(crate) fn sha256_first_eight(bytes: &[u8]) -> u64 {
    let digest = digest::digest(&digest::SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .take(8)
        .fold(0, |all, byte| all << 8 | u64::from(*byte))
}

/// HMAC-SHA-256 of `bytes` under `key`.
pub(crate) fn hmac_sha256_hex(key: &Secret, bytes: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.reveal().as_bytes());
    hex(hmac::sign(&key, bytes).as_ref())
}

/// Two lower-case digits for each byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published test vectors: FIPS 180-2 and RFC 4231 (case 2).
    #[test]
    fn known_vectors() {
        assert_eq!(
            sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            hmac_sha256_hex(&Secret::new("Jefe"), b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
