// broken_kernels NAME: runs one wrong kernel, so that the harness can be seen to find it.
#include <cstdio>

#include "control.h"
#include "tests/cuda_on_cpu/broken_kernels.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  cudasim::set_abort_on_fault(false);
  if (kvwave::testing::run_broken_kernel(argv[1])) return 0;
  std::fprintf(stderr, "no broken kernel is called %s\n", argv[1]);
  return 2;
}
