"""Whether the device computes what the CPU computes. What differs is also noted as wrong, which fails the check."""

import pathlib
import re
import shutil
import subprocess

from programs import Failed, Missing
from sizes import PROMPT


def test_suite(check, name):
    if not check.programs.has(name):
        raise Missing("built without CUDA")
    out, _ = check.programs.run(name, "--gtest_brief=1", limit=150, codes=(0, 1))
    passed = int((re.search(r"\[  PASSED  \] (\d+) test", out) or [0, 0])[1])
    skipped = int((re.search(r"\[  SKIPPED \] (\d+) test", out) or [0, 0])[1])
    failed = int((re.search(r"\[  FAILED  \] (\d+) test", out) or [0, 0])[1])
    check.report.row(name, f"{passed} passed, {failed} failed, {skipped} skipped", "all pass",
                     failed == 0 and skipped == 0)
    if failed:
        check.wrong.append(f"{name}: {failed} tests failed")


def demo_captures(check):
    model = check.args.model
    for device in ("cpu", check.args.device):
        common = ["capture", "-m", model, "-p", PROMPT, "-n", check.size.demo_tokens, "--ignore-eos", "-q",
                  "--device", device, "--qkv-dtype", "f32", "--attention-dtype", "f32", "--epsilon", "0", "-f"]
        check.programs.run("kvwave", *common, "-o", check.path(f"demo-{device}.h5"), limit=90)
        verified = "passes"
        try:
            check.programs.run("kvwave", "verify", check.path(f"demo-{device}.h5"), limit=60)
        except Failed as failure:
            verified = str(failure)
            check.wrong.append(f"verify of the {device} trace: {verified}")
        check.report.row(f"kvwave verify, demo model on {device}", verified, "passes", verified == "passes")
    found = check.programs.json("compare_traces", check.path("demo-cpu.h5"), check.path(f"demo-{check.args.device}.h5"))
    equal, wanted = found["equal_tokens"], found["tokens"]
    logprobs = found.get("logprobs_at_first_difference")
    close = logprobs is not None and abs(logprobs[0] - logprobs[1]) < 0.02
    text = f"{equal} of {wanted} equal"
    if logprobs:
        text += f"; at the first difference log probabilities {logprobs[0]:.4f} and {logprobs[1]:.4f}"
    check.report.row("greedy tokens, demo model against the CPU", text, "all, or until two logits are within 0.02",
                     equal == wanted or close)
    rows = found["largest_row_difference"]
    check.report.row("attention rows against the CPU, largest difference", f"{rows:.2e}", "3e-3", rows <= 3e-3)
    demand = found["largest_demand_difference"]
    check.report.row("layer means of demand against the CPU", f"{100 * demand:.2f} %", "1 %", demand <= 0.01)
    if rows > 3e-3 or not (equal == wanted or close):
        check.wrong.append("the demo model decodes differently from the CPU")


def sanitizer(check):
    tool = shutil.which("compute-sanitizer") or next(
        (str(p) for p in sorted(pathlib.Path("/usr/local").glob("cuda*/bin/compute-sanitizer"))), None)
    if tool is None:
        raise Missing("compute-sanitizer is not installed")
    if not check.programs.has("gpu_parity_tests"):
        raise Missing("built without CUDA")
    limit = min(60.0, check.programs.left())
    try:
        done = subprocess.run([tool, "--error-exitcode", "9", str(check.programs.files["gpu_parity_tests"]),
                               "--gtest_filter=*odd*:*one_*:*ties*"], env=check.programs.environment,
                              capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        raise Missing(f"stopped after {limit:.0f} s") from None
    summary = [line for line in done.stdout.splitlines() if "ERROR SUMMARY" in line]
    check.report.row("compute-sanitizer memcheck, parity suite", summary[-1] if summary else "no summary",
                     "0 errors", done.returncode == 0)
    if done.returncode == 9:
        check.wrong.append("compute-sanitizer found errors")
