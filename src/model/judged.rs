//! One conversation judged: its layers, and what it was counted for before.
//!
//! In: what the stream said, what REST said, what was counted · Out: `Outcome`, differences · Thread: any (pure).

use super::overlay::overlay;
use super::totals::Totals;
use super::visit::{self, Happening, Outcome, What};
use crate::Moment;
use crate::event::facts::{ConversationFacts, Medium, Participant};

/// What a conversation means, all layers together.
pub(super) struct Judged {
    pub(super) outcome: Outcome,
    /// Times that differ between stream and REST.
    pub(super) differences: u64,
}

impl Judged {
    pub(super) fn of(
        stream: &ConversationFacts,
        rest: Option<&ConversationFacts>,
        settled: Option<&[Happening]>,
    ) -> Self {
        let (mut outcome, differences) = match rest {
            None => (visit::outcome(stream), 0),
            Some(rest) => {
                let mut whole = stream.clone();
                let differences = overlay(&mut whole, rest);
                (visit::outcome(&whole), differences)
            }
        };
        if let Some(settled) = settled {
            outcome.happenings = with_settled(settled, outcome.happenings);
        }
        Self { outcome, differences }
    }
}

/// What was counted stands, because the conversation that came back is known in part only: by participant, a verdict
/// gives way only to none yet, and an agent's end to a later one.
fn with_settled(settled: &[Happening], found: Vec<Happening>) -> Vec<Happening> {
    let verdict = |list: &[Happening], who: u32| {
        let of_who = list.iter().filter(move |h| h.who == who && h.what != What::Offered);
        of_who.map(|h| h.at).max()
    };
    let is_agent = |who: u32| settled.iter().any(|h| h.who == who && h.what == What::Handled);
    let is_known = |who: u32| settled.iter().any(|h| h.who == who);
    let gives_way = |who: u32| {
        let (old, new) = (verdict(settled, who), verdict(&found, who));
        old.is_none() || (is_agent(who) && new > old)
    };
    let is_found = |who: u32| found.iter().any(|h| h.who == who);
    let stands = |h: &&Happening| !(is_found(h.who) && gives_way(h.who));
    let mut whole: Vec<Happening> = settled.iter().filter(stands).cloned().collect();
    let counts = |h: &&Happening| !is_known(h.who) || gives_way(h.who);
    whole.extend(found.iter().filter(counts).cloned());
    whole
}

/// Agents' media that are on hold, by their places.
pub(super) fn held(facts: &ConversationFacts) -> Vec<(usize, usize)> {
    let mut held = Vec::new();
    for (p, participant) in facts.participants.iter().enumerate() {
        if participant.is_agent() && participant.ended_at().is_none() {
            let on_hold = |m: &Medium| m.held.is_some_and(|held| held.value) && m.hold_started.is_some();
            let media = participant.media.iter().enumerate().filter(|(_, m)| on_hold(m));
            held.extend(media.map(|(m, _)| (p, m)));
        }
    }
    held
}

/// Adds a hold that is over. The stream has no end of hold: it ended when its agent did, or else when it was told.
pub(super) fn count_hold(totals: &mut Totals, participant: &Participant, medium: usize, now: Moment) {
    let (Some(queue), Some(m)) = (&participant.queue, participant.media.get(medium)) else {
        return;
    };
    let ended = participant.ended_at();
    if ended.is_none() && m.held.is_some_and(|held| held.value) {
        return;
    }
    let (Some(began), until) = (m.hold_started, ended.unwrap_or(now)) else {
        return;
    };
    let millis = u64::try_from(until.millis_since(began.value)).unwrap_or(0);
    let media = visit::foremost(&participant.media).unwrap_or(m.kind);
    totals.hold(&queue.value, media, until, millis);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Id;
    use crate::event::facts::MediaKind;
    use crate::model::testing::at;

    fn happening(who: u32, what: What, secs: i64) -> Happening {
        Happening {
            queue: Id::new("Q"),
            media: MediaKind::Voice,
            what,
            at: at(secs),
            millis: 0,
            who,
        }
    }

    #[test]
    fn what_was_counted_stands_and_what_is_new_counts() {
        let visit = [happening(1, What::Offered, 0), happening(1, What::Answered, 5)];
        let agent = [happening(2, What::Handled, 20), happening(2, What::Wrapup, 20)];
        let settled = [visit.clone(), agent.clone()].concat();
        let none = with_settled(&settled, Vec::new());
        assert_eq!(none, settled, "who is absent from what came is not gone");
        let in_part = vec![happening(1, What::Offered, 0), happening(1, What::FlowOut, 9)];
        assert_eq!(
            with_settled(&settled, in_part),
            settled,
            "a verdict in part only is none"
        );
        let earlier = vec![happening(2, What::Handled, 19)];
        assert_eq!(with_settled(&settled, earlier), settled);
        let later = vec![happening(2, What::Handled, 30)];
        let whole = with_settled(&settled, later.clone());
        assert_eq!(whole, [visit.to_vec(), later].concat());
        let new = vec![happening(3, What::Offered, 40)];
        assert_eq!(with_settled(&settled, new.clone()), [settled, new].concat());
        let waited = [happening(1, What::Offered, 0)];
        assert_eq!(
            with_settled(&waited, visit.to_vec()),
            visit,
            "an evicted one that is answered"
        );
    }
}
