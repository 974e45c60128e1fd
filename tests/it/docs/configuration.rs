//! `configuration.md` against the program: keys, defaults, ranges, words, flags, variables.
//!
//! In: the page, what the reader of the configuration complains about, the help · Out: verdicts · Thread: the test's.

use std::collections::BTreeSet;

use genesys_stream::{Config, ConfigBuilder, Secret};
use serde_json::{Value, json};

use super::page;
use crate::support::process::command;

/// Rows of `configuration.md`: key, default, allowed.
fn settings(page: &str) -> Vec<(&str, Option<Value>, &str)> {
    let rows = page::rows(page, 5).into_iter();
    rows.map(|row| {
        let default = page::code(row[1])
            .first()
            .map(|text| serde_json::from_str(text).expect("a JSON default"));
        (page::code(row[0])[0], default, row[2])
    })
    .collect()
}

/// The pages that list settings.
fn pages() -> String {
    let mut pages = page::read("docs/configuration.md");
    if cfg!(feature = "engine") {
        pages.push_str(&page::read("docs/sharing.md"));
    }
    pages
}

/// A file in which one key has a value.
fn file(key: &str, value: Value) -> Value {
    key.rsplit('.').fold(value, |inside, part| json!({ part: inside }))
}

fn with_file(file: &Value) -> ConfigBuilder {
    Config::builder()
        .region("eu-west-1")
        .client_id("id")
        .client_secret(Secret::new("secret"))
        .json("page", file.to_string())
}

fn complaint(key: &str, value: Value) -> String {
    match with_file(&file(key, value.clone())).build() {
        Ok(_) => panic!("{key} takes {value}"),
        Err(error) => error.to_string(),
    }
}

/// A word that is like no key and no value.
const NONSENSE: &str = "qqqqqqqq";

/// The keys below a section, as the complaint about an unknown one lists them.
fn known_keys(section: &str, found: &mut BTreeSet<String>) {
    let dotted = |key: &str| format!("{section}{key}");
    let error = complaint(&dotted(NONSENSE), json!(0));
    let listed = error
        .split("known here are ")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    match listed {
        Some(listed) => listed
            .split(", ")
            .for_each(|key| known_keys(&format!("{section}{key}."), found)),
        None => drop(found.insert(section.trim_end_matches('.').to_owned())),
    }
}

#[test]
fn the_configuration_page_lists_the_keys_that_there_are() {
    let page = pages();
    let mut known = BTreeSet::new();
    known_keys("", &mut known);
    let listed: BTreeSet<String> = settings(&page).iter().map(|(key, ..)| (*key).to_owned()).collect();
    assert_eq!(listed, known);
}

#[test]
fn defaults_and_ranges_are_those_of_the_program() {
    let page = pages();
    let mut all = json!({});
    for (key, default, allowed) in settings(&page) {
        let Some(default) = default else { continue };
        merge(&mut all, file(key, default.clone()));
        let range = ranges(allowed);
        assert!(range.len() == 1 || !default.is_number(), "{key}: a range is missing");
        if !range.is_empty() {
            let wrong = if default.is_array() { json!([]) } else { json!(-1) };
            assert_eq!(ranges(&complaint(key, wrong)), range, "{key}");
        }
        let wrong = if default.is_array() {
            json!([NONSENSE])
        } else {
            json!(NONSENSE)
        };
        let is_word =
            default.is_string() || default.is_array() && default.as_array().is_some_and(|list| list.len() > 1);
        if is_word
            && let Err(error) = with_file(&file(key, wrong)).build()
            && let Some(words) = error.to_string().split("allowed are ").nth(1)
        {
            let words = words.lines().next().unwrap_or_default();
            assert_eq!(page::code(allowed), Vec::from_iter(words.split(", ")), "{key}");
        }
    }
    let given = with_file(&all).build().expect("the defaults are allowed");
    // The default for a new file also changes an existing one where it is given.
    let mode = json!({"outputs": {"snapshot_mode": all["outputs"]["snapshot_mode"]}});
    let default = with_file(&mode).build().expect("enough");
    assert_eq!(format!("{given:?}"), format!("{default:?}"));
}

/// Least and most, as in "1 to 3,600 s".
fn ranges(text: &str) -> Vec<(u64, u64)> {
    let words: Vec<String> = text.split_whitespace().map(|word| word.replace(',', "")).collect();
    let number = |word: &str| word.parse::<u64>().ok();
    let threes = words.windows(3).filter(|three| three[1] == "to");
    threes
        .filter_map(|three| Some((number(&three[0])?, number(&three[2])?)))
        .collect()
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn printed(arguments: &[&str]) -> String {
    let output = command(arguments, &[]).output().expect("the program starts");
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn flags_and_variables_are_those_of_the_help() {
    let page = pages();
    let program = printed(&["--help"]);
    let commands = program
        .split("Commands:\n")
        .nth(1)
        .and_then(|rest| rest.split("\n\n").next());
    let names = commands
        .into_iter()
        .flat_map(str::lines)
        .filter_map(|line| line.split_whitespace().next())
        // It has no flags.
        .filter(|command| *command != "help");
    let mut helps: Vec<String> = names.map(|command| printed(&[command, "--help"])).collect();
    helps.extend([program, printed(&["audit", "verify", "--help"])]);
    let flags_of = |help: &str| -> Vec<String> {
        let lines = help.lines().map(str::trim_start);
        let words = lines.flat_map(|line| {
            line.split([' ', ','])
                .take_while(|word| word.is_empty() || word.starts_with('-'))
        });
        let flags = words.filter(|word| word.starts_with("--"));
        flags.map(|flag| flag.trim_end_matches(['.', ':']).to_owned()).collect()
    };
    let real: BTreeSet<String> = helps.iter().flat_map(|help| flags_of(help)).collect();
    let told = page::code(&page).into_iter().filter(|word| word.starts_with("--"));
    let told: BTreeSet<String> = told
        .filter_map(|flag| flag.split(' ').next())
        .map(str::to_owned)
        .collect();
    assert_eq!(told, real);

    let is_variable = |word: &&str| word.len() > 3 && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    let help = printed(&["run", "--help"]);
    let environment = help
        .split("Environment:\n")
        .nth(1)
        .and_then(|rest| rest.split("\n\n").next());
    let lines = environment.into_iter().flat_map(str::lines);
    let real: BTreeSet<&str> = lines
        .flat_map(|line| line.trim().split(", "))
        .filter(is_variable)
        .collect();
    let mut told: BTreeSet<&str> = page::rows(&page, 2)
        .iter()
        .flat_map(|row| page::code(row[0]))
        .filter(is_variable)
        .collect();
    // Not the user's to set.
    assert!(told.remove("CREDENTIALS_DIRECTORY"));
    assert_eq!(told, real);
}
