//! The wire format of Redis (RESP2): commands as bytes, replies from bytes.
//!
//! In: words of a command, received bytes · Out: bytes to send, replies · Thread: any (pure).

/// A reply is nested no deeper than this.
const DEPTH: usize = 8;
/// The longest text and the longest list that are taken.
const LONGEST: usize = 256 << 20;

/// A reply of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Status(String),
    Error(String),
    Number(i64),
    Bytes(Vec<u8>),
    Nothing,
    List(Vec<Reply>),
}

impl Reply {
    /// The text of a status or of bytes.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Status(text) => Some(text),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The items of a list; none where it is something else.
    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }
}

/// Appends a command.
pub(super) fn command(out: &mut Vec<u8>, words: &[&str]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// What is wrong with bytes that are no reply.
pub(super) type Broken = &'static str;

/// The reply at the begin of `bytes` and its length; `None` where it is not complete yet.
///
/// # Errors
/// Where no reply can begin like this.
pub(super) fn reply(bytes: &[u8]) -> Result<Option<(Reply, usize)>, Broken> {
    let mut at = 0;
    Ok(read(bytes, &mut at, DEPTH)?.map(|reply| (reply, at)))
}

fn read(bytes: &[u8], at: &mut usize, depth: usize) -> Result<Option<Reply>, Broken> {
    let Some(kind) = bytes.get(*at) else { return Ok(None) };
    let rest = &bytes[*at + 1..];
    let Some(end) = rest.iter().position(|byte| *byte == b'\r') else {
        return Ok(None);
    };
    let line = std::str::from_utf8(&rest[..end]).map_err(|_| "a line that is no text")?;
    *at += end + 3;
    if *at > bytes.len() {
        return Ok(None);
    }
    let number = || line.parse::<i64>().map_err(|_| "a number was expected");
    let length = || number().map(|length| usize::try_from(length).ok().filter(|length| *length <= LONGEST));
    match kind {
        b'+' => Ok(Some(Reply::Status(line.to_owned()))),
        b'-' => Ok(Some(Reply::Error(line.to_owned()))),
        b':' => Ok(Some(Reply::Number(number()?))),
        b'$' | b'*' if line == "-1" => Ok(Some(Reply::Nothing)),
        b'$' => {
            let length = length()?.ok_or("a text of an impossible length")?;
            let Some(text) = bytes.get(*at..*at + length) else {
                return Ok(None);
            };
            *at += length + 2;
            Ok((*at <= bytes.len()).then(|| Reply::Bytes(text.to_vec())))
        }
        b'*' => {
            let count = length()?.ok_or("a list of an impossible length")?;
            let inner = depth.checked_sub(1).ok_or("lists within lists without end")?;
            let mut items = Vec::new();
            for _ in 0..count {
                let Some(item) = read(bytes, at, inner)? else {
                    return Ok(None);
                };
                items.push(item);
            }
            Ok(Some(Reply::List(items)))
        }
        _ => Err("a reply of an unknown kind"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_list_of_texts() {
        let mut out = Vec::new();
        command(&mut out, &["XLEN", "gs:{ä}:s"]);
        assert_eq!(out, "*2\r\n$4\r\nXLEN\r\n$9\r\ngs:{ä}:s\r\n".as_bytes());
    }

    #[test]
    fn replies_of_every_kind_are_read_once_they_are_complete() {
        let whole = b"*6\r\n+OK\r\n-ERR no\r\n:-7\r\n$2\r\n\r\n\r\n$-1\r\n*0\r\n";
        let expected = Reply::List(vec![
            Reply::Status("OK".into()),
            Reply::Error("ERR no".into()),
            Reply::Number(-7),
            Reply::Bytes(b"\r\n".to_vec()),
            Reply::Nothing,
            Reply::List(Vec::new()),
        ]);
        for length in 0..whole.len() {
            assert_eq!(reply(&whole[..length]), Ok(None), "{length}");
        }
        let mut more = whole.to_vec();
        more.extend_from_slice(b"+next\r\n");
        assert_eq!(reply(&more), Ok(Some((expected, whole.len()))));
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for text in ["HTTP/1.1 400\r\n", ":x\r\n", "$9999999999\r\n", "*-2\r\n"] {
            assert!(reply(text.as_bytes()).is_err(), "{text}");
        }
        assert!(reply("*1\r\n".repeat(100).as_bytes()).is_err());
    }
}
