//! Durations as whole milliseconds in JSON, for `#[serde(with = "…")]`.
//!
//! In: `Duration` · Out: an integer, and back · Thread: any (pure).

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds; parts of one are cut off, and more than fit count as `u64::MAX`.
fn whole(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// # Errors
/// Those of the serializer.
pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    whole(*duration).serialize(serializer)
}

/// # Errors
/// Where there is no whole number of milliseconds.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

/// The same for a duration that may be missing (`null`).
pub(crate) mod option {
    use super::{Deserialize, Deserializer, Duration, Serialize, Serializer, whole};

    /// # Errors
    /// Those of the serializer.
    pub(crate) fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        duration.map(whole).serialize(serializer)
    }

    /// # Errors
    /// Where there is neither `null` nor a whole number of milliseconds.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
    }
}
