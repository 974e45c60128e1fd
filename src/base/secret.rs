//! Text that must not be shown: client secrets, access tokens, channel addresses.
//!
//! In: text · Out: the text on request, `<secret>` in `Debug` · Thread: any (plain data).

use std::fmt;

use zeroize::Zeroizing;

use super::scrub::{self, Life};

/// A secret. Its `Debug` shows `<secret>`, it has no `Display`, and its memory is wiped on drop.
///
/// ```
/// use genesys_stream::Secret;
/// let secret = Secret::new("hunter2");
/// assert_eq!(format!("{secret:?}"), "<secret>");
/// assert_eq!(secret.reveal(), "hunter2");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// A secret of this text. From now on messages, records and files of this process show `<secret>` where it would stand.
    pub fn new(text: impl Into<String>) -> Self {
        let secret = Self::derived(text);
        scrub::learn(secret.reveal(), Life::Configured, "<secret>");
        secret
    }

    /// A secret that the service gave, and that ends by itself: a token or the address of a channel.
    pub(crate) fn passing(text: impl Into<String>) -> Self {
        let secret = Self::derived(text);
        scrub::learn(secret.reveal(), Life::Passing, "<secret>");
        secret
    }

    /// The id of a channel, which opens the channel to anyone.
    pub(crate) fn channel(id: impl Into<String>) -> Self {
        let secret = Self::derived(id);
        scrub::learn(secret.reveal(), Life::Passing, "<channel>");
        secret
    }

    /// A text with a secret in it that is a [`Secret`] of its own, such as a header.
    pub(crate) fn derived(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the place that sends it to the service.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether the text is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}
