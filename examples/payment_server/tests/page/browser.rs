//! A browser, a server behind it, and the actions of a user.

use std::panic::resume_unwind;
use std::path::Path;
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::{Client, Locator};
use orderstore::Store;
use payment_server::{Clock, Config, Http, Server, StandIn};
use serde_json::Value;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

use crate::driver::Driver;

/// Time limit for every wait, on a machine that is busy with other work.
const LIMIT: Duration = Duration::from_secs(120);

/// The browser, and the store and the stand-in of the server.
pub(crate) struct Page {
    pub(crate) client: Client,
    pub(crate) store: Store,
    pub(crate) stand_in: StandIn,
    pub(crate) clock: Clock,
    url: String,
    http: Http,
}

/// Runs a test with its own browser and server. Both are stopped even if the test fails.
pub(crate) async fn with_a_page(test: impl AsyncFnOnce(Page) + 'static) {
    let Some(driver) = Driver::start() else {
        return;
    };
    let config = Config::anywhere();
    let clock = config.clock.clone();
    let server = Server::start(config).await.unwrap();
    let client = driver.browser().await;
    let page = Page {
        client: client.clone(),
        store: server.store().clone(),
        stand_in: server.stand_in().unwrap().clone(),
        clock,
        url: server.url(),
        http: Http::new(LIMIT),
    };
    // The test runs in a separate task, so that a panic does not skip the cleanup below.
    let here = LocalSet::new();
    let running = here.spawn_local(async { test(page).await });
    let ended = here.run_until(running).await;
    // Ignore an error: a test may have closed the last window and thus the session.
    let _ = client.close().await;
    drop(driver);
    server.shutdown().await.unwrap();
    if let Err(failed) = ended {
        resume_unwind(failed.into_panic());
    }
}

impl Page {
    /// Opens a page of the server and waits until its script has drawn it.
    pub(crate) async fn open(&self, path: &str) {
        self.client
            .goto(&format!("{}{path}", self.url))
            .await
            .unwrap();
        self.see("body[data-ready]").await;
    }

    /// Waits for an element that matches the selector.
    pub(crate) async fn see(&self, what: &str) -> Element {
        let wait = self.client.wait().at_most(LIMIT);
        match wait.for_element(Locator::Css(what)).await {
            Ok(element) => element,
            Err(why) => panic!("{what} did not appear: {why}\n{}", self.said().await),
        }
    }

    /// Waits for an element and taps it.
    pub(crate) async fn tap(&self, what: &str) {
        self.with(what, async |it| it.click().await).await;
    }

    /// Types into an empty field.
    pub(crate) async fn write(&self, field: &str, text: &str) {
        self.with(field, async |it| it.send_keys(text).await).await;
    }

    /// Selects a value of a list.
    pub(crate) async fn choose(&self, list: &str, value: &str) {
        self.with(list, async |it| it.select_by_value(value).await)
            .await;
    }

    /// Waits for an element and returns an attribute of it.
    pub(crate) async fn trait_of(&self, what: &str, name: &str) -> String {
        let value = self.with(what, async |it| it.attr(name).await).await;
        value.unwrap_or_else(|| panic!("{what} has no {name}"))
    }

    /// Waits for an element and returns its visible text.
    pub(crate) async fn text(&self, what: &str) -> String {
        self.with(what, async |it| it.text().await).await
    }

    /// Runs an action on an element, and looks it up again if the page redraws it meanwhile.
    async fn with<T>(&self, what: &str, act: impl AsyncFn(Element) -> Result<T, CmdError>) -> T {
        loop {
            match act(self.see(what).await).await {
                Err(why) if why.is_stale_element_reference() => continue,
                done => return done.unwrap(),
            }
        }
    }

    /// Waits until the page has this many matching elements.
    pub(crate) async fn number(&self, what: &str, expected: usize) {
        let all_there = async || self.count(what).await == expected;
        self.until(&format!("{what} {expected} times"), all_there)
            .await;
    }

    /// Returns the number of matching elements that the page has now.
    pub(crate) async fn count(&self, what: &str) -> usize {
        self.client
            .find_all(Locator::Css(what))
            .await
            .unwrap()
            .len()
    }

    /// Runs a script on the page and returns its result.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Sends a GET request directly to the server, not through the page, and returns the answer.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let reply = self.http.get(&format!("{}{path}", self.url)).await.unwrap();
        assert_eq!(reply.status, 200, "{path}: {:?}", reply.body);
        serde_json::from_slice(&reply.body).unwrap()
    }

    /// Returns the status of an order. The request goes directly to the server.
    pub(crate) async fn status(&self, no: &str) -> String {
        let order = self.get(&format!("/orders/{no}")).await;
        order["status"].as_str().unwrap().to_owned()
    }

    /// Sends a POST request from within the page and returns the answer.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        const ASK: &str = "const [path, body, over] = arguments;
            fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' },
                          body: JSON.stringify(body) })
                .then(async (reply) => over(reply.ok ? await reply.json() : { failed: await reply.text() }));";
        let said = self
            .client
            .execute_async(ASK, vec![path.into(), body])
            .await
            .unwrap();
        assert!(said.get("failed").is_none(), "{path}: {said}");
        said
    }

    /// Waits until the condition is true. Panics after `LIMIT`.
    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let end = Instant::now() + LIMIT;
        while !holds().await {
            assert!(Instant::now() < end, "{what} did not happen in time");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Saves a screenshot under this name in the directory `SCREENSHOTS`, if that variable is set.
    pub(crate) async fn picture(&self, name: &str) {
        if let Some(dir) = std::env::var_os("SCREENSHOTS") {
            let shown = self.client.screenshot().await.unwrap();
            let file = Path::new(&dir).join(name).with_extension("png");
            std::fs::write(file, shown).unwrap();
        }
    }

    async fn said(&self) -> String {
        let shown = self
            .client
            .execute("return document.body.innerText", Vec::new())
            .await;
        shown.map_or_else(|why| why.to_string(), |text| text.to_string())
    }
}
