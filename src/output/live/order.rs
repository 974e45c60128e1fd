//! Which rows are shown, and in which order.
//!
//! In: snapshot, history, what the viewer chose · Out: rows · Thread: any (pure).
//!
//! By default rows keep their place: queues stand by name, and only an alert moves one of them. A row moves with a number
//! only where the viewer sorts by that number.

use std::cmp::Ordering;

use super::history::History;
use crate::Id;
use crate::base::order::Ordered as _;
use crate::model::snapshot::{QueueSnapshot, Snapshot, UserSnapshot};

/// By what queues are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum QueueSort {
    /// Red alerts, amber alerts, then all others by name.
    #[default]
    Alerts,
    Name,
    Waiting,
    LongestWait,
    Interacting,
    ServiceLevel,
    Abandoned,
    Offered,
}

/// By what agents are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum AgentSort {
    /// Time in status, the longest first.
    #[default]
    Time,
    Name,
    Status,
}

/// An order, and whether it is turned round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Order<T> {
    pub(super) by: T,
    pub(super) is_reversed: bool,
}

impl Order<QueueSort> {
    pub(super) fn next(&mut self) {
        use QueueSort::{Abandoned, Alerts, Interacting, LongestWait, Name, Offered, ServiceLevel, Waiting};
        self.is_reversed = false;
        self.by = match self.by {
            Alerts => Name,
            Name => Waiting,
            Waiting => LongestWait,
            LongestWait => Interacting,
            Interacting => ServiceLevel,
            ServiceLevel => Abandoned,
            Abandoned => Offered,
            Offered => Alerts,
        };
    }

    /// What it is called, with an arrow upwards where the numbers grow from row to row.
    pub(super) fn label(self) -> String {
        let (name, grows) = match self.by {
            QueueSort::Alerts => ("alerts, name", false),
            QueueSort::Name => ("name", true),
            QueueSort::Waiting => ("waiting", false),
            QueueSort::LongestWait => ("longest wait", false),
            QueueSort::Interacting => ("interacting", false),
            QueueSort::ServiceLevel => ("service level", true),
            QueueSort::Abandoned => ("abandoned", false),
            QueueSort::Offered => ("offered", false),
        };
        format!("{name} {}", arrow(grows != self.is_reversed))
    }
}

impl Order<AgentSort> {
    pub(super) fn next(&mut self) {
        self.is_reversed = false;
        self.by = match self.by {
            AgentSort::Time => AgentSort::Name,
            AgentSort::Name => AgentSort::Status,
            AgentSort::Status => AgentSort::Time,
        };
    }

    /// What it is called, with an arrow upwards where the values grow from row to row.
    pub(super) fn label(self) -> String {
        let (name, grows) = match self.by {
            AgentSort::Time => ("time in status", false),
            AgentSort::Name => ("name", true),
            AgentSort::Status => ("status", true),
        };
        format!("{name} {}", arrow(grows != self.is_reversed))
    }
}

fn arrow(grows: bool) -> &'static str {
    if grows { "↑" } else { "↓" }
}

/// The queues whose name or id contains `filter`.
pub(super) fn queues<'a>(
    snapshot: &'a Snapshot,
    history: &History,
    order: Order<QueueSort>,
    filter: &str,
) -> Vec<(&'a Id, &'a QueueSnapshot)> {
    let filter = filter.to_lowercase();
    let shown = |(id, queue): &(&Id, &QueueSnapshot)| contains(queue.name.as_deref(), id, &filter);
    let mut rows: Vec<_> = snapshot.queues.iter().filter(shown).collect();
    let value = |(id, queue): &(&Id, &QueueSnapshot)| -> Option<f64> {
        let totals = queue.totals.as_ref();
        match order.by {
            QueueSort::Alerts => Some(match queue.alerts.values().map(|alert| alert.level).max() {
                None => 0.0,
                Some(level) => 1.0 + f64::from(u8::from(level > crate::model::snapshot::AlertLevel::Amber)),
            }),
            QueueSort::Name => None,
            QueueSort::Waiting => {
                let known = queue.live.waiting.known();
                known.or_else(|| history.last_known(id)).map(|count| count as f64)
            }
            QueueSort::LongestWait => queue.longest_wait_secs,
            QueueSort::Interacting => queue.live.interacting.known().map(|count| count as f64),
            QueueSort::ServiceLevel => totals.and_then(|totals| totals.service_level_percent),
            QueueSort::Abandoned => totals.map(|totals| totals.abandoned as f64),
            QueueSort::Offered => totals.map(|totals| totals.offered as f64),
        }
    };
    let by_name = |one: &(&Id, &QueueSnapshot), other: &(&Id, &QueueSnapshot)| {
        names(
            one.1.name.as_deref(),
            other.1.name.as_deref(),
            order.by == QueueSort::Name && order.is_reversed,
        )
        .then(one.0.cmp(other.0))
    };
    rows.order_by(|one, other| {
        let grows = order.by == QueueSort::ServiceLevel;
        match order.by {
            QueueSort::Name => by_name(one, other),
            _ => values(value(one), value(other), grows != order.is_reversed).then_with(|| by_name(one, other)),
        }
    });
    rows
}

/// The users whose name, id or status contains `filter`, or a queue's name.
pub(super) fn agents<'a>(
    snapshot: &'a Snapshot,
    order: Order<AgentSort>,
    filter: &str,
) -> Vec<(&'a Id, &'a UserSnapshot)> {
    let filter = filter.to_lowercase();
    let shown = |(id, user): &(&Id, &UserSnapshot)| {
        let of_queue = |queue: &Id| {
            let known = snapshot.queues.get(queue);
            contains(known.and_then(|queue| queue.name.as_deref()), queue, &filter)
        };
        contains(user.name.as_deref(), id, &filter)
            || status(user).to_lowercase().contains(&filter)
            || user.queues.iter().any(of_queue)
    };
    ordered(snapshot.users.iter().filter(shown).collect(), order)
}

/// The members of a queue.
pub(super) fn members<'a>(
    snapshot: &'a Snapshot,
    order: Order<AgentSort>,
    queue: &Id,
) -> Vec<(&'a Id, &'a UserSnapshot)> {
    let members = snapshot.users.iter().filter(|(_, user)| user.queues.contains(queue));
    ordered(members.collect(), order)
}

fn ordered<'a>(mut rows: Vec<(&'a Id, &'a UserSnapshot)>, order: Order<AgentSort>) -> Vec<(&'a Id, &'a UserSnapshot)> {
    rows.order_by(|one, other| {
        let is_turned = order.by == AgentSort::Name && order.is_reversed;
        let by_name = || names(one.1.name.as_deref(), other.1.name.as_deref(), is_turned).then(one.0.cmp(other.0));
        let order_of = match order.by {
            // The earlier its begin, the longer a status has lasted.
            AgentSort::Time => match (one.1.since, other.1.since) {
                (Some(one), Some(other)) => turned(one.cmp(&other), order.is_reversed),
                (one, other) => one.is_none().cmp(&other.is_none()),
            },
            AgentSort::Name => by_name(),
            AgentSort::Status => turned(status(one.1).cmp(&status(other.1)), order.is_reversed),
        };
        order_of.then_with(by_name)
    });
    rows
}

/// The status of a user for people: `INTERACTING` as `interacting`, and the presence where it says more.
pub(super) fn status(user: &UserSnapshot) -> String {
    let words = |status: &str| status.to_lowercase().replace('_', " ");
    match (user.routing_status.as_deref(), user.presence.as_deref()) {
        (Some("OFF_QUEUE"), Some(presence)) => words(presence),
        (Some(routing), _) => words(routing),
        (None, Some(presence)) => words(presence),
        (None, None) => "unknown".to_owned(),
    }
}

fn contains(name: Option<&str>, id: &Id, lower_case: &str) -> bool {
    let named = name.is_some_and(|name| name.to_lowercase().contains(lower_case));
    named || id.to_string().contains(lower_case)
}

/// Those without a name last, also where the order is turned.
fn names(one: Option<&str>, other: Option<&str>, is_turned: bool) -> Ordering {
    let is_missing = one.is_none().cmp(&other.is_none());
    is_missing.then_with(|| turned(one.cmp(&other), is_turned))
}

/// Rows without a value stand last whichever way the values go.
fn values(one: Option<f64>, other: Option<f64>, grows: bool) -> Ordering {
    match (one, other) {
        (Some(one), Some(other)) => turned(one.total_cmp(&other), !grows),
        (one, other) => one.is_none().cmp(&other.is_none()),
    }
}

fn turned(order: Ordering, is_turned: bool) -> Ordering {
    if is_turned { order.reverse() } else { order }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::snapshot::LiveNumbers;
    use crate::output::record::tests::moment;
    use crate::output::testing::{SALES, a_snapshot};

    fn names_of(snapshot: &Snapshot, order: Order<QueueSort>, filter: &str) -> Vec<String> {
        let rows = queues(snapshot, &History::default(), order, filter);
        rows.iter()
            .map(|(_, queue)| queue.name.clone().unwrap_or_default())
            .collect()
    }

    fn by(by: QueueSort) -> Order<QueueSort> {
        Order { by, is_reversed: false }
    }

    #[test]
    fn queues_move_only_with_the_number_they_are_sorted_by() {
        let mut snapshot = a_snapshot();
        assert_eq!(names_of(&snapshot, by(QueueSort::Alerts), ""), ["Sales", "Support"]);
        assert_eq!(names_of(&snapshot, by(QueueSort::Waiting), ""), ["Support", "Sales"]);
        let sales = snapshot.queues.get_mut(&Id::new(SALES)).unwrap();
        sales.live.waiting = 9.into();
        assert_eq!(names_of(&snapshot, by(QueueSort::Alerts), ""), ["Sales", "Support"]);
        assert_eq!(names_of(&snapshot, by(QueueSort::Waiting), ""), ["Sales", "Support"]);
        let reversed = Order {
            by: QueueSort::Waiting,
            is_reversed: true,
        };
        assert_eq!(names_of(&snapshot, reversed, ""), ["Support", "Sales"]);
        let sales = snapshot.queues.get_mut(&Id::new(SALES)).unwrap();
        sales.live = LiveNumbers::UNKNOWN;
        assert_eq!(
            names_of(&snapshot, reversed, ""),
            ["Support", "Sales"],
            "unknown is last"
        );
        assert_eq!(names_of(&snapshot, by(QueueSort::Waiting), ""), ["Support", "Sales"]);
    }

    #[test]
    fn a_filter_finds_names_and_ids_in_any_case() {
        let snapshot = a_snapshot();
        assert_eq!(names_of(&snapshot, by(QueueSort::Name), "SUP"), ["Support"]);
        assert_eq!(names_of(&snapshot, by(QueueSort::Name), &SALES[..8]), ["Sales"]);
        assert!(names_of(&snapshot, by(QueueSort::Name), "none of them").is_empty());
    }

    #[test]
    fn agents_by_time_name_and_status() {
        let mut snapshot = a_snapshot();
        for (id, since) in [("u1", "14:05:00"), ("u3", "13:05:00")] {
            let user = snapshot.users.get_mut(&Id::new(id)).unwrap();
            user.since = Some(moment(&format!("2026-05-04T{since}Z")));
        }
        let ids = |order, filter| {
            let rows = agents(&snapshot, order, filter);
            rows.iter().map(|(id, _)| id.to_string()).collect::<Vec<_>>()
        };
        let mut order = Order::<AgentSort>::default();
        assert_eq!(ids(order, ""), ["u3", "u1", "u2"], "an unknown time is last");
        order.is_reversed = true;
        assert_eq!(ids(order, ""), ["u1", "u3", "u2"]);
        order.next();
        assert_eq!(ids(order, ""), ["u1", "u2", "u3"]);
        order.next();
        assert_eq!(ids(order, ""), ["u1", "u2", "u3"], "interacting before meal");
        assert_eq!(ids(order, "meal"), ["u3"]);
    }

    #[test]
    fn the_orders_are_a_circle() {
        let mut order = Order::<QueueSort>::default();
        let mut labels = Vec::new();
        loop {
            labels.push(order.label());
            order.next();
            if order == Order::default() {
                break;
            }
        }
        assert_eq!(labels.len(), 8);
        assert!(labels.contains(&"waiting ↓".to_owned()) && labels.contains(&"name ↑".to_owned()));
    }
}
