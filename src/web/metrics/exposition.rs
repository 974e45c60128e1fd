//! The two text formats: Prometheus 0.0.4 and OpenMetrics 1.0.
//!
//! In: families and samples · Out: text, in blocks · Thread: any (pure).

use std::fmt::{Display, Write as _};
use std::io;

/// One of the two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Format {
    Prometheus,
    OpenMetrics,
}

impl Format {
    /// The format that an `Accept` header prefers; Prometheus' own if it names none.
    pub(in crate::web) fn of_accept(accept: Option<&str>) -> Self {
        let (mut open, mut plain) = (0.0, 0.0);
        for range in accept.unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts
                .filter_map(|part| part.strip_prefix("q="))
                .find_map(|q| q.parse::<f64>().ok())
                .unwrap_or(1.0);
            match media.as_str() {
                "application/openmetrics-text" => open = weight,
                "text/plain" => plain = weight,
                _ => {}
            }
        }
        if open > 0.0 && open >= plain {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    pub(in crate::web) fn media_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Kinds of families.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Gauge,
    /// Only grows while the process lives; its name is given without `_total`.
    Counter,
}

/// Label names and values of one sample.
pub(super) type Labels<'a> = [(&'a str, &'a str)];

/// Bytes that are gathered before they are written.
const BLOCK_BYTES: usize = 64 * 1024;

/// Text under construction, which is written block by block.
pub(super) struct Exposition<'a> {
    format: Format,
    block: Block<'a>,
}

struct Block<'a> {
    text: String,
    out: &'a mut dyn io::Write,
    /// Of all blocks so far; after an error nothing more is written.
    written: io::Result<()>,
}

impl Block<'_> {
    fn write(&mut self) {
        if self.written.is_ok() {
            self.written = self.out.write_all(self.text.as_bytes());
        }
        self.text.clear();
    }
}

impl<'a> Exposition<'a> {
    pub(super) fn new(format: Format, out: &'a mut dyn io::Write) -> Self {
        Self {
            format,
            block: Block {
                text: String::with_capacity(16 * 1024),
                out,
                written: Ok(()),
            },
        }
    }

    /// Adds a family with the samples that `samples` writes; without any it is left out. `help` holds no backslash, quote
    /// or line end.
    pub(super) fn family(&mut self, kind: Kind, name: &str, help: &str, samples: impl FnOnce(&mut Samples<'_, '_>)) {
        if self.block.written.is_err() {
            return;
        }
        let begun = self.block.text.len();
        let (suffix, type_name) = match kind {
            Kind::Gauge => ("", "gauge"),
            Kind::Counter => ("_total", "counter"),
        };
        let family_suffix = match self.format {
            Format::Prometheus => suffix,
            Format::OpenMetrics => "",
        };
        // Writing into a String cannot fail.
        let _ = writeln!(
            self.block.text,
            "# HELP {name}{family_suffix} {help}\n# TYPE {name}{family_suffix} {type_name}"
        );
        let mut to = Samples {
            name,
            suffix,
            block: &mut self.block,
            is_empty: true,
        };
        samples(&mut to);
        if to.is_empty {
            self.block.text.truncate(begun);
        }
    }

    /// A gauge of one sample without labels.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: Option<f64>) {
        self.family(Kind::Gauge, name, help, |to| to.add(&[], value));
    }

    /// Writes the rest; gives the first error of all.
    pub(super) fn end(mut self) -> io::Result<()> {
        if self.format == Format::OpenMetrics {
            self.block.text.push_str("# EOF\n");
        }
        self.block.write();
        self.block.written
    }
}

/// Takes the samples of one family.
pub(super) struct Samples<'a, 'b> {
    name: &'a str,
    suffix: &'a str,
    block: &'a mut Block<'b>,
    is_empty: bool,
}

impl Samples<'_, '_> {
    /// Adds a sample, if there is a value.
    pub(super) fn add(&mut self, labels: &Labels<'_>, value: Option<f64>) {
        if let Some(value) = value {
            self.write(labels, &value);
        }
    }

    /// Adds a count, which is exact where a float would be rounded.
    pub(super) fn count(&mut self, labels: &Labels<'_>, value: u64) {
        self.write(labels, &value);
    }

    fn write(&mut self, labels: &Labels<'_>, value: &dyn Display) {
        self.is_empty = false;
        let text = &mut self.block.text;
        text.push_str(self.name);
        text.push_str(self.suffix);
        for (number, (label, label_value)) in labels.iter().enumerate() {
            text.push(if number == 0 { '{' } else { ',' });
            text.push_str(label);
            text.push_str("=\"");
            for c in label_value.chars() {
                match c {
                    '\\' => text.push_str("\\\\"),
                    '"' => text.push_str("\\\""),
                    '\n' => text.push_str("\\n"),
                    c => text.push(c),
                }
            }
            text.push('"');
        }
        if !labels.is_empty() {
            text.push('}');
        }
        let _ = writeln!(text, " {value}");
        if text.len() >= BLOCK_BYTES {
            self.block.write();
        }
    }
}
