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
    // The types and metrics of the `metrics` protocol.
    "queue" "agent" "interaction" "skill" "wrapup" "skillGroup" "offered" "answered" "abandoned" "serviceLevelPercent"
    "serviceLevelDuration" "avgHandleTime" "avgWaitTime" "holdDuration" "transferCount" "wrapupCount"
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

impl Name {
    /// Bytes on the heap: none for a known name.
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.0 {
            Cow::Borrowed(_) => 0,
            Cow::Owned(text) => text.len(),
        }
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

/// The names that nearly all numbers have, in their order.
const USUAL: [&str; 8] = [
    "count",
    "denominator",
    "max",
    "min",
    "numerator",
    "ratio",
    "sum",
    "target",
];

/// Numbers that an event or answer may give for one row.
const AT_MOST: usize = 32;

/// The place of a name among the usual ones.
fn usual_place(name: &str) -> Option<usize> {
    match name {
        "count" => Some(0),
        "denominator" => Some(1),
        "max" => Some(2),
        "min" => Some(3),
        "numerator" => Some(4),
        "ratio" => Some(5),
        "sum" => Some(6),
        "target" => Some(7),
        _ => None,
    }
}

/// Numbers by their names, in the order of the names. Those with the usual names need no memory of their own.
///
/// ```
/// use genesys_stream::{Name, Stats};
/// let stats = Stats::from_iter([(Name::from("sum"), 7.5), (Name::from("count"), 3.0)]);
/// assert_eq!((stats.get("count"), stats.get("max")), (Some(3.0), None));
/// assert_eq!(stats.iter().next(), Some(("count", 3.0)));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// By their places in `USUAL`; zero where none is given.
    usual: [f64; USUAL.len()],
    /// One bit for each usual number that is given.
    given: u8,
    /// The others, in the order of their names.
    #[expect(
        clippy::box_collection,
        reason = "hardly any row has others, and all rows carry the field"
    )]
    others: Option<Box<Vec<(Name, f64)>>>,
}

impl Stats {
    /// The number of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        match usual_place(name) {
            Some(place) => self.is_given(place).then(|| self.usual[place]),
            None => {
                let others = self.others();
                let at = others.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
                Some(others[at].1)
            }
        }
    }

    /// Names and numbers, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        let places = (0..USUAL.len()).filter(|place| self.is_given(*place));
        let mut usual = places.map(|place| (USUAL[place], self.usual[place])).peekable();
        let mut others = self.others().iter().map(|(name, number)| (&**name, *number)).peekable();
        std::iter::from_fn(move || match (usual.peek(), others.peek()) {
            (Some((usual_name, _)), Some((name, _))) if name < usual_name => others.next(),
            (Some(_), _) => usual.next(),
            (None, _) => others.next(),
        })
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.given == 0 && self.others().is_empty()
    }

    /// Bytes on the heap, as an estimate.
    pub(crate) fn heap_bytes(&self) -> usize {
        let others = self.others().iter();
        others
            .map(|(name, _)| size_of::<(Name, f64)>() + name.heap_bytes())
            .sum()
    }

    /// Sets a number.
    pub fn insert(&mut self, name: Name, number: f64) {
        match usual_place(&name) {
            Some(place) => self.set(place, number),
            None => self.set_other(name, number),
        }
    }

    /// Sets the number of a name that may be unknown; `false` if there are so many others already that it is left out.
    pub(crate) fn set_named(&mut self, name: &str, number: f64) -> bool {
        let is_full = self.given.count_ones() as usize + self.others().len() >= AT_MOST;
        if is_full && self.get(name).is_none() {
            return false;
        }
        match usual_place(name) {
            Some(place) => self.set(place, number),
            None => self.set_other(Name::from(name), number),
        }
        true
    }

    /// Takes the place of these numbers without those that are not finite.
    pub(crate) fn set_finite(&mut self, of: &Self) {
        self.clone_from(of);
        for place in 0..USUAL.len() {
            if !self.usual[place].is_finite() {
                self.usual[place] = 0.0;
                self.given &= !(1 << place);
            }
        }
        if let Some(others) = &mut self.others {
            others.retain(|(_, number)| number.is_finite());
        }
        if self.others().is_empty() {
            self.others = None;
        }
    }

    /// Sets all numbers to zero.
    pub(crate) fn set_to_zero(&mut self) {
        self.usual = Default::default();
        if let Some(others) = &mut self.others {
            others.iter_mut().for_each(|(_, number)| *number = 0.0);
        }
    }

    fn is_given(&self, place: usize) -> bool {
        self.given & 1 << place != 0
    }

    fn set(&mut self, place: usize, number: f64) {
        self.usual[place] = number;
        self.given |= 1 << place;
    }

    fn others(&self) -> &[(Name, f64)] {
        self.others.as_ref().map_or(&[], |others| others.as_slice())
    }

    fn set_other(&mut self, name: Name, number: f64) {
        let others = self.others.get_or_insert_default();
        match others.binary_search_by(|(known, _)| known.cmp(&name)) {
            Ok(at) => others[at].1 = number,
            Err(at) => others.insert(at, (name, number)),
        }
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
    fn usual_names_are_found_at_their_places_and_in_order() {
        for (place, name) in USUAL.into_iter().enumerate() {
            assert_eq!(usual_place(name), Some(place));
        }
        assert!(USUAL.is_sorted());
    }

    #[test]
    fn other_names_have_their_places_between_the_usual_ones() {
        let names = ["zeta", "sum", "alpha", "count", "current", "target", "alpha"];
        let stats = Stats::from_iter((0..).zip(names).map(|(n, name)| (name.into(), f64::from(n))));
        let sorted = [
            ("alpha", 6.0),
            ("count", 3.0),
            ("current", 4.0),
            ("sum", 1.0),
            ("target", 5.0),
            ("zeta", 0.0),
        ];
        assert_eq!(Vec::from_iter(stats.iter()), sorted);
        assert_eq!(
            (stats.get("current"), stats.get("zet"), stats.get("max")),
            (Some(4.0), None, None)
        );
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
