//! Finds a time in a frame without parsing the frame.
//!
//! In: a JSON text, a limit · Out: `Moment` · Thread: any (pure).
//!
//! A time is a string value that is an ISO 8601 date and time with a `T` in upper case. Keys, intervals (`A/B`), dates
//! without a time and times inside longer strings do not count. Neither do times with JSON escapes, because no serialiser
//! escapes digits, letters or `-:.+`.

use crate::Moment;

/// Position of the `T`, counted from the opening quote.
const T_AT: usize = 11;
/// The most bytes between the quotes: `YYYY-MM-DDTHH:MM:SS.nnnnnnnnn+HH:MM`, with some room.
const LONGEST: usize = 48;

/// The newest time in `json` that is not later than `limit`.
#[cfg(test)]
pub(crate) fn newest_until(json: &str, limit: Moment) -> Option<Moment> {
    all(json).filter(|&at| at <= limit).max()
}

/// The oldest time in `json` that is later than `limit`.
pub(crate) fn oldest_after(json: &str, limit: Moment) -> Option<Moment> {
    all(json).filter(|&at| at > limit).min()
}

fn all(json: &str) -> impl Iterator<Item = Moment> {
    let bytes = json.as_bytes();
    // `T` is rare in JSON, and the standard library finds a single byte fast.
    json.match_indices('T')
        .filter(|&(at, _)| may_be_a_date_time(bytes, at))
        .filter_map(|(at, _)| string_value(json, at - T_AT))
        .filter_map(Moment::parse)
}

/// The cheap part of the check: the opening quote and the dashes are in their places around the `T`.
fn may_be_a_date_time(bytes: &[u8], t: usize) -> bool {
    t >= T_AT
        && bytes[t - T_AT] == b'"'
        && bytes[t - 3] == b'-'
        && bytes[t - 6] == b'-'
        && bytes[t - 10].is_ascii_digit()
        // A quote after a backslash is escaped, so it does not open a string.
        && (t == T_AT || bytes[t - T_AT - 1] != b'\\')
}

/// The string that begins at `quote`, if it is short, without escapes, and a value (not a key).
fn string_value(json: &str, quote: usize) -> Option<&str> {
    let rest = json.get(quote + 1..)?;
    let end = rest.bytes().take(LONGEST).position(|b| matches!(b, b'"' | b'\\'))?;
    let (text, after) = rest.split_at_checked(end)?;
    let after = after.strip_prefix('"')?.trim_ascii_start();
    (!after.starts_with(':')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// The same result from the parsed tree.
    fn newest_by_walking(value: &Value, limit: Moment) -> Option<Moment> {
        match value {
            Value::String(text) if text.as_bytes().get(10) == Some(&b'T') => {
                Moment::parse(text).filter(|&at| at <= limit)
            }
            Value::Array(list) => list.iter().filter_map(|v| newest_by_walking(v, limit)).max(),
            Value::Object(map) => map.values().filter_map(|v| newest_by_walking(v, limit)).max(),
            _ => None,
        }
    }

    fn moment(text: &str) -> Moment {
        Moment::parse(text).unwrap()
    }

    #[test]
    fn takes_complete_string_values_only() {
        let limit = moment("2026-12-31T00:00:00Z");
        let newest = |body: Value| newest_until(&body.to_string(), limit);
        let at = "2026-05-04T14:05:30.000Z";
        assert_eq!(newest(json!({"a": at})), Some(moment(at)));
        assert_eq!(newest(json!([[at]])), Some(moment(at)));
        assert_eq!(newest(json!(at)), Some(moment(at)));
        assert_eq!(newest(json!("2026-05-04T16:05:30.000+0200")), Some(moment(at)));
        assert_eq!(
            newest(json!("1999-05-04T16:05:30Z")),
            Some(moment("1999-05-04T16:05:30Z"))
        );
        assert_eq!(newest(json!({at: 1})), None);
        assert_eq!(newest(json!({"interval": format!("{at}/{at}")})), None);
        assert_eq!(newest(json!({"note": format!("at {at}")})), None);
        assert_eq!(newest(json!({"note": format!("{{\"at\":\"{at}\"}}")})), None);
        assert_eq!(newest(json!({"note": format!("said \"{at}")})), None);
        assert_eq!(newest(json!({"date": "2026-05-04"})), None);
        assert_eq!(newest(json!({"no zone": "2026-05-04T14:05:30"})), Some(moment(at)));
        assert_eq!(newest(json!({"future": "2027-01-01T00:00:00Z"})), None);
        assert_eq!(
            newest(json!({"past": at, "future": "2027-01-01T00:00:00Z", "older": "2020-01-01T00:00:00Z"})),
            Some(moment(at))
        );
        let later = json!({"past": at, "far": "9999-01-01T00:00:00Z", "near": "2027-01-01T00:00:00Z"}).to_string();
        assert_eq!(oldest_after(&later, limit), Some(moment("2027-01-01T00:00:00Z")));
        assert_eq!(newest_until("{ \"2026-05-04T14:05:30Z\" \n : 1 }", limit), None);
        assert_eq!(newest_until("T\"2026-05-04T", limit), None);
    }

    fn trees() -> impl Strategy<Value = Value> {
        let time = (0_i64..4_000_000_000_000).prop_map(|ms| Moment::from_epoch_ms(ms).to_string());
        let text = prop_oneof![
            3 => time.clone(),
            1 => time.clone().prop_map(|t| t.replace('Z', "+0530")),
            1 => (time.clone(), time.clone()).prop_map(|(a, b)| format!("{a}/{b}")),
            1 => time.clone().prop_map(|t| format!("\\\"{t}")),
            1 => time.prop_map(|t| format!("\"{t}\"")),
            1 => "[0-9T:\\-\"\\\\Z]{0,30}",
            1 => "\\PC{0,20}",
        ];
        let leaf = prop_oneof![
            text.clone().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            Just(Value::Null)
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((text.clone(), inner), 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn equals_the_result_from_the_parsed_tree(tree in trees(), limit in 0_i64..4_000_000_000_000) {
            let limit = Moment::from_epoch_ms(limit);
            prop_assert_eq!(newest_until(&tree.to_string(), limit), newest_by_walking(&tree, limit));
            let pretty = serde_json::to_string_pretty(&tree).unwrap();
            prop_assert_eq!(newest_until(&pretty, limit), newest_by_walking(&tree, limit));
        }

        #[test]
        fn never_panics(text in "([T\"\\\\0-9\\-:Zé]|\\PC){0,80}") {
            let _ = newest_until(&text, Moment::from_epoch_ms(i64::MAX));
        }
    }
}
