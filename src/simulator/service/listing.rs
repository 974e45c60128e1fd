//! Paged listings with their links.
//!
//! In: page parameters, all entities · Out: one page · Thread: the connection's.

use super::problem::Problem;
use super::{Answer, Call, Outcome};
use crate::simulator::json::Object;
use serde_json::Value;

/// The requested page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    pub size: usize,
    pub number: usize,
}

impl Page {
    /// Reads `pageSize` (default 25) and `pageNumber` (default 1).
    pub(super) fn of(call: &Call<'_>, most: usize) -> Result<Page, Problem> {
        let number = |name: &str, default: usize, most: usize| match call.parameter(name) {
            None => Ok(default),
            Some(text) => match text.parse::<usize>() {
                Ok(n) if (1..=most).contains(&n) => Ok(n),
                _ => Err(Problem::bad_request(format!(
                    "{name}: found {text}, allowed 1 to {most}"
                ))),
            },
        };
        Ok(Page {
            size: number("pageSize", 25, most)?,
            number: number("pageNumber", 1, 1_000_000)?,
        })
    }

    fn slice<T: Copy>(self, all: &[T]) -> Vec<T> {
        all.iter()
            .skip(self.size.saturating_mul(self.number - 1))
            .take(self.size)
            .copied()
            .collect()
    }
}

/// Whether a listing contains the total number of entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Totals {
    Told,
    Untold,
}

/// One page of `all`, each entity rendered by `render`.
pub(super) fn page(
    call: &Call<'_>,
    page: Page,
    totals: Totals,
    all: &[usize],
    render: impl Fn(usize) -> Value,
) -> Outcome {
    let entities: Vec<Value> = page.slice(all).into_iter().map(render).collect();
    let pages = all.len().div_ceil(page.size);
    let link = |number: usize| {
        let others = call
            .parameters
            .iter()
            .filter(|(key, _)| key != "pageSize" && key != "pageNumber");
        let rest: String = others
            .map(|(key, value)| format!("&{}={}", encode(key), encode(value)))
            .collect();
        format!("{}?pageSize={}&pageNumber={number}{rest}", call.request.path, page.size)
    };
    let mut object = Object::new()
        .set("entities", entities)
        .set("pageSize", page.size)
        .set("pageNumber", page.number)
        .set("firstUri", link(1))
        .set("selfUri", link(page.number))
        .when(page.number < pages, "nextUri", link(page.number + 1))
        .when(
            page.number > 1,
            "previousUri",
            link(page.number.saturating_sub(1).max(1)),
        );
    if totals == Totals::Told {
        object = object
            .set("total", all.len())
            .set("pageCount", pages)
            .set("lastUri", link(pages.max(1)));
    }
    Ok(Answer::Json(object.into()))
}

fn encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes()
        .map(|b| {
            if plain(b) {
                (b as char).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

/// Whether a name matches a filter, in which `*` matches any text; case is ignored.
pub(super) fn fits(filter: &str, name: &str) -> bool {
    let (filter, name) = (filter.to_lowercase(), name.to_lowercase());
    let mut parts = filter.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut ended = first.len() == filter.len();
    for part in parts {
        ended = part.is_empty();
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    // Without a star at the end, the name must end with the last part; `rest` follows the first occurrence of that part.
    ended && filter.ends_with('*')
        || rest.is_empty()
        || (filter.contains('*') && name.ends_with(filter.rsplit('*').next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_match_any_text() {
        for (filter, name, fit) in [
            ("Sales", "sales", true),
            ("Sales", "Sales 2", false),
            ("sales*", "Sales 2", true),
            ("*desk", "Technical Desk", true),
            ("*e", "Release", true),
            ("*cal*", "Technical Desk", true),
            ("*x*", "Technical Desk", false),
            ("t*k", "Technical Desk", true),
            ("t*l", "Technical Desk", false),
            ("*", "", true),
        ] {
            assert_eq!(fits(filter, name), fit, "{filter} {name}");
        }
    }
}
