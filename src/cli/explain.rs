//! `explain`: what one conversation was counted for and why, from a recording or a saved details answer.
//!
//! In: flags, a file · Out: text or JSON on stdout · Thread: main.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::args::ExplainFlags;
use crate::base::plural::counted;
use crate::config::whole_file;
use crate::engine::replay::{Recording, Told, told_of};
use crate::model::details;
use crate::model::explain::{
    Because, CountsAs, ExplainedParticipant, ExplainedVisit, Explanation, VerdictName, explain,
};
use crate::output::text::plain;
use crate::{Error, ErrorKind, Id, Moment};

/// The first line of a recording is shorter.
const FIRST_LINE_BYTES: u64 = 1 << 20;
/// A saved answer: 100 conversations a page, some kilobytes each.
const MOST_DETAILS_BYTES: u64 = 256 << 20;

/// Explains the conversation and prints the result.
///
/// # Errors
/// [`ErrorKind::Configuration`] where the file cannot be read, [`ErrorKind::Local`] where it does not hold the conversation.
pub fn start(flags: &ExplainFlags) -> Result<(), Error> {
    let id = Id::new(flags.conversation.trim());
    let path = &flags.file;
    let failed = |error: io::Error| {
        let what = format!("reading {}", path.display());
        Error::caused_by(ErrorKind::Configuration, what, error)
    };
    let told = if is_recording(path).map_err(failed)? {
        told_of(Recording::open(path)?, &id)?
    } else {
        let text = whole_file::read(path, MOST_DETAILS_BYTES).map_err(failed)?;
        of_details(&text, &id).map_err(|what| {
            let what = format!("it is neither a recording nor an answer with conversation details: {what}");
            Error::new(ErrorKind::Configuration, format!("reading {}", path.display()), what)
        })?
    };
    let Some(facts) = told.facts else {
        return Err(Error::new(
            ErrorKind::Local,
            format!("looking for the conversation {id}"),
            format!("{} does not hold it", path.display()),
        ));
    };
    let explanation = explain(&facts, told.as_of);
    super::print(&if flags.form.json {
        let json = serde_json::to_string(&explanation).map_err(|error| {
            Error::new(
                ErrorKind::Internal,
                "writing the explanation as JSON",
                error.to_string(),
            )
        })?;
        format!("{json}\n")
    } else {
        let names = Names(&told.queues);
        in_text(&explanation, told.as_of, &names)
    })
}

/// Whether the first line is one of a recording.
fn is_recording(path: &Path) -> io::Result<bool> {
    #[derive(Deserialize)]
    struct Begin {
        #[serde(rename = "received_at")]
        _at: IgnoredAny,
    }
    let mut line = Vec::new();
    BufReader::new(File::open(path)?)
        .take(FIRST_LINE_BYTES)
        .read_until(b'\n', &mut line)?;
    // Derived code would accept a list, too.
    Ok(line.starts_with(b"{") && serde_json::from_slice::<Begin>(&line).is_ok())
}

/// Reads an answer with `conversations`, a list of conversations, or one conversation.
fn of_details(text: &[u8], id: &Id) -> Result<Told, String> {
    #[derive(Deserialize)]
    struct Keys {
        conversations: Option<IgnoredAny>,
        #[serde(rename = "conversationId")]
        conversation_id: Option<IgnoredAny>,
    }
    let text = std::str::from_utf8(text)
        .map_err(|_| "it is no UTF-8".to_owned())?
        .trim();
    let keys = serde_json::from_str::<Keys>(text);
    let answer = match keys {
        _ if text.starts_with('[') => format!(r#"{{"conversations":{text}}}"#),
        Ok(Keys {
            conversations: Some(_), ..
        }) => text.to_owned(),
        Ok(Keys {
            conversation_id: Some(_),
            ..
        }) => format!(r#"{{"conversations":[{text}]}}"#),
        Ok(_) => return Err("it has neither conversations nor a conversationId".to_owned()),
        Err(error) => {
            return Err(format!(
                "it is no JSON (line {}, column {})",
                error.line(),
                error.column()
            ));
        }
    };
    // Nobody knows when it was saved: all its times are believed.
    let page = details::read_answer(answer.as_bytes(), Moment::from_epoch_ms(i64::MAX))?;
    let found = page.conversations.into_iter().find(|one| one.facts.id == *id);
    Ok(Told {
        facts: found.map(|one| one.facts),
        as_of: Moment::now(),
        queues: BTreeMap::new(),
    })
}

/// Names of queues, as far as they are known.
struct Names<'a>(&'a BTreeMap<Id, String>);

impl Names<'_> {
    fn of(&self, queue: &Id) -> String {
        match self.0.get(queue) {
            Some(name) => format!("{} ({})", plain(name), plain(&queue.to_string())),
            None => plain(&queue.to_string()).into_owned(),
        }
    }
}

fn in_text(explanation: &Explanation, as_of: Moment, names: &Names<'_>) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "conversation {}, as of {as_of}",
        shown(&explanation.conversation_id)
    );
    let _ = writeln!(out, "\n{}", counted(explanation.participants.len(), "participant"));
    for one in &explanation.participants {
        participant(&mut out, one, names);
    }
    let _ = writeln!(out, "\n{}", counted(explanation.visits.len(), "visit"));
    for one in &explanation.visits {
        visit(&mut out, one, names);
    }
    let _ = writeln!(out, "\nhandled {}", explanation.handled.len());
    for one in &explanation.handled {
        let transferred = if one.transferred { ", transferred" } else { "" };
        let wrapup = if one.wrapup { ", wrapped up" } else { "" };
        let (queue, agent) = (names.of(&one.queue_id), shown(&one.participant_id));
        let _ = writeln!(
            out,
            "  {queue} by {agent} at {}: {}{transferred}{wrapup}",
            one.at,
            secs(one.handle_ms)
        );
    }
    for one in &explanation.unhandled {
        let why = match one.because {
            Because::GoesOn => "the stay goes on".to_owned(),
            Because::InWork => "after-call work goes on or is pending".to_owned(),
            Because::WorkExpected(Some(until)) => format!("after-call work is expected until {until}"),
            Because::WorkExpected(None) => "after-call work is expected".to_owned(),
        };
        let (queue, agent) = (names.of(&one.queue_id), shown(&one.participant_id));
        let _ = writeln!(out, "  {queue} by {agent}: not handled, because {why}");
    }
    out
}

fn participant(out: &mut String, one: &ExplainedParticipant, names: &Names<'_>) {
    let purpose = one.purpose.and_then(|purpose| serde_json::to_value(purpose).ok());
    let purpose = purpose
        .as_ref()
        .and_then(|name| name.as_str())
        .unwrap_or("purpose unknown");
    let counts_as = match one.counts_as {
        CountsAs::Listener => ", listens in: counts for nothing",
        CountsAs::Caller => ", called: the customer side",
        CountsAs::Agent | CountsAs::Itself => "",
    };
    let _ = writeln!(out, "  {} {purpose}{counts_as}", shown(&one.id));
    for stay in &one.stays {
        let queue = stay
            .queue_id
            .as_ref()
            .map_or("no queue".to_owned(), |queue| names.of(queue));
        let end = stay.end.map_or("now".to_owned(), |end| end.to_string());
        let _ = writeln!(out, "    {} to {end} {} {queue}", stay.begin, stay.media.as_str());
    }
    if one.stays.is_empty() {
        out.push_str("    was never connected\n");
    }
}

fn visit(out: &mut String, one: &ExplainedVisit, names: &Names<'_>) {
    let left = one
        .left
        .map_or("has not left".to_owned(), |left| format!("left {left}"));
    let _ = writeln!(out, "  {} entered {}, {left}", names.of(&one.queue_id), one.entered);
    let wait = secs(one.wait_ms.unwrap_or_default());
    let why = match (one.verdict, &one.answered_by) {
        (VerdictName::Answered, Some(agent)) => {
            format!(
                "answered after {wait}: then a stay of the agent {} began on the queue",
                shown(agent)
            )
        }
        (VerdictName::Answered, None) => format!("answered after {wait}"),
        (VerdictName::Waiting, _) => "waiting: no agent's stay began on the queue yet".to_owned(),
        (VerdictName::FlowOut, _) => {
            format!("flow-out after {wait}: not answered, and the conversation went on elsewhere or as a callback")
        }
        (VerdictName::Abandoned, _) => {
            format!("abandoned after {wait}: not answered, nothing followed, and the customer side is gone")
        }
        (VerdictName::Undecided, _) => {
            "undecided, counted only as offered: not answered, nothing followed yet, and the customer side is there"
                .to_owned()
        }
    };
    let _ = writeln!(out, "    {why}");
}

fn shown(id: &Id) -> String {
    plain(&id.to_string()).into_owned()
}

/// Milliseconds as seconds.
fn secs(ms: u64) -> String {
    format!("{}.{:03} s", ms / 1000, ms % 1000)
}
