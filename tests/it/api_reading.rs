//! Reading the modules of the crate and following names through their imports, as far as the listing needs it.
//!
//! In: the files of `src` · Out: parsed items, definitions of names · Thread: the test's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::{Attribute, Item, UseTree, Visibility};

/// All modules with their items; tests and the internals of the benchmarks are left out.
pub struct Sources {
    modules: BTreeMap<Vec<String>, Vec<Item>>,
    /// Each `macro_rules!` by name, with its text.
    macros: Vec<(String, String)>,
}

impl Sources {
    pub fn read() -> Self {
        let mut sources = Self {
            modules: BTreeMap::new(),
            macros: Vec::new(),
        };
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        sources.read_module(Vec::new(), src.join("lib.rs"), &src);
        sources
    }

    fn read_module(&mut self, module: Vec<String>, file: PathBuf, folder: &Path) {
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let items: Vec<Item> = parsed.items.into_iter().filter(|item| !is_left_out(item)).collect();
        for item in &items {
            if let Item::Macro(item) = item
                && let Some(name) = &item.ident
            {
                self.macros.push((name.to_string(), item.mac.tokens.to_string()));
            }
            let Item::Mod(inner) = item else { continue };
            if inner.content.is_some() {
                continue;
            }
            let name = inner.ident.to_string();
            let below = folder.join(&name);
            let beside = folder.join(format!("{name}.rs"));
            let file = if beside.is_file() { beside } else { below.join("mod.rs") };
            let mut path = module.clone();
            path.push(name);
            self.read_module(path, file, &below);
        }
        self.modules.insert(module, items);
    }

    pub fn modules(&self) -> impl Iterator<Item = (&Vec<String>, &Vec<Item>)> {
        self.modules.iter()
    }

    pub fn items(&self, module: &[String]) -> &[Item] {
        self.modules.get(module).map_or(&[], Vec::as_slice)
    }

    /// The definition of a path that is written in `module`; none if it is no name of this crate.
    pub fn follow(&self, module: &[String], path: &[String]) -> Option<&Item> {
        let (first, rest) = path.split_first()?;
        let mut at = module.to_vec();
        match first.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => drop(at.pop()),
            _ if rest.is_empty() => return self.find(module, first),
            name => {
                at.push(name.to_owned());
                if !self.modules.contains_key(&at) {
                    return None;
                }
            }
        }
        self.follow(&at, rest)
    }

    /// The definition of a name that stands alone in `module`.
    fn find(&self, module: &[String], name: &str) -> Option<&Item> {
        let items = self.items(module);
        let own = items.iter().find(|item| name_of(item).as_deref() == Some(name));
        if own.is_some() {
            return own;
        }
        let imports = items.iter().filter_map(|item| match item {
            Item::Use(item) => Some(leaves(&item.tree)),
            _ => None,
        });
        for mut leaf in imports.flatten() {
            let last = leaf.last().map(String::as_str);
            if last == Some("*") {
                let end = leaf.len() - 1;
                name.clone_into(&mut leaf[end]);
            } else if last != Some(name) {
                continue;
            }
            // `use super::*` in a module whose parent imports from it would go round for ever.
            let goes_up = leaf.first().is_some_and(|first| first == "super") && leaf.len() == 2;
            let found = if goes_up {
                self.find(&module[..module.len() - 1], name)
            } else {
                self.follow(module, &leaf)
            };
            if found.is_some() {
                return found;
            }
        }
        // A type that a macro makes: the call of the macro stands for its definition.
        let made = format!("struct {name} ");
        let (maker, _) = self.macros.iter().find(|(_, text)| text.contains(&made))?;
        items
            .iter()
            .find(|item| matches!(item, Item::Macro(item) if item.mac.path.is_ident(maker)))
    }
}

/// The rows `name: type, …;` that a macro is given, at any depth of braces, without what follows the type.
pub fn rows(tokens: TokenStream) -> Vec<String> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is = |token: &TokenTree, sign| matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign);
    let mut found = Vec::new();
    for row in tokens.split(|token| is(token, ';')) {
        if let [TokenTree::Ident(name), colon, ..] = row
            && is(colon, ':')
        {
            let fields = row.split(|token| is(token, ',')).next().unwrap_or_default();
            let last = fields.last().map_or(name.span(), TokenTree::span);
            found.push(one_line(name.span().join(last).expect("one file")));
            continue;
        }
        for token in row {
            if let TokenTree::Group(group) = token {
                found.extend(rows(group.stream()));
            }
        }
    }
    found
}

/// The paths that a `use` names; a renamed one is not supported.
pub fn leaves(tree: &UseTree) -> Vec<Vec<String>> {
    match tree {
        UseTree::Path(path) => {
            let inner = leaves(&path.tree).into_iter();
            inner
                .map(|mut leaf| {
                    leaf.insert(0, path.ident.to_string());
                    leaf
                })
                .collect()
        }
        UseTree::Name(name) => vec![vec![name.ident.to_string()]],
        UseTree::Rename(_) => Vec::new(),
        UseTree::Glob(_) => vec![vec!["*".to_owned()]],
        UseTree::Group(group) => group.items.iter().flat_map(leaves).collect(),
    }
}

pub fn name_of(item: &Item) -> Option<String> {
    Some(match item {
        Item::Struct(item) => item.ident.to_string(),
        Item::Enum(item) => item.ident.to_string(),
        Item::Trait(item) => item.ident.to_string(),
        Item::Fn(item) => item.sig.ident.to_string(),
        Item::Const(item) => item.ident.to_string(),
        Item::Type(item) => item.ident.to_string(),
        _ => return None,
    })
}

fn is_left_out(item: &Item) -> bool {
    let attributes = match item {
        Item::Mod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        _ => return false,
    };
    is_hidden(attributes)
}

/// Not for callers: `#[cfg(test)]`, `#[doc(hidden)]`, the feature of the benchmarks.
pub fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = one_line(syn::spanned::Spanned::span(attribute));
        let is_condition = attribute.path().is_ident("cfg");
        (is_condition && (text.contains("test") || text.contains("internals"))) || text == "#[doc(hidden)]"
    })
}

pub fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The source text of a span with its white space as single spaces.
pub fn one_line(span: Span) -> String {
    let text = span.source_text().unwrap_or_default();
    let text = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let words: Vec<&str> = text.flat_map(str::split_whitespace).collect();
    words
        .join(" ")
        .replace("( ", "(")
        .replace(", )", ")")
        .replace("< ", "<")
}
