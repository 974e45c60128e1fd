//! One case for every clause of the definitions.
//!
//! In: little conversations in seconds · Out: asserted outcomes · Thread: any (tests only).

use super::*;
use crate::model::testing::{at, communication, participant, stamped};

/// A participant with its times in seconds.
fn p(id: &str, purpose: Purpose, queue: &str, connected: Option<i64>, ended: Option<i64>) -> Participant {
    let mut p = participant(id, purpose);
    if !queue.is_empty() {
        p.queue = stamped(0, Id::new(queue));
    }
    p.connected = connected.map(at);
    p.ended = ended.map(at);
    p
}

fn customer(from: i64, to: Option<i64>) -> Participant {
    let mut p = p("customer", Purpose::Customer, "", Some(from), to);
    p.communications.push(communication("customer-call", MediaKind::Voice));
    p
}

fn acd(id: &str, queue: &str, from: i64, to: Option<i64>) -> Participant {
    p(id, Purpose::Acd, queue, Some(from), to)
}

fn agent(id: &str, queue: &str, from: i64, to: Option<i64>) -> Participant {
    p(id, Purpose::Agent, queue, Some(from), to)
}

fn judge(participants: Vec<Participant>) -> Outcome {
    outcome(&ConversationFacts {
        id: Id::new("c"),
        participants,
    })
}

/// Counts of one kind on a queue: moment in seconds, milliseconds.
fn of(outcome: &Outcome, queue: &str, kind: CountKind) -> Vec<(i64, u64)> {
    let mut found: Vec<_> = outcome
        .counts
        .iter()
        .filter(|count| count.queue == Id::new(queue) && count.kind == kind)
        .map(|count| (count.at.millis_since(at(0)) / 1000, count.millis))
        .collect();
    found.sort_unstable();
    found
}

fn now(outcome: &Outcome, queue: &str, kind: LiveKind) -> usize {
    let is_of = |live: &&LiveCount| live.queue == Id::new(queue) && live.kind == kind;
    outcome.live.iter().filter(is_of).count()
}

fn with_state(mut p: Participant, kind: MediaKind, state: CommunicationState) -> Participant {
    let mut m = communication(&format!("{}-{}-{}", p.id, kind.as_str(), p.communications.len()), kind);
    m.state = stamped(1, state);
    p.communications.push(m);
    p
}

#[test]
fn a_visit_waits_from_the_moment_it_entered() {
    let o = judge(vec![customer(0, None), acd("a", "Q", 5, None)]);
    assert!(o.active && !o.finished);
    assert_eq!(of(&o, "Q", CountKind::Offered), [(5, 0)]);
    assert_eq!(
        o.live,
        [LiveCount {
            queue: Id::new("Q"),
            media: MediaKind::Voice,
            kind: LiveKind::Waiting,
            since: at(5)
        }]
    );
}

#[test]
fn an_acd_without_connected_time_or_queue_is_no_visit() {
    let unentered = p("a", Purpose::Acd, "Q", None, None);
    let nowhere = p("b", Purpose::Acd, "", Some(3), None);
    let o = judge(vec![customer(0, None), unentered, nowhere]);
    assert!(o.counts.is_empty() && o.live.is_empty());
}

#[test]
fn the_earliest_agent_on_the_queue_answers_and_missed_alerts_do_not() {
    let missed = p("missed", Purpose::Agent, "Q", None, Some(12));
    let elsewhere = agent("elsewhere", "R", 8, None);
    let o = judge(vec![
        customer(0, None),
        acd("a", "Q", 5, Some(30)),
        missed,
        elsewhere,
        agent("second", "Q", 40, None),
        agent("first", "Q", 30, None),
    ]);
    assert_eq!(of(&o, "Q", CountKind::Answered), [(30, 25_000)]);
    assert_eq!(now(&o, "Q", LiveKind::Interacting), 2);
    assert_eq!(now(&o, "Q", LiveKind::Waiting), 0);
    assert_eq!(of(&o, "Q", CountKind::FlowOut), []);
}

#[test]
fn a_user_answers_and_whoever_listens_in_does_not() {
    let mut monitor = agent("monitor", "Q", 6, None);
    monitor.listens_in = true;
    let o = judge(vec![customer(0, None), acd("a", "Q", 5, None), monitor]);
    assert_eq!(of(&o, "Q", CountKind::Answered), []);
    assert_eq!(now(&o, "Q", LiveKind::Interacting), 0);
    assert_eq!(now(&o, "Q", LiveKind::Waiting), 1);
    let user = p("user", Purpose::User, "Q", Some(9), None);
    let o = judge(vec![customer(0, None), acd("a", "Q", 5, None), user]);
    assert_eq!(of(&o, "Q", CountKind::Answered), [(9, 4_000)]);
}

#[test]
fn an_agent_answers_up_to_five_seconds_after_the_visit_left() {
    let case = |connected| {
        judge(vec![
            customer(0, None),
            acd("a", "Q", 5, Some(20)),
            agent("g", "Q", connected, None),
        ])
    };
    assert_eq!(of(&case(25), "Q", CountKind::Answered), [(25, 20_000)]);
    assert_eq!(of(&case(26), "Q", CountKind::Answered), []);
    assert_eq!(of(&case(4), "Q", CountKind::Answered), []);
    assert_eq!(of(&case(5), "Q", CountKind::Answered), [(5, 0)]);
}

#[test]
fn a_visit_answered_before_it_left_no_longer_waits() {
    let o = judge(vec![
        customer(0, None),
        acd("a", "Q", 5, None),
        agent("g", "Q", 9, None),
    ]);
    assert_eq!(now(&o, "Q", LiveKind::Waiting), 0);
    assert_eq!(of(&o, "Q", CountKind::Answered), [(9, 4_000)]);
}

#[test]
fn a_requeue_within_the_queue_is_a_second_visit_and_the_first_flowed_out() {
    let o = judge(vec![
        customer(0, None),
        acd("a", "Q", 5, Some(20)),
        acd("b", "Q", 21, Some(40)),
        agent("g", "Q", 40, None),
    ]);
    assert_eq!(of(&o, "Q", CountKind::Offered), [(5, 0), (21, 0)]);
    assert_eq!(of(&o, "Q", CountKind::FlowOut), [(20, 15_000)]);
    assert_eq!(of(&o, "Q", CountKind::Answered), [(40, 19_000)]);
}

#[test]
fn an_agent_at_the_next_visits_entry_answers_the_next_only() {
    let o = judge(vec![
        customer(0, None),
        acd("a", "Q", 5, Some(20)),
        acd("b", "Q", 22, None),
        agent("g", "Q", 22, None),
    ]);
    assert_eq!(of(&o, "Q", CountKind::Answered), [(22, 0)]);
}

#[test]
fn visits_that_entered_together_are_answered_once_in_any_order() {
    let (a, b, g) = (
        acd("a", "Q", 5, Some(20)),
        acd("b", "Q", 5, Some(20)),
        agent("g", "Q", 9, None),
    );
    let one = judge(vec![customer(0, None), a.clone(), b.clone(), g.clone()]);
    let other = judge(vec![g, b, a, customer(0, None)]);
    assert_eq!(of(&one, "Q", CountKind::Answered).len(), 1);
    let sorted = |o: &Outcome| {
        let mut all: Vec<_> = o.counts.iter().map(|h| format!("{h:?}")).collect();
        all.sort();
        all
    };
    assert_eq!(sorted(&one), sorted(&other));
}

#[test]
fn a_transfer_to_another_queue_gives_each_queue_its_own_answer() {
    let mut first = agent("g1", "Q", 20, Some(60));
    first.communications.push(communication("g1-call", MediaKind::Voice));
    first.communications[0].disconnect = stamped(60, DisconnectKind::Transfer);
    let o = judge(vec![
        customer(0, None),
        acd("a", "Q", 5, Some(20)),
        first,
        acd("b", "R", 60, Some(80)),
        agent("g2", "R", 80, None),
    ]);
    assert_eq!(of(&o, "Q", CountKind::Answered), [(20, 15_000)]);
    assert_eq!(of(&o, "Q", CountKind::Handled), [(60, 40_000)]);
    assert_eq!(of(&o, "Q", CountKind::Transferred), [(60, 0)]);
    assert_eq!(of(&o, "Q", CountKind::FlowOut), []);
    assert_eq!(of(&o, "R", CountKind::Answered), [(80, 20_000)]);
    assert_eq!(of(&o, "R", CountKind::Transferred), []);
    assert_eq!(
        now(&o, "R", LiveKind::Interacting) + now(&o, "Q", LiveKind::Interacting),
        1
    );
}

#[test]
fn flow_out_to_another_queue_to_voicemail_and_to_an_agent_elsewhere() {
    for onward in [
        acd("b", "R", 20, None),
        p("voicemail", Purpose::Other, "", Some(20), Some(50)),
        agent("g", "R", 20, None),
        p("direct", Purpose::User, "", Some(22), None),
    ] {
        let o = judge(vec![customer(0, None), acd("a", "Q", 5, Some(20)), onward]);
        assert_eq!(of(&o, "Q", CountKind::FlowOut), [(20, 15_000)]);
        assert_eq!(of(&o, "Q", CountKind::Abandoned), []);
    }
}

#[test]
fn no_flow_out_to_whoever_came_before_or_ended_by_then() {
    for bystander in [
        p("ivr", Purpose::Other, "", Some(1), None),
        p("ivr", Purpose::Other, "", Some(6), Some(20)),
        p("missed", Purpose::Agent, "R", None, Some(25)),
    ] {
        let o = judge(vec![customer(0, Some(20)), acd("a", "Q", 5, Some(20)), bystander]);
        assert_eq!(of(&o, "Q", CountKind::FlowOut), []);
        assert_eq!(of(&o, "Q", CountKind::Abandoned), [(20, 15_000)]);
    }
}

#[test]
fn abandoned_only_once_every_customer_side_participant_ended() {
    let o = judge(vec![customer(0, None), acd("a", "Q", 5, Some(20))]);
    assert_eq!(o.counts.len(), 1, "undecided: {o:?}");
    assert!(o.live.is_empty());
    let o = judge(vec![customer(0, Some(20)), acd("a", "Q", 5, Some(20))]);
    assert_eq!(of(&o, "Q", CountKind::Abandoned), [(20, 15_000)]);
    assert!(!o.active && o.finished);
}

#[test]
fn a_late_agent_turns_undecided_into_answered() {
    let o = judge(vec![
        customer(0, Some(90)),
        acd("a", "Q", 5, Some(20)),
        agent("g", "Q", 24, Some(90)),
    ]);
    assert_eq!(of(&o, "Q", CountKind::Answered), [(24, 19_000)]);
    assert_eq!(of(&o, "Q", CountKind::Abandoned), []);
}

#[test]
fn external_is_the_customer_side_where_there_is_no_customer() {
    let outbound = p("external", Purpose::External, "", Some(0), None);
    let o = judge(vec![outbound.clone(), acd("a", "Q", 5, None)]);
    assert!(o.active);
    let mut gone = outbound;
    gone.ended = Some(at(9));
    let o = judge(vec![gone, acd("a", "Q", 5, Some(9))]);
    assert_eq!(of(&o, "Q", CountKind::Abandoned), [(9, 4_000)]);
    assert!(!o.active);
}

#[test]
fn external_beside_a_customer_counts_only_if_it_began_before_the_visit() {
    let before = p("external", Purpose::External, "", Some(3), None);
    let o = judge(vec![customer(0, Some(20)), before, acd("a", "Q", 5, Some(20))]);
    assert!(o.active);
    assert_eq!(
        of(&o, "Q", CountKind::Abandoned),
        [],
        "one of the customer side is still there"
    );
    let after = p("external", Purpose::External, "", Some(8), None);
    let o = judge(vec![customer(0, Some(20)), after, acd("a", "Q", 5, Some(20))]);
    assert!(!o.active);
    assert_eq!(
        of(&o, "Q", CountKind::FlowOut),
        [(20, 15_000)],
        "it went on to somebody outside"
    );
}

#[test]
fn an_internal_call_without_customer_side_is_abandoned_when_it_left() {
    let caller = p("caller", Purpose::User, "", Some(0), Some(20));
    let o = judge(vec![caller, acd("a", "Q", 5, Some(20))]);
    assert_eq!(of(&o, "Q", CountKind::Abandoned), [(20, 15_000)]);
    assert!(!o.active);
}

#[test]
fn consult_and_conference_count_every_agent_and_one_active_conversation() {
    let o = judge(vec![
        customer(0, None),
        acd("a", "Q", 5, Some(10)),
        agent("g1", "Q", 10, None),
        agent("g2", "Q", 30, None),
        p("outside", Purpose::External, "", Some(40), None),
    ]);
    assert!(o.active);
    assert_eq!(now(&o, "Q", LiveKind::Interacting), 2);
    assert_eq!(of(&o, "Q", CountKind::Answered), [(10, 5_000)]);
}

#[test]
fn after_call_work_goes_on_when_the_customer_is_gone() {
    let mut g = agent("g", "Q", 10, Some(60));
    g.wrapup_expected = stamped(60, true);
    g.acw_started = Some(at(60));
    let o = judge(vec![customer(0, Some(60)), acd("a", "Q", 5, Some(10)), g.clone()]);
    assert!(!o.active && !o.finished);
    assert_eq!(now(&o, "Q", LiveKind::AfterCallWork), 1);
    assert_eq!(now(&o, "Q", LiveKind::Interacting), 0);
    assert_eq!(of(&o, "Q", CountKind::Handled), []);

    g.acw_ended = Some(at(81));
    let o = judge(vec![customer(0, Some(60)), acd("a", "Q", 5, Some(10)), g]);
    assert!(o.finished && o.live.is_empty());
    assert_eq!(of(&o, "Q", CountKind::Handled), [(81, 71_000)]);
    assert_eq!(of(&o, "Q", CountKind::WrappedUp), [(81, 0)]);
}

#[test]
fn pending_after_call_work_counts_without_a_start_and_not_with_an_end() {
    let mut g = with_state(
        agent("g", "Q", 10, Some(60)),
        MediaKind::Voice,
        CommunicationState::Disconnected,
    );
    g.communications[0].acw_state = stamped(60, AcwState::Pending);
    let o = judge(vec![g.clone()]);
    assert_eq!(now(&o, "Q", LiveKind::AfterCallWork), 1);
    g.acw_ended = Some(at(70));
    assert_eq!(now(&judge(vec![g]), "Q", LiveKind::AfterCallWork), 0);
}

#[test]
fn handled_waits_for_after_call_work_only_where_it_is_expected() {
    let base = || {
        with_state(
            agent("g", "Q", 10, Some(60)),
            MediaKind::Voice,
            CommunicationState::Disconnected,
        )
    };
    let handled = |g: Participant| of(&judge(vec![g]), "Q", CountKind::Handled).len();
    assert_eq!(handled(base()), 1, "nothing said: not expected");

    let mut expected = base();
    expected.wrapup_expected = stamped(1, true);
    assert_eq!(handled(expected.clone()), 0);
    let mut overruled = base();
    overruled.wrapup_expected = stamped(1, false);
    overruled.wrapup_required = stamped(1, true);
    overruled.communications[0].acw_required = stamped(1, true);
    assert_eq!(handled(overruled), 1, "wrapupExpected comes first");
    let mut required = base();
    required.wrapup_required = stamped(1, true);
    assert_eq!(handled(required), 0);
    let mut not_required = base();
    not_required.wrapup_required = stamped(1, false);
    not_required.communications[0].acw_required = stamped(1, true);
    assert_eq!(handled(not_required), 1, "wrapupRequired comes second");
    let mut by_medium = base();
    by_medium.communications[0].acw_required = stamped(1, true);
    assert_eq!(handled(by_medium), 0);

    for (state, over) in [
        (AcwState::Unknown, 0),
        (AcwState::Pending, 0),
        (AcwState::Skipped, 1),
        (AcwState::NotApplicable, 1),
        (AcwState::Complete, 1),
    ] {
        let mut g = expected.clone();
        g.communications[0].acw_state = stamped(61, state);
        assert_eq!(handled(g), over, "{state:?}");
    }
    let mut coded = expected.clone();
    coded.wrapup_coded = true;
    assert_eq!(handled(coded), 1);
    let mut ended = expected;
    ended.acw_ended = Some(at(70));
    assert_eq!(handled(ended), 1);
}

#[test]
fn handled_needs_a_connected_agent_that_ended() {
    let o = judge(vec![
        agent("g", "Q", 10, None),
        p("missed", Purpose::Agent, "Q", None, Some(9)),
    ]);
    assert_eq!(of(&o, "Q", CountKind::Handled), []);
}

#[test]
fn wrapups_are_codes_or_completed_after_call_work() {
    let wrapups = |change: &dyn Fn(&mut Participant)| {
        let mut g = with_state(
            agent("g", "Q", 10, Some(60)),
            MediaKind::Voice,
            CommunicationState::Disconnected,
        );
        change(&mut g);
        of(&judge(vec![g]), "Q", CountKind::WrappedUp).len()
    };
    assert_eq!(wrapups(&|_| {}), 0);
    assert_eq!(wrapups(&|g| g.wrapup_coded = true), 1);
    assert_eq!(
        wrapups(&|g| g.communications[0].acw_state = stamped(61, AcwState::Complete)),
        1
    );
    assert_eq!(
        wrapups(&|g| g.communications[0].acw_state = stamped(61, AcwState::Skipped)),
        0
    );
}

#[test]
fn connected_and_ended_come_from_the_media_where_the_participant_is_silent() {
    let mut g = with_state(
        p("g", Purpose::Agent, "Q", None, None),
        MediaKind::Voice,
        CommunicationState::Disconnected,
    );
    g = with_state(g, MediaKind::Callback, CommunicationState::Connected);
    g.communications[0].connected = Some(at(10));
    g.communications[0].disconnected = Some(at(20));
    g.communications[1].connected = Some(at(8));
    assert_eq!((g.connected_at(), g.ended_at()), (Some(at(8)), None));
    g.communications[1].state = stamped(30, CommunicationState::Terminated);
    g.communications[1].disconnected = Some(at(30));
    assert_eq!(g.ended_at(), Some(at(30)));
    g.connected = Some(at(9));
    g.ended = Some(at(28));
    assert_eq!((g.connected_at(), g.ended_at()), (Some(at(9)), Some(at(28))));
    assert_eq!(p("none", Purpose::Agent, "Q", None, None).ended_at(), None);
}

#[test]
fn a_parked_message_goes_on() {
    let mut g = with_state(
        agent("g", "Q", 10, None),
        MediaKind::Message,
        CommunicationState::Parked,
    );
    g.communications[0].disconnected = Some(at(15));
    let mut c = p("customer", Purpose::Customer, "", Some(0), None);
    c = with_state(c, MediaKind::Message, CommunicationState::Connected);
    let o = judge(vec![c, acd("a", "Q", 5, Some(10)), g]);
    assert!(o.active && !o.finished);
    assert_eq!(now(&o, "Q", LiveKind::Interacting), 1);
    assert_eq!(o.live[0].media, MediaKind::Message);
}

#[test]
fn a_scheduled_callback_waits_nowhere_and_is_not_finished() {
    let c = with_state(
        p("c", Purpose::Customer, "Q", None, None),
        MediaKind::Callback,
        CommunicationState::Waiting,
    );
    let o = judge(vec![c]);
    assert!(!o.active && !o.finished && o.live.is_empty() && o.counts.is_empty());
}

#[test]
fn the_medium_is_ones_own_else_the_customers_and_a_callback_outranks_its_call() {
    let g = with_state(
        agent("g", "Q", 10, None),
        MediaKind::Voice,
        CommunicationState::Connected,
    );
    let g = with_state(g, MediaKind::Callback, CommunicationState::Connected);
    let mut c = p("customer", Purpose::Customer, "", Some(0), None);
    c = with_state(c, MediaKind::Email, CommunicationState::Connected);
    let o = judge(vec![c, acd("a", "Q", 5, None), acd("b", "R", 6, None), g]);
    let media = |kind| o.live.iter().find(|live| live.kind == kind).map(|live| live.media);
    assert_eq!(media(LiveKind::Interacting), Some(MediaKind::Callback));
    assert_eq!(media(LiveKind::Waiting), Some(MediaKind::Email));
    assert_eq!(judge(vec![acd("a", "Q", 5, None)]).live[0].media, MediaKind::Other);
}

#[test]
fn an_agent_without_a_queue_is_on_no_queue() {
    let o = judge(vec![customer(0, None), p("g", Purpose::Agent, "", Some(3), None)]);
    assert!(o.active && o.live.is_empty());
}

#[test]
fn finished_needs_everybody_gone_and_forgives_a_missing_time() {
    let silent = with_state(
        p("x", Purpose::Agent, "Q", None, None),
        MediaKind::Voice,
        CommunicationState::Disconnected,
    );
    assert!(judge(vec![customer(0, Some(9)), silent]).finished);
    assert!(!judge(vec![customer(0, Some(9)), p("x", Purpose::Other, "", Some(1), None)]).finished);
}

#[test]
fn contradictory_times_never_give_huge_numbers() {
    let o = judge(vec![customer(0, Some(3)), acd("a", "Q", 9, Some(3))]);
    assert_eq!(of(&o, "Q", CountKind::Abandoned), [(3, 0)]);
    let mut g = agent("g", "Q", 10, Some(5));
    g.acw_started = Some(at(8));
    g.acw_ended = Some(at(7));
    assert_eq!(of(&judge(vec![g]), "Q", CountKind::Handled), [(7, 0)]);
}
