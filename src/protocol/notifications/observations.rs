//! Reads statistics of queues: observations and the newer activity topic.
//!
//! In: `eventBody` of statistics topics · Out: `ObservationFacts` · Thread: any (pure).
//!
//! Observations are `{group, data:[{interval, metrics:[{metric, qualifier, stats}]}]}`, activity is
//! `{results:[{mediaType, data:[{metric, count, calculatedMetricValue}]}]}`. The published type of activity has changed
//! once (July to August 2026), so both are read as one structure in which every level is optional.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::MapAccess;

use super::super::json::{Entries, Field, Lenient, lenient_object, read_object};
use crate::event::facts::{MediaKind, ObservationFacts, ObservationRow};
use crate::{Id, Moment};

/// The body itself, and an entry of `results`.
#[derive(Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Section {
    group: Field<Group>,
    queue_id: Field<Id>,
    media_type: Field<MediaKind>,
    data: Field<Entries<Datum>>,
    results: Field<Entries<Section>>,
}

#[derive(Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Group {
    queue_id: Field<Id>,
    media_type: Field<MediaKind>,
}

/// An entry of `data`, and of its `metrics`.
#[derive(Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Datum {
    interval: Field<Interval>,
    metrics: Field<Entries<Datum>>,
    metric: Field<Box<str>>,
    qualifier: Field<Box<str>>,
    stats: Field<Stats>,
    count: Field<f64>,
    calculated_metric_value: Field<f64>,
}

lenient_object!(Section, Group, Datum);

#[derive(Clone, Copy, PartialEq)]
struct Interval(Moment, Moment);

impl<'de> Lenient<'de> for Interval {
    const EMPTY_IS_ABSENT: bool = true;

    fn text(text: &str) -> Option<Self> {
        let (start, end) = text.split_once('/')?;
        Some(Self(Moment::parse(start)?, Moment::parse(end)?))
    }
}

#[derive(PartialEq)]
struct Stats(BTreeMap<Box<str>, f64>);

impl<'de> Lenient<'de> for Stats {
    fn object<A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        let mut stats = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<Box<str>, Field<f64>>()? {
            if let Field::Given(value) = value {
                stats.insert(name, value);
            }
        }
        Ok(Some(Self(stats)))
    }
}

/// Reads statistics; `queue` is the one in the topic's name. Also gives the count of what cannot be read: intervals, and
/// entries that are no object or name no metric. The error says what is wrong without quoting the text.
pub(super) fn read(body: &str, queue: Option<&Id>) -> Result<(ObservationFacts, u32), String> {
    let mut body: Section = read_object("eventBody", body)?;
    if body.data == Field::Wrong || body.results == Field::Wrong {
        return Err("the statistics are not a list".to_owned());
    }
    let mut unreadable = 0;
    let results = std::mem::take(&mut body.results);
    let mut sections = vec![body];
    sections.extend(readable(results, &mut unreadable));
    let Some(queue) = sections.iter().find_map(Section::queue).or(queue).cloned() else {
        return Err("the statistics name no queue".to_owned());
    };
    let mut facts = ObservationFacts {
        queue,
        rows: Vec::new(),
    };
    for section in sections {
        // An event is about one queue; a section of another one must not be counted for it.
        if section.queue().is_some_and(|queue| *queue != facts.queue) {
            continue;
        }
        section.into_rows(&mut facts.rows, &mut unreadable);
    }
    Ok((facts, unreadable))
}

/// The readable entries of a list; the others are counted.
fn readable<T>(list: Field<Entries<T>>, unreadable: &mut u32) -> Vec<T> {
    let Some(entries) = list.some() else { return Vec::new() };
    *unreadable += u32::try_from(entries.wrong).unwrap_or(u32::MAX);
    entries.good
}

impl Section {
    fn queue(&self) -> Option<&Id> {
        let group = self.group.as_some();
        group
            .and_then(|group| group.queue_id.as_some())
            .or(self.queue_id.as_some())
    }

    fn into_rows(self, rows: &mut Vec<ObservationRow>, unreadable: &mut u32) {
        let group = self.group.as_some();
        let media = group
            .and_then(|group| group.media_type.copied())
            .or(self.media_type.copied());
        for mut datum in readable(self.data, unreadable) {
            *unreadable += datum.interval.unreadable();
            let interval = datum.interval.copied().map(|Interval(start, end)| (start, end));
            let metrics = std::mem::take(&mut datum.metrics);
            rows.extend(datum.into_row(media, interval, unreadable));
            for metric in readable(metrics, unreadable) {
                rows.extend(metric.into_row(media, interval, unreadable));
            }
        }
    }
}

impl Datum {
    /// `None` if it has no number; one with numbers but without the name of a metric is counted as unreadable.
    fn into_row(
        self,
        media: Option<MediaKind>,
        interval: Option<(Moment, Moment)>,
        unreadable: &mut u32,
    ) -> Option<ObservationRow> {
        let mut stats = self.stats.some().map(|Stats(stats)| stats).unwrap_or_default();
        let own = [
            ("count", self.count),
            ("calculatedMetricValue", self.calculated_metric_value),
        ];
        for (name, value) in own {
            if let Field::Given(value) = value {
                stats.insert(name.into(), value);
            }
        }
        if stats.is_empty() {
            return None;
        }
        let Field::Given(metric) = self.metric else {
            *unreadable = unreadable.saturating_add(1);
            return None;
        };
        Some(ObservationRow {
            media,
            interval,
            metric,
            qualifier: self.qualifier.some(),
            stats,
        })
    }
}
