//! Answers of proxies without a socket, for `fuzz/`.
//!
//! In: bytes of an answer · Out: whether there is a tunnel · Thread: any (pure).

use std::io::{self, Read, Write};

use super::{Url, proxy::ProxyRules};
use crate::Error;

/// Reads from parts, one at a time.
struct Scripted<'a, I>(I, &'a [u8]);

impl<'a, I: Iterator<Item = &'a [u8]>> Read for Scripted<'a, I> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.1.is_empty() {
            let Some(part) = self.0.next() else { return Ok(0) };
            self.1 = part;
        }
        self.1.read(to)
    }
}

impl<I> Write for Scripted<'_, I> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a proxy's answer to CONNECT, arriving in these parts, means.
///
/// # Errors
/// There is no tunnel.
///
/// # Panics
/// Never: the addresses are valid.
pub fn connect<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Result<(), Error> {
    let rules = ProxyRules::new(Some("http://user:password-of-the-proxy@proxy.example:3128"), |_| None)?;
    let target = Url::parse("https://api.example/").expect("it is a valid URL").target;
    let proxy = rules.choose(&target)?.expect("an explicit proxy is always used");
    proxy.connect(&mut Scripted(parts.into_iter(), &[]), &target)
}

/// Scheme, host and port, path and query of a URL, as connections use them.
#[must_use]
pub fn url(text: &str) -> Option<(String, String, u16, String, Option<String>)> {
    let url = Url::parse(text).ok()?;
    let target = url.target;
    Some((url.scheme.to_string(), target.host, target.port, url.path, url.query))
}
