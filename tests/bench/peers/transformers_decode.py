"""Decode speed of transformers, eager attention, fp32, same GGUF, as one JSON object.

usage: transformers_decode.py MODEL TOKENS THREADS "PROMPT IDS" [--attentions]
"""

import json
import pathlib
import sys
import time

import torch
import transformers

path, tokens, threads = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
prompt = torch.tensor([[int(word) for word in sys.argv[4].split()]])
attentions = "--attentions" in sys.argv
torch.set_num_threads(threads)
transformers.utils.logging.set_verbosity_error()
model = transformers.AutoModelForCausalLM.from_pretrained(
    path.parent, gguf_file=path.name, attn_implementation="eager", dtype=torch.float32
).eval()
with torch.no_grad():
    out = model(prompt, use_cache=True, output_attentions=attentions)
    start = time.perf_counter()
    for _ in range(tokens):
        token = out.logits[:, -1:].argmax(-1)
        out = model(token, past_key_values=out.past_key_values, use_cache=True, output_attentions=attentions)
    seconds = time.perf_counter() - start
print(json.dumps({"decode_seconds": seconds, "tokens_per_second": tokens / seconds}))
