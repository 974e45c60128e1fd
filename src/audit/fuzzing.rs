//! The check of an audit file, for `fuzz/`.
//!
//! In: lines · Out: a verdict · Thread: any (pure).

use super::Verifier;

/// Checks a whole audit file; gives the number of its lines, and the numbers of the torn ones.
///
/// # Errors
/// The number of the first broken line.
pub fn verify_audit(text: &[u8]) -> Result<(u64, Vec<u64>), u64> {
    let mut verifier = Verifier::default();
    let mut rest = text;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        verifier.line(&rest[..end]).map_err(|broken| broken.line)?;
        rest = &rest[end + 1..];
    }
    let whole = verifier.finish(rest).map_err(|broken| broken.line)?;
    Ok((whole.lines, whole.torn))
}
