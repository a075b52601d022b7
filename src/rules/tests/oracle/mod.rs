//! Money against a truth of its own: a simulated channel keeps what was paid in and what it
//! sent out, a simple server does only what the store allows, and an oracle compares.

mod channel;
mod judge;
mod server;

use proptest::prelude::*;

use server::Server;

/// What happens next: the kind of step, and two choices within it.
fn steps() -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
    let step = (0_u8..20, any::<u8>(), any::<u8>());
    prop::collection::vec(step, 20..90)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn money_is_never_given_back_twice_or_lost_from_sight(
        steps in steps(),
        seed in any::<u64>(),
    ) {
        let mut server = Server::open();
        for (kind, a, b) in steps {
            server.step(kind, a, b);
            server.judge();
        }
        server.settle(seed);
    }
}
