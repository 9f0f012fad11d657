"""Replay in numpy on one core: what kvwave's two phases take when written with array operations.

usage: numpy_replay.py TRACE.h5 RESULTS.h5 [--layers N] [--phase1-budget B] [--repeats N]

RESULTS.h5 comes from `kvwave replay TRACE.h5 -o RESULTS.h5`: its configurations say what is evicted when, so that phase 2
here computes the same retained masses, and its evictions of uniform/rkv at the phase 1 budget are what phase 1 here must
find. Prints one JSON object: processor seconds per configuration of the whole trace, measured on N layers, each piece the
best of N repeats, as replay_bench takes the best of its own.
"""

import argparse
import json
import os
import time

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

import h5py  # noqa: E402
import numpy as np  # noqa: E402

NEVER = 2147483647
WINDOW, BUFFER, KERNEL, LAMBDA, ALIKE = 8, 128, 7, 0.1, 0.5


def softmax(x):
    x -= x.max(axis=-1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(axis=-1, keepdims=True)
    return x


def full_rows(q, k, n_prompt):
    """[steps, positions] attention rows of one query head."""
    logits = q[n_prompt:] @ k.T / np.float32(np.sqrt(q.shape[1]))
    position = np.arange(len(k))
    logits[position[None] > position[n_prompt:, None]] = -np.inf
    return softmax(logits)


def mass_one(rows, evicted_at):
    """[steps] retained mass of one configuration: a mask per step."""
    step = np.arange(len(rows), dtype=np.int32)
    return (rows * (step[:, None] < evicted_at[None])).sum(axis=1)


def mass_batch(rows, evicted_at):
    """[steps, configurations]: a matrix product for every run of steps in which nothing is evicted."""
    changes = np.unique(evicted_at[evicted_at < len(rows)])
    edges = np.unique(np.concatenate([[0], changes, [len(rows)]]))
    out = np.empty((len(rows), len(evicted_at)), np.float32)
    for first, last in zip(edges[:-1], edges[1:]):
        out[first:last] = rows[first:last] @ (first < evicted_at).T.astype(np.float32)
    return out


def importance(q, k, n_candidates):
    """q [group, w, d], k [n, d]: R-KV's A over the candidates."""
    logits = (q @ k[:n_candidates].T / np.float32(np.sqrt(k.shape[1]))).max(axis=0)
    mean = softmax(logits).mean(axis=0)
    padded = np.pad(mean, KERNEL // 2, constant_values=-np.inf)
    return np.lib.stride_tricks.sliding_window_view(padded, KERNEL).max(axis=1)


def redundancy(k):
    unit = k / (np.linalg.norm(k, axis=1, keepdims=True) + 1e-8)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, 0)
    alike = cosine > ALIKE
    last = len(k) - 1 - alike[:, ::-1].argmax(axis=1)
    cosine[np.arange(len(k)), np.where(alike.any(axis=1), last, 0)] = 0
    return softmax(cosine.mean(axis=0))


def rkv(q, k, n_prompt, budget):
    """[positions] evicted_at of one KV head; q [positions, group, d]."""
    evicted_at = np.full(len(k), NEVER, np.int64)
    slots = np.empty(0, np.int64)
    for position in [n_prompt - 1, *range(-(-n_prompt // BUFFER) * BUFFER, len(k), BUFFER)]:
        slots = np.concatenate([slots, np.arange(slots.max() + 1 if len(slots) else 0, position + 1)])
        if len(slots) < budget:
            continue
        n = len(slots) - WINDOW
        queries = q[max(0, position + 1 - WINDOW):position + 1].transpose(1, 0, 2)
        score = LAMBDA * importance(queries, k[slots], n) - (1 - LAMBDA) * redundancy(k[slots])[:n]
        order = np.argsort(-score, kind="stable")
        evicted_at[slots[order[budget - WINDOW:]]] = position + 1 - n_prompt
        slots = np.concatenate([slots[order[:budget - WINDOW]], slots[n:]])
    return evicted_at


def best_of(repeats, work):
    """(least processor seconds, what `work` returned)"""
    least = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        found = work()
        least = min(least, time.process_time() - start)
    return least, found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trace")
    parser.add_argument("results")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--phase1-budget", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    with h5py.File(args.trace) as trace, h5py.File(args.results) as results:
        n_prompt = int(trace.attrs["n_prompt"])
        found = results["trace_0000"]
        names = [name for name in found if name.startswith("config_") and "evicted_at" in found[name]]
        strategy = [text.decode() for text in results["config/strategy"][:]]
        budget = results["config/budget"][:]
        per_head = found["metric/retained_mass/per_head"]
        evicted = np.stack([found[name]["evicted_at"][:args.layers] for name in names])
        indices = [int(name[-4:]) for name in names]
        target = [(int(budget[i]), n) for n, i in enumerate(indices)
                  if strategy[i] == "uniform/rkv" and budget[i] == args.phase1_budget][0]
        q = trace["qkv/q"][:, :args.layers].astype(np.float32)
        k = trace["qkv/k"][:, :args.layers].astype(np.float32)
        n_layers = int(trace.attrs["n_layers"])
        expected = per_head[indices, :args.layers]
    group = q.shape[2] // k.shape[2]
    scale = n_layers / args.layers
    one, batch, phase1, difference, agreeing = 0.0, 0.0, 0.0, 0.0, []
    for layer in range(args.layers):
        for head in range(q.shape[2]):
            def rows():
                return full_rows(q[:, layer, head], k[:, layer, head // group], n_prompt)

            one += best_of(args.repeats, lambda: mass_one(rows(), evicted[0, layer, head // group]))[0]
            seconds, mass = best_of(args.repeats, lambda: mass_batch(rows(), evicted[:, layer, head // group]))
            batch += seconds
            for n, index in enumerate(indices):
                counted = mass[max(0, int(budget[index]) - n_prompt):, n].mean()
                difference = max(difference, abs(counted - expected[n, layer, head]))
        for head in range(k.shape[2]):
            seconds, gone = best_of(args.repeats, lambda: rkv(q[:, layer, head * group:(head + 1) * group],
                                                              k[:, layer, head], n_prompt, target[0]))
            phase1 += seconds
            agreeing.append((gone == evicted[target[1], layer, head]).mean())
    print(json.dumps({"configurations": len(names), "one_seconds": one * scale,
                      "batch_seconds": batch * scale / len(names), "phase1_seconds": phase1 * scale,
                      "phase1_budget": target[0], "largest_mass_difference": float(difference),
                      "evictions_that_agree": float(np.mean(agreeing))}))


if __name__ == "__main__":
    main()
