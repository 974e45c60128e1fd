//! Which proxy a connection uses, and the tunnel through it (CONNECT).
//!
//! In: setting or environment, a stream to the proxy · Out: a tunnel · Thread: the caller's.
//!
//! An explicit proxy is used for every connection; one from the environment is not used for loopback hosts and those
//! that `NO_PROXY` names. A proxy that cannot be used is an error as soon as a connection would need it: a prescribed
//! proxy is never bypassed.

use std::fmt;
use std::io::{Read, Write};
use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::USER_AGENT;
use crate::base::percent::percent_decode;
use crate::base::url::{Security, Target, parse_proxy};
use crate::{Error, ErrorKind, Secret};

/// A longer head of the answer to CONNECT is an error.
const HEAD_LIMIT_BYTES: usize = 16 * 1024;

/// The rules that choose the proxy of a connection.
#[derive(Debug, Default)]
pub(crate) struct ProxyRules {
    explicit: Option<Proxy>,
    /// The environment's proxy for TLS connections, or why it cannot be used.
    for_tls: Option<Result<Proxy, Error>>,
    /// The environment's proxy for plain connections, or why it cannot be used.
    for_plain: Option<Result<Proxy, Error>>,
    exempt: Vec<Exempt>,
}

/// One CONNECT proxy.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    /// Where it listens, and whether the connection to it is under TLS.
    pub(crate) target: Target,
    /// Value of `Proxy-Authorization`.
    authorization: Option<Secret>,
}

impl ProxyRules {
    /// An explicit proxy from a flag or the configuration file, else the proxies that `variable` finds in the environment.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] for an explicit proxy that cannot be used. One from the environment may be meant for
    /// other programs, so [`ProxyRules::choose`] reports what is wrong with it.
    pub(crate) fn new(explicit: Option<&str>, variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        if let Some(text) = explicit {
            let proxy = Proxy::parse(text)
                .map_err(|wrong| Error::new(ErrorKind::Configuration, "reading the proxy setting", wrong))?;
            return Ok(Self {
                explicit: Some(proxy),
                ..Self::default()
            });
        }
        let first = |names: &[&str]| {
            names.iter().find_map(|name| {
                let text = variable(name).filter(|text| !text.trim().is_empty())?;
                Some(Proxy::parse(&text).map_err(|wrong| {
                    Error::new(
                        ErrorKind::Configuration,
                        format!("reading the proxy in the environment variable {name}"),
                        format!("{wrong}; correct or unset it, or name the hosts that need no proxy in NO_PROXY"),
                    )
                }))
            })
        };
        let no_proxy = ["no_proxy", "NO_PROXY"].iter().find_map(|name| variable(name));
        Ok(Self {
            explicit: None,
            for_tls: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            for_plain: first(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]),
            exempt: no_proxy.map(|list| Exempt::parse_list(&list)).unwrap_or_default(),
        })
    }

    /// The proxy for a connection to `target`.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`], naming the variable, for a proxy of the environment that cannot be used.
    pub(crate) fn choose(&self, target: &Target) -> Result<Option<&Proxy>, Error> {
        if self.explicit.is_some() {
            return Ok(self.explicit.as_ref());
        }
        if target.is_loopback() || self.exempt.iter().any(|exempt| exempt.matches(target)) {
            return Ok(None);
        }
        let chosen = match target.security {
            Security::Tls => &self.for_tls,
            Security::Plain => &self.for_plain,
        };
        match chosen {
            None => Ok(None),
            Some(Ok(proxy)) => Ok(Some(proxy)),
            Some(Err(wrong)) => Err(wrong.clone()),
        }
    }
}

impl Proxy {
    fn parse(text: &str) -> Result<Self, String> {
        let (url, user_info) = parse_proxy(text)?;
        let authorization = match user_info.as_deref() {
            None | Some("") => None,
            Some(user_info) => {
                let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
                let decoded = percent_decode(user).zip(percent_decode(password));
                let (user, password) =
                    decoded.ok_or("its user information is not percent-encoded properly".to_owned())?;
                let pair = Secret::new(format!("{user}:{password}"));
                Some(Secret::derived(format!(
                    "Basic {}",
                    BASE64_STANDARD.encode(pair.reveal())
                )))
            }
        };
        Ok(Self {
            target: url.target,
            authorization,
        })
    }

    /// Asks for a tunnel to `target` over `stream`; the stream's read deadline is the limit.
    ///
    /// # Errors
    /// [`ErrorKind::Credentials`] for status 407, [`ErrorKind::Transient`] with the status for any other refusal.
    pub(crate) fn connect<T: Read + Write>(&self, stream: &mut T, target: &Target) -> Result<(), Error> {
        let did = || format!("asking the proxy {} for a tunnel to {target}", self.target);
        let failed = |what: String| Error::new(ErrorKind::Transient, did(), what);
        let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: {USER_AGENT}\r\n");
        if let Some(authorization) = &self.authorization {
            head.push_str("Proxy-Authorization: ");
            head.push_str(authorization.reveal());
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        let head = Secret::derived(head);
        stream
            .write_all(head.reveal().as_bytes())
            .and_then(|()| stream.flush())
            .map_err(|error| Error::caused_by(ErrorKind::Transient, did(), error))?;
        let status = read_status(stream).map_err(|what| failed(what.to_string()))?;
        match status {
            200..=299 => Ok(()),
            407 => Err(Error::new(
                ErrorKind::Credentials,
                did(),
                "the proxy answered 407: it requires a user and password, or refused those it got (give them as \
                 http://USER:PASSWORD@HOST:PORT in the environment or the configuration file)",
            )
            .with_status(407)),
            _ => Err(failed(format!("the proxy answered {status}")).with_status(status)),
        }
    }
}

/// Why no status could be read.
enum NoStatus {
    TooLong,
    Closed,
    NoHttp,
    Early,
    Io(std::io::Error),
}

impl fmt::Display for NoStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("the proxy's answer is too long"),
            Self::Closed => f.write_str("the proxy closed the connection"),
            Self::NoHttp => f.write_str("the proxy's answer is no HTTP"),
            Self::Early => f.write_str("the proxy sent data through the tunnel before the client did"),
            Self::Io(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                f.write_str("no answer from the proxy in time")
            }
            Self::Io(error) => error.fmt(f),
        }
    }
}

/// Reads the head of the answer, those of interim answers (1xx) before it skipped. Nothing may follow a success, because the
/// client sends first through every tunnel.
fn read_status<T: Read>(stream: &mut T) -> Result<u16, NoStatus> {
    let mut head = Vec::new();
    // Where the interim answers end.
    let mut begin = 0;
    let mut block = [0; 1024];
    loop {
        let count = match stream.read(&mut block) {
            Ok(0) => return Err(NoStatus::Closed),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Err(NoStatus::Closed),
            Err(error) => return Err(NoStatus::Io(error)),
        };
        head.extend_from_slice(block.get(..count).unwrap_or_default());
        while let Some((status, end)) = complete_head(&head[begin..])? {
            match status {
                // A change of the protocol was not asked for.
                100 | 102..=199 => begin += end,
                200..=299 if begin + end < head.len() => return Err(NoStatus::Early),
                _ => return Ok(status),
            }
        }
        if head.len() > HEAD_LIMIT_BYTES {
            return Err(NoStatus::TooLong);
        }
    }
}

/// Status and length of a head, `None` where more of it is to come.
fn complete_head(bytes: &[u8]) -> Result<Option<(u16, usize)>, NoStatus> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(end)) => Ok(Some((response.code.unwrap_or(0), end))),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(_) => Err(NoStatus::NoHttp),
    }
}

/// One entry of `NO_PROXY`: which targets need no proxy.
#[derive(Debug, PartialEq, Eq)]
enum Exempt {
    Everything,
    /// The domain itself and everything below it.
    Domain(String, Option<u16>),
    Address(IpAddr, Option<u16>),
    Network(IpAddr, u8),
}

impl Exempt {
    fn parse_list(list: &str) -> Vec<Self> {
        list.split([',', ' ', '\t']).filter_map(Self::parse).collect()
    }

    fn parse(entry: &str) -> Option<Self> {
        let entry = entry.trim().to_ascii_lowercase();
        if entry.is_empty() {
            return None;
        }
        if entry == "*" {
            return Some(Self::Everything);
        }
        if let Some((network, bits)) = entry.split_once('/') {
            return Some(Self::Network(network.parse().ok()?, bits.parse().ok()?));
        }
        if let Ok(address) = entry.trim_matches(['[', ']']).parse() {
            return Some(Self::Address(address, None));
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (entry.as_str(), None),
        };
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            return Some(Self::Address(address, port));
        }
        let domain = host.trim_start_matches('*').trim_start_matches('.');
        (!domain.is_empty()).then(|| Self::Domain(domain.to_owned(), port))
    }

    fn matches(&self, target: &Target) -> bool {
        let at_port = |port: &Option<u16>| port.is_none_or(|port| port == target.port);
        match self {
            Self::Everything => true,
            Self::Domain(domain, port) => {
                let below = target.host.strip_suffix(domain.as_str());
                at_port(port) && below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            Self::Address(address, port) => at_port(port) && target.host.parse() == Ok(*address),
            Self::Network(network, bits) => match (network, target.host.parse()) {
                (IpAddr::V4(network), Ok(IpAddr::V4(address))) => {
                    same_prefix(&network.octets(), &address.octets(), *bits)
                }
                (IpAddr::V6(network), Ok(IpAddr::V6(address))) => {
                    same_prefix(&network.octets(), &address.octets(), *bits)
                }
                _ => false,
            },
        }
    }
}

fn same_prefix(one: &[u8], other: &[u8], bits: u8) -> bool {
    let bits = usize::from(bits);
    bits <= one.len() * 8
        && one.iter().zip(other).enumerate().all(|(at, (a, b))| {
            let wanted = bits.saturating_sub(at * 8).min(8);
            wanted == 0 || (a ^ b) >> (8 - wanted) == 0
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::url::Url;
    use std::io;

    fn target(url: &str) -> Target {
        Url::parse(url).unwrap().target
    }

    fn from_env(pairs: &'static [(&str, &str)]) -> ProxyRules {
        ProxyRules::new(None, |name| {
            pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        })
        .unwrap()
    }

    fn chosen(rules: &ProxyRules, url: &str) -> Option<String> {
        rules
            .choose(&target(url))
            .unwrap()
            .map(|proxy| proxy.target.to_string())
    }

    #[test]
    fn a_proxy_of_the_environment_is_not_used_for_loopback_and_no_proxy() {
        let rules = from_env(&[
            ("HTTPS_PROXY", "proxy.example:3128"),
            ("ALL_PROXY", "https://other.example"),
            ("NO_PROXY", "intern.example, .pure.cloud:444,10.0.0.0/8 192.0.2.7"),
        ]);
        assert_eq!(
            chosen(&rules, "https://api.mypurecloud.ie").as_deref(),
            Some("proxy.example:3128")
        );
        assert_eq!(
            chosen(&rules, "ws://sockets.example").as_deref(),
            Some("other.example:443")
        );
        assert_eq!(
            chosen(&rules, "https://api.usw2.pure.cloud").as_deref(),
            Some("proxy.example:3128")
        );
        assert_eq!(
            chosen(&rules, "https://notintern.example").as_deref(),
            Some("proxy.example:3128")
        );
        for url in [
            "https://127.0.0.1:1",
            "wss://localhost",
            "https://intern.example",
            "https://a.intern.example",
            "https://api.pure.cloud:444",
            "https://10.200.3.4",
            "https://192.0.2.7",
        ] {
            assert_eq!(chosen(&rules, url), None, "{url}");
        }
        assert_eq!(
            chosen(
                &from_env(&[("HTTPS_PROXY", "a"), ("no_proxy", "*")]),
                "https://x.example"
            ),
            None
        );
    }

    #[test]
    fn an_unusable_proxy_of_the_environment_is_an_error_where_it_would_be_used() {
        for (name, text, says) in [
            ("HTTPS_PROXY", "garbage://me:geheim@x", "https://HOST:PORT are"),
            ("https_proxy", "socks5://me:geheim@x", "SOCKS proxies are not supported"),
            ("ALL_PROXY", "SOCKS5H://x", "SOCKS proxies are not supported"),
            ("HTTPS_PROXY", "http://me:geheim@x:port", "port"),
            ("HTTPS_PROXY", "me:geheim@", "no host"),
        ] {
            let rules = ProxyRules::new(None, |asked| match asked {
                "NO_PROXY" => Some("intern.example".to_owned()),
                _ => (asked == name).then(|| text.to_owned()),
            })
            .unwrap();
            let error = rules.choose(&target("wss://x.example")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            let line = error.to_string();
            assert!(line.contains(name) && line.contains(says), "{line}");
            assert!(!line.contains("geheim") && !line.contains("me:"), "{line}");
            for url in ["https://127.0.0.1:8080", "wss://localhost", "https://intern.example"] {
                assert_eq!(chosen(&rules, url), None, "{url}");
            }
        }
        let other = from_env(&[("HTTP_PROXY", "garbage://x"), ("HTTPS_PROXY", "p:1")]);
        assert_eq!(chosen(&other, "https://x.example").as_deref(), Some("p:1"));
        let first = from_env(&[("https_proxy", "socks5://a"), ("HTTPS_PROXY", "b:1")]);
        assert!(
            first.choose(&target("https://x.example")).is_err(),
            "the first that is set"
        );
    }

    #[test]
    fn an_explicit_proxy_is_used_for_everything() {
        let rules = ProxyRules::new(Some("http://p:1"), |_| Some("*".to_owned())).unwrap();
        assert_eq!(chosen(&rules, "http://127.0.0.1").as_deref(), Some("p:1"));
        for wrong in ["socks5://p", "ftp://p", "http://", "http://a%zz@p"] {
            let error = ProxyRules::new(Some(wrong), |_| None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{wrong}");
        }
    }

    /// Answers from a script and keeps what was written.
    struct Scripted(io::Cursor<Vec<u8>>, Vec<u8>);

    impl Read for Scripted {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let end = buf.len().min(7);
            self.0.read(&mut buf[..end])
        }
    }

    impl Write for Scripted {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.1.extend_from_slice(buf);
            Ok(buf.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn connect(answer: &str) -> (Result<(), Error>, String) {
        let proxy = Proxy::parse("http://us%40er:p%3Ass@proxy.example:3128").unwrap();
        let mut stream = Scripted(io::Cursor::new(answer.as_bytes().to_vec()), Vec::new());
        let outcome = proxy.connect(&mut stream, &target("wss://api.example"));
        (outcome, String::from_utf8(stream.1).unwrap())
    }

    #[test]
    fn connect_with_credentials() {
        let (outcome, sent) = connect("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n");
        outcome.unwrap();
        assert!(sent.starts_with("CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n"));
        let expected = BASE64_STANDARD.encode("us@er:p:ss");
        assert!(sent.contains(&format!("Proxy-Authorization: Basic {expected}\r\n")));
        assert!(!format!("{:?}", Proxy::parse("http://u:geheim@p").unwrap()).contains("geheim"));
    }

    #[test]
    fn interim_answers_are_skipped() {
        let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
        connect(&format!("{interim}HTTP/1.1 200 OK\r\n\r\n")).0.unwrap();
        let refused = connect(&format!("{interim}HTTP/1.1 403 Forbidden\r\n\r\n"))
            .0
            .unwrap_err();
        assert_eq!(refused.status(), Some(403));
        let early = connect(&format!("{interim}HTTP/1.1 200 OK\r\n\r\nx")).0.unwrap_err();
        assert!(early.to_string().contains("before"), "{early}");
        let switched = connect("HTTP/1.1 101 Switching Protocols\r\n\r\n").0.unwrap_err();
        assert_eq!(switched.status(), Some(101));
        let endless = connect(&"HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000)).0.unwrap_err();
        assert!(endless.to_string().contains("too long"), "{endless}");
    }

    #[test]
    fn refusals_are_reported() {
        let refused = connect("HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!")
            .0
            .unwrap_err();
        assert_eq!((refused.kind(), refused.status()), (ErrorKind::Transient, Some(403)));
        let wants = connect("HTTP/1.0 407 Proxy Authentication Required\r\n\r\n")
            .0
            .unwrap_err();
        assert_eq!((wants.kind(), wants.status()), (ErrorKind::Credentials, Some(407)));
        for (answer, says) in [
            ("HTTP/1.1 200 OK\r\n\r\nearly", "before"),
            ("HTTP/1.1 200 OK\r\n", "closed"),
            ("SSH-2.0-x\r\n\r\n", "no HTTP"),
        ] {
            let error = connect(answer).0.unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert_eq!(error.kind(), ErrorKind::Transient);
        }
    }
}
