//! Lenient reading of JSON: a field of the wrong type is ignored, the rest of the event is used.
//!
//! In: JSON text of a peer · Out: typed fields that are absent, given or of the wrong type · Thread: any (pure).

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::base::limits::{ID_BYTES, WORD_BYTES};
use crate::event::stats::Name;
use crate::{Id, Moment};

/// A type that can be read from one JSON value. Each method handles one JSON type; by default it returns `None`, which
/// means that the value is of the wrong type.
pub(crate) trait Lenient<'de>: Sized {
    /// An empty text counts as absent instead of wrong.
    const EMPTY_IS_ABSENT: bool = false;
    /// How many of this type a list may have.
    const ENTRIES: usize = usize::MAX;
    /// What becomes of a text over the limit of this type.
    const LONGEST: Longest = Longest::Any;

    fn text(_: &str) -> Option<Self> {
        None
    }
    fn borrowed_text(text: &'de str) -> Option<Self> {
        Self::text(text)
    }
    fn flag(_: bool) -> Option<Self> {
        None
    }
    fn number(_: f64) -> Option<Self> {
        None
    }
    fn integer(number: i64) -> Option<Self> {
        Self::number(number as f64)
    }
    fn object<A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// How long a text may be, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Longest {
    /// Of any length.
    Any,
    /// A longer one is cut, and counted.
    Cut(usize),
    /// A longer one cannot be read, nor can what it is part of.
    Whole(usize),
}

impl Longest {
    /// Whether a text of this length is over the limit.
    #[inline(always)]
    pub(super) fn is_exceeded_by(self, bytes: usize) -> bool {
        match self {
            Self::Any => false,
            Self::Cut(most) | Self::Whole(most) => bytes > most,
        }
    }
}

/// A field of an object. `null` counts as absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Field<T> {
    #[default]
    Absent,
    Given(T),
    /// The value is of the wrong type.
    Wrong,
}

impl<T> Field<T> {
    /// The value; one of the wrong type counts as absent.
    pub(crate) fn some(self) -> Option<T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Absent | Self::Wrong => None,
        }
    }

    pub(crate) fn as_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Absent | Self::Wrong => None,
        }
    }

    pub(crate) fn as_some(&self) -> Option<&T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Absent | Self::Wrong => None,
        }
    }

    /// 1 if there is a value that cannot be read, else 0; for [`Event::unreadable`](crate::Event::unreadable).
    pub(crate) fn unreadable(&self) -> u32 {
        u32::from(matches!(self, Self::Wrong))
    }
}

impl<T: Copy> Field<T> {
    pub(crate) fn copied(&self) -> Option<T> {
        self.as_some().copied()
    }
}

impl<'de, T: Lenient<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);

        impl<'de, T: Lenient<'de>> Visitor<'de> for Any<T> {
            type Value = Field<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON value")
            }
            fn visit_unit<E>(self) -> Result<Field<T>, E> {
                Ok(Field::Absent)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Field<T>, E> {
                Ok(given(T::flag(value)))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Field<T>, E> {
                Ok(given(T::integer(value)))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Field<T>, E> {
                Ok(given(match i64::try_from(value) {
                    Ok(value) => T::integer(value),
                    Err(_) => T::number(value as f64),
                }))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Field<T>, E> {
                Ok(given(T::number(value)))
            }
            fn visit_str<E>(self, value: &str) -> Result<Field<T>, E> {
                Ok(match value.is_empty() && T::EMPTY_IS_ABSENT {
                    true => Field::Absent,
                    false if T::LONGEST.is_exceeded_by(value.len()) => Field::Wrong,
                    false => given(T::text(value)),
                })
            }
            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Field<T>, E> {
                Ok(match value.is_empty() && T::EMPTY_IS_ABSENT {
                    true => Field::Absent,
                    false if T::LONGEST.is_exceeded_by(value.len()) => Field::Wrong,
                    false => given(T::borrowed_text(value)),
                })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Field<T>, A::Error> {
                T::object(map).map(given)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Field<T>, A::Error> {
                T::list(list).map(given)
            }
        }

        deserializer.deserialize_any(Any(PhantomData))
    }
}

/// A field with a value, or with one of the wrong type.
pub(super) fn given<T>(value: Option<T>) -> Field<T> {
    value.map_or(Field::Wrong, Field::Given)
}

/// Calls `each` with the JSON of every entry of a list, one after the other, so that a long list costs no more memory than
/// its longest entry. The text must be valid JSON; returns whether it is a list.
pub(crate) fn each_entry(list: &RawValue, each: &mut dyn FnMut(&str)) -> bool {
    struct Each<'f>(&'f mut dyn FnMut(&str));

    impl<'de> Visitor<'de> for Each<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
            while let Some(entry) = list.next_element::<&RawValue>()? {
                (self.0)(entry.get());
            }
            Ok(())
        }
    }

    serde_json::Deserializer::from_str(list.get())
        .deserialize_seq(Each(each))
        .is_ok()
}

/// A list: the entries that could be read, and how many could not or are beyond [`Lenient::ENTRIES`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entries<T> {
    pub(crate) good: Vec<T>,
    pub(crate) wrong: usize,
}

impl<'de, T: Lenient<'de>> Lenient<'de> for Entries<T> {
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        let mut entries = Self {
            good: Vec::new(),
            wrong: 0,
        };
        while let Some(entry) = list.next_element::<Field<T>>()? {
            match entry {
                Field::Given(value) if entries.good.len() < T::ENTRIES => entries.good.push(value),
                _ => entries.wrong += 1,
            }
        }
        Ok(Some(entries))
    }
}

impl<T> Field<Entries<T>> {
    /// The readable entries; empty if the field is absent or not a list.
    pub(crate) fn entries(&self) -> &[T] {
        self.as_some().map_or(&[], |entries| &entries.good)
    }
}

/// Implements [`Lenient`] for structures that derive `Deserialize`: they are read from objects only, although derived code
/// would accept a list of the fields' values too.
macro_rules! lenient_object {
    ($($name:ty $([$most:expr])?),+ $(,)?) => {$(
        impl<'de> $crate::protocol::json::Lenient<'de> for $name {
            $(const ENTRIES: usize = $most;)?

            fn object<A: serde::de::MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
                $crate::protocol::json::object_from(map).map(Some)
            }
        }
    )+};
}
pub(crate) use lenient_object;

/// Reads a structure from an object, for `lenient_object!`.
pub(crate) fn object_from<'de, T: Deserialize<'de>, A: MapAccess<'de>>(map: A) -> Result<T, A::Error> {
    T::deserialize(MapAccessDeserializer::new(map))
}

impl<'de> Lenient<'de> for Moment {
    const EMPTY_IS_ABSENT: bool = true;

    fn text(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl<'de> Lenient<'de> for Id {
    const EMPTY_IS_ABSENT: bool = true;
    const LONGEST: Longest = Longest::Whole(ID_BYTES);

    fn text(text: &str) -> Option<Self> {
        Some(Self::new(text))
    }
}

/// An id that the tutorials' servers may write as text or as a whole number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LooseId(pub(crate) Id);

impl<'de> Lenient<'de> for LooseId {
    const EMPTY_IS_ABSENT: bool = true;
    const LONGEST: Longest = Longest::Whole(ID_BYTES);

    fn text(text: &str) -> Option<Self> {
        Id::text(text).map(Self)
    }
    fn integer(number: i64) -> Option<Self> {
        Some(Self(Id::new(&number.to_string())))
    }
}

/// A text of which it only counts that it is there; an empty one is not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Present;

impl<'de> Lenient<'de> for Present {
    const EMPTY_IS_ABSENT: bool = true;

    fn text(_: &str) -> Option<Self> {
        Some(Self)
    }
}

impl<'de> Lenient<'de> for bool {
    fn flag(value: bool) -> Option<Self> {
        Some(value)
    }
}

impl<'de> Lenient<'de> for f64 {
    fn number(number: f64) -> Option<Self> {
        Some(number)
    }
}

impl<'de> Lenient<'de> for Box<str> {
    fn text(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

impl<'de> Lenient<'de> for Name {
    const LONGEST: Longest = Longest::Cut(WORD_BYTES);

    fn text(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

impl<'de: 'a, 'a> Lenient<'de> for Cow<'a, str> {
    fn text(text: &str) -> Option<Self> {
        Some(Cow::Owned(text.to_owned()))
    }
    fn borrowed_text(text: &'de str) -> Option<Self> {
        Some(Cow::Borrowed(text))
    }
}

/// A time written as whole milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct EpochMs(pub(crate) Moment);

impl<'de> Lenient<'de> for EpochMs {
    const EMPTY_IS_ABSENT: bool = true;

    fn integer(ms: i64) -> Option<Self> {
        Some(Self(Moment::from_epoch_ms(ms)))
    }
}

/// A status written as a number or as text: `200`, `"200"`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Status(pub(crate) u16);

impl<'de> Lenient<'de> for Status {
    fn text(text: &str) -> Option<Self> {
        text.trim().parse().ok().map(Self)
    }
    fn number(number: f64) -> Option<Self> {
        (number.fract() == 0.0 && (0.0..=999.0).contains(&number)).then_some(Self(number as u16))
    }
}

/// Reads a JSON object. The error says what is wrong without quoting the text.
pub(crate) fn read_object<'a, T: Deserialize<'a>>(what: &str, text: &'a str) -> Result<T, String> {
    // Derived code would accept a list of the fields' values too.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => format!("{what} is JSON, but not an object"),
            Err(error) => not_json(what, error.is_eof(), error.line(), error.column()),
        });
    }
    serde_json::from_str(text).map_err(|error| {
        if error.is_data() {
            // serde_json's message may quote a value.
            format!(
                "{what} has a field that cannot be read (line {}, column {})",
                error.line(),
                error.column()
            )
        } else {
            not_json(what, error.is_eof(), error.line(), error.column())
        }
    })
}

pub(super) fn not_json(what: &str, is_eof: bool, line: usize, column: usize) -> String {
    let why = if is_eof { "it ends too early" } else { "syntax" };
    format!("{what} is not JSON ({why}, line {line}, column {column})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Inner {
        id: Field<Id>,
    }
    lenient_object!(Inner);

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Outer<'a> {
        at: Field<Moment>,
        flag: Field<bool>,
        number: Field<f64>,
        status: Field<Status>,
        inner: Field<Inner>,
        list: Field<Entries<Inner>>,
        #[serde(borrow)]
        text: Field<Cow<'a, str>>,
    }

    #[test]
    fn a_field_may_be_of_any_type() {
        for value in [
            "null",
            "true",
            "1",
            "-1.5",
            "\"x\"",
            "\"\\u00e9\"",
            "{\"a\":[{}]}",
            "[1,[2]]",
            "1e300",
        ] {
            let text = format!(
                r#"{{"at":{value},"flag":{value},"number":{value},"status":{value},"inner":{value},"list":{value},"text":{value},"new":{value}}}"#
            );
            let outer: Outer<'_> = read_object("x", &text).unwrap();
            assert_eq!(outer.flag.some(), (value == "true").then_some(true), "{value}");
            assert_eq!(outer.text == Field::Absent, value == "null");
        }
    }

    #[test]
    fn reads_fields_of_the_right_type() {
        let outer: Outer<'_> = read_object(
            "x",
            r#"{"at":"1970-01-01T00:00:01Z","number":3,"status":"404","inner":{"id":"a"},"list":[{"id":"b"},7,null],"text":"plain"}"#,
        )
        .unwrap();
        assert_eq!(outer.at.some(), Some(Moment::from_epoch_ms(1000)));
        assert_eq!(outer.number.some(), Some(3.0));
        assert_eq!(outer.status.some(), Some(Status(404)));
        assert_eq!(outer.inner.some().unwrap().id.some(), Some(Id::new("a")));
        assert_eq!(outer.list.as_some().unwrap().wrong, 2);
        assert_eq!(outer.list.entries()[0].id.as_some(), Some(&Id::new("b")));
        assert!(matches!(outer.text, Field::Given(Cow::Borrowed("plain"))));
    }

    #[test]
    fn an_empty_time_is_absent_and_any_other_text_unreadable() {
        let at = |value: &str| {
            let text = format!(r#"{{"at":{value}}}"#);
            read_object::<Outer<'_>>("x", &text).unwrap().at
        };
        for (value, count) in [
            ("\"2026-05-04T14:05\"", 0),
            ("\"\"", 0),
            ("null", 0),
            ("\"soon\"", 1),
            ("7", 1),
        ] {
            assert_eq!(at(value).unreadable(), count, "{value}");
        }
        assert_eq!(at("\"\""), Field::Absent);
    }

    #[test]
    fn status_takes_numbers_of_three_digits_only() {
        let status = |value: &str| {
            let text = format!(r#"{{"status":{value}}}"#);
            read_object::<Outer<'_>>("x", &text).unwrap().status.some()
        };
        assert_eq!(status("200"), Some(Status(200)));
        assert_eq!(status("200.0"), Some(Status(200)));
        assert_eq!(status("\" 200 \""), Some(Status(200)));
        for value in ["200.5", "-1", "1000", "\"ok\"", "18446744073709551615"] {
            assert_eq!(status(value), None, "{value}");
        }
    }

    #[test]
    fn errors_show_no_content() {
        let errors = [
            ("[1]", "the frame is JSON, but not an object"),
            ("geheim", "the frame is not JSON (syntax, line 1, column 1)"),
            (
                "{\"at\":",
                "the frame is not JSON (it ends too early, line 1, column 6)",
            ),
            (
                "{\"at\":1,\"at\":\"geheim\"}",
                "the frame has a field that cannot be read (line 1, column 12)",
            ),
        ];
        for (text, error) in errors {
            assert_eq!(read_object::<Outer<'_>>("the frame", text).unwrap_err(), error);
        }
    }
}
