//! Where a connection goes: host, port, and whether it is plain or TLS, read from a URL.
//!
//! In: URL text · Out: `Url`, `Target` · Thread: none of its own (pure).

use std::fmt;
use std::net::IpAddr;

/// Whether bytes travel under TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Security {
    /// As they are.
    Plain,
    /// Under TLS.
    Tls,
}

/// One endpoint. `Display` is `host:port`, with brackets around an IPv6 address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    /// Plain or TLS.
    pub(crate) security: Security,
    /// Lower-case name or address, an IPv6 address without its brackets.
    pub(crate) host: String,
    /// As given, else that of the scheme.
    pub(crate) port: u16,
}

impl Target {
    /// Whether the host is this machine: 127.0.0.0/8, `::1`, `localhost`.
    pub(crate) fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => self.host == "localhost",
        }
    }

    /// The value of a `Host` header: the port only where it is not the scheme's own.
    pub(crate) fn host_header(&self) -> String {
        let default_port = match self.security {
            Security::Plain => 80,
            Security::Tls => 443,
        };
        if self.port == default_port {
            self.bracketed_host()
        } else {
            self.to_string()
        }
    }

    fn bracketed_host(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.bracketed_host(), self.port)
    }
}

/// A URL of one of the four schemes. It has no `Debug` or `Display`: path and user information may be secrets.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url {
    /// `http`, `https`, `ws` or `wss`.
    pub(crate) scheme: &'static str,
    /// Where it leads.
    pub(crate) target: Target,
    /// What stands before the `@`, as written.
    pub(crate) user_info: Option<String>,
    /// Path and query, beginning with `/`; the fragment is cut off.
    pub(crate) path: String,
}

impl Url {
    /// Reads an absolute URL.
    ///
    /// # Errors
    /// What is wrong, without any part of the text, which may hold a secret.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.bytes().any(|c| c <= b' ' || c == 0x7f) {
            return Err("holds a space or a control character");
        }
        let (scheme, rest) = text.split_once("://").ok_or("has no scheme such as https://")?;
        let (scheme, security) = match scheme.to_ascii_lowercase().as_str() {
            "http" => ("http", Security::Plain),
            "https" => ("https", Security::Tls),
            "ws" => ("ws", Security::Plain),
            "wss" => ("wss", Security::Tls),
            _ => return Err("has a scheme that is none of http, https, ws, wss"),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let (user_info, authority) = match authority.rsplit_once('@') {
            Some((user_info, host)) => (Some(user_info.to_owned()), host),
            None => (None, authority),
        };
        let (host, port) = split_port(authority)?;
        let port = match port {
            None | Some("") => match security {
                Security::Plain => 80,
                Security::Tls => 443,
            },
            Some(digits) => match digits.parse::<u16>() {
                Ok(port) if port > 0 && !digits.starts_with('+') => port,
                _ => return Err("has a port that is no number from 1 to 65535"),
            },
        };
        let tail = tail.split('#').next().unwrap_or("");
        let path = if tail.starts_with('/') {
            tail.to_owned()
        } else {
            format!("/{tail}")
        };
        Ok(Self {
            scheme,
            target: Target { security, host, port },
            user_info,
            path,
        })
    }
}

/// The host, checked and lower-cased, and what follows its colon.
fn split_port(authority: &str) -> Result<(String, Option<&str>), &'static str> {
    if let Some(inside) = authority.strip_prefix('[') {
        let (address, after) = inside.split_once(']').ok_or("has a [ without its ]")?;
        let address: std::net::Ipv6Addr = address.parse().map_err(|_| "has no IPv6 address between its [ ]")?;
        return match after {
            "" => Ok((address.to_string(), None)),
            _ => match after.strip_prefix(':') {
                Some(port) => Ok((address.to_string(), Some(port))),
                None => Err("has something other than a port after its ]"),
            },
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    if host.is_empty() {
        return Err("has no host");
    }
    let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_');
    if host.len() > 253 || !host.bytes().all(allowed) {
        return Err("has a host with a character that no host name has");
    }
    Ok((host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> (String, String, Option<String>) {
        let url = Url::parse(text).unwrap_or_else(|wrong| panic!("{text} {wrong}"));
        (format!("{}://{}", url.scheme, url.target), url.path, url.user_info)
    }

    #[test]
    fn reads_what_people_write() {
        let is = |text: &str, target: &str, path: &str| {
            assert_eq!(read(text), (target.to_owned(), path.to_owned(), None), "{text}");
        };
        is("https://API.mypurecloud.ie", "https://api.mypurecloud.ie:443", "/");
        is("ws://127.0.0.1:8080/a?b=c#d", "ws://127.0.0.1:8080", "/a?b=c");
        is("http://[::1]:90", "http://[::1]:90", "/");
        is("wss://localhost?x", "wss://localhost:443", "/?x");
        assert_eq!(read("http://us%40er:p@h:1/").2.as_deref(), Some("us%40er:p"));
    }

    #[test]
    fn refuses_without_repeating_the_text() {
        for text in [
            "",
            "host:80",
            "ftp://host",
            "https://",
            "https://:80",
            "https://ho st",
            "https://host:0",
            "https://host:99999",
            "https://host:+1",
            "https://[::1",
            "https://[::1]x",
            "https://[host]",
            "https://a:b:c",
            "https://hö.st",
        ] {
            let wrong = Url::parse(text).err().unwrap_or_else(|| panic!("{text} was taken"));
            assert!(!wrong.contains("host:"), "{wrong}");
        }
    }

    #[test]
    fn knows_loopback_and_writes_host_headers() {
        let target = |text: &str| Url::parse(text).ok().unwrap().target;
        assert!(target("http://127.9.9.9").is_loopback());
        assert!(target("http://localhost:1").is_loopback());
        assert!(target("http://[::1]").is_loopback());
        assert!(!target("http://127.0.0.1.example.com").is_loopback());
        assert_eq!(target("https://a:443").host_header(), "a");
        assert_eq!(target("http://[::1]:443").host_header(), "[::1]:443");
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,40}|[a-z:/@\\[\\]?#%0-9]{0,30}") {
            let _ = Url::parse(&text);
        }
    }
}
