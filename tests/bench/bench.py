"""Runs kvwave and its peers and prints each measurement beside its target, as a Markdown table.

usage: bench.py --build DIR --model GGUF --venv DIR [PART...]     (normally through ./run bench)

Every ratio is taken within one run, from interleaved repetitions, as the median of paired ratios: machines are noisy,
pairs are less so. Nothing here decides anything: a missed target is printed as missed, and the exit code stays 0.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import model_figures

PROMPT = "If 3 pens cost 4 dollars, how much do 12 pens cost? Think step by step."
PARTS = ["decode", "recording", "memory", "size", "replay", "same", "models", "view"]


class Bench:
    def __init__(self, args):
        self.kvwave = str(pathlib.Path(args.build, "kvwave"))
        self.build = pathlib.Path(args.build)
        self.model = args.model
        self.python = str(pathlib.Path(args.venv, "bin", "python"))
        self.rounds = args.rounds
        self.threads = args.threads
        self.folder = tempfile.TemporaryDirectory(prefix="kvwave-bench-")
        self.rows = []

    def path(self, name):
        return str(pathlib.Path(self.folder.name, name))

    def note(self, text):
        print(f"# {text}", file=sys.stderr, flush=True)

    def row(self, what, measured, target, reached):
        verdict = "" if reached is None else ("reached" if reached else "MISSED")
        self.rows.append((what, measured, target, verdict))

    def run(self, *args):
        return subprocess.run([self.kvwave, *map(str, args)], check=True, capture_output=True, text=True).stdout

    def capture(self, *args):
        """A free greedy run with end tokens suppressed; returns the object that `capture --json` prints."""
        out = self.run("capture", "-m", self.model, "-p", PROMPT, "--ignore-eos", "--threads", self.threads, "--json",
                       "--quiet", *args)
        return json.loads(out)

    # --- decode speed beside llama.cpp and transformers -------------------------------------------------------------
    def decode(self):
        tokens = 256
        ids = self.run("tokenize", "-m", self.model, "-p", PROMPT).strip()
        peers = pathlib.Path(__file__).parent / "peers"

        def peer(name, *extra):
            out = subprocess.run([self.python, str(peers / name), self.model, str(tokens), str(self.threads), ids, *extra],
                                 check=True, capture_output=True, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
            return json.loads(out.stdout)["tokens_per_second"]

        ours, theirs = [], []
        for number in range(self.rounds):
            self.note(f"decode, round {number + 1} of {self.rounds}")
            ours.append(self.capture("--no-record", "-n", tokens)["tokens_per_second"])
            theirs.append(peer("llama_cpp_decode.py"))
        ratio = statistics.median(a / b for a, b in zip(ours, theirs))
        self.row("decode, not recording: kvwave / llama.cpp",
                 f"{statistics.median(ours):.0f} / {statistics.median(theirs):.0f} tok/s = {ratio:.2f}x", "at least 1.0x",
                 ratio >= 1.0)
        self.note("decode, transformers eager")
        eager = peer("transformers_decode.py")
        ratio = statistics.median(ours) / eager
        self.row("decode, not recording: kvwave / transformers eager fp32",
                 f"{statistics.median(ours):.0f} / {eager:.1f} tok/s = {ratio:.1f}x", "at least 7x", ratio >= 7)
        traced = peer("transformers_decode.py", "--attentions")
        full = self.capture("-n", tokens, "-f", "-o", self.path("decode.h5"))["tokens_per_second"]
        self.row("recording all levels / transformers with output_attentions",
                 f"{full:.0f} / {traced:.1f} tok/s = {full / traced:.1f}x", "", None)

    # --- what recording costs ---------------------------------------------------------------------------------------
    def recording(self):
        tokens = 512
        kinds = {"off": ["--no-record"], "stats,qkv,tokens": ["--levels", "stats,qkv,tokens"], "all": []}
        runs = {kind: [] for kind in kinds}
        for number in range(self.rounds):
            self.note(f"recording, round {number + 1} of {self.rounds}")
            order = list(kinds.items())
            for kind, args in order[number % 3:] + order[:number % 3]:  # no kind is always first
                output = [] if kind == "off" else ["-f", "-o", self.path("recording.h5")]
                runs[kind].append(self.capture("-n", tokens, *args, *output))
        for kind, limit in (("stats,qkv,tokens", 1.10), ("all", 1.25)):
            pairs = list(zip(runs[kind], runs["off"]))
            ratio = statistics.median(a["decode_seconds"] / b["decode_seconds"] for a, b in pairs)
            cores = statistics.median(a["core_ms_per_token"] - b["core_ms_per_token"] for a, b in pairs)
            self.row(f"recording {kind}, {tokens} tokens: decode time / not recording",
                     f"{ratio:.3f}x, {cores:+.2f} core-ms per token "
                     f"(off: {statistics.median(b['core_ms_per_token'] for _, b in pairs):.2f})",
                     f"at most {limit:.2f}x", ratio <= limit)

    # --- peak memory ------------------------------------------------------------------------------------------------
    def memory(self):
        tokens = 2000
        self.note(f"memory, {tokens} tokens")
        seen = self.capture("-n", tokens, "-f", "-o", self.path("memory.h5"))
        facts = json.loads(self.run("info", self.model, "--json"))
        model = os.path.getsize(self.model)
        cache = facts["kv_bytes_per_token"]["f16"] * (tokens + 53)
        extra = (seen["peak_rss_bytes"] - model - cache) / 2**20
        self.row(f"peak memory, all levels, {tokens} tokens",
                 f"{seen['peak_rss_bytes'] / 2**20:.0f} MiB = model {model / 2**20:.0f} + KV {cache / 2**20:.0f} + "
                 f"{extra:.0f} MiB", "model + KV + at most 64 MiB", extra <= 64)

    # --- trace size on a teacher-forced text ------------------------------------------------------------------------
    def worked_trace(self):
        path = self.path("worked.h5")
        if not os.path.exists(path):
            problems = pathlib.Path(__file__).parents[1] / "data" / "problems.jsonl"
            item = json.loads(problems.read_text(encoding="utf-8").splitlines()[0])
            for key in ("problem", "solution"):
                pathlib.Path(self.path(key)).write_text(item[key], encoding="utf-8")
            self.run("capture", "-m", self.model, "-P", self.path("problem"), "--continue-from", self.path("solution"),
                     "--quiet", "-o", path)
        return path

    def size(self):
        facts = json.loads(self.run("info", self.worked_trace(), "--json"))
        dense = facts["dense_fp16_row_bytes"]
        for level, use in facts["levels"].items():
            stored = use["stored_bytes"]
            limit = 0.36 if level == "attention" else None
            self.row(f"trace size, level {level}, {facts['n_positions']} positions",
                     f"{stored / 1e6:.1f} MB = {stored / dense:.3f}x of dense fp16 rows ({dense / 1e6:.1f} MB)",
                     f"at most {limit}x" if limit else "", stored / dense <= limit if limit else None)

    # --- replay -----------------------------------------------------------------------------------------------------
    def replay(self):
        program = self.build / "tests" / "bench" / "replay_bench"
        trace = self.worked_trace()
        out = subprocess.run([str(program), trace, "--json", "--threads", str(self.threads)], check=True,
                             capture_output=True, text=True).stdout
        seen = json.loads(out)
        for part, what, limit in (("mass", "retained mass", 2), ("error", "output error", 10)):
            times = seen[part]
            ratio = times["seconds_64"] / times["seconds_1"]
            self.row(f"replay phase 2, {what}: 64 configurations / 1",
                     f"{times['seconds_64']:.2f} / {times['seconds_1']:.2f} s = {ratio:.2f}x (core time "
                     f"{times['core_seconds_64'] / times['core_seconds_1']:.2f}x), {times['gb_per_second_64']:.1f} GB/s of "
                     "attention rows", f"at most {limit}x", ratio <= limit)
        rows = seen["rows"]
        share = rows["replay_gb_per_second"] / rows["read_gb_per_second"]
        self.row("one configuration over fp32 rows in memory / plain reading, one thread",
                 f"{rows['replay_gb_per_second']:.1f} / {rows['read_gb_per_second']:.1f} GB/s = {share:.0%}",
                 "at least 50%", share >= 0.5)
        self.row(f"replay phase 1, uniform/rkv at {seen['phase1']['budget']}",
                 f"{seen['phase1']['core_ms']:.0f} core-ms per configuration", "", None)
        self.phase1(program)
        self.numpy(program, trace, seen)
        self.replay_memory()

    def long_trace(self, name, *shape):
        path = self.path(name)
        subprocess.run([str(self.build / "tests/bench/make_long_trace"), "-f", "-o", path, "--levels", "tokens,qkv",
                        *map(str, shape)], check=True)
        return path

    def phase1(self, program):
        self.note("replay phase 1 on 2,000 steps")
        trace = self.long_trace("phase1.h5", "--steps", 2000, "--layers", 30, "--q-heads", 9, "--kv-heads", 3,
                                "--head-dim", 64)
        out = subprocess.run([str(program), trace, "--json", "--only", "phase1"], check=True, capture_output=True,
                             text=True).stdout
        seen = json.loads(out)["phase1"]
        for what, key in (("", "core_ms"), (", no two keys alike", "unlike_core_ms")):
            self.row(f"replay phase 1 of R-KV at {seen['budget']}, {seen['steps']} steps, 30 layers x 3 KV heads{what} / "
                     f"each key read and scored once a refresh, n^2 d at half of {seen['peak_gflops']:.0f} GFLOP/s",
                     f"{seen[key]:.0f} / {seen['bound_ms']:.0f} core-ms = {seen[key] / seen['bound_ms']:.2f}x",
                     "at most 1x", seen[key] <= seen["bound_ms"])
        os.remove(trace)

    def replay_memory(self):
        """Peak memory of 64 configurations on a trace and on one ten times as long, beside the eviction tables."""
        layers, kv_heads, prompt = 30, 3, 64
        budgets = ",".join(str(64 + 16 * i) for i in range(16))
        strategies = [arg for name in ("uniform/rkv", "uniform/snapkv", "pyramid/rkv", "reasonalloc-head/rkv")
                      for arg in ("-s", name)]
        peaks, tables, printed = [], [], []
        for steps in (600, 6000):
            self.note(f"replay memory, {steps} steps")
            trace = self.long_trace("memory_replay.h5", "--steps", steps, "--prompt", prompt, "--layers", layers,
                                    "--q-heads", 9, "--kv-heads", kv_heads, "--head-dim", 64)
            words = [self.kvwave, "replay", trace, "-b", budgets, *strategies, "--no-controls", "--metrics", "mass", "-f",
                     "--threads", str(self.threads), "-o", self.path("memory_replay.results.h5")]
            with open(self.path("memory_replay.err"), "w+") as errors:
                child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=errors)
                _, status, usage = os.wait4(child.pid, 0)
                child.returncode = os.waitstatus_to_exitcode(status)
                errors.seek(0)
                said = errors.read()
            if child.returncode != 0:
                raise RuntimeError(f"kvwave replay failed: {said}")
            printed.append(next((line for line in said.splitlines() if line.startswith("memory:")), ""))
            peaks.append(usage.ru_maxrss * 1024)
            tables.append(64 * layers * kv_heads * (steps + prompt) * 4)
            os.remove(trace)
        self.note(printed[-1])
        growth, more = (pair[1] - pair[0] for pair in (peaks, tables))
        self.row("replay memory, 64 configurations, 30 layers x 3 KV heads: 6,000 steps - 600 steps / eviction tables",
                 f"{peaks[1] / 2**20:.0f} - {peaks[0] / 2**20:.0f} = {growth / 2**20:.0f} MiB / {more / 2**20:.0f} MiB",
                 "no more than the tables", growth <= more)

    def numpy(self, program, trace, seen):
        self.note("replay in numpy")
        results = self.path("numpy.results.h5")
        budgets = ",".join(str(64 + 16 * i) for i in range(16))
        self.run("replay", trace, "-b", budgets, "-s", "uniform/rkv", "-s", "uniform/snapkv", "-s", "pyramid/rkv", "-s",
                 "reasonalloc-head/rkv", "--no-controls", "--metrics", "mass", "--quiet", "-f", "-o", results)
        peer = pathlib.Path(__file__).parent / "peers" / "numpy_replay.py"
        theirs = json.loads(subprocess.run([self.python, str(peer), trace, results], check=True, capture_output=True,
                                           text=True).stdout)
        one_thread = json.loads(subprocess.run([str(program), trace, "--json", "--threads", "1", "--only", "mass"],
                                               check=True, capture_output=True, text=True).stdout)  # as numpy has
        ours = one_thread["mass"]["core_seconds_64"] / 64
        agreement = f"masses within {theirs['largest_mass_difference']:.0e}"
        for what, seconds, limit in (("one configuration at a time", theirs["one_seconds"], 300),
                                     ("batching 64", theirs["batch_seconds"], 10)):
            ratio = seconds / ours
            self.row(f"replay phase 2, numpy {what} / kvwave, one thread each, core time per configuration",
                     f"{1e3 * seconds:.0f} / {1e3 * ours:.1f} ms = {ratio:.0f}x, {agreement}", f"at least {limit}x",
                     ratio >= limit)
        own = seen["phase1"]["core_ms"]
        self.row("replay phase 1 of R-KV, numpy / kvwave, core time",
                 f"{1e3 * theirs['phase1_seconds']:.0f} / {own:.0f} ms = {1e3 * theirs['phase1_seconds'] / own:.1f}x, "
                 f"{theirs['evictions_that_agree']:.1%} of evictions agree", "", None)

    # --- same inputs, same bytes ------------------------------------------------------------------------------------
    def same(self):
        hashes = set()
        for number, threads in enumerate((1, 2, 2)):
            path = self.path(f"same{number}.h5")
            self.run("capture", "-m", self.model, "-p", PROMPT, "-n", 64, "--temperature", 0.6, "--seed", 3, "--threads",
                     threads, "--quiet", "-o", path)
            hashes.add(json.loads(self.run("info", path, "--json"))["content_sha256"])
        self.row("same seed, 1 and 2 threads: trace content hash", "equal" if len(hashes) == 1 else "DIFFERENT", "equal",
                 len(hashes) == 1)
        outputs = set()
        for threads in (1, 2):
            names = [self.path(f"same{threads}{ending}") for ending in (".results.h5", ".csv")]
            self.run("replay", self.path("same0.h5"), "-b", "32", "-s", "uniform/rkv", "-s", "reasonalloc/rkv",
                     "--threads", threads, "--quiet", "-o", names[0], "--csv", names[1])
            outputs.add(tuple(pathlib.Path(name).read_bytes() for name in names))
        self.row("replay with 1 and 2 threads: results.h5 and CSV", "byte-identical" if len(outputs) == 1 else "DIFFERENT",
                 "byte-identical", len(outputs) == 1)

    # --- models of other sizes and types ----------------------------------------------------------------------------
    def models(self):
        for measure in model_figures.ALL:
            measure(self)

    # --- the viewer, without a display -----------------------------------------------------------------------------
    def view(self):
        if not (self.build / "kvwave-viewer").exists():
            self.note("no viewer in this build: part view is left out")
            return
        long = self.path("long.h5")
        self.note("writing a trace of 16,384 steps x 32 layers x 32 q_heads")
        subprocess.run([str(self.build / "tests/bench/make_long_trace"), "-o", long, "--levels", "tokens,stats"], check=True)
        frames = [json.loads(self.run("view", long, "--measure", "--frames", 200, "--size", "1600x1000"))
                  for _ in range(min(3, self.rounds))]
        median = {key: statistics.median(f[key] for f in frames) for key in ("first_frame_ms", "median_ms", "peak_mb")}
        # A GPU is expected to be four times as fast as the CPU's rasteriser.
        target = 33 if "llvmpipe" in frames[0]["renderer"] else 8
        where = f"16,384 steps, 1600 x 1000, {frames[0]['renderer']}"
        self.row(f"viewer: first useful frame, {where}", f"{median['first_frame_ms']:.0f} ms", "1000 ms",
                 median["first_frame_ms"] < 1000)
        self.row("viewer: memory with that trace and all panels", f"{median['peak_mb']:.0f} MB", "500 MB",
                 median["peak_mb"] < 500)
        self.row("viewer: frame while scrubbing, all panels, median", f"{median['median_ms']:.1f} ms", f"{target} ms",
                 median["median_ms"] < target)
        demo = [pathlib.Path("demo", name) for name in ("garden.h5", "results.h5", "profile.json")]
        if not all(path.exists() for path in demo):
            self.note("no demo/ here (./run demo makes it): frames with results and the export are not measured")
            return
        frames = [json.loads(self.run("view", *demo, "--measure", "--frames", 200, "--size", "1600x1000"))
                  for _ in range(min(3, self.rounds))]
        median = {key: statistics.median(f[key] for f in frames) for key in ("median_ms", "whole_ms")}
        self.row("viewer: the same with the demo's results in all panels", f"{median['median_ms']:.1f} ms",
                 f"{target} ms", median["median_ms"] < target)
        self.row("viewer: such a frame painted whole (another tab, theme or size)", f"{median['whole_ms']:.1f} ms", "",
                 None)
        begin = time.monotonic()
        self.run("view", *demo, "--export", self.path("figures"))
        seconds = time.monotonic() - begin
        self.row("viewer: export of all figures of the demo", f"{seconds:.1f} s", "10 s", seconds < 10)


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--venv", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("parts", nargs="*", metavar="PART", help="of: " + " ".join(PARTS))
    args = parser.parse_args()
    unknown = [part for part in args.parts if part not in PARTS]
    if unknown:
        parser.error(f"unknown part {unknown[0]}; known: {' '.join(PARTS)}")
    bench = Bench(args)
    for part in args.parts or PARTS:
        getattr(bench, part)()
    version = subprocess.run([bench.kvwave, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    print(f"{version}; {processor()}, {os.cpu_count()} cores, {args.threads} threads; medians of {args.rounds} rounds\n")
    print("| what | measured | target | |\n| --- | --- | --- | --- |")
    for row in bench.rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
