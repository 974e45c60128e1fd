//! The pages as they are served: complete, self-contained, and all that their policies allow.
//!
//! In: the pages, their source files · Out: verdicts · Thread: the test's.

use std::path::Path;

use super::*;

/// What stands between the only two such tags.
fn only_between<'a>(html: &'a str, open: &str, close: &str) -> &'a str {
    assert_eq!(
        (html.matches(open).count(), html.matches(close).count()),
        (1, 1),
        "{open}"
    );
    let (_, rest) = html.split_once(open).unwrap();
    rest.split_once(close).unwrap().0
}

#[test]
fn the_policy_allows_the_one_script_and_the_one_style_and_nothing_else() {
    let page = live();
    let script = hash(only_between(&page.html, "<script type=\"module\">", "</script>"));
    let style = hash(only_between(&page.html, "<style>", "</style>"));
    assert!(
        page.policy.contains(&format!("script-src '{script}';")),
        "{}",
        page.policy
    );
    assert!(
        page.policy.contains(&format!("style-src '{style}';")),
        "{}",
        page.policy
    );
    let form = login("Wrong.", "/login?kiosk");
    let style = hash(only_between(&form.html, "<style>", "</style>"));
    assert!(
        form.policy.contains(&format!("style-src '{style}';")),
        "{}",
        form.policy
    );
    for (page, scripts) in [(page, 1), (form, 0)] {
        assert_eq!(page.html.matches("<script").count(), scripts);
        assert!(page.policy.starts_with("default-src 'none'; ") && !page.policy.contains("unsafe"));
    }
}

#[test]
fn pages_ask_for_nothing_and_set_no_markup() {
    for page in [live(), login("Wrong.", "/login?kiosk")] {
        let html = &page.html;
        // Attributes would need a hash each, an address would be a request, and markup from data could be anything.
        for forbidden in [
            " style=\"",
            " onclick",
            "src=\"",
            "@import",
            "import ",
            "url(",
            "//cdn",
            "https://",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            assert!(!html.replace("url(#", "").contains(forbidden), "{forbidden}");
        }
        for placeholder in ["{style}", "{script}", "{message}", "{action}"] {
            assert!(!html.contains(placeholder), "{placeholder}");
        }
    }
}

/// What is left of a source file in its page.
fn without_comments(text: &str) -> String {
    let mut in_comment = false;
    let mut left = String::new();
    for line in text.lines().map(str::trim_start) {
        in_comment |= line.starts_with("/*");
        if !in_comment && !line.is_empty() && !line.starts_with("//") {
            left += &format!("{line}\n");
        }
        in_comment &= !line.ends_with("*/");
    }
    left
}

#[test]
fn comments_and_indentation_are_left_out() {
    let source = "// one\n  a { //x\n\n    /** two\n     * a */\n    b: '/*';\n}";
    let slim = slimmed::<100>(source.as_bytes());
    assert_eq!(&slim.0[..slim.1], b"a { //x\nb: '/*';\n}");
    let page = live().html;
    assert!(
        page.lines()
            .all(|line| !line.starts_with([' ', '/']) && !line.is_empty())
    );
}

/// A source file that is not joined would be missed by viewers only.
#[test]
fn every_source_file_is_in_its_page() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web");
    for (folder, html) in [("page", live().html), ("login", login("", "/login").html)] {
        let mut found = 0;
        for file in std::fs::read_dir(sources.join(folder)).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "html") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let served = if folder == "page" {
                without_comments(&text)
            } else {
                text
            };
            assert!(html.contains(&served), "{} is not in its page", path.display());
            found += 1;
        }
        assert!(found > 0, "{folder}");
    }
    assert!(live().html.len() <= 98_000, "{} bytes", live().html.len());
}
