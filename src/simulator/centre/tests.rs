//! The traffic model: its facts are deterministic, varied and in order.
//!
//! In: a seed · Out: results on an hour of work · Thread: the test's.

use super::*;

fn centre(seed: u64) -> Centre {
    let options = Options {
        seed,
        queues: 5,
        agents: 30,
        ..Options::default()
    };
    let epoch = 1_777_903_500_000;
    Centre::new(&options, Arc::new(World::build(&options, epoch)), epoch)
}

#[test]
fn the_same_seed_gives_the_same_facts_however_it_is_stepped() {
    let (mut one, mut two) = (centre(7), centre(7));
    let end = one.now() + 600_000;
    let all = one.advance(end);
    let mut pieces = Vec::new();
    while two.now() < end {
        let to = (two.now() + 777).min(end);
        pieces.extend(two.advance(to));
    }
    assert_eq!(all, pieces);
    assert!(one.conversations().eq(two.conversations()));
    assert!(!one.conversations().eq(centre(8).conversations()));
}

/// How many conversations each situation has in `hours` of a centre of the default size.
fn situations(seed: u64, hours: i64) -> (usize, Vec<(&'static str, usize)>) {
    let options = Options {
        seed,
        retention: std::time::Duration::from_secs(100 * 3600),
        ..Options::default()
    };
    let epoch = 1_777_903_500_000;
    let mut centre = Centre::new(&options, Arc::new(World::build(&options, epoch)), epoch);
    centre.advance(epoch + hours * 3_600_000);
    let all: Vec<_> = centre.conversations().collect();
    let people = |test: &dyn Fn(&Participant) -> bool| {
        let has = |c: &&&Conversation| c.participants.iter().any(test);
        all.iter().filter(has).count()
    };
    let stays = |test: &dyn Fn(&Conversation, &Participant, &Stay) -> bool| {
        let has = |c: &&&Conversation| c.stays().any(|(_, p, s)| test(c, p, s));
        all.iter().filter(has).count()
    };
    let agent = |p: &Participant| p.purpose == Purpose::Agent;
    let twice = |c: &Conversation, p: &Participant| {
        let same = |other: &&Participant| agent(other) && other.user == p.user && other.connected().is_some();
        agent(p) && c.participants.iter().filter(same).count() > 1
    };
    let late = |c: &Conversation, s: &Stay| {
        let left = s.visit.and_then(|visit| c.participants[visit].stay().end);
        s.connected.zip(left).map(|(at, left)| at - left)
    };
    let missed = Some(Disconnect::NoAnswer);
    let found = vec![
        ("missed alert", stays(&|_, _, s| s.disconnect == missed)),
        (
            "blind transfer",
            stays(&|_, p, s| agent(p) && s.disconnect == Some(Disconnect::Transfer)),
        ),
        (
            "consult transfer",
            stays(&|_, _, s| s.disconnect == Some(Disconnect::ConsultTransfer)),
        ),
        ("hold", stays(&|_, _, s| !s.holds.is_empty())),
        ("parked", stays(&|_, _, s| !s.parks.is_empty())),
        ("wrap-up code", stays(&|_, _, s| s.after_call.code.is_some())),
        ("skipped after-call work", stays(&|_, _, s| s.after_call.skipped)),
        (
            "optional after-call work",
            stays(&|_, _, s| s.after_call.optional && s.end.is_some()),
        ),
        ("two queues", all.iter().filter(|c| c.queues().len() > 1).count()),
        (
            "one agent participant twice",
            people(&|p| agent(p) && p.stays.len() > 1),
        ),
        (
            "the same on two queues",
            people(&|p| agent(p) && p.stays.iter().any(|s| s.queue != p.stay().queue)),
        ),
        ("one agent as two participants", stays(&|c, p, _| twice(c, p))),
        (
            "callback from a queue",
            all.iter()
                .filter(|c| c.media == Media::Voice && c.all_media().len() > 1)
                .count(),
        ),
        ("scheduled callback", stays(&|_, _, s| s.scheduled_for.is_some())),
        (
            "agent calls back",
            stays(&|_, p, s| p.is_internal() && s.call_back.is_some()),
        ),
        ("monitor", people(&|p| p.monitoring.is_some())),
        (
            "monitor takes over",
            people(&|p| p.monitoring.is_some_and(|m| m.until.is_some())),
        ),
        ("thread goes on", all.iter().filter(|c| c.periods.len() > 1).count()),
        ("internal caller", all.iter().filter(|c| c.is_from_inside()).count()),
        (
            "picked up within 5 s",
            stays(&|c, _, s| late(c, s).is_some_and(|ms| (1..=5_000).contains(&ms))),
        ),
        (
            "picked up later",
            stays(&|c, _, s| late(c, s).is_some_and(|ms| ms > 5_000)),
        ),
        ("delay", stays(&|_, _, s| s.before == Before::Delay)),
        ("system", stays(&|_, _, s| s.before == Before::System)),
        ("contacting", stays(&|_, _, s| s.before == Before::Contacting)),
    ];
    (all.len(), found)
}

#[test]
fn everything_that_should_happen_happens() {
    let (conversations, found) = situations(3, 2);
    assert!(conversations > 5_000, "{conversations}");
    for (what, count) in &found {
        // The rarest situations are a thousandth of all.
        assert!(
            count * 1000 >= conversations,
            "{what}: {count} of {conversations}: {found:?}"
        );
    }
}

#[test]
fn threads_go_on_after_days() {
    let options = Options {
        agents: 4,
        queues: 2,
        retention: std::time::Duration::from_secs(3600),
        ..Options::default()
    };
    let epoch = 1_777_903_500_000;
    let mut centre = Centre::new(&options, Arc::new(World::build(&options, epoch)), epoch);
    centre.advance(epoch + 2 * 86_400_000);
    let pauses = |c: &Conversation| -> Vec<Ms> {
        let pairs = c.periods.windows(2);
        pairs.filter_map(|pair| Some(pair[1].start - pair[0].end?)).collect()
    };
    let day = 86_400_000;
    assert!(
        centre
            .conversations()
            .any(|c| pauses(c).iter().any(|&pause| pause > day))
    );
    assert!(centre.forgotten() > 5_000, "{}", centre.forgotten());
    let kept = centre.conversations().count() - centre.open_count() - centre.returning.len();
    assert!(kept < 2_500, "{kept}");
}

#[test]
fn most_is_answered_and_little_abandoned() {
    let mut centre = centre(3);
    centre.advance(centre.now() + 3_600_000);
    let all: Vec<_> = centre.conversations().collect();
    let is_answered = |c: &&&Conversation| c.work().any(|(_, s)| s.connected.is_some());
    let answered = all.iter().filter(is_answered).count();
    let is_over = |c: &&&Conversation| c.end().is_some() && !c.queues().is_empty();
    let abandoned = all.iter().filter(is_over).filter(|c| !is_answered(c)).count();
    assert!(
        answered > 500 && abandoned > 10 && abandoned < answered,
        "answered {answered}, abandoned {abandoned}"
    );
    for media in super::super::world::ALL_MEDIA {
        assert!(all.iter().any(|c| c.media == media), "{media:?}");
    }
}

#[test]
fn facts_are_in_order() {
    let mut centre = centre(11);
    centre.advance(centre.now() + 1_800_000);
    for c in centre.conversations() {
        for (_, _, s) in c.stays() {
            assert!(
                s.start >= c.start() && s.connected.is_none_or(|t| t >= s.start),
                "{c:#?}"
            );
            assert!(s.end.is_none_or(|t| t >= s.connected.unwrap_or(s.start)), "{c:#?}");
            assert!(
                s.end.is_none_or(|_| s.disconnect.is_some() && s.held_since().is_none()),
                "{c:#?}"
            );
            assert!(s.after_call.start.is_none_or(|t| Some(t) == s.end), "{c:#?}");
            if let Some(call) = &s.call_back {
                assert!(
                    Some(call.start) >= s.connected && (s.end.is_none() || call.end <= s.end),
                    "{c:#?}"
                );
                assert!(s.end.is_none() || call.end.is_some(), "{c:#?}");
            }
        }
        for p in &c.participants {
            // Another stay begins when the one before has ended.
            let in_order = |pair: &[Stay]| pair[0].end.is_some_and(|end| end <= pair[1].start);
            assert!(p.stays.windows(2).all(in_order), "{c:#?}");
        }
        assert_eq!(c.end().is_some(), c.participants.iter().all(Participant::is_done));
        let waits = |p: &&Participant| p.purpose == Purpose::Acd && p.stay().is_open();
        assert!(c.participants.iter().filter(waits).count() <= 1);
    }
}
