//! Large files are read in linear time.
//!
//! In: JSON with tens of thousands of entries · Out: verdicts within a generous time · Thread: the test's.

use std::time::Instant;

use super::*;

/// Quadratic time would be minutes here, linear time is well below a second.
const GENEROUS: Duration = Duration::from_secs(20);

#[test]
fn forty_thousand_queues_and_as_many_wrong_ones_are_read_in_linear_time() {
    let begun = Instant::now();
    let uuid = |n: usize| format!("\"00000000-0000-4000-8000-{n:012}\"");
    let queues: Vec<_> = (0..40_000).chain(0..40_000).map(uuid).collect();
    let text = format!(r#"{{"subscribe":{{"queues":[{}]}}}}"#, queues.join(",\n"));
    let config = whole().json("f.json", text).build().unwrap();
    assert_eq!(config.subscribe.queues.len(), 40_000, "each once, in its order");
    assert_eq!(config.subscribe.queues[39_999], uuid(39_999).trim_matches('"'));
    let text = format!(r#"{{"subscribe":{{"queues":[{}]}}}}"#, vec!["7"; 40_000].join(",\n"));
    let problems = whole().json("f.json", text).build().unwrap_err().to_string();
    assert!(
        problems.contains("f.json:1:25") && problems.contains("f.json:40000:1"),
        "places are right"
    );
    assert!(begun.elapsed() < GENEROUS, "{:?}", begun.elapsed());
}
