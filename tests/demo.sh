#!/usr/bin/env bash
# demo.sh KVWAVE MODEL [--quick]: real decoding to an answered what-if; leaves its files in demo/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly KVWAVE=$1 MODEL=$2
quick=${3:-}
[ -z "$quick" ] || [ "$quick" = --quick ] || { echo "demo: unknown option $quick (known: --quick)" >&2; exit 2; }
free_tokens=320 budgets=64,128,256 limit=()
if [ -n "$quick" ]; then free_tokens=64 budgets=64,128 limit=(-n 300); fi

bold() { if [ -t 1 ]; then printf '\n\033[1m%s\033[0m\n' "$*"; else printf '\n%s\n' "$*"; fi; }
# Prints a command as a reader would type it, then runs it.
run() {
  local shown="kvwave ${*@Q}"
  printf '$ %s\n' "${shown//\'/}" | sed "s|$MODEL|MODEL.gguf|g"
  "$KVWAVE" "$@"
}

mkdir -p demo
# The problems are JSON lines; a problem and its worked solution become text files that the commands below name.
python3 - tests/data/problems.jsonl demo <<'PY'
import json, pathlib, sys
for line in open(sys.argv[1], encoding="utf-8"):
    item = json.loads(line)
    for key in ("problem", "solution"):
        pathlib.Path(sys.argv[2], f"{item['id']}.{key}.txt").write_text(item[key], encoding="utf-8")
PY

bold "1. Record: the model solves a problem on its own (temperature 0.6, seed 7)"
run capture -m "$MODEL" -P demo/seating.problem.txt -n "$free_tokens" --temperature 0.6 --top-p 0.95 --seed 7 -f -o demo/free.h5

bold "2. Record: the model reads two worked solutions, token by token (long, varied, real attention)"
for name in bakery garden; do
  run capture -m "$MODEL" -P "demo/$name.problem.txt" --continue-from "demo/$name.solution.txt" "${limit[@]}" --quiet -f -o "demo/$name.h5"
done

bold "3. Verify: recompute what the traces claim"
for name in free bakery garden; do run verify "demo/$name.h5"; done

bold "4. Calibrate: the Reasoning Wave of this model, from the first worked solution"
run calibrate demo/bakery.h5 -f -o demo/profile.json

bold "5. What if: every strategy on the second worked solution, at $budgets entries per KV head"
strategies=()
for allocator in uniform pyramid reasonalloc-layer reasonalloc-head reasonalloc; do
  for scorer in rkv snapkv; do strategies+=(-s "$allocator/$scorer"); done
done
run replay demo/garden.h5 "${strategies[@]}" -b "$budgets" --profile demo/profile.json -f \
  -o demo/results.h5 --csv demo/results.csv --json demo/results.json

if [ -x "$(dirname "$KVWAVE")/kvwave-viewer" ]; then
  bold "6. See it: every figure as picture, CSV and JSON, drawn without a display"
  run view demo/garden.h5 demo/results.h5 demo/profile.json -f --export demo/figures | {
    read -r command
    printf '%s\n%s pictures in demo/figures/. To look around yourself:\n' "$command" "$(grep -c png)"
    printf '  %s view demo/garden.h5 demo/results.h5 demo/profile.json\n' "$KVWAVE"
  }
fi

bold "7. What is in demo/"
ls -l demo | awk 'NR > 1 && $NF !~ /txt$/ { printf "  %-14s %10d bytes\n", $NF, $5 }'
cat <<'TEXT'

What this shows: real weights, real decoding, exact attention; where this model needs its cache (the wave), and what
each strategy loses at equal budget, between a random control and the best that any cache could do.
What it does not show: which strategy is best. A model of 135 million parameters, three traces and open-loop replay
(the model never reacted to the eviction) rank nothing.
TEXT
