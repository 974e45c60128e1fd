//! Looks each key up in its layers, checks the value of every layer, and takes the value of the highest.
//!
//! In: flags, setters, variables and the tree of the file · Out: typed values, problems, unknown keys · Thread: any (pure).

use std::cell::Cell;
use std::collections::{BTreeSet, HashSet};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::json::{self, Document, Member, Node, Place, Value};
use super::message::{found, found_text, names_a_secret, nearest};
use crate::base::inserted::Inserted as _;
use crate::base::problem::{ConfigProblem, Finding, Origin};

/// A value for a key from anywhere but the file.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    /// Dotted path as in the file.
    pub key: &'static str,
    pub origin: Origin,
    pub node: Node,
}

/// The file, read.
#[derive(Debug)]
pub(crate) struct FileLayer {
    pub name: Arc<str>,
    pub text: String,
    pub document: Document,
    /// The last place that was asked for: they are asked for in their order, so that the text is read once for all.
    last: Cell<Place>,
}

impl FileLayer {
    pub(crate) fn read(name: &str, text: String) -> Self {
        Self {
            name: name.into(),
            document: json::read(&text),
            text,
            last: Cell::default(),
        }
    }

    fn origin(&self, at: usize) -> Origin {
        let place = self.last.get().moved_to(&self.text, at);
        self.last.set(place);
        Origin::File {
            file: Arc::clone(&self.name),
            line: place.line,
            column: place.column,
        }
    }

    fn lookup(&self, key: &str) -> Option<&Node> {
        key.split('.')
            .try_fold(&self.document.root, |node, part| match &node.value {
                Value::Object(members) => members.iter().find(|m| m.key == part).map(|m| &m.node),
                _ => None,
            })
    }
}

/// Whether `null` stands for "not given".
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Null {
    Allowed,
    Refused,
}

/// What the checks of one value find wrong: where (in the file), in which part of the value, what.
#[derive(Default)]
pub(crate) struct Complaints(Vec<(usize, String, Finding)>);

impl Complaints {
    /// The value of `key` was found, where something else is allowed.
    pub(crate) fn about(&mut self, key: &str, node: &Node, allowed: impl Into<String>) {
        self.below(key, "", node, allowed);
    }

    /// The same for a part of the value, such as `[2].start`.
    pub(crate) fn below(&mut self, key: &str, part: &str, node: &Node, allowed: impl Into<String>) {
        self.plain(part, node.at, (found(key, node), allowed.into()));
    }

    /// A finding that does not show the value.
    pub(crate) fn plain(&mut self, part: &str, at: usize, finding: impl Into<Finding>) {
        self.0.push((at, part.to_owned(), finding.into()));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Reads the layers key by key.
pub(crate) struct Reading<'a> {
    /// Highest first.
    above: &'a [Given],
    file: Option<&'a FileLayer>,
    known: BTreeSet<&'static str>,
    pub problems: Vec<ConfigProblem>,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(above: &'a [Given], file: Option<&'a FileLayer>) -> Self {
        let mut problems = Vec::new();
        if let Some(file) = file {
            let faults = file.document.faults.iter();
            problems.extend(faults.map(|f| ConfigProblem::new(file.origin(f.at), &f.path, f.finding.clone())));
        }
        Self {
            above,
            file,
            known: BTreeSet::new(),
            problems,
        }
    }

    /// Where the value of `key` comes from.
    pub(crate) fn origin(&self, key: &str) -> Option<Origin> {
        if let Some(given) = self.above.iter().find(|given| given.key == key) {
            return Some(given.origin.clone());
        }
        let file = self.file?;
        file.lookup(key).map(|node| file.origin(node.at))
    }

    /// Notes a problem with `key` at the place where it was given, or as missing.
    pub(crate) fn problem(&mut self, key: &str, finding: impl Into<Finding>) {
        let origin = self.origin(key).unwrap_or(Origin::Missing);
        self.problems.push(ConfigProblem::new(origin, key, finding));
    }

    /// Checks the value of every layer; returns that of the highest layer if it is right.
    pub(crate) fn pick<T>(
        &mut self,
        key: &'static str,
        null: Null,
        read: impl Fn(&Node, &mut Complaints) -> Option<T>,
    ) -> Option<T> {
        let mut picked: Option<Option<T>> = None;
        self.each_layer(key, null, &mut |node, complaints| {
            let value = node.and_then(|node| read(node, complaints));
            picked.get_or_insert(value.filter(|_| complaints.0.is_empty()));
        });
        picked.flatten()
    }

    /// Calls `check` with the value of every layer, highest first, `None` for an allowed null, and notes what it finds.
    #[inline(never)]
    fn each_layer(&mut self, key: &'static str, null: Null, check: &mut dyn FnMut(Option<&Node>, &mut Complaints)) {
        self.known.insert(key);
        let of_file = self.file.and_then(|file| file.lookup(key).map(|node| (file, node)));
        let above = self.above.iter().filter(|given| given.key == key);
        let nodes = above
            .map(|given| (&given.node, None, &given.origin))
            .chain(of_file.map(|(file, node)| (node, Some(file), &Origin::Missing)));
        for (node, file, origin) in nodes {
            let is_absent = node.value == Value::Null && null == Null::Allowed;
            let mut complaints = Complaints::default();
            check((!is_absent).then_some(node), &mut complaints);
            for (at, part, finding) in complaints.0 {
                let dot = if part.is_empty() || part.starts_with('[') {
                    ""
                } else {
                    "."
                };
                let origin = file.map_or_else(|| origin.clone(), |file| file.origin(at));
                self.problems
                    .push(ConfigProblem::new(origin, format!("{key}{dot}{part}"), finding));
            }
        }
    }

    /// A text; where `check` refuses it, `check` says what is allowed.
    pub(crate) fn text<T>(
        &mut self,
        key: &'static str,
        null: Null,
        check: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.pick(key, null, |node, complaints| {
            let Value::Text(text) = &node.value else {
                complaints.about(key, node, "a text in double quotes is needed");
                return None;
            };
            match check(text) {
                Ok(value) => Some(value),
                Err(complaint) => {
                    complaints.about(key, node, complaint);
                    None
                }
            }
        })
    }

    /// A path; relative ones start from the working directory.
    #[inline(never)]
    pub(crate) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        self.text(key, Null::Allowed, |text| {
            if text.is_empty() || text.contains('\0') {
                Err("the path of a file is needed".to_owned())
            } else {
                Ok(PathBuf::from(text))
            }
        })
    }

    /// `true` or `false`.
    #[inline(never)]
    pub(crate) fn switch(&mut self, key: &'static str, default: Switch) -> bool {
        self.pick(key, Null::Refused, |node, complaints| match node.value {
            Value::Bool(value) => Some(value),
            _ => {
                complaints.about(key, node, "allowed are true and false");
                None
            }
        })
        .unwrap_or(default == Switch::On)
    }

    /// A whole number in a range.
    #[inline(never)]
    pub(crate) fn whole(&mut self, key: &'static str, range: RangeInclusive<u64>, default: u64) -> u64 {
        self.pick(key, Null::Refused, |node, complaints| match whole_of(node) {
            Some(number) if range.contains(&number) => Some(number),
            _ => {
                complaints.about(key, node, allowed_range(key, &range));
                None
            }
        })
        .unwrap_or(default)
    }

    /// A duration in a range, in the unit of the key's suffix: a whole number in the file, any length from a setter.
    #[inline(never)]
    pub(crate) fn duration(&mut self, key: &'static str, range: RangeInclusive<u64>, default: u64) -> Duration {
        let (unit, unit_name) = if key.ends_with("_ms") {
            (Duration::from_millis as fn(u64) -> Duration, "ms")
        } else {
            (Duration::from_secs as fn(u64) -> Duration, "s")
        };
        let lengths = unit(*range.start())..=unit(*range.end());
        self.pick(key, Null::Refused, |node, complaints| {
            match (&node.value, whole_of(node)) {
                (Value::Duration(length), _) if lengths.contains(length) => Some(*length),
                (Value::Duration(_), _) => {
                    let (least, most) = (range.start(), range.end());
                    complaints.about(
                        key,
                        node,
                        format!("allowed is {least} {unit_name} to {most} {unit_name}"),
                    );
                    None
                }
                (_, Some(number)) if range.contains(&number) => Some(unit(number)),
                _ => {
                    complaints.about(key, node, allowed_range(key, &range));
                    None
                }
            }
        })
        .unwrap_or_else(|| unit(default))
    }

    /// One of a closed list of words.
    pub(crate) fn one_of<T: Copy>(&mut self, key: &'static str, words: &[(&'static str, T)], default: T) -> T {
        self.text(key, Null::Refused, |text| {
            match words.iter().find(|(word, _)| *word == text) {
                Some((_, value)) => Ok(*value),
                None => Err(allowed_words(text, words.iter().map(|(word, _)| *word))),
            }
        })
        .unwrap_or(default)
    }

    /// A list of texts without repetitions; `count` is how many it may hold.
    pub(crate) fn texts(
        &mut self,
        key: &'static str,
        count: RangeInclusive<usize>,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Option<Vec<String>> {
        self.pick(key, Null::Refused, |node, complaints| {
            let Value::List(items) = &node.value else {
                complaints.about(key, node, "a list of texts is needed, such as [\"…\"]");
                return None;
            };
            if !count.contains(&items.len()) {
                let (least, most) = (count.start(), count.end());
                let finding = (
                    format!("{} items", items.len()),
                    format!("allowed are {least} to {most}"),
                );
                complaints.plain("", node.at, finding);
            }
            let (mut texts, mut known) = (Vec::new(), HashSet::new());
            for (index, item) in items.iter().enumerate() {
                let part = format!("[{index}]");
                match &item.value {
                    Value::Text(text) => match check(text) {
                        Ok(()) if known.insert(text.as_str()) => texts.push(text.clone()),
                        Ok(()) => {}
                        Err(complaint) => complaints.below(key, &part, item, complaint),
                    },
                    _ => complaints.below(key, &part, item, "a text in double quotes is needed"),
                }
            }
            Some(texts)
        })
    }

    /// Adds the unknown keys of the file and the sections that are no objects, and gives all problems. `nullable` sections may
    /// be null.
    pub(crate) fn finish(mut self, nullable: &[&str]) -> Vec<ConfigProblem> {
        if let Some(file) = self.file {
            let mut found_problems = Vec::new();
            self.walk(file, &file.document.root, "", nullable, &mut found_problems);
            self.problems.append(&mut found_problems);
        }
        self.problems
    }

    fn walk(&self, file: &FileLayer, node: &Node, path: &str, nullable: &[&str], problems: &mut Vec<ConfigProblem>) {
        let Value::Object(members) = &node.value else {
            // The root of an incomplete document was already reported.
            let reported = path.is_empty() && !file.document.complete;
            if !(reported || node.value == Value::Null && nullable.contains(&path)) {
                let finding = (found(path, node), "an object {…} is needed");
                problems.push(ConfigProblem::new(file.origin(node.at), path, finding));
            }
            return;
        };
        for member in members {
            let below = match path {
                "" => member.key.clone(),
                _ => format!("{path}.{}", member.key),
            };
            if self.known.contains(below.as_str()) {
                continue;
            }
            let section = format!("{below}.");
            if self.known.iter().any(|key| key.starts_with(&section)) {
                self.walk(file, &member.node, &below, nullable, problems);
            } else {
                let unknown = self.unknown(path, &member.key);
                problems.push(ConfigProblem::new(
                    file.origin(member.at),
                    shown_key(path, member),
                    unknown,
                ));
            }
        }
    }

    fn unknown(&self, path: &str, key: &str) -> String {
        if key.eq_ignore_ascii_case("client_secret") || key.eq_ignore_ascii_case("clientSecret") {
            return "unknown key: a secret does not stand in this file (its value is not shown); \
                use client_secret_file, or GENESYS_CLIENT_SECRET in the environment"
                .to_owned();
        }
        let prefix = if path.is_empty() {
            String::new()
        } else {
            format!("{path}.")
        };
        // Keys of the same section first, then the same word in another section.
        let neighbours: BTreeSet<&str> = self
            .known
            .iter()
            .filter_map(|known| known.strip_prefix(&prefix))
            .map(|rest| rest.split('.').next().unwrap_or(rest))
            .inserted();
        let meant = nearest(key, neighbours.iter().copied())
            .map(|near| format!("{prefix}{near}"))
            .or_else(|| {
                let leaf_of = |known: &&'static str| known.rsplit('.').next().unwrap_or(known);
                let leaf = nearest(key, self.known.iter().map(leaf_of))?;
                self.known.iter().find(|k| leaf_of(k) == leaf).map(|k| (*k).to_owned())
            });
        let not_shown = if names_a_secret(key) {
            " (its value is not shown)"
        } else {
            ""
        };
        match meant {
            Some(meant) => format!("unknown key{not_shown}; did you mean {meant}?"),
            None => format!(
                "unknown key{not_shown}; known here are {}",
                neighbours.into_iter().collect::<Vec<_>>().join(", ")
            ),
        }
    }
}

/// The default of a switch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    On,
    Off,
}

fn shown_key(path: &str, member: &Member) -> String {
    let key = found_text("", &member.key);
    let key = key.trim_matches('"');
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// The whole number in a node; a quoted number is a text and none.
fn whole_of(node: &Node) -> Option<u64> {
    let Value::Number(written) = &node.value else {
        return None;
    };
    if let Ok(number) = written.parse::<u64>() {
        return Some(number);
    }
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = written.parse::<f64>().ok()?;
    // Exact in this range.
    (number.fract() == 0.0 && (0.0..EXACT).contains(&number)).then_some(number as u64)
}

fn allowed_range(key: &str, range: &RangeInclusive<u64>) -> String {
    let unit = if key.ends_with("_ms") {
        " (milliseconds)"
    } else if key.ends_with("_secs") {
        " (seconds)"
    } else {
        ""
    };
    format!(
        "allowed is a whole number from {} to {}{unit}",
        range.start(),
        range.end()
    )
}

/// `allowed are a, b, c; did you mean b?`
pub(crate) fn allowed_words<'w>(text: &str, words: impl Iterator<Item = &'w str> + Clone) -> String {
    let meant = nearest(text, words.clone()).map_or(String::new(), |meant| format!("; did you mean {meant}?"));
    format!("allowed are {}{meant}", words.collect::<Vec<_>>().join(", "))
}

/// A whole number in a range, for keys that also allow a word.
pub(crate) fn whole_in(key: &str, node: &Node, range: &RangeInclusive<u64>) -> Result<u64, String> {
    match whole_of(node) {
        Some(number) if range.contains(&number) => Ok(number),
        _ => Err(allowed_range(key, range)),
    }
}
