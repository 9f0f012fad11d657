#!/usr/bin/env bash
# study.sh KVWAVE MODEL [PROBLEMS.jsonl]: the ReasonAlloc paper's comparison on 16 problems: 4 calibrate, 12 evaluate.
# Problems with a field `solution` are read token by token; others are sampled. Work files stay in study/NAME, the
# tables go to docs/study/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly KVWAVE=$1 MODEL=$2 PROBLEMS=${3:-tests/data/problems.jsonl}
[ -f "$PROBLEMS" ] || { echo "study: no such file: $PROBLEMS" >&2; exit 2; }
name=$(basename "$PROBLEMS" .jsonl)
[ "$name" = problems ] && name=worked
readonly WORK=study/$name TOKENS=900 BUDGETS=64,128,256,512 SEED=1
readonly N_CALIBRATE=4 N_EVALUATE=12

mkdir -p "$WORK/calibrate" "$WORK/evaluate"
echo "study: recording 16 problems of $PROBLEMS into $WORK" >&2
python3 tests/study/record.py "$KVWAVE" "$MODEL" "$PROBLEMS" "$WORK" "$TOKENS" "$N_CALIBRATE" "$N_EVALUATE"

# One replay: label, profile, then further arguments.
replay() {
  local label=$1 profile=$2
  shift 2
  echo "study: $label" >&2
  "$KVWAVE" replay "$WORK/evaluate" --profile "$profile" --seed "$SEED" --equal-within 0.01 -f --quiet \
    --statistics "$WORK/$label.csv" "$@" >"$WORK/$label.txt"
}
calibrate() { "$KVWAVE" calibrate "$WORK/calibrate" -f -o "$WORK/$1.json" "${@:2}" >"$WORK/$1.txt"; }

calibrate profile
replay comparison "$WORK/profile.json" -b "$BUDGETS" -s uniform/rkv -s uniform/snapkv -s pyramid/rkv \
  -s reasonalloc-layer/rkv -s reasonalloc-head/rkv -s reasonalloc/rkv -s reasonalloc-dynamic/rkv \
  -s reasonalloc/snapkv --baseline uniform/rkv

# What the paper leaves open, one reading changed at a time, at 128 entries per KV head.
replay readings "$WORK/profile.json" -b 128 --no-controls --baseline reasonalloc/rkv -s reasonalloc/rkv \
  -s "reasonalloc:operator=waterfill/rkv" -s "reasonalloc:clip=demand/rkv" -s "reasonalloc:window=inside/rkv" \
  -s "reasonalloc:surplus=leave/rkv" -s "reasonalloc:ties=cut/rkv" -s "reasonalloc:head_hi=2/rkv" \
  -s "reasonalloc:gamma=[0.25,1]/rkv" -s "reasonalloc:beta=[0.25,1]/rkv" -s "reasonalloc:mu=[0.1,0.5]/rkv" \
  -s "reasonalloc-dynamic/rkv" -s "reasonalloc-dynamic:unbias=0/rkv" -s "reasonalloc-dynamic:smooth=0.5/rkv" \
  -s "reasonalloc-dynamic:start=profile/rkv" -s "reasonalloc/rkv:sign=plus"
for rho in 0.8 0.99; do
  calibrate "profile-rho$rho" --rho "$rho"
  replay "readings-rho$rho" "$WORK/profile-rho$rho.json" -b 128 --no-controls --baseline uniform/rkv \
    -s uniform/rkv -s reasonalloc-layer/rkv -s reasonalloc/rkv
done
for heads in median max group-max; do
  calibrate "profile-heads-$heads" --over-heads "$heads"
  replay "readings-heads-$heads" "$WORK/profile-heads-$heads.json" -b 128 --no-controls --baseline uniform/rkv \
    -s uniform/rkv -s reasonalloc-layer/rkv -s reasonalloc/rkv
done
replay readings-rho0.93 "$WORK/profile.json" -b 128 --no-controls --baseline uniform/rkv \
  -s uniform/rkv -s reasonalloc-layer/rkv -s reasonalloc/rkv

mkdir -p docs/study
python3 tests/study/write_page.py "$KVWAVE" "$PROBLEMS" "$WORK" docs/study "$name"
echo "study: tables in docs/study/$name.md and docs/study/$name.csv" >&2
