//! When something arrived: by this machine's clock, and by the service's as far as that is known.
//!
//! In: moments · Out: `Receipt` · Thread: any (plain data).

use std::time::Duration;

use crate::Moment;

/// How far beyond the service's clock a time inside an event or an answer is believed.
const TRUST: Duration = Duration::from_secs(600);

/// The time of a receipt by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// By this machine's clock.
    pub ours: Moment,
    /// By the service's clock as far as it is known, else by this machine's.
    pub service: Moment,
    /// A later time inside what arrived is not believed: it counts as absent, and as unreadable.
    pub trusted_until: Moment,
}

impl Receipt {
    /// At `ours` of this machine's clock, when the service's clock showed `service`.
    #[must_use]
    pub fn new(ours: Moment, service: Moment) -> Self {
        Self {
            ours,
            service,
            trusted_until: service.plus(TRUST),
        }
    }

    /// The time, unless it is too late to be believed; that is counted in `unreadable`.
    pub(crate) fn trusted(&self, time: Option<Moment>, unreadable: &mut u32) -> Option<Moment> {
        let trusted = time.filter(|time| *time <= self.trusted_until);
        *unreadable += u32::from(trusted != time);
        trusted
    }

    /// How far the service's clock is ahead of this machine's, in milliseconds.
    #[must_use]
    pub(crate) fn service_ahead_ms(&self) -> i64 {
        self.service.millis_since(self.ours)
    }
}

/// Both clocks are equal.
impl From<Moment> for Receipt {
    fn from(at: Moment) -> Self {
        Self::new(at, at)
    }
}
