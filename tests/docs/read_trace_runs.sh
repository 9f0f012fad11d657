#!/usr/bin/env bash
# read_trace_runs.sh KVWAVE ROOT: records a trace of a tiny model and shows it with docs/read_trace.py.
set -euo pipefail
kvwave=$1 root=$2
/usr/bin/python3 -c 'import h5py' 2>/dev/null || { echo "skipped: no h5py" >&2; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$kvwave" capture -m "$root/tests/data/models/qwen3" -p "Hello" -n 12 --ignore-eos -q -o "$folder/tiny.h5"
shown=$(/usr/bin/python3 "$root/docs/read_trace.py" "$folder/tiny.h5")
echo "$shown"
grep -q "^qwen3 (qwen3): .* 12 generated" <<<"$shown"
[ "$(grep -c '^layer ' <<<"$shown")" = 2 ]
