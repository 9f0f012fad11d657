#!/usr/bin/env bash
# study.sh KVWAVE MODEL [PROBLEMS.jsonl]: the ReasonAlloc paper's comparison on 16 problems: 4 calibrate, 12 evaluate.
# Problems with a field `solution` are read token by token; others are sampled. Work files stay in study/NAME (or
# $KVWAVE_STUDY_WORK/NAME), the tables go to docs/study/ (or $KVWAVE_STUDY_OUT). What is recorded or replayed already is
# kept. Settings, in the environment; the page's command names those that are given:
#   KVWAVE_STUDY_FIRST=N      tries only the first N problems: sampling a set whose problems mostly loop takes hours
#   KVWAVE_STUDY_TOKENS=900   decoded per problem at most
#   KVWAVE_STUDY_CALIBRATE=4  traces that calibrate, KVWAVE_STUDY_EVALUATE=12 that evaluate (at least 4)
#   KVWAVE_STUDY_BUDGETS=64,128,256,512  of the comparison, KVWAVE_STUDY_AT=128 of the readings
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly KVWAVE=$1 MODEL=$2 PROBLEMS=${3:-tests/data/problems.jsonl}
[ -f "$PROBLEMS" ] || { echo "study: no such file: $PROBLEMS" >&2; exit 2; }
name=$(basename "$PROBLEMS" .jsonl)
[ "$name" = problems ] && name=worked
readonly WORK=${KVWAVE_STUDY_WORK:-study}/$name OUT=${KVWAVE_STUDY_OUT:-docs/study} SEED=1
readonly TOKENS=${KVWAVE_STUDY_TOKENS:-900} BUDGETS=${KVWAVE_STUDY_BUDGETS:-64,128,256,512} AT=${KVWAVE_STUDY_AT:-128}
readonly N_CALIBRATE=${KVWAVE_STUDY_CALIBRATE:-4} N_EVALUATE=${KVWAVE_STUDY_EVALUATE:-12}

mkdir -p "$WORK/calibrate" "$WORK/evaluate"
echo "study: recording problems of $PROBLEMS into $WORK" >&2
python3 tests/study/record.py "$KVWAVE" "$MODEL" "$PROBLEMS" "$WORK" "$TOKENS" "$N_CALIBRATE" "$N_EVALUATE" \
  ${KVWAVE_STUDY_FIRST:+"$KVWAVE_STUDY_FIRST"}

# Tables of another program or of other budgets are not mixed with this one's.
{ "$KVWAVE" --version && echo "budgets $BUDGETS, readings at $AT"; } >"$WORK/version"
cmp -s "$WORK/version" "$WORK/replayed-by" || rm -f "$WORK"/*.csv
cp "$WORK/version" "$WORK/replayed-by"

# One replay: label, profile, then further arguments.
replay() {
  local label=$1 profile=$2
  shift 2
  [ -f "$WORK/$label.csv" ] && return
  echo "study: $label" >&2
  "$KVWAVE" replay "$WORK/evaluate" --profile "$WORK/$profile.json" --seed "$SEED" --equal-within 0.01 -f --quiet \
    --json "$WORK/$label.manifest.json" --statistics "$WORK/$label.partial" "$@" >"$WORK/$label.txt"
  mv "$WORK/$label.partial" "$WORK/$label.csv"
}
# A profile: label, then traces and how.
calibrate() { "$KVWAVE" calibrate "${@:2}" -f -o "$WORK/$1.json" >"$WORK/$1.txt"; }

calibrate profile "$WORK/calibrate"
replay comparison profile -b "$BUDGETS" -s uniform/rkv -s uniform/snapkv -s pyramid/rkv \
  -s reasonalloc-layer/rkv -s reasonalloc-head/rkv -s reasonalloc/rkv -s reasonalloc-dynamic/rkv \
  -s reasonalloc/snapkv --baseline uniform/rkv

# What the paper leaves open, one reading changed at a time, at $AT entries per KV head, by retained mass.
replay readings profile -b "$AT" --metrics mass --no-controls --baseline reasonalloc/rkv -s reasonalloc/rkv \
  -s "reasonalloc:operator=waterfill/rkv" -s "reasonalloc:clip=demand/rkv" -s "reasonalloc:window=inside/rkv" \
  -s "reasonalloc:surplus=leave/rkv" -s "reasonalloc:ties=cut/rkv" -s "reasonalloc:head_hi=2/rkv" \
  -s "reasonalloc:gamma=[0.25,1]/rkv" -s "reasonalloc:beta=[0.25,1]/rkv" -s "reasonalloc:mu=[0.1,0.5]/rkv" \
  -s "reasonalloc/rkv:sign=plus"
replay readings-head profile -b "$AT" --metrics mass --no-controls --baseline reasonalloc-head/rkv -s reasonalloc-head/rkv \
  -s "reasonalloc-head:operator=waterfill/rkv" -s "reasonalloc-head:window=inside/rkv" \
  -s "reasonalloc-head:mu=0/rkv"
replay readings-dynamic profile -b "$AT" --metrics mass --no-controls --baseline reasonalloc-dynamic/rkv -s reasonalloc-dynamic/rkv \
  -s "reasonalloc-dynamic:unbias=0/rkv" -s "reasonalloc-dynamic:smooth=0.5/rkv" \
  -s "reasonalloc-dynamic:start=profile/rkv" -s "reasonalloc-dynamic:rho=[0.8,0.99]/rkv"

# How the wave is formed.
with_profile() {
  calibrate "profile-$1" "${@:2}"
  replay "wave-$1" "profile-$1" -b "$AT" --metrics mass --no-controls --baseline uniform/rkv \
    -s uniform/rkv -s reasonalloc-layer/rkv -s reasonalloc/rkv
}
readonly ALL="$WORK/calibrate"
with_profile usual "$ALL"
for rho in 0.8 0.99; do with_profile "rho-$rho" "$ALL" --rho "$rho"; done
for heads in median max group-max; do with_profile "heads-$heads" "$ALL" --over-heads "$heads"; done
for steps in median max; do with_profile "steps-$steps" "$ALL" --over-steps "$steps"; done
with_profile positions-generated "$ALL" --positions generated
with_profile problems-one "$WORK"/calibrate/00-*.h5

mkdir -p "$OUT"
command=""
for setting in FIRST TOKENS CALIBRATE EVALUATE BUDGETS AT; do
  setting=KVWAVE_STUDY_$setting
  command+=${!setting:+$setting=${!setting} }
done
python3 tests/study/write_page.py "$KVWAVE" "$WORK" "$OUT" "$name" "$command./run study${3:+ $3}"
echo "study: tables in $OUT/$name.md and $OUT/$name.csv" >&2
