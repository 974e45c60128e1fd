//! The rows of a group by metric and qualifier.
//!
//! In: rows · Out: the same, in the order of their keys · Thread: any (pure).

use super::Row;
use crate::event::facts::ObservationRow;
use crate::event::stats::Name;

/// Metric and qualifier.
pub(super) type RowKey = (Name, Option<Name>);

/// Rows in the order of their keys.
#[derive(Debug, Default)]
pub(super) struct Rows {
    #[expect(clippy::vec_box, reason = "a new row between others moves only their addresses")]
    rows: Vec<Box<Known>>,
}

#[derive(Debug)]
struct Known {
    key: RowKey,
    row: Row,
    /// Where the row is that followed this one in the last message: messages nearly always have the same order.
    next: usize,
}

/// The place of the row before in a message, if there was one.
pub(super) type Before = Option<usize>;

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn get(&self, (metric, qualifier): (&str, Option<&str>)) -> Option<&Row> {
        let at = self.find(metric, qualifier).ok()?;
        Some(&self.rows[at].row)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&RowKey, &Row)> {
        self.rows.iter().map(|known| (&known.key, &known.row))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&RowKey, &mut Row)> {
        self.rows.iter_mut().map(|known| (&known.key, &mut known.row))
    }

    pub(super) fn retain(&mut self, is_kept: impl Fn(&str) -> bool) {
        self.rows.retain(|known| is_kept(&known.key.0));
    }

    /// The row of this key, a new one if there is `room`.
    pub(super) fn entry(&mut self, of: &ObservationRow, before: &mut Before, room: bool) -> Option<(&mut Row, bool)> {
        let (metric, qualifier) = (&of.metric, of.qualifier.as_deref());
        let is_it = |known: &Known| known.key.0 == *metric && known.key.1.as_deref() == qualifier;
        let guess = before.map_or(0, |before| self.rows.get(before).map_or(0, |known| known.next));
        let (at, is_new) = match self.rows.get(guess) {
            Some(known) if is_it(known) => (guess, false),
            _ => match self.find(metric, qualifier) {
                Ok(at) => (at, false),
                Err(_) if !room => return None,
                Err(at) => {
                    let known = Known {
                        key: (metric.clone(), of.qualifier.clone()),
                        row: Row::default(),
                        next: 0,
                    };
                    self.rows.insert(at, Box::new(known));
                    (at, true)
                }
            },
        };
        if at != guess
            && let Some(known) = before.and_then(|before| self.rows.get_mut(before))
        {
            known.next = at;
        }
        *before = Some(at);
        Some((&mut self.rows[at].row, is_new))
    }

    fn find(&self, metric: &str, qualifier: Option<&str>) -> Result<usize, usize> {
        self.rows.binary_search_by(|known| {
            let (of_metric, of_qualifier) = &known.key;
            (**of_metric)
                .cmp(metric)
                .then_with(|| of_qualifier.as_deref().cmp(&qualifier))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(metric: &str, qualifier: Option<&str>) -> ObservationRow {
        ObservationRow {
            media: None,
            interval: None,
            metric: metric.into(),
            qualifier: qualifier.map(Name::from),
            stats: Default::default(),
        }
    }

    #[test]
    fn rows_are_found_in_any_order_of_a_message() {
        let mut rows = Rows::default();
        let keys = [
            ("tHandle", None),
            ("nOffered", None),
            ("oUsers", Some("b")),
            ("oUsers", None),
        ];
        let more = [("oUsers", Some("a")), ("aFirst", None)];
        let orders: [&[(&str, Option<&str>)]; 4] = [&keys, &keys, &more, &[keys[3], keys[0], more[1], keys[2]]];
        let mut known = Vec::new();
        for order in orders {
            let mut before = None;
            for (metric, qualifier) in order {
                let (_, is_new) = rows.entry(&row(metric, *qualifier), &mut before, true).unwrap();
                assert_eq!(is_new, !known.contains(&(*metric, *qualifier)), "{metric}");
                known.push((*metric, *qualifier));
            }
        }
        known.sort_unstable();
        known.dedup();
        let all = rows
            .iter()
            .map(|((metric, qualifier), _)| (&**metric, qualifier.as_deref()));
        assert_eq!(all.collect::<Vec<_>>(), known);
        assert!(rows.get(("oUsers", Some("b"))).is_some() && rows.get(("oUsers", Some("c"))).is_none());
        assert!(rows.entry(&row("new", None), &mut None, false).is_none());
        rows.retain(|metric| metric != "oUsers");
        assert_eq!(rows.len(), 3);
    }
}
