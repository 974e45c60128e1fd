//! Why the live numbers of a queue are not known now.
//!
//! In: open gaps, JSON · Out: the reason for each queue · Thread: any (pure).

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::coverage::queue_of_conversations;
use crate::Id;
use crate::event::change::NOT_SUBSCRIBED;
use crate::event::gap::{Gap, GapTopics};

/// Why the live numbers of a queue are not known: its conversation topic is not covered now.
///
/// In JSON, and as text, it is one of `refused: <permission>`, `gap`, `not subscribed` and `gone`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum WhyUnknown {
    /// The service refused the topic, for this reason: the missing permissions, else the service's text.
    Refused(String),
    /// A gap is open.
    Gap,
    /// The topic was not subscribed yet, or the service's answer does not name it.
    NotSubscribed,
    /// The listing does not contain the queue any more.
    Gone,
}

impl WhyUnknown {
    /// The kind of reason in words, without details.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Gap => "gap",
            Self::NotSubscribed => NOT_SUBSCRIBED,
            Self::Gone => "gone",
        }
    }
}

impl fmt::Display for WhyUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(permission) => write!(f, "refused: {permission}"),
            other => f.write_str(other.kind()),
        }
    }
}

impl Serialize for WhyUnknown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WhyUnknown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match (text.as_str(), text.strip_prefix("refused: ")) {
            (_, Some(permission)) => Ok(Self::Refused(permission.to_owned())),
            ("gap", _) => Ok(Self::Gap),
            (NOT_SUBSCRIBED, _) => Ok(Self::NotSubscribed),
            ("gone", _) => Ok(Self::Gone),
            _ => Err(serde::de::Error::custom(format!("unknown reason {text:?}"))),
        }
    }
}

/// The queues whose conversation topics are in a gap that is open.
#[derive(Debug, Default)]
pub(super) struct InGap {
    all: bool,
    queues: BTreeSet<Id>,
}

impl InGap {
    pub(super) fn new<'a>(open: impl Iterator<Item = &'a Gap>) -> Self {
        let mut in_gap = Self::default();
        for gap in open {
            match &gap.topics {
                GapTopics::All => in_gap.all = true,
                GapTopics::Some(topics) => {
                    let queues = topics.iter().filter_map(|topic| queue_of_conversations(topic));
                    in_gap.queues.extend(queues);
                }
            }
        }
        in_gap
    }

    pub(super) fn contains(&self, queue: &Id) -> bool {
        self.all || self.queues.contains(queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_comes_back_from_its_json() {
        for (reason, text) in [
            (
                WhyUnknown::Refused("routing:conversation:view".to_owned()),
                "\"refused: routing:conversation:view\"",
            ),
            (WhyUnknown::Gap, "\"gap\""),
            (WhyUnknown::NotSubscribed, "\"not subscribed\""),
            (WhyUnknown::Gone, "\"gone\""),
        ] {
            assert_eq!(serde_json::to_string(&reason).unwrap(), text);
            assert_eq!(serde_json::from_str::<WhyUnknown>(text).unwrap(), reason);
        }
        assert!(serde_json::from_str::<WhyUnknown>("\"tired\"").is_err());
    }
}
