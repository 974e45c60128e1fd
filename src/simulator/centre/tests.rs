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

#[test]
fn everything_that_should_happen_happens() {
    let mut centre = centre(3);
    centre.advance(centre.now() + 3_600_000);
    let all: Vec<_> = centre.conversations().collect();
    let any = |test: &dyn Fn(&Conversation, &Participant) -> bool| {
        all.iter().filter(|c| c.participants.iter().any(|p| test(c, p))).count()
    };
    assert!(
        any(&|_, p| p.disconnect == Some(Disconnect::NoAnswer)) > 5,
        "missed alerts"
    );
    assert!(
        any(&|_, p| p.purpose == Purpose::Agent && p.disconnect == Some(Disconnect::Transfer)) > 5,
        "blind transfers"
    );
    assert!(
        any(&|_, p| p.disconnect == Some(Disconnect::ConsultTransfer)) > 1,
        "consult transfers"
    );
    assert!(any(&|_, p| !p.holds.is_empty()) > 5, "holds");
    assert!(any(&|_, p| !p.parks.is_empty()) > 2, "parked");
    assert!(any(&|_, p| p.after_call.code.is_some()) > 20, "wrap-up codes");
    assert!(any(&|_, p| p.after_call.skipped) > 0, "skipped after-call work");
    assert!(all.iter().any(|c| c.queues().len() > 1), "more than one queue");
    let answered = any(&|_, p| p.purpose == Purpose::Agent && p.connected.is_some());
    let abandoned = all
        .iter()
        .filter(|c| {
            c.end.is_some()
                && !c.queues().is_empty()
                && !c
                    .participants
                    .iter()
                    .any(|p| p.purpose == Purpose::Agent && p.connected.is_some())
        })
        .count();
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
        for p in &c.participants {
            assert!(p.start >= c.start && p.connected.is_none_or(|t| t >= p.start), "{c:#?}");
            assert!(p.end.is_none_or(|t| t >= p.connected.unwrap_or(p.start)), "{c:#?}");
            assert!(
                p.end.is_none_or(|_| p.disconnect.is_some() && p.held_since().is_none()),
                "{c:#?}"
            );
            assert!(p.after_call.start.is_none_or(|t| Some(t) == p.end), "{c:#?}");
        }
        assert_eq!(
            c.end.is_some(),
            c.participants.iter().all(|p| !p.is_open() && !p.after_call.is_open())
        );
        assert!(
            c.participants
                .iter()
                .filter(|p| p.purpose == Purpose::Acd && p.is_open())
                .count()
                <= 1
        );
    }
}
