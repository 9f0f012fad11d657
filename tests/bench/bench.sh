#!/usr/bin/env bash
# bench.sh BUILD MODEL [PART...]: every measured claim beside its target. Parts: decode recording memory size replay same models view
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly BUILD=$1 MODEL=$2
shift 2
readonly VENV="${KVWAVE_BENCH_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/kvwave/bench-venv}"

# The peers live in a virtual environment of the benchmark; llama.cpp is compiled once, about five minutes.
if [[ $# -eq 0 || " $* " == *" decode "* ]]; then
  if [ ! -x "$VENV/bin/python" ]; then python3 -m venv "$VENV"; fi
  "$VENV/bin/python" -c 'import llama_cpp' 2>/dev/null || {
    echo "bench: building llama.cpp (llama-cpp-python 0.3.36) in $VENV" >&2
    "$VENV/bin/python" -m pip -q install numpy llama-cpp-python==0.3.36 >&2
  }
  "$VENV/bin/python" -c 'import accelerate, torch, transformers, gguf' 2>/dev/null || {
    echo "bench: installing torch and transformers in $VENV" >&2
    "$VENV/bin/python" -m pip -q install torch transformers accelerate gguf >&2
  }
fi
if [[ $# -eq 0 || " $* " == *" replay "* ]]; then
  if [ ! -x "$VENV/bin/python" ]; then python3 -m venv "$VENV"; fi
  "$VENV/bin/python" -c 'import h5py, numpy' 2>/dev/null || {
    echo "bench: installing numpy and h5py in $VENV" >&2
    "$VENV/bin/python" -m pip -q install numpy h5py >&2
  }
fi
exec python3 tests/bench/bench.py --build "$BUILD" --model "$MODEL" --venv "$VENV" "$@"
