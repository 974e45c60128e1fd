//! Logs that an output keeps failing once a minute, not with each record.
//!
//! In: failures and successes with their time · Out: lines for the log · Thread: any (pure).

use std::time::{Duration, Instant};

/// The least time between two lines about one output: rare enough for a log, often enough to be seen.
const PAUSE: Duration = Duration::from_secs(60);

/// The failures of one output that were and were not logged yet.
#[derive(Debug, Default)]
pub(crate) struct FailureLog {
    logged: Option<Instant>,
    /// Records lost since then.
    lost: u64,
    failing: bool,
}

impl FailureLog {
    /// Something failed and lost `lost` records. Returns the line to log now, if one is due.
    pub(crate) fn failed(
        &mut self,
        name: &str,
        what: &dyn std::fmt::Display,
        lost: u64,
        now: Instant,
    ) -> Option<String> {
        self.failing = true;
        self.lost += lost;
        if self
            .logged
            .is_some_and(|logged| now.saturating_duration_since(logged) < PAUSE)
        {
            return None;
        }
        self.logged = Some(now);
        let lost = std::mem::take(&mut self.lost);
        Some(match lost {
            0 => format!("output {name}: {what}; the stream goes on"),
            lost => format!("output {name}: {what}; {lost} missed, the stream goes on"),
        })
    }

    /// The output works. Returns the line to log, if it failed before.
    pub(crate) fn worked(&mut self, name: &str) -> Option<String> {
        if !std::mem::take(&mut self.failing) {
            return None;
        }
        let lost = std::mem::take(&mut self.lost);
        Some(match lost {
            0 => format!("output {name}: works again"),
            lost => format!("output {name}: works again, {lost} more missed meanwhile"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_and_none_is_forgotten() {
        let mut failures = FailureLog::default();
        let start = Instant::now();
        let full = "No space left on device";
        assert_eq!(failures.worked("stdout"), None);
        let first = failures.failed("stdout", &full, 1, start).unwrap();
        assert_eq!(
            first,
            "output stdout: No space left on device; 1 missed, the stream goes on"
        );
        for n in 1..60 {
            assert_eq!(
                failures.failed("stdout", &full, 2, start + Duration::from_secs(n)),
                None
            );
        }
        let second = failures.failed("stdout", &full, 2, start + PAUSE).unwrap();
        assert!(second.contains("120 missed"), "{second}");
        assert!(failures.worked("stdout").unwrap().contains("works again"));
        assert_eq!(failures.worked("stdout"), None);
    }
}
