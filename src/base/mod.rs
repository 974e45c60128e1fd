//! Types without a domain: moments, identifiers, secrets, errors and problems of a configuration, hashes.
//!
//! In: nothing · Out: plain types · Thread: any (pure).

pub(crate) mod digest;
pub(crate) mod error;
pub(crate) mod hash;
pub(crate) mod id;
pub(crate) mod inserted;
pub(crate) mod limits;
pub(crate) mod millis;
pub(crate) mod moment;
pub(crate) mod number;
pub(crate) mod order;
pub(crate) mod percent;
pub(crate) mod plural;
pub(crate) mod problem;
pub(crate) mod pseudonym;
pub(crate) mod receipt;
pub(crate) mod repeats;
pub(crate) mod scrub;
pub(crate) mod secret;
pub(crate) mod topic_words;
pub(crate) mod url;
