#!/usr/bin/env bash
# fuzz.sh SECONDS: builds the libFuzzer targets and runs each for SECONDS; exits non-zero on a finding.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seconds=$1
if ! command -v clang++ >/dev/null || ! echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' |
  clang++ -x c++ -fsanitize=fuzzer - -o /dev/null 2>/dev/null; then
  if [ "$(id -u)" -eq 0 ]; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends clang libclang-rt-14-dev >&2
  else
    echo "fuzz.sh: needs clang and its fuzzer runtime: apt-get install clang libclang-rt-14-dev" >&2
    exit 1
  fi
fi
[ -f build/fuzz/build.ninja ] || cmake --preset fuzz
mapfile -t targets < <(basename -s .cpp -a tests/fuzz/*_fuzz.cpp)
cmake --build build/fuzz -j "${KVWAVE_JOBS:-$(nproc)}" --target "${targets[@]}"
for target in build/fuzz/tests/fuzz/*_fuzz; do
  name=$(basename "$target")
  corpus=build/fuzz/corpus/$name
  mkdir -p "$corpus"
  [ ! -d "tests/fuzz/seeds/$name" ] || cp -n "tests/fuzz/seeds/$name"/* "$corpus"/
  echo "--- $name, $seconds s"
  log=$corpus.log
  if ! "$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$corpus-" "$corpus" >"$log" 2>&1; then
    tail -n 60 "$log"
    echo "fuzz.sh: $name found something; the input is kept beside $log" >&2
    exit 1
  fi
  grep -E "^stat::(number_of_executed_units|peak_rss_mb)" "$log"
done
