//! Command line of the payment server; `--help` lists its arguments.

use std::io::IsTerminal;
use std::process::ExitCode;

use payment_server::{Config, Error, HELP, Mode, Server, demo, load};
use tracing_subscriber::fmt::format::FmtSpan;

fn main() -> ExitCode {
    match Config::from_args(std::env::args_os().skip(1)) {
        Ok((Mode::Help, _)) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok((mode, config)) => run(mode, config),
        Err(error) => {
            eprintln!("payment_server: {error}");
            ExitCode::from(2)
        }
    }
}

#[tokio::main]
async fn run(mode: Mode, config: Config) -> ExitCode {
    let done = match mode {
        Mode::Demo => demo::run().await,
        Mode::Load(time) => load::run(time).await,
        Mode::Serve | Mode::Help => serve(config).await.map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("payment_server: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until Ctrl-C or, on Unix, SIGTERM.
async fn serve(config: Config) -> Result<(), Error> {
    tracing_subscriber::fmt()
        .with_max_level(config.log)
        // Log the end of each span, because the store reports its commands only as spans, at level
        // DEBUG.
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let kept = config.data.clone();
    let server = Server::start(config).await?;
    println!("payment server: {}", server.url());
    match kept {
        Some(dir) => println!("orders: {}", dir.display()),
        None => println!("orders are deleted when the server ends; --data DIR keeps them"),
    }
    shutdown_signal().await?;
    println!("shutting down");
    server.shutdown().await
}

#[cfg(unix)]
async fn shutdown_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn shutdown_signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
