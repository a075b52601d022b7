//! Blocking work for requests, such as a read of the disk.
//!
//! On a thread of the runtime, a slow disk would stop the other requests, the timers and the health
//! check.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::problem::{EffectWord, Kind, Problem};

/// Runs a closure on a blocking thread once its permit is there, and waits for it at most `limit`.
///
/// The thread keeps the permit until the closure has returned, even after the limit. Without that,
/// each request to a store that hangs would block another thread.
pub(crate) async fn run<P: Send + 'static, T: Send + 'static>(
    permit: impl Future<Output = P>,
    limit: Duration,
    work: impl FnOnce(&mut P) -> T + Send + 'static,
) -> Result<T, Problem> {
    let running = async {
        let mut permit = permit.await;
        spawn_blocking(move || work(&mut permit)).await
    };
    let ran = timeout(limit, running).await;
    let ran = ran.map_err(|_| Problem::timeout(EffectWord::None))?;
    ran.map_err(|error| {
        let why =
            format_args!("the read failed: {error}; an operator must look at the server's log");
        Problem::new(Kind::Internal, why)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use tokio::sync::Semaphore;

    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(60);

    /// The runtime of the test has one thread: if the work blocked it, the test would hang.
    #[tokio::test]
    async fn work_that_hangs_holds_its_permits_and_no_request() {
        let permits = Arc::new(Semaphore::new(2));
        let permit = || Arc::clone(&permits).acquire_owned();
        let mut gates = Vec::new();
        for _ in 0..2 {
            let (release, gate) = channel::<()>();
            gates.push(release);
            let hangs = run(permit(), SOON, move |_| gate.recv().is_ok()).await;
            assert_eq!(hangs.unwrap_err().kind, Kind::Timeout);
        }
        // No permit is free, so the next work never begins.
        let next: Result<(), _> = run(permit(), SOON, |_| panic!("ran")).await;
        assert_eq!(next.unwrap_err().kind, Kind::Timeout);
        drop(gates);
        assert_eq!(run(permit(), LONG, |_| 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn work_that_panics_is_problem_and_returns_permit() {
        let permits = Arc::new(Semaphore::new(1));
        let permit = || Arc::clone(&permits).acquire_owned();
        let failed: Result<(), _> = run(permit(), LONG, |_| panic!("a bug")).await;
        assert_eq!(failed.unwrap_err().kind, Kind::Internal);
        assert_eq!(run(permit(), LONG, |_| 7).await.unwrap(), 7);
    }
}
