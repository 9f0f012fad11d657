"""What gpu_check.py makes and asks for: at full size, and tiny for a rehearsal without a GPU."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Sizes:
    model: tuple  # options of make_random_model
    positions: tuple  # decode speed is measured behind prompts of so many tokens
    recording_positions: int
    tokens: int
    repeats: int
    demo_tokens: int
    trace: tuple  # options of make_long_trace: the whole replay
    trace_shape: tuple  # of it: steps, prompt, layers, q_heads, head_dim
    slice: tuple  # the part of it that the CPU can do too
    budgets: tuple
    megabytes: int  # of the bandwidth measurement


FULL = Sizes(
    model=(),  # 8B: the program's defaults
    positions=(1024, 16384),
    recording_positions=1024,
    tokens=64,
    repeats=3,
    demo_tokens=200,
    trace=("--steps", 16384),
    trace_shape=(16384, 64, 32, 32, 128),
    slice=("--steps", 2048, "--layers", 1),
    budgets=tuple(range(32, 513, 32)),
    megabytes=8192,
)

TINY = Sizes(
    model=("--layers", 1, "--hidden", 256, "--ffn", 256, "--q-heads", 4, "--kv-heads", 2, "--head-dim", 64,
           "--vocab", 300, "--context", 1024),
    positions=(8, 20),
    recording_positions=8,
    tokens=2,
    repeats=1,
    demo_tokens=8,
    trace=("--steps", 40, "--prompt", 16, "--layers", 1, "--q-heads", 2, "--kv-heads", 1, "--head-dim", 32),
    trace_shape=(40, 16, 1, 2, 32),
    slice=("--steps", 40, "--prompt", 16, "--layers", 1, "--q-heads", 2, "--kv-heads", 1, "--head-dim", 32),
    budgets=tuple(range(16, 48, 2)),
    megabytes=64,
)

PROMPT = "If 3 pens cost 4 dollars, how much do 12 pens cost? Think step by step."
STRATEGIES = ("uniform/rkv", "uniform/snapkv", "pyramid/rkv", "reasonalloc-head/rkv")  # x 16 budgets = 64
# What llama.cpp is reported to decode at on this class of card, as bytes of parameters per second: models differ in
# shape, so bytes compare better than tokens.
LLAMA_CPP = {
    "F16": (83.3 * 13.5e9, "LLaMA 2 7B F16, 83.3 tok/s on an H100 PCIe, 13.5 GB: "
                           "https://github.com/XiongjieDai/GPU-Benchmarks-on-LLM-Inference"),
    "Q4_K": (190 * 5.7e9, "Qwen3.5-9B Q4_K_M, 190 tok/s on an H200 SXM, 5.7 GB: "
                          "https://pavlokhmel.com/llm_throughput_benchmark_on_13_gpus_and_10_models.html"),
}
EMBEDDING_BYTES = {"F16": 2.0, "Q4_K": 144 / 256}  # of one parameter
