//! The example of the crate's documentation works.

use std::process::Command;

use crate::harness::{Place, Rig};

#[tokio::test(flavor = "multi_thread")]
async fn documented_curl_commands_work() {
    let has = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !has("curl") || !has("bash") {
        eprintln!("skipped: there is no curl or no bash");
        return;
    }
    let rig = Rig::unix().await;
    let Place::Unix(path) = &rig.place else {
        panic!("no socket")
    };
    let lines = include_str!("../../src/lib.rs").lines();
    let lines = lines.skip_while(|line| *line != "//! ```sh").skip(1);
    let script: Vec<_> = lines
        .take_while(|line| *line != "//! ```")
        .map(|line| line.strip_prefix("//!").unwrap())
        .collect();
    let socket = "/run/shop/orders.sock";
    let script = script.join("\n");
    assert!(script.contains(socket));
    let script = script.replace(socket, path.to_str().unwrap());
    let run = Command::new("bash")
        .args(["-ec", &script])
        .output()
        .unwrap();
    let shown = String::from_utf8(run.stdout).unwrap();
    for part in [
        r#""outcome":"created""#,
        r#""outcome":"applied""#,
        r#""payStatus":"success""#,
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    rig.close().await;
}
