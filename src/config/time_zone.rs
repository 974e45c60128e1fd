//! The time zone whose midnight begins the day of the totals.
//!
//! In: a name, the system's zone files · Out: `TimeZone` · Thread: the caller's, which reads a file; then pure.
//!
//! All changes of the offset are listed when the configuration is read, so that a recording holds them, and its replay
//! needs no zone files.

use serde::{Deserialize, Serialize};
use tz::timezone::TimeZoneSettings;

use super::whole_file;
use crate::Moment;

/// Where systems keep their zone files.
pub(super) const ZONE_DIRECTORIES: &[&str] = &["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/etc/zoneinfo"];

/// A zone's file has some kilobytes.
const MOST_ZONE_BYTES: u64 = 1 << 20;

const DAY_MS: i64 = 86_400_000;
const DAY_SECS: i64 = 86_400;
/// Changes of the offset are listed from the year 2000 to the year 2100.
const LISTED_SECS: (i64, i64) = (946_684_800, 4_102_444_800);

/// Offsets of local time from UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeZone {
    /// Name as configured.
    name: Box<str>,
    /// Seconds east of UTC before the first change.
    first_secs: i32,
    /// Since when (seconds since 1970, ascending) local time is how many seconds east of UTC.
    changes: Vec<(i64, i32)>,
}

impl TimeZone {
    /// Always so many minutes east of UTC.
    pub(crate) fn fixed(minutes: i32) -> Self {
        Self {
            name: "".into(),
            first_secs: minutes * 60,
            changes: Vec::new(),
        }
    }

    /// So many minutes east of UTC before and after one change.
    #[cfg(test)]
    pub(crate) fn changing(before: i32, at: Moment, after: i32) -> Self {
        Self {
            changes: vec![(at.epoch_ms().div_euclid(1000), after * 60)],
            ..Self::fixed(before)
        }
    }

    /// Reads the zone of this name from a file in one of `directories`; `local` is the zone of this machine: `TZ`, else
    /// `/etc/localtime`.
    ///
    /// # Errors
    /// What is wrong, and what is allowed.
    pub(super) fn read(name: &str, directories: &[&str]) -> Result<Self, String> {
        let zones = TimeZoneSettings::new(directories, |path| {
            Ok(whole_file::read(std::path::Path::new(path), MOST_ZONE_BYTES)?)
        });
        let local = || match std::env::var("TZ") {
            Ok(tz) if tz.is_empty() => "UTC0".to_owned(),
            Ok(tz) => tz,
            Err(_) => "localtime".to_owned(),
        };
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '/');
        let zone = match name {
            "local" => zones.parse_posix_tz(&local()),
            // A name, no path: nothing else is read through this key.
            _ if name.chars().all(named) && name.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                zones.parse_posix_tz(&format!(":{name}"))
            }
            _ => return Err(ALLOWED.to_owned()),
        };
        let zone = zone.map_err(|error| {
            let directories = directories.join(", ");
            format!("this zone could not be read from the system's zone files ({directories}): {error}; {ALLOWED}")
        })?;
        Ok(Self::listed(name, &zone))
    }

    /// The zone of this machine, if its zone files tell it.
    #[cfg(feature = "cli")]
    pub(crate) fn local() -> Option<Self> {
        Self::read("local", ZONE_DIRECTORIES).ok()
    }

    fn listed(name: &str, zone: &tz::TimeZone) -> Self {
        // Where a zone has no rule for a time, the last offset goes on.
        let offset = |secs: i64| zone.find_local_time_type(secs).map(|kind| kind.ut_offset()).ok();
        let (from, to) = LISTED_SECS;
        let first_secs = offset(from).unwrap_or(0);
        let mut changes = Vec::new();
        let (mut at, mut known) = (from, first_secs);
        while at < to {
            let next = at + DAY_SECS;
            if offset(next).is_some_and(|found| found != known) {
                let (mut before, mut after) = (at, next);
                while after - before > 1 {
                    let middle = before + (after - before) / 2;
                    match offset(middle).is_none_or(|found| found == known) {
                        true => before = middle,
                        false => after = middle,
                    }
                }
                known = offset(after).unwrap_or(known);
                changes.push((after, known));
            }
            at = next;
        }
        Self {
            name: name.into(),
            first_secs,
            changes,
        }
    }

    /// Whether one that was read from a recording can be counted with: times that zones are listed for, in order, and
    /// offsets that there may be.
    #[cfg(feature = "cli")]
    pub(super) fn is_usable(&self) -> bool {
        let (from, to) = LISTED_SECS;
        let is_offset = |secs: i32| i64::from(secs).abs() < DAY_SECS;
        let are_changes = |&(at, offset): &(i64, i32)| (from..=to).contains(&at) && is_offset(offset);
        is_offset(self.first_secs)
            && self.changes.iter().all(are_changes)
            && self.changes.is_sorted_by(|(one, _), (next, _)| one < next)
    }

    /// The local day of a moment, as a number that grows by 1 each day.
    pub(crate) fn day_of(&self, at: Moment) -> i64 {
        (at.epoch_ms() + self.offset_ms(at)).div_euclid(DAY_MS)
    }

    /// The first moment of a local day.
    pub(crate) fn begin_of(&self, day: i64) -> Moment {
        // Midnight, by any of the offsets around it; or the change that left midnight out.
        let midnight_ms = day * DAY_MS;
        let near = |secs: i64| (secs * 1000 - midnight_ms).abs() <= 2 * DAY_MS;
        let changes = self.changes.iter().filter(|(secs, _)| near(*secs));
        let before = Moment::from_epoch_ms(midnight_ms - 2 * DAY_MS);
        let offsets = changes.clone().map(|(_, offset)| i64::from(*offset) * 1000);
        let midnights = offsets
            .chain([self.offset_ms(before)])
            .map(|offset| midnight_ms - offset);
        let moments = midnights
            .chain(changes.map(|(secs, _)| secs * 1000))
            .map(Moment::from_epoch_ms);
        let in_day = moments.filter(|at| self.day_of(*at) == day);
        in_day.min().unwrap_or(Moment::from_epoch_ms(midnight_ms))
    }

    /// Milliseconds that local time is ahead of UTC.
    pub(crate) fn offset_ms(&self, at: Moment) -> i64 {
        let secs = at.epoch_ms().div_euclid(1000);
        let passed = self.changes.partition_point(|(from, _)| *from <= secs);
        let offset = passed
            .checked_sub(1)
            .map_or(self.first_secs, |last| self.changes[last].1);
        i64::from(offset) * 1000
    }
}

const ALLOWED: &str = "allowed are the name of a zone such as \"Europe/Berlin\", and \"local\"";

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A directory with the file of Berlin.
    const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/zoneinfo");

    pub(crate) fn berlin() -> TimeZone {
        TimeZone::read("Europe/Berlin", &[FIXTURES]).unwrap()
    }

    fn begin(day: &str) -> String {
        let noon = Moment::parse(&format!("{day}T11:00:00Z")).unwrap();
        let zone = berlin();
        zone.begin_of(zone.day_of(noon)).to_string()
    }

    #[test]
    fn days_of_23_and_25_hours_begin_at_midnight() {
        assert_eq!(begin("2026-03-28"), "2026-03-27T23:00:00.000Z");
        assert_eq!(begin("2026-03-29"), "2026-03-28T23:00:00.000Z");
        assert_eq!(begin("2026-03-30"), "2026-03-29T22:00:00.000Z", "23 hours later");
        assert_eq!(begin("2026-10-25"), "2026-10-24T22:00:00.000Z");
        assert_eq!(begin("2026-10-26"), "2026-10-25T23:00:00.000Z", "25 hours later");
        // By the rule at the end of the file, beyond its last listed change.
        assert_eq!(begin("2080-04-01"), "2080-03-31T22:00:00.000Z");
    }

    #[test]
    fn each_day_begins_where_the_one_before_ends() {
        let zone = berlin();
        for day in 14_600..25_000 {
            let begin = zone.begin_of(day);
            assert_eq!((zone.day_of(begin), zone.day_of(begin.plus_ms(-1))), (day, day - 1));
        }
    }

    #[test]
    fn a_midnight_that_is_left_out_does_not_lose_the_day() {
        // An hour forward at midnight, as in Beirut.
        let zone = TimeZone {
            name: "x".into(),
            first_secs: 7200,
            changes: vec![(1_774_735_200, 10_800)],
        };
        let changed = Moment::from_epoch_ms(1_774_735_200_000);
        let day = zone.day_of(changed);
        assert_eq!(
            (zone.begin_of(day), zone.day_of(changed.plus_ms(-1))),
            (changed, day - 1)
        );
    }

    #[test]
    fn what_is_no_zone_is_refused_with_what_is_allowed() {
        for name in ["Europe/Berlni", "", "../../etc/passwd", "/etc/localtime", "CET-1CEST"] {
            let what = TimeZone::read(name, &[FIXTURES]).unwrap_err();
            assert!(what.contains("Europe/Berlin") && what.contains("local"), "{what}");
        }
    }
}
