//! The reading of HTTP requests, held to a strict reader of RFC 9110 and RFC 9112 that shares no code with it.
//!
//! In: bytes of a connection, in parts · Out: a panic where the two disagree · Thread: the fuzzer's.
//!
//! What the program takes, the standard must allow, with the same meaning; what the standard demands, the program must take,
//! unless it is over one of its limits. Where the standard leaves the choice (a line that ends without CR, characters of a
//! target), either is right, and the meaning must be the same.
#![no_main]

use fuzz::Input;
use genesys_stream::fuzzing::{HttpRequest, http_limits, http_requests};
use libfuzzer_sys::fuzz_target;

/// Header fields that the program takes at most.
const FIELDS: usize = 64;

#[derive(Debug)]
enum Read {
    Incomplete,
    Invalid(#[allow(dead_code, reason = "for the message of a panic")] &'static str),
    Whole(Box<Strict>),
}

#[derive(Debug)]
struct Strict {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    keep_alive: bool,
    /// Bytes of head and body.
    head: usize,
    length: usize,
    /// The standard allows to refuse it.
    may_be_refused: bool,
}

fn is_token(text: &[u8]) -> bool {
    let is_tchar = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    !text.is_empty() && text.iter().all(is_tchar)
}

/// The next line without its end, and what follows; whether it ended with CRLF.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8], bool)> {
    let end = bytes.iter().position(|b| *b == b'\n')?;
    let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
    Some(match line.strip_suffix(b"\r") {
        Some(line) => (line, rest, true),
        None => (line, rest, false),
    })
}

fn tokens<'a>(headers: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = String> + 'a {
    let values = headers.iter().filter(move |(field, _)| field == name);
    let parts = values.flat_map(|(_, value)| value.split(','));
    parts.map(|part| part.trim_matches([' ', '\t']).to_ascii_lowercase())
}

/// One request at the start of `bytes`.
fn read(bytes: &[u8]) -> Read {
    let mut rest = bytes;
    let mut may_be_refused = false;
    // A line end before a request is to be ignored at least once.
    let mut blanks = 0;
    while let Some(after) = rest.strip_prefix(b"\r\n") {
        rest = after;
        blanks += 1;
    }
    may_be_refused |= blanks > 1;
    while matches!(rest.first(), Some(b'\r' | b'\n')) {
        rest = &rest[1..];
        may_be_refused = true;
    }
    let Some((request_line, mut rest, crlf)) = line(rest) else {
        return Read::Incomplete;
    };
    may_be_refused |= !crlf;
    let mut lines = Vec::new();
    loop {
        let Some((field, after, crlf)) = line(rest) else {
            return Read::Incomplete;
        };
        rest = after;
        may_be_refused |= !crlf;
        if field.is_empty() {
            break;
        }
        lines.push(field);
    }
    let head = bytes.len() - rest.len();
    let words: Vec<&[u8]> = request_line.split(|b| *b == b' ').collect();
    let [method, target, version] = words[..] else {
        return Read::Invalid("a request line of three words");
    };
    if !is_token(method) {
        return Read::Invalid("the method is no token");
    }
    let is_visible = |b: &u8| (0x21..=0x7e).contains(b);
    if target.is_empty() || !target.iter().all(|b| is_visible(b) || *b >= 0x80) {
        return Read::Invalid("characters of the target");
    }
    // The characters of RFC 3986; a percent sign only before two digits.
    let is_uri = |b: &u8| b.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(b);
    may_be_refused |= !target.iter().all(is_uri);
    let old = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ => return Read::Invalid("the version"),
    };
    let mut headers = Vec::new();
    for field in &lines {
        let Some(colon) = field.iter().position(|b| *b == b':') else {
            return Read::Invalid("a field without a colon");
        };
        let (name, value) = (&field[..colon], &field[colon + 1..]);
        if !is_token(name) {
            return Read::Invalid("the name of a field");
        }
        if !value.iter().all(|b| matches!(b, b' ' | b'\t' | 0x21..=0x7e | 0x80..)) {
            return Read::Invalid("the value of a field");
        }
        let value = value.trim_ascii();
        headers.push((
            String::from_utf8_lossy(name).to_ascii_lowercase(),
            String::from_utf8_lossy(value).into_owned(),
        ));
    }
    let all = |name: &'static str| {
        headers
            .iter()
            .filter(move |(field, _)| field == name)
            .map(|(_, value)| value)
    };
    // `Host` is the handlers' to judge: `web/access.rs` answers no request without exactly one that it knows.
    // The program needs a length: whatever is encoded has to be refused.
    if all("transfer-encoding").count() > 0 {
        return Read::Invalid("Transfer-Encoding");
    }
    let lengths: Vec<&String> = all("content-length").collect();
    let mut length = 0;
    for value in &lengths {
        // Several equal ones may be refused, and a list of them in one field.
        if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
            return Read::Invalid("Content-Length");
        }
        let digits = value.trim_start_matches('0');
        if digits.len() > 12 {
            return Read::Invalid("Content-Length over all limits");
        }
        let this = digits.bytes().fold(0, |n, b| n * 10 + usize::from(b - b'0'));
        if lengths[0].trim_start_matches('0') != digits {
            return Read::Invalid("lengths that differ");
        }
        length = this;
    }
    may_be_refused |= lengths.len() > 1;
    let keep_alive = match old {
        true => tokens(&headers, "connection").any(|token| token == "keep-alive"),
        false => !tokens(&headers, "connection").any(|token| token == "close"),
    };
    may_be_refused |= lines.len() > FIELDS || head > http_limits().0 || length > http_limits().1;
    if rest.len() < length {
        return Read::Incomplete;
    }
    Read::Whole(Box::new(Strict {
        method: String::from_utf8_lossy(method).into_owned(),
        target: String::from_utf8_lossy(target).into_owned(),
        headers,
        body: rest[..length].to_vec(),
        keep_alive,
        head,
        length,
        may_be_refused,
    }))
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Path and query of a target.
fn place(target: &str) -> (String, String) {
    let target = match target.find("://") {
        Some(at) if !target.starts_with('/') => match target[at + 3..].find('/') {
            Some(slash) => &target[at + 3 + slash..],
            None => "/",
        },
        _ => target,
    };
    let at = target.find('?');
    let (path, query) = (
        &target[..at.unwrap_or(target.len())],
        at.map_or("", |at| &target[at + 1..]),
    );
    let mut decoded = Vec::new();
    let mut bytes = path.bytes().collect::<std::collections::VecDeque<u8>>();
    while let Some(byte) = bytes.pop_front() {
        let digits = bytes
            .front()
            .copied()
            .and_then(hex)
            .zip(bytes.get(1).copied().and_then(hex));
        match (byte, digits) {
            (b'%', Some((high, low))) => {
                bytes.drain(..2);
                decoded.push(high * 16 + low);
            }
            _ => decoded.push(byte),
        }
    }
    (String::from_utf8_lossy(&decoded).into_owned(), query.to_owned())
}

fn is_same(ours: &HttpRequest, strict: &Strict) -> bool {
    let (path, query) = place(&strict.target);
    ours.method == strict.method
        && ours.path == path
        && ours.query == query
        && ours.headers == strict.headers
        && ours.body == strict.body
        && ours.keep_alive == strict.keep_alive
}

fuzz_target!(|data: &[u8]| {
    let parts = Input(data).parts();
    let whole = parts.concat();
    let (requests, refused) = http_requests([&whole[..]]);
    let mut rest = &whole[..];
    for ours in &requests {
        match read(rest) {
            Read::Whole(strict) => {
                assert!(is_same(ours, &strict), "{ours:?} is not {strict:?}");
                rest = &rest[strict.head + strict.length..];
            }
            other => panic!("{ours:?} was taken, and is {other:?}"),
        }
    }
    let is_over = requests.last().is_some_and(|last| !last.keep_alive);
    if let (Read::Whole(strict), false) = (read(rest), is_over) {
        let is_refused = refused.is_some();
        assert!(
            is_refused && strict.may_be_refused,
            "{strict:?} was not taken: {refused:?}"
        );
    }
    // However the bytes arrive, they are the same requests.
    let (in_parts, refused_in_parts) = http_requests(parts);
    assert_eq!(requests, in_parts);
    assert_eq!(refused.is_some(), refused_in_parts.is_some());
});
