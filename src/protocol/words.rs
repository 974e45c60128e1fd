//! Reads enumerated values in every spelling of the service.
//!
//! In: text of enumerated fields · Out: the enums of `facts`, names in upper snake case · Thread: any (pure).
//!
//! For instance the disconnect type `transfer.noanswer` is also written `noAnswerTransfer` and `NO_ANSWER_TRANSFER`.

use super::json::Lenient;
use crate::base::limits::{WORD_BYTES, cut};
use crate::event::facts::{AcwState, CommunicationState, DisconnectKind, MediaKind, Purpose};

/// Whether the letters of `text`, in any case, are those of `name`, which is in lower case.
pub(crate) fn same_letters(text: &str, name: &str) -> bool {
    letters(text).eq(name.bytes())
}

fn letters(text: &str) -> impl Iterator<Item = u8> {
    text.bytes()
        .filter(u8::is_ascii_alphabetic)
        .map(|b| b.to_ascii_lowercase())
}

fn one_of(text: &str, names: &[&str]) -> bool {
    names.iter().any(|name| same_letters(text, name))
}

impl<'de> Lenient<'de> for Purpose {
    fn text(text: &str) -> Option<Self> {
        // Nearly always in this spelling, which is compared much faster than letter by letter.
        match text {
            "customer" => return Some(Self::Customer),
            "agent" => return Some(Self::Agent),
            "acd" => return Some(Self::Acd),
            "external" => return Some(Self::External),
            "user" => return Some(Self::User),
            "ivr" | "workflow" | "voicemail" | "dialer" => return Some(Self::Other),
            _ => {}
        }
        Some(if same_letters(text, "customer") {
            Self::Customer
        } else if same_letters(text, "agent") {
            Self::Agent
        } else if same_letters(text, "acd") {
            Self::Acd
        } else if same_letters(text, "external") {
            Self::External
        } else if same_letters(text, "user") {
            Self::User
        } else {
            Self::Other
        })
    }
}

impl<'de> Lenient<'de> for CommunicationState {
    fn text(text: &str) -> Option<Self> {
        // Nearly always in this spelling, which is compared much faster than letter by letter.
        match text {
            "connected" => return Some(Self::Connected),
            "disconnected" => return Some(Self::Disconnected),
            "terminated" => return Some(Self::Terminated),
            "alerting" | "dialing" | "contacting" | "offering" => return Some(Self::Alerting),
            _ => {}
        }
        Some(if same_letters(text, "connected") {
            Self::Connected
        } else if same_letters(text, "disconnected") {
            Self::Disconnected
        } else if same_letters(text, "terminated") {
            Self::Terminated
        } else if one_of(text, &["alerting", "dialing", "contacting", "offering"]) {
            Self::Alerting
        } else if same_letters(text, "parked") {
            Self::Parked
        } else if same_letters(text, "scheduled") {
            Self::Scheduled
        } else {
            Self::Other
        })
    }
}

impl<'de> Lenient<'de> for DisconnectKind {
    fn text(text: &str) -> Option<Self> {
        // Nearly always one of these, which are compared much faster than searched.
        match text {
            "client" | "endpoint" | "peer" | "system" | "timeout" | "transfer.noanswer" => return Some(Self::Plain),
            "transfer" => return Some(Self::Transfer),
            _ => {}
        }
        let letters: String = letters(text).map(char::from).collect();
        let missed = ["noanswer", "notavailable", "dnd"]
            .iter()
            .any(|word| letters.contains(word));
        Some(if letters.contains("transfer") && !missed {
            Self::Transfer
        } else {
            Self::Plain
        })
    }
}

impl<'de> Lenient<'de> for AcwState {
    fn text(text: &str) -> Option<Self> {
        // Nearly always in this spelling, which is compared much faster than letter by letter.
        match text {
            "complete" => return Some(Self::Complete),
            "notApplicable" => return Some(Self::NotApplicable),
            _ => {}
        }
        Some(if same_letters(text, "pending") {
            Self::Pending
        } else if same_letters(text, "skipped") {
            Self::Skipped
        } else if same_letters(text, "notapplicable") {
            Self::NotApplicable
        } else if same_letters(text, "complete") {
            Self::Complete
        } else {
            Self::Unknown
        })
    }
}

impl<'de> Lenient<'de> for MediaKind {
    fn text(text: &str) -> Option<Self> {
        Some(Self::parse(text))
    }
}

/// A presence or routing status in upper snake case: `On Queue`, `onQueue` and `ON_QUEUE` give `ON_QUEUE`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UpperSnake {
    pub(crate) name: Box<str>,
    /// It was cut.
    pub(crate) is_cut: bool,
}

impl<'de> Lenient<'de> for UpperSnake {
    fn text(text: &str) -> Option<Self> {
        let mut name = String::with_capacity(text.len() + 4);
        let mut before_was_lower = false;
        for c in text.chars() {
            if !c.is_alphanumeric() {
                before_was_lower = false;
                if !name.is_empty() && !name.ends_with('_') {
                    name.push('_');
                }
                continue;
            }
            if c.is_uppercase() && before_was_lower {
                name.push('_');
            }
            before_was_lower = c.is_lowercase();
            name.extend(c.to_uppercase());
        }
        let name = name.trim_end_matches('_');
        (!name.is_empty()).then(|| Self {
            name: cut(name, WORD_BYTES).into(),
            is_cut: name.len() > WORD_BYTES,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: for<'a> Lenient<'a>>(text: &str) -> T {
        T::text(text).unwrap()
    }

    #[test]
    fn disconnect_types_in_three_spellings() {
        use DisconnectKind::{Plain, Transfer};
        for (text, kind) in [
            ("transfer", Transfer),
            ("TRANSFER", Transfer),
            ("transfer.consult", Transfer),
            ("consultTransfer", Transfer),
            ("CONFERENCE_TRANSFER", Transfer),
            ("forwardTransfer", Transfer),
            ("transfer.noanswer", Plain),
            ("noAnswerTransfer", Plain),
            ("NO_ANSWER_TRANSFER", Plain),
            ("transfer.notavailable", Plain),
            ("notAvailableTransfer", Plain),
            ("transfer.dnd", Plain),
            ("TRANSFER_DND", Plain),
            ("endpoint.dnd", Plain),
            ("client", Plain),
            ("", Plain),
        ] {
            assert_eq!(read::<DisconnectKind>(text), kind, "{text}");
        }
    }

    #[test]
    fn enums_in_any_spelling_and_unknown_ones() {
        assert_eq!(read::<Purpose>("ACD"), Purpose::Acd);
        assert_eq!(read::<Purpose>("Agent"), Purpose::Agent);
        assert_eq!(read::<Purpose>("user"), Purpose::User);
        assert_eq!(read::<Purpose>("external"), Purpose::External);
        assert_eq!(read::<Purpose>("CUSTOMER"), Purpose::Customer);
        assert_eq!(read::<Purpose>("voicesurveyflow"), Purpose::Other);
        assert_eq!(read::<AcwState>("NOT_APPLICABLE"), AcwState::NotApplicable);
        assert_eq!(read::<AcwState>("notApplicable"), AcwState::NotApplicable);
        assert_eq!(read::<AcwState>("Complete"), AcwState::Complete);
        assert_eq!(read::<AcwState>("skipped"), AcwState::Skipped);
        assert_eq!(read::<AcwState>("pending"), AcwState::Pending);
        assert_eq!(read::<AcwState>("brand-new"), AcwState::Unknown);
        for (names, state) in [
            (
                &["none", "uploading", "transmitting", "converting", "brand.new", ""][..],
                CommunicationState::Other,
            ),
            (&["scheduled", "SCHEDULED"], CommunicationState::Scheduled),
            (
                &["alerting", "DIALING", "contacting", "offering"],
                CommunicationState::Alerting,
            ),
            (&["connected", "CONNECTED"], CommunicationState::Connected),
            (&["parked"], CommunicationState::Parked),
            (&["disconnected"], CommunicationState::Disconnected),
            (&["Terminated"], CommunicationState::Terminated),
        ] {
            for name in names {
                assert_eq!(read::<CommunicationState>(name), state, "{name}");
            }
        }
    }

    /// A trailing dot is no letter, but it is not in any usual spelling.
    #[test]
    fn the_usual_spellings_are_no_exception() {
        for text in [
            "customer",
            "agent",
            "acd",
            "external",
            "user",
            "ivr",
            "workflow",
            "voicemail",
            "dialer",
        ] {
            assert_eq!(read::<Purpose>(text), read::<Purpose>(&format!("{text}.")), "{text}");
        }
        for text in [
            "connected",
            "disconnected",
            "terminated",
            "alerting",
            "dialing",
            "contacting",
            "offering",
        ] {
            assert_eq!(
                read::<CommunicationState>(text),
                read::<CommunicationState>(&format!("{text}.")),
                "{text}"
            );
        }
        for text in [
            "client",
            "endpoint",
            "peer",
            "system",
            "timeout",
            "transfer.noanswer",
            "transfer",
        ] {
            assert_eq!(
                read::<DisconnectKind>(text),
                read::<DisconnectKind>(&format!("{text}.")),
                "{text}"
            );
        }
        for text in ["complete", "notApplicable"] {
            assert_eq!(read::<AcwState>(text), read::<AcwState>(&format!("{text}.")), "{text}");
        }
    }

    #[test]
    fn presence_in_upper_snake_case() {
        for text in ["ON_QUEUE", "On Queue", "onQueue", "OnQueue", "on-queue", " on  queue "] {
            assert_eq!(&*read::<UpperSnake>(text).name, "ON_QUEUE", "{text}");
        }
        assert_eq!(&*read::<UpperSnake>("AVAILABLE").name, "AVAILABLE");
        assert_eq!(UpperSnake::text(" - "), None);
    }
}
