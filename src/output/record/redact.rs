//! Removes everything that may identify a customer from a JSON text.
//!
//! In: the JSON text of a body of any kind · Out: JSON text on one line, same shape, same order · Thread: any (pure).
//!
//! Text becomes `""`, a number `null`. Keys decide, in lower case, by the published schemas (seen 2026-11):
//! - these are emptied with everything inside: keys that contain `name` (except `namespace` and `topicName`), `address`,
//!   `number` or `dnis`; `ani`, `callerid`, `remote`, `subject`, `externaltag`, `uuidata`; keys that end with `note` or
//!   `notes`;
//! - these become `{}` or `[]`: keys that end with `attributes`, and `messageparams`;
//! - these are emptied if they are text: keys that contain `email`, `phone`, `transcript`, `text` or `comment`, keys that
//!   end with `message` or `withparams`, and `word`, `phrase`.
//!
//! `name` is kept in the entries of a `metrics` list, where it is the name of a metric. Under any key, a text is emptied
//! that starts like an address (`tel:`, `sip:`, `sips:`, `mailto:`, `+` and digits) or contains an `@`.

/// Values nested deeper are replaced by `null`, so that the recursion is bounded; real bodies are about 10 deep.
const MAX_DEPTH: u32 = 128;

/// Appends `text` without customers' names, addresses, attributes and notes; `null` if it is not JSON.
pub(crate) fn redact(out: &mut Vec<u8>, text: &str) {
    let start = out.len();
    let mut cursor = Cursor {
        bytes: text.as_bytes(),
        at: 0,
    };
    let done = cursor.value(out, Rule::Keep, 0).and_then(|()| {
        cursor.space();
        (cursor.at == cursor.bytes.len()).then_some(())
    });
    if done.is_none() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// What happens to a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    Keep,
    /// As `Keep`, and a `name` directly inside is kept: the entries of a `metrics` list.
    KeepMetrics,
    /// All text and numbers inside are emptied.
    Empty,
    /// The value is emptied if it is text or a list of texts.
    EmptyText,
    /// The object or list becomes `{}` or `[]`.
    EmptyContainer,
}

fn rule_of(key: &str, inside: Rule) -> Rule {
    let key = key.to_ascii_lowercase();
    let has = |part: &str| key.contains(part);
    let ends = |part: &str| key.ends_with(part);
    if ends("attributes") || key == "messageparams" {
        Rule::EmptyContainer
    } else if inside == Rule::Empty || inside == Rule::EmptyContainer {
        Rule::Empty
    } else if inside == Rule::KeepMetrics && key == "name" {
        Rule::Keep
    } else if has("name") && key != "namespace" && key != "topicname"
        || has("address")
        || has("number")
        || has("dnis")
        || ends("note")
        || ends("notes")
        || matches!(
            key.as_str(),
            "ani" | "callerid" | "remote" | "subject" | "externaltag" | "uuidata"
        )
    {
        Rule::Empty
    } else if has("email")
        || has("phone")
        || has("transcript")
        || has("text")
        || has("comment")
        || ends("message")
        || ends("withparams")
        || matches!(key.as_str(), "word" | "phrase")
    {
        Rule::EmptyText
    } else if key == "metrics" {
        Rule::KeepMetrics
    } else {
        Rule::Keep
    }
}

/// Whether a text (in JSON quotes) looks like an address.
fn is_address(quoted: &[u8]) -> bool {
    let text = &quoted[1..quoted.len() - 1];
    let starts = |prefix: &[u8]| {
        text.get(..prefix.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(prefix))
    };
    text.contains(&b'@')
        || starts(b"tel:")
        || starts(b"sip:")
        || starts(b"sips:")
        || starts(b"mailto:")
        || text.len() > 5 && text[0] == b'+' && text[1..5].iter().all(u8::is_ascii_digit)
}

/// Whether this is the text `pong` of the service's answer to a ping.
fn is_protocol(rule: Rule, quoted: &[u8]) -> bool {
    rule == Rule::EmptyText && quoted == b"\"pong\""
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Every method returns `None` if the text is not JSON.
impl<'a> Cursor<'a> {
    fn space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&mut self) -> Option<u8> {
        self.space();
        self.bytes.get(self.at).copied()
    }

    fn expect(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    fn value(&mut self, out: &mut Vec<u8>, rule: Rule, depth: u32) -> Option<()> {
        if depth > MAX_DEPTH {
            self.skip()?;
            out.extend_from_slice(b"null");
            return Some(());
        }
        match self.peek()? {
            open @ (b'{' | b'[') if rule == Rule::EmptyContainer => {
                self.skip()?;
                out.extend_from_slice(if open == b'{' { b"{}" } else { b"[]" });
                Some(())
            }
            b'{' => self.object(out, rule, depth),
            b'[' => self.array(out, rule, depth),
            b'"' => {
                let quoted = self.string()?;
                let kept =
                    matches!(rule, Rule::Keep | Rule::KeepMetrics) && !is_address(quoted) || is_protocol(rule, quoted);
                out.extend_from_slice(if kept { quoted } else { b"\"\"" });
                Some(())
            }
            _ => {
                let scalar = self.scalar()?;
                let is_number = scalar[0] == b'-' || scalar[0].is_ascii_digit();
                let emptied = is_number && matches!(rule, Rule::Empty | Rule::EmptyContainer);
                out.extend_from_slice(if emptied { b"null" } else { scalar });
                Some(())
            }
        }
    }

    fn object(&mut self, out: &mut Vec<u8>, rule: Rule, depth: u32) -> Option<()> {
        self.expect(b'{')?;
        out.push(b'{');
        if self.peek()? != b'}' {
            loop {
                self.space();
                let quoted = self.string()?;
                let key = serde_json::from_str::<String>(std::str::from_utf8(quoted).ok()?).ok()?;
                out.extend_from_slice(quoted);
                self.expect(b':')?;
                out.push(b':');
                self.value(out, rule_of(&key, rule), depth + 1)?;
                if self.peek()? != b',' {
                    break;
                }
                self.at += 1;
                out.push(b',');
            }
        }
        self.expect(b'}')?;
        out.push(b'}');
        Some(())
    }

    fn array(&mut self, out: &mut Vec<u8>, rule: Rule, depth: u32) -> Option<()> {
        // The rule of a key holds for the entries of its list.
        self.expect(b'[')?;
        out.push(b'[');
        if self.peek()? != b']' {
            loop {
                self.value(out, rule, depth + 1)?;
                if self.peek()? != b',' {
                    break;
                }
                self.at += 1;
                out.push(b',');
            }
        }
        self.expect(b']')?;
        out.push(b']');
        Some(())
    }

    /// A string with its quotes.
    fn string(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        if *self.bytes.get(start)? != b'"' {
            return None;
        }
        self.at += 1;
        loop {
            match self.bytes.get(self.at)? {
                b'"' => break,
                b'\\' => self.at += 2,
                0..0x20 => return None,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        self.bytes.get(start..self.at)
    }

    /// A number, `true`, `false` or `null`.
    fn scalar(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        while self
            .bytes
            .get(self.at)
            .is_some_and(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b))
        {
            self.at += 1;
        }
        let scalar = &self.bytes[start..self.at];
        serde_json::from_str::<serde::de::IgnoredAny>(std::str::from_utf8(scalar).ok()?)
            .ok()
            .map(|_| scalar)
    }

    /// Skips a value of any depth.
    fn skip(&mut self) -> Option<()> {
        let mut open = 0_usize;
        loop {
            match self.peek()? {
                b'{' | b'[' => {
                    open += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    open = open.checked_sub(1)?;
                    self.at += 1;
                }
                b'"' => {
                    self.string()?;
                }
                b',' | b':' if open > 0 => self.at += 1,
                _ => {
                    self.scalar()?;
                }
            }
            if open == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::record::tests::any_json;
    use proptest::prelude::*;
    use serde_json::Value;

    fn redacted(text: &str) -> String {
        let mut out = Vec::new();
        redact(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_conversation_keeps_its_numbers_but_nothing_about_the_customer() {
        let body = r#"{"id": "c1", "participants": [{
            "id":"p1","name":"Erika Mustermann","purpose":"customer","address":"tel:+15550100","queueId":"q1",
            "attributes":{"ssn":"123"},"ani":"tel:+15550100","dnis":"+15550199","externalTag":"VIP",
            "calls":[{"id":"m1","state":"connected","held":false,"self":{"name":"Erika","nameRaw":"E","addressRaw":"x"},
              "afterCallWork":{"state":"pending"},"uuiData":"abc"}],
            "callbacks":[{"callbackNumbers":["+15550101"],"callbackUserName":"Erika"}],
            "emails":[{"id":"m2","subject":"My bill","state":"connected","messagesSent":2}],
            "wrapup":{"code":"7a","notes":"angry","durationSeconds":4}}]}"#;
        let want = concat!(
            r#"{"id":"c1","participants":[{"#,
            r#""id":"p1","name":"","purpose":"customer","address":"","queueId":"q1","#,
            r#""attributes":{},"ani":"","dnis":"","externalTag":"","#,
            r#""calls":[{"id":"m1","state":"connected","held":false,"self":{"name":"","nameRaw":"","addressRaw":""},"#,
            r#""afterCallWork":{"state":"pending"},"uuiData":""}],"#,
            r#""callbacks":[{"callbackNumbers":[""],"callbackUserName":""}],"#,
            r#""emails":[{"id":"m2","subject":"","state":"connected","messagesSent":2}],"#,
            r#""wrapup":{"code":"7a","notes":"","durationSeconds":4}}]}"#,
        );
        assert_eq!(redacted(body), want);
    }

    #[test]
    fn other_bodies_keep_their_numbers_and_states() {
        for same in [
            r#"{"topicName":"v2.users.u.presence","eventBody":{"message":"pong"}}"#,
            r#"{"timestamp":"2026-05-04T14:05:30Z","metricType":"queue","metrics":[{"name":"offered","value":3}]}"#,
            r#"{"userId":"u","message":{"contactCenter":{"active":2,"acw":1}},"email":{"contactCenter":{"active":0}}}"#,
            r#"{"group":{"queueId":"q"},"data":[{"metrics":[{"metric":"oWaiting","stats":{"count":3}}]}]}"#,
            r#"[1.50,-2e3,true,null,"\u00e4\"{",[],{}]"#,
        ] {
            assert_eq!(redacted(same), same);
        }
        assert_eq!(
            redacted(
                r#"{"source":"PURECLOUD","message":"at the doctor's","peer":"sip:a@b","to":["a@b.example"],"n\u0061me":"x"}"#
            ),
            r#"{"source":"PURECLOUD","message":"","peer":"","to":[""],"n\u0061me":""}"#
        );
        assert_eq!(
            redacted(r#"{"metrics":[{"name":"offered","user":{"name":"Erika"}}]}"#),
            r#"{"metrics":[{"name":"offered","user":{"name":""}}]}"#
        );
        assert_eq!(
            redacted(r#"{"address":{"id":7,"city":"Ulm","open":true}}"#),
            r#"{"address":{"id":null,"city":"","open":true}}"#
        );
    }

    #[test]
    fn text_that_is_not_json_becomes_null() {
        for text in [
            "",
            "Erika",
            "{\"a\":1",
            "{\"a\" 1}",
            "{\"a\":\"b\"} Erika",
            "\"\\",
            "[1,,2]",
            "{\"attributes\":}",
            "tru",
        ] {
            assert_eq!(redacted(text), "null", "{text}");
        }
    }

    #[test]
    fn depth_has_a_limit() {
        let deep = format!("{}\"Erika\"{}", "[".repeat(100_000), "]".repeat(100_000));
        let text = redacted(&deep);
        assert!(text.contains("null") && !text.contains("Erika"));
    }

    /// Checks on parsed values that nothing is left under `address`, and that nothing is changed except by emptying.
    fn check(before: &Value, after: &Value, inside_named: bool) -> Result<(), TestCaseError> {
        match (before, after) {
            (Value::Object(b), Value::Object(a)) => {
                if a.is_empty() {
                    return Ok(());
                }
                prop_assert_eq!(b.keys().collect::<Vec<_>>(), a.keys().collect::<Vec<_>>());
                for (key, b) in b {
                    check(b, &a[key], inside_named || key == "address")?;
                }
            }
            (Value::Array(b), Value::Array(a)) => {
                for (b, a) in b.iter().zip(a) {
                    check(b, a, inside_named)?;
                }
            }
            (_, Value::String(a)) if a.is_empty() => {}
            (_, Value::Null) => {}
            (b, a) => {
                prop_assert_eq!(b, a);
                prop_assert!(!(inside_named && (a.is_string() || a.is_number())), "{:?}", a);
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn shape_is_kept_and_nothing_is_left_under_address(body in any_json()) {
            let text = serde_json::to_string_pretty(&body).unwrap();
            let after: Value = serde_json::from_str(&redacted(&text)).unwrap();
            check(&serde_json::from_str(&text).unwrap(), &after, false)?;
        }

        #[test]
        fn never_panics(text in "[\\[\\]{}\":,\\\\a1 ]{0,40}") {
            let _ = redacted(&text);
        }
    }
}
