"""Decode speed of llama.cpp on the same GGUF, as one JSON object.

usage: llama_cpp_decode.py MODEL TOKENS THREADS "PROMPT IDS"

The prompt is evaluated first; only the loop that feeds one token and picks the next one greedily is timed. The loop
calls the C functions directly, so that no Python work on logits is counted against llama.cpp except one argmax.
"""

import ctypes
import json
import sys
import time

import llama_cpp
import numpy

model, tokens, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
prompt = [int(word) for word in sys.argv[4].split()]
llm = llama_cpp.Llama(model, n_ctx=len(prompt) + tokens + 8, n_threads=threads, n_threads_batch=threads, verbose=False)
context = llm.ctx
vocabulary = llm.n_vocab()


def decode(ids):
    array = (llama_cpp.llama_token * len(ids))(*ids)
    if llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(array, len(ids))) != 0:
        raise SystemExit("llama_decode failed")


def greedy():
    pointer = llama_cpp.llama_get_logits_ith(context, -1)
    return int(numpy.ctypeslib.as_array(ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float)), (vocabulary,)).argmax())


decode(prompt)
chosen = []
start = time.perf_counter()
for _ in range(tokens):
    chosen.append(greedy())
    decode(chosen[-1:])
seconds = time.perf_counter() - start
print(json.dumps({"decode_seconds": seconds, "tokens_per_second": tokens / seconds, "first_ids": chosen[:8]}))
