//! Numbers with their nouns, for messages.
//!
//! In: a number, a noun · Out: text · Thread: any (pure).

/// `1 queue`, `2 queues`; the noun must have a regular plural.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        assert_eq!(counted(0, "queue"), "0 queues");
        assert_eq!(counted(1, "queue"), "1 queue");
        assert_eq!(counted(2, "queue"), "2 queues");
    }
}
