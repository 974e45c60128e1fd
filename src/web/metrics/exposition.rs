//! The two text formats: Prometheus 0.0.4 and OpenMetrics 1.0.
//!
//! In: families and samples · Out: text · Thread: any (pure).

use std::fmt::{Display, Write as _};

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

/// Text under construction.
pub(super) struct Exposition {
    format: Format,
    text: String,
}

impl Exposition {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            text: String::with_capacity(16 * 1024),
        }
    }

    /// Adds a family with the samples that `samples` writes; without any it is left out. `help` holds no backslash, quote
    /// or line end.
    pub(super) fn family(&mut self, kind: Kind, name: &str, help: &str, samples: impl FnOnce(&mut Samples<'_>)) {
        let begun = self.text.len();
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
            self.text,
            "# HELP {name}{family_suffix} {help}\n# TYPE {name}{family_suffix} {type_name}"
        );
        let headed = self.text.len();
        samples(&mut Samples {
            name,
            suffix,
            text: &mut self.text,
        });
        if self.text.len() == headed {
            self.text.truncate(begun);
        }
    }

    /// A gauge of one sample without labels.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: Option<f64>) {
        self.family(Kind::Gauge, name, help, |to| to.add(&[], value));
    }

    pub(super) fn end(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// Takes the samples of one family.
pub(super) struct Samples<'a> {
    name: &'a str,
    suffix: &'a str,
    text: &'a mut String,
}

impl Samples<'_> {
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
        self.text.push_str(self.name);
        self.text.push_str(self.suffix);
        for (number, (label, text)) in labels.iter().enumerate() {
            self.text.push(if number == 0 { '{' } else { ',' });
            self.text.push_str(label);
            self.text.push_str("=\"");
            for c in text.chars() {
                match c {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    c => self.text.push(c),
                }
            }
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}
