//! A JSON Schema of `docs/schema`, held against output.
//!
//! In: a schema, JSON values · Out: faults, and which properties occurred · Thread: the test's.
//!
//! It reads only the keywords that these schemas use, and refuses any other. The validators on crates.io bring more than
//! forty crates into the build of the tests.

use std::collections::BTreeSet;

use serde_json::Value;

/// Paths of the properties that occurred, as JSON pointers into the schema.
pub type Seen = BTreeSet<String>;

pub struct Schema(Value);

impl Schema {
    /// `docs/schema/<name>.json`.
    pub fn read(name: &str) -> Self {
        let text = super::page::read(&format!("docs/schema/{name}.json"));
        Self(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}")))
    }

    /// What is wrong with `value`, a line each.
    pub fn faults(&self, value: &Value, seen: &mut Seen) -> Vec<String> {
        let mut faults = Vec::new();
        self.check("", value, "$", seen, &mut faults);
        faults
    }

    /// All properties of the schema, as JSON pointers into it.
    pub fn properties(&self) -> Seen {
        let mut found = Seen::new();
        collect(&self.0, "", &mut found);
        found
    }

    fn check(&self, at: &str, value: &Value, path: &str, seen: &mut Seen, faults: &mut Vec<String>) {
        let schema = self.0.pointer(at).unwrap_or_else(|| panic!("nothing at {at}"));
        let keywords = schema.as_object().unwrap_or_else(|| panic!("{at} is no object"));
        for (keyword, wants) in keywords {
            let is_right = match keyword.as_str() {
                "$schema" | "$defs" | "title" | "description" => true,
                "$ref" => {
                    let target = wants.as_str().and_then(|target| target.strip_prefix('#'));
                    self.check(target.expect("a local reference"), value, path, seen, faults);
                    true
                }
                "type" => words(wants).any(|name| is_of_type(value, name)),
                "const" => value == wants,
                "enum" => wants.as_array().is_some_and(|all| all.contains(value)),
                "minimum" => number(value).is_none_or(|n| n >= number(wants).expect("a number")),
                "maximum" => number(value).is_none_or(|n| n <= number(wants).expect("a number")),
                "minLength" => length(value).is_none_or(|n| n >= number(wants).expect("a number")),
                "maxLength" => length(value).is_none_or(|n| n <= number(wants).expect("a number")),
                "required" => words(wants).all(|name| value.as_object().is_none_or(|o| o.contains_key(name))),
                "anyOf" => {
                    let mut branches = 0..wants.as_array().map_or(0, Vec::len);
                    let matches = |n| {
                        let (mut own, mut faults) = (Seen::new(), Vec::new());
                        self.check(&format!("{at}/anyOf/{n}"), value, path, &mut own, &mut faults);
                        let matches = faults.is_empty();
                        seen.extend(own.into_iter().filter(|_| matches));
                        matches
                    };
                    branches.any(matches)
                }
                "items" => {
                    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(&format!("{at}/items"), item, &format!("{path}[{n}]"), seen, faults);
                    }
                    true
                }
                "propertyNames" => {
                    for name in value.as_object().into_iter().flat_map(|object| object.keys()) {
                        let name = Value::from(name.as_str());
                        self.check(&format!("{at}/propertyNames"), &name, path, seen, faults);
                    }
                    true
                }
                "properties" | "additionalProperties" => {
                    for (name, inside) in value.as_object().into_iter().flatten() {
                        let own = keywords.get("properties").and_then(|own| own.get(name)).is_some();
                        let below = match (keyword.as_str(), own) {
                            ("properties", true) => format!("{at}/properties/{name}"),
                            ("additionalProperties", false) if wants.is_object() => format!("{at}/{keyword}"),
                            ("additionalProperties", false) if wants == &Value::Bool(false) => {
                                faults.push(format!("{path}: {name} is not in the schema"));
                                continue;
                            }
                            _ => continue,
                        };
                        if own {
                            seen.insert(below.clone());
                        }
                        self.check(&below, inside, &format!("{path}.{name}"), seen, faults);
                    }
                    true
                }
                other => panic!("{at}: this test does not know the keyword {other}"),
            };
            if !is_right {
                faults.push(format!("{path}: {keyword} {wants} does not hold for {value:.200}"));
            }
        }
    }
}

fn collect(schema: &Value, at: &str, found: &mut Seen) {
    let Some(object) = schema.as_object() else { return };
    for (name, inside) in object {
        let below = format!("{at}/{name}");
        if at.ends_with("/properties") {
            found.insert(below.clone());
        }
        collect(inside, &below, found);
    }
}

/// A text, or a list of texts.
fn words(value: &Value) -> impl Iterator<Item = &str> {
    let one = value.as_str().into_iter();
    one.chain(value.as_array().into_iter().flatten().filter_map(Value::as_str))
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type of JSON Schema: {other}"),
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}

fn length(value: &Value) -> Option<f64> {
    value.as_str().map(|text| text.chars().count() as f64)
}
