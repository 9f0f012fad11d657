"""Everything that a GPU is needed for, in one go under eight minutes: correctness against the CPU, then the figures
beside their targets, written as Markdown. Standard library only. Normally through ./run gpu-check, or the launcher of a
packed folder.

usage: gpu_check.py --bin DIR --model GGUF --results DIR [--lib DIR] [--work DIR] [--device cuda|cpu] [--tiny] [--seconds N]

A missed target is written down as missed; the exit code is 1 only when a device gives wrong results or cannot be had.
"""

import argparse
import json
import pathlib
import shutil
import sys
import tempfile
import time

import correctness
import figures
from programs import Failed, Missing, Programs
from report import Report
from sizes import FULL, TINY


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
        self.device = self.program = ""

    def path(self, name):
        return self.work / name

    def say(self, text):
        print(f"gpu-check: {text} ({self.programs.left():.0f} s left)", file=sys.stderr, flush=True)

    def step(self, what, work, *args):
        """Runs one part; a failure becomes a row and the next part goes on."""
        self.say(what)
        try:
            work(self, *args)
        except Failed as failure:
            self.report.not_run(what, str(failure))
            # A crash of a test or of a capture is a wrong result too; a figure that could not be had is not.
            if work.__module__ == correctness.__name__ and not isinstance(failure, Missing):
                self.wrong.append(f"{what}: {failure}")

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

    def run(self):
        start = time.monotonic()
        why = self.why_no_device()
        if why:
            print(f"gpu-check: no CUDA device can be used: {why}", file=sys.stderr)
            return 1
        self.device = self.device_name()
        self.program = self.programs.run("kvwave", "--version")[0].strip()
        self.make_inputs()
        for suite in ("gpu_parity_tests", "gpu_replay_tests"):
            self.step(suite, correctness.test_suite, suite)
        self.step("captures of the demo model", correctness.demo_captures)
        self.step("memory bandwidth", figures.device_bandwidth)
        self.step("the CPU's part of the replay", figures.start_cpu_replay)
        self.step("demo model's speed", figures.demo_speed)
        self.step("decode and recording, 8B in F16", figures.decode, "f16.gguf", "F16", 0.75)
        self.path("f16.gguf").unlink(missing_ok=True)
        self.step("decode, 8B in Q4_K", figures.decode, "q4_k.gguf", "Q4_K", 0.45)
        if self.args.device != "cpu":
            self.step("device memory", figures.memory)
        self.step("replay", figures.replay)
        self.step("replay beside the CPU", figures.replay_beside_cpu)
        self.step("compute-sanitizer", correctness.sanitizer)
        return self.finish(time.monotonic() - start)

    def finish(self, seconds):
        for text in self.wrong:
            self.report.note(f"wrong: {text}")
        command = "./run gpu-check" + (" --device cpu" if self.args.device == "cpu" else "") + " --tiny" * self.args.tiny
        text = self.report.markdown(self.device, self.program, command, seconds, self.args.tiny)
        print(text)
        print(f"gpu-check: wrote {self.report.write(self.args.results, self.device, text)}", file=sys.stderr)
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
