//! Tells when there is no room for all windows that are to be kept.
//!
//! In: how many windows are kept · Out: a text for the log · Thread: any (pure).

use std::time::Duration;

use super::Model;
use crate::Moment;

/// A lack of room is told this often at most.
const BETWEEN_LOGS: Duration = Duration::from_secs(3600);

/// When it was told that fewer windows are kept than are to be.
#[derive(Debug, Default)]
pub(super) struct WindowsKept {
    told_at: Option<Moment>,
}

impl Model {
    /// What to log where fewer windows are kept than the configuration asks for. To be called at each tick.
    pub(crate) fn check_windows_kept(&mut self, now: Moment) -> Option<String> {
        let keep = self.settings.windows.keep;
        let service = self.service_time.at(now);
        let of_totals = self.conversations.totals().kept_at(service);
        let of_history = self.histories.by_window.kept();
        let most = i64::try_from(keep.max(1)).unwrap_or(i64::MAX);
        if of_totals.min(of_history) >= most
            || self
                .windows_kept
                .told_at
                .is_some_and(|told| now < told.plus(BETWEEN_LOGS) && now >= told)
        {
            return None;
        }
        self.windows_kept.told_at = Some(now);
        Some(format!(
            "no room for {keep} windows: {of_totals} of counts and {of_history} of live numbers are kept; \
             raise model.max_bytes ({} now) or lower windows.keep",
            self.settings.max_bytes
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventKind;
    use crate::event::facts::Facts;
    use crate::model::testing::{at, event, settings, visit};

    #[test]
    fn windows_without_room_are_told_once_an_hour() {
        let mut model = Model::new(
            crate::model::Settings {
                max_bytes: 200_000,
                ..settings()
            },
            at(0),
        );
        assert_eq!(model.check_windows_kept(at(0)), None, "nothing was counted");
        for n in 0..1_500 {
            let facts = Facts::Conversation(Box::new(visit(
                &format!("c{n}"),
                &format!("Q{}", n % 300),
                Some(20 + n),
            )));
            model.apply(&event(EventKind::QueueConversation, facts, at(20 + n)), at(20 + n));
            model.on_tick(at(20 + n));
        }
        let told = model
            .check_windows_kept(at(1_600))
            .expect("there is no room for 60 windows");
        assert!(
            told.starts_with("no room for 60 windows: ") && told.contains("200000 now"),
            "{told}"
        );
        assert_eq!(model.check_windows_kept(at(1_601)), None);
        model.on_tick(at(1_600 + 7_200));
        assert_eq!(
            model.check_windows_kept(at(1_600 + 7_200)),
            None,
            "older windows are over"
        );
    }
}
