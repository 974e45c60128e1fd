//! What Redis has of a reader's own stream.
//!
//! In: a connection, a key · Out: ids, entries, times · Thread: the caller's.

use super::client::Node;
use super::entry::{Content, Entry, EntryId, What};
use crate::{Error, Moment};

/// The greatest id that the stream ever had.
///
/// # Errors
/// Those of the connection, and what Redis refuses.
pub(super) fn newest_id(node: &mut Node, key: &str) -> Result<EntryId, Error> {
    let reply = node.ask(&["XINFO", "STREAM", key])?;
    let mut pairs = reply.items().chunks(2);
    let pair = pairs.find(|pair| pair[0].text() == Some("last-generated-id"));
    let id = pair.and_then(|pair| EntryId::parse(pair.get(1)?.text()?));
    Ok(id.unwrap_or_default())
}

/// Its last entry.
///
/// # Errors
/// Those of the connection, and what Redis refuses.
pub(super) fn last_of(node: &mut Node, key: &str) -> Result<Option<Entry>, Error> {
    let reply = node.ask(&["XREVRANGE", key, "+", "-", "COUNT", "1"])?;
    Ok(reply.items().first().and_then(Entry::of))
}

/// Until when the topics of this stream were covered, by the newest of its entries that says so.
///
/// # Errors
/// Those of the connection, and what Redis refuses.
pub(super) fn covered_until(node: &mut Node, key: &str) -> Result<Option<Moment>, Error> {
    const PIECE: usize = 500;
    let mut end = "+".to_owned();
    loop {
        let reply = node.ask(&["XREVRANGE", key, &end, "-", "COUNT", &PIECE.to_string()])?;
        let entries: Vec<Entry> = reply.items().iter().filter_map(Entry::of).collect();
        let to = entries.iter().find_map(|entry| match &entry.content {
            Some(Content {
                what: What::Cover { to: Some(to) },
                ..
            }) => Some(*to),
            _ => None,
        });
        match entries.last() {
            Some(oldest) if to.is_none() && entries.len() == PIECE => end = format!("({}", oldest.id),
            _ => return Ok(to),
        }
    }
}
