//! Listings that are read page by page.
//!
//! In: a listing's path · Out: all entities, each once · Thread: the caller's.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use super::client::{Method, Request, RestClient};
use crate::{Error, ErrorKind, Secret};

/// Entities per page: the most that the service gives.
pub(super) const PAGE_SIZE: usize = 100;
/// Most pages that are read: more entities than 20 channels have topics.
const MAX_PAGES: usize = 250;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    entities: Vec<Value>,
    page_count: Option<Value>,
    next_uri: Option<Value>,
}

/// Reads all pages of `path`, which may have a query; an entity that is listed twice (by its id) is returned once.
///
/// # Errors
/// Those of [`RestClient::call`]; [`ErrorKind::Refused`] where the listing does not end.
pub(super) fn all_pages(client: &RestClient, token: &Secret, doing: &str, path: &str) -> Result<Vec<Value>, Error> {
    let mut entities = Vec::new();
    let mut known = HashSet::new();
    let join = if path.contains('?') { '&' } else { '?' };
    for number in 1..=MAX_PAGES {
        let at = format!("{path}{join}pageNumber={number}&pageSize={PAGE_SIZE}");
        let answer = client.call(&Request::new(doing, Method::Get, &at, token))?;
        let page: Page = answer.json()?;
        let count = page.entities.len();
        let before = entities.len();
        for entity in page.entities {
            let id = entity.get("id").and_then(Value::as_str).map(str::to_owned);
            // A listing that changes while it is read repeats entities; one without an id is kept.
            if id.is_none_or(|id| known.insert(id)) {
                entities.push(entity);
            }
        }
        let nothing_new = entities.len() == before;
        // The member listing has no page count, the queue listing may have no URL of the next page, and a page may be
        // short because of permissions: any sign of another page is followed.
        let more = match (&page.next_uri, page.page_count.as_ref().and_then(Value::as_u64)) {
            (Some(Value::String(_)), _) => true,
            (_, Some(pages)) => (number as u64) < pages,
            _ => count >= PAGE_SIZE,
        };
        if !more || nothing_new {
            return Ok(entities);
        }
    }
    Err(Error::new(
        ErrorKind::Refused,
        doing,
        format!("the listing does not end after {MAX_PAGES} pages of {PAGE_SIZE}"),
    ))
}
