//! Every number of a queue, declared once.
//!
//! In: what happened, what holds now · Out: sums, the numbers as they are shown, what is told of each · Thread: any
//! (plain data).
//!
//! Each row of the tables below is a number. From the row come its sum in every bucket, its field in [`Numbers`] or
//! [`LiveNumbers`] and so its key in JSON, its Prometheus metric, and its place in the summary and on the terminal. What
//! each number means is defined in `docs/numbers.md`; `outcome.rs` finds where it happens.

#[macro_use]
mod declare;
mod field;

use serde::{Deserialize, Serialize};

use self::field::Shown;
pub(crate) use self::field::{Field, Unit};

numbers! {
    // JSON key: kind of count (+ the sum of its milliseconds), rank, label, help. The rank is the importance for people:
    // 1 is shown first; 0 is in JSON and metrics only.
    counts {
        offered: Offered, rank 7, "offered", "Visits that entered.";
        answered: Answered + answered_ms, rank 8, "answered", "Visits that an agent answered.";
        abandoned: Abandoned + abandoned_ms, rank 6, "abandoned", "Visits whose customer left unanswered.";
        short_abandoned: ShortAbandoned, rank 0, "short abandoned",
            "Those of abandoned that waited shorter than windows.short_abandon_secs.";
        flow_out: FlowOut, rank 0, "flowed out", "Visits that went on to somebody else unanswered.";
        transferred: Transferred, rank 0, "transferred", "Those of handled that were transferred.";
        handled: Handled + handled_ms, rank 0, "handled",
            "Conversations that an agent has finished, after-call work included.";
        wrapups: WrappedUp, rank 0, "wrapped up", "Those of handled that were wrapped up.";
    }
    // Sums that are neither shown themselves nor belong to a count.
    sums {
        answered_in_time, "Those of answered that waited no longer than the threshold of the service level.";
        hold_ms, "Milliseconds on hold.";
    }
    // JSON key: type, unit, rank, label (/ head of its column), help, how it is computed.
    derived {
        service_level_percent: Option<f64>, Percent, rank 5, "service level" / "SL/target",
            "Answered within the threshold, of answered and abandoned without short abandoned; absent without any.",
            |s: &Sums| {
                let judged = (s.answered + s.abandoned).saturating_sub(s.short_abandoned);
                (judged > 0).then(|| 100.0 * s.answered_in_time as f64 / judged as f64)
            };
        average_wait_secs: Option<f64>, Seconds, rank 9, "average wait",
            "Mean wait of answered and abandoned visits; absent without any.",
            |s: &Sums| mean_secs(s.answered_ms.saturating_add(s.abandoned_ms), s.answered + s.abandoned);
        average_speed_of_answer_secs: Option<f64>, Seconds, rank 0, "average speed of answer",
            "Mean wait of answered visits; absent without any.",
            |s: &Sums| mean_secs(s.answered_ms, s.answered);
        average_handle_secs: Option<f64>, Seconds, rank 10, "handle time",
            "Mean handle time, after-call work included; absent without any.",
            |s: &Sums| mean_secs(s.handled_ms, s.handled);
        hold_secs: f64, Seconds, rank 0, "on hold",
            "Time on hold as far as the stream showed it; approximate.",
            |s: &Sums| s.hold_ms as f64 / 1000.0;
    }
}

live_numbers! {
    // JSON key: kind, unit, rank, label (/ head of its column), help.
    waiting: Waiting, Conversations, rank 1, "waiting", "Visits that wait now.";
    interacting: Interacting, Agents, rank 3, "interacting", "Agents connected to a conversation now.";
    after_call_work: AfterCallWork, Agents, rank 4, "in after-call work" / "acw", "Agents in after-call work now.";
}

fn mean_secs(sum_ms: u64, count: u64) -> Option<f64> {
    (count > 0).then(|| sum_ms as f64 / count as f64 / 1000.0)
}

/// Adding, or taking back what was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Add,
    Take,
}

impl Sign {
    /// What is taken back was added before; should it not be so, nothing goes below zero.
    pub(crate) fn apply(self, to: &mut u64, by: u64) {
        *to = match self {
            Self::Add => to.saturating_add(by),
            Self::Take => to.saturating_sub(by),
        };
    }
}
