"""Whether a study's page says what its figures say: check_page.py PAGE.md. Reads PAGE.csv beside it. Every section must be
there, every row of its tables must be a row of the CSV with the same numbers and the other way round, and the plain
words must name the budgets whose rows say 'better' or 'worse'. Prints what is wrong; exit code 1 then."""
import collections
import csv
import pathlib
import re
import sys

READINGS = {"readings": "## What the paper leaves open", "readings-head": "The head half alone:",
            "readings-dynamic": "Fully dynamic layers:"}
WAVES = "How the wave is formed:"
WORDS = "## What holds for this model, and what does not"


def shown(row, value, low, high, sign=""):
    if not row or not row[value]:
        return "-"
    text = f"{float(row[value]):{sign}.4f}"
    return text if not row[low] else f"{text} [{float(row[low]):{sign}.4f}, {float(row[high]):{sign}.4f}]"


def mean(row):
    return shown(row, "mean", "low", "high")


def difference(row):
    return shown(row, "difference", "difference_low", "difference_high", "+")


def read_figures(path):
    """{run: {(budget, strategy, control): {figure: row}}}"""
    runs = collections.defaultdict(lambda: collections.defaultdict(dict))
    for row in csv.DictReader(path.open(encoding="utf-8", newline="")):
        if row["budget"]:
            runs[row["run"]][(row["budget"], row["strategy"], row["control"] == "1")][row["figure"]] = row
    return runs


def sections(page):
    """{heading: lines below it}, where a line that ends in a colon alone counts as one."""
    found, here = {}, None
    for line in page.splitlines():
        if line.startswith("#") or (line.endswith(":") and not line.startswith(("|", "-", " "))):
            here = found.setdefault(line, [])
        elif here is not None:
            here.append(line)
    return found


def cells(lines):
    """Rows of a table below its head, as lists of cells."""
    return [[cell.strip() for cell in line.strip().strip("|").split(" | ")] for line in lines if line.startswith("|")][2:]


class Check:
    def __init__(self, path):
        self.wrong = []
        self.page = path.read_text(encoding="utf-8")
        self.runs = read_figures(path.with_suffix(".csv"))
        self.sections = sections(self.page)
        self.verdicts = collections.defaultdict(dict)  # [strategy][budget]

    def section(self, start):
        for heading, lines in self.sections.items():
            if heading.startswith(start):
                return lines
        self.wrong.append(f"no section '{start}'")
        return []

    def same(self, where, page_rows, csv_rows):
        page_rows, csv_rows = collections.Counter(page_rows), collections.Counter(csv_rows)
        self.wrong += [f"{where}: the page has {row}, the CSV has no such row" for row in page_rows - csv_rows]
        self.wrong += [f"{where}: the CSV has {row}, the page has no such row" for row in csv_rows - page_rows]
        if not csv_rows:
            self.wrong.append(f"{where}: the CSV has no rows")

    def comparison(self):
        table = self.runs["comparison"]
        for budget in sorted({key[0] for key in table}, key=int):
            lines = self.section(f"## {budget} entries per KV head")
            if "No trace outgrows this budget: no step is counted." in lines:
                continue
            rows = cells(lines)
            self.same(f"{budget} entries", [(r[0], r[1], r[2], r[4], r[5], r[7].removesuffix(" m")) for r in rows],
                      [(f"`{strategy}`" + (" (control)" if control else ""), mean(f["retained_mass"]),
                        difference(f["retained_mass"]), mean(f.get("output_error")), difference(f.get("output_error")),
                        f"{float(f['realised_mean']['mean']):.1f}")
                       for (at, strategy, control), f in table.items() if at == budget])
            for row in rows:
                self.verdicts[row[0]][budget] = row[3]

    def readings(self):
        for run, start in READINGS.items():
            self.same(run, [(r[0], r[1], r[2], r[4]) for r in cells(self.section(start))],
                      [(f"`{strategy}`", mean(f["retained_mass"]), difference(f["retained_mass"]),
                        f"{float(f['realised_mean']['mean']):.1f}") for (_, strategy, _), f in self.runs[run].items()])

    def waves(self):
        csv_rows = [(f"`{strategy}`", mean(f["retained_mass"]), difference(f["retained_mass"]))
                    for run, table in self.runs.items() if run.startswith("wave-")
                    for (_, strategy, _), f in table.items() if strategy != "uniform/rkv"]
        self.same("waves", [(r[1], r[2], r[3]) for r in cells(self.section(WAVES))], csv_rows)

    def words(self):
        lines = [line for line in self.section(WORDS) if "retained mass" in line]
        if not lines:
            self.wrong.append(f"'{WORDS}' says nothing of retained mass")
        for line in lines:
            strategy = re.match(r"- (`[^`]+`)", line)[1]
            mass = line.split("retained mass ")[1].split(". Output error")[0]
            for word, verdict in (("higher", "better"), ("lower", "worse")):
                said = re.search(rf"{word} at ([0-9, ]+)", mass)
                said = [b.strip() for b in said[1].split(",")] if said else []
                found = [b for b, v in self.verdicts[strategy].items() if v == verdict]
                if said != found:
                    self.wrong.append(f"{strategy}: the words say {word} at {said}, the tables at {found}")

    def all(self):
        if not self.page.startswith("# Study: "):
            self.wrong.append("no title")
        self.comparison()
        self.readings()
        self.waves()
        self.words()
        return self.wrong


def main():
    wrong = Check(pathlib.Path(sys.argv[1])).all()
    for line in wrong:
        print(f"{sys.argv[1]}: {line}", file=sys.stderr)
    sys.exit(1 if wrong else 0)


main()
