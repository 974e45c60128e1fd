//! The public interface of the library, compared with the listing in `docs/api.txt`: no change of it goes unseen.
//!
//! In: `src`, `docs/api.txt` · Out: a verdict with the lines that differ · Thread: the test's.
//!
//! The listing is made from the sources, so that it needs no particular toolchain: one line for each type, field,
//! variant, function and trait implementation that `lib.rs` exports. `UPDATE=1 cargo test --test it api` renews it.

#[path = "api_reading.rs"]
mod reading;

use std::collections::BTreeSet;
use std::path::Path;

use syn::spanned::Spanned;
use syn::{Attribute, Fields, ImplItem, Item, ItemImpl, TraitItem, Visibility};

use self::reading::{Sources, is_hidden, is_public, leaves, name_of, one_line, rows};

#[test]
fn the_public_interface_is_the_listed_one() {
    let listed = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.txt");
    let now = Listing::of(&Sources::read()).lines;
    assert!(now.len() > 300, "the reading of src is broken: {} lines", now.len());
    if std::env::var_os("UPDATE").is_some() {
        let text: String = now.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&listed, text).expect("docs/api.txt can be written");
        return;
    }
    let text = std::fs::read_to_string(&listed).expect("docs/api.txt");
    let before: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let gone = before.difference(&now).map(|line| format!("- {line}\n"));
    let new = now.difference(&before).map(|line| format!("+ {line}\n"));
    let changes: String = gone.chain(new).collect();
    assert!(
        changes.is_empty(),
        "the public interface differs from docs/api.txt:\n{changes}\
         If that is meant, renew the listing with `UPDATE=1 cargo test --test it api` and note the change in CHANGELOG.md."
    );
}

/// The lines `path | kind | signature`.
struct Listing<'a> {
    sources: &'a Sources,
    /// What is exported, under which path.
    exported: Vec<(String, &'a Item)>,
    lines: BTreeSet<String>,
}

impl<'a> Listing<'a> {
    fn of(sources: &'a Sources) -> Self {
        let mut listing = Self {
            sources,
            exported: Vec::new(),
            lines: BTreeSet::new(),
        };
        listing.export(&[], "");
        for (path, item) in listing.exported.clone() {
            listing.define(&path, item);
        }
        listing.implementations();
        listing
    }

    /// Finds what a public module exports.
    fn export(&mut self, module: &[String], prefix: &str) {
        for item in self.sources.items(module) {
            match item {
                Item::Use(item) if is_public(&item.vis) => {
                    for leaf in leaves(&item.tree) {
                        let definition = self.sources.follow(module, &leaf);
                        let definition =
                            definition.unwrap_or_else(|| panic!("{} is not found in src", leaf.join("::")));
                        let name = leaf.last().expect("a path has a name");
                        self.exported.push((format!("{prefix}{name}"), definition));
                    }
                }
                Item::Mod(item) if is_public(&item.vis) && !is_hidden(&item.attrs) => {
                    let mut inner = module.to_vec();
                    inner.push(item.ident.to_string());
                    self.export(&inner, &format!("{prefix}{}::", item.ident));
                }
                Item::Struct(_) | Item::Enum(_) | Item::Trait(_) | Item::Fn(_) | Item::Const(_) | Item::Type(_)
                    if visibility(item).is_some_and(is_public) =>
                {
                    let name = name_of(item).expect("these have names");
                    self.exported.push((format!("{prefix}{name}"), item));
                }
                _ => {}
            }
        }
    }

    fn line(&mut self, path: &str, kind: &str, signature: &str) {
        self.lines
            .insert(format!("{path} | {kind} | {signature}").trim_end().to_owned());
    }

    fn define(&mut self, path: &str, item: &Item) {
        match item {
            Item::Struct(item) => {
                self.line(path, "struct", &head(&item.attrs, &one_line(item.generics.span())));
                self.fields(path, &item.fields, false);
            }
            Item::Enum(item) => {
                self.line(path, "enum", &head(&item.attrs, &one_line(item.generics.span())));
                for variant in &item.variants {
                    let path = format!("{path}::{}", variant.ident);
                    self.line(&path, "variant", "");
                    self.fields(&path, &variant.fields, true);
                }
            }
            Item::Trait(item) => {
                self.line(path, "trait", &head(&item.attrs, &one_line(item.generics.span())));
                for inner in &item.items {
                    if let TraitItem::Fn(function) = inner {
                        let name = format!("{path}::{}", function.sig.ident);
                        self.line(&name, "fn", &one_line(function.sig.span()));
                    }
                }
            }
            Item::Fn(item) => self.line(path, "fn", &one_line(item.sig.span())),
            Item::Const(item) => self.line(path, "const", &one_line(item.ty.span())),
            Item::Type(item) => self.line(path, "type", &one_line(item.ty.span())),
            // A macro makes the type from rows: they stand for its fields.
            Item::Macro(item) => {
                for row in rows(item.mac.tokens.clone()) {
                    self.line(path, "made from", &row);
                }
            }
            other => panic!("{path}: {} is no kind that the listing knows", one_line(other.span())),
        }
    }

    fn fields(&mut self, path: &str, fields: &Fields, all_public: bool) {
        for (number, field) in fields.iter().enumerate() {
            if all_public || is_public(&field.vis) {
                let name = field.ident.as_ref().map_or(number.to_string(), ToString::to_string);
                self.line(&format!("{path}::{name}"), "field", &one_line(field.ty.span()));
            }
        }
    }

    /// Methods and traits of what is exported, wherever in `src` they are implemented.
    fn implementations(&mut self) {
        let sources = self.sources;
        for (module, items) in sources.modules() {
            let text = |item: &Item| match item {
                Item::Macro(item) if item.ident.is_some() => one_line(item.mac.tokens.span()),
                _ => String::new(),
            };
            let makes_methods = items.iter().any(|item| text(item).contains("pub fn "));
            for item in items {
                match item {
                    Item::Impl(item) => self.implementation(module, item),
                    // What the macro is given stands for the signatures of the methods that it makes.
                    Item::Macro(item) if item.ident.is_none() && makes_methods => {
                        let path = format!("{}::{}!", module.join("::"), one_line(item.mac.path.span()));
                        for part in one_line(item.mac.tokens.span()).split(';') {
                            let signature = part.split(" = ").next().unwrap_or_default();
                            if !signature.is_empty() {
                                self.line(&path, "methods", signature.trim());
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn implementation(&mut self, module: &[String], item: &ItemImpl) {
        let named = |path: &syn::Path| {
            let definition = self.sources.follow(module, &names(path))?;
            let exported = self
                .exported
                .iter()
                .find(|(_, exported)| std::ptr::eq(*exported, definition));
            exported.map(|(path, _)| path.clone())
        };
        let of_type = match &*item.self_ty {
            syn::Type::Path(path) => named(&path.path),
            _ => None,
        };
        let Some((of_trait, _)) = &item.trait_ else {
            if let Some(path) = of_type {
                self.methods(&path, item);
            }
            return;
        };
        let is_own = self.sources.follow(module, &names(of_trait)).is_some();
        let Some(path) = of_type.filter(|_| !is_own).or_else(|| named(of_trait)) else {
            return;
        };
        let span = item.impl_token.span().join(item.self_ty.span()).expect("one file");
        let mut signature = one_line(span);
        for inner in &item.items {
            if let ImplItem::Type(inner) = inner {
                signature.push_str(&format!(" {}", one_line(inner.span())));
            }
        }
        self.line(&path, "impl", &signature);
    }

    fn methods(&mut self, path: &str, item: &ItemImpl) {
        for inner in &item.items {
            match inner {
                ImplItem::Fn(function) if is_public(&function.vis) && !is_hidden(&function.attrs) => {
                    let name = format!("{path}::{}", function.sig.ident);
                    self.line(&name, "fn", &one_line(function.sig.span()));
                }
                ImplItem::Const(constant) if is_public(&constant.vis) => {
                    let name = format!("{path}::{}", constant.ident);
                    self.line(&name, "const", &one_line(constant.ty.span()));
                }
                _ => {}
            }
        }
    }
}

fn visibility(item: &Item) -> Option<&Visibility> {
    Some(match item {
        Item::Struct(item) => &item.vis,
        Item::Enum(item) => &item.vis,
        Item::Trait(item) => &item.vis,
        Item::Fn(item) => &item.vis,
        Item::Const(item) => &item.vis,
        Item::Type(item) => &item.vis,
        _ => return None,
    })
}

/// Generics, and those attributes that callers notice.
fn head(attributes: &[Attribute], generics: &str) -> String {
    let noticed = ["derive", "non_exhaustive", "cfg_attr", "must_use"];
    let attributes = attributes
        .iter()
        .filter(|attribute| noticed.iter().any(|name| attribute.path().is_ident(name)))
        .map(|attribute| one_line(attribute.span()));
    let parts: Vec<String> = std::iter::once(generics.to_owned()).chain(attributes).collect();
    parts.join(" ").trim().to_owned()
}

fn names(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}
