//! Numbers in JSON as people write them: without a fraction where there is none.
//!
//! In: floats · Out: JSON numbers · Thread: any (pure).

use serde::{Serialize, Serializer};

/// Writes `7` for 7.0; for `serialize_with`.
pub(crate) fn exact<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    /// The greatest integer up to which every integer has its own `f64`.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        // In range and whole, as just checked.
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f64(*value)
    }
}

/// As [`exact`], and `null` for `None`.
pub(crate) fn maybe<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(Number).serialize(serializer)
}

/// A number as [`exact`] writes it.
#[derive(Serialize)]
pub(crate) struct Number(#[serde(serialize_with = "exact")] pub(crate) f64);
