//! Says once in a while that something keeps failing, instead of with each record.
//!
//! In: failures and successes with their time · Out: lines for the log · Thread: any (pure).

use std::time::{Duration, Instant};

/// The least time between two lines about the same thing: rare enough for a journal, often enough to be seen.
const PAUSE: Duration = Duration::from_secs(60);

/// What goes wrong with one output.
#[derive(Debug, Default)]
pub(crate) struct Complaint {
    said: Option<Instant>,
    unsaid: u64,
    failing: bool,
}

impl Complaint {
    /// Something failed and lost `lost` records. The line to log now, if one is due.
    pub(crate) fn failed(
        &mut self,
        name: &str,
        what: &dyn std::fmt::Display,
        lost: u64,
        now: Instant,
    ) -> Option<String> {
        self.failing = true;
        self.unsaid += lost;
        if self
            .said
            .is_some_and(|said| now.saturating_duration_since(said) < PAUSE)
        {
            return None;
        }
        self.said = Some(now);
        let lost = std::mem::take(&mut self.unsaid);
        Some(match lost {
            0 => format!("output {name}: {what}; the stream goes on"),
            lost => format!("output {name}: {what}; {lost} missed, the stream goes on"),
        })
    }

    /// It works again. The line to log, if a failure was logged before.
    pub(crate) fn worked(&mut self, name: &str) -> Option<String> {
        if !std::mem::take(&mut self.failing) {
            return None;
        }
        let lost = std::mem::take(&mut self.unsaid);
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
        let mut complaint = Complaint::default();
        let start = Instant::now();
        let full = "No space left on device";
        assert_eq!(complaint.worked("stdout"), None);
        let first = complaint.failed("stdout", &full, 1, start).unwrap();
        assert_eq!(
            first,
            "output stdout: No space left on device; 1 missed, the stream goes on"
        );
        for n in 1..60 {
            assert_eq!(
                complaint.failed("stdout", &full, 2, start + Duration::from_secs(n)),
                None
            );
        }
        let second = complaint.failed("stdout", &full, 2, start + PAUSE).unwrap();
        assert!(second.contains("120 missed"), "{second}");
        assert!(complaint.worked("stdout").unwrap().contains("works again"));
        assert_eq!(complaint.worked("stdout"), None);
    }
}
