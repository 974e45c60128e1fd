//! The macros that turn each row of `counts.rs` into sums, snapshot fields and what is told of them.
//!
//! In: the rows · Out: enums and structs in `counts.rs` · Thread: any (plain data).

/// The head of a column: the second of two names, or the only one.
macro_rules! head {
    ($label:literal) => {
        $label
    };
    ($label:literal $head:literal) => {
        $head
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
            pub(crate) const ALL: &'static [Self] = &[$( Self::$kind ),*];

            /// The kind that `kind as u8` stands for.
            pub(crate) fn of_code(code: u8) -> Option<Self> {
                Self::ALL.get(usize::from(code)).copied()
            }
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
                // Kinds whose milliseconds are not summed have none.
                let _ = millis;
                match kind {
                    $( CountKind::$kind => {
                        sign.apply(&mut self.$count, 1);
                        $( sign.apply(&mut self.$millis, millis); )?
                    } )*
                }
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
            /// All of them, in the order of the JSON keys.
            pub(crate) const FIELDS: &'static [Field<Self>] = &[
                $( Field {
                    key: stringify!($count),
                    unit: Unit::Count,
                    rank: $count_rank,
                    label: $count_label,
                    head: $count_label,
                    help: $count_help,
                    of: |numbers| numbers.$count.shown(),
                }, )*
                $( Field {
                    key: stringify!($derived),
                    unit: Unit::$unit,
                    rank: $rank,
                    label: $label,
                    head: head!($label $($head)?),
                    help: $help,
                    of: |numbers| numbers.$derived.shown(),
                }, )*
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
                    $( $live: Some(self.$live), )*
                }
            }
        }

        /// What holds now on one queue, by one medium or in all.
        ///
        /// A number that the protocol does not tell is `None` and left out of the JSON. The definitions are in
        /// `docs/numbers.md`.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub struct LiveNumbers {
            $(
                #[doc = $help]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $live: Option<u64>,
            )*
        }

        impl LiveNumbers {
            /// All of them, in the order of the JSON keys.
            pub(crate) const FIELDS: &'static [Field<Self>] = &[
                $( Field {
                    key: stringify!($live),
                    unit: Unit::$unit,
                    rank: $rank,
                    label: $label,
                    head: head!($label $($head)?),
                    help: $help,
                    of: |numbers| numbers.$live.shown(),
                }, )*
            ];
        }
    };
}
