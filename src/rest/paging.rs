//! Listings that are read page by page.
//!
//! In: a listing's path · Out: all entities, each once · Thread: the caller's.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::client::{Method, Request, RestClient};
use crate::base::limits::ENTRY_BYTES;
use crate::protocol::json::{Field, Present, each_entry};
use crate::{Error, ErrorKind, Secret};

/// Entities per page: the most that the service gives.
pub(super) const PAGE_SIZE: usize = 100;
/// Most pages whose entities are taken; one more is read to see the end.
const MAX_PAGES: usize = 250;
/// Entities that are taken of a listing: more than 20 channels have topics.
const MOST: usize = MAX_PAGES * PAGE_SIZE;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    #[serde(borrow)]
    entities: &'a RawValue,
    #[serde(default)]
    page_count: Field<f64>,
    #[serde(default)]
    next_uri: Field<Present>,
}

/// What came of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    New,
    /// It was listed before.
    Again,
    Unreadable,
}

/// Calls `take` with every entity of a list, `None` for one that is too long, up to so many that are new. Returns how many
/// entities are there, and how many are new; `None` where it is no list.
pub(super) fn each_entity(
    list: &RawValue,
    most: usize,
    take: &mut dyn FnMut(Option<&Value>) -> Taken,
) -> Option<(usize, usize)> {
    let (mut count, mut new) = (0, 0);
    let is_list = each_entry(list, &mut |entry| {
        count += 1;
        if new < most {
            let entity = (entry.len() <= ENTRY_BYTES)
                .then(|| serde_json::from_str(entry).ok())
                .flatten();
            new += usize::from(take(entity.as_ref()) == Taken::New);
        }
    });
    is_list.then_some((count, new))
}

/// Reads all pages of `path`, which may have a query, entity by entity. Returns how many entities there were.
///
/// # Errors
/// Those of [`RestClient::call`]; [`ErrorKind::Transient`] where the listing does not end.
pub(super) fn all_pages(
    client: &RestClient,
    token: &Secret,
    (doing, path): (&str, &str),
    take: &mut dyn FnMut(Option<&Value>) -> Taken,
) -> Result<usize, Error> {
    let (mut all, mut taken) = (0, 0);
    let join = if path.contains('?') { '&' } else { '?' };
    // One more, because a full page may be the last one.
    for number in 1..=MAX_PAGES + 1 {
        let at = format!("{path}{join}pageNumber={number}&pageSize={PAGE_SIZE}");
        let answer = client.call(&Request::new(doing, Method::Get, &at, token).page())?;
        let page: Page<'_> = answer.json()?;
        let Some((count, new)) = each_entity(page.entities, MOST - taken, take) else {
            return Err(answer.malformed("entities is no list"));
        };
        all += count;
        taken += new;
        // The member listing has no page count, the queue listing may have no URL of the next page, and a page may be
        // short because of permissions: any sign of another page is followed.
        let more = match (page.next_uri.some(), page.page_count.some()) {
            (Some(Present), _) => true,
            (_, Some(pages)) => (number as f64) < pages,
            _ => count >= PAGE_SIZE,
        };
        let is_all_taken = taken < MOST || taken == all;
        if is_all_taken && (!more || new == 0) {
            return Ok(all);
        }
        if all > MOST {
            break;
        }
    }
    Err(Error::new(
        ErrorKind::Transient,
        doing,
        format!("the listing has no end: {all} entries so far, {MOST} are taken at most"),
    ))
}
