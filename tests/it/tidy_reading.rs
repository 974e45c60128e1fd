//! Reading Rust sources as far as rules about them need it: comments, texts and tests aside, and which paths are named.
//!
//! In: the files of the project · Out: their code, their paths · Thread: the test's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// One source file: its text, and the same with comments, texts and test code blanked out.
pub struct Source {
    /// Below `src`.
    pub path: String,
    /// `["supervisor", "line"]`; empty for `lib.rs` and `main.rs`.
    pub module: Vec<String>,
    pub text: String,
    pub code: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// All files below a folder of the project, with their texts; paths from the project's root.
pub fn texts(folder: &str) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    files_below(&root().join(folder), &mut paths);
    let named = |path: &PathBuf| {
        let name = path.strip_prefix(root()).expect("below the root");
        name.to_str().expect("ASCII").replace('\\', "/")
    };
    paths
        .iter()
        .map(|path| (named(path), std::fs::read_to_string(path).expect("UTF-8")))
        .collect()
}

/// The sources of the crate without those that are tests.
pub fn sources() -> Vec<Source> {
    let mut tests = Vec::new();
    let mut found = Vec::new();
    for (path, text) in texts("src") {
        let path = path.strip_prefix("src/").expect("in src").to_owned();
        let (code, test_modules) = without_tests(&without_comments(&text), &text);
        let stem = path.strip_suffix(".rs").expect("a Rust file");
        let folder = stem.strip_suffix("/mod").map_or_else(|| stem.to_owned(), str::to_owned);
        let beside = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for module in test_modules {
            match module {
                TestModule::Named(name) => {
                    let parent = if matches!(stem, "lib" | "main") { "" } else { &folder };
                    tests.push(format!("{parent}/{name}.rs").trim_start_matches('/').to_owned());
                    tests.push(format!("{parent}/{name}/").trim_start_matches('/').to_owned());
                }
                TestModule::At(file) => tests.push(format!("{beside}/{file}").trim_start_matches('/').to_owned()),
            }
        }
        let module = match stem {
            "lib" | "main" => Vec::new(),
            _ => folder.split('/').map(str::to_owned).collect(),
        };
        found.push(Source {
            path,
            module,
            text,
            code,
        });
    }
    found.retain(|source| !tests.iter().any(|test| source.path.starts_with(test.as_str())));
    assert!(
        found.len() > 80,
        "the walk through src is broken: {} files",
        found.len()
    );
    found
}

/// The text with comments and the contents of literals as spaces: every byte stays where it was.
fn without_comments(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let blank = |out: &mut Vec<u8>, from: usize, to: usize| {
        for byte in &mut out[from..to] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    };
    let find = |from: usize, what: &str| text[from..].find(what).map_or(bytes.len(), |at| from + at);
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let before = at.checked_sub(1).map_or(b' ', |b| bytes[b]);
        let end = if rest.starts_with(b"//") {
            let end = find(at, "\n");
            blank(&mut out, at, end);
            end
        } else if rest.starts_with(b"/*") {
            let end = (find(at, "*/") + 2).min(bytes.len());
            blank(&mut out, at, end);
            end
        } else if rest[0] == b'r' && !before.is_ascii_alphanumeric() && raw_text(rest).is_some() {
            let hashes = raw_text(rest).unwrap_or(0);
            let begin = at + 2 + hashes;
            let end = find(begin, &format!("\"{}", "#".repeat(hashes)));
            blank(&mut out, begin, end);
            end + 1 + hashes
        } else if rest[0] == b'"' {
            let mut end = at + 1;
            while end < bytes.len() && bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            blank(&mut out, at + 1, end.min(bytes.len()));
            end + 1
        } else if rest[0] == b'\'' && rest.len() > 2 {
            // A character, not a lifetime.
            let wide = text[at + 1..].chars().next().map_or(1, char::len_utf8);
            let end = match rest[1] {
                b'\\' => find(at + 3, "'"),
                _ if rest.get(1 + wide) == Some(&b'\'') => at + 1 + wide,
                _ => at,
            };
            blank(&mut out, at + 1, end.max(at + 1));
            end + 1
        } else {
            at + 1
        };
        at = end;
    }
    String::from_utf8(out).expect("only ASCII was put in, over whole characters")
}

/// The hashes of a raw text that begins here.
fn raw_text(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    (rest.get(1 + hashes) == Some(&b'"')).then_some(hashes)
}

enum TestModule {
    Named(String),
    At(String),
}

/// The code without its `#[cfg(test)]` items, and the modules in other files that are such items.
fn without_tests(code: &str, text: &str) -> (String, Vec<TestModule>) {
    let mut out = code.as_bytes().to_vec();
    let mut modules = Vec::new();
    let mut from = 0;
    while let Some(at) = code[from..].find("#[cfg(").map(|at| from + at) {
        let closed = at + code[at..].find(']').expect("an attribute ends");
        from = closed + 1;
        let condition = &code[at + 6..closed];
        if !(condition.starts_with("test") || condition.starts_with("all(test")) {
            continue;
        }
        let body = code[from..].find(['{', ';']).map(|body| from + body).expect("an item");
        let end = if code.as_bytes()[body] == b';' {
            if let Some(name) = code[from..body].split("mod ").nth(1) {
                modules.push(match text[from..body].split("path = \"").nth(1) {
                    Some(path) => TestModule::At(path.split('"').next().unwrap_or_default().to_owned()),
                    None => TestModule::Named(name.trim().to_owned()),
                });
            }
            body
        } else {
            let mut depth = 0;
            let closing = code[body..].bytes().position(|byte| {
                depth += i32::from(byte == b'{') - i32::from(byte == b'}');
                depth == 0
            });
            body + closing.expect("braces match")
        };
        for byte in &mut out[at..=end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        from = end + 1;
    }
    (String::from_utf8(out).expect("whole items were blanked"), modules)
}

/// All paths that begin with `crate` or `super`, from the crate's root on, with their first names.
pub fn paths_in(source: &Source) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for keyword in ["crate::", "super::"] {
        for (at, _) in source.code.match_indices(keyword) {
            let before = source.code[..at].chars().next_back().unwrap_or(' ');
            if before.is_alphanumeric() || before == '_' || before == ':' {
                continue;
            }
            let mut rest = &source.code[at..];
            let mut base = source.module.clone();
            while let Some(further) = rest.strip_prefix("super::") {
                base.pop();
                rest = further;
            }
            if let Some(further) = rest.strip_prefix("crate::") {
                base.clear();
                rest = further;
            }
            if let Some(first) = base.first() {
                found.insert(first.clone());
            } else {
                first_names(rest, &mut found);
            }
        }
    }
    found
}

/// The first names of `a::b`, or of each branch of `{a::b, c}`.
fn first_names(tree: &str, found: &mut BTreeSet<String>) {
    let name = |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    match tree.strip_prefix('{') {
        None => {
            found.insert(name(tree));
        }
        Some(inside) => {
            let mut depth = 0;
            let mut begin = 0;
            for (at, c) in inside.char_indices() {
                if (c == ',' || c == '}') && depth == 0 {
                    let branch = inside[begin..at].trim();
                    if !branch.is_empty() {
                        found.insert(name(branch));
                    }
                    begin = at + 1;
                }
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    _ => {}
                }
            }
        }
    }
}

/// Which file names an item of which other file: paths of the form `crate::…`, `self::…`, `super::…` and `child::…`,
/// followed through `use` to the file that defines the item. What a file names of the modules around it is left out: a
/// module and its children belong together.
pub fn arrows(sources: &[Source]) -> BTreeMap<&str, BTreeSet<&str>> {
    let files: BTreeMap<&[String], &Source> = sources
        .iter()
        .filter(|source| source.path != "main.rs")
        .map(|source| (source.module.as_slice(), source))
        .collect();
    let uses: BTreeMap<&[String], BTreeMap<String, Vec<String>>> = files
        .iter()
        .map(|(module, source)| (*module, uses_of(source, &files)))
        .collect();
    let defining = |mut path: Vec<String>| -> Option<&Source> {
        // No re-export leads on for ever.
        for _ in 0..10 {
            let depth = (0..=path.len())
                .rev()
                .find(|depth| files.contains_key(&path[..*depth]))?;
            let (module, rest) = path.split_at(depth);
            match rest.first().and_then(|name| uses[module].get(name)) {
                Some(further) => path = further.iter().chain(&rest[1..]).cloned().collect(),
                None => return files.get(module).copied(),
            }
        }
        None
    };
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (module, source) in &files {
        let named = uses[module]
            .values()
            .cloned()
            .chain(paths_of(&source.code, module, &files));
        for target in named.filter_map(defining) {
            if !module.starts_with(&target.module) {
                found.entry(&source.path).or_default().insert(&target.path);
            }
        }
    }
    found
}

type Files<'a> = BTreeMap<&'a [String], &'a Source>;

/// What the `use` lines of a file bring in: the name there, and the path from the crate's root.
fn uses_of(source: &Source, files: &Files<'_>) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for (at, _) in source.code.match_indices("use ") {
        let is_keyword = source.code[..at].chars().next_back().is_none_or(char::is_whitespace);
        let Some(end) = source.code[at..].find(';').filter(|_| is_keyword) else {
            continue;
        };
        let tree: String = source.code[at + 4..at + end]
            .replace(" as ", "@")
            .split_whitespace()
            .collect();
        for path in branches(&tree) {
            let (path, alias) = path.split_once('@').unwrap_or((&path, ""));
            if let Some(full) = from_root(path.trim_end_matches("::self"), &source.module, files) {
                let name = if alias.is_empty() {
                    full.last().cloned()
                } else {
                    Some(alias.to_owned())
                };
                found.insert(name.unwrap_or_default(), full);
            }
        }
    }
    found
}

/// Paths in the code beside its `use` lines.
fn paths_of(code: &str, module: &[String], files: &Files<'_>) -> Vec<Vec<String>> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    code.split(|c: char| !is_path(c))
        // What ends in `::` is the beginning of a group in a `use` line.
        .filter(|path| path.contains("::") && !path.ends_with("::"))
        .filter_map(|path| from_root(path.trim_matches(':'), module, files))
        .collect()
}

/// Each path of `a::{b, c::{d, e}}`.
fn branches(tree: &str) -> Vec<String> {
    let Some((before, inside)) = tree.split_once('{') else {
        return vec![tree.to_owned()];
    };
    let inside = inside.strip_suffix('}').unwrap_or(inside);
    let (mut depth, mut begin, mut found) = (0, 0, Vec::new());
    for (at, c) in inside.char_indices().chain([(inside.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let branch = &inside[begin..at];
                begin = at + 1;
                if !branch.is_empty() {
                    found.extend(branches(branch).into_iter().map(|path| format!("{before}{path}")));
                }
            }
            _ => {}
        }
    }
    found
}

/// The path from the crate's root, for those that lead into the crate.
fn from_root(path: &str, module: &[String], files: &Files<'_>) -> Option<Vec<String>> {
    let mut names: Vec<String> = path.split("::").map(str::to_owned).collect();
    let mut base = module.to_vec();
    match names[0].as_str() {
        "crate" => {
            names.remove(0);
            base.clear();
        }
        "self" => {
            names.remove(0);
        }
        "super" => {
            while names.first().is_some_and(|name| name == "super") {
                names.remove(0);
                base.pop();
            }
        }
        child => {
            base.push(child.to_owned());
            if !files.contains_key(base.as_slice()) {
                return None;
            }
            base.pop();
        }
    }
    base.extend(names);
    Some(base)
}

/// What `lib.rs` gives under its own name: `Moment` is of `moment`.
pub fn reexports(sources: &[Source]) -> BTreeMap<String, String> {
    let lib = sources.iter().find(|source| source.path == "lib.rs").expect("lib.rs");
    let mut found = BTreeMap::new();
    for line in lib.code.lines() {
        let Some((module, names)) = line
            .trim()
            .strip_prefix("pub use ")
            .and_then(|line| line.split_once("::"))
        else {
            continue;
        };
        let last = names.rsplit("::").next().unwrap_or_default();
        for name in last.trim_end_matches(';').trim_matches(['{', '}']).split(',') {
            found.insert(name.trim().to_owned(), module.to_owned());
        }
    }
    found
}

/// The reading of sources that all of this rests on.
#[test]
fn the_reader_of_sources_reads() {
    let text = "use crate::{a::{b, c}, D}; // crate::no\nlet s = \"crate::no // \\\" {\"; let c = '{'; fn f<'a>() {}\n\
                let r = r#\"crate::no\"#;\n#[cfg(test)]\nmod tests { use crate::no; }\nuse super::e;\n\
                #[cfg(test)]\n#[path = \"x_tests.rs\"]\nmod far;\n#[cfg(test)]\nmod near;\n";
    let (code, modules) = without_tests(&without_comments(text), text);
    assert_eq!(code.len(), text.len());
    let source = Source {
        path: "m/n.rs".to_owned(),
        module: vec!["m".to_owned(), "n".to_owned()],
        text: text.to_owned(),
        code,
    };
    assert_eq!(paths_in(&source).into_iter().collect::<Vec<_>>(), ["D", "a", "m"]);
    let modules: Vec<&str> = modules
        .iter()
        .map(|module| match module {
            TestModule::Named(name) | TestModule::At(name) => name.as_str(),
        })
        .collect();
    assert_eq!(modules, ["x_tests.rs", "near"]);
}
