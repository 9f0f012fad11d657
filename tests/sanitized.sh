#!/usr/bin/env bash
# sanitized.sh asan|tsan: builds libraries and tests with that preset and runs the tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
preset=$1
export KVWAVE_MODEL="${KVWAVE_MODEL:-${XDG_CACHE_HOME:-$HOME/.cache}/kvwave/SmolLM2-135M-Instruct.Q4_1.gguf}"
[ -f "build/$preset/build.ninja" ] || cmake --preset "$preset"
cmake --build "build/$preset" -j "${KVWAVE_JOBS:-$(nproc)}"
# Not detect_stack_use_after_return: its frames of GCC 12 are not aligned for 64-byte vectors (GCC bug 110027).
export ASAN_OPTIONS="strict_string_checks=1:allocator_may_return_null=1"
export UBSAN_OPTIONS="print_stacktrace=1"
export LSAN_OPTIONS="suppressions=$PWD/tests/lsan.supp:print_suppressions=0"
export TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp:history_size=4:halt_on_error=1"
# The CUDA kernels' threads, run on the CPU, in an order that no device promises either.
export CUDASIM_ORDER=shuffle:7
# A kernel that randomises too many address bits stops ThreadSanitizer before main(): run without randomisation there.
wrap=()
if [ "$preset" = tsan ] && setarch "$(uname -m)" -R true 2>/dev/null; then wrap=(setarch "$(uname -m)" -R); fi
# Labels: `slow` marks tests whose point is not memory or threads and which take minutes under a sanitizer. So do those
# left out here: what they run, smaller tests run too (Decoder, Metrics, Jinja, RecordRingTest). And under
# ThreadSanitizer the kernels' parity: on the CPU their threads take turns on one thread.
long='DecoderParity\.|Metrics\.agree_with_brute_force_on_a_recorded|Jinja\.says_which_construct'
[ "$preset" != tsan ] ||
  long+='|RecordRingTest\.a_long_prompt|(Attention|Gemm|Gemv|RowStats)Parity\.|ReplayOnDevice\.(rows|statistics|repeats|a_whole|replays)'
"${wrap[@]}" ctest --test-dir "build/$preset" --output-on-failure -j "$(nproc)" -LE slow -E "$long"
