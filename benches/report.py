#!/usr/bin/env python3
"""Makes docs/performance.md and docs/performance.svg from the JSON lines that the benches print.

    python3 benches/report.py docs/bench/*.jsonl

The text of the page and the targets are in report.md. Every figure is the median of its lines. The
program refuses lines from different machines, sizes or versions, so that a page never mixes them.
The lines do not name the commit: give the program only lines that were measured at one commit.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from statistics import median
from string import Template

OURS = "orderstore"
BENCHES = Path(__file__).parent
COLOURS = ["url(#glow)", "#5b8def", "#3aa6a0", "#9a7fd1", "#6aa84f", "#d06a92", "#8796ab", "#b8a03a"]

# A target in report.md: its name, sign, bound and unit, and the name of the value.
TARGET = re.compile(r"^\| ([^|]+) \| [^|]+ \| ([≥≤]) ([\d.,]+) (\S+) \| \$(\w+) \|$", re.M)

# What the page shows of the durable bench: the fields of each mode.
ALONE = {
    "callers": "rate ratio group_mean cpu_s_per_million switches_per_command p50_us p999_us",
    "pipelined": "rate group_mean cpu_s_per_million switches_per_command",
    "mirror": "rate alone to_alone to_pairs",
    "archive": "to_alone p99_to_alone cpu_to_alone window_p99",
    "batch": "rate rate_settled cpu_s_per_million switches_per_command",
    "grown": "growth get_ns",
    "latency": "arrivals_rate p50_us p999_us max_us overloaded",
    "reopen": "journal_bytes open_ms first_answer_ms",
    "backup": "kept backup_s",
    "memory": "memory.resident_max memory.bound memory.journal_max",
}

# The field that tells the runs of a mode apart.
KEYS = {
    "callers": "callers",
    "pipelined": "pipelined",
    "mirror": "callers",
    "archive": "callers",
    "batch": "batch",
    "grown": "orders",
    "latency": "base_orders",
    "reopen": "base_orders",
    "backup": "base_orders",
    "memory": "orders",
}


def flat(value, prefix=""):
    """Yields the fields of nested objects, as in `memory.bound`."""
    for name, field in value.items():
        if isinstance(field, dict):
            yield from flat(field, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def must_equal(first, other, what):
    if first != other:
        sys.exit(f"no page was written: the lines differ in {what}: {first} and {other}")


class Figures:
    """All lines with figures, and the start lines of the runs."""

    def __init__(self, paths):
        lines = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
        self.rows = [dict(flat(line)) for line in lines if "start" not in line]
        self.starts = [line["start"] for line in lines if "start" in line]
        self.machine, self.sizes, self.systems = self.starts[0]["machine"], {}, {}
        clocks = [start["mhz"] for start in self.starts if start["mhz"]]
        self.mhz = median(clocks) if clocks else None
        times = sorted(start["when"] for start in self.starts)
        self.first, self.last = times[0], times[-1]
        for start in self.starts:
            must_equal(self.machine, start["machine"], "machine")
            for name in ("seconds", "orders", "base", "users", "commands"):
                if name in start["settings"]:
                    size, what = start["settings"][name], f"{start['bench']}: {name}"
                    must_equal(self.sizes.setdefault(what, size), size, what)
            for system in start["settings"].get("systems", []):
                must_equal(self.systems.setdefault(system["name"], system), system, "version")

    def matching(self, where):
        return [row for row in self.rows if all(row.get(k) == v for k, v in where.items())]

    def all(self, field, **where):
        """Returns the distinct values of a field, in the order of their lines."""
        return list(dict.fromkeys(row[field] for row in self.matching(where) if field in row))

    def of(self, field, **where):
        """Returns the median of a field in all lines with these values, or None."""
        found = [row[field] for row in self.matching(where) if field in row]
        return median(found) if found else None

    def best(self, field, systems, **where):
        """Returns the largest value of these systems, and the name of the system that has it."""
        found = [(self.of(field, system=name, **where) or 0, name) for name in systems]
        return max(found, default=(0, ""))


def number(value, places=0):
    return "" if value is None else f"{value:,.{places}f}"


def over(ours, theirs):
    return ours / theirs if ours and theirs else None


def table(titles, rows):
    """Returns a table of the rows that have any figure."""
    lines = [titles, ["---"] + ["---:"] * (len(titles) - 1)] + [row for row in rows if any(row[1:])]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def targets(of):
    """Returns the measured value of each target in report.md, some with the system compared with."""

    def ours(field, **where):
        return of.of(field, system=OURS, **where)

    def alone(field, mode, **where):
        return of.of(field, setting="targets", mode=mode, **where)

    def ahead(field, **where):
        others = [name for name in of.systems if name != OURS]
        best, whose = of.best(field, others, **where)
        return over(ours(field, **where), best), whose

    def over_lmdb(field):
        return over(ours(field, part="reads"), of.of(field, part="reads", system="LMDB"))

    def bytes_each(system):
        where = {"part": "space", "system": system}
        return over(of.of("bytes_in_use", **where), of.of("orders", **where))

    def largest(mode, size="base_orders"):
        return {size: max(of.all(size, mode=mode), default=0)}

    cpu, number_ns = ours("cpu_s_per_million", part="batches"), ours("order_no.number_ns")
    values = {
        "disk": alone("ratio", "callers", callers=1),
        "tasks_ahead": ahead("rate", part="tasks"),
        "batches_ahead": ahead("rate_settled", part="batches"),
        "cycles": cpu * of.mhz if cpu and of.mhz else None,
        "latency": over(alone("p999_us", "latency", **largest("latency")), 1000),
        "growth": alone("growth", "grown", **largest("grown", "orders")),
        "get_new": ours("get_new_ns", part="reads"),
        "get": over_lmdb("get_ns"),
        "page": over_lmdb("page_us"),
        "space": over(bytes_each(OURS), bytes_each("RocksDB")),
        "number": number_ns,
        "number_16": over(ours("order_no.rate_16"), ours("order_no.rate_1")),
        "uuid": over(ours("uuid_v7.number_ns"), number_ns),
        "ulid": over(ours("ulid.number_ns"), number_ns),
        "reopen": alone("first_answer_ms", "reopen", **largest("reopen")),
        "memory": over(alone("memory.resident_max", "memory"), alone("memory.bound", "memory")),
    }
    for count in (1, 16, 64, 256):
        values[f"callers_{count}"] = ahead("rate", part="callers", callers=count)
    return values


def verdicts(of, text):
    """Returns the cells of the targets in the text, and the names of those that were missed."""
    cells, missed, values = {}, [], targets(of)
    for what, sign, bound, unit, key in TARGET.findall(text):
        value, whose = values[key] if isinstance(values[key], tuple) else (values[key], "")
        cells[key] = "not measured |"
        if value is not None:
            places, bound = len(bound.partition(".")[2]), float(bound.replace(",", ""))
            percent, is_below = f"{abs(value - bound) / bound * 100:.0f} %", value < bound
            verdict = f"reached, {percent} to spare"
            if value != bound and is_below == (sign == "≥"):
                verdict = f"**not reached**, {percent} {'below' if is_below else 'above'}"
                missed.append(what)
            cells[key] = f"{number(value, places)} {unit} {whose}".strip() + f" | {verdict}"
    return cells, missed


def when(of):
    """Returns when the lines were measured, and a warning if the run was a short one."""
    rounds = max(of.all("round"), default=1)
    text = f"{of.first} to {of.last}; {rounds} rounds, medians.\n"
    usual = {"rivals: seconds": 10, "rivals: orders": 1_000_000, "durable: seconds": 10}
    if rounds < 3 or any(of.sizes.get(what, size) < size for what, size in usual.items()):
        text += "\n**This run was shorter than usual, so its figures are less reliable.**\n"
    return text


def page(of, text):
    """Returns the page: the text with all figures, and the missed targets."""
    cells, missed = verdicts(of, text)
    facts = [[name, str(value)] for name, value in (of.machine | of.sizes).items()]
    forms = [[s["name"], s["version"], s["setting"]] for s in of.systems.values()]
    counts = sorted(of.all("callers", part="callers"))

    def by_callers(places, *fields):
        def cell(name, count):
            where = {"part": "callers", "system": name, "callers": count}
            values = [number(of.of(field, **where), places) for field in fields]
            return " / ".join(values) if any(values) else ""
        rows = [[name] + [cell(name, count) for count in counts] for name in of.systems]
        return table(["callers"] + [str(count) for count in counts], rows)

    def by_system(part, *columns):
        def cells(name):
            return [number(of.of(field, system=name, part=part), p) for _, field, p in columns]
        rows = [[name] + cells(name) for name in of.systems]
        return table(["system"] + [title for title, _, _ in columns], rows)

    def rates(part):
        return by_system(part, ("per second", "rate", 0), ("settled", "rate_settled", 0),
                         ("CPU s per million", "cpu_s_per_million", 1),
                         ("switches", "switches_per_command", 2),
                         ("p99, µs", "p99_us", 0), ("p99.9, µs", "p999_us", 0))

    syncs = of.all("fsync_rate", part="callers") or [0]
    return Template(text).substitute(
        cells, missed=f"{len(missed)} targets are missed.", when=when(of), machine=table(["", ""], facts),
        systems=table(["system", "version", "set up"], forms),
        rates=by_callers(0, "rate"), settled=by_callers(0, "rate_settled"),
        cpu=by_callers(1, "cpu_s_per_million"), switches=by_callers(2, "switches_per_command"),
        latencies=by_callers(0, "p50_us", "p99_us", "p999_us"),
        fsync=f"{number(min(syncs))} to {number(max(syncs))}",
        refused=rates("refused"), tasks=rates("tasks"), pipelined=rates("pipelined"),
        batches=rates("batches"), arrivals=arrivals(of), reads=reads(of), numbers=numbers(of),
        alone=alone(of)), missed


def arrivals(of):
    counts = sorted(of.all("arrivals"))
    rows = [[name] + [number(of.of("p999_us", system=name, arrivals=count)) for count in counts]
            for name in of.systems]
    return table(["system"] + [number(count) for count in counts], rows)


def reads(of):
    def cells(name):
        for field, places in (("get_ns", 0), ("get_new_ns", 0), ("page_us", 2)):
            yield number(of.of(field, system=name, part="reads"), places)
        orders = of.of("orders", system=name, part="space")
        for field in ("bytes_in_use", "bytes_on_disk"):
            yield number(over(of.of(field, system=name, part="space"), orders))
    titles = ["system", "get, ns", "get, new, ns", "page, µs", "bytes in use", "bytes on disk"]
    return table(titles, [[name, *cells(name)] for name in of.systems])


def numbers(of):
    kinds = {"order_no": "order number, 32 digits", "uuid_v7": "uuid v7", "ulid": "ulid"}
    rows = [[name, number(of.of(f"{kind}.number_ns"), 1), number(of.of(f"{kind}.rate_1")),
             number(of.of(f"{kind}.rate_16"))] for kind, name in kinds.items()]
    return table(["kind", "ns each", "1 thread, per second", "16 threads together, per second"], rows)


def alone(of):
    settings, rows = of.all("setting"), []
    for mode, fields in ALONE.items():
        for size in of.all(KEYS[mode], mode=mode):
            for field in fields.split():
                places = 0 if field.endswith(("rate", "us", "ns", "bytes", "max", "bound")) else 2
                where = {"mode": mode, KEYS[mode]: size}
                name = size if isinstance(size, str) else number(size)
                rows.append([f"{mode} {name}: {field}"] + [
                    number(of.of(field, setting=s, **where), places) for s in settings])
    return table(["what"] + settings, rows)


def picture(of):
    """Draws a group of bars for each number of callers; of each system the best form counts."""
    left, right, top, bottom = 52, 868, 112, 388
    families, counts = {}, sorted(of.all("callers", part="callers"))
    for name in of.systems:
        families.setdefault(name.split()[0], []).append(name)
    bars = [[of.best("rate", forms, part="callers", callers=count) for forms in families.values()]
            for count in counts]
    most = max(value for group in bars for value, _ in group)
    step = next(s * 10**p for p in range(9) for s in (1, 2, 5) if most <= 6 * s * 10**p)
    about = ("create an order, confirm its payment; every reply synced first · the best form of each"
             f" system · {of.machine['cores']} cores, {of.machine['filesystem']},"
             f" {of.first[:10]}")
    yield f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 880 430" role="img">
<title>Durable commands per second</title>
<style>
text {{ font: 11px ui-sans-serif, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #7d8590 }}
.title {{ font-size: 18px; font-weight: 600; fill: #d9730d }}
.middle {{ text-anchor: middle }} .end {{ text-anchor: end }}
path {{ stroke: #7d8590; stroke-opacity: .2 }}
</style>
<defs><linearGradient id="glow" x2="0" y2="1"><stop stop-color="#f7b23b"/>\
<stop offset="1" stop-color="#d9730d"/></linearGradient></defs>
<text class="title" x="16" y="28">Durable commands per second</text>
<text x="16" y="48">{about}</text>"""
    for x, (family, colour) in zip(range(16, 880, 106), zip(families, COLOURS)):
        yield (f'<rect fill="{colour}" x="{x}" y="66" width="12" height="12" rx="3"/>'
               f'<text x="{x + 18}" y="76">{family}</text>')
    for value in range(0, int(most) + 1, step):
        y = bottom - (bottom - top) * value / most
        yield (f'<path d="M{left} {y:.1f}H{right}"/>'
               f'<text class="end" x="{left - 8}" y="{y + 4:.1f}">{value / 1000:g}k</text>')
    wide = (right - left) / len(counts)
    slot = (wide - 26) / len(families)
    for place, (count, group) in enumerate(zip(counts, bars)):
        start, title = left + wide * place + 13, f"{count} caller{'s' if count > 1 else ''}"
        yield f'<text class="middle" x="{start + wide / 2 - 13:.1f}" y="412">{title}</text>'
        for x, ((value, name), colour) in enumerate(zip(group, COLOURS)):
            x, tall = start + slot * x, (bottom - top) * value / most
            yield (f'<rect fill="{colour}" x="{x:.1f}" y="{bottom - tall:.1f}" rx="3"'
                   f' width="{slot * .84:.1f}" height="{tall:.1f}"><title>{name}: {number(value)} per'
                   f' second</title></rect><text class="middle" x="{x + slot * .42:.1f}"'
                   f' y="{bottom - tall - 5:.1f}">{value / 1000:.{int(value < 9950)}f}k</text>')
    yield "</svg>\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("lines", nargs="+", type=Path, help="files of JSON lines")
    parser.add_argument("--out", type=Path, default=BENCHES.parent / "docs", help="directory (docs)")
    args = parser.parse_args()
    of = Figures(args.lines)
    written, missed = page(of, (BENCHES / "report.md").read_text())
    (args.out / "performance.md").write_text(written)
    if of.all("callers", part="callers"):
        (args.out / "performance.svg").write_text("\n".join(picture(of)))
    for what in missed:
        print(f"missed: {what}")


if __name__ == "__main__":
    main()
