#!/usr/bin/env bash
# rehearsal.sh BUILD MODEL whole|packed|simulated: runs gpu-check with tiny shapes and checks its report: on the CPU from
# the build or from a packed folder, or with --device cuda on the simulated device. 77 = skipped: no model.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here BUILD=$1 MODEL=$2 FORM=$3
[ -f "$MODEL" ] || { echo "skipped: KVWAVE_MODEL names no file" >&2; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ "$FORM" = packed ]; then
  "$here/pack.sh" "$BUILD" "$MODEL" "$folder/pack"
  "$folder/pack/check/gpu-check" --device cpu --tiny --results "$folder/results" --work "$folder"
elif [ "$FORM" = simulated ]; then
  mkdir "$folder/bin"
  ln -s "$BUILD"/tests/cuda_on_cpu/simulated/* "$BUILD"/tests/bench/{compare_traces,make_long_trace,make_random_model} "$folder/bin/"
  "$folder/bin/make_random_model" -o "$folder/demo.gguf" --layers 1 --hidden 64 --ffn 64 --q-heads 2 --kv-heads 1 --head-dim 32 \
    --vocab 300 --type F32 --tied
  python3 "$here/gpu_check.py" --bin "$folder/bin" --model "$folder/demo.gguf" --tiny --results "$folder/results" --work "$folder"
else
  python3 "$here/gpu_check.py" --bin "$BUILD" --model "$MODEL" --device cpu --tiny --results "$folder/results" --work "$folder"
fi
report=$(ls "$folder"/results/*.md)
for part in 'A rehearsal' 'greedy tokens' 'GB per token' 'recording tokens,stats,qkv,attention' 'configurations' 'bandwidth'; do
  grep -q "$part" "$report" || { echo "the report has no line on: $part" >&2; exit 1; }
done
# Only what needs a GPU may be missing.
if grep 'not run' "$report" | grep -v -E '^\| (gpu_|compute-sanitizer)'; then
  echo "the parts above did not run" >&2
  exit 1
fi
