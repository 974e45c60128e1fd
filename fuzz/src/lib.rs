//! What the targets share: input taken apart, JSON walked.
//!
//! In: the fuzzer's bytes, JSON · Out: choices, texts · Thread: the target's (pure).

use serde_json::Value;

/// The fuzzer's bytes, taken from the front; 0 where there are none left.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// A number below `end`, which is 256 at most.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Whether one case in `out_of` is taken.
    pub fn is_one_in(&mut self, out_of: usize) -> bool {
        self.below(out_of) == out_of - 1
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is left, in up to four parts, cut where two bytes say.
    pub fn parts(&mut self) -> Vec<&'a [u8]> {
        let cuts = [self.byte(), self.byte(), self.byte()];
        let mut parts = Vec::new();
        for cut in cuts {
            let (part, rest) = self.0.split_at(usize::from(cut).min(self.0.len()));
            parts.push(part);
            self.0 = rest;
        }
        parts.push(std::mem::take(&mut self.0));
        parts
    }
}

/// Whether a text is JSON as the program's decoders take it: their limit of depth is below that of this reader.
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// How deep objects and lists are in each other.
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Calls `see` with every text of a value, keys included.
pub fn texts(value: &Value, see: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(list) => list.iter().for_each(|entry| texts(entry, see)),
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            see(key);
            texts(value, see);
        }),
        _ => {}
    }
}

/// Calls `see` with every number of a value and the keys that lead to it.
pub fn numbers(value: &Value, path: &mut Vec<String>, see: &mut dyn FnMut(&[String], f64)) {
    match value {
        Value::Number(number) => see(path, number.as_f64().unwrap_or(f64::NAN)),
        Value::Array(list) => list.iter().for_each(|entry| numbers(entry, path, see)),
        Value::Object(map) => {
            for (key, value) in map {
                path.push(key.clone());
                numbers(value, path, see);
                path.pop();
            }
        }
        _ => {}
    }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, counted year by year and month by month; none where there is no
/// such day.
pub fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = |month: i64| match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(0..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=length(month)).contains(&day) {
        return None;
    }
    let of_year = |year: i64| 365 + i64::from(is_leap(year));
    let years: i64 = match year >= 1970 {
        true => (1970..year).map(of_year).sum(),
        false => -(year..1970).map(of_year).sum::<i64>(),
    };
    Some(years + (1..month).map(length).sum::<i64>() + day - 1)
}
