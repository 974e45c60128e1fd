//! The settings as canonical JSON: equal settings give equal text.
//!
//! In: `Config` · Out: JSON with sorted keys and without secrets · Thread: any (pure).

use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::Config;

impl Config {
    /// All settings but those that are secret or may hold a secret: client secret, tokens, proxy, the webhook's address.
    pub(crate) fn canonical_json(&self) -> String {
        // A `Value` keeps its keys sorted. No type of the configuration can fail.
        serde_json::to_value(self).unwrap_or_default().to_string()
    }
}

/// A path that is no UTF-8 is written as far as it can be read.
pub(super) fn path<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_deref().map(|path| path.to_string_lossy()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::{Config, Secret};

    fn canonical(secret: &str, more: &str) -> String {
        let builder = Config::builder()
            .region("http://127.0.0.1:1")
            .client_id("c")
            .client_secret(Secret::new(secret))
            .json("x", more);
        builder.build().unwrap().canonical_json()
    }

    #[test]
    fn keys_are_sorted_and_no_secret_is_in_it() {
        let json = canonical(
            "hunter2",
            r#"{"proxy":"http://user:hunter2@127.0.0.1:3128","outputs":{"webhook":{"url":"https://a.example/hunter2"},
                "record_file":"/tmp/x"},"windows":{"service_level_secs":7}}"#,
        );
        assert!(!json.contains("hunter2"), "{json}");
        let value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value.to_string(), json);
        let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
        assert!(keys.is_sorted() && keys.len() > 15, "{keys:?}");
        assert_eq!(value["windows"]["service_level"]["fixed_ms"], 7000);
        assert_eq!(value["outputs"]["record_file"], "/tmp/x");
    }

    #[test]
    fn equal_settings_are_equal_and_others_are_not() {
        let json = canonical("a", r#"{"windows":{"keep":3},"protocol":"events"}"#);
        assert_eq!(json, canonical("b", r#"{"protocol":"events","windows":{"keep":3}}"#));
        assert_ne!(json, canonical("a", r#"{"protocol":"events","windows":{"keep":4}}"#));
    }
}
