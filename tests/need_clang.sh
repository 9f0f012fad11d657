#!/usr/bin/env bash
# need_clang.sh: makes sure that clang++ with its sanitizer and fuzzer runtimes is there (the preset fuzz is built with it).
set -euo pipefail
works() {
  command -v clang++ >/dev/null &&
    echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' |
    clang++ -x c++ -fsanitize=fuzzer,address - -o /dev/null 2>/dev/null
}
works && exit 0
[ "$(id -u)" -ne 0 ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends clang libclang-rt-14-dev >&2
works || { echo "clang with its runtimes is needed: apt-get install clang libclang-rt-14-dev" >&2; exit 1; }
