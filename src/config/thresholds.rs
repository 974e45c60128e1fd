//! Thresholds of queues: when a number of a queue is an alert; limits of agents: how long a status may last.
//!
//! In: the keys below `thresholds` · Out: `ThresholdsConfig`, `AgentLimits` · Thread: any (pure).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::json::{Member, Node, Value};
use super::message::found_text;
use super::reading::{Complaints, Null, Reading, allowed_words, whole_in};

const DEFAULT: &str = "thresholds.default";
const QUEUES: &str = "thresholds.queues";
const AGENTS: &str = "thresholds.agents";
const FOR_SECS: &str = "for_secs";
const DAY_SECS: u64 = 86_400;
const MONTH_SECS: u32 = 31 * 86_400;

/// A number of a queue that can have thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlertName {
    /// Visits that wait now.
    Waiting,
    /// Seconds since the longest waiting visit entered.
    LongestWaitSecs,
    /// Abandoned, of answered and abandoned, in the last 30 minutes.
    AbandonedPercent,
    /// Service level of the last 30 minutes; it alerts when it falls.
    ServiceLevelPercent,
    /// Members on queue whom nobody talks to; it alerts when it falls.
    IdleAgents,
}

impl AlertName {
    /// All names.
    pub(crate) const ALL: [Self; 5] = [
        Self::Waiting,
        Self::LongestWaitSecs,
        Self::AbandonedPercent,
        Self::ServiceLevelPercent,
        Self::IdleAgents,
    ];

    /// The key in files, snapshots and records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::LongestWaitSecs => "longest_wait_secs",
            Self::AbandonedPercent => "abandoned_percent",
            Self::ServiceLevelPercent => "service_level_percent",
            Self::IdleAgents => "idle_agents",
        }
    }

    /// Whether a low number is the bad one.
    pub(crate) fn falls(self) -> bool {
        matches!(self, Self::ServiceLevelPercent | Self::IdleAgents)
    }

    fn scale(self) -> Scale<'static> {
        Scale {
            name: self.as_str(),
            most: match self {
                Self::Waiting | Self::IdleAgents => 1_000_000,
                Self::LongestWaitSecs => MONTH_SECS,
                Self::AbandonedPercent | Self::ServiceLevelPercent => 100,
            },
            is_whole: matches!(self, Self::Waiting | Self::IdleAgents),
            falls: self.falls(),
        }
    }
}

/// Which thresholds a number can have.
struct Scale<'a> {
    name: &'a str,
    /// The greatest threshold.
    most: u32,
    is_whole: bool,
    /// Whether a low number is the bad one.
    falls: bool,
}

/// Routing statuses and system presences, as Genesys' schemas list them (seen 2026-11).
const STATUSES: [&str; 14] = [
    "IDLE",
    "INTERACTING",
    "COMMUNICATING",
    "NOT_RESPONDING",
    "OFF_QUEUE",
    "ON_QUEUE",
    "AVAILABLE",
    "AWAY",
    "BREAK",
    "BUSY",
    "MEAL",
    "MEETING",
    "OFFLINE",
    "TRAINING",
];

/// The two thresholds of a number; `[amber, red]` in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f64; 2]", into = "[f64; 2]")]
pub struct Levels {
    /// The number is an alert from here on.
    pub amber: f64,
    /// From here on it is a worse one.
    pub red: f64,
}

impl From<[f64; 2]> for Levels {
    fn from([amber, red]: [f64; 2]) -> Self {
        Self { amber, red }
    }
}

impl From<Levels> for [f64; 2] {
    fn from(levels: Levels) -> Self {
        [levels.amber, levels.red]
    }
}

/// Thresholds of one queue, or of all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueueThresholds {
    /// For so long a number has to be beyond a threshold before it is an alert, and off it before it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_secs: Option<u64>,
    /// `None` where there are to be none.
    #[serde(flatten)]
    pub levels: BTreeMap<AlertName, Option<Levels>>,
}

/// `thresholds` in the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ThresholdsConfig {
    /// Of every queue.
    pub default: QueueThresholds,
    /// By id or name of the queue: laid over the default ones.
    pub queues: BTreeMap<String, QueueThresholds>,
}

impl ThresholdsConfig {
    /// Whether no queue has any threshold.
    pub(crate) fn is_empty(&self) -> bool {
        let mut all = std::iter::once(&self.default).chain(self.queues.values());
        all.all(|thresholds| thresholds.levels.values().all(Option::is_none))
    }
}

/// Seconds that an agent may be in a status, by routing status or system presence.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct AgentLimits(pub(crate) BTreeMap<&'static str, Levels>);

pub(super) fn read_agent_limits(r: &mut Reading<'_>) -> AgentLimits {
    let limits = r.pick(AGENTS, Null::Refused, |node, complaints| {
        let mut limits = BTreeMap::new();
        for member in members(AGENTS, "", node, complaints)? {
            let part = shown(&member.key);
            let Some(status) = STATUSES.into_iter().find(|status| *status == member.key) else {
                let allowed = allowed_words(&member.key, STATUSES.into_iter());
                complaints.plain(&part, member.at, format!("unknown status; {allowed}"));
                continue;
            };
            let scale = Scale {
                name: status,
                most: MONTH_SECS,
                is_whole: true,
                falls: false,
            };
            // Null: none, as for the thresholds of queues.
            if member.node.value != Value::Null
                && let Some(levels) = read_levels(&scale, (AGENTS, &part), &member.node, complaints)
            {
                limits.insert(status, levels);
            }
        }
        Some(limits)
    });
    AgentLimits(limits.unwrap_or_default())
}

pub(super) fn read_thresholds(r: &mut Reading<'_>) -> ThresholdsConfig {
    let default = r.pick(DEFAULT, Null::Refused, |node, complaints| {
        Some(read_queue((DEFAULT, ""), node, complaints))
    });
    let queues = r.pick(QUEUES, Null::Refused, |node, complaints| {
        let queue = |member: &Member, complaints: &mut Complaints| {
            let part = shown(&member.key);
            (
                member.key.clone(),
                read_queue((QUEUES, &part), &member.node, complaints),
            )
        };
        let members = members(QUEUES, "", node, complaints)?;
        Some(members.iter().map(|member| queue(member, complaints)).collect())
    });
    ThresholdsConfig {
        default: default.unwrap_or_default(),
        queues: queues.unwrap_or_default(),
    }
}

fn members<'n>(key: &str, part: &str, node: &'n Node, complaints: &mut Complaints) -> Option<&'n [Member]> {
    if let Value::Object(members) = &node.value {
        return Some(members);
    }
    complaints.below(key, part, node, "an object {…} is needed");
    None
}

/// A key of the file as it may be shown.
fn shown(key: &str) -> String {
    found_text("", key).trim_matches('"').to_owned()
}

/// `part` is the path below `key`, empty for `key` itself.
fn read_queue((key, part): (&str, &str), node: &Node, complaints: &mut Complaints) -> QueueThresholds {
    let mut read = QueueThresholds::default();
    for member in members(key, part, node, complaints).unwrap_or_default() {
        let dot = if part.is_empty() { "" } else { "." };
        let below = format!("{part}{dot}{}", shown(&member.key));
        if member.key == FOR_SECS {
            match whole_in(FOR_SECS, &member.node, &(0..=DAY_SECS)) {
                Ok(secs) => read.for_secs = Some(secs),
                Err(allowed) => complaints.below(key, &below, &member.node, allowed),
            }
            continue;
        }
        let Some(name) = AlertName::ALL.into_iter().find(|name| name.as_str() == member.key) else {
            let known = AlertName::ALL.map(AlertName::as_str);
            let allowed = allowed_words(&member.key, known.into_iter().chain([FOR_SECS]));
            complaints.plain(&below, member.at, format!("unknown key; {allowed}"));
            continue;
        };
        if member.node.value == Value::Null {
            read.levels.insert(name, None);
        } else if let Some(levels) = read_levels(&name.scale(), (key, &below), &member.node, complaints) {
            read.levels.insert(name, Some(levels));
        }
    }
    read
}

fn read_levels(
    scale: &Scale<'_>,
    (key, part): (&str, &str),
    node: &Node,
    complaints: &mut Complaints,
) -> Option<Levels> {
    let kind = if scale.is_whole { "whole numbers" } else { "numbers" };
    let order = if scale.falls { "amber ≥ red" } else { "amber ≤ red" };
    let allowed = format!(
        "allowed is [amber, red], two {kind} from 0 to {} with {order}, or null for none",
        scale.most
    );
    let Value::List(items) = &node.value else {
        complaints.below(key, part, node, allowed);
        return None;
    };
    if items.len() != 2 {
        complaints.plain(part, node.at, (format!("{} items", items.len()), allowed));
        return None;
    }
    let number = |item: &Node| {
        let Value::Number(written) = &item.value else {
            return None;
        };
        let number = written.parse::<f64>().ok()?;
        let is_allowed = (0.0..=f64::from(scale.most)).contains(&number) && !(scale.is_whole && number.fract() != 0.0);
        is_allowed.then_some(number)
    };
    let mut numbers = [0.0; 2];
    for (index, item) in items.iter().enumerate() {
        match number(item) {
            Some(number) => numbers[index] = number,
            None => {
                complaints.below(key, &format!("{part}[{index}]"), item, allowed);
                return None;
            }
        }
    }
    let [amber, red] = numbers;
    if if scale.falls { amber < red } else { amber > red } {
        let (side, worse) = if scale.falls {
            ("below", "lower")
        } else {
            ("above", "higher")
        };
        let found = format!("amber {amber} {side} red {red}");
        let what = format!("{allowed}; {} is worse the {worse} it is: swap the two", scale.name);
        complaints.plain(part, node.at, (found, what));
        return None;
    }
    Some(Levels { amber, red })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Secret};

    fn read(json: &str) -> Result<ThresholdsConfig, String> {
        let builder = Config::builder().region("http://127.0.0.1:1").client_id("c");
        let built = builder.client_secret(Secret::new("s")).json("file.json", json).build();
        built.map(|config| config.thresholds).map_err(|error| error.to_string())
    }

    #[test]
    fn thresholds_of_all_and_of_single_queues_are_read() {
        let read = read(
            r#"{"thresholds":{"default":{"waiting":[5,10],"for_secs":10},
                "queues":{"Dr. Who & Co.":{"idle_agents":[2,0],"service_level_percent":[80.5,60],"waiting":null}}}}"#,
        );
        let read = read.unwrap();
        assert_eq!(read.default.for_secs, Some(10));
        assert_eq!(
            read.default.levels[&AlertName::Waiting],
            Some(Levels { amber: 5.0, red: 10.0 })
        );
        let own = &read.queues["Dr. Who & Co."];
        assert_eq!((own.for_secs, own.levels[&AlertName::Waiting]), (None, None));
        let level = Levels { amber: 80.5, red: 60.0 };
        assert_eq!(own.levels[&AlertName::ServiceLevelPercent], Some(level));
        assert!(!read.is_empty());
        // A recording holds them in the same form.
        let json = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<ThresholdsConfig>(&json).unwrap(), read);
    }

    #[test]
    fn none_are_the_default() {
        for json in [
            "{}",
            r#"{"thresholds":{}}"#,
            r#"{"thresholds":{"default":{"waiting":null},"queues":{"Q":{}}}}"#,
        ] {
            assert!(read(json).unwrap().is_empty(), "{json}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place_and_what_is_allowed() {
        let default = |inside: &str| read(&format!(r#"{{"thresholds":{{"default":{inside}}}}}"#)).unwrap_err();
        for (inside, parts) in [
            (
                r#"{"waiting":[10,5]}"#,
                &[
                    "thresholds.default.waiting",
                    "amber 10 above red 5",
                    "amber ≤ red",
                    "swap",
                ][..],
            ),
            (
                r#"{"idle_agents":[0,2]}"#,
                &["thresholds.default.idle_agents", "amber 0 below red 2", "amber ≥ red"],
            ),
            (
                r#"{"waiting":[-1,5]}"#,
                &["thresholds.default.waiting[0]", "-1", "from 0 to 1000000"],
            ),
            (r#"{"waiting":[1.5,5]}"#, &["waiting[0]", "whole numbers"]),
            (
                r#"{"abandoned_percent":[5,101]}"#,
                &["abandoned_percent[1]", "101", "from 0 to 100 "],
            ),
            (
                r#"{"waiting":["5",10]}"#,
                &["waiting[0]", "\"5\"", "allowed is [amber, red]"],
            ),
            (
                r#"{"waiting":7}"#,
                &["thresholds.default.waiting", "7", "[amber, red]", "null for none"],
            ),
            (r#"{"waiting":[1,2,3]}"#, &["3 items", "[amber, red]"]),
            (
                r#"{"wating":[1,2]}"#,
                &["thresholds.default.wating", "unknown key", "did you mean waiting?"],
            ),
            (
                r#"{"for_secs":-1}"#,
                &["thresholds.default.for_secs", "from 0 to 86400 (seconds)"],
            ),
            ("[]", &["thresholds.default", "an object"]),
        ] {
            let error = default(inside);
            assert!(error.contains("file.json:1:"), "{error}");
            parts
                .iter()
                .for_each(|part| assert!(error.contains(part), "{part} is not in {error}"));
        }
        let error = read(r#"{"thresholds":{"queues":{"Sales":{"waiting":[2,1]},"VIP":3}}}"#).unwrap_err();
        for part in ["thresholds.queues.Sales.waiting", "thresholds.queues.VIP"] {
            assert!(error.contains(part), "{part} is not in {error}");
        }
    }

    #[test]
    fn limits_of_agents_go_by_known_statuses() {
        let read = |agents: &str| {
            let builder = Config::builder().region("http://127.0.0.1:1").client_id("c");
            let json = format!(r#"{{"thresholds":{{"agents":{agents}}}}}"#);
            let built = builder.client_secret(Secret::new("s")).json("file.json", json).build();
            built
                .map(|config| config.agent_limits.0)
                .map_err(|error| error.to_string())
        };
        let limits = read(r#"{"NOT_RESPONDING":[30,60],"BREAK":[900,900],"MEAL":null}"#).unwrap();
        assert_eq!(
            limits,
            BTreeMap::from([
                ("BREAK", [900.0, 900.0].into()),
                ("NOT_RESPONDING", [30.0, 60.0].into())
            ])
        );
        for (agents, parts) in [
            (
                r#"{"NOT_RESPONDNG":[1,2]}"#,
                ["thresholds.agents.NOT_RESPONDNG", "did you mean NOT_RESPONDING?"],
            ),
            (r#"{"BREAK":[2,1]}"#, ["amber 2 above red 1", "swap the two"]),
            (
                r#"{"BREAK":[1.5,2]}"#,
                ["thresholds.agents.BREAK[0]", "whole numbers from 0 to 2678400"],
            ),
            ("7", ["thresholds.agents", "an object {…} is needed"]),
        ] {
            let error = read(agents).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "{error}");
            }
        }
    }
}
