//! The gap between an earlier process of a reader and this one.
//!
//! In: until when the earlier one covered, since when this one does · Out: begin and end of the gap · Thread: any (pure).

use crate::Moment;

/// What is known of the gap.
#[derive(Default)]
pub(super) struct Restart {
    pub(super) is_open: bool,
    /// Its begin by the service's clock.
    pub(super) from: Option<Moment>,
    /// When this process streamed for the first time.
    pub(super) streaming: Option<Moment>,
    /// Since when this process covers its topics, by the service's clock.
    covers_since: Option<Moment>,
    /// Its end by the service's clock, as it was published.
    to: Option<Moment>,
}

impl Restart {
    pub(super) fn covers(&mut self, since: Moment) {
        self.covers_since = self.covers_since.max(Some(since));
    }

    /// Its end, which was `to` by the service's clock as it is known now. What was told to be covered begins there, although
    /// less may have been known of the clock when that was told: otherwise a stretch between the two were in no gap and
    /// covered by nobody.
    pub(super) fn ends(&mut self, to: Moment) -> Moment {
        let covers_since = self.covers_since.unwrap_or(to);
        *self.to.get_or_insert(to.max(covers_since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_of_a_restart_ends_where_coverage_begins() {
        let at = |ms: i64| Moment::from_epoch_ms(ms);
        let mut restart = Restart::default();
        restart.covers(at(2_000));
        restart.covers(at(2_100));
        assert_eq!(restart.ends(at(900)), at(2_100), "the clock was corrected since");
        // Topics that are new later change nothing.
        restart.covers(at(9_000));
        assert_eq!(restart.ends(at(900)), at(2_100));
        assert_eq!(Restart::default().ends(at(900)), at(900));
    }
}
