"""Part `models` of bench.py: loading, tokenizers, every parameter type, prompts. Random models are made on the spot
(make_random_model.cpp), in sizes that the machine's memory takes; each line says which."""
import json
import pathlib
import statistics
import subprocess

TYPES = ["F32", "F16", "BF16", "Q8_0", "Q6_K", "Q5_K", "Q5_1", "Q5_0", "Q4_K", "Q4_1", "Q4_0", "IQ4_NL", "MXFP4", "Q3_K",
         "Q2_K"]
# Half a billion parameters, far beyond any cache, and decoded in tenths of a second.
SMALL = {"layers": 8, "hidden": 2048, "ffn": 8192, "q-heads": 16, "kv-heads": 4, "head-dim": 128, "vocab": 32000}
LAYER_8B = 436e6  # bytes of one layer of the 8B shape in F16; embedding and output take as much as five
PROMPT_TOKENS = 1024


def tool(bench, name, *args):
    program = bench.build / "tests" / "bench" / name
    return subprocess.run([str(program), *map(str, args)], check=True, capture_output=True, text=True).stdout


def make_model(bench, name, *options):
    path = bench.path(name)
    tool(bench, "make_random_model", "-f", "-o", path, *options)
    return path


def small_model(bench, kind):
    return make_model(bench, "small.gguf", "--type", kind, *(f"--{key}={value}" for key, value in SMALL.items()))


def run_capture(bench, model, prompt, tokens):
    out = bench.run("capture", "-m", model, "-p", prompt, "--raw", "--ignore-eos", "--no-record", "-n", tokens, "--threads",
                    bench.threads, "--json", "--quiet")
    return json.loads(out)


def load_time(bench):
    available = json.loads(tool(bench, "model_bench", "bandwidth", "--threads", bench.threads))["available_bytes"]
    layers = int(min(32, max(2, available / 3 / LAYER_8B - 5)))
    bench.note(f"load: writing {layers} layers of the 8B shape in F16")
    model = make_model(bench, "load.gguf", "--shape", "8B", "--type", "F16", "--layers", layers)
    seen = json.loads(tool(bench, "model_bench", "load", model))
    pathlib.Path(model).unlink()
    gigabytes = seen["bytes"] / 1e9
    what = f"load of {gigabytes:.1f} GB ({layers} of 32 layers of the 8B shape, F16) from the page cache"
    read = gigabytes / seen["read_seconds"]
    for how, target in (("mapped", 0.5), ("copied", None)):
        rate = gigabytes / seen[f"{how}_seconds"]
        if how == "copied" and not seen["is_copy"]:
            continue
        bench.row(f"{what}, {how} / reading the file", f"{rate:.1f} / {read:.1f} GB/s = {rate / read:.0%}",
                  f"at least {target:.0%}" if target else "", rate / read >= target if target else None)
    bench.row(f"{what}: SHA-256 for the trace, beside it", f"{gigabytes / seen['hash_seconds']:.1f} GB/s", "", None)


def corpus(bench):
    """The project's own texts and sources, each once: words repeat as they do in prompts."""
    root = pathlib.Path(__file__).parents[2]
    files = sorted(path for kind in ("md", "cpp", "h", "py", "jsonl") for path in root.glob(f"*/**/*.{kind}")
                   if not path.is_relative_to(root / "build"))
    path = pathlib.Path(bench.path("corpus.txt"))
    path.write_text("".join(file.read_text(encoding="utf-8") for file in files), encoding="utf-8")
    return path


def tokenizers(bench):
    text = corpus(bench)
    for what, options in (("byte-level BPE", []), ("SentencePiece BPE", ["--sentencepiece"])):
        seen = json.loads(tool(bench, "model_bench", "tokenize", bench.model, text, *options))
        rate = seen["bytes"] / seen["seconds"] / 1e6
        bench.row(f"tokenizer, {what}, {seen['bytes'] / 1e6:.1f} MB of the project's texts and sources",
                  f"{rate:.1f} MB/s, {seen['bytes'] / seen['tokens']:.2f} bytes a token", "at least 5 MB/s", rate >= 5)


def quantisations(bench):
    peak = json.loads(tool(bench, "model_bench", "bandwidth", "--threads", bench.threads))["bytes_per_second"]
    width, rows = SMALL["hidden"], SMALL["vocab"]
    for kind in TYPES:
        bench.note(f"decode of {kind}")
        model = small_model(bench, kind)
        facts = json.loads(bench.run("info", model, "--json", "--quick"))
        values = 2 * rows * width + SMALL["layers"] * width * (
            2 * SMALL["q-heads"] * SMALL["head-dim"] + 2 * SMALL["kv-heads"] * SMALL["head-dim"] + 3 * SMALL["ffn"])
        read = facts["param_bytes"] * (1 - rows * width / values)  # of the embedding only a row
        runs = [run_capture(bench, model, "x", 24)["tokens_per_second"] for _ in range(bench.rounds)]
        share = statistics.median(runs) * read / peak
        bench.row(f"decode of {kind}, {read / 1e9:.2f} GB a token, share of the memory bandwidth ({peak / 1e9:.1f} GB/s)",
                  f"{statistics.median(runs):.2f} tok/s = {statistics.median(runs) * read / 1e9:.1f} GB/s = {share:.0%}", "",
                  None)


def prompts(bench):
    models = [("the demo model, Q4_1", bench.model, " a")]
    models += [(f"0.5B of {kind}", kind, "x") for kind in ("F32", "F16", "Q8_0", "Q4_K")]
    for what, model, word in models:
        path = model if model == bench.model else small_model(bench, model)
        runs = [run_capture(bench, path, word * PROMPT_TOKENS, 24) for _ in range(bench.rounds)]
        prefill = statistics.median(run["prompt_tokens"] / run["prefill_seconds"] for run in runs)
        decode = statistics.median(run["tokens_per_second"] for run in runs)
        bench.row(f"prompt of {runs[0]['prompt_tokens']} tokens / decoding after it, {what}",
                  f"{prefill:.1f} / {decode:.2f} tok/s = {prefill / decode:.1f}x", "at least 10x", prefill / decode >= 10)


ALL = (load_time, tokenizers, quantisations, prompts)
