//! The last changes in words.
//!
//! In: `LastChange`s, the time · Out: words with their style · Thread: any (pure).

use super::columns::style_of;
use super::layout::Style;
use crate::Moment;
use crate::output::last_changes::{LastChange, What};
use crate::output::text::{between, number, short, sign, span};

/// One change as it is listed.
#[derive(Debug, PartialEq)]
pub(super) struct Told {
    pub(super) style: Style,
    /// In a word: `gap`.
    pub(super) kind: &'static str,
    /// Not safe for a terminal yet: it holds names and causes.
    pub(super) text: String,
}

/// What a change is at `now` of the service's clock.
pub(super) fn told(change: &LastChange, now: Moment) -> Told {
    let is_over = change.until.is_some();
    let length = span(between(change.at, change.until.unwrap_or(now)));
    let lasted = if is_over {
        length.clone()
    } else {
        format!("{length} so far")
    };
    let told = |style, kind, text| Told { style, kind, text };
    let because = |cause: &Option<String>| cause.as_ref().map_or_else(String::new, |cause| format!(": {cause}"));
    match &change.what {
        What::Start {} if is_over => told(Style::Good, "start", format!("connected after {length}")),
        What::Start {} => told(Style::Normal, "start", format!("connecting, {lasted}")),
        What::Interruption {
            cause, stopped: true, ..
        } => told(Style::Bad, "stream", format!("stopped{}", because(cause))),
        What::Interruption { cause, attempts, .. } => {
            let style = if is_over { Style::Warn } else { Style::Bad };
            let attempts = match attempts {
                0 | 1 => String::new(),
                many => format!(" ({many} attempts)"),
            };
            told(
                style,
                "stream",
                format!("interrupted, {lasted}{}{attempts}", because(cause)),
            )
        }
        What::Gap {
            id,
            topics,
            cause,
            repaired,
        } => {
            let topics = match topics {
                None => String::new(),
                Some(1) => " of 1 topic".to_owned(),
                Some(many) => format!(" of {many} topics"),
            };
            let (style, became) = match (repaired, is_over) {
                (_, false) => (Style::Bad, ""),
                (true, true) => (Style::Good, ", repaired"),
                (false, true) => (Style::Warn, ", not repaired"),
            };
            told(style, "gap", format!("{id}{topics}, {lasted}{became}: {cause}"))
        }
        What::Alert {
            queue_id,
            queue,
            name,
            level,
            value,
        } => {
            let queue = queue.as_deref().map_or_else(|| short(queue_id), str::to_owned);
            let value = value.map_or_else(|| "–".to_owned(), number);
            let style = if is_over { Style::Normal } else { style_of(*level) };
            let (name, sign) = (name.as_str().replace('_', " "), sign(*level));
            told(style, "alert", format!("{sign} {queue}: {name} {value}, {lasted}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Id;
    use crate::config::AlertName;
    use crate::event::alert::AlertLevel;
    use crate::model::testing::at;

    /// The change after 20 s, while it lasts and once it lasted 12 s.
    fn texts(what: &What) -> [String; 2] {
        [None, Some(at(12))].map(|until| {
            let change = LastChange {
                at: at(0),
                until,
                what: what.clone(),
            };
            let Told { kind, text, .. } = told(&change, at(0).plus(Duration::from_secs(20)));
            format!("{kind} {text}")
        })
    }

    #[test]
    fn changes_in_words() {
        let cause = Some("socket closed (1006)".to_owned());
        let interruption = |attempts, stopped| What::Interruption {
            cause: cause.clone(),
            attempts,
            stopped,
        };
        let gap = |topics, repaired| What::Gap {
            id: 1,
            topics,
            cause: "socket closed (1006)".to_owned(),
            repaired,
        };
        let alert = What::Alert {
            queue_id: Id::new("q"),
            queue: Some("Sales".into()),
            name: AlertName::LongestWaitSecs,
            level: AlertLevel::Red,
            value: Some(181.5),
        };
        let all = [
            (
                What::Start {},
                ["start connecting, 20 s so far", "start connected after 12 s"],
            ),
            (
                interruption(1, false),
                [
                    "stream interrupted, 20 s so far: socket closed (1006)",
                    "stream interrupted, 12 s: socket closed (1006)",
                ],
            ),
            (
                interruption(3, false),
                [
                    "stream interrupted, 20 s so far: socket closed (1006) (3 attempts)",
                    "stream interrupted, 12 s: socket closed (1006) (3 attempts)",
                ],
            ),
            (interruption(1, true), ["stream stopped: socket closed (1006)"; 2]),
            (
                gap(None, false),
                [
                    "gap 1, 20 s so far: socket closed (1006)",
                    "gap 1, 12 s, not repaired: socket closed (1006)",
                ],
            ),
            (
                gap(Some(2), true),
                [
                    "gap 1 of 2 topics, 20 s so far: socket closed (1006)",
                    "gap 1 of 2 topics, 12 s, repaired: socket closed (1006)",
                ],
            ),
            (
                alert,
                [
                    "alert !! Sales: longest wait secs 181.5, 20 s so far",
                    "alert !! Sales: longest wait secs 181.5, 12 s",
                ],
            ),
        ];
        for (what, expected) in all {
            assert_eq!(texts(&what), expected);
        }
    }
}
