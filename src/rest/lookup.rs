//! Queues, their members, users: from names and ids as people write them to ids, and from ids to names.
//!
//! In: names or ids, a token · Out: queues with names and service levels, users with names · Thread: the caller's; [`resolve`] is pure.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::client::{Method, Request, RestClient};
use super::paging::{Taken, all_pages, each_entity};
use crate::base::inserted::Inserted as _;
use crate::base::limits::{ID_BYTES, LISTING_BYTES, NAME_BYTES, cut_and_count};
use crate::base::percent::percent_encode;
use crate::base::scrub;
use crate::event::facts::MediaKind;
pub(crate) use crate::event::queue::{Queue, ServiceLevelSetting};
use crate::{Error, ErrorKind, Id, Secret};

/// User ids in one query: 40 characters each keep the address under 4 KiB.
const USERS_A_CALL: usize = 80;
/// Similar names that are suggested for an unknown one.
const SUGGESTED: usize = 3;
/// Unknown names for which similar ones are looked for.
const COMPLAINTS_WITH_SUGGESTIONS: usize = 20;
/// Names are compared up to this length, since the time grows with the square.
const COMPARED_CHARS: usize = 100;

/// A user with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) id: Id,
    /// `None` where the listing has none.
    pub(crate) name: Option<String>,
}

/// Lists all queues that the client may see.
///
/// # Errors
/// Those of [`RestClient::call`]; 403 names the missing permission. [`ErrorKind::Transient`] where none of its entries can be
/// read: the answer is malformed, and that may pass.
pub(crate) fn queues(client: &RestClient, token: &Secret) -> Result<Listed<Queue>, Error> {
    let doing = "listing queues";
    let mut listed = Listed::default();
    let entities = all_pages(client, token, (doing, "/api/v2/routing/queues"), &mut |entity| {
        listed.take(entity, read_queue, |queue| (&queue.id, queue.name.as_deref()))
    })?;
    if listed.all.is_empty() && entities > 0 {
        let what = format!("a malformed 200 answer: none of its {entities} entries has an id");
        return Err(Error::new(ErrorKind::Transient, doing, what));
    }
    Ok(listed)
}

/// Lists the members of a queue.
///
/// # Errors
/// Those of [`RestClient::call`].
pub(crate) fn queue_members(client: &RestClient, token: &Secret, queue: &Id) -> Result<Listed<User>, Error> {
    let path = format!("/api/v2/routing/queues/{}/members", percent_encode(&queue.to_string()));
    let mut listed = Listed::default();
    all_pages(client, token, ("listing queue members", &path), &mut |entity| {
        listed.take(entity, read_user, label)
    })?;
    Ok(listed)
}

/// Looks users up by id; those that the service does not know are missing from the answer.
///
/// # Errors
/// Those of [`RestClient::call`].
pub(crate) fn users(client: &RestClient, token: &Secret, ids: &[Id]) -> Result<Listed<User>, Error> {
    let mut listed = Listed::default();
    for some in ids.chunks(USERS_A_CALL) {
        let mut at = "/api/v2/users?pageSize=100".to_owned();
        for id in some {
            at.push_str("&id=");
            at.push_str(&percent_encode(&id.to_string()));
        }
        let answer = client.call(&Request::new("looking up users", Method::Get, &at, token).page())?;
        let body: UsersBody<'_> = answer.json()?;
        let mut take = |entity: Option<&Value>| match entity.and_then(|entity| read_user(entity, &mut 0)) {
            // A service that ignores the filter lists all users.
            Some(user) if !some.contains(&user.id) => Taken::Again,
            _ => listed.take(entity, read_user, label),
        };
        let list = body.entities;
        if list.and_then(|list| each_entity(list, some.len(), &mut take)).is_none() {
            return Err(answer.malformed("no entities"));
        }
    }
    Ok(listed)
}

#[derive(Deserialize)]
struct UsersBody<'a> {
    #[serde(borrow)]
    entities: Option<&'a RawValue>,
}

/// What was listed, each once: a listing that changes while it is read repeats entities.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    pub(crate) all: Vec<T>,
    /// Entities that cannot be read or are over a limit, and names that were cut.
    pub(crate) unreadable: u32,
    known: HashSet<Id>,
    /// Bytes of ids and names.
    bytes: usize,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            unreadable: 0,
            known: HashSet::new(),
            bytes: 0,
        }
    }
}

impl<T> Listed<T> {
    fn take(
        &mut self,
        entity: Option<&Value>,
        read: fn(&Value, &mut u32) -> Option<T>,
        label: fn(&T) -> (&Id, Option<&str>),
    ) -> Taken {
        let mut cut = 0;
        let Some(read) = entity.and_then(|entity| read(entity, &mut cut)) else {
            self.unreadable = self.unreadable.saturating_add(1);
            return Taken::Unreadable;
        };
        let (id, name) = label(&read);
        if self.known.contains(id) {
            return Taken::Again;
        }
        // The id is kept twice.
        let bytes = 2 * id.heap_bytes() + name.map_or(0, str::len);
        if self.bytes + bytes > LISTING_BYTES {
            self.unreadable = self.unreadable.saturating_add(1);
            return Taken::Unreadable;
        }
        self.bytes += bytes;
        self.unreadable = self.unreadable.saturating_add(cut);
        self.known.insert(id.clone());
        self.all.push(read);
        Taken::New
    }
}

fn label(user: &User) -> (&Id, Option<&str>) {
    (&user.id, user.name.as_deref())
}

/// An identifier; one over its limit is none.
fn read_id(value: &Value) -> Option<Id> {
    value.as_str().filter(|id| id.len() <= ID_BYTES).map(Id::new)
}

/// A name without secrets, cut to its limit.
fn read_name(value: &Value, unreadable: &mut u32) -> Option<String> {
    let name = scrub::text(value.as_str()?);
    Some(cut_and_count(&name, NAME_BYTES, unreadable).to_owned())
}

fn read_user(entity: &Value, unreadable: &mut u32) -> Option<User> {
    let nested = entity.get("user");
    let field = |key: &str| {
        entity
            .get(key)
            .filter(|value| value.is_string())
            .or_else(|| nested?.get(key))
    };
    Some(User {
        id: read_id(field("id")?)?,
        name: field("name").and_then(|name| read_name(name, unreadable)),
    })
}

fn read_queue(entity: &Value, unreadable: &mut u32) -> Option<Queue> {
    let settings = entity.get("mediaSettings").and_then(Value::as_object);
    let levels = settings.into_iter().flatten().filter_map(|(medium, setting)| {
        let level = setting.get("serviceLevel")?;
        let number = |key: &str| {
            level
                .get(key)
                .and_then(Value::as_f64)
                .filter(|n| n.is_finite() && *n >= 0.0)
        };
        let setting = ServiceLevelSetting {
            // The service gives a share from 0 to 1.
            target_percent: number("percentage").map(|share| (share * 100.0).min(100.0)),
            threshold: number("durationMs")
                .filter(|ms| *ms <= 1e12)
                .map(|ms| Duration::from_secs_f64(ms / 1000.0)),
        };
        match MediaKind::parse(medium) {
            MediaKind::Other => None,
            kind => Some((kind, setting)),
        }
    });
    Some(Queue {
        id: read_id(entity.get("id")?)?,
        name: entity.get("name").and_then(|name| read_name(name, unreadable)),
        service_levels: levels.inserted(),
    })
}

/// Finds queues by ids or names. Names are compared exactly, then without regard to case.
///
/// # Errors
/// [`ErrorKind::Configuration`] with all unknown ids, unknown and ambiguous names, and the nearest known ones.
pub(crate) fn resolve(wanted: &[String], known: &[Queue]) -> Result<Vec<Queue>, Error> {
    let known = Known::new(known);
    let (mut found, mut ids) = (Vec::new(), HashSet::new());
    let mut wrong = Vec::new();
    for text in wanted {
        match known.find(text.trim(), wrong.len()) {
            Ok(queue) if !ids.insert(&queue.id) => {}
            Ok(queue) => found.push(queue.clone()),
            Err(what) => wrong.push(what),
        }
    }
    if wrong.is_empty() {
        Ok(found)
    } else {
        Err(Error::new(
            ErrorKind::Configuration,
            "looking for queues",
            wrong.join("; "),
        ))
    }
}

/// The known queues by what people write.
struct Known<'a> {
    all: &'a [Queue],
    by_id: HashMap<&'a Id, &'a Queue>,
    by_name: HashMap<&'a str, Vec<&'a Queue>>,
    /// In lower case.
    by_folded_name: HashMap<String, Vec<&'a Queue>>,
}

impl<'a> Known<'a> {
    fn new(all: &'a [Queue]) -> Self {
        let mut known = Self {
            all,
            by_id: HashMap::new(),
            by_name: HashMap::new(),
            by_folded_name: HashMap::new(),
        };
        for queue in all {
            known.by_id.entry(&queue.id).or_insert(queue);
            if let Some(name) = queue.name.as_deref() {
                known.by_name.entry(name).or_default().push(queue);
                let folded = name.trim().to_lowercase();
                known.by_folded_name.entry(folded).or_default().push(queue);
            }
        }
        known
    }

    /// `complaints` is how many there were before: suggestions take time, and nobody reads a hundred.
    fn find(&self, text: &str, complaints: usize) -> Result<&'a Queue, String> {
        if let Some(queue) = self.by_id.get(&Id::new(text)) {
            return Ok(queue);
        }
        let named = self
            .by_name
            .get(text)
            .or_else(|| self.by_folded_name.get(&text.to_lowercase()));
        match named.map_or(&[][..], Vec::as_slice) {
            [one] => Ok(one),
            [] if is_uuid(text) => Err(format!(
                "no queue has the id \"{text}\": it is not among the {} that the client sees (permission routing:queue:view, \
                 divisions)",
                self.all.len()
            )),
            [] if complaints >= COMPLAINTS_WITH_SUGGESTIONS => Err(format!("no queue is named \"{text}\"")),
            [] => Err(unknown(text, self.all)),
            several => {
                let ids: Vec<String> = several.iter().map(|queue| queue.id.to_string()).collect();
                Err(format!(
                    "\"{text}\" is the name of several queues, name one by its id: {}",
                    ids.join(", ")
                ))
            }
        }
    }
}

/// A UUID as Genesys writes ids; anything else is a name.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == b'-',
            _ => c.is_ascii_hexdigit(),
        })
}

fn unknown(text: &str, known: &[Queue]) -> String {
    let begin = |text: &str| -> String { text.to_lowercase().chars().take(COMPARED_CHARS).collect() };
    let wanted = begin(text);
    let mut near: Vec<(usize, &str)> = known
        .iter()
        .filter_map(|queue| queue.name.as_deref())
        .map(|name| (strsim::levenshtein(&wanted, &begin(name)), name))
        .collect();
    near.sort_unstable();
    near.truncate(SUGGESTED);
    if near.is_empty() {
        return format!(
            "no queue is named \"{text}\": the client sees no queue at all (a guess: the permission \
             routing:queue:view is missing, or its divisions)"
        );
    }
    let names: Vec<String> = near.iter().map(|(_, name)| format!("\"{name}\"")).collect();
    format!(
        "no queue is named \"{text}\"; nearest of {}: {}",
        known.len(),
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::scripted::{Reply, Server};
    use crate::rest::client_tests::client_of;

    fn queue(id: &str, name: &str) -> Queue {
        Queue {
            id: Id::new(id),
            name: Some(name.to_owned()),
            service_levels: Vec::new(),
        }
    }

    fn ids(wanted: &[&str], known: &[Queue]) -> Result<Vec<String>, String> {
        let wanted: Vec<String> = wanted.iter().map(|text| (*text).to_owned()).collect();
        match resolve(&wanted, known) {
            Ok(queues) => Ok(queues.iter().map(|queue| queue.id.to_string()).collect()),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Configuration);
                Err(error.to_string())
            }
        }
    }

    #[test]
    fn names_become_ids() {
        let known = [
            queue("1", "Sales"),
            queue("2", "sales"),
            queue("3", "Support"),
            queue("4", "SUPPORT"),
            queue("5", "Billing"),
        ];
        assert_eq!(ids(&["Sales", "billing", "5", "BILLING "], &known).unwrap(), ["1", "5"]);
        let uuid = "509F5A7F-cb31-5a43-ac00-8041a8ba3690";
        let wrong = ids(&[uuid, "Biling"], &known).unwrap_err();
        assert!(
            wrong.contains(uuid) && wrong.contains("among the 5") && wrong.contains("Biling"),
            "{wrong}"
        );
        let wrong = ids(&["support", "Biling"], &known).unwrap_err();
        assert!(wrong.contains("several queues") && wrong.contains("3, 4"), "{wrong}");
        assert!(wrong.contains("nearest of 5: \"Billing\""), "{wrong}");
        assert!(ids(&["x"], &[]).unwrap_err().contains("routing:queue:view"));
    }

    /// Serves `total` entities in the pages that are asked for.
    fn pages(total: usize, extra: fn(usize, usize) -> String) -> Server {
        Server::http(move |seen| {
            let number = |key: &str| -> usize {
                let query = seen.line.split(['?', '&', ' ']);
                let found = query.clone().find_map(|pair| pair.strip_prefix(key));
                found.unwrap().parse().unwrap()
            };
            let (page, size) = (number("pageNumber="), number("pageSize="));
            let from = (page - 1) * size;
            let entities: Vec<String> = (from..total.min(from + size))
                .map(|n| format!(r#"{{"id":"q{n}","name":"Queue {n}"}}"#))
                .collect();
            let pages = total.div_ceil(size);
            Reply::json(
                200,
                &format!(r#"{{"entities":[{}]{}}}"#, entities.join(","), extra(page, pages)),
            )
        })
    }

    #[test]
    fn every_page_is_read_however_the_end_is_marked() {
        let with_count = |_: usize, pages: usize| format!(r#","pageCount":{pages}"#);
        let with_next = |page: usize, pages: usize| {
            if page < pages {
                r#","nextUri":"/x""#.to_owned()
            } else {
                String::new()
            }
        };
        let without: fn(usize, usize) -> String = |_, _| String::new();
        for extra in [with_count, with_next, without] {
            for (total, calls) in [(0, 1), (99, 1), (250, 3), (24_999, 250)] {
                let server = pages(total, extra);
                let queues = queues(&client_of(&server), &Secret::new("t")).unwrap().all;
                assert_eq!(queues.len(), total);
                assert_eq!(server.seen().len(), calls);
            }
        }
        for (extra, calls) in [
            (with_count as fn(usize, usize) -> String, 250),
            (with_next, 251),
            (without, 251),
        ] {
            let most = pages(25_000, extra);
            assert_eq!(queues(&client_of(&most), &Secret::new("t")).unwrap().all.len(), 25_000);
            assert_eq!(most.seen().len(), calls);
        }
        let endless = pages(1_000_000, |_, _| r#","nextUri":"/x""#.to_owned());
        assert_eq!(
            queues(&client_of(&endless), &Secret::new("t")).unwrap_err().kind(),
            ErrorKind::Transient
        );
        let repeating = Server::http(|_| Reply::json(200, r#"{"entities":[{"id":"a"}],"nextUri":"/x"}"#));
        assert_eq!(queues(&client_of(&repeating), &Secret::new("t")).unwrap().all.len(), 1);
    }

    #[test]
    fn a_listing_of_any_length_costs_bounded_memory_and_its_texts_are_limited() {
        let huge = format!("[{}]", vec!["{}"; 500_000].join(","));
        let long = "n".repeat(2_000);
        let body = format!(
            r#"{{"entities":[{{"id":"{}"}},{{"id":"a","name":"{long}é"}},{{"id":"b","more":{huge}}},{{"id":"a"}}]}}"#,
            "i".repeat(257)
        );
        let server = Server::http(move |_| Reply::json(200, &body));
        let listed = queues(&client_of(&server), &Secret::new("t")).unwrap();
        assert_eq!(
            (listed.all.len(), listed.unreadable),
            (1, 3),
            "one is too long, one has a long id, one is listed twice, one has its name cut"
        );
        assert_eq!(listed.all[0].name.as_ref().unwrap().len(), 1024);
    }

    #[test]
    fn entries_of_one_page_are_bounded_in_number_and_bytes() {
        let page = |count: usize, id: &dyn Fn(usize) -> String, name: &str| {
            let entities = (0..count).map(|n| format!(r#"{{"id":"{}","name":"{name}"}}"#, id(n)));
            format!(
                r#"{{"entities":[{}],"pageCount":1}}"#,
                Vec::from_iter(entities).join(",")
            )
        };
        let small = page(200_000, &|n| n.to_string(), "");
        let server = Server::http(move |_| Reply::json(200, &small));
        let error = queues(&client_of(&server), &Secret::new("t")).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("200000 entries so far, 25000 are taken at most"),
            "{error}"
        );
        let long = page(20_000, &|n| format!("{n:0>250}"), &"n".repeat(1_000));
        let server = Server::http(move |_| Reply::json(200, &long));
        let listed = queues(&client_of(&server), &Secret::new("t")).unwrap();
        assert!((5_000..8_000).contains(&listed.all.len()), "{}", listed.all.len());
        assert_eq!(listed.all.len() + listed.unreadable as usize, 20_000);
    }

    #[test]
    fn a_listing_without_readable_entries_is_malformed() {
        for (body, is_malformed) in [
            (r#"{"entities":[{"name":"no id"},7]}"#, true),
            (r#"{"entities":[{"name":"no id"},{"id":"a"}]}"#, false),
            (r#"{"entities":[]}"#, false),
        ] {
            let server = Server::http(move |_| Reply::json(200, body));
            let listed = queues(&client_of(&server), &Secret::new("t"));
            assert_eq!(
                listed.err().map(|error| error.kind()),
                is_malformed.then_some(ErrorKind::Transient),
                "{body}"
            );
        }
    }

    #[test]
    fn service_levels_are_read_and_malformed_ones_ignored() {
        let body = r#"{"entities":[{"id":"a","name":"A","mediaSettings":{"call":{"serviceLevel":
            {"percentage":0.8,"durationMs":20000}},"message":{"serviceLevel":{"percentage":"x"}},"chat":7,
            "new":{"serviceLevel":{"durationMs":1}}}},{"name":"no id"},{"id":"b","mediaSettings":null}]}"#;
        let server = Server::http(move |_| Reply::json(200, body));
        let queues = queues(&client_of(&server), &Secret::new("t")).unwrap().all;
        assert_eq!(queues.len(), 2);
        let voice = ServiceLevelSetting {
            target_percent: Some(80.0),
            threshold: Some(Duration::from_secs(20)),
        };
        let nothing = ServiceLevelSetting {
            target_percent: None,
            threshold: None,
        };
        let levels = &queues[0].service_levels;
        assert!(levels.contains(&(MediaKind::Voice, voice)));
        assert!(levels.contains(&(MediaKind::Message, nothing)));
        assert_eq!(levels.len(), 2);
    }

    #[test]
    fn the_documented_listing_is_read() {
        let body = include_str!("../../tests/fixtures/rest-routing-queues.json");
        let server = Server::http(move |_| Reply::json(200, body));
        let queues = queues(&client_of(&server), &Secret::new("t")).unwrap().all;
        assert_eq!(queues[0].name.as_deref(), Some("Example Queue A"));
    }

    #[test]
    fn members_and_users() {
        let body = r#"{"entities":[{"id":"u1","name":"One"},{"user":{"id":"u2","name":"Two"}},{}]}"#;
        let server = Server::http(move |_| Reply::json(200, body));
        let client = client_of(&server);
        let members = queue_members(&client, &Secret::new("t"), &Id::new("q 1")).unwrap().all;
        assert_eq!(members.len(), 2);
        assert_eq!(members[1].name.as_deref(), Some("Two"));
        let users = users(&client, &Secret::new("t"), &[Id::new("u1"), Id::new("u3")])
            .unwrap()
            .all;
        assert_eq!(users.len(), 1);
        let seen = server.seen();
        assert!(seen[0].line.contains("/queues/q%201/members?pageNumber=1"));
        assert!(seen[1].line.contains("&id=u1&id=u3 "));
    }
}
