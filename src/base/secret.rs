//! Text that must not be shown: client secrets, access tokens, channel addresses.
//!
//! In: text · Out: the text on request, `<secret>` in `Debug` · Thread: any (plain data).

use std::fmt;

use zeroize::Zeroizing;

use super::scrub::{self, InUse, Life};

/// A secret. Its `Debug` shows `<secret>`, it has no `Display`, and its memory is wiped on drop.
///
/// ```
/// use genesys_stream::Secret;
/// let secret = Secret::new("hunter2");
/// assert_eq!(format!("{secret:?}"), "<secret>");
/// assert_eq!(secret.reveal(), "hunter2");
/// ```
#[derive(Clone)]
pub struct Secret {
    text: Zeroizing<String>,
    /// As long as this is there, the secret is searched for.
    _in_use: Option<InUse>,
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Secret {}

impl Secret {
    /// A secret of this text. From now on messages, records and files of this process show `<secret>` where it would stand.
    pub fn new(text: impl Into<String>) -> Self {
        Self::learned(text, Life::Configured, "<secret>")
    }

    /// A secret that the service gave, and that ends by itself: a token or the address of a channel.
    pub(crate) fn passing(text: impl Into<String>) -> Self {
        Self::learned(text, Life::Passing, "<secret>")
    }

    /// The id of a channel, which opens the channel to anyone.
    pub(crate) fn channel(id: impl Into<String>) -> Self {
        Self::learned(id, Life::Passing, "<channel>")
    }

    fn learned(text: impl Into<String>, life: Life, stand_in: &'static str) -> Self {
        let text = Zeroizing::new(text.into());
        let in_use = scrub::learn(&text, life, stand_in);
        Self {
            text,
            _in_use: Some(in_use),
        }
    }

    /// A text with a secret in it that is a [`Secret`] of its own, such as a header.
    pub(crate) fn derived(text: impl Into<String>) -> Self {
        Self {
            text: Zeroizing::new(text.into()),
            _in_use: None,
        }
    }

    /// The text itself, for the place that sends it to the service.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// Whether the text is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}
