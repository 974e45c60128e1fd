//! Percent-encoding of one place of a path or a query, by the crate `percent-encoding`.
//!
//! In: text · Out: text · Thread: any (pure).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All but the unreserved characters of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Encodes everything but letters, digits and `-._~`.
pub(crate) fn percent_encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Encodes everything but letters and digits, as some programs do.
pub(crate) fn percent_encode_all(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The reverse of [`percent_encode`]; `None` where an escape is broken or the bytes are no UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    // The crate keeps broken escapes as they are.
    let is_escape = |after: &str| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.split('%').skip(1).all(is_escape) {
        return None;
    }
    percent_decode_str(text)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn broken_escapes_are_refused() {
        assert_eq!(percent_encode("q 1/ü~"), "q%201%2F%C3%BC~");
        assert_eq!(percent_decode("us%40er").as_deref(), Some("us@er"));
        for broken in ["%", "%4", "%zz", "a%4", "%4%40", "%ff", "%+1"] {
            assert_eq!(percent_decode(broken), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,40}|[a-z%0-9]{0,30}") {
            let _ = percent_decode(&text);
        }

        #[test]
        fn encoded_and_back(text in "\\PC{0,40}") {
            prop_assert_eq!(percent_decode(&percent_encode(&text)), Some(text));
        }
    }
}
