"""Tables of a study: write_page.py KVWAVE PROBLEMS.jsonl WORK OUT NAME. Writes OUT/NAME.md and OUT/NAME.csv from the
--statistics tables in WORK. Says 'more' or 'less' only where the interval of a difference leaves 0 out and the test
corrected by Holm agrees (p < 0.05)."""
import csv
import json
import pathlib
import subprocess
import sys

SHOWN = ("retained_mass", "retained_mass_worst_decile", "output_error", "recall_32", "realised_mean", "realised_peak")
MASS, ERROR, MEMORY = "retained_mass", "output_error", "realised_mean"


def number(text):
    return float(text) if text else None


def load(path):
    """{(budget, strategy): {figure: row}} and the rows of areas."""
    table, order = {}, []
    for row in csv.DictReader(path.open(encoding="utf-8", newline="")):
        if row["budget"]:
            key = (int(row["budget"]), row["strategy"], row["control"] == "1")
            if key not in table:
                order.append(key)
            table.setdefault(key, {})[row["figure"]] = row
    return table, order


def with_interval(row, value, low, high, digits=4, sign=""):
    if number(row[value]) is None:
        return "-"
    text = f"{number(row[value]):{sign}.{digits}f}"
    if number(row[low]) is None:
        return text
    return f"{text} [{number(row[low]):{sign}.{digits}f}, {number(row[high]):{sign}.{digits}f}]"


def verdict(row, higher_is_better=True):
    difference, low, high, p = (number(row[k]) for k in ("difference", "difference_low", "difference_high", "p_holm"))
    if difference is None or low is None:
        return ""
    if p is not None and p < 0.05 and (low > 0 or high < 0):
        return "better" if (difference > 0) == higher_is_better else "worse"
    if number(row["p_equal"]) is not None and number(row["p_equal"]) < 0.05:
        return "equal within 0.01"
    return "not told apart"


def comparison_table(table, order, budget):
    lines = ["| strategy | retained mass | minus baseline | | output error | minus baseline | | entries read |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    keys = [key for key in order if key[0] == budget]
    for control in (False, True):
        for key in sorted((k for k in keys if k[2] == control), key=lambda k: -(number(table[k][MASS]["mean"]) or 0)):
            rows = table[key]
            mass, error = rows[MASS], rows.get(ERROR)
            cells = [f"`{key[1]}`" + (" (control)" if control else ""),
                     with_interval(mass, "mean", "low", "high"),
                     with_interval(mass, "difference", "difference_low", "difference_high", sign="+"),
                     "" if control else verdict(mass)]
            if error is None:
                cells += ["-", "-", ""]
            else:
                cells += [with_interval(error, "mean", "low", "high"),
                          with_interval(error, "difference", "difference_low", "difference_high", sign="+"),
                          "" if control else verdict(error, False)]
            cells.append(f"{number(rows[MEMORY]['mean']):.1f}" if MEMORY in rows else "-")
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def plain_words(table, order, budgets):
    lines = []
    for name in ("reasonalloc/rkv", "reasonalloc-layer/rkv", "reasonalloc-head/rkv", "reasonalloc-dynamic/rkv",
                 "pyramid/rkv", "uniform/snapkv"):
        parts = {"better": [], "worse": [], "not told apart": [], "equal within 0.01": []}
        errors = {"better": [], "worse": [], "not told apart": [], "equal within 0.01": []}
        for budget in budgets:
            rows = table.get((budget, name, False))
            if not rows:
                continue
            if verdict(rows[MASS]):
                parts[verdict(rows[MASS])].append(str(budget))
            if ERROR in rows and verdict(rows[ERROR], False):
                errors[verdict(rows[ERROR], False)].append(str(budget))
        if not any(parts.values()):
            continue

        def say(found, better, worse):
            words = {"better": better, "worse": worse, "not told apart": "not told apart from it",
                     "equal within 0.01": "equal within 0.01"}
            return "; ".join(f"{words[k]} at {', '.join(v)}" for k, v in found.items() if v)

        lines.append(f"- `{name}` against `uniform/rkv`: retained mass {say(parts, 'higher', 'lower')}. "
                     f"Output error {say(errors, 'lower', 'higher') or 'unknown'}.")
    return lines


def readings_table(work):
    table, order = load(work / "readings.csv")
    lines = ["| reading | retained mass | minus `reasonalloc/rkv` | | entries read |", "| --- | --- | --- | --- | --- |"]
    for key in order:
        mass = table[key][MASS]
        lines.append(f"| `{key[1]}` | {with_interval(mass, 'mean', 'low', 'high')} | "
                     f"{with_interval(mass, 'difference', 'difference_low', 'difference_high', sign='+')} | "
                     f"{verdict(mass)} | {number(table[key][MEMORY]['mean']):.1f} |")
    return lines


def profiles_table(work):
    lines = ["| profile | strategy | retained mass | minus `uniform/rkv` | |", "| --- | --- | --- | --- | --- |"]
    for path in sorted(work.glob("readings-*.csv")):
        table, order = load(path)
        label = path.stem.removeprefix("readings-").removeprefix("-").replace("-", " ", 1).replace("rho", "rho ")
        for key in order:
            if key[1] == "uniform/rkv":
                continue
            mass = table[key][MASS]
            lines.append(f"| {label} | `{key[1]}` | {with_interval(mass, 'mean', 'low', 'high')} | "
                         f"{with_interval(mass, 'difference', 'difference_low', 'difference_high', sign='+')} | "
                         f"{verdict(mass)} |")
    return lines


def write_csv(work, target):
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = None
        for path in sorted(work.glob("*.csv")):
            for row in csv.DictReader(path.open(encoding="utf-8", newline="")):
                if row["figure"] not in SHOWN:
                    continue
                if writer is None:
                    writer = csv.DictWriter(file, ["run", *row], lineterminator="\n")
                    writer.writeheader()
                writer.writerow({"run": path.stem, **row})


def main():
    kvwave, problems, work, out, name = sys.argv[1:]
    work, out = pathlib.Path(work), pathlib.Path(out)
    version = subprocess.run([kvwave, "--version"], check=True, capture_output=True, text=True).stdout.split(", CPU")[0]
    used = json.loads((work / "problems.json").read_text(encoding="utf-8"))
    table, order = load(work / "comparison.csv")
    budgets = sorted({key[0] for key in order})
    command = "./run study" + ("" if name == "worked" else f" {problems}")
    sampled = name != "worked"
    traces = ("sampled by the model at temperature 0.6 (top-p 0.95, seed = line number), cut before the share of "
              "repeated 8-grams passes 0.3" if sampled else
              "worked solutions read token by token (teacher forcing), at most 900 tokens each")
    ids = [i.split("/")[-1] if "/" not in i else i for i in used["used"]]
    page = [f"# Study: {name}", "", f"    {command}", "",
            f"Written by `tests/study` with {version.strip()}; numbers below are in `{name}.csv` too.", "",
            f"Traces: {traces}. Profile from 4 of them, evaluation on the other {len(ids) - 4}; the trace is the unit. Intervals: 95 % "
            "bootstrap over traces; tests: paired sign flips, corrected by Holm over the strategies of a budget. Open-loop "
            "replay: the model never reacted to an eviction, and no figure here is an accuracy.", "",
            f"Calibrated on: {', '.join(ids[:4])}. Evaluated on: {', '.join(ids[4:])}."]
    if used["passed_over"]:
        page.append(f"Passed over, since they ended or looped within 320 tokens: {', '.join(used['passed_over'])}.")
    page += ["", "## What holds for this model, and what does not", ""]
    page += plain_words(table, order, budgets)
    page += ["", "'Higher' and 'lower' stand only where interval and corrected test both say so. Strategies whose entries "
             "read differ from the baseline's are not compared at equal memory: see the last column.", ""]
    for budget in budgets:
        n = {row["n"] for key in order if key[0] == budget for row in [table[key][MASS]]}
        page += [f"## {budget} entries per KV head ({', '.join(sorted(n))} traces), baseline `uniform/rkv`", ""]
        page += comparison_table(table, order, budget) + [""]
    if (work / "readings.csv").exists():
        page += ["## What the paper leaves open: one reading changed at a time, 128 entries per KV head", ""]
        page += readings_table(work) + [""]
        page += ["## How the wave is formed: other rho, other pooling of demand, 128 entries per KV head", ""]
        page += profiles_table(work)
    (out / f"{name}.md").write_text("\n".join(page) + "\n", encoding="utf-8")
    write_csv(work, out / f"{name}.csv")


main()
