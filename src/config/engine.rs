//! Reads the keys below `engine`: which Redis is shared through, by whom, and how much is kept.
//!
//! In: layers · Out: `EngineConfig` · Thread: any (pure except for reading the file with the password).

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::Protocol;
use super::credentials;
use super::reading::{Null, Reading, Switch};
use crate::Secret;
use crate::base::digest;
use crate::base::url::{Security, Target, split_host_port};

/// The port of Redis where none is given.
const PORT: u16 = 6379;
/// Names of organisation and reader have at most so many bytes.
const NAME_BYTES: usize = 64;
/// Parts that queues and users can be shared out into.
const PARTS_AT_MOST: u32 = 1000;

/// `engine` in the file: the Redis that readers publish to and dashboards read from.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct EngineConfig {
    /// Nodes that this process publishes to; empty where it does not publish.
    #[serde(skip)]
    pub(crate) publish: Vec<Target>,
    /// Nodes that this process reads from; empty where it does not.
    #[serde(skip)]
    pub(crate) from: Vec<Target>,
    /// The organisation: all its readers and dashboards have the same.
    pub(crate) org: String,
    /// The name of this reader.
    pub(crate) name: String,
    /// Which queues and users this process subscribes.
    pub(crate) share: Share,
    /// The user of the ACL; `None` is Redis' own default.
    pub(crate) user: Option<String>,
    #[serde(skip)]
    pub(crate) password: Option<Secret>,
    /// Whether names of users are published.
    pub(crate) agent_names: bool,
    /// How long entries are kept in the engine.
    pub(crate) retention: Duration,
    /// How long acknowledged entries are kept here, to be sent again.
    pub(crate) ring: Duration,
    /// Bytes of entries that may wait for the engine.
    pub(crate) buffer_bytes: usize,
    /// A reader of which nothing was heard for so long covers nothing any more.
    pub(crate) dead_after: Duration,
}

impl EngineConfig {
    /// Whether this process connects to an engine at all.
    pub(crate) fn is_used(&self) -> bool {
        !self.publish.is_empty() || !self.from.is_empty()
    }

    /// Whether the numbers come from the engine alone: Genesys is not connected to.
    pub(crate) fn only_shows(&self) -> bool {
        self.publish.is_empty() && !self.from.is_empty()
    }
}

/// One of several parts of all queues and users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Share {
    /// From 1.
    pub(crate) part: u32,
    pub(crate) of: u32,
}

impl Share {
    pub(crate) const WHOLE: Self = Self { part: 1, of: 1 };

    /// Whether an id belongs to this part: the first 8 bytes, big-endian, of the SHA-256 of its lower-case form, modulo the
    /// number of parts, plus 1.
    pub(crate) fn takes(self, id: &str) -> bool {
        let hash = digest::sha256_first_eight(id.to_ascii_lowercase().as_bytes());
        hash % u64::from(self.of) + 1 == u64::from(self.part)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let whole = |text: &str| {
            text.bytes()
                .all(|b| b.is_ascii_digit())
                .then(|| text.parse::<u32>().ok())?
        };
        let parts = text
            .split_once('/')
            .and_then(|(part, of)| Some((whole(part)?, whole(of)?)));
        match parts {
            Some((part, of @ 1..=PARTS_AT_MOST)) if (1..=of).contains(&part) => Ok(Self { part, of }),
            _ => Err(format!(
                "allowed is PART/PARTS, such as 1/3, with at most {PARTS_AT_MOST} parts"
            )),
        }
    }
}

pub(super) fn read_engine(r: &mut Reading<'_>, protocol: Protocol, record_file: Option<&Path>) -> EngineConfig {
    let publish = nodes(r, "engine.publish");
    let from = nodes(r, "engine.from");
    let org = r.text("engine.org", Null::Allowed, name);
    let own_name = r.text("engine.name", Null::Allowed, name);
    let share = r
        .text("engine.share", Null::Allowed, Share::parse)
        .unwrap_or(Share::WHOLE);
    let user = r.text("engine.user", Null::Allowed, name);
    let password_file = r.path("engine.password_file");
    let engine = EngineConfig {
        agent_names: r.switch("engine.agent_names", Switch::Off),
        retention: r.duration("engine.retention_secs", 60..=31 * 86_400, 129_600),
        ring: r.duration("engine.ring_secs", 1..=3600, 60),
        buffer_bytes: r.whole("engine.buffer_bytes", 65_536..=1 << 32, 64 << 20) as usize,
        dead_after: r.duration("engine.dead_after_secs", 2..=3600, 5),
        password: password_file.and_then(|path| match credentials::read_secret_file(&path) {
            Ok(secret) => Some(secret),
            Err(what) => {
                r.problem("engine.password_file", what);
                None
            }
        }),
        org: org.clone().unwrap_or_default(),
        name: own_name.clone().unwrap_or_default(),
        publish,
        from,
        share,
        user,
    };
    let key = match engine.publish.is_empty() {
        true => "engine.from",
        false => "engine.publish",
    };
    let is_unset = |r: &Reading<'_>, key: &str| r.origin(key).is_none();
    if engine.is_used() {
        if org.is_none() && is_unset(r, "engine.org") {
            r.problem(
                "engine.org",
                "missing; give the organisation that all readers and dashboards share with --org, or in the file",
            );
        }
        if protocol != Protocol::Notifications {
            let found = format!("the protocol {}", protocol.as_str());
            r.problem(key, (found, "only the protocol notifications can be shared"));
        }
    }
    if engine.only_shows() && record_file.is_some() {
        r.problem(
            "outputs.record_file",
            (
                "engine.from as well",
                "a dashboard receives no bodies that could be recorded; record where Genesys is read",
            ),
        );
    }
    if !engine.publish.is_empty() && own_name.is_none() && is_unset(r, "engine.name") {
        r.problem(
            "engine.name",
            "missing; give this reader a name of its own with --name, or in the file",
        );
    }
    if !engine.publish.is_empty() && !engine.from.is_empty() {
        r.problem(
            "engine.from",
            (
                "engine.publish as well",
                "this version publishes or shows; start two processes to do both",
            ),
        );
    }
    engine
}

fn nodes(r: &mut Reading<'_>, key: &'static str) -> Vec<Target> {
    let nodes = r.text(key, Null::Allowed, parse_nodes).unwrap_or_default();
    if let Some(far) = nodes
        .iter()
        .find(|node| node.security == Security::Plain && !node.is_loopback())
    {
        let found = format!("redis:// to another machine ({far})");
        r.problem(key, (found, "use rediss://"));
    }
    nodes
}

/// Reads `rediss://HOST:PORT[,HOST…]`.
fn parse_nodes(text: &str) -> Result<Vec<Target>, String> {
    const ALLOWED: &str = "allowed is rediss://HOST:PORT[,HOST:PORT…], on this machine also redis://";
    let (scheme, rest) = text.split_once("://").ok_or(ALLOWED)?;
    let security = match scheme {
        "redis" => Security::Plain,
        "rediss" => Security::Tls,
        _ => return Err(ALLOWED.to_owned()),
    };
    if rest.contains('@') {
        return Err("user and password are not accepted here: give engine.user and engine.password_file".to_owned());
    }
    let node = |part: &str| match split_host_port(part) {
        Ok((host, port)) if port != Some(0) => Ok(Target {
            security,
            host,
            port: port.unwrap_or(PORT),
        }),
        _ => Err(ALLOWED.to_owned()),
    };
    rest.trim_end_matches('/').split(',').map(node).collect()
}

/// A name that becomes part of a key.
fn name(text: &str) -> Result<String, String> {
    let is_wrong = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '{' | '}' | ':');
    if text.is_empty() || text.len() > NAME_BYTES || text.contains(is_wrong) {
        return Err(format!(
            "allowed are 1 to {NAME_BYTES} bytes without blanks, colons and braces"
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn built(json: &str) -> Result<Config, String> {
        let builder = Config::builder()
            .region("http://127.0.0.1:1")
            .client_id("c")
            .client_secret(Secret::new("s"));
        builder.json("x", json).build().map_err(|error| error.to_string())
    }

    #[test]
    fn every_id_belongs_to_one_part() {
        // SHA-256 of "abc" begins with ba7816bf8f01cfea.
        let first: u64 = 0xba78_16bf_8f01_cfea;
        for of in [1, 2, 3, 7, 1000] {
            let taken: Vec<u32> = (1..=of).filter(|part| Share { part: *part, of }.takes("ABC")).collect();
            assert_eq!(taken, [u32::try_from(first % u64::from(of)).unwrap() + 1]);
        }
    }

    #[test]
    fn nodes_and_names_are_read() {
        let config = built(r#"{"engine":{"publish":"redis://127.0.0.1:7000,localhost,[::1]:7002","org":"o","name":"a","share":"2/3"}}"#).unwrap();
        let nodes: Vec<String> = config.engine.publish.iter().map(ToString::to_string).collect();
        assert_eq!(nodes, ["127.0.0.1:7000", "localhost:6379", "[::1]:7002"]);
        assert_eq!(config.engine.share, Share { part: 2, of: 3 });
        assert!(!config.engine.only_shows() && config.engine.is_used());
        assert!(!built("{}").unwrap().engine.is_used());
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let far = r#""publish":"redis://10.0.0.1:1""#;
        let long = "n".repeat(65);
        for (json, part) in [
            (
                r#""publish":"redis://127.0.0.1","name":"a""#.to_owned(),
                "engine.org: missing",
            ),
            (
                r#""publish":"redis://127.0.0.1","org":"o""#.to_owned(),
                "engine.name: missing",
            ),
            (format!(r#"{far},"org":"o","name":"a""#), "rediss://"),
            (
                r#""publish":"http://127.0.0.1","org":"o","name":"a""#.to_owned(),
                "rediss://HOST:PORT",
            ),
            (
                r#""publish":"redis://u:hunter2@127.0.0.1","org":"o","name":"a""#.to_owned(),
                "engine.password_file",
            ),
            (
                format!(r#""publish":"redis://127.0.0.1","org":"o","name":"{long}""#),
                "64 bytes",
            ),
            (
                r#""publish":"redis://127.0.0.1","org":"a b","name":"a""#.to_owned(),
                "64 bytes",
            ),
            (
                r#""publish":"redis://127.0.0.1","org":"o","name":"a","share":"4/3""#.to_owned(),
                "PART/PARTS",
            ),
            (
                r#""publish":"redis://127.0.0.1","org":"o","name":"a","share":"0/3""#.to_owned(),
                "PART/PARTS",
            ),
        ] {
            let text = built(&format!(r#"{{"engine":{{{json}}}}}"#)).unwrap_err();
            assert!(text.contains(part), "{json}: {text}");
        }
        let other = r#"{"protocol":"events","engine":{"publish":"redis://127.0.0.1","org":"o","name":"a"}}"#;
        assert!(built(other).unwrap_err().contains("only the protocol notifications"));
    }

    #[test]
    fn a_dashboard_does_not_record() {
        let keys = r#""outputs":{"record_file":"/tmp/r"}"#;
        let text = built(&format!(
            r#"{{"engine":{{"from":"redis://127.0.0.1","org":"o"}},{keys}}}"#
        ))
        .unwrap_err();
        assert!(text.contains("record where Genesys is read"), "{text}");
        built(&format!(
            r#"{{"engine":{{"publish":"redis://127.0.0.1","org":"o","name":"a"}},{keys}}}"#
        ))
        .unwrap();
    }

    #[test]
    fn who_only_shows_needs_no_account() {
        let json = r#"{"engine":{"from":"redis://127.0.0.1","org":"o"}}"#;
        let config = Config::builder().json("x", json).build().unwrap();
        assert!(config.engine.only_shows());
        assert!(Config::builder().build().is_err());
    }
}
