//! URLs of the service, of proxies and of webhooks: `http::Uri` takes them apart, and the rules for them stand here.
//!
//! In: text · Out: `Url`, `Target`, or what is wrong without any part of the text · Thread: any (pure).
//!
//! The rules beyond those of `http::Uri`: one of four schemes, no user information (a proxy's is taken off before), a
//! host name or an IP address, a port from 1 to 65535, no backslash. No message repeats the text, which may hold a
//! secret.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use http::Uri;

/// The schemes in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
    Ws,
    Wss,
}

impl Scheme {
    /// Lower case, without `://`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// Whether bytes travel under TLS.
    pub(crate) fn security(self) -> Security {
        match self {
            Self::Http | Self::Ws => Security::Plain,
            Self::Https | Self::Wss => Security::Tls,
        }
    }

    /// `ws` for a plain scheme, `wss` for one under TLS.
    pub(crate) fn of_socket(self) -> Self {
        match self {
            Self::Http | Self::Ws => Self::Ws,
            Self::Https | Self::Wss => Self::Wss,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

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
        is_loopback(&self.host)
    }

    /// The value of a `Host` header: the port only where it is not the scheme's own.
    pub(crate) fn host_header(&self) -> String {
        let default_port = default_port(self.security);
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

fn default_port(security: Security) -> u16 {
    match security {
        Security::Plain => 80,
        Security::Tls => 443,
    }
}

/// An absolute URL without user information and fragment. `Debug` shows neither path nor query: they may be secrets.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) scheme: Scheme,
    /// Where it leads.
    pub(crate) target: Target,
    /// Begins with `/`.
    pub(crate) path: String,
    /// What follows the `?`.
    pub(crate) query: Option<String>,
}

impl Url {
    /// Reads an absolute URL; a fragment is cut off.
    ///
    /// # Errors
    /// What is wrong, to be put behind a subject: "has no host".
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.contains(is_blank) {
            return Err("holds a space or a control character".to_owned());
        }
        let (_, rest) = text.split_once("://").ok_or("has no scheme such as https://")?;
        if rest.is_empty() || rest.starts_with(['/', '?', '#', ':']) {
            return Err("has no host".to_owned());
        }
        // Browsers take it for a slash, others for a part of the name: the host would depend on the reader.
        if text.contains('\\') {
            return Err("holds a backslash".to_owned());
        }
        let uri: Uri = text.parse().map_err(|error| format!("is no valid URL ({error})"))?;
        Self::of(&uri)
    }

    /// The same for what `http::Uri` has read.
    ///
    /// # Errors
    /// As [`Url::parse`].
    pub(crate) fn of(uri: &Uri) -> Result<Self, String> {
        let scheme = match uri.scheme_str().map(str::to_ascii_lowercase).as_deref() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            Some("ws") => Scheme::Ws,
            Some("wss") => Scheme::Wss,
            _ => return Err("has a scheme that is none of http, https, ws, wss".to_owned()),
        };
        let authority = uri.authority().ok_or("has no host")?.as_str();
        if authority.contains('@') {
            return Err("holds user information (user:password@), which is not accepted here".to_owned());
        }
        let (host, port) = split_host_port(authority)?;
        let security = scheme.security();
        let port = match port {
            Some(0) => return Err(WRONG_PORT.to_owned()),
            given => given.unwrap_or_else(|| default_port(security)),
        };
        Ok(Self {
            scheme,
            target: Target { security, host, port },
            path: uri.path().to_owned(),
            query: uri.query().map(str::to_owned),
        })
    }

    /// `scheme://host[:port]/path` without a trailing slash and without the query, under this scheme.
    pub(crate) fn base(&self, scheme: Scheme) -> String {
        let host = self.target.host_header();
        format!("{scheme}://{host}{}", self.path.trim_end_matches('/'))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.target)
    }
}

/// Reads a proxy's URL, which may have no scheme (then it is `http`); also gives the user information, as written.
///
/// # Errors
/// What is wrong and what is allowed, as a sentence.
pub(crate) fn parse_proxy(text: &str) -> Result<(Url, Option<String>), String> {
    let text = text.trim();
    if text.contains(is_blank) {
        return Err("the URL holds a space or a control character".to_owned());
    }
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => {}
        socks if socks.starts_with("socks") => {
            return Err("SOCKS proxies are not supported; a proxy begins with http:// or https://".to_owned());
        }
        _ => return Err("its scheme is not supported; http://HOST:PORT and https://HOST:PORT are".to_owned()),
    }
    // Passwords hold characters that `http::Uri` refuses.
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user.to_owned()), host),
        None => (None, authority),
    };
    let url = Url::parse(&format!("{scheme}://{host}{path}"))
        .map_err(|wrong| format!("the URL {wrong}; allowed is http://HOST:PORT"))?;
    Ok((url, user))
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

const WRONG_PORT: &str = "has a port that is no number from 1 to 65535";

/// Reads `host`, `host:port`, `[::1]:port`; gives the host in lower case and without brackets.
///
/// # Errors
/// As [`Url::parse`].
pub(crate) fn split_host_port(text: &str) -> Result<(String, Option<u16>), &'static str> {
    let (host, after) = match text.strip_prefix('[') {
        Some(rest) => {
            let (inside, after) = rest.split_once(']').ok_or("has a [ without its ]")?;
            let address: Ipv6Addr = inside.parse().map_err(|_| "has no IPv6 address between its [ ]")?;
            (address.to_string(), after)
        }
        None => {
            let (host, after) = text.split_at(text.find(':').unwrap_or(text.len()));
            if host.is_empty() {
                return Err("has no host");
            }
            // A dot at the end says that the name is complete.
            if !is_host_name(host.strip_suffix('.').unwrap_or(host)) {
                return Err("has no valid host name");
            }
            (host.to_ascii_lowercase(), after)
        }
    };
    if after.is_empty() {
        return Ok((host, None));
    }
    let digits = after
        .strip_prefix(':')
        .ok_or("has something other than a port after its ]")?;
    // Rust's numbers may begin with a plus sign.
    let port = match digits.parse() {
        Ok(port) if !digits.starts_with('+') => port,
        _ => return Err(WRONG_PORT),
    };
    Ok((host, Some(port)))
}

/// Whether a host name or address is this machine for sure; IPv6 without brackets.
pub(crate) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || host.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
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

    fn target(text: &str) -> Target {
        Url::parse(text).unwrap().target
    }

    #[test]
    fn reads_what_people_write() {
        for (text, scheme, target, path, query) in [
            (
                "https://API.mypurecloud.ie",
                "https",
                "api.mypurecloud.ie:443",
                "/",
                None,
            ),
            ("ws://127.0.0.1:8080/a?b=c#d", "ws", "127.0.0.1:8080", "/a", Some("b=c")),
            ("http://[::1]:90", "http", "[::1]:90", "/", None),
            ("https://[0:0::1]:1/", "https", "[::1]:1", "/", None),
            ("wss://localhost?x", "wss", "localhost:443", "/", Some("x")),
            (
                "HTTP://LocalHost:8080/A/?q=1",
                "http",
                "localhost:8080",
                "/A/",
                Some("q=1"),
            ),
            ("https://a.example.:8443/%20", "https", "a.example.:8443", "/%20", None),
            (
                "https://a_b.example/{\"x\"}",
                "https",
                "a_b.example:443",
                "/{\"x\"}",
                None,
            ),
        ] {
            let url = Url::parse(text).unwrap_or_else(|wrong| panic!("{text} {wrong}"));
            assert_eq!(
                (url.scheme.as_str(), url.target.to_string().as_str()),
                (scheme, target),
                "{text}"
            );
            assert_eq!((url.path.as_str(), url.query.as_deref()), (path, query), "{text}");
        }
    }

    #[test]
    fn refuses_without_repeating_the_text() {
        for (text, says) in [
            ("", "no scheme"),
            ("hunter2", "no scheme"),
            ("hunter2:80", "no scheme"),
            ("//hunter2/x", "no scheme"),
            ("ftp://hunter2", "none of http, https, ws, wss"),
            ("://hunter2", "none of http, https, ws, wss"),
            ("https://", "no host"),
            ("https:///hunter2", "no host"),
            ("https://?hunter2", "no host"),
            ("https://:80", "no host"),
            ("https://hunter2 x", "a space"),
            ("https://hunter2\u{a0}x", "a space"),
            ("https://hunter2\nx", "control character"),
            ("http://127.0.0.1\\@hunter2", "backslash"),
            ("http://127.0.0.1/\\hunter2", "backslash"),
            ("http://me:hunter2@host", "user information"),
            ("http://hunter2@", "no valid URL"),
            ("http://@hunter2", "user information"),
            ("https://hunter2:0", "no number from 1 to 65535"),
            ("https://hunter2:", "no number from 1 to 65535"),
            ("https://hunter2:99999", "no number from 1 to 65535"),
            ("https://hunter2:+1", "no number from 1 to 65535"),
            ("https://hunter2:b", "no number from 1 to 65535"),
            ("https://hunter2:b:c", "no valid URL"),
            ("https://[::1", "no valid URL"),
            ("https://[::1]x", "after its ]"),
            ("https://[hunter2]", "no IPv6 address"),
            ("https://hö.hunter2", "no valid URL"),
            ("https://hunter2%2e", "no valid URL"),
            ("https://-hunter2-", "no valid host name"),
            ("https://hunter2..x", "no valid host name"),
            ("https://hunter2!x", "no valid host name"),
            ("https://a/<hunter2>", "no valid URL"),
        ] {
            let wrong = Url::parse(text).err().unwrap_or_else(|| panic!("{text} was taken"));
            assert!(wrong.contains(says), "{text} {wrong}");
            assert!(!wrong.contains("hunter2"), "{wrong}");
        }
    }

    #[test]
    fn a_base_has_no_trailing_slash_query_or_default_port() {
        let base = |text: &str, scheme| Url::parse(text).unwrap().base(scheme);
        assert_eq!(base("https://[::1]:1/", Scheme::Wss), "wss://[::1]:1");
        assert_eq!(
            base("http://127.0.0.1:1/base/?q", Scheme::Http),
            "http://127.0.0.1:1/base"
        );
        assert_eq!(base("https://a:443", Scheme::Wss), "wss://a");
        assert_eq!(Scheme::Http.of_socket(), Scheme::Ws);
        let debug = format!("{:?}", Url::parse("wss://a/geheim?geheim").unwrap());
        assert_eq!(debug, "wss://a:443");
    }

    #[test]
    fn a_proxy_may_have_user_information_of_any_characters() {
        let read = |text: &str| {
            let (url, user) = parse_proxy(text).unwrap_or_else(|wrong| panic!("{text} {wrong}"));
            (format!("{:?}{}", url, url.path), user)
        };
        let some = |user: &str| Some(user.to_owned());
        assert_eq!(read("proxy:3128"), ("http://proxy:3128/".to_owned(), None));
        assert_eq!(
            read(" HTTPS://us%40er:p@H:1/x "),
            ("https://h:1/x".to_owned(), some("us%40er:p"))
        );
        assert_eq!(
            read("me:a^b@c|d<é>@h:1"),
            ("http://h:1/".to_owned(), some("me:a^b@c|d<é>"))
        );
        for (text, says) in [
            ("socks5://me:geheim@x", "SOCKS"),
            ("SOCKS5H://x", "SOCKS"),
            ("garbage://me:geheim@x", "https://HOST:PORT"),
            ("http://me:geheim@x:port", "port"),
            ("http://me:geheim @x", "a space"),
            ("me:geheim@", "no host"),
            ("", "no host"),
        ] {
            let wrong = parse_proxy(text).unwrap_err();
            assert!(wrong.contains(says) && !wrong.contains("geheim"), "{text} {wrong}");
        }
    }

    #[test]
    fn loopback_is_this_machine_for_sure() {
        for host in ["127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST", "::1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "127.0.0.1.example.com",
            "localhost.example.com",
            "localhost.",
            "2130706433",
            "0.0.0.0",
            "::ffff:127.0.0.1",
            "10.0.0.1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
        assert!(target("http://127.9.9.9").is_loopback());
        assert!(target("http://localhost:1").is_loopback());
        assert!(target("http://[::1]").is_loopback());
        assert!(!target("http://127.0.0.1.example.com").is_loopback());
        assert_eq!(split_host_port("[::1]:0"), Ok(("::1".to_owned(), Some(0))));
    }

    #[test]
    fn host_headers_leave_out_the_schemes_own_port() {
        assert_eq!(target("https://a:443").host_header(), "a");
        assert_eq!(target("http://[::1]:443").host_header(), "[::1]:443");
        assert_eq!(target("http://[::1]:80").host_header(), "[::1]");
    }

    proptest! {
        #[test]
        fn never_panics(text in "(https?://)?[a-c0-9:@/?#.\\[\\]é-]{0,30}|\\PC{0,40}|[a-z:/@\\[\\]?#%0-9]{0,30}") {
            let _ = Url::parse(&text);
            let _ = parse_proxy(&text);
            let _ = split_host_port(&text);
        }

        /// What was read reads the same again.
        #[test]
        fn a_base_is_a_url_to_the_same_target(text in "(https?|wss?)://[a-c]{1,3}(:[0-9]{1,4})?(/[a-c%20]{0,3}){0,3}") {
            if let Ok(url) = Url::parse(&text) {
                let again = Url::parse(&url.base(url.scheme)).unwrap();
                prop_assert_eq!(again.target, url.target);
                prop_assert_eq!(again.path.trim_end_matches('/'), url.path.trim_end_matches('/'));
            }
        }
    }
}
