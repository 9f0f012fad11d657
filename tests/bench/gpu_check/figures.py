"""The figures, each beside what is to be reached."""

import re
import statistics
import time

from programs import Failed
from sizes import EMBEDDING_BYTES, LLAMA_CPP, PROMPT, STRATEGIES


def device_bandwidth(check):
    found = check.programs.json("device_bench", "bandwidth", "--device", check.args.device, "--megabytes",
                                check.size.megabytes)
    check.bandwidth = found["read_bytes_per_second"]
    check.report.row("memory bandwidth, own kernels",
                     f"read {check.bandwidth / 1e9:.0f} GB/s, copy {found['copy_bytes_per_second'] / 1e9:.0f} GB/s")


def bench_decode(check, model, positions, levels, repeats):
    wanted = [word for level in levels for word in ("--levels", level)]
    return check.programs.json("device_bench", "decode", model, "--device", check.args.device, "--folder", check.work,
                               "--positions", ",".join(map(str, positions)), "--tokens", check.size.tokens,
                               "--repeats", repeats, *wanted, limit=200)["runs"]


def decode(check, name, kind, share):
    model = check.input(name)
    info = check.programs.json("kvwave", "info", model, "--json", "--quick")
    rows_only = info["vocab_size"] * info["hidden"] * EMBEDDING_BYTES[kind]  # one row of the embedding is read
    params = info["param_bytes"] - (0 if info["tied_output"] else rows_only)
    # The recording runs of the F16 model share the load of 16 GB with the plain ones.
    levels = ["none", "tokens,stats,qkv", "tokens,stats,qkv,attention"] if kind == "F16" else ["none"]
    first = bench_decode(check, model, [check.size.recording_positions], levels, check.size.repeats)
    far = bench_decode(check, model, [p for p in check.size.positions if p != check.size.recording_positions],
                       ["none"], 1)
    for positions in check.size.positions:
        seconds = [run["decode_seconds"] / run["tokens"] for run in first + far
                   if run["levels"] == "none" and run["positions"] == positions]
        if not seconds:
            continue
        per_token = params + info["kv_bytes_per_token"]["f16"] * (positions + check.size.tokens / 2)
        best = min(seconds)
        measured = f"{1 / best:.1f} tok/s, {per_token / 1e9:.3f} GB per token, {per_token / best / 1e9:.0f} GB/s"
        reached = None
        if check.bandwidth:
            measured += f" = {100 * per_token / best / check.bandwidth:.0f} %"
            reached = per_token / best >= share * check.bandwidth
        check.report.row(f"decode, random 8B shape in {kind}, n = {positions}", measured,
                         f"{100 * share:.0f} % of the bandwidth", reached)
        if positions == check.size.positions[0]:
            published, source = LLAMA_CPP[kind]
            check.report.row(f"the same beside llama.cpp ({source})", f"{params / best / 1e9:.0f} GB/s of parameters",
                             f"{published / 1e9:.0f} GB/s", params / best >= published)
    if len(levels) > 1:
        recording(check, first, levels)


def recording(check, runs, levels):
    """Ratios of neighbouring runs: machines drift, pairs drift less."""
    plain = [run for run in runs if run["levels"] == "none"]
    for level, target in zip(levels[1:], (1.05, 1.15)):
        recorded = [run for run in runs if run["levels"] == level]
        ratio = statistics.median(r["decode_seconds"] / p["decode_seconds"] for r, p in zip(recorded, plain))
        stalls = sum(run["stalls"] for run in recorded)
        check.report.row(f"recording {level}, n = {check.size.recording_positions}",
                         f"{ratio:.3f}x of no recording, median of {len(plain)} pairs, {stalls} stalls",
                         f"{target}x", ratio <= target)


def demo_speed(check):
    speeds = []
    for _ in range(check.size.repeats):
        out = check.programs.json("kvwave", "capture", "-m", check.args.model, "-p", PROMPT, "-n",
                                  2 * check.size.demo_tokens, "--ignore-eos", "--no-record", "--json", "-q", "--device",
                                  check.args.device, limit=60)
        speeds.append(out["tokens_per_second"])
    check.report.row("demo model, no recording", f"{max(speeds):.0f} tok/s", "1,500 tok/s", max(speeds) > 1500)


def start_replay(check, trace, device):
    """Starts a replay of 64 configurations."""
    words = [word for strategy in STRATEGIES for word in ("-s", strategy)]
    words += ["--threads", 2] if device == "cpu" else []
    return check.programs.start("kvwave", "replay", trace, *words, "-b", ",".join(map(str, check.size.budgets)),
                                "--metrics", "mass,error", "--no-controls", "--device", device)


def replay_phases(check, process, limit):
    """Waits for a replay; the seconds of its two phases, which leave out reading and writing files."""
    _, err = check.programs.finish(process, limit)
    phases = re.search(r"phase 1 ([0-9.]+) s .*phase 2 ([0-9.]+) s", err)
    if phases is None:
        raise Failed("replay printed no timing")
    return float(phases[1]), float(phases[2])


def replay(check):
    trace = check.input("long.h5")
    start = time.monotonic()
    first, second = replay_phases(check, start_replay(check, trace, check.args.device), 180)
    wall = time.monotonic() - start
    count_replay_work(check, second)
    check.report.row("replay, 16,384 steps x 8B shape x 64 configurations, retained mass and output error",
                     f"{wall:.1f} s from the page cache (phase 1 {first:.1f} s, phase 2 {second:.1f} s)", "60 s",
                     wall <= 60)


def count_replay_work(check, seconds):
    """Notes what phase 2 cannot do less than: every q.k once, and the values of what each configuration holds."""
    steps, prompt, n_layers, n_q_heads, head_dim = check.size.trace_shape
    per_pair = 2 * head_dim * n_q_heads * n_layers
    rows = steps * prompt + steps * (steps + 1) / 2
    values = len(STRATEGIES) * sum(steps * budget for budget in check.size.budgets)
    flop = per_pair * (rows + values)
    check.report.note(f"replay's phase 2 does at least {flop / 1e12:.1f} TFLOP (q.k {per_pair * rows / 1e12:.1f}, "
                      f"values {per_pair * values / 1e12:.1f}): {flop / max(seconds, 1e-3) / 1e12:.1f} TFLOP/s")


def start_cpu_replay(check):
    """The CPU's two threads work beside what the device does next; the result is fetched at the end."""
    check.made["cpu replay"] = start_replay(check, check.input("slice.h5"), "cpu")


def replay_beside_cpu(check):
    on_device = sum(replay_phases(check, start_replay(check, check.input("slice.h5"), check.args.device), 60))
    if "cpu replay" not in check.made:
        raise Failed("the CPU's replay was not started")
    on_cpu = sum(replay_phases(check, check.made.pop("cpu replay"), 120))
    ratio = on_cpu / max(on_device, 1e-3)
    check.report.row("replay of a slice (" + " ".join(map(str, check.size.slice)) + "), 64 configurations",
                     f"CPU with 2 threads {on_cpu:.1f} s, device {on_device:.2f} s: {ratio:.0f}x", "100x", ratio >= 100)


def memory(check):
    found = check.programs.json("device_bench", "memory", check.input("q4_k.gguf"), "--device", check.args.device,
                                "--positions", check.size.positions[0], "--folder", check.work)
    predicted, measured = found["predicted_bytes"], found["measured_bytes"]
    off = abs(predicted - measured) / max(measured, 1)
    check.report.row("device memory, 8B shape in Q4_K, recording everything",
                     f"predicted {predicted / 1e9:.3f} GB, measured {measured / 1e9:.3f} GB ({100 * off:.1f} % off)",
                     "within 5 %", off <= 0.05)
