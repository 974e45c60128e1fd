//! The manual page, made by the crate `clap_mangen` from the definition of the command line.
//!
//! In: the definition, the texts of `help` · Out: one page of roff with all commands · Thread: main.

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::help::{ENVIRONMENT, EXIT_CODES, FILES, examples};

const DESCRIPTION: &str = "Logs in to Genesys Cloud with OAuth client credentials, subscribes to its WebSocket streams, \
    turns frames into typed events and keeps an exact dashboard of queues, conversations and agents in memory. It \
    reconnects, renews tokens before they expire, and counts every loss.";

/// Writes the whole page.
///
/// # Errors
/// Those of the writer.
pub fn write(program: Command, page: &mut Vec<u8>) -> io::Result<()> {
    let name = program.get_name().to_owned();
    let commands: Vec<Command> = program.get_subcommands().cloned().collect();
    let man = Man::new(program.subcommand_value_name("COMMAND"))
        .title(name.to_uppercase())
        // `roff` leaves out an empty argument, and the next one would become the date.
        .date(" ")
        .manual("User Commands");
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    let mut description = Roff::new();
    description.control("SH", ["DESCRIPTION"]).text([roman(DESCRIPTION)]);
    description.to_writer(page)?;
    man.render_options_section(page)?;
    for command in commands {
        write_command(&name, command, page)?;
    }
    let mut roff = Roff::new();
    terms(&mut roff, "EXIT STATUS", &EXIT_CODES);
    terms(&mut roff, "ENVIRONMENT", &ENVIRONMENT);
    terms(&mut roff, "FILES", &FILES);
    roff.control("SH", ["EXAMPLES"]);
    verbatim(&mut roff, examples::PROGRAM.trim_start_matches("Examples:\n"));
    roff.to_writer(page)
}

/// Writes a section for a command, and one for each command below it.
fn write_command(parent: &str, command: Command, page: &mut Vec<u8>) -> io::Result<()> {
    let name = format!("{parent} {}", command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let after = command
        .get_after_long_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let below: Vec<Command> = command.get_subcommands().cloned().collect();
    let mut head = Roff::new();
    head.control("SH", [name.as_str()]).text([roman(about)]);
    head.to_writer(page)?;
    // The options of all commands, `--help` among them, stand above.
    let man = Man::new(command.disable_help_flag(true).disable_help_subcommand(true));
    let mut options = Vec::new();
    man.render_options_section(&mut options)?;
    // They belong into the section of their command.
    let options = String::from_utf8_lossy(&options).replace("\n.SH ", "\n.SS ");
    page.extend_from_slice(options.as_bytes());
    let mut foot = Roff::new();
    foot.control("PP", []);
    verbatim(&mut foot, &after);
    foot.to_writer(page)?;
    below
        .into_iter()
        .try_for_each(|command| write_command(&name, command, page))
}

fn terms(roff: &mut Roff, title: &str, rows: &[(&str, &str)]) {
    roff.control("SH", [title]);
    for (term, meaning) in rows {
        roff.control("TP", []).text([bold(*term)]).text([roman(*meaning)]);
    }
}

/// Longer lines are paragraphs, and filled.
const COLUMNS: usize = 80;

/// Keeps lines and indents as they are, except in paragraphs.
fn verbatim(roff: &mut Roff, text: &str) {
    roff.control("nf", []);
    for line in text.lines() {
        let is_paragraph = line.len() > COLUMNS && !line.starts_with(' ');
        if is_paragraph {
            roff.control("fi", []);
        }
        roff.text([roman(line)]);
        if is_paragraph {
            roff.control("nf", []);
        }
    }
    roff.control("fi", []);
}

#[cfg(test)]
mod tests {
    use super::super::args::Cli;
    use super::*;
    use clap::CommandFactory;

    fn whole() -> String {
        let mut page = Vec::new();
        write(Cli::command(), &mut page).unwrap();
        String::from_utf8(page).unwrap()
    }

    fn escaped(text: &str) -> String {
        text.replace('-', "\\-")
    }

    #[test]
    fn holds_every_command_and_flag() {
        let page = whole();
        let command = Cli::command();
        for sub in command.get_subcommands() {
            let head = format!(".SH \"genesys-stream {}\"\n", sub.get_name());
            let (_, after) = page.split_once(&head).unwrap_or_else(|| panic!("{head}"));
            let part = after.split(".SH ").next().unwrap();
            for option in sub.get_arguments() {
                if let Some(long) = option.get_long() {
                    assert!(part.contains(&escaped(&format!("--{long}\\fR"))), "{head} --{long}");
                }
            }
        }
        for part in [
            ".SH \"EXIT STATUS\"",
            ".SH ENVIRONMENT",
            ".SH FILES",
            ".SH EXAMPLES",
            ".SH \"genesys-stream audit verify\"",
            "GENESYS_CLIENT_SECRET_FILE",
            "[default: 127.0.0.1:8080]",
        ] {
            assert!(page.contains(part) || !cfg!(feature = "simulator"), "{part}");
        }
    }

    #[test]
    fn no_text_is_taken_for_a_request() {
        let known = [
            ".ie", ".el", ".TH", ".SH", ".SS", ".TP", ".PP", ".nf", ".fi", ".br", ".RS", ".RE", ".IP",
        ];
        for line in whole().lines().filter(|line| line.starts_with(['.', '\''])) {
            assert!(known.iter().any(|request| line.starts_with(request)), "{line}");
        }
        let mut roff = Roff::new();
        verbatim(&mut roff, ".SH evil\n'q \\fB");
        assert!(
            roff.render().ends_with(".nf\n\\&.SH evil\n\\*(Aqq \\\\fB\n.fi\n"),
            "{}",
            roff.render()
        );
    }
}
