//! One number that holds now: known, unknown, or not told by the protocol.
//!
//! In: sums, JSON · Out: a number, `null` or nothing in JSON · Thread: any (plain data).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number that holds now.
///
/// [`known`](Self::known) gives the number. As text it is the number or `–`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LiveNumber {
    /// The protocol does not tell it. In JSON the key is absent.
    #[default]
    NotTold,
    /// It is not known now. In JSON it is `null`; `unknown` of the queue says why.
    Unknown,
    /// This many.
    Known(u64),
}

impl LiveNumber {
    /// The number, if it is known.
    #[must_use]
    pub fn known(self) -> Option<u64> {
        match self {
            Self::Known(number) => Some(number),
            Self::NotTold | Self::Unknown => None,
        }
    }

    /// Whether its key is absent in JSON.
    pub(crate) fn is_not_told(&self) -> bool {
        *self == Self::NotTold
    }
}

impl From<u64> for LiveNumber {
    fn from(number: u64) -> Self {
        Self::Known(number)
    }
}

impl fmt::Display for LiveNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known() {
            Some(number) => number.fmt(f),
            None => "–".fmt(f),
        }
    }
}

impl Serialize for LiveNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.known().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LiveNumber {
    /// Reads a key that is there; one that is absent takes the default.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Option::deserialize(deserializer)?;
        Ok(number.map_or(Self::Unknown, Self::Known))
    }
}
