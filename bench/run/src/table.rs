//! Medians, spreads and ratios, as lines of text.
//!
//! In: figures of the rounds · Out: text · Thread: any (pure).

/// The median, with the least and the greatest.
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub greatest: f64,
}

/// Sorts the figures of the rounds; there is at least one.
pub fn spread(mut figures: Vec<f64>) -> Spread {
    figures.sort_by(f64::total_cmp);
    Spread {
        least: figures[0],
        median: (figures[(figures.len() - 1) / 2] + figures[figures.len() / 2]) / 2.0,
        greatest: figures[figures.len() - 1],
    }
}

/// The ratio of each round, so that what disturbs the machine for a while disturbs both.
pub fn ratio(ours: &[f64], theirs: &[f64]) -> Spread {
    spread(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect())
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            least,
            median,
            greatest,
        } = self;
        // Three digits that count.
        let digits = |value: f64| match value {
            value if value >= 100.0 => 0,
            value if value >= 10.0 => 1,
            _ => 2,
        };
        f.pad(&format!(
            "{median:.0$} ({least:.1$}-{greatest:.2$})",
            digits(*median),
            digits(*least),
            digits(*greatest)
        ))
    }
}
