//! A hundred customers, and a channel at its worst.
//!
//! Each customer lives through one scene, most of them at the same time. In the end the
//! store's orders are compared with the channel's books: the demonstration fails unless every
//! scene ended as it should and both agree to the fen.

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

/// By how much the channel's intervals are shorter than those documented.
const SHORTEN: u32 = 60;

/// How one customer's scene ended.
struct Ended {
    scene: Scene,
    trouble: Option<String>,
}

/// Runs it, and prints what came of it. Whether all was as it should be.
///
/// # Errors
/// Where the server does not start or does not end.
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
    print!("{}\n{}", table(&ended), books(&audit));
    let well = ended.iter().all(|one| one.trouble.is_none());
    Ok(well && audit.is_clean() && audit.orders == ended.len())
}

/// Two acts: while the channel answers no question, and while it does.
async fn play(stage: &Stage) -> Vec<Ended> {
    let mut customers = Scene::cast().zip(Customer::all()).collect::<Vec<_>>();
    let during = customers.extract_if(.., |(scene, _)| *scene == Scene::Outage);
    let during: Vec<_> = during.collect();
    stage.stand_in.break_at(Point::Query, Fault::Down);
    let mending = mend_when_all_were_told_in_vain(stage, during.len());
    let (mut ended, ()) = tokio::join!(act(stage, during), mending);
    ended.extend(act(stage, customers).await);
    ended
}

async fn mend_when_all_were_told_in_vain(stage: &Stage, customers: usize) {
    let told = || {
        stage
            .stand_in
            .trades()
            .iter()
            .filter(|trade| trade.sent > 0)
            .count()
    };
    let all = async || Ok(told() == customers);
    // Where it does not come to that, the scenes say so.
    drop(stage.until("each was told once", all).await);
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
    let mut text = format!("{:<66}{:>5}{:>5}\n", "what happens", "of", "well");
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

fn books(audit: &Audit) -> String {
    let yuan = |fen: u64| format!("{}.{:02}", fen / 100, fen % 100);
    let (orders, paid) = (audit.orders, audit.paid);
    let (fen, back) = (yuan(audit.fen), yuan(audit.given_back));
    let mut text = format!("{orders} orders; {paid} paid once, {fen} yuan; {back} given back\n");
    for difference in &audit.differences {
        let _ = writeln!(text, "  ! {difference}");
    }
    if audit.is_clean() {
        text += "the channel's books say the same, to the fen\n";
    }
    text
}
