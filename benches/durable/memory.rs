//! Memory: fills a store and then reads random orders from all parts of it, which fills the caches.
//! Reports the peak beside the bound that the settings imply.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::batch;
use crate::grow;
use crate::sample::Checked;
use crate::setting::Setting;
use crate::watch::{Watched, watched};

/// Number of orders in the store, and peak memory while it was filled and read.
#[derive(Serialize)]
#[serde(tag = "mode", rename = "memory")]
pub(crate) struct Held {
    orders: u64,
    #[serde(flatten)]
    watched: Watched,
}

pub(crate) fn measure(
    setting: Setting,
    dir: &Path,
    (orders, users): (u64, u64),
    length: Duration,
) -> Checked<Held> {
    let store = setting.init(&dir.join("store"))?;
    let ((), watched) = watched(&store, setting, || {
        let numbers = batch::fill(&store, orders, users)?;
        grow::get(&store, &numbers, length)?;
        Ok(())
    })?;
    store.shutdown().wait()?;
    Ok(Held { orders, watched })
}
