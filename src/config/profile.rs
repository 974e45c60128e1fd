//! Profiles of the Genesys CLI (`gc`), from its `~/.gc/config.toml`.
//!
//! In: the text of the file, the name of a profile · Out: region, client id and secret, each with its line · Thread: any
//! (pure).
//!
//! The file is written by the CLI: tables, and texts of one line. Nothing else of TOML is read.

use std::sync::Arc;

use super::message::nearest;
use crate::Secret;
use crate::base::problem::{ConfigProblem, Origin};

/// A value, and where it stands.
pub(super) type Placed<T> = (T, Origin);

/// The keys of a profile that are used.
#[derive(Debug)]
pub(super) struct Profile {
    /// `environment`.
    pub region: Placed<String>,
    /// `client_credentials`.
    pub client_id: Placed<String>,
    pub client_secret: Placed<Secret>,
}

/// Finds the profile; letter case does not count, as for the CLI.
pub(super) fn read(file: &str, text: &str, name: &str) -> Result<Profile, Vec<ConfigProblem>> {
    let file: Arc<str> = file.into();
    let about_file = |what: String| {
        ConfigProblem::new(
            Origin::Unreadable {
                file: Arc::clone(&file),
            },
            "",
            what,
        )
    };
    let mut names = Vec::new();
    let mut values: [Option<Placed<String>>; 3] = [None, None, None];
    const KEYS: [&str; 3] = ["environment", "client_credentials", "client_secret"];
    let mut is_in = false;
    for (line, content) in (1..).zip(text.trim_start_matches('\u{feff}').lines().map(str::trim)) {
        if let Some(header) = content.strip_prefix('[') {
            let header = header.split(']').next().unwrap_or_default().trim();
            let header = header.trim_matches(['"', '\'']).to_owned();
            is_in = header.eq_ignore_ascii_case(name);
            names.push(header);
        } else if let Some((key, value)) = content.split_once('=').filter(|_| is_in) {
            let key = key.trim().trim_matches(['"', '\'']);
            let place = KEYS.iter().position(|known| known.eq_ignore_ascii_case(key));
            let slot = place.and_then(|place| values.get_mut(place));
            if let (Some(slot), Some(text)) = (slot, text_of(value.trim())) {
                let file = Arc::clone(&file);
                *slot = Some((text, Origin::File { file, line, column: 1 })).filter(|(text, _)| !text.is_empty());
            }
        }
    }
    if !names.iter().any(|found| found.eq_ignore_ascii_case(name)) {
        let meant = nearest(name, names.iter().map(String::as_str));
        let meant = meant.map_or(String::new(), |meant| format!("; did you mean {meant}?"));
        let there = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        return Err(vec![about_file(format!(
            "there is no profile {name:?}; profiles here: {there}{meant}"
        ))]);
    }
    match values {
        [Some(region), Some(client_id), Some((secret, origin))] => Ok(Profile {
            region,
            client_id,
            client_secret: (Secret::new(secret), origin),
        }),
        values => {
            let missing = KEYS.iter().zip(&values).filter(|(_, value)| value.is_none());
            let problem = |key: &str| about_file(format!("the profile {name:?} has no {key}, which is needed"));
            Err(missing.map(|(key, _)| problem(key)).collect())
        }
    }
}

/// The text at the start of a value: in double quotes with escapes, or in single quotes as it stands.
fn text_of(value: &str) -> Option<String> {
    match value.strip_prefix('\'') {
        Some(literal) => literal.split_once('\'').map(|(text, _)| text.to_owned()),
        // What follows it is a comment. JSON has the escapes that the CLI writes.
        None => serde_json::Deserializer::from_str(value).into_iter().next()?.ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\u{feff}# written by gc\n[default]\n  access_token = \"\"\n  client_credentials = 'the-id'\n  \
        client_secret = \"hun\\\"ter2\" # a comment\n  environment = \"mypurecloud.ie\"\n\n[\"EU test\"]\n\
        environment = \"eu-west-1\"\nclient_secret = \"\"\n";

    #[test]
    fn a_profile_is_found_whatever_its_case() {
        let profile = read("f", FILE, "DEFAULT").unwrap();
        assert_eq!(profile.region.0, "mypurecloud.ie");
        assert_eq!(profile.client_id.0, "the-id");
        assert_eq!(profile.client_secret.0.reveal(), "hun\"ter2");
        assert!(
            matches!(profile.region.1, Origin::File { line: 6, .. }),
            "{:?}",
            profile.region.1
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let told = |name: &str| -> Vec<String> {
            let problems = read("f.toml", FILE, name).unwrap_err();
            problems.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            told("defualt"),
            ["f.toml: there is no profile \"defualt\"; profiles here: default, EU test; did you mean default?"]
        );
        assert_eq!(
            told("eu test"),
            [
                "f.toml: the profile \"eu test\" has no client_credentials, which is needed",
                "f.toml: the profile \"eu test\" has no client_secret, which is needed"
            ]
        );
    }
}
