#!/usr/bin/env bash
# fuzz.sh SECONDS: builds the libFuzzer targets and runs each for SECONDS, as many at once as there are
# cores; exits non-zero on a finding.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export FUZZ_SECONDS=$1
./tests/need_clang.sh
[ -f build/fuzz/build.ninja ] || cmake --preset fuzz
mapfile -t targets < <(basename -s .cpp -a tests/fuzz/*_fuzz.cpp)
cmake --build build/fuzz -j "${KVWAVE_JOBS:-$(nproc)}" --target "${targets[@]}"

fuzz_one() {
  local name=$1 corpus=build/fuzz/corpus/$1 log=build/fuzz/corpus/$1.log
  mkdir -p "$corpus"
  [ ! -d "tests/fuzz/seeds/$name" ] || cp -n "tests/fuzz/seeds/$name"/* "$corpus"/
  if "build/fuzz/tests/fuzz/$name" -max_total_time="$FUZZ_SECONDS" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$corpus-" "$corpus" >"$log" 2>&1; then
    echo "--- $name, $FUZZ_SECONDS s: $(grep -E '^stat::(number_of_executed_units|peak_rss_mb)' "$log" | tr -s '\n ' ' ')"
    return
  fi
  tail -n 60 "$log"
  echo "fuzz.sh: $name found something; the input is kept beside $log" >&2
  return 1
}
export -f fuzz_one
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I NAME bash -euo pipefail -c 'fuzz_one NAME'
