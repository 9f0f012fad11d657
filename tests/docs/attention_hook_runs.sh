#!/usr/bin/env bash
# attention_hook_runs.sh KVWAVE ROOT: transformers records tiny models through docs/attention_hook.py; kvwave imports,
# verifies and replays the recordings, and its own capture of the same tokens has the same statistics.
set -euo pipefail
kvwave=$1 root=$2
python=
for candidate in "${KVWAVE_PYTHON:-}" python3 "${XDG_CACHE_HOME:-$HOME/.cache}/kvwave/bench-venv/bin/python"; do
  [ -z "$candidate" ] || ! "$candidate" -c 'import numpy, safetensors, torch, transformers' 2>/dev/null || { python=$candidate; break; }
done
[ -n "$python" ] || { echo "skipped: no Python with torch and transformers (KVWAVE_PYTHON names one)" >&2; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
HF_HUB_OFFLINE=1 "$python" "$root/tests/fixtures/make_recording_fixture.py" "$folder" 2>"$folder/log" || { cat "$folder/log" >&2; exit 1; }
for name in llama mistral qwen2 qwen3; do
  model=$root/tests/data/models/$name
  "$kvwave" import "$folder/$name" -m "$model" -o "$folder/$name.h5"
  "$kvwave" verify "$folder/$name.h5" >"$folder/verified" || { cat "$folder/verified"; exit 1; }
  "$kvwave" replay "$folder/$name.h5" -s uniform/streaming -b 16 --quiet -o "$folder/results-$name.h5"
  "$kvwave" import --facts "$folder/$name/recording.json" --attentions "$folder/$name/attentions.npz" \
    -o "$folder/rows-$name.h5" -q
  "$kvwave" verify "$folder/rows-$name.h5" >"$folder/verified" || { cat "$folder/verified"; exit 1; }
  if "$kvwave" replay "$folder/rows-$name.h5" -s uniform/rkv -b 16 --quiet 2>"$folder/refused"; then
    echo "$name: replay of a trace without q and k should be refused" >&2
    exit 1
  fi
  grep -q qkv "$folder/refused" || { cat "$folder/refused" >&2; exit 1; }
done
# The comparison with kvwave's own capture is the fixture's test, on these recordings.
KVWAVE_RECORDINGS=$folder "${KVWAVE_CAPTURE_TESTS:?}" --gtest_filter='*ForeignRecording*'
