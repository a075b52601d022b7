//! A browser with a server behind it, and what a person does with both.

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

/// Longer than anything takes on a machine that does something else as well.
const LIMIT: Duration = Duration::from_secs(120);

/// What a test holds: the browser, and both sides of the server.
pub(crate) struct Page {
    pub(crate) client: Client,
    pub(crate) store: Store,
    pub(crate) stand_in: StandIn,
    pub(crate) clock: Clock,
    url: String,
    http: Http,
}

/// Runs a test with a browser and a server of its own, which end with it however it ends.
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
    // A task of its own, so that what fails in it ends here and not past the clearing up.
    let here = LocalSet::new();
    let running = here.spawn_local(async { test(page).await });
    let ended = here.run_until(running).await;
    // A test may have closed the last window, and with it the session.
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

    /// Waits until the page has an element like this.
    pub(crate) async fn see(&self, what: &str) -> Element {
        let wait = self.client.wait().at_most(LIMIT);
        match wait.for_element(Locator::Css(what)).await {
            Ok(element) => element,
            Err(why) => panic!("{what} does not come: {why}\n{}", self.said().await),
        }
    }

    /// Waits until it is there, and taps it.
    pub(crate) async fn tap(&self, what: &str) {
        self.with(what, async |it| it.click().await).await;
    }

    /// Types into a field that is empty.
    pub(crate) async fn write(&self, field: &str, text: &str) {
        self.with(field, async |it| it.send_keys(text).await).await;
    }

    /// Chooses among the values of a list.
    pub(crate) async fn choose(&self, list: &str, value: &str) {
        self.with(list, async |it| it.select_by_value(value).await)
            .await;
    }

    /// An attribute of an element that comes.
    pub(crate) async fn trait_of(&self, what: &str, name: &str) -> String {
        let value = self.with(what, async |it| it.attr(name).await).await;
        value.unwrap_or_else(|| panic!("{what} has no {name}"))
    }

    /// The text that a person sees.
    pub(crate) async fn text(&self, what: &str) -> String {
        self.with(what, async |it| it.text().await).await
    }

    /// Does something with an element; one that the page draws anew meanwhile is looked for again.
    async fn with<T>(&self, what: &str, act: impl AsyncFn(Element) -> Result<T, CmdError>) -> T {
        loop {
            match act(self.see(what).await).await {
                Err(why) if why.is_stale_element_reference() => continue,
                done => return done.unwrap(),
            }
        }
    }

    /// Waits until there are so many elements like this.
    pub(crate) async fn number(&self, what: &str, expected: usize) {
        let all_there = async || self.count(what).await == expected;
        self.until(&format!("{what} {expected} times"), all_there)
            .await;
    }

    /// How many elements like this the page has now.
    pub(crate) async fn count(&self, what: &str) -> usize {
        self.client
            .find_all(Locator::Css(what))
            .await
            .unwrap()
            .len()
    }

    /// What a script on the page returns.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// What the server answers, asked behind the page's back.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let reply = self.http.get(&format!("{}{path}", self.url)).await.unwrap();
        assert_eq!(reply.status, 200, "{path}: {:?}", reply.body);
        serde_json::from_slice(&reply.body).unwrap()
    }

    /// Where an order stands, asked in the same way.
    pub(crate) async fn status(&self, no: &str) -> String {
        let order = self.get(&format!("/orders/{no}")).await;
        order["status"].as_str().unwrap().to_owned()
    }

    /// Asks the server from within the page and gives its answer.
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

    /// Waits until something holds.
    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let end = Instant::now() + LIMIT;
        while !holds().await {
            assert!(Instant::now() < end, "{what} does not come");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Keeps what the browser shows in a file of this name, in the directory that
    /// `SCREENSHOTS` names, where it names one.
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
