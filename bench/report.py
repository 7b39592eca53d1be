"""What a run of judge.py measured, as a page (Markdown) and as a plot (PNG, by Debian's python3-matplotlib)."""

import compare

# Peers from left to right; those that are not named here come behind.
ORDER = ["sluice", "sluice-epoll", "sluice-busy", "sluice-two", "nginx", "haproxy", "envoy", "limit-uring", "limit-epoll",
         "limit-splice"]
# The key of a row that is shown, by kind of scenario, and its unit.
SHOWN = {
    "startup": [("startup_ms", "ms"), ("kib_per_certificate", "KiB/certificate")],
    "idle": [("kib_per_connection", "KiB/connection")],
    "rate": [("p50_us", "us, median latency")],
}
CPU_TIME = [("cpu_us_median", "us of CPU/request")]


def quantities(rows):
    """(scenario, unit, {peer: value}) of all that was measured, in the order of the scenarios."""
    for scenario in compare.SCENARIOS:
        for key, unit in SHOWN.get(scenario.kind, CPU_TIME):
            values = {r["peer"]: r[key] for r in rows if r["scenario"] == scenario.id and r.get(key) is not None}
            if values:
                yield scenario, unit, values


def in_order(peers):
    return sorted(peers, key=lambda p: (ORDER.index(p) if p in ORDER else len(ORDER), p))


def caution(how):
    """Why the figures are not to be published, or nothing."""
    reasons = []
    if how["rounds"] < 5 or how["seconds"] < 2:
        reasons.append("a short run")
    if how["load"] > 0.5:
        reasons.append(f"on a busy machine (load {how['load']:.1f} before it began)")
    return " ".join(reasons)


def head(data, how):
    warning = caution(how)
    return "\n".join([
        "# Newest figures of `make bench`", "",
        *([f"**Not for publication: {warning}.**", ""] if warning else []),
        f"{data['when'][:10]}, {data['cores']} cores of {how['processor']}, kernel {data['kernel']}; {how['rounds']} rounds of "
        f"{how['seconds']} s, medians. On one core, but {', '.join(sorted(how['two_cores']))} on two. "
        "Less is better everywhere; what each scenario is: [README](../README.md).", "",
        *(f"- {peer}: {text}" for peer, text in sorted(data["versions"].items())), ""])


def page(data, how, verdicts):
    measured = list(quantities(data["rows"]))
    peers = in_order({peer for _, _, values in measured for peer in values})
    lines = [head(data, how), "![the same as a plot](newest.png)", "",
             f"| scenario | unit | {' | '.join(peers)} |", f"|---|---|{'--:|' * len(peers)}"]
    for scenario, unit, values in measured:
        cells = [f"{values[p]:,.2f}" if p in values else "" for p in peers]
        lines.append(f"| {scenario.id}: {scenario.title} | {unit} | {' | '.join(cells)} |")
    lines += ["", "## Limits", "", "| | measured | limit |", "|---|--:|---|"]
    lines += [f"| {verdict} | {value} | {text} |" for verdict, value, text in verdicts]
    return "\n".join(lines) + "\n"


def plot(path, data, how):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    measured = list(quantities(data["rows"]))
    columns = 4
    lines = max(1, -(-len(measured) // columns))
    figure, axes = pyplot.subplots(lines, columns, figsize=(4.2 * columns, 2.1 * lines), squeeze=False,
                                   layout="constrained")
    for axis in axes.flat[len(measured):]:
        axis.axis("off")
    for axis, (scenario, unit, values) in zip(axes.flat, measured):
        peers = in_order(values)[::-1]      # barh begins at the bottom
        colours = ["#1f5fa8" if p.startswith("sluice") else "#d9d9d9" if p.startswith("limit") else "#9a9a9a" for p in peers]
        bars = axis.barh(peers, [values[p] for p in peers], color=colours)
        axis.bar_label(bars, fmt="%.2f", padding=2, fontsize=7)
        axis.set_title(f"{scenario.id}: {unit}", fontsize=9, loc="left")
        axis.tick_params(labelsize=7)
        axis.margins(x=0.18)
        axis.spines[["top", "right"]].set_visible(False)
    warning = caution(how)
    figure.suptitle(f"sluice and others, {data['when'][:10]}; less is better" +
                    (f"\nNot for publication: {warning}" if warning else ""))
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def write(folder, data, how, verdicts):
    """newest.md and newest.png in `folder`. A plot that cannot be made is left out, with a line that says why."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "newest.md").write_text(page(data, how, verdicts))
    try:
        plot(folder / "newest.png", data, how)
    except ImportError as error:
        print(f"no plot, as python3-matplotlib is missing: {error}")
