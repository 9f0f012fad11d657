"""Tables of a study: write_page.py KVWAVE WORK OUT NAME COMMAND. Writes OUT/NAME.md, OUT/NAME.csv (figures) and
OUT/NAME-traces.csv (what was recorded) from what study.sh left in WORK. Says 'more' or 'less' only where the interval of
a difference leaves 0 out and the test corrected by Holm agrees (p < 0.05)."""
import csv
import json
import pathlib
import subprocess
import sys

SHOWN = ("retained_mass", "retained_mass_worst_decile", "output_error", "recall_32", "realised_mean", "realised_peak",
         "place_oracle", "place_ceiling", "granted_unused")
MASS, ERROR, MEMORY, UNUSED = "retained_mass", "output_error", "realised_mean", "granted_unused"
FEW = 6
BASELINE = "uniform/rkv"
SYSTEMS = ("reasonalloc/rkv", "reasonalloc-layer/rkv", "reasonalloc-head/rkv", "reasonalloc-dynamic/rkv", "pyramid/rkv",
           "uniform/snapkv", "reasonalloc/snapkv")
WAVES = {"usual": "as usual: rho 0.93, mean over heads and steps, whole rows, all problems",
         "rho-0.8": "rho 0.8", "rho-0.99": "rho 0.99",
         "heads-median": "median over query heads", "heads-max": "neediest query head of a layer",
         "heads-group-max": "neediest query head of each KV head",
         "steps-median": "median over steps", "steps-max": "neediest step",
         "positions-generated": "generated positions alone", "problems-one": "the first problem alone"}


def number(text):
    return float(text) if text else None


def load(path):
    """{(budget, strategy, control): {figure: row}} and its keys in order; rows of areas are left out."""
    table, order = {}, []
    for row in csv.DictReader(path.open(encoding="utf-8", newline="")):
        if row["budget"]:
            key = (int(row["budget"]), row["strategy"], row["control"] == "1")
            if key not in table:
                order.append(key)
            table.setdefault(key, {})[row["figure"]] = row
    return table, order


def with_interval(row, value, low, high, digits=4, sign=""):
    if row is None or number(row[value]) is None:
        return "-"
    text = f"{number(row[value]):{sign}.{digits}f}"
    if number(row[low]) is None:
        return text
    return f"{text} [{number(row[low]):{sign}.{digits}f}, {number(row[high]):{sign}.{digits}f}]"


def mean_of(row):
    return with_interval(row, "mean", "low", "high")


def difference_of(row):
    return with_interval(row, "difference", "difference_low", "difference_high", sign="+")


def verdict(row, higher_is_better=True):
    difference, low, high, p = (number(row[k]) for k in ("difference", "difference_low", "difference_high", "p_holm"))
    if difference is None or low is None:
        return ""
    if p is not None and p < 0.05 and (low > 0 or high < 0):
        return "better" if (difference > 0) == higher_is_better else "worse"
    if number(row["p_equal"]) is not None and number(row["p_equal"]) < 0.05:
        return "equal within 0.01"
    return "not told apart"


def counted(path):
    """{(budget, strategy): counted steps over all traces}"""
    return {(c["budget"], c["strategy"]): c["counted_steps"] for c in json.loads(path.read_text())["configurations"]}


def flags(path):
    """{(budget, strategy): whether its memory differs from the baseline's}"""
    return {(c["budget"], c["strategy"]): BASELINE in c["unequal_to"]
            for c in json.loads(path.read_text())["configurations"]}


def comparison_table(table, order, budget, unequal):
    lines = ["| strategy | retained mass | minus baseline | | output error | minus baseline | | entries read |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    keys = [key for key in order if key[0] == budget]
    for control in (False, True):
        for key in sorted((k for k in keys if k[2] == control), key=lambda k: -(number(table[k][MASS]["mean"]) or 0)):
            rows = table[key]
            mass, error = rows[MASS], rows.get(ERROR)
            cells = [f"`{key[1]}`" + (" (control)" if control else ""), mean_of(mass), difference_of(mass),
                     "" if control else verdict(mass), mean_of(error), "-" if error is None else difference_of(error),
                     "" if control or error is None else verdict(error, False),
                     f"{number(rows[MEMORY]['mean']):.1f}" + (" m" if unequal.get(key[:2]) else "")]
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def plain_words(table, budgets):
    lines = []
    for name in SYSTEMS:
        parts, errors = {}, {}
        for budget in budgets:
            rows = table.get((budget, name, False))
            if not rows:
                continue
            parts.setdefault(verdict(rows[MASS]), []).append(str(budget))
            if ERROR in rows:
                errors.setdefault(verdict(rows[ERROR], False), []).append(str(budget))

        def say(found, better, worse):
            words = {"better": better, "worse": worse, "not told apart": "not told apart from it",
                     "equal within 0.01": "equal within 0.01"}
            return "; ".join(f"{word} at {', '.join(found[key])}" for key, word in words.items() if key in found)

        if say(parts, "higher", "lower"):
            lines.append(f"- `{name}` against `{BASELINE}`: retained mass {say(parts, 'higher', 'lower')}. "
                         f"Output error {say(errors, 'lower', 'higher') or 'unknown'}.")
    unused = [(budget, table[(budget, "reasonalloc-dynamic/rkv", False)].get(UNUSED)) for budget in budgets
              if (budget, "reasonalloc-dynamic/rkv", False) in table]
    unused = [f"{number(row['mean']):.2f} at {budget}" for budget, row in unused if row and number(row["mean"]) is not None]
    if unused:
        lines.append(f"- `reasonalloc-dynamic/rkv` granted budget that layers could not fill when they got it, in entries per "
                     f"KV head on average: {', '.join(unused)}.")
    return lines


def readings_table(path):
    table, order = load(path)
    lines = [f"| reading | retained mass | minus `{order[0][1]}` | | entries read |", "| --- | --- | --- | --- | --- |"]
    for key in order:
        mass = table[key][MASS]
        lines.append(f"| `{key[1]}` | {mean_of(mass)} | {difference_of(mass)} | {verdict(mass)} | "
                     f"{number(table[key][MEMORY]['mean']):.1f} |")
    return lines


def profiles_table(work):
    lines = [f"| wave | strategy | retained mass | minus `{BASELINE}` | |", "| --- | --- | --- | --- | --- |"]
    missing = []
    for label, words in WAVES.items():
        if not (work / f"wave-{label}.csv").exists():
            missing.append(words)
            continue
        table, order = load(work / f"wave-{label}.csv")
        for key in order:
            if key[1] == BASELINE:
                continue
            mass = table[key][MASS]
            lines.append(f"| {words} | `{key[1]}` | {mean_of(mass)} | {difference_of(mass)} | {verdict(mass)} |")
    return lines + ([f"\nNot run: {'; '.join(missing)}."] if missing else [])


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


def write_traces(kvwave, work, used, target):
    """Returns the programs that recorded."""
    programs = []
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["part", "id", "seed", "prompt_tokens", "decoded_tokens", "stop_reason", "repeated_8grams",
                         "content_sha256"])
        for one in used["used"]:
            text = subprocess.run([kvwave, "info", str(work / one["trace"]), "--json"], check=True, stdout=subprocess.PIPE,
                                  text=True).stdout
            info = json.loads(text)
            run = info["run"]
            programs.append(f"kvwave {run['program_version']} ({run['program_commit']}, {run['attention_kernel']})")
            writer.writerow([one["trace"].split("/")[0], one["id"], "" if one["seed"] is None else one["seed"],
                             info["n_prompt"], info["n_steps"], info["stop_reason"],
                             f"{info['repeated_8gram_share']:.3f}", info["content_sha256"]])
    return list(dict.fromkeys(programs))


def how_recorded(used, n_used):
    if used["used"][0]["seed"] is None:
        return [f"Traces: worked solutions read token by token (teacher forcing), at most {used['tokens']} tokens each."]
    lines = ["Traces: sampled by the model at temperature 0.6, top-p 0.95, seed = line number, at most "
             f"{used['tokens']} tokens, cut before the share of repeated 8-grams passes {used['loop']}."]
    if n_used < used["wanted"]:
        lines.append(f"**Fewer than asked for**: of the first {used['n_tried']} of {used['n_problems']} problems {n_used} gave "
                     f"a trace; {used['wanted']} were wanted.")
    if used["passed_over"]:
        lines.append(f"Passed over, since they ended or looped within {used['minimum']} tokens: "
                     f"{', '.join(used['passed_over'])}. What is left is no fair sample of the set.")
    return lines


def main():
    kvwave, work, out, name, command = sys.argv[1:]
    work, out = pathlib.Path(work), pathlib.Path(out)
    version = (work / "replayed-by").read_text(encoding="utf-8").split(", CPU")[0].strip()
    used = json.loads((work / "problems.json").read_text(encoding="utf-8"))
    table, order = load(work / "comparison.csv")
    manifest = work / "comparison.manifest.json"
    steps, unequal = counted(manifest), flags(manifest)
    budgets = sorted({key[0] for key in order})
    ids = [one["id"] for one in used["used"]]
    n_calibrate, n_evaluate = used["n_calibrate"], len(ids) - used["n_calibrate"]
    recorders = write_traces(kvwave, work, used, out / f"{name}-traces.csv")
    page = [f"# Study: {name}", "", f"    {command}", "",
            f"Written by `tests/study` with {version}; all numbers below, and more, are in [{name}.csv]({name}.csv). "
            f"Traces recorded by {', '.join(recorders)}: ids, seeds, lengths and content hashes in "
            f"[{name}-traces.csv]({name}-traces.csv).", ""]
    page += how_recorded(used, len(ids))
    page += [f"Calibrated on {n_calibrate}: {', '.join(ids[:n_calibrate])}. Evaluated on {n_evaluate}: "
             f"{', '.join(ids[n_calibrate:])}.", "",
             "The trace is the unit. Intervals: 95 % bootstrap over traces; tests: paired sign flips, corrected by Holm over "
             "the strategies of a budget. Open-loop replay: the model never reacted to an eviction, and no figure here is an "
             "accuracy."]
    if n_evaluate < FEW:
        page.append(f"**{n_evaluate} traces: intervals of so few mean little**, and no p-value can fall below "
                    f"{2.0 ** (1 - n_evaluate):.3g}.")
    page += ["", "## What holds for this model, and what does not", ""]
    page += plain_words(table, budgets)
    page += ["", "'Higher' and 'lower' stand only where interval and corrected test both say so. `m`: memory differs by more than "
             "1 % from the baseline's, so the line is not compared at equal memory.", ""]
    for budget in budgets:
        keys = [key for key in order if key[0] == budget]
        n = max(int(table[key][MASS]["n"]) for key in keys)
        n_steps = max(steps.get((key[0], key[1]), 0) for key in keys)
        page += [f"## {budget} entries per KV head, baseline `{BASELINE}`", ""]
        if n == 0:
            page += ["No trace outgrows this budget: no step is counted.", ""]
            continue
        note = "" if n == n_evaluate else f"; the other {n_evaluate - n} never outgrow this budget"
        page += [f"{n} traces with {n_steps} counted steps together (those in which the sequence is longer than the "
                 f"budget){note}." + (" Intervals of so few traces mean little." if n < FEW else ""), ""]
        page += comparison_table(table, order, budget, unequal) + [""]
    at = load(work / "readings.csv")[1][0][0]
    page += [f"## What the paper leaves open: one reading changed at a time, {at} entries per KV head", ""]
    page += readings_table(work / "readings.csv")
    page += ["", "The head half alone:", ""] + readings_table(work / "readings-head.csv")
    page += ["", "Fully dynamic layers:", ""] + readings_table(work / "readings-dynamic.csv")
    page += ["", "How the wave is formed:", ""] + profiles_table(work)
    (out / f"{name}.md").write_text("\n".join(page) + "\n", encoding="utf-8")
    write_csv(work, out / f"{name}.csv")


main()
