#!/usr/bin/env python3
"""Prints what a command costs in each phase and on each thread, in cycles. Needs Linux and perf.

    python3 benches/profile.py

It runs the batches of `benches/durable` under `perf record` and groups the samples by the functions
on their stacks. A thread that waits costs nothing. Then it prints the allocations of a command, as
`tests/allocations.rs` counts them. If a function of the store moves, correct the tables below;
`--again` groups the last samples anew.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent

# The phases of a thread: the innermost frame that contains a text of a phase decides. A frame
# without a phase, such as one of the standard library, belongs to the phase of its caller.
PHASES = {
    "orderstore-committer": {
        "load": "WorkingSet::load WorkingSet::fetch WorkingSet::cell_of WorkingSet::place_of"
                " WorkingSet::collect_owners local::read::"
                " local::write::owner_cache LocalEngine::load engine::Engine>::load",
        "decide": "orderstore::rules::decide orderstore::rules::create orderstore::rules::confirm"
                  " orderstore::rules::change orderstore::rules::spare Runner::decide_one",
        "evolve": "orderstore::rules::evolve WorkingSet::apply_decision WorkingSet::take_mutations",
        "encode": "orderstore::format::codec orderstore::format::v1",
        "plan": "local::write::",
        "publish": "local::memtable",
        "journal": "local::journal local::disk",
        "rest of apply": "engine::Engine>::apply local::core",
        "rest of the group": "commit::group",
        "answers, wakes": "commit::oneshot commit::wake_chain commit::committer commit::watch",
        "queue": "commit::queue",
    },
    "orderstore-checkpoint": {
        "sort": "Memtable::sorted",
        "pages to the disk": "local::disk btree::backend",
        "B-tree": "local::btree redb::",
        "free": "Arc<T,A>::drop_slow",
        "rest": "orderstore::",
    },
    "callers": {
        "submit": "submit_all enqueue commit::queue",
        "wait": "commit::call commit::oneshot commit::wake_chain",
        "order numbers": "orderstore::order_no",
        "the bench's own": "durable::",
    },
    "others": {"all": "orderstore:: redb::"},
}

# Kinds of work below a phase: the innermost frame with a kind decides, up to the first frame of
# the store. Every other sample is the phase's own work, or the kernel's.
KINDS = {
    "allocate": r"malloc|calloc|realloc|cfree|_int_free|unlink_chunk|munmap|madvise|brk$|mremap",
    "copy": r"memmove|memcpy|memset",
    "hash": r"foldhash|siphasher|hashbrown|core::hash::|HashMap",
}
KINDS = {kind: re.compile(names) for kind, names in KINDS.items()}
COLUMNS = ["own", *KINDS, "kernel"]


def run(*command, **options):
    print("$", *command, file=sys.stderr)
    return subprocess.run(command, check=True, cwd=ROOT, text=True, **options)


def build():
    """Builds the bench and returns its path."""
    built = run("cargo", "bench", "--bench", "durable", "--no-run", "--message-format", "json",
                stdout=subprocess.PIPE)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    return next(m["executable"] for m in messages
                if m.get("executable") and m["target"]["name"] == "durable")


def counts_cycles():
    """Returns whether this machine counts cycles. Many virtual machines do not."""
    counted = run("perf", "stat", "-x,", "-e", "cycles", "true", stderr=subprocess.PIPE).stderr
    return "not supported" not in counted and "not counted" not in counted


def record(target, args):
    bench, event = build(), "cycles" if counts_cycles() else "cpu-clock"
    target.mkdir(parents=True, exist_ok=True)
    # Not by frame pointers: the allocator of the C library has none, so its callers would be lost.
    done = run("perf", "record", "--quiet", "-e", event, "-F", "999", "--call-graph", "dwarf",
               "-o", target / "perf.data", bench, "--batch", str(args.batch), "--commands",
               str(args.commands), stdout=subprocess.PIPE)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    (target / "lines.json").write_text(json.dumps([event, *lines]))


def samples(target):
    """Yields thread, period and stack of each sample, the innermost frame first."""
    script = run("perf", "script", "-i", target / "perf.data", "--no-inline",
                 "-F", "comm,tid,period,ip,sym", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for sample in script.stdout.split("\n\n"):
        head, *frames = sample.strip().splitlines() or [""]
        if head:
            name, _, period = head.rsplit(maxsplit=2)
            yield name.strip(), int(period), [tuple(frame.split(maxsplit=1)) for frame in frames]


def thread_of(name):
    """Returns the key in PHASES. The kernel cuts names after 15 bytes. Callers have no names."""
    if not name.startswith("orderstore-"):
        return "callers"
    return next((thread for thread in PHASES if thread.startswith(name)), "others")


def kind_of(frames):
    for address, name in frames:
        for kind, names in KINDS.items():
            if names.search(name):
                return kind
        if "orderstore::" in name or "redb::" in name:
            break
    # Addresses of the kernel are in the upper half.
    return "kernel" if frames and int(frames[0][0], 16) >> 63 else "own"


def phase_of(thread, frames):
    for _, name in frames:
        for phase, texts in PHASES[thread].items():
            if any(text in name for text in texts.split()):
                return phase
    return "caller unknown"


def tables(target):
    event, start, figures = json.loads((target / "lines.json").read_text())
    mhz, commands = start["start"]["mhz"], figures["commands"]
    if event != "cycles" and not mhz:
        sys.exit("this machine tells neither cycles nor its clock frequency")
    # The periods of `cpu-clock` are nanoseconds.
    unit = (1 if event == "cycles" else mhz / 1000) / commands
    cycles = defaultdict(Counter)
    for name, period, frames in samples(target):
        thread = thread_of(name)
        cycles[thread][phase_of(thread, frames), kind_of(frames)] += period * unit
    print(f"Cycles per command: batches of {figures['batch']:,}, {commands:,} commands, by {event}")
    for thread, phases in PHASES.items():
        rows = [[phase] + [cycles[thread][phase, kind] for kind in COLUMNS]
                for phase in [*phases, "caller unknown"]]
        rows.append(["all"] + [sum(column) for column in list(zip(*rows))[1:]])
        print(f"\n{thread:<22}" + "".join(f"{title:>10}" for title in ["total", *COLUMNS]))
        for phase, *values in rows:
            values = [sum(values), *values]
            print(f"  {phase:<20}" + "".join(f"{value:>10,.0f}" for value in values))
    print(f"\nall threads: {sum(thread.total() for thread in cycles.values()):,.0f}")


def allocations():
    tested = run("cargo", "test", "--test", "allocations", "--", "--nocapture",
                 stdout=subprocess.PIPE)
    found = [line for line in tested.stdout.splitlines() if "bytes per command" in line]
    print("\nAllocations:", *found, sep="\n  ")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--batch", type=int, default=8192, help="commands in a batch (8192)")
    parser.add_argument("--commands", type=int, default=1_000_000, help="all commands (1,000,000)")
    parser.add_argument("--again", action="store_true", help="group the last samples anew")
    args = parser.parse_args()
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "profile"
    if not args.again:
        record(target, args)
    tables(target)
    if not args.again:
        allocations()


if __name__ == "__main__":
    main()
