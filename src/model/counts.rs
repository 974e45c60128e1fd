//! Every number of a queue, declared once.
//!
//! In: what happened, what holds now · Out: sums, the numbers as they are shown, what is told of each · Thread: any
//! (plain data).
//!
//! Each row of the tables below is a number. From the row come its sum in every bucket, its field in [`Numbers`] or
//! [`LiveNumbers`] and so its key in JSON, its Prometheus metric, and its place in the summary and on the terminal. What
//! each number means is defined in `docs/numbers.md`; `outcome.rs` finds where it happens.

mod field;
mod live_number;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize};

use self::field::Shown;
pub(crate) use self::field::{Field, Unit};
pub use self::live_number::LiveNumber;

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

/// What is told of one field; the head of its column is its label if it has no other.
macro_rules! field_of {
    ($key:ident, $unit:ident, $rank:literal, $label:literal, $help:literal) => {
        field_of!($key, $unit, $rank, $label $label, $help)
    };
    ($key:ident, $unit:ident, $rank:literal, $label:literal $head:literal, $help:literal) => {
        Field {
            key: stringify!($key),
            unit: Unit::$unit,
            rank: $rank,
            label: $label,
            head: $head,
            help: $help,
            of: |numbers| numbers.$key.shown(),
        }
    };
}

/// Declares what happened, in total and by window.
macro_rules! numbers {
    (
        counts { $(
            $count:ident: $kind:ident $(+ $millis:ident)?, rank $count_rank:literal, $count_label:literal, $count_help:literal;
        )* }
        sums { $( $sum:ident, $sum_doc:literal; )* }
        derived { $(
            $derived:ident: $type:ty, $unit:ident, rank $rank:literal, $label:literal $(/ $head:literal)?, $help:literal,
            $of:expr;
        )* }
    ) => {
        /// What can be counted of a conversation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum CountKind {
            $( #[doc = $count_help] $kind, )*
        }

        impl CountKind {
            /// All, in the order of the JSON keys.
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$( Self::$kind ),*];
        }

        /// Counts and sums of milliseconds, from which [`Numbers`] are computed.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct Sums {
            $(
                #[doc = $count_help]
                pub(crate) $count: u64,
                $(
                    /// Milliseconds of these.
                    pub(crate) $millis: u64,
                )?
            )*
            $( #[doc = $sum_doc] pub(crate) $sum: u64, )*
        }

        impl Sums {
            /// Adds one count of a kind, with its milliseconds where they are summed, or takes it back.
            pub(crate) fn count(&mut self, sign: Sign, kind: CountKind, millis: u64) {
                match kind {
                    $( CountKind::$kind => {
                        sign.apply(&mut self.$count, 1);
                        $( sign.apply(&mut self.$millis, millis); )?
                    } )*
                }
            }

            /// How many sums there are.
            pub(crate) const LEN: usize =
                [$( stringify!($count), $( stringify!($millis), )? )* $( stringify!($sum), )*].len();

            /// All, in the order of their declaration.
            pub(crate) fn to_list(self) -> [u64; Self::LEN] {
                [$( self.$count, $( self.$millis, )? )* $( self.$sum, )*]
            }

            /// What [`Self::to_list`] gave.
            pub(crate) fn of_list(list: [u64; Self::LEN]) -> Self {
                let [$( $count, $( $millis, )? )* $( $sum, )*] = list;
                Self { $( $count, $( $millis, )? )* $( $sum, )* }
            }

            /// Adds other sums.
            pub(crate) fn add(&mut self, other: &Self) {
                $(
                    Sign::Add.apply(&mut self.$count, other.$count);
                    $( Sign::Add.apply(&mut self.$millis, other.$millis); )?
                )*
                $( Sign::Add.apply(&mut self.$sum, other.$sum); )*
            }

            /// Whether anything was counted; time on hold, which is approximate, alone is nothing.
            pub(crate) fn has_counts(&self) -> bool {
                $( self.$count > 0 )||*
            }

            /// The numbers as they are shown.
            pub(crate) fn numbers(&self) -> Numbers {
                Numbers {
                    $( $count: self.$count, )*
                    $( $derived: ($of)(self), )*
                }
            }
        }

        /// What happened on one queue, by one medium or in one window.
        ///
        /// The definitions are in `docs/numbers.md`.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        #[non_exhaustive]
        pub struct Numbers {
            $( #[doc = $count_help] pub $count: u64, )*
            $( #[doc = $help] pub $derived: $type, )*
        }

        impl Numbers {
            /// Writes them into a larger structure; much faster than `#[serde(flatten)]`.
            pub(crate) fn serialize_into<S: SerializeStruct>(&self, into: &mut S) -> Result<(), S::Error> {
                $( into.serialize_field(stringify!($count), &self.$count)?; )*
                $( into.serialize_field(stringify!($derived), &self.$derived)?; )*
                Ok(())
            }

            /// All of them, in the order of the JSON keys.
            pub(crate) const FIELDS: &'static [Field<Self>] = &[
                $( field_of!($count, Count, $count_rank, $count_label, $count_help), )*
                $( field_of!($derived, $unit, $rank, $label $($head)?, $help), )*
            ];
        }
    };
}

/// Declares what holds now.
macro_rules! live_numbers {
    ($( $live:ident: $kind:ident, $unit:ident, rank $rank:literal, $label:literal $(/ $head:literal)?, $help:literal; )*) => {
        /// What a conversation can be counted for now.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum LiveKind {
            $( #[doc = $help] $kind, )*
        }

        /// Counts of what holds now, from which [`LiveNumbers`] are made.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct LiveSums {
            $( #[doc = $help] pub(crate) $live: u64, )*
        }

        impl LiveSums {
            /// Adds one of a kind or takes it back.
            pub(crate) fn count(&mut self, sign: Sign, kind: LiveKind) {
                match kind {
                    $( LiveKind::$kind => sign.apply(&mut self.$live, 1), )*
                }
            }

            /// Adds other sums.
            pub(crate) fn add(&mut self, other: &Self) {
                $( Sign::Add.apply(&mut self.$live, other.$live); )*
            }

            /// The numbers as they are shown.
            pub(crate) fn numbers(&self) -> LiveNumbers {
                LiveNumbers {
                    $( $live: LiveNumber::Known(self.$live), )*
                }
            }
        }

        /// What holds now on one queue, by one medium or in all.
        ///
        /// The definitions are in `docs/numbers.md`.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        #[non_exhaustive]
        pub struct LiveNumbers {
            $(
                #[doc = $help]
                #[serde(skip_serializing_if = "LiveNumber::is_not_told")]
                pub $live: LiveNumber,
            )*
        }

        impl LiveNumbers {
            /// Those of a queue of which nothing is known now.
            pub(crate) const UNKNOWN: Self = Self { $( $live: LiveNumber::Unknown, )* };


            /// All of them, in the order of the JSON keys.
            pub(crate) const FIELDS: &'static [Field<Self>] = &[
                $( field_of!($live, $unit, $rank, $label $($head)?, $help), )*
            ];
        }
    };
}

// Imported by name, a macro can be used above its definition.
use {field_of, live_numbers, numbers};
