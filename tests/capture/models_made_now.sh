#!/usr/bin/env bash
# models_made_now.sh CAPTURE_TESTS ROOT: the parity tests on models that transformers makes now, from a seed that changes
# every day (KVWAVE_SEED sets it). 77 = skipped: no Python with torch and transformers (KVWAVE_PYTHON names one).
set -euo pipefail
tests=$1 root=$2
python=
for candidate in "${KVWAVE_PYTHON:-}" python3 "${XDG_CACHE_HOME:-$HOME/.cache}/kvwave/bench-venv/bin/python"; do
  [ -n "$candidate" ] && "$candidate" -c 'import torch, transformers' 2>/dev/null && python=$candidate && break
done
[ -n "$python" ] || { echo "skipped: no Python with torch and transformers" >&2; exit 77; }
seed=${KVWAVE_SEED:-$(($(date +%s) / 86400))}
echo "seed $seed (KVWAVE_SEED), $("$python" -c 'import transformers; print("transformers", transformers.__version__)')"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
HF_HUB_OFFLINE=1 "$python" "$root/tests/fixtures/make_models_now.py" "$folder" "$seed"
KVWAVE_PARITY_MODELS=$folder "$tests" --gtest_filter='*ArchitectureParity*:BothFileKinds*'
