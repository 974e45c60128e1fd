//! Reads the beginning of an envelope without parsing its body.
//!
//! In: a frame's text · Out: topic name and position of the body · Thread: any (pure).
//!
//! Envelopes usually begin with `topicName` and `version`, then comes `eventBody`. When the topic is known before the body,
//! the body can be parsed directly into its type, instead of being skipped first and parsed later. Frames of any other
//! layout are left to the general parser.

/// A frame of the usual layout.
#[derive(Debug, PartialEq)]
pub(super) struct Beginning<'a> {
    pub(super) topic_name: &'a str,
    /// The frame from the first byte of the body on.
    pub(super) from_body: &'a str,
}

/// Reads the beginning; `None` if the layout is not the usual one.
pub(super) fn beginning(text: &str) -> Option<Beginning<'_>> {
    let mut topic_name = None;
    let mut rest = eat(text, '{')?;
    loop {
        let (key, after) = plain_string(rest)?;
        rest = eat(after, ':')?;
        if key == "eventBody" {
            return Some(Beginning {
                topic_name: topic_name?,
                from_body: rest.trim_ascii_start(),
            });
        }
        let (value, after) = plain_string(rest)?;
        rest = eat(after, ',')?;
        match key {
            "topicName" if topic_name.is_none() => topic_name = Some(value),
            "version" => {}
            _ => return None,
        }
    }
}

/// The fields after the body, as an object of their own; `None` if there are none.
pub(super) fn remainder(after_body: &str) -> Option<String> {
    if after_body.trim_ascii() == "}" {
        return None;
    }
    // With a field before them, the text is valid JSON exactly if the frame is.
    Some(format!("{{\"\":0{after_body}"))
}

fn eat(text: &str, wanted: char) -> Option<&str> {
    text.trim_ascii_start().strip_prefix(wanted)
}

/// A string without escapes.
fn plain_string(text: &str) -> Option<(&str, &str)> {
    let text = eat(text, '"')?;
    let end = text.bytes().position(|b| b == b'"' || b == b'\\' || b < b' ')?;
    let (string, rest) = text.split_at_checked(end)?;
    Some((string, rest.strip_prefix('"')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_layout_only() {
        let usual = |text| beginning(text).map(|b| (b.topic_name, b.from_body));
        assert_eq!(usual(r#"{"topicName":"a","eventBody":{}}"#), Some(("a", "{}}")));
        assert_eq!(
            usual(" { \"topicName\" : \"a\",\n \"version\":\"2\", \"eventBody\" : 7 } "),
            Some(("a", "7 } "))
        );
        assert_eq!(usual(r#"{"version":"2","topicName":"é","eventBody":"#), Some(("é", "")));
        for text in [
            "",
            "{}",
            r#"{"eventBody":{},"topicName":"a"}"#,
            r#"{"topicName":"a\n","eventBody":{}}"#,
            r#"{"topicName":"a","topicName":"b","eventBody":{}}"#,
            r#"{"topicName":"a","version":2,"eventBody":{}}"#,
            r#"{"topicName":"a","result":"404","eventBody":{}}"#,
            r#"{"topicName":"a","x":"eventBody","eventBody":{}}"#,
            r#"["topicName","a","eventBody"]"#,
            r#"{"topicName":"a"}"#,
        ] {
            assert_eq!(usual(text), None, "{text}");
        }
    }

    #[test]
    fn what_follows_the_body() {
        assert_eq!(remainder("}"), None);
        assert_eq!(remainder(" } \n"), None);
        assert_eq!(remainder(" ,\"a\":1}").as_deref(), Some("{\"\":0 ,\"a\":1}"));
        assert_eq!(remainder(",}").as_deref(), Some("{\"\":0,}"));
        assert_eq!(remainder("").as_deref(), Some("{\"\":0"));
    }
}
