//! What a run tells the readers of its shared stream beside its events.
//!
//! In: the engine · Out: the output that publishes through Redis · Thread: any (plain data).
//!
//! All times are the service's.

use crate::Moment;
use crate::event::change::Change;
use crate::event::gap::Gap;

/// One piece of it, as of `at`.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) at: Moment,
    pub(crate) what: Told,
}

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// Something altered the dashboard; neither a tick nor about gaps.
    Change(Change),
    /// A gap opened, changed, closed or was repaired.
    Gap(Gap),
    /// A tick: when the last frame came.
    Alive { last_frame_at: Option<Moment> },
}
