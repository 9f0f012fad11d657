"""Records the traces of a study: record.py KVWAVE MODEL PROBLEMS.jsonl WORK TOKENS N_CALIBRATE N_EVALUATE [FIRST].

With a field `solution` each problem is read together with its solution, token by token (teacher forcing). Without one
the model samples at temperature 0.6, top-p 0.95, seed = line number, and the trace is cut before the share of repeated
8-grams of what it wrote passes 0.3; problems whose cut leaves fewer than MINIMUM tokens are passed over. The traces are
the first that succeed, in the order of the file, of its FIRST problems (all unless told). A set that gives fewer than
asked for is used as it is, while FEWEST remain after calibration.

WORK/problems.json says what became of each problem. What is recorded already is kept, so that a study can be continued.
"""
import json
import pathlib
import subprocess
import sys

NGRAM, LOOP, MINIMUM, FEWEST = 8, 0.3, 320, 4
SAMPLING = ("--temperature", 0.6, "--top-p", 0.95)


def run(*words):
    return subprocess.run([str(word) for word in words], check=True, stdout=subprocess.PIPE, text=True).stdout


def sane(text):
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in text).lstrip(".")[:100]


def loop_free(ids):
    """The longest prefix in which at most LOOP of the 8-grams occurred before, and no shorter prefix has more."""
    seen, repeated = set(), 0
    for end in range(NGRAM, len(ids) + 1):
        gram = tuple(ids[end - NGRAM:end])
        repeated += gram in seen
        seen.add(gram)
        # A single early repetition is no loop: the share is judged from 64 8-grams on.
        if end - NGRAM + 1 >= 64 and repeated / (end - NGRAM + 1) > LOOP:
            return end - 1
    return len(ids)


def generated_ids(kvwave, trace):
    info = json.loads(run(kvwave, "info", trace, "--json"))
    rows = run(kvwave, "dump", trace, "tokens").splitlines()
    column = rows[0].split(",").index("id")
    return [int(row.split(",")[column]) for row in rows[1:]][info["n_prompt"]:]


class Recorder:
    def __init__(self, kvwave, model, work, tokens):
        self.kvwave, self.model, self.work, self.tokens = kvwave, model, work, tokens
        self.lengths_file = work / "sampled.json"  # {"NAME SEED": tokens before the loop}
        self.lengths = json.loads(self.lengths_file.read_text()) if self.lengths_file.exists() else {}

    def capture(self, trace, problem, levels, *options):
        """A killed recording leaves no file that looks finished."""
        prompt = self.work / "prompt.txt"
        prompt.write_text(problem["problem"], encoding="utf-8")
        partial = trace.with_suffix(".partial")
        run(self.kvwave, "capture", "-m", self.model, "-P", prompt, "--levels", levels, "--quiet", "-f", "-o", partial,
            *options)
        partial.rename(trace)

    def read_solution(self, problem, trace):
        solution = self.work / "solution.txt"
        solution.write_text(problem["solution"], encoding="utf-8")
        self.capture(trace, problem, "tokens,stats,qkv", "--continue-from", solution, "-n", self.tokens)

    def sampled_length(self, name, problem, seed):
        """Most problems fail early, so a short trial comes first: the same seed begins the same way."""
        key = f"{name} {seed}"
        if key not in self.lengths:
            trial = self.work / "trial.h5"
            for tokens in (MINIMUM, self.tokens):
                self.capture(trial, problem, "tokens", *SAMPLING, "--seed", seed, "-n", tokens)
                self.lengths[key] = loop_free(generated_ids(self.kvwave, trial))
                trial.unlink()
                if self.lengths[key] < MINIMUM:
                    break
            self.lengths_file.write_text(json.dumps(self.lengths, indent=0), encoding="utf-8")
        return self.lengths[key]

    def sample(self, problem, seed, length, trace):
        self.capture(trace, problem, "tokens,stats,qkv", *SAMPLING, "--seed", seed, "-n", length)


def main():
    kvwave, model, problems, work, tokens, n_calibrate, n_evaluate = sys.argv[1:8]
    work, n_calibrate = pathlib.Path(work), int(n_calibrate)
    wanted = n_calibrate + int(n_evaluate)
    recorder = Recorder(kvwave, model, work, int(tokens))
    lines = [line for line in pathlib.Path(problems).read_text(encoding="utf-8").splitlines() if line.strip()]
    first = int(sys.argv[8]) if len(sys.argv) > 8 else len(lines)
    used, passed_over = [], []
    for number, line in enumerate(lines[:first], 1):
        if len(used) == wanted:
            break
        problem = json.loads(line)
        name = str(problem.get("id", number))
        forced = "solution" in problem
        if not forced and recorder.sampled_length(name, problem, number) < MINIMUM:
            passed_over.append(name)
            continue
        folder = work / ("calibrate" if len(used) < n_calibrate else "evaluate")
        trace = folder / f"{len(used):02}-{sane(name)}.h5"
        if not trace.exists():
            if forced:
                recorder.read_solution(problem, trace)
            else:
                recorder.sample(problem, number, recorder.sampled_length(name, problem, number), trace)
        used.append({"id": name, "seed": None if forced else number, "trace": f"{folder.name}/{trace.name}"})
        print(f"study: {len(used)}/{wanted} {name}", file=sys.stderr)
    if len(used) < n_calibrate + FEWEST:
        sys.exit(f"study: only {len(used)} of {first} problems gave a trace, {n_calibrate + FEWEST} are needed")
    found = {"used": used, "passed_over": passed_over, "n_problems": len(lines), "n_tried": len(used) + len(passed_over),
             "n_calibrate": n_calibrate, "wanted": wanted, "tokens": recorder.tokens, "minimum": MINIMUM, "loop": LOOP}
    (work / "problems.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


main()
