"""Records the traces of a study: record.py KVWAVE MODEL PROBLEMS.jsonl WORK TOKENS N_CALIBRATE N_EVALUATE.

With a field `solution` each problem is read together with its solution, token by token (teacher forcing). Without one
the model samples at temperature 0.6, top-p 0.95, seed = line number, and the trace is cut before the share of repeated
8-grams of what it wrote passes 0.3; problems whose cut leaves fewer than MINIMUM tokens are passed over. The traces
are the first in the order of the file. What is recorded already is kept, so that a study can be continued.
"""
import json
import pathlib
import subprocess
import sys

NGRAM, LOOP, MINIMUM = 8, 0.3, 320


def run(*words):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


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
    header = rows[0].split(",")
    column = header.index("id")
    ids = [int(row.split(",")[column]) for row in rows[1:]]
    return ids[info["n_prompt"]:]


def record(kvwave, model, problem, work, line, tokens, trace):
    """True when the trace holds enough of it."""
    prompt = work / "prompt.txt"
    prompt.write_text(problem["problem"], encoding="utf-8")
    common = [kvwave, "capture", "-m", model, "-P", prompt, "--levels", "tokens,stats,qkv", "--quiet", "-f", "-o", trace]
    if "solution" in problem:
        solution = work / "solution.txt"
        solution.write_text(problem["solution"], encoding="utf-8")
        run(*common, "--continue-from", solution, "-n", tokens)
        return True
    sampled = ["--temperature", 0.6, "--top-p", 0.95, "--seed", line]
    run(*common, *sampled, "-n", tokens)
    ids = generated_ids(kvwave, trace)
    keep = loop_free(ids)
    if keep < MINIMUM:
        trace.unlink()
        return False
    if keep < len(ids):
        run(*common, *sampled, "-n", keep)
    return True


def main():
    kvwave, model, problems, work, tokens, n_calibrate, n_evaluate = sys.argv[1:]
    work, wanted = pathlib.Path(work), int(n_calibrate) + int(n_evaluate)
    lines = [line for line in pathlib.Path(problems).read_text(encoding="utf-8").splitlines() if line.strip()]
    done, passed_over = [], []
    for number, line in enumerate(lines, 1):
        if len(done) == wanted:
            break
        problem = json.loads(line)
        name = str(problem.get("id", number))
        folder = work / ("calibrate" if len(done) < int(n_calibrate) else "evaluate")
        trace = folder / f"{len(done):02}-{sane(name)}.h5"
        if trace.exists() or record(kvwave, model, problem, work, number, int(tokens), trace):
            done.append(name)
            print(f"study: {len(done)}/{wanted} {name}", file=sys.stderr)
        else:
            passed_over.append(name)
    if len(done) < wanted:
        sys.exit(f"study: only {len(done)} of {len(lines)} problems gave a trace, {wanted} are needed")
    (work / "problems.json").write_text(json.dumps({"used": done, "passed_over": passed_over}), encoding="utf-8")


main()
