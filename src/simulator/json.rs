//! Builds JSON objects as the service writes them: fields without a value are left out, not `null`.
//!
//! In: fields · Out: JSON values and ids · Thread: any.

use super::when::{Ms, iso};
use serde_json::{Map, Value};

/// A 128-bit id, written as the service writes them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) struct Id(pub u128);

impl Id {
    /// A version 4 UUID from these random bits.
    pub(super) fn random(rng: &mut fastrand::Rng) -> Id {
        let bits = rng.u128(..);
        Id(bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62))
    }

    /// Reads the 36-character form, in upper or lower case.
    pub(super) fn parse(text: &str) -> Option<Id> {
        let dashes = [8, 13, 18, 23];
        let well_formed = text.len() == 36
            && text.bytes().enumerate().all(|(i, b)| {
                if dashes.contains(&i) {
                    b == b'-'
                } else {
                    b.is_ascii_hexdigit()
                }
            });
        well_formed
            .then(|| u128::from_str_radix(&text.replace('-', ""), 16).ok().map(Id))
            .flatten()
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hex = format!("{:032x}", self.0);
        write!(
            f,
            "{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        )
    }
}

impl From<Id> for Value {
    fn from(id: Id) -> Value {
        Value::String(id.to_string())
    }
}

/// A JSON object under construction.
#[derive(Default)]
pub(super) struct Object(Map<String, Value>);

impl Object {
    pub(super) fn new() -> Self {
        Object::default()
    }

    pub(super) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// Sets the field if there is a value.
    pub(super) fn maybe(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.set(key, value),
            None => self,
        }
    }

    /// Sets the field if `condition` holds.
    pub(super) fn when(self, condition: bool, key: &str, value: impl Into<Value>) -> Self {
        if condition { self.set(key, value) } else { self }
    }

    pub(super) fn time(self, key: &str, at: Ms) -> Self {
        self.set(key, iso(at))
    }

    pub(super) fn maybe_time(self, key: &str, at: Option<Ms>) -> Self {
        self.maybe(key, at.map(iso))
    }

    /// Adds the fields of another object.
    pub(super) fn with(mut self, other: Object) -> Self {
        self.0.extend(other.0);
        self
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Value {
        Value::Object(object.0)
    }
}

/// A reference to something by its id.
pub(super) fn id_ref(id: Id) -> Value {
    Object::new().set("id", id).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_4_and_are_read_back() {
        let id = Id::random(&mut fastrand::Rng::with_seed(3));
        let text = id.to_string();
        assert_eq!((&text[14..15], text.len()), ("4", 36));
        assert!("89ab".contains(&text[19..20]), "{text}");
        assert_eq!(Id::parse(&text), Some(id));
        assert_eq!(Id::parse(&text.replace('-', "x")), None);
    }
}
