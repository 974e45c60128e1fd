//! Words of topics that are needed both to read topics and to redact them.
//!
//! In: nothing · Out: words · Thread: any (constants).

/// Last segments of the topics of one medium, as the service lists them (August 2026).
pub(crate) const MEDIA_TOPICS: [&str; 10] = [
    "calls",
    "callbacks",
    "chats",
    "cobrowsesessions",
    "emails",
    "internalmessages",
    "messages",
    "screenshares",
    "socialexpressions",
    "videos",
];
