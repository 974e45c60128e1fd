//! The scanner and serde_json agree: on what is JSON, on the values, and on what is said about anything else.
//!
//! In: generated texts, whole and changed · Out: verdicts · Thread: the test's own.

use std::fmt;

use proptest::prelude::*;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::*;
use crate::protocol::json::{lenient_object, read_object};
use crate::protocol::time_scan;

fn at(ms: i64) -> Receipt {
    Receipt::from(Moment::from_epoch_ms(ms))
}

fn scanner(text: &str) -> Scanner<'_> {
    Scanner::new(text, at(0))
}

/// JSON trees as text, with whitespace of any kind.
fn texts() -> impl Strategy<Value = String> {
    let space =
        prop_oneof![6 => Just(""), 1 => Just(" "), 1 => Just("\n"), 1 => Just("\r\t"), 1 => Just("         \n  ")];
    let number = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
        any::<f64>()
            .prop_filter("JSON has none", |n| n.is_finite())
            .prop_map(|n| format!("{n:e}")),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?",
        "(0|[1-9][0-9]{0,9})(\\.[0-9]{1,8})?",
    ];
    let string = prop_oneof![
        4 => "[a-z]{0,20}".prop_map(|text| format!("\"{text}\"")),
        2 => "\\PC{0,24}".prop_map(|text| Value::from(text).to_string()),
        1 => "([a-z]|\\\\[\"\\\\/bfnrt]|\\\\u00[0-7][0-9a-f]|\\\\ud83d\\\\ude00|\\\\ud8[0-9]0|é){0,12}".prop_map(|text| format!("\"{text}\"")),
        1 => (0_i64..4_000_000_000_000).prop_map(|ms| format!("\"{}\"", Moment::from_epoch_ms(ms))),
    ];
    let leaf = prop_oneof![
        number,
        string.clone(),
        prop::sample::select(vec!["null", "true", "false"]).prop_map(str::to_owned),
    ];
    let key = prop_oneof![
        prop::sample::select(vec![
            "a",
            "number",
            "text",
            "inner",
            "cobrowsesessions",
            "cobrowseSessions",
            "cobrowse",
            "\\u0061"
        ])
        .prop_map(|key| format!("\"{key}\"")),
        string,
    ];
    (leaf, space)
        .prop_map(|(leaf, space)| format!("{space}{leaf}{space}"))
        .prop_recursive(6, 60, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(|list| format!("[{}]", list.join(","))),
                prop::collection::vec((key.clone(), inner), 0..6).prop_map(|fields| {
                    let fields: Vec<String> = fields
                        .into_iter()
                        .map(|(key, value)| format!("{key}:{value}"))
                        .collect();
                    format!("{{{}}}", fields.join(","))
                }),
            ]
        })
}

/// A text, and in half of the cases one with a change.
fn changed_texts() -> impl Strategy<Value = String> {
    let insert = prop_oneof![
        Just(String::new()),
        "[\\[\\]{}\",:0-9.eE+tfnu\\\\\u{0}-\u{1f}-]{1,3}",
        "\\PC{0,2}"
    ];
    (
        texts(),
        prop::option::of((any::<prop::sample::Index>(), 0_usize..3, insert)),
    )
        .prop_map(|(text, change)| {
            let Some((place, cut, insert)) = change else {
                return text;
            };
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let from = place.index(places.len());
            let to = (from + cut).min(places.len() - 1);
            format!("{}{insert}{}", &text[..places[from]], &text[places[to]..])
        })
}

/// The value as a tree, or nothing if it cannot be read.
fn tree(scan: &mut Scanner<'_>) -> Result<Value, Invalid> {
    let mark = scan.mark();
    if let Field::Given(mut object) = scan.object_field()? {
        let mut map = serde_json::Map::new();
        while let Some(name) = scan.next_name(&mut object)? {
            map.insert(name.into_owned(), tree(scan)?);
        }
        return Ok(map.into());
    }
    scan.rewind(mark);
    if let Field::Given(mut list) = scan.list_field()? {
        let mut values = Vec::new();
        while scan.next_entry(&mut list)? {
            values.push(tree(scan)?);
        }
        return Ok(values.into());
    }
    scan.rewind(mark);
    Ok(match scan.field::<Scalar>()? {
        Field::Given(Scalar(value)) => value,
        _ => Value::Null,
    })
}

struct Scalar(Value);

impl Lenient<'_> for Scalar {
    fn text(text: &str) -> Option<Self> {
        Some(Self(text.into()))
    }
    fn flag(value: bool) -> Option<Self> {
        Some(Self(value.into()))
    }
    fn number(number: f64) -> Option<Self> {
        Some(Self(number.into()))
    }
    fn integer(number: i64) -> Option<Self> {
        Some(Self(number.into()))
    }
}

/// A tree in which an integer above the range of `i64` is a double, as for the scanner.
struct Narrow(Value);

impl<'de> Deserialize<'de> for Narrow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fn narrow(value: Value) -> Value {
            match value {
                Value::Number(n) if n.as_i64().is_none() => n.as_f64().into(),
                Value::Array(list) => list.into_iter().map(narrow).collect(),
                Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| (key, narrow(value))).collect()),
                other => other,
            }
        }
        Value::deserialize(deserializer).map(|value| Self(narrow(value)))
    }
}

/// The same object through serde and through the scanner.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Outer {
    a: Field<Id>,
    number: Field<f64>,
    text: Field<Box<str>>,
    #[serde(alias = "cobrowseSessions")]
    cobrowsesessions: Field<bool>,
    inner: Field<Inner>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Inner {
    a: Field<Moment>,
    number: Field<Length>,
}
lenient_object!(Inner);

/// How many entries a list has.
#[derive(Debug, PartialEq)]
struct Length(usize);

impl<'de> Lenient<'de> for Length {
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        let mut entries = 0;
        while list.next_element::<IgnoredAny>()?.is_some() {
            entries += 1;
        }
        Ok(Some(Self(entries)))
    }
}

keys! { OuterKey { A = "a", Number = "number", Text = "text", Cobrowse = "cobrowsesessions" | CobrowseToo = "cobrowseSessions", Inner = "inner" } }
keys! { InnerKey { A = "a", Number = "number" } }

fn outer(scan: &mut Scanner<'_>) -> Result<Outer, Invalid> {
    let mut outer = Outer::default();
    let mut object = scan.object()?;
    while let Some(key) = scan.next_key(&mut object)? {
        match key {
            OuterKey::A => outer.a = scan.id()?,
            OuterKey::Number => outer.number = scan.field()?,
            OuterKey::Text => outer.text = scan.field()?,
            OuterKey::Cobrowse => outer.cobrowsesessions = scan.field()?,
            OuterKey::Inner => outer.inner = scan.object_as(inner)?,
        }
    }
    scan.end()?;
    Ok(outer)
}

fn inner(scan: &mut Scanner<'_>, mut object: Object) -> Result<Inner, Invalid> {
    let mut inner = Inner::default();
    while let Some(key) = scan.next_key(&mut object)? {
        match key {
            InnerKey::A => inner.a = scan.moment()?,
            InnerKey::Number => {
                inner.number = match scan.list_field()? {
                    Field::Absent => Field::Absent,
                    Field::Wrong => Field::Wrong,
                    Field::Given(mut list) => {
                        let mut entries = 0;
                        while scan.next_entry(&mut list)? {
                            scan.skip()?;
                            entries += 1;
                        }
                        Field::Given(Length(entries))
                    }
                }
            }
        }
    }
    Ok(inner)
}

/// The newest times of a tree with the keys in any order, and keys that are there twice.
struct AllTimes(Vec<Moment>);

impl<'de> Deserialize<'de> for AllTimes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = AllTimes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_unit<E: serde::de::Error>(self) -> Result<AllTimes, E> {
                Ok(AllTimes(Vec::new()))
            }
            fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<AllTimes, E> {
                self.visit_unit()
            }
            fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<AllTimes, E> {
                self.visit_unit()
            }
            fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<AllTimes, E> {
                self.visit_unit()
            }
            fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<AllTimes, E> {
                self.visit_unit()
            }
            fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<AllTimes, E> {
                self.visit_unit()
            }
            fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<AllTimes, E> {
                let is_time = text.as_bytes().get(10) == Some(&b'T');
                Ok(AllTimes(Moment::parse(text).filter(|_| is_time).into_iter().collect()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<AllTimes, A::Error> {
                let mut all = Vec::new();
                while let Some(AllTimes(times)) = list.next_element()? {
                    all.extend(times);
                }
                Ok(AllTimes(all))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AllTimes, A::Error> {
                let mut all = Vec::new();
                while let Some((IgnoredAny, AllTimes(times))) = map.next_entry()? {
                    all.extend(times);
                }
                Ok(AllTimes(all))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

proptest! {
    #[test]
    fn skips_what_serde_json_ignores(text in changed_texts()) {
        let mut scan = scanner(&text);
        let skipped = scan.skip().and_then(|()| scan.end());
        prop_assert_eq!(skipped.is_ok(), serde_json::from_str::<IgnoredAny>(&text).is_ok(), "{}", text);
    }

    #[test]
    fn reads_the_values_that_serde_json_reads(text in changed_texts()) {
        let mut scan = scanner(&text);
        let read = tree(&mut scan).and_then(|tree| scan.end().map(|()| tree));
        match serde_json::from_str::<Narrow>(&text) {
            Ok(Narrow(value)) => prop_assert_eq!(read.ok(), Some(value), "{}", text),
            Err(_) => prop_assert!(read.is_err(), "{}", text),
        }
    }

    #[test]
    fn reads_objects_and_complains_as_the_lenient_reading(text in changed_texts()) {
        let mut scan = scanner(&text);
        let read = outer(&mut scan).map_err(|Invalid| scan.complaint("the frame"));
        prop_assert_eq!(read, read_object::<Outer>("the frame", &text), "{}", text);
    }

    #[test]
    fn finds_the_newest_times(text in changed_texts(), ours in 0_i64..4_000_000_000_000, service in 0_i64..4_000_000_000_000) {
        let (ours, service) = (Moment::from_epoch_ms(ours), Moment::from_epoch_ms(service));
        if let Ok(AllTimes(times)) = serde_json::from_str(&text) {
            let until = |limit| times.iter().copied().filter(|at| *at <= limit).max();
            let expected = Times { by_ours: until(ours), by_service: until(service) };
            prop_assert_eq!(Times::of(&text, Receipt::new(ours, service)), expected, "{}", text);
            prop_assert_eq!(time_scan::newest_until(&text, ours), expected.by_ours, "{}", text);
        }
    }
}

#[test]
fn depth_is_limited_to_the_last_bracket() {
    for depth in [1, MAX_DEPTH, MAX_DEPTH + 1, 1000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let text = format!("{}0{}", open.repeat(depth), close.repeat(depth));
            let mut scan = scanner(&text);
            assert_eq!(scan.skip().is_ok(), depth <= MAX_DEPTH, "{text}");
            let mut scan = scanner(&text);
            assert_eq!(tree(&mut scan).is_ok(), depth <= MAX_DEPTH, "{text}");
        }
    }
    let text = format!("{{\"a\":{}{}}}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
    let mut scan = scanner(&text);
    assert!(outer(&mut scan).is_err());
    assert_eq!(scan.complaint("the frame"), "nested deeper than 100 levels");
}
