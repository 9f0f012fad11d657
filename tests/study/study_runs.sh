#!/usr/bin/env bash
# study_runs.sh KVWAVE ROOT: the whole study at its smallest: five short problems, a tiny random model, two budgets. The
# page must have every section and the numbers of its CSV; docs/study stays as it is. Its figures mean nothing.
set -euo pipefail
readonly KVWAVE=$1 ROOT=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for n in 1 2 3 4 5; do
  printf '{"id": "sum/%d", "problem": "What is %d + %d?", "solution": "%d and %d make %d, since %d more than %d is %d."}\n' \
    "$n" "$n" $((n + 2)) "$n" $((n + 2)) $((2 * n + 2)) "$n" $((n + 2)) $((2 * n + 2))
done >"$folder/smoke.jsonl"
before=$(find "$ROOT/docs/study" -type f -exec sha256sum {} + | sort)
export KVWAVE_STUDY_WORK=$folder/work KVWAVE_STUDY_OUT=$folder/out KVWAVE_STUDY_TOKENS=60 KVWAVE_STUDY_CALIBRATE=1 \
  KVWAVE_STUDY_EVALUATE=4 KVWAVE_STUDY_BUDGETS=16,24 KVWAVE_STUDY_AT=24
unset KVWAVE_STUDY_FIRST
study() { "$ROOT/tests/study/study.sh" "$KVWAVE" "$ROOT/tests/data/models/qwen3" "$folder/smoke.jsonl" 2>"$folder/log" || { cat "$folder/log" >&2; exit 1; }; }
study
page=$folder/out/smoke.md
python3 "$ROOT/tests/study/check_page.py" "$page"
grep -q "KVWAVE_STUDY_AT=24 ./run study $folder/smoke.jsonl" "$page"
grep -q "sum/1. Evaluated on 4: sum/2, sum/3, sum/4, sum/5" "$page"
[ "$(wc -l <"$folder/out/smoke-traces.csv")" = 6 ]

# What is there already is kept, and gives the same page.
cp "$page" "$folder/first.md"
study
if grep -q "study: comparison" "$folder/log"; then echo "replayed again" >&2; exit 1; fi
cmp "$page" "$folder/first.md"

# The check can fail: a lost section, a changed number.
grep -v "^## 16 entries" "$folder/first.md" >"$page"
if python3 "$ROOT/tests/study/check_page.py" "$page" 2>/dev/null; then echo "a lost section went unseen" >&2; exit 1; fi
sed '0,/^| `uniform\/snapkv` | 0\./s//| `uniform\/snapkv` | 9./' "$folder/first.md" >"$page"
if cmp -s "$page" "$folder/first.md"; then echo "no number to change" >&2; exit 1; fi
if python3 "$ROOT/tests/study/check_page.py" "$page" 2>/dev/null; then echo "a changed number went unseen" >&2; exit 1; fi

after=$(find "$ROOT/docs/study" -type f -exec sha256sum {} + | sort)
[ "$before" = "$after" ] || { echo "docs/study was written to" >&2; exit 1; }
