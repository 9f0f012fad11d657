// Context switches. Kernels switch some millions of times a second, hence the assembly where there is one; elsewhere
// the C library's contexts do.
#include <algorithm>
#include <cstring>
#include <sys/mman.h>

#include "internal.h"

#ifndef __x86_64__
#include <ucontext.h>
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

namespace cudasim {
namespace {

constexpr std::size_t kStack = 256 * 1024, kGuard = 4096;

Fiber* running = nullptr;
[[maybe_unused]] const void* scheduler_stack = nullptr;
[[maybe_unused]] std::size_t scheduler_stack_size = 0;
[[maybe_unused]] void* scheduler_fake_stack = nullptr;
[[maybe_unused]] void* scheduler_tsan = nullptr;

#ifdef __x86_64__
void* scheduler_context = nullptr;
extern "C" void cudasim_switch(void** save, void* to);
// Saves what the System V convention asks a callee to keep, the floating-point control words among it.
asm(R"(
.text
.type cudasim_switch,@function
cudasim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  subq $8, %rsp
  stmxcsr (%rsp)
  fnstcw 4(%rsp)
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  ldmxcsr (%rsp)
  fldcw 4(%rsp)
  addq $8, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cudasim_switch,.-cudasim_switch
)");
void switch_to_fiber(Fiber& fiber) {
  cudasim_switch(&scheduler_context, fiber.context);
}
void switch_to_scheduler(Fiber& fiber) {
  cudasim_switch(&fiber.context, scheduler_context);
}
void make_context(Fiber& fiber) {
  void** top = reinterpret_cast<void**>(fiber.stack + kStack) - 2;
  top[0] = reinterpret_cast<void*>(&fiber_main);
  top[1] = nullptr;
  top -= 7;
  std::fill(top, top + 7, nullptr);
  constexpr unsigned kControlWords[2] = {0x1f80, 0x037f};
  std::memcpy(top, kControlWords, sizeof kControlWords);
  fiber.context = top;
}
#else
ucontext_t scheduler_context;
ucontext_t& context_of(Fiber& fiber) {
  return *static_cast<ucontext_t*>(fiber.context);
}
void switch_to_fiber(Fiber& fiber) {
  swapcontext(&scheduler_context, &context_of(fiber));
}
void switch_to_scheduler(Fiber& fiber) {
  swapcontext(&context_of(fiber), &scheduler_context);
}
void make_context(Fiber& fiber) {
  if (fiber.context == nullptr) fiber.context = new ucontext_t{};  // as long as the process
  ucontext_t& context = context_of(fiber);
  getcontext(&context);
  context.uc_stack.ss_sp = fiber.stack;
  context.uc_stack.ss_size = kStack;
  context.uc_link = nullptr;
  makecontext(&context, &fiber_main, 0);
}
#endif

}  // namespace

Fiber* current() {
  return running;
}
void forget_current() {
  running = nullptr;
}

void begin_switching() {
#ifdef CUDASIM_TSAN
  scheduler_tsan = __tsan_get_current_fiber();
#endif
}

bool arm(Fiber& fiber) {
  if (fiber.stack == nullptr) {
    void* memory =
        mmap(nullptr, kStack + kGuard, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return false;
    mprotect(memory, kGuard, PROT_NONE);
    fiber.stack = static_cast<char*>(memory) + kGuard;
  }
  ASAN_UNPOISON_MEMORY_REGION(fiber.stack, kStack);
  fiber.asan_fake_stack = nullptr;
  make_context(fiber);
#ifdef CUDASIM_TSAN
  if (fiber.tsan == nullptr) fiber.tsan = __tsan_create_fiber(0);
#endif
  return true;
}

void resume(Fiber& fiber) {
  running = &fiber;
  threadIdx = fiber.thread;
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(&scheduler_fake_stack, fiber.stack, kStack);
#endif
#ifdef CUDASIM_TSAN
  __tsan_switch_to_fiber(fiber.tsan, __tsan_switch_to_fiber_no_sync);
#endif
  switch_to_fiber(fiber);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(scheduler_fake_stack, nullptr, nullptr);
#endif
}

void suspend() {
  Fiber& fiber = *running;
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(&fiber.asan_fake_stack, scheduler_stack, scheduler_stack_size);
#endif
#ifdef CUDASIM_TSAN
  __tsan_switch_to_fiber(scheduler_tsan, __tsan_switch_to_fiber_no_sync);
#endif
  switch_to_scheduler(fiber);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fiber.asan_fake_stack, &scheduler_stack, &scheduler_stack_size);
#endif
}

void entered_fiber() {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_stack_size);
#endif
}

#ifdef CUDASIM_TSAN
void release(void* object) {
  __tsan_release(object);
}
void acquire(void* object) {
  __tsan_acquire(object);
}
#else
void release(void*) {}
void acquire(void*) {}
#endif

}  // namespace cudasim
