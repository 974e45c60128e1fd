//! Web addresses taken apart as far as a configuration needs it.
//!
//! In: text of flags, environment, file · Out: scheme, host, port, path · Thread: any (pure).

use std::net::{Ipv4Addr, Ipv6Addr};

/// A web address without user information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// Lower case.
    pub scheme: String,
    /// Lower case; an IPv6 address in brackets.
    pub host: String,
    pub port: Option<u16>,
    /// With its leading slash and without a trailing one; empty for the root.
    pub path: String,
    /// With its `?`; empty without one.
    pub query: String,
    /// `user:password`, only if it was allowed.
    pub user: Option<String>,
}

/// Whether `user:password@` may stand before the host.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserInformation {
    Refused,
    Allowed,
}

impl Url {
    /// The complaint never holds the text: it may carry a password.
    pub(crate) fn parse(text: &str, user_information: UserInformation) -> Result<Self, String> {
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err("an address holds no space, control character or backslash".to_owned());
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err("an address begins with a scheme such as https://".to_owned());
        };
        if rest.contains('#') {
            return Err("an address here has no fragment (#…)".to_owned());
        }
        let (before_query, query) = rest.find('?').map_or((rest, ""), |at| rest.split_at(at));
        let (authority, path) = before_query
            .find('/')
            .map_or((before_query, ""), |at| before_query.split_at(at));
        let (user, host_port) = match authority.rsplit_once('@') {
            Some((user, host_port)) => (Some(user.to_owned()), host_port),
            None => (None, authority),
        };
        if user.is_some() && user_information == UserInformation::Refused {
            return Err("user information (user:password@) is not accepted here".to_owned());
        }
        let (host, port) = split_host_port(host_port)?;
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            host,
            port,
            path: path.trim_end_matches('/').to_owned(),
            query: query.to_owned(),
            user,
        })
    }

    /// 127.0.0.0/8, `localhost` and `[::1]`.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    /// `host` or `host:port`.
    pub(crate) fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// The whole address again, under another scheme if need be.
    pub(crate) fn with_scheme(&self, scheme: &str) -> String {
        let user = self.user.as_ref().map_or(String::new(), |user| format!("{user}@"));
        format!("{scheme}://{user}{}{}{}", self.authority(), self.path, self.query)
    }
}

/// Whether a host name or address is this machine for sure; IPv6 with or without brackets.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || bare.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// As [`is_loopback`] for `HOST:PORT`.
#[cfg(all(feature = "cli", feature = "simulator"))]
pub(crate) fn is_loopback_address(text: &str) -> bool {
    split_host_port(text).is_ok_and(|(host, _)| is_loopback(&host))
}

/// `host`, `host:port`, `[::1]:port`; the host in lower case.
pub(crate) fn split_host_port(text: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((inside, after)) = rest.split_once(']') else {
            return Err("an IPv6 address stands in brackets, such as [::1]".to_owned());
        };
        if inside.parse::<Ipv6Addr>().is_err() {
            return Err("what stands in brackets is no IPv6 address".to_owned());
        }
        let port = match after {
            "" => None,
            _ => Some(
                after
                    .strip_prefix(':')
                    .ok_or("after an IPv6 address only a :port may stand")?,
            ),
        };
        (format!("[{}]", inside.to_ascii_lowercase()), port)
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host.to_ascii_lowercase(), Some(port)),
            None => (text.to_ascii_lowercase(), None),
        }
    };
    if !host.starts_with('[') && !is_host_name(&host) {
        return Err("there is no valid host name in it".to_owned());
    }
    let port = match port {
        None => None,
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => match port.parse::<u16>() {
            Ok(port) => Some(port),
            Err(_) => return Err("the port is a number up to 65535".to_owned()),
        },
        Some(_) => return Err("the port is a number up to 65535".to_owned()),
    };
    Ok((host, port))
}

/// Letters, digits, hyphens, underscores, dots between non-empty labels; at most 253.
pub(crate) fn is_host_name(host: &str) -> bool {
    host.len() <= 253
        && host.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn takes_addresses_apart() {
        let url = Url::parse("HTTP://LocalHost:8080/a/?q=1", UserInformation::Refused).unwrap();
        assert_eq!(
            (url.scheme.as_str(), url.host.as_str(), url.port),
            ("http", "localhost", Some(8080))
        );
        assert_eq!((url.path.as_str(), url.query.as_str()), ("/a", "?q=1"));
        let url = Url::parse("https://[::1]:1/", UserInformation::Refused).unwrap();
        assert_eq!(url.with_scheme("wss"), "wss://[::1]:1");
        let url = Url::parse("http://me:pw@proxy:3128", UserInformation::Allowed).unwrap();
        assert_eq!(url.with_scheme("http"), "http://me:pw@proxy:3128");
    }

    #[test]
    fn refuses_without_showing() {
        for text in [
            "http://me:hunter2@host",
            "http://127.0.0.1\\@hunter2",
            "hunter2",
            "http://",
            "http://a:hunter2",
            "http://a:70000",
            "http://a b",
            "http://[hunter2]",
            "http://[::1",
            "http://-a-",
            "http://a#hunter2",
        ] {
            let complaint = Url::parse(text, UserInformation::Refused).unwrap_err();
            assert!(!complaint.contains("hunter2"), "{complaint}");
        }
    }

    #[test]
    fn loopback_is_this_machine_for_sure() {
        for host in ["127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST", "[::1]", "::1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "127.0.0.1.example.com",
            "localhost.example.com",
            "2130706433",
            "0.0.0.0",
            "[::ffff:127.0.0.1]",
            "10.0.0.1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "(https?://)?[a-c0-9:@/?#.\\[\\]é-]{0,30}") {
            let _ = Url::parse(&text, UserInformation::Allowed);
        }
    }
}
