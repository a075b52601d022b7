//! Random test of the money rules. A simulated channel keeps its own ledger of payments and
//! refunds. A simple server does only what the store allows. After each step the test compares the
//! store with the ledger.

mod channel;
mod judge;
mod server;

use proptest::prelude::*;

use server::Server;

/// Strategy for a random schedule. Each step is a tuple: kind of the step, two random parameters.
fn steps() -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
    let step = (0_u8..20, any::<u8>(), any::<u8>());
    prop::collection::vec(step, 20..90)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn random_schedule_never_refunds_twice_or_loses_money(
        steps in steps(),
        seed in any::<u64>(),
    ) {
        let mut server = Server::open();
        for (kind, a, b) in steps {
            server.step(kind, a, b);
            server.check_all();
        }
        server.settle(seed);
    }
}
