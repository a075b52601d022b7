# List the commands.
default:
    @just --list

# Run all tests.
test:
    cargo test --all-features

# Run the commit pipeline in thousands of thread schedules.
schedules:
    RUSTFLAGS="--cfg shuttle -D warnings" \
        cargo test -p orderstore --lib --target-dir target/shuttle -- schedules:: oneshot:: wake_chain::

# Format and lint.
lint:
    cargo fmt --all
    cargo clippy --all-targets --all-features -- -D warnings

# Build the documentation and treat warnings as errors.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --all-features --no-deps

# Run every check of CI on this machine.
ci:
    .ci/run

# Run the fuzz targets for so many seconds.
fuzz seconds="240":
    fuzz/run {{seconds}}

# Measure durable throughput and latency.
bench:
    cargo bench --bench durable

# Accept changed snapshots of the command line.
snapshots:
    INSTA_UPDATE=always cargo test --all-features --test cli
