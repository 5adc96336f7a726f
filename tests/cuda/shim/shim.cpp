// The scheduler behind cuda_runtime.h: fibers for the threads of one block after the other.
#include "cuda_runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <numeric>
#include <random>
#include <vector>

#ifndef __x86_64__
#include <ucontext.h>
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace {

constexpr size_t STACK = 64 * 1024;
constexpr size_t DYNAMIC = 256 * 1024;

#ifdef __x86_64__
// The System V ABI's callee-saved registers are all that a switch must keep.
extern "C" void shim_switch(void** from, void* to);
asm(R"(
.text
.globl shim_switch
.hidden shim_switch
shim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
using Context = void*;
#else
using Context = ucontext_t;
#endif

struct Fiber {
  Context context;
  unsigned char* stack = nullptr;
  uint3 index;
  const unsigned* waits = nullptr;  // resumed once *waits differs from `seen`
  unsigned seen = 0;
  bool done = false;
};

struct Warp {
  uint64_t value[2][32];
  unsigned turn = 0, arrived = 0;
  shim_collective kind = SHIM_SYNC;
};

std::vector<Fiber> fibers;
std::vector<Warp> warps;
std::vector<unsigned char> dynamic(DYNAMIC + 64);
Context scheduler;
int current = 0, alive = 0;
unsigned barrier_turn = 0, barrier_arrived = 0;
int barrier_sum[2] = {0, 0};
void (*body)(void*);
void* body_closure;
const char* failure = nullptr;
char last_failure[256] = "";
int chosen_order = 0;
unsigned chosen_seed = 0;

void to_scheduler() {
#ifdef __x86_64__
  shim_switch(&fibers[current].context, scheduler);
#else
  swapcontext(&fibers[current].context, &scheduler);
#endif
}

void fail(const char* what) {
  if (failure == nullptr) failure = what;
  while (true) to_scheduler();  // never resumed
}

void wait(const unsigned* turn, unsigned seen) {
  fibers[current].waits = turn;
  fibers[current].seen = seen;
  to_scheduler();
  fibers[current].waits = nullptr;
}

void release_barrier() {
  barrier_arrived = 0;
  barrier_turn++;
  barrier_sum[barrier_turn & 1] = 0;
}

int barrier(int predicate) {
  const unsigned turn = barrier_turn;
  int* sum = &barrier_sum[turn & 1];
  *sum += predicate != 0;
  if (int(++barrier_arrived) == alive)
    release_barrier();
  else
    wait(&barrier_turn, turn);
  return *sum;
}

void run_fiber() {
  body(body_closure);
  fibers[current].done = true;
  alive--;
  if (alive > 0 && int(barrier_arrived) == alive) release_barrier();
  while (true) to_scheduler();
}

void prepare(Fiber& fiber) {
  if (fiber.stack == nullptr) {
    void* memory = mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) abort();
    fiber.stack = static_cast<unsigned char*>(memory);
  }
  memset(fiber.stack + STACK - 2048, 0xcd, 2048);  // locals that nobody set are not zero
  fiber.waits = nullptr;
  fiber.done = false;
#ifdef __x86_64__
  void** top = reinterpret_cast<void**>(fiber.stack + STACK);
  *--top = nullptr;  // aligns the stack as after a call
  *--top = reinterpret_cast<void*>(run_fiber);
  top -= 6;
  fiber.context = top;
#else
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack;
  fiber.context.uc_stack.ss_size = STACK;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, run_fiber, 0);
#endif
}

void resume(int thread) {
  current = thread;
  threadIdx = fibers[thread].index;
#ifdef __x86_64__
  shim_switch(&scheduler, fibers[thread].context);
#else
  swapcontext(&scheduler, &fibers[thread].context);
#endif
}

std::vector<int> in_order(int count, unsigned salt) {
  std::vector<int> order(count);
  std::iota(order.begin(), order.end(), 0);
  if (chosen_order == 1) std::reverse(order.begin(), order.end());
  if (chosen_order == 2) {
    std::mt19937 random(chosen_seed + salt);
    std::shuffle(order.begin(), order.end(), random);
  }
  return order;
}

// Resumes those of `count` threads that can go on; tells whether there were any.
bool run_once(const int* order, int count) {
  bool moved = false;
  for (int i = 0; i < count && failure == nullptr; i++) {
    Fiber& fiber = fibers[order[i]];
    if (fiber.done || (fiber.waits != nullptr && *fiber.waits == fiber.seen)) continue;
    resume(order[i]);
    moved = true;
  }
  return moved;
}

void run_block(unsigned number) {
  const int threads = int(blockDim.x * blockDim.y * blockDim.z);
  memset(dynamic.data(), 0xcd, dynamic.size());
  for (int t = 0; t < threads; t++) {
    prepare(fibers[t]);
    fibers[t].index = {t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y)};
  }
  for (Warp& warp : warps) warp.arrived = 0;
  barrier_arrived = 0;
  barrier_sum[barrier_turn & 1] = 0;
  alive = threads;
  const std::vector<int> order = in_order(threads, number);
  const int together = chosen_order == 2 ? threads : 32;
  while (alive > 0 && failure == nullptr) {
    bool moved = false;
    for (int group = 0; group < threads && failure == nullptr; group += together) {
      bool again = true;
      while (again && failure == nullptr) {
        again = run_once(&order[group], together);
        moved |= again;
      }
    }
    if (!moved) failure = "deadlock: some threads wait for others that have left or wait elsewhere";
  }
}

}  // namespace

extern "C" void shim_order(int64_t order, int64_t seed) {
  chosen_order = int(order);
  chosen_seed = unsigned(seed);
}

cudaError_t shim_launch(const cudaLaunchConfig_t* config, void (*run)(void*), void* closure) {
  const unsigned threads = config->blockDim.x * config->blockDim.y * config->blockDim.z;
  failure = threads == 0 || threads > 1024 || threads % 32 != 0 ? "a block must hold 32 to 1024 threads, whole warps"
            : config->dynamicSmemBytes > DYNAMIC - 29 * 1024    ? "a block may have 227 KiB of shared memory"
            : config->gridDim.y > 65535 || config->gridDim.z > 65535 ? "a grid's y and z must be below 65536"
                                                                     : nullptr;
  body = run;
  body_closure = closure;
  blockDim = config->blockDim;
  gridDim = config->gridDim;
  if (failure == nullptr) {
    if (fibers.size() < threads) fibers.resize(threads);
    warps.resize(threads / 32);
    const unsigned blocks = gridDim.x * gridDim.y * gridDim.z;
    for (int b : in_order(int(blocks), ~0u)) {
      blockIdx = {b % gridDim.x, b / gridDim.x % gridDim.y, b / (gridDim.x * gridDim.y)};
      run_block(unsigned(b));
      if (failure != nullptr) break;
    }
  }
  if (failure == nullptr) return cudaSuccess;
  snprintf(last_failure, sizeof last_failure, "%s (block %u, %u, %u)", failure, blockIdx.x, blockIdx.y, blockIdx.z);
  return cudaErrorLaunchFailure;
}

const char* cudaGetErrorString(cudaError_t code) {
  return code == cudaSuccess ? "no error" : code == cudaErrorLaunchFailure ? last_failure : "invalid argument";
}
cudaError_t cudaGetLastError() { return cudaSuccess; }

unsigned char* geoad::shim_dynamic_shared() {
  return reinterpret_cast<unsigned char*>((reinterpret_cast<uintptr_t>(dynamic.data()) + 63) / 64 * 64);
}

void __syncthreads() { barrier(0); }
int __syncthreads_or(int predicate) { return barrier(predicate) != 0; }
int __syncthreads_count(int predicate) { return barrier(predicate); }

unsigned shim_lane() { return unsigned(current) % 32; }

const uint64_t* shim_exchange(unsigned mask, shim_collective kind, uint64_t value) {
  if (mask != 0xffffffffu) fail("a collective of a part of a warp: the mask must be 0xffffffff");
  Warp& warp = warps[current / 32];
  const unsigned turn = warp.turn;
  if (warp.arrived > 0 && warp.kind != kind) fail("lanes of one warp meet different collectives");
  warp.kind = kind;
  warp.value[turn & 1][shim_lane()] = value;
  if (++warp.arrived == 32) {
    warp.arrived = 0;
    warp.turn++;
  } else {
    wait(&warp.turn, turn);
  }
  return warp.value[turn & 1];
}
