//! The manual page, from the definition of the command line.
//!
//! In: the definition, the texts of `help` · Out: one page of roff with all commands · Thread: main.

use clap::{Arg, Command};

use super::help::{self, ENVIRONMENT, EXIT_CODES, FILES};

/// The whole page.
pub fn page(program: &Command) -> String {
    let name = program.get_name();
    let version = program.get_version().unwrap_or_default();
    let about = program.get_about().map(ToString::to_string).unwrap_or_default();
    let mut page = format!(
        ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n.TH {} 1 \"\" \"{} {}\" \"User Commands\"\n",
        escaped(&name.to_uppercase()),
        escaped(name),
        escaped(version)
    );
    section(&mut page, "NAME");
    page.push_str(&format!("{} \\- {}\n", escaped(name), escaped(&about)));
    section(&mut page, "SYNOPSIS");
    page.push_str(&format!(
        "\\fB{}\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n",
        escaped(name)
    ));
    section(&mut page, "DESCRIPTION");
    page.push_str(
        "Logs in to Genesys Cloud with OAuth client credentials, subscribes to its WebSocket streams, turns frames\n",
    );
    page.push_str("into typed events and keeps an exact dashboard of queues, conversations and agents in memory. It reconnects,\n");
    page.push_str("renews tokens before they end, and counts every loss.\n");
    section(&mut page, "OPTIONS OF ALL COMMANDS");
    for option in program.get_arguments() {
        entry(&mut page, option);
    }
    section(&mut page, "COMMANDS");
    for command in program.get_subcommands() {
        of_command(&mut page, name, command);
    }
    section(&mut page, "EXIT STATUS");
    terms(&mut page, &EXIT_CODES);
    section(&mut page, "ENVIRONMENT");
    terms(&mut page, &ENVIRONMENT);
    section(&mut page, "FILES");
    terms(&mut page, &FILES);
    section(&mut page, "EXAMPLES");
    verbatim(&mut page, help::examples::PROGRAM.trim_start_matches("Examples:\n"));
    page
}

fn of_command(page: &mut String, program: &str, command: &Command) {
    page.push_str(&format!(
        ".SS \"{} {}\"\n",
        escaped(program),
        escaped(command.get_name())
    ));
    if let Some(about) = command.get_about() {
        text(page, &about.to_string());
    }
    let mut heading = None;
    for option in command.get_arguments().filter(|option| !option.is_hide_set()) {
        // Those of all commands were told.
        if option.is_global_set() {
            continue;
        }
        if option.get_help_heading() != heading {
            heading = option.get_help_heading();
            if let Some(heading) = heading {
                page.push_str(".PP\n");
                text(page, &format!("{heading}:"));
            }
        }
        entry(page, option);
    }
    if let Some(after) = command.get_after_help() {
        page.push_str(".PP\n");
        verbatim(page, &after.to_string());
    }
}

/// One option: its spelling, and its help.
fn entry(page: &mut String, option: &Arg) {
    let mut spelling: Vec<String> = Vec::new();
    spelling.extend(option.get_short().map(|short| format!("\\fB\\-{short}\\fR")));
    spelling.extend(option.get_long().map(|long| format!("\\fB\\-\\-{}\\fR", escaped(long))));
    let mut spelling = spelling.join(", ");
    if option.get_action().takes_values() || option.is_positional() {
        let names = option.get_value_names().unwrap_or_default();
        for value in names {
            if !spelling.is_empty() {
                spelling.push(' ');
            }
            spelling.push_str(&format!("\\fI{}\\fR", escaped(value)));
        }
    }
    page.push_str(&format!(".TP\n{spelling}\n"));
    let mut says = option.get_help().map(ToString::to_string).unwrap_or_default();
    let possible = option.get_possible_values();
    if option.get_action().takes_values() && !possible.is_empty() {
        let names: Vec<&str> = possible.iter().map(|value| value.get_name()).collect();
        says.push_str(&format!(" [possible values: {}]", names.join(", ")));
    }
    if let [default] = option.get_default_values()
        && option.get_action().takes_values()
    {
        says.push_str(&format!(" [default: {}]", default.to_string_lossy()));
    }
    text(page, &says);
}

fn section(page: &mut String, title: &str) {
    page.push_str(&format!(".SH \"{title}\"\n"));
}

fn terms(page: &mut String, rows: &[(&str, &str)]) {
    for (term, meaning) in rows {
        page.push_str(&format!(".TP\n\\fB{}\\fR\n", escaped(term)));
        text(page, meaning);
    }
}

fn text(page: &mut String, text: &str) {
    for line in text.lines() {
        page.push_str(&guarded(&escaped(line.trim_end())));
        page.push('\n');
    }
}

/// Lines as they are.
fn verbatim(page: &mut String, text: &str) {
    page.push_str(".nf\n");
    self::text(page, text);
    page.push_str(".fi\n");
}

/// A line must not begin with what roff takes for a request.
fn guarded(line: &str) -> String {
    if line.starts_with(['.', '\'']) {
        format!("\\&{line}")
    } else {
        line.to_owned()
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '"' => out.push_str("\\(dq"),
            '\'' => out.push_str("\\*(Aq"),
            '`' => out.push_str("\\(ga"),
            '~' => out.push_str("\\(ti"),
            '^' => out.push_str("\\(ha"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::args::Cli;
    use super::*;
    use clap::CommandFactory;

    fn whole() -> String {
        let mut command = Cli::command();
        command.build();
        page(&command)
    }

    #[test]
    fn holds_every_command_and_flag() {
        let page = whole();
        let command = Cli::command();
        for sub in command.get_subcommands() {
            let head = format!(".SS \"genesys\\-stream {}\"\n", sub.get_name());
            let (_, after) = page.split_once(&head).unwrap_or_else(|| panic!("{head}"));
            let part = after.split(".SS ").next().unwrap();
            for option in sub.get_arguments() {
                if let Some(long) = option.get_long() {
                    assert!(
                        part.contains(&format!("\\-\\-{}\\fR", escaped(long))),
                        "{head} --{long}"
                    );
                }
            }
        }
        for part in [
            ".SH \"EXIT STATUS\"",
            ".SH \"ENVIRONMENT\"",
            ".SH \"FILES\"",
            "GENESYS_CLIENT_SECRET_FILE",
            "[default: 127.0.0.1:8080]",
        ] {
            let there = page.contains(part) || page.contains(&escaped(part));
            assert!(there || !cfg!(feature = "simulator"), "{part}");
        }
    }

    #[test]
    fn no_text_is_taken_for_a_request() {
        let known = [".ie", ".el", ".TH", ".SH", ".SS", ".TP", ".PP", ".nf", ".fi"];
        for line in whole().lines().filter(|line| line.starts_with(['.', '\''])) {
            assert!(known.iter().any(|request| line.starts_with(request)), "{line}");
        }
        let mut page = String::new();
        text(&mut page, ".SH evil\n'q \\fB");
        assert_eq!(page, "\\&.SH evil\n\\*(Aqq \\efB\n");
    }
}
