//! Plans, and answers to subscriptions.
//!
//! In: wishes, fixtures · Out: verdicts · Thread: the test's own.

use super::*;
use proptest::prelude::*;

fn ids(names: &[&str]) -> Vec<Id> {
    names.iter().map(|name| Id::new(name)).collect()
}

fn texts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn plan(queues: &[&str], users: &[&str], topics: &[&str]) -> Result<Vec<Vec<String>>, Error> {
    let (queues, users, topics) = (ids(queues), ids(users), texts(topics));
    let wish = Wish {
        queues: &queues,
        users: &users,
        topics: &topics,
    };
    TopicPlan::new(&wish, &TopicPlan::default()).map(|plan| plan.channels)
}

fn queues(range: std::ops::Range<usize>) -> Vec<Id> {
    range.map(|n| Id::new(&format!("q{n}"))).collect()
}

fn of_queues(queues: &[Id], before: &TopicPlan) -> TopicPlan {
    let wish = Wish {
        queues,
        ..Wish::default()
    };
    TopicPlan::new(&wish, before).unwrap()
}

#[test]
fn queues_users_and_free_topics_on_one_channel() {
    let channels = plan(&["q", "r", "q"], &["u"], &["v2.conversations.c.transcription"]).unwrap();
    assert_eq!(
        channels,
        [texts(&[
            "v2.users.u?presence&routingStatus",
            "v2.routing.queues.q.conversations",
            "v2.analytics.queues.q.observations",
            "v2.routing.queues.r.conversations",
            "v2.analytics.queues.r.observations",
            "v2.conversations.c.transcription",
        ])]
    );
    assert!(plan(&[], &[], &[]).unwrap().is_empty());
}

#[test]
fn no_topic_is_subscribed_twice() {
    let free = |topics: &[&str]| plan(&["q"], &["u"], topics).unwrap()[0][3..].to_vec();
    assert_eq!(
        free(&["v2.users.u.presence", "v2.routing.queues.q.conversations"]),
        texts(&[])
    );
    assert_eq!(free(&["v2.users.u?routingStatus&presence"]), texts(&[]));
    assert_eq!(free(&["v2.users.u?presence&station"]), texts(&["v2.users.u.station"]));
    assert_eq!(
        free(&["v2.users.u?presence&station&tokens"]),
        texts(&["v2.users.u?station&tokens"])
    );
    assert_eq!(
        free(&["v2.users.v?b&a", "v2.users.v.a", "v2.users.v.c"]),
        texts(&["v2.users.v?b&a", "v2.users.v.c"])
    );
    assert_eq!(free(&[" v2.users.v.x ", "v2.users.v.x"]), texts(&["v2.users.v.x"]));
    assert_eq!(free(&["channel.metadata", "v2.system.socket_closing"]), texts(&[]));
}

#[test]
fn ids_that_cannot_be_subscribed_are_errors() {
    let long = format!("v2.{}", "x".repeat(197));
    assert_eq!(long.len(), 200);
    for topics in [&["  "][..], &[&long]] {
        assert_eq!(plan(&[], &[], topics).unwrap_err().kind(), ErrorKind::Configuration);
    }
    assert!(plan(&[], &[], &[&long[..199]]).is_ok());
}

#[test]
fn combined_ids_stay_under_200_characters() {
    let lasts: Vec<String> = (0..40).map(|n| format!("topic{n:02}")).collect();
    let lasts: Vec<&str> = lasts.iter().map(String::as_str).collect();
    let combined = combine("v2.users.509f5a7f-cb31-5a43-ac00-8041a8ba3690", &lasts);
    assert_eq!(combined.len(), 3);
    assert!(combined.iter().all(|id| id.len() < 200));
    let back: Vec<String> = combined.iter().flat_map(|id| expand(id)).collect();
    let expected: Vec<String> = lasts
        .iter()
        .map(|last| format!("v2.users.509f5a7f-cb31-5a43-ac00-8041a8ba3690.{last}"))
        .collect();
    assert_eq!(back, expected);
    assert_eq!(combine("v2.users.U", &["presence"]), ["v2.users.U.presence"]);
    assert!(combine("v2.users.U", &[]).is_empty());
}

#[test]
fn free_topics_are_combined_once_one_channel_does_not_hold_all() {
    let kinds = ["station", "outofoffice", "conversationsummary", "tokens"];
    let free = |users: usize| -> Vec<String> {
        let of_user = |n: usize| kinds.map(|kind| format!("v2.users.u{n}.{kind}"));
        (0..users).flat_map(of_user).collect()
    };
    let plan = |topics: &[String]| {
        let wish = Wish {
            topics,
            ..Wish::default()
        };
        TopicPlan::new(&wish, &TopicPlan::default()).unwrap()
    };
    // They are not changed as long as they fit.
    assert_eq!(plan(&free(250)).channels, [free(250)]);
    let many = plan(&free(251));
    assert_eq!(many.channels.len(), 1);
    assert_eq!(many.channels[0].len(), 251);
    assert_eq!(
        many.channels[0][7],
        "v2.users.u7?station&outofoffice&conversationsummary&tokens"
    );
    let singles: Vec<String> = many.ids().flat_map(expand).collect();
    assert_eq!(singles, free(251));
    assert!(many.ids().all(|id| id.len() < 200));
}

#[test]
fn a_thousand_ids_are_one_channel_and_18_000_the_most() {
    let empty = TopicPlan::default();
    assert_eq!(of_queues(&queues(0..500), &empty).channels.len(), 1);
    assert_eq!(of_queues(&queues(0..501), &empty).channels.len(), 2);
    let full = of_queues(&queues(0..9000), &empty);
    assert_eq!(full.channels.len(), 18);
    assert!(full.channels.iter().all(|ids| ids.len() == 1000));
    let too_many = queues(0..9001);
    let wish = Wish {
        queues: &too_many,
        ..Wish::default()
    };
    let error = TopicPlan::new(&wish, &empty).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("18002 topics"), "{error}");
}

#[test]
fn both_topics_of_a_queue_share_a_channel_unless_nothing_else_fits() {
    // One user and 499 queues leave one place on the first channel.
    let many = queues(0..500);
    let users = ids(&["U"]);
    let wish = Wish {
        queues: &many,
        users: &users,
        topics: &[],
    };
    let plan = TopicPlan::new(&wish, &TopicPlan::default()).unwrap();
    assert_eq!(plan.channels[0].len(), 999);
    assert_eq!(plan.channels[1].len(), 2);

    // 2 + 8999 pairs: the last pair has to be divided.
    let many = queues(0..8999);
    let topics: Vec<String> = (0..2).map(|n| format!("t{n}")).collect();
    let one = texts(&["t0"]);
    let first = TopicPlan::new(
        &Wish {
            topics: &one,
            ..Wish::default()
        },
        &TopicPlan::default(),
    )
    .unwrap();
    let wish = Wish {
        queues: &many,
        users: &[],
        topics: &topics,
    };
    let plan = TopicPlan::new(&wish, &first).unwrap();
    assert_eq!(plan.ids().count(), 18_000);
    assert!(plan.channels.len() == 18 && plan.channels.iter().all(|ids| ids.len() == 1000));
}

#[test]
fn an_empty_channel_keeps_its_place() {
    let all = queues(0..600);
    let before = of_queues(&all, &TopicPlan::default());
    let after = of_queues(&all[500..], &before);
    assert_eq!(after.channels.iter().map(Vec::len).collect::<Vec<_>>(), [0, 200]);
    let refilled = of_queues(&queues(500..700), &after);
    assert_eq!(refilled.channels.iter().map(Vec::len).collect::<Vec<_>>(), [200, 200]);
    assert!(of_queues(&[], &before).channels.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_stays_wanted_stays_where_it_is(
        first in prop::collection::hash_set(0_usize..1500, 0..1200),
        second in prop::collection::hash_set(0_usize..1500, 0..1200),
    ) {
        let list = |set: &HashSet<usize>| set.iter().map(|n| Id::new(&format!("q{n}"))).collect::<Vec<_>>();
        let before = of_queues(&list(&first), &TopicPlan::default());
        let after = of_queues(&list(&second), &before);
        let (was, is) = (before.channel_of(), after.channel_of());
        prop_assert_eq!(is.len(), second.len() * 2);
        prop_assert_eq!(after.ids().count(), is.len());
        for (id, channel) in &is {
            if let Some(before) = was.get(id) {
                prop_assert_eq!(channel, before);
            }
        }
        prop_assert!(after.channels.iter().all(|ids| ids.len() <= MAX_IDS_PER_CHANNEL));
        for n in &second {
            let [a, b] = queue_topics(&Id::new(&format!("q{n}")));
            prop_assert_eq!(is[a.as_str()], is[b.as_str()]);
        }
    }
}

#[derive(serde::Deserialize)]
struct Entities {
    entities: Vec<Entity>,
}

fn entities(json: &str) -> Vec<Entity> {
    serde_json::from_str::<Entities>(json).unwrap().entities
}

#[test]
fn the_exact_entry_wins_over_the_combined_one() {
    let partial = entities(include_str!(
        "../../../tests/fixtures/rest-subscriptions-response-partial.json"
    ));
    let user = "v2.users.e5240415-6b6a-5736-bbef-4488bb5408e2";
    let answer = read_answer(
        &[format!("{user}?presence&conversations"), format!("{user}.station")],
        &partial,
    );
    assert_eq!(answer.permitted, [format!("{user}.presence")]);
    assert_eq!(answer.unknown, [format!("{user}.station")]);
    assert_eq!(answer.rejected.len(), 1);
    assert_eq!(answer.rejected[0].topic, format!("{user}.conversations"));
    assert_eq!(
        answer.rejected[0].missing_permissions,
        ["conversation:communication:view"]
    );
    assert!(
        answer.rejected[0]
            .reason
            .as_ref()
            .unwrap()
            .starts_with("The user does not have")
    );
    let mut reversed = partial;
    reversed.reverse();
    assert_eq!(
        read_answer(&[format!("{user}?conversations&presence")], &reversed).permitted,
        [format!("{user}.presence")]
    );
}

#[test]
fn a_full_answer_permits_everything() {
    let full = entities(include_str!("../../../tests/fixtures/rest-subscriptions-response.json"));
    let requested: Vec<String> = full.iter().map(|entity| entity.id.clone()).collect();
    let answer = read_answer(&requested, &full);
    assert_eq!(answer.permitted.len(), 4);
    assert!(answer.rejected.is_empty() && answer.unknown.is_empty());
}

#[test]
fn refusals_of_combined_ids_missing_topics_and_odd_states() {
    let said = entities(
        r#"{"entities":[{"id":"a?b&c","state":"REJECTED","rejectionReason":null,"missingPermissions":null},
            {"id":"d.e","state":"Pending"},{"id":"f","state":"Rejected","rejectionReason":"no"},{"id":"f","state":"Permitted"},
            {"id":"g","state":"permitted","selfUri":"/x"},{"state":null},{"id":null}]}"#,
    );
    let answer = read_answer(&["a.b", "a.c", "d.e", "f", "g", "h"], &said);
    assert_eq!(
        answer.rejected.iter().map(|r| r.topic.as_str()).collect::<Vec<_>>(),
        ["a.b", "a.c", "f"]
    );
    assert_eq!(answer.rejected[2].reason.as_deref(), Some("no"));
    assert_eq!(answer.unknown, ["d.e", "h"]);
    assert_eq!(answer.permitted, ["g"]);
}

#[test]
fn what_is_missing_from_a_list_that_was_read_back() {
    let listed = entities(
        r#"{"entities":[{"id":"v2.users.U?presence&routingStatus"},{"id":"V2.Routing.queues.Q.conversations","state":"Permitted"},
            {"id":"v2.routing.queues.R.conversations","state":"Rejected"},{"id":"channel.metadata"}]}"#,
    );
    let expected = texts(&[
        "v2.users.u.presence",
        "v2.routing.queues.q.conversations",
        "v2.routing.queues.R.conversations",
        "v2.routing.queues.S.conversations",
    ]);
    assert_eq!(missing(&expected, &listed), expected[2..]);
    assert!(missing(&[], &listed).is_empty());
    assert_eq!(missing(&expected, &[]), expected);
}

#[test]
fn the_queues_of_the_topics() {
    let topics = [
        "v2.routing.queues.Q.conversations",
        " v2.routing.queues.R?conversations.calls&users ",
        "v2.routing.queues.S.users",
        "v2.routing.queues.W.conversationsummary",
        "v2.analytics.queues.T.observations",
        "v2.users.U.conversations",
        "v2.routing.queues.A.conversations",
    ]
    .map(str::to_owned);
    let subscribed = [Id::new("A")];
    let found = TopicQueues::of(&Wish {
        queues: &subscribed,
        topics: &topics,
        ..Wish::default()
    });
    let ids = |names: &[&str]| -> Vec<Id> { names.iter().map(|name| Id::new(name)).collect() };
    assert_eq!(found.conversations, ids(&["A", "Q", "R"]));
    assert_eq!(found.statistics, ids(&["A", "T"]));
}
