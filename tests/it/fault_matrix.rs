//! Each fault for each protocol, plain and under TLS.
//!
//! In: a simulator with faults on demand · Out: verdicts · Thread: the test's, one a protocol.

use crate::support::front::Front;
use crate::support::{fixture_path, for_all_protocols, impatient, start, watch};
use genesys_stream::simulator::Simulator;

#[test]
fn under_tls() {
    for_all_protocols(|protocol| {
        let sim = start(Simulator::builder().tls_front(true));
        let front = Front::start(sim.local_addr());
        let stream = watch(impatient(&front.url(), protocol).ca_file(fixture_path("tls/ca.pem")));
        stream.until_fed();
        sim.control("reset").unwrap();
        stream.until_reconnected(1);
        stream.stop();
    });
}
