//! Reads statistics of queues: observations and the newer activity topic.
//!
//! In: `eventBody` of statistics topics · Out: `ObservationFacts` · Thread: any (pure).
//!
//! Observations are `{group, data:[{interval, metrics:[{metric, qualifier, stats}]}]}`, activity is
//! `{results:[{mediaType, data:[{metric, count, calculatedMetricValue}]}]}`. The published type of activity has changed
//! once (July to August 2026), so both are read as one structure in which every level is optional.

use super::super::json::{Field, Lenient};
use super::super::scan::{Invalid, Object, Scanner, keys};
use crate::base::limits::{ROWS, WORD_BYTES, cut};
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

#[derive(Clone, Copy, PartialEq)]
struct Interval(Moment, Moment);

impl Lenient<'_> for Interval {
    const EMPTY_IS_ABSENT: bool = true;

    fn text(text: &str) -> Option<Self> {
        let (start, end) = text.split_once('/')?;
        Some(Self(Moment::parse(start)?, Moment::parse(end)?))
    }
}

/// Entries of `results`: one for each medium.
const SECTIONS: usize = 64;

/// Rows for which room is made at once.
const USUAL_ROWS: usize = 16;

/// Reads statistics; `queue` is the one in the topic's name. Also gives the count of what cannot be read: intervals, and
/// entries that are no object or name no metric. The error says what is wrong without quoting the text.
pub(super) fn read(
    scan: &mut Scanner<'_>,
    queue: Option<&Id>,
    spare: &mut Option<Box<ObservationFacts>>,
) -> Result<Result<(Box<ObservationFacts>, u32), String>, Invalid> {
    let object = scan.object()?;
    let mut facts = spare.take().unwrap_or_else(|| {
        Box::new(ObservationFacts {
            queue: Id::PLACEHOLDER,
            rows: Vec::with_capacity(USUAL_ROWS),
        })
    });
    facts.rows.clear();
    let mut body = Section {
        rows: std::mem::take(&mut facts.rows),
        ..Section::default()
    };
    body.read(scan, object, &mut { ROWS })?;
    Ok(body.read_into(&mut facts, queue).map(|unreadable| (facts, unreadable)))
}

/// The body itself, or an entry of its `results`.
#[derive(Default)]
struct Section {
    /// In the group.
    grouped_queue: Option<Id>,
    grouped_media: Option<MediaKind>,
    queue: Option<Id>,
    media: Option<MediaKind>,
    /// Of `data`; the medium is added at the end, because it may stand behind.
    rows: Vec<ObservationRow>,
    /// What cannot be read in `data`.
    unreadable: u32,
    results: Vec<Section>,
    /// Entries of `results` that are no object.
    unreadable_results: u32,
    /// Whether `data` or `results` is there and no list.
    is_wrong: bool,
}

impl Section {
    /// `room` is for how many rows there is room in the event.
    fn read(&mut self, scan: &mut Scanner<'_>, mut object: Object, room: &mut usize) -> Result<(), Invalid> {
        while let Some(key) = scan.next_key(&mut object)? {
            match key {
                SectionKey::Group => {
                    scan.object_as(|scan, object| self.read_group(scan, object))?;
                }
                SectionKey::QueueId => self.queue = scan.id()?.some(),
                SectionKey::MediaType => self.media = scan.field()?.some(),
                SectionKey::Data => match scan.list_field()? {
                    Field::Given(mut list) => {
                        while scan.next_entry(&mut list)? {
                            match scan.object_field()? {
                                Field::Given(object) => self.read_datum(scan, object, room)?,
                                Field::Absent | Field::Wrong => self.unreadable += 1,
                            }
                        }
                    }
                    Field::Wrong => self.is_wrong = true,
                    Field::Absent => {}
                },
                SectionKey::Results => match scan.list_field()? {
                    Field::Given(mut list) => {
                        while scan.next_entry(&mut list)? {
                            if self.results.len() >= SECTIONS {
                                scan.leave_out()?;
                                continue;
                            }
                            let mut result = Self::default();
                            match scan.object_as(|scan, object| result.read(scan, object, room))? {
                                Field::Given(()) => self.results.push(result),
                                Field::Absent | Field::Wrong => self.unreadable_results += 1,
                            }
                        }
                    }
                    Field::Wrong => self.is_wrong = true,
                    Field::Absent => {}
                },
            }
        }
        Ok(())
    }

    fn read_group(&mut self, scan: &mut Scanner<'_>, mut object: Object) -> Result<(), Invalid> {
        while let Some(key) = scan.next_key(&mut object)? {
            match key {
                GroupKey::QueueId => self.grouped_queue = scan.id()?.some(),
                GroupKey::MediaType => self.grouped_media = scan.field()?.some(),
            }
        }
        Ok(())
    }

    /// Reads an entry of `data`: its own numbers, then those of its `metrics`.
    fn read_datum(&mut self, scan: &mut Scanner<'_>, mut object: Object, room: &mut usize) -> Result<(), Invalid> {
        let first = self.rows.len();
        let mut interval = Field::Absent;
        let mut own = Metric::default();
        while let Some(key) = scan.next_key(&mut object)? {
            match key {
                DatumKey::Interval => interval = scan.field()?,
                DatumKey::Metrics => {
                    if let Field::Given(mut list) = scan.list_field()? {
                        while scan.next_entry(&mut list)? {
                            if *room == 0 {
                                scan.leave_out()?;
                                continue;
                            }
                            let mut metric = Metric::default();
                            match scan.object_as(|scan, object| metric.read(scan, object))? {
                                Field::Given(()) => {
                                    if let Some(row) = metric.into_row(&mut self.unreadable) {
                                        *room -= 1;
                                        self.rows.push(row);
                                    }
                                }
                                Field::Absent | Field::Wrong => self.unreadable += 1,
                            }
                        }
                    }
                }
                other => own.field(other, scan)?,
            }
        }
        if let Some(row) = own.into_row(&mut self.unreadable) {
            match *room {
                0 => scan.count_over_limit(),
                _ => {
                    *room -= 1;
                    self.rows.insert(first, row);
                }
            }
        }
        self.unreadable += interval.unreadable();
        let interval = interval.copied().map(|Interval(start, end)| (start, end));
        for row in &mut self.rows[first..] {
            row.interval = interval;
        }
        Ok(())
    }

    fn named_queue(&self) -> Option<&Id> {
        self.grouped_queue.as_ref().or(self.queue.as_ref())
    }

    /// Also gives the count of what cannot be read.
    fn read_into(mut self, facts: &mut ObservationFacts, queue: Option<&Id>) -> Result<u32, String> {
        if self.is_wrong {
            return Err("the statistics are not a list".to_owned());
        }
        let results = std::mem::take(&mut self.results);
        let named = self.named_queue();
        let named = named.or_else(|| results.iter().find_map(Self::named_queue));
        let Some(queue) = named.or(queue).cloned() else {
            return Err("the statistics name no queue".to_owned());
        };
        let mut unreadable = self.unreadable_results;
        let mut rows = Vec::new();
        for section in std::iter::once(self).chain(results) {
            // An event is about one queue; a section of another one must not be counted for it.
            if section.named_queue().is_some_and(|named| *named != queue) {
                continue;
            }
            unreadable = unreadable.saturating_add(section.unreadable);
            let media = section.grouped_media.or(section.media);
            let mut of_section = section.rows;
            of_section.iter_mut().for_each(|row| row.media = media);
            match rows.is_empty() {
                true => rows = of_section,
                false => rows.append(&mut of_section),
            }
        }
        (facts.queue, facts.rows) = (queue, rows);
        Ok(unreadable)
    }
}

/// A metric and its numbers.
#[derive(Default)]
struct Metric {
    metric: Option<Name>,
    qualifier: Option<Name>,
    stats: Stats,
    count: Option<f64>,
    calculated_metric_value: Option<f64>,
}

impl Metric {
    fn read(&mut self, scan: &mut Scanner<'_>, mut object: Object) -> Result<(), Invalid> {
        while let Some(key) = scan.next_key(&mut object)? {
            self.field(key, scan)?;
        }
        Ok(())
    }

    #[inline]
    fn field(&mut self, key: DatumKey, scan: &mut Scanner<'_>) -> Result<(), Invalid> {
        match key {
            DatumKey::Metric => self.metric = scan.field()?.some(),
            DatumKey::Qualifier => self.qualifier = scan.field()?.some(),
            DatumKey::Stats => {
                self.stats = Stats::default();
                scan.object_as(|scan, object| read_stats(scan, object, &mut self.stats))?;
            }
            DatumKey::Count => self.count = scan.field()?.some(),
            DatumKey::CalculatedMetricValue => self.calculated_metric_value = scan.field()?.some(),
            // Only an entry of `data` has them.
            DatumKey::Interval | DatumKey::Metrics => scan.wrong_type()?,
        }
        Ok(())
    }

    /// `None` if it has no number; one with numbers but without the name of a metric is counted as unreadable.
    fn into_row(mut self, unreadable: &mut u32) -> Option<ObservationRow> {
        let own = [
            ("count", self.count),
            ("calculatedMetricValue", self.calculated_metric_value),
        ];
        for (name, value) in own {
            if let Some(value) = value
                && !self.stats.set_named(name, value)
            {
                *unreadable = unreadable.saturating_add(1);
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
            media: None,
            interval: None,
            metric,
            qualifier: self.qualifier,
            stats: self.stats,
        })
    }
}

/// Names and their numbers; values of other types are left out.
fn read_stats(scan: &mut Scanner<'_>, mut object: Object, stats: &mut Stats) -> Result<(), Invalid> {
    while let Some(name) = scan.next_name(&mut object)? {
        if let Field::Given(value) = scan.field()?
            && !(stats.set_named(cut(&name, WORD_BYTES), value) && name.len() <= WORD_BYTES)
        {
            scan.count_over_limit();
        }
    }
    Ok(())
}
