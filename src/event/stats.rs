//! Names and numbers of a queue's statistics.
//!
//! In: text and numbers of statistics · Out: `Name`, `Stats` · Thread: any (plain data).

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A name that the service gave: of a metric, a qualifier, a number. It is read as a `str`; names that are known take no
/// memory of their own.
///
/// ```
/// use genesys_stream::Name;
/// assert_eq!(&*Name::from("oWaiting"), "oWaiting");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Cow<'static, str>);

/// Makes `known`, which finds a text among these.
macro_rules! known {
    ($($name:literal)+) => {
        fn known(text: &str) -> Option<&'static str> {
            match text {
                $($name => Some($name),)+
                _ => None,
            }
        }
    };
}

known! {
    "count" "sum" "min" "max" "ratio" "target" "current" "numerator" "denominator" "calculatedMetricValue"
    "oWaiting" "oInteracting" "oAlerting" "oLongestWaiting" "oLongestInteracting" "oOnQueueUsers" "oOffQueueUsers"
    "oActiveUsers" "oMemberUsers" "oUserPresences" "oUserRoutingStatuses" "oServiceLevel" "oServiceTarget"
    "oActiveQueues" "nOffered" "nOutbound" "nOutboundAttempted" "nOutboundConnected" "nOutboundAbandoned" "nTransferred"
    "nBlindTransferred" "nConsultTransferred" "nConnected" "nConsult" "nOverSla" "nError" "nAnswered"
    "tAnswered" "tAbandon" "tShortAbandon" "tAcw" "tHandle" "tHeld" "tHeldComplete" "tTalk" "tTalkComplete" "tWait"
    "tAcd" "tFlowOut" "tAlert" "tNotResponding" "tAgentResponse" "tUserResponse" "tMonitoring" "tVoicemail" "tIvr"
    "tDialing" "tContacting" "tCoaching" "tCoachingComplete" "tMonitoringComplete"
    "IDLE" "INTERACTING" "COMMUNICATING" "NOT_RESPONDING" "OFF_QUEUE"
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(known(text).map_or_else(|| Cow::Owned(text.to_owned()), Cow::Borrowed))
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self(known(&text).map_or(Cow::Owned(text), Cow::Borrowed))
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// Numbers by their names, in the order of the names.
///
/// ```
/// use genesys_stream::{Name, Stats};
/// let stats = Stats::from_iter([(Name::from("sum"), 7.5), (Name::from("count"), 3.0)]);
/// assert_eq!((stats.get("count"), stats.get("max")), (Some(3.0), None));
/// assert_eq!(stats.iter().next(), Some(("count", 3.0)));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats(Vec<(Name, f64)>);

impl Stats {
    /// The number of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        let at = self.find(name).ok()?;
        Some(self.0[at].1)
    }

    /// Names and numbers, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, number)| (&**name, *number))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets a number.
    pub fn insert(&mut self, name: Name, number: f64) {
        match self.find(&name) {
            Ok(at) => self.0[at].1 = number,
            Err(at) => self.0.insert(at, (name, number)),
        }
    }

    /// Takes the place of these numbers without those that are not finite.
    pub(crate) fn set_finite(&mut self, of: &Self) {
        self.0.clear();
        self.0
            .extend(of.0.iter().filter(|(_, number)| number.is_finite()).cloned());
    }

    /// Sets all numbers to zero.
    pub(crate) fn set_to_zero(&mut self) {
        self.0.iter_mut().for_each(|(_, number)| *number = 0.0);
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(name))
    }
}

impl FromIterator<(Name, f64)> for Stats {
    fn from_iter<I: IntoIterator<Item = (Name, f64)>>(all: I) -> Self {
        let mut stats = Self::default();
        all.into_iter().for_each(|(name, number)| stats.insert(name, number));
        stats
    }
}

impl Serialize for Stats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Stats {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::<Name, f64>::deserialize(deserializer).map(Self::from_iter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_borrowed_and_others_are_kept() {
        for (text, is_known) in [("oWaiting", true), ("oSomethingNew", false), ("", false)] {
            let name = Name::from(text);
            assert_eq!((&*name, matches!(name.0, Cow::Borrowed(_))), (text, is_known));
            assert_eq!(Name::from(text.to_owned()), name);
        }
    }

    #[test]
    fn numbers_are_ordered_and_the_last_of_a_name_stands() {
        let mut stats = Stats::from_iter([("sum", 1.0), ("count", 2.0), ("sum", 3.0)].map(|(n, v)| (n.into(), v)));
        assert_eq!(Vec::from_iter(stats.iter()), [("count", 2.0), ("sum", 3.0)]);
        let json = serde_json::to_string(&stats).unwrap();
        assert_eq!(json, r#"{"count":2.0,"sum":3.0}"#);
        assert_eq!(serde_json::from_str::<Stats>(&json).unwrap(), stats);
        stats.insert("max".into(), f64::NAN);
        let mut finite = Stats::default();
        finite.set_finite(&stats);
        assert_eq!(Vec::from_iter(finite.iter()), [("count", 2.0), ("sum", 3.0)]);
        finite.set_to_zero();
        assert_eq!(finite.get("sum"), Some(0.0));
    }
}
