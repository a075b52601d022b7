//! Demonstration: a hundred customers, and a channel that fails in many ways.
//!
//! Each customer plays one scene, most of them concurrently. At the end the program compares the
//! store's orders with the channel's records. The demonstration fails unless every scene ended as
//! expected and both sides agree to the fen.

mod scenes;
mod stage;

use std::fmt::Write as _;
use std::time::Duration;

use futures_util::future::join_all;

use crate::audit::Audit;
use crate::channel::Point;
use crate::config::Config;
use crate::server::{Error, Server};
use crate::stand_in::Fault;
use scenes::Scene;
use stage::{Customer, Stage};

/// Factor by which the channel's intervals are shorter than documented.
const SHORTEN: u32 = 60;

/// Result of one customer's scene (scenario).
struct Ended {
    scene: Scene,
    trouble: Option<String>,
}

/// Runs the demonstration and prints the result. Returns whether everything was correct.
///
/// # Errors
/// If the server does not start or shut down.
pub async fn run() -> Result<bool, Error> {
    let config = Config {
        sweep_every: Duration::from_millis(200),
        channel_limit: Duration::from_secs(1),
        shorten: SHORTEN,
        ..Config::anywhere()
    };
    let server = Server::start(config).await?;
    let stage = Stage::of(&server)?;
    println!("a hundred customers at {}\n", server.url());
    let ended = play(&stage).await;
    let audit = Audit::of(server.store(), &stage.stand_in).await?;
    server.shutdown().await?;
    print!("{}\n{}", table(&ended), summary(&audit));
    let well = ended.iter().all(|one| one.trouble.is_none());
    Ok(well && audit.is_clean() && audit.orders == ended.len())
}

/// Plays the outage scenes while the channel answers no query, and the other scenes afterwards.
async fn play(stage: &Stage) -> Vec<Ended> {
    let mut customers = Scene::cast().zip(Customer::all()).collect::<Vec<_>>();
    let during = customers.extract_if(.., |(scene, _)| *scene == Scene::Outage);
    let during: Vec<_> = during.collect();
    stage.stand_in.break_at(Point::Query, Fault::Down);
    let repairing = repair_after_every_first_attempt(stage, during.len());
    let (mut ended, ()) = tokio::join!(act(stage, during), repairing);
    ended.extend(act(stage, customers).await);
    ended
}

async fn repair_after_every_first_attempt(stage: &Stage, customers: usize) {
    let notified = || {
        stage
            .stand_in
            .trades()
            .iter()
            .filter(|trade| trade.sent > 0)
            .count()
    };
    let all = async || Ok(notified() == customers);
    // Ignore the result of this wait: if it times out, the scenes report the failure later.
    drop(stage.until("every payment was sent once", all).await);
    stage.stand_in.mend(Point::Query);
}

async fn act(stage: &Stage, customers: Vec<(Scene, Customer)>) -> Vec<Ended> {
    let ends = customers.into_iter().map(async |(scene, customer)| {
        let played = scene.play(stage, &customer).await;
        let trouble = played.err().map(|error| error.to_string());
        Ended { scene, trouble }
    });
    join_all(ends).await
}

fn table(ended: &[Ended]) -> String {
    let mut text = format!("{:<66}{:>5}{:>5}\n", "scene", "run", "ok");
    for (scene, count) in Scene::ALL {
        let own = || ended.iter().filter(|one| one.scene == scene);
        let well = own().filter(|one| one.trouble.is_none()).count();
        let _ = writeln!(text, "{:<66}{count:>5}{well:>5}", scene.label());
        for trouble in own().filter_map(|one| one.trouble.as_ref()) {
            let _ = writeln!(text, "  ! {trouble}");
        }
    }
    text
}

fn summary(audit: &Audit) -> String {
    let yuan = |fen: u64| format!("{}.{:02}", fen / 100, fen % 100);
    let (orders, paid) = (audit.orders, audit.paid);
    let (fen, back) = (yuan(audit.fen), yuan(audit.given_back));
    let mut text = format!("{orders} orders; {paid} paid once, {fen} yuan; {back} yuan refunded\n");
    for difference in &audit.differences {
        let _ = writeln!(text, "  ! {difference}");
    }
    if audit.is_clean() {
        text += "the channel's records agree to the fen\n";
    }
    text
}
