//! The filter language of analytics queries: and/or over predicates, one level of clauses.
//!
//! In: a filter as JSON · Out: true or false for a subject · Thread: any (pure).

use super::problem::Problem;
use serde_json::Value;

/// The values that a conversation, segment or queue has for a dimension.
pub(super) enum DimensionValues {
    /// The dimension is simulated; the list may be empty.
    Known(Vec<String>),
    /// The dimension is not simulated.
    Unknown,
}

enum Test {
    Matches(String),
    Exists,
    NotExists,
}

struct Predicate {
    dimension: String,
    test: Test,
}

struct Group {
    all: bool,
    predicates: Vec<Predicate>,
    clauses: Vec<Group>,
}

/// A checked filter.
pub(super) struct Filter(Group);

impl Filter {
    /// Reads a filter, which may use these dimensions only.
    pub(super) fn parse(value: &Value, dimensions: &[&str]) -> Result<Filter, Problem> {
        group(value, dimensions, 0).map(Filter)
    }

    /// Whether a subject passes.
    pub(super) fn passes(&self, subject: &dyn Fn(&str) -> DimensionValues) -> bool {
        passes(&self.0, subject)
    }
}

fn group(value: &Value, dimensions: &[&str], depth: usize) -> Result<Group, Problem> {
    let all = match value.get("type").and_then(Value::as_str) {
        Some("and") => true,
        Some("or") => false,
        _ => return Err(Problem::bad_request("A filter needs a type: and, or.")),
    };
    let list = |key: &str| match value.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => Ok(list.clone()),
        Some(_) => Err(Problem::bad_request(format!("{key} must be a list."))),
    };
    let predicates = list("predicates")?
        .iter()
        .map(|p| predicate(p, dimensions))
        .collect::<Result<Vec<_>, _>>()?;
    let clauses = list("clauses")?;
    if depth > 0 && !clauses.is_empty() {
        return Err(Problem::bad_request("Clauses cannot hold clauses."));
    }
    let clauses = clauses
        .iter()
        .map(|c| group(c, dimensions, depth + 1))
        .collect::<Result<Vec<_>, _>>()?;
    if predicates.is_empty() && clauses.is_empty() {
        return Err(Problem::bad_request("A filter needs predicates or clauses."));
    }
    Ok(Group {
        all,
        predicates,
        clauses,
    })
}

fn predicate(value: &Value, dimensions: &[&str]) -> Result<Predicate, Problem> {
    let dimension = value.get("dimension").and_then(Value::as_str).unwrap_or_default();
    if !dimensions.contains(&dimension) {
        let allowed = dimensions.join(", ");
        return Err(Problem::bad_request(format!(
            "Unsupported predicate dimension '{dimension}'; allowed: {allowed}."
        )));
    }
    let test = match value.get("operator").and_then(Value::as_str).unwrap_or("matches") {
        "matches" => match value.get("value").and_then(Value::as_str) {
            Some(text) => Test::Matches(text.to_lowercase()),
            None => {
                return Err(Problem::bad_request(format!(
                    "The predicate on {dimension} needs a value."
                )));
            }
        },
        "exists" => Test::Exists,
        "notExists" => Test::NotExists,
        other => {
            return Err(Problem::bad_request(format!("Unsupported operator '{other}'.")));
        }
    };
    Ok(Predicate {
        dimension: dimension.to_owned(),
        test,
    })
}

fn passes(group: &Group, subject: &dyn Fn(&str) -> DimensionValues) -> bool {
    let predicates = group.predicates.iter().map(|p| {
        let DimensionValues::Known(values) = subject(&p.dimension) else {
            return false;
        };
        match &p.test {
            Test::Matches(wanted) => values.iter().any(|v| v.to_lowercase() == *wanted),
            Test::Exists => !values.is_empty(),
            Test::NotExists => values.is_empty(),
        }
    });
    let mut all = predicates.chain(group.clauses.iter().map(|c| passes(c, subject)));
    if group.all {
        all.all(|pass| pass)
    } else {
        all.any(|pass| pass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn and_or_and_clauses() {
        let filter = json!({"type": "and",
            "predicates": [{"dimension": "mediaType", "value": "voice"}],
            "clauses": [{"type": "or", "predicates": [{"dimension": "queueId", "value": "A"}, {"dimension": "queueId", "operator": "notExists"}]}]});
        let filter = Filter::parse(&filter, &["queueId", "mediaType"]).unwrap();
        let subject = |queue: &'static str| {
            move |dimension: &str| match dimension {
                "mediaType" => DimensionValues::Known(vec!["voice".into()]),
                _ => DimensionValues::Known(if queue.is_empty() { vec![] } else { vec![queue.into()] }),
            }
        };
        assert!(filter.passes(&subject("a")));
        assert!(filter.passes(&subject("")));
        assert!(!filter.passes(&subject("b")));
        for wrong in [
            json!({}),
            json!({"type": "or"}),
            json!({"type": "or", "predicates": [{"dimension": "x", "value": "y"}]}),
        ] {
            assert!(Filter::parse(&wrong, &["queueId"]).is_err(), "{wrong}");
        }
    }
}
