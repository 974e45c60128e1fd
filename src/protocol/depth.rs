//! Refuses frames that are nested too deeply.
//!
//! In: JSON text of a peer · Out: an error for text nested too deeply · Thread: any (pure).

/// How deep objects and lists may be nested in a frame. The service uses less than 20. Readers of our records may stop at
/// 128 (serde_json's limit), and in a record the body is one level deeper.
pub(super) const MAX_DEPTH: usize = 100;

/// Refuses text that is nested deeper than [`MAX_DEPTH`].
pub(crate) fn check_depth(text: &str) -> Result<(), String> {
    if deepest(text.as_bytes()) <= MAX_DEPTH {
        return Ok(());
    }
    Err(format!("nested deeper than {MAX_DEPTH} levels"))
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
    fn depth_is_limited_and_brackets_in_strings_do_not_count() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(check_depth(&nested(MAX_DEPTH)).is_ok());
        assert!(check_depth(&nested(MAX_DEPTH + 1)).is_err());
        assert!(check_depth(&format!("[\"\\\"{}\"]", "[".repeat(1000))).is_ok());
        assert!(check_depth(&"[],".repeat(1000)).is_ok());
    }
}
