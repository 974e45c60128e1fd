//! Refuses frames that are nested too deeply.
//!
//! In: JSON text of a peer · Out: an error for text nested too deeply · Thread: any (pure).

/// How deep objects and lists may be nested in a frame. The service uses less than 20. Readers of our records may stop at
/// 128 (serde_json's limit), and in a record the body is one level deeper.
const MAX_DEPTH: usize = 100;

/// Refuses text that is nested deeper than [`MAX_DEPTH`].
pub(crate) fn check_depth(text: &str) -> Result<(), String> {
    // Nearly every frame has fewer brackets in all than the limit, and counting them is much cheaper than tracking depth.
    let brackets = brackets(text.as_bytes());
    if brackets <= MAX_DEPTH || deepest(text.as_bytes()) <= MAX_DEPTH {
        return Ok(());
    }
    Err(format!("nested deeper than {MAX_DEPTH} levels"))
}

/// Counts `[` and `{`, eight bytes at a time.
fn brackets(bytes: &[u8]) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let (words, rest) = bytes.as_chunks::<8>();
    let in_word = |word: &[u8; 8]| {
        // A byte becomes zero if it is `[` or `{`, which differ in one bit only.
        let other = (u64::from_le_bytes(*word) | (EACH * 0x20)) ^ (EACH * u64::from(b'{'));
        let low = EACH * 0x7f;
        let set = ((other & low) + low) | other | low;
        (!set).count_ones() as usize
    };
    let in_rest = rest.iter().filter(|&&byte| byte | 0x20 == b'{').count();
    words.iter().map(in_word).sum::<usize>() + in_rest
}

fn deepest(bytes: &[u8]) -> usize {
    let (mut depth, mut most) = (0_usize, 0_usize);
    let mut in_string = false;
    let mut rest = bytes.iter();
    while let Some(&b) = rest.next() {
        match b {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                rest.next();
            }
            b'{' | b'[' if !in_string => {
                depth += 1;
                most = most.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bracket_is_counted_and_nothing_else() {
        for at in 0..20 {
            for byte in 0..=u8::MAX {
                let mut bytes = [b'x'; 20];
                bytes[at] = byte;
                bytes[19 - at] = byte;
                let count = bytes.iter().filter(|b| matches!(b, b'[' | b'{')).count();
                assert_eq!(brackets(&bytes), count, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn depth_is_limited_and_brackets_in_strings_do_not_count() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(check_depth(&nested(MAX_DEPTH)).is_ok());
        assert!(check_depth(&nested(MAX_DEPTH + 1)).is_err());
        assert!(check_depth(&format!("[\"\\\"{}\"]", "[".repeat(1000))).is_ok());
        assert!(check_depth(&"[],".repeat(1000)).is_ok());
    }
}
