//! How much of what a peer sends is taken.
//!
//! In: texts, lengths of lists · Out: texts that fit, counts of what does not · Thread: any (pure).
//!
//! Nothing that is kept may grow with what a peer likes to send. An identifier or a topic over its limit is never shortened,
//! because it would be another one; labels are cut, and entries of a list beyond its limit are left out. Both are counted
//! as unreadable.

/// Bytes of an identifier.
pub(crate) const ID_BYTES: usize = 256;

/// Bytes of a topic's name, of the type of an event.
pub(crate) const TOPIC_BYTES: usize = 256;

/// Bytes of a status, a metric, a qualifier, the name of a number.
pub(crate) const WORD_BYTES: usize = 128;

/// Bytes of the name of a queue or a user.
pub(crate) const NAME_BYTES: usize = 1024;

/// Participants of a conversation; further ones are not taken.
pub(crate) const PARTICIPANTS: usize = 256;

/// Communications of a participant, and pairs of its after-call work and its wrap-ups; further ones are not taken.
pub(crate) const COMMUNICATIONS: usize = 64;

/// Rows of statistics, and values of metrics, in one event or answer.
pub(crate) const ROWS: usize = 5_000;

/// Bytes of the JSON of one conversation, queue or user in an answer of REST.
pub(crate) const ENTRY_BYTES: usize = 1 << 20;

/// Bytes of the facts in one answer of REST, as an estimate; a page of 100 conversations has some 200 kB.
pub(crate) const PAGE_BYTES: usize = 32 << 20;

/// Bytes of the identifiers and names in one listing of REST.
pub(crate) const LISTING_BYTES: usize = 8 << 20;

/// Users; the topics of more do not fit into the 20 channels of a client.
pub(crate) const USERS: usize = 20_000;

/// Bytes of the memberships of users in queues, as an estimate: of 131,000 where ids are UUIDs. Each snapshot has them as text,
/// too.
pub(crate) const MEMBERSHIP_BYTES: usize = 2 << 20;

/// Segments of a session in an answer of REST.
pub(crate) const SEGMENTS: usize = 1_024;

/// The beginning of a text: at most so many bytes, cut between two characters.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

/// The same, and counts in `unreadable` whether anything was cut off.
pub(crate) fn cut_and_count<'a>(text: &'a str, bytes: usize, unreadable: &mut u32) -> &'a str {
    *unreadable += u32::from(text.len() > bytes);
    cut(text, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters_and_that_is_counted() {
        let mut unreadable = 0;
        assert_eq!(cut_and_count("abcd", 4, &mut unreadable), "abcd");
        assert_eq!(unreadable, 0);
        assert_eq!(cut_and_count("abcdé", 5, &mut unreadable), "abcd");
        assert_eq!(cut_and_count("\u{1f980}", 3, &mut unreadable), "");
        assert_eq!(unreadable, 2);
    }
}
