//! Pages of Markdown, as far as the tests read them: tables, code blocks, links and headings.
//!
//! In: files of the repository · Out: their parts · Thread: the test's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub fn exists(path: &Path) -> bool {
    root().join(path).exists()
}

/// The files below these folders whose names end so, by their paths in the repository.
pub fn files(folders: &[&str], ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut left: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(
                path.read_dir()
                    .expect("a folder")
                    .map(|entry| entry.expect("an entry").path()),
            );
        } else if path.to_string_lossy().ends_with(ending) {
            let path = path.strip_prefix(root()).expect("below the root");
            found.push(path.to_string_lossy().into_owned());
        }
    }
    found.sort();
    found
}

/// The code blocks of this language, each with what follows the language's name.
pub fn blocks<'a>(page: &'a str, language: &str) -> Vec<(&'a str, &'a str)> {
    let parts: Vec<&str> = page.split("\n```").collect();
    let fenced = parts.chunks(2).filter_map(|pair| pair.get(1));
    let blocks = fenced.filter_map(|block| block.split_once('\n'));
    blocks
        .filter_map(|(info, text)| Some((info.strip_prefix(language)?.trim(), text)))
        .collect()
}

/// The rows of all tables with so many columns, headings aside.
pub fn rows(page: &str, columns: usize) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = page.lines().collect();
    let is_heading = |n: usize| lines.get(n + 1).is_some_and(|next| next.starts_with("|--"));
    let is_row = |n: usize| !lines[n].starts_with("|--") && !is_heading(n);
    (0..lines.len())
        .filter(|n| is_row(*n))
        .filter_map(|n| {
            let line = lines[n];
            let inside = line.strip_prefix('|')?.strip_suffix('|')?;
            Some(inside.split('|').map(str::trim).collect())
        })
        .filter(|row: &Vec<&str>| row.len() == columns)
        .collect()
}

/// What stands between backticks.
pub fn code(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The anchors of a page's headings, as GitHub makes them.
pub fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|heading| {
            let words = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = words
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// The targets of a page's links.
pub fn links(page: &str) -> Vec<&str> {
    let after = page.split("](").skip(1);
    after
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
        .collect()
}
