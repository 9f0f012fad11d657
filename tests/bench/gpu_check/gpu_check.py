"""Everything that a GPU is needed for, in one go under eight minutes: correctness against the CPU, then the figures
beside their targets, written as Markdown. Standard library only. Normally through ./run gpu-check, or the launcher of a
packed folder.

usage: gpu_check.py --bin DIR --model GGUF --results DIR [--lib DIR] [--work DIR] [--device cuda|cpu] [--tiny] [--seconds N]

A missed target is written down as missed; the exit code is 1 only when a device gives wrong results or cannot be had.
"""

import argparse
import json
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from programs import Failed, Programs
from report import Report
from sizes import EMBEDDING_BYTES, FULL, STRATEGIES, TINY

PROMPT = "If 3 pens cost 4 dollars, how much do 12 pens cost? Think step by step."


class GpuCheck:
    def __init__(self, args):
        self.args = args
        self.size = TINY if args.tiny else FULL
        self.programs = Programs(args.bin, args.lib, args.seconds)
        self.report = Report()
        self.wrong = []  # results that differ from the CPU's: these make the check fail
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="gpu-check-", dir=args.work))
        self.made = {}  # what is made in the background: name -> process
        self.bandwidth = None

    def path(self, name):
        return self.work / name

    def say(self, text):
        print(f"gpu-check: {text} ({self.programs.left():.0f} s left)", file=sys.stderr, flush=True)

    def step(self, what, work, *args):
        """Runs one part; a failure becomes a row and the next part goes on."""
        self.say(what)
        try:
            work(*args)
        except Failed as failure:
            self.report.not_run(what, str(failure))

    # --- the device, and what is made while it is checked -----------------------------------------------------------
    def why_no_device(self):
        """One line why the asked device cannot be used; empty when it can."""
        if self.args.device == "cpu":
            return ""
        found = self.programs.json("kvwave", "info", "--devices", "--json")
        devices = [device for device in found["devices"] if device["device"] != "cpu"]
        if any(device["usable"] for device in devices):
            return ""
        return found["no_cuda_because"] or "; ".join(f"{d['device']}: {d['why_unusable']}" for d in devices)

    def make_inputs(self):
        kinds = {"F16": "f16.gguf", "Q4_K": "q4_k.gguf"}
        for kind, name in kinds.items():
            self.made[name] = self.programs.start("make_random_model", "-o", self.path(name), "--type", kind,
                                                  *self.size.model)
        self.made["slice.h5"] = self.programs.start("make_long_trace", "-o", self.path("slice.h5"), *self.size.slice)
        self.made["long.h5"] = self.programs.start("make_long_trace", "-o", self.path("long.h5"), *self.size.trace)

    def input(self, name, limit=150):
        """Waits until a background program has made the file."""
        process = self.made.pop(name, None)
        if process is not None:
            self.programs.finish(process, limit)
        if not self.path(name).exists():
            raise Failed(f"{name} could not be made")
        return self.path(name)

    # --- correctness ------------------------------------------------------------------------------------------------
    def test_suite(self, name):
        if not self.programs.has(name):
            raise Failed("built without CUDA")
        out, _ = self.programs.run(name, "--gtest_brief=1", limit=150, codes=(0, 1))
        passed = int((re.search(r"\[  PASSED  \] (\d+) test", out) or [0, 0])[1])
        skipped = int((re.search(r"\[  SKIPPED \] (\d+) test", out) or [0, 0])[1])
        failed = int((re.search(r"\[  FAILED  \] (\d+) test", out) or [0, 0])[1])
        self.report.row(name, f"{passed} passed, {failed} failed, {skipped} skipped", "all pass",
                        failed == 0 and skipped == 0)
        if failed:
            self.wrong.append(f"{name}: {failed} tests failed")

    def demo_captures(self):
        model = self.args.model
        for device in ("cpu", self.args.device):
            common = ["capture", "-m", model, "-p", PROMPT, "-n", self.size.demo_tokens, "--ignore-eos", "-q",
                      "--device", device, "--qkv-dtype", "f32", "--attention-dtype", "f32", "--epsilon", "0", "-f"]
            self.programs.run("kvwave", *common, "-o", self.path(f"demo-{device}.h5"), limit=90)
            verified = "passes"
            try:
                self.programs.run("kvwave", "verify", self.path(f"demo-{device}.h5"), limit=60)
            except Failed as failure:
                verified = str(failure)
                self.wrong.append(f"verify of the {device} trace: {verified}")
            self.report.row(f"kvwave verify, demo model on {device}", verified, "passes", verified == "passes")
        found = self.programs.json("compare_traces", self.path("demo-cpu.h5"), self.path(f"demo-{self.args.device}.h5"))
        equal, wanted = found["equal_tokens"], found["tokens"]
        logprobs = found.get("logprobs_at_first_difference")
        close = logprobs is not None and abs(logprobs[0] - logprobs[1]) < 0.02
        text = f"{equal} of {wanted} equal"
        if logprobs:
            text += f"; at the first difference log probabilities {logprobs[0]:.4f} and {logprobs[1]:.4f}"
        self.report.row("greedy tokens, demo model against the CPU", text, "all, or until two logits are within 0.02",
                        equal == wanted or close)
        rows = found["largest_row_difference"]
        self.report.row("attention rows against the CPU, largest difference", f"{rows:.2e}", "3e-3", rows <= 3e-3)
        demand = found["largest_demand_difference"]
        self.report.row("layer means of demand against the CPU", f"{100 * demand:.2f} %", "1 %", demand <= 0.01)
        if rows > 3e-3 or not (equal == wanted or close):
            self.wrong.append("the demo model decodes differently from the CPU")

    def sanitizer(self):
        tool = shutil.which("compute-sanitizer") or next(
            (str(p) for p in sorted(pathlib.Path("/usr/local").glob("cuda*/bin/compute-sanitizer"))), None)
        if tool is None:
            raise Failed("compute-sanitizer is not installed")
        if not self.programs.has("gpu_parity_tests"):
            raise Failed("built without CUDA")
        limit = min(60.0, self.programs.left())
        try:
            done = subprocess.run([tool, "--error-exitcode", "9", str(self.programs.files["gpu_parity_tests"]),
                                   "--gtest_filter=*odd*:*one_*:*ties*"], env=self.programs.environment,
                                  capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            raise Failed(f"stopped after {limit:.0f} s") from None
        summary = [line for line in done.stdout.splitlines() if "ERROR SUMMARY" in line]
        self.report.row("compute-sanitizer memcheck, parity suite", summary[-1] if summary else "no summary",
                        "0 errors", done.returncode == 0)
        if done.returncode == 9:
            self.wrong.append("compute-sanitizer found errors")

    # --- figures ----------------------------------------------------------------------------------------------------
    def device_bandwidth(self):
        found = self.programs.json("device_bench", "bandwidth", "--device", self.args.device, "--megabytes",
                                   self.size.megabytes)
        self.bandwidth = found["read_bytes_per_second"]
        self.report.row("memory bandwidth, own kernels",
                        f"read {self.bandwidth / 1e9:.0f} GB/s, copy {found['copy_bytes_per_second'] / 1e9:.0f} GB/s")

    def bench_decode(self, model, positions, levels, repeats):
        wanted = [word for level in levels for word in ("--levels", level)]
        return self.programs.json("device_bench", "decode", model, "--device", self.args.device, "--folder", self.work,
                                  "--positions", ",".join(map(str, positions)), "--tokens", self.size.tokens,
                                  "--repeats", repeats, *wanted, limit=200)["runs"]

    def decode(self, name, kind, share):
        model = self.input(name)
        info = self.programs.json("kvwave", "info", model, "--json", "--quick")
        rows_only = info["vocab_size"] * info["hidden"] * EMBEDDING_BYTES[kind]  # one row of the embedding is read
        params = info["param_bytes"] - (0 if info["tied_output"] else rows_only)
        # The recording runs of the F16 model share the load of 16 GB with the plain ones.
        levels = ["none", "tokens,stats,qkv", "tokens,stats,qkv,attention"] if kind == "F16" else ["none"]
        first = self.bench_decode(model, [self.size.recording_positions], levels, self.size.repeats)
        far = self.bench_decode(model, [p for p in self.size.positions if p != self.size.recording_positions],
                                ["none"], 1)
        for positions in self.size.positions:
            seconds = [run["decode_seconds"] / run["tokens"] for run in first + far
                       if run["levels"] == "none" and run["positions"] == positions]
            if not seconds:
                continue
            per_token = params + info["kv_bytes_per_token"]["f16"] * (positions + self.size.tokens / 2)
            best = min(seconds)
            measured = f"{1 / best:.1f} tok/s, {per_token / 1e9:.3f} GB per token, {per_token / best / 1e9:.0f} GB/s"
            reached = None
            if self.bandwidth:
                measured += f" = {100 * per_token / best / self.bandwidth:.0f} %"
                reached = per_token / best >= share * self.bandwidth
            self.report.row(f"decode, random 8B shape in {kind}, n = {positions}", measured,
                            f"{100 * share:.0f} % of the bandwidth", reached)
        if len(levels) > 1:
            self.recording(first, levels)

    def recording(self, runs, levels):
        """Ratios of neighbouring runs: machines drift, pairs drift less."""
        plain = [run for run in runs if run["levels"] == "none"]
        for level, target in zip(levels[1:], (1.05, 1.15)):
            recorded = [run for run in runs if run["levels"] == level]
            ratio = statistics.median(r["decode_seconds"] / p["decode_seconds"] for r, p in zip(recorded, plain))
            stalls = sum(run["stalls"] for run in recorded)
            self.report.row(f"recording {level}, n = {self.size.recording_positions}",
                            f"{ratio:.3f}x of no recording, median of {len(plain)} pairs, {stalls} stalls",
                            f"{target}x", ratio <= target)

    def demo_speed(self):
        speeds = []
        for _ in range(self.size.repeats):
            out = self.programs.json("kvwave", "capture", "-m", self.args.model, "-p", PROMPT, "-n",
                                     2 * self.size.demo_tokens, "--ignore-eos", "--no-record", "--json", "-q", "--device",
                                     self.args.device, limit=60)
            speeds.append(out["tokens_per_second"])
        self.report.row("demo model, no recording", f"{max(speeds):.0f} tok/s", "1,500 tok/s", max(speeds) > 1500)

    def replay_seconds(self, trace, device, limit):
        """Seconds of both phases and of the whole command, for 64 configurations."""
        strategies = [word for strategy in STRATEGIES for word in ("-s", strategy)]
        _, err, wall = self.programs.timed("kvwave", "replay", trace, *strategies, "-b",
                                           ",".join(map(str, self.size.budgets)), "--metrics", "mass,error",
                                           "--no-controls", "--device", device, "--threads", 2 if device == "cpu" else 0,
                                           "--json", self.path("replay.json"), "-f", limit=limit)
        phases = re.search(r"phase 1 ([0-9.]+) s .*phase 2 ([0-9.]+) s", err)
        if phases is None:
            raise Failed("replay printed no timing")
        return float(phases[1]), float(phases[2]), wall

    def replay(self):
        trace = self.input("long.h5")
        first, second, wall = self.replay_seconds(trace, self.args.device, 180)
        self.count_replay_work(second)
        self.report.row("replay, 16,384 steps x 8B shape x 64 configurations, retained mass and output error",
                        f"{wall:.1f} s from the page cache (phase 1 {first:.1f} s, phase 2 {second:.1f} s)", "60 s",
                        wall <= 60)

    def count_replay_work(self, seconds):
        """Notes what phase 2 cannot do less than: every q.k once, and the values of what each configuration holds."""
        steps, prompt, n_layers, n_q_heads, head_dim = self.size.trace_shape
        per_pair = 2 * head_dim * n_q_heads * n_layers
        rows = steps * prompt + steps * (steps + 1) / 2
        values = len(STRATEGIES) * sum(steps * budget for budget in self.size.budgets)
        flop = per_pair * (rows + values)
        self.report.note(f"replay's phase 2 does at least {flop / 1e12:.1f} TFLOP (q.k {per_pair * rows / 1e12:.1f}, "
                         f"values {per_pair * values / 1e12:.1f}): {flop / max(seconds, 1e-3) / 1e12:.1f} TFLOP/s")

    def replay_beside_cpu(self):
        trace = self.input("slice.h5")
        on_cpu = sum(self.replay_seconds(trace, "cpu", 150)[:2])
        on_device = sum(self.replay_seconds(trace, self.args.device, 60)[:2])
        ratio = on_cpu / max(on_device, 1e-3)
        self.report.row("replay of a slice (" + " ".join(map(str, self.size.slice)) + "), 64 configurations",
                        f"CPU with 2 threads {on_cpu:.1f} s, device {on_device:.2f} s: {ratio:.0f}x", "100x", ratio >= 100)

    def memory(self):
        found = self.programs.json("device_bench", "memory", self.input("q4_k.gguf"), "--device", self.args.device,
                                   "--positions", self.size.positions[0], "--folder", self.work)
        predicted, measured = found["predicted_bytes"], found["measured_bytes"]
        off = abs(predicted - measured) / max(measured, 1)
        self.report.row("device memory, 8B shape in Q4_K, recording everything",
                        f"predicted {predicted / 1e9:.3f} GB, measured {measured / 1e9:.3f} GB ({100 * off:.1f} % off)",
                        "within 5 %", off <= 0.05)

    # ----------------------------------------------------------------------------------------------------------------
    def run(self):
        start = time.monotonic()
        why = self.why_no_device()
        if why:
            print(f"gpu-check: no CUDA device can be used: {why}", file=sys.stderr)
            return 1
        self.make_inputs()
        for suite in ("gpu_parity_tests", "gpu_replay_tests"):
            self.step(suite, self.test_suite, suite)
        self.step("captures of the demo model", self.demo_captures)
        self.step("memory bandwidth", self.device_bandwidth)
        self.step("demo model's speed", self.demo_speed)
        self.step("decode and recording, 8B in F16", self.decode, "f16.gguf", "F16", 0.75)
        self.path("f16.gguf").unlink(missing_ok=True)
        self.step("decode, 8B in Q4_K", self.decode, "q4_k.gguf", "Q4_K", 0.45)
        if self.args.device != "cpu":
            self.step("device memory", self.memory)
        self.step("replay", self.replay)
        self.step("replay beside the CPU", self.replay_beside_cpu)
        self.step("compute-sanitizer", self.sanitizer)
        return self.finish(time.monotonic() - start)

    def finish(self, seconds):
        device = self.device_name()
        program = self.programs.run("kvwave", "--version")[0].strip()
        for text in self.wrong:
            self.report.note(f"wrong: {text}")
        command = " ".join(["./run gpu-check"] + (["--device cpu --tiny"] if self.args.tiny else []))
        text = self.report.markdown(device, program, command, seconds, self.args.tiny)
        print(text)
        print(f"gpu-check: wrote {self.report.write(self.args.results, device, text)}", file=sys.stderr)
        return 1 if self.wrong else 0

    def device_name(self):
        if self.args.device == "cpu":
            return "cpu"
        found = self.programs.json("kvwave", "info", "--devices", "--json")["devices"]
        usable = next(device for device in found if device["device"] != "cpu" and device["usable"])
        return f"{usable['device']} {usable['name']}"

    def clean(self):
        for process in self.made.values():
            process.kill()
            process.communicate()
        shutil.rmtree(self.work, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(prog="gpu-check")
    parser.add_argument("--bin", required=True, help="folder with the programs, at any depth")
    parser.add_argument("--lib", help="folder with the shared libraries they need")
    parser.add_argument("--model", required=True, help="the demo model")
    parser.add_argument("--results", required=True, help="folder for the report")
    parser.add_argument("--work", help="folder for 30 GB of models and traces (the system's temporary folder)")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--tiny", action="store_true", help="tiny shapes: a rehearsal")
    parser.add_argument("--seconds", type=float, default=460, help="time for everything; what is left out is said")
    args = parser.parse_args()
    if args.device == "cpu" and not args.tiny:
        parser.error("--device cpu is a rehearsal: it needs --tiny")
    check = GpuCheck(args)
    try:
        sys.exit(check.run())
    except (Failed, json.JSONDecodeError) as failure:
        print(f"gpu-check: {failure}", file=sys.stderr)
        sys.exit(1)
    finally:
        check.clean()


if __name__ == "__main__":
    main()
