//! Reads statistics of queues: observations and the newer activity topic.
//!
//! In: `eventBody` of statistics topics · Out: `ObservationFacts` · Thread: any (pure).
//!
//! Observations are `{group, data:[{interval, metrics:[{metric, qualifier, stats}]}]}`, activity is
//! `{results:[{mediaType, data:[{metric, count, calculatedMetricValue}]}]}`. The published type of activity has changed
//! once (July to August 2026), so both are read as one structure in which every level is optional.

use super::super::json::{Entries, Field, Lenient};
use super::super::scan::{Invalid, Object, Scanner, keys};
use crate::event::facts::{MediaKind, ObservationFacts, ObservationRow};
use crate::event::stats::{Name, Stats};
use crate::{Id, Moment};

keys! {
    SectionKey {
        Group = "group",
        QueueId = "queueId",
        MediaType = "mediaType",
        Data = "data",
        Results = "results",
    }
}
keys! { GroupKey { QueueId = "queueId", MediaType = "mediaType" } }
keys! {
    DatumKey {
        Interval = "interval",
        Metrics = "metrics",
        Metric = "metric",
        Qualifier = "qualifier",
        Stats = "stats",
        Count = "count",
        CalculatedMetricValue = "calculatedMetricValue",
    }
}

/// The body itself, and an entry of `results`.
#[derive(Default)]
struct Section {
    group: Group,
    queue_id: Option<Id>,
    media_type: Option<MediaKind>,
    data: Field<Entries<Datum>>,
    results: Field<Entries<Section>>,
}

#[derive(Default)]
struct Group {
    queue_id: Option<Id>,
    media_type: Option<MediaKind>,
}

/// An entry of `data`, and of its `metrics`.
#[derive(Default)]
struct Datum {
    interval: Field<Interval>,
    metrics: Field<Entries<Datum>>,
    metric: Option<Name>,
    qualifier: Option<Name>,
    stats: Stats,
    count: Option<f64>,
    calculated_metric_value: Option<f64>,
}

#[derive(Clone, Copy, PartialEq)]
struct Interval(Moment, Moment);

impl Lenient<'_> for Interval {
    const EMPTY_IS_ABSENT: bool = true;

    fn text(text: &str) -> Option<Self> {
        let (start, end) = text.split_once('/')?;
        Some(Self(Moment::parse(start)?, Moment::parse(end)?))
    }
}

/// Reads statistics; `queue` is the one in the topic's name. Also gives the count of what cannot be read: intervals, and
/// entries that are no object or name no metric. The error says what is wrong without quoting the text.
pub(super) fn read(
    scan: &mut Scanner<'_>,
    queue: Option<&Id>,
) -> Result<Result<(ObservationFacts, u32), String>, Invalid> {
    let object = scan.object()?;
    let body = Section::read(scan, object)?;
    Ok(into_facts(body, queue))
}

fn into_facts(mut body: Section, queue: Option<&Id>) -> Result<(ObservationFacts, u32), String> {
    if matches!(body.data, Field::Wrong) || matches!(body.results, Field::Wrong) {
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
    fn read(scan: &mut Scanner<'_>, mut object: Object) -> Result<Self, Invalid> {
        let mut section = Self::default();
        while let Some(key) = scan.next_key(&mut object)? {
            match key {
                SectionKey::Group => section.group = scan.object_as(Group::read)?.some().unwrap_or_default(),
                SectionKey::QueueId => section.queue_id = scan.id()?.some(),
                SectionKey::MediaType => section.media_type = scan.field()?.some(),
                SectionKey::Data => section.data = scan.objects_as(Datum::read)?,
                SectionKey::Results => section.results = scan.objects_as(Self::read)?,
            }
        }
        Ok(section)
    }

    fn queue(&self) -> Option<&Id> {
        self.group.queue_id.as_ref().or(self.queue_id.as_ref())
    }

    fn into_rows(self, rows: &mut Vec<ObservationRow>, unreadable: &mut u32) {
        let media = self.group.media_type.or(self.media_type);
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

impl Group {
    fn read(scan: &mut Scanner<'_>, mut object: Object) -> Result<Self, Invalid> {
        let mut group = Self::default();
        while let Some(key) = scan.next_key(&mut object)? {
            match key {
                GroupKey::QueueId => group.queue_id = scan.id()?.some(),
                GroupKey::MediaType => group.media_type = scan.field()?.some(),
            }
        }
        Ok(group)
    }
}

impl Datum {
    fn read(scan: &mut Scanner<'_>, mut object: Object) -> Result<Self, Invalid> {
        let mut datum = Self::default();
        while let Some(key) = scan.next_key(&mut object)? {
            match key {
                DatumKey::Interval => datum.interval = scan.field()?,
                DatumKey::Metrics => datum.metrics = scan.objects_as(Self::read)?,
                DatumKey::Metric => datum.metric = scan.field()?.some(),
                DatumKey::Qualifier => datum.qualifier = scan.field()?.some(),
                DatumKey::Stats => datum.stats = scan.object_as(stats)?.some().unwrap_or_default(),
                DatumKey::Count => datum.count = scan.field()?.some(),
                DatumKey::CalculatedMetricValue => datum.calculated_metric_value = scan.field()?.some(),
            }
        }
        Ok(datum)
    }

    /// `None` if it has no number; one with numbers but without the name of a metric is counted as unreadable.
    fn into_row(
        mut self,
        media: Option<MediaKind>,
        interval: Option<(Moment, Moment)>,
        unreadable: &mut u32,
    ) -> Option<ObservationRow> {
        let own = [
            ("count", self.count),
            ("calculatedMetricValue", self.calculated_metric_value),
        ];
        for (name, value) in own {
            if let Some(value) = value {
                self.stats.insert(Name::from(name), value);
            }
        }
        if self.stats.is_empty() {
            return None;
        }
        let Some(metric) = self.metric else {
            *unreadable = unreadable.saturating_add(1);
            return None;
        };
        Some(ObservationRow {
            media,
            interval,
            metric,
            qualifier: self.qualifier,
            stats: self.stats,
        })
    }
}

/// Names and their numbers; values of other types are left out.
fn stats(scan: &mut Scanner<'_>, mut object: Object) -> Result<Stats, Invalid> {
    let mut stats = Stats::default();
    while let Some(name) = scan.next_name(&mut object)? {
        if let Field::Given(value) = scan.field()? {
            stats.insert(Name::from(&*name), value);
        }
    }
    Ok(stats)
}
