// The K lowest keys that a thread has seen, sorted, in registers. Other threads' lists grow in step: a warp merges when
// one of its lanes has SLOTS new keys waiting, so what is paid for a merge is paid for 32 queries.
#pragma once

#include "distance.cuh"

namespace geoad {

constexpr uint64_t NO_NEIGHBOUR = uint64_t(0x7f800000u) << 32 | 0xffffffffu;  // (+inf, -1), behind every neighbour

// Keys are not NaN as doubles either, whose order is that of the bits. Where double precision is fast, that comparison
// leaves the busier integer pipe to the selections.
__device__ __forceinline__ bool before(uint64_t a, uint64_t b) {
#if __CUDA_ARCH__ == 800 || __CUDA_ARCH__ == 900 || __CUDA_ARCH__ == 1000
  return __longlong_as_double(int64_t(a)) < __longlong_as_double(int64_t(b));
#else
  return a < b;
#endif
}

__device__ __forceinline__ void in_order(uint64_t& a, uint64_t& b) {
  const bool swap = before(b, a);
  const uint64_t lower = swap ? b : a, upper = swap ? a : b;
  a = lower;
  b = upper;
}

// Batcher's odd-even merge sort (Knuth, TAOCP 3, 5.3.4): merges two sorted halves of keys FIRST, FIRST + STEP, … below
// FIRST + COUNT.
template <int FIRST, int COUNT, int STEP, int ALL_KEYS>
__device__ __forceinline__ void merge_halves(uint64_t (&keys)[ALL_KEYS]) {
  if constexpr (2 * STEP < COUNT) {
    merge_halves<FIRST, COUNT, 2 * STEP>(keys);
    merge_halves<FIRST + STEP, COUNT, 2 * STEP>(keys);
#pragma unroll
    for (int i = FIRST + STEP; i + STEP < FIRST + COUNT; i += 2 * STEP) in_order(keys[i], keys[i + STEP]);
  } else {
    in_order(keys[FIRST], keys[FIRST + STEP]);
  }
}

template <int FIRST, int COUNT, int ALL_KEYS>
__device__ __forceinline__ void sort(uint64_t (&keys)[ALL_KEYS]) {
  if constexpr (COUNT > 1) {
    sort<FIRST, COUNT / 2>(keys);
    sort<FIRST + COUNT / 2, COUNT / 2>(keys);
    merge_halves<FIRST, COUNT, 1>(keys);
  }
}

template <int K>
struct Nearest {
  static constexpr int SLOTS = K < 16 ? K : 16;

  uint64_t keys[K];

  // The list of the k <= K nearest starts with keys below all others, so that the k-th is always the last.
  __device__ __forceinline__ void clear(int k) {
#pragma unroll
    for (int i = 0; i < K; i++) keys[i] = i < K - k ? 0 : NO_NEIGHBOUR;
  }

  __device__ __forceinline__ uint64_t last() const { return keys[K - 1]; }

  // Takes the last SLOTS of the keys … waiting[end - 2 * WARP], waiting[end - WARP].
  __device__ __forceinline__ void merge(const uint64_t* waiting, int end) {
    uint64_t more[SLOTS];
#pragma unroll
    for (int i = 0; i < SLOTS; i++) more[i] = end >= (i + 1) * WARP ? waiting[end - (i + 1) * WARP] : NO_NEIGHBOUR;
    sort<0, SLOTS>(more);
#pragma unroll
    for (int i = 0; i < SLOTS; i++)
      if (before(more[i], keys[K - 1 - i])) keys[K - 1 - i] = more[i];
#pragma unroll
    for (int step = K / 2; step > 0; step /= 2) {  // the lower half of a bitonic merge is bitonic
#pragma unroll
      for (int i = 0; i < K; i++)
        if (i / step % 2 == 0) in_order(keys[i], keys[i + step]);
    }
  }
};

}  // namespace geoad
