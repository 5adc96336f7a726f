// Reductions of a warp and of a block, by fixed trees: equal bits on every run and every device.
#pragma once

#include "launch.cuh"

namespace geoad {

__device__ __forceinline__ int lane_id() { return int(threadIdx.x) % WARP; }
__device__ __forceinline__ int warp_id() { return int(threadIdx.x) / WARP; }

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800  // no instruction for it before
__device__ __forceinline__ int warp_max(int value) {
  for (int by = WARP / 2; by > 0; by /= 2) value = max(value, __shfl_xor_sync(ALL, value, by));
  return value;
}
__device__ __forceinline__ unsigned warp_min(unsigned value) {
  for (int by = WARP / 2; by > 0; by /= 2) value = min(value, __shfl_xor_sync(ALL, value, by));
  return value;
}
#else
__device__ __forceinline__ int warp_max(int value) { return __reduce_max_sync(ALL, value); }
__device__ __forceinline__ unsigned warp_min(unsigned value) { return __reduce_min_sync(ALL, value); }
#endif

template <typename Number>
__device__ __forceinline__ Number warp_max_number(Number value) {
  for (int by = WARP / 2; by > 0; by /= 2) {
    const Number other = __shfl_xor_sync(ALL, value, by);
    value = value < other ? other : value;
  }
  return value;
}

template <typename Number>
__device__ __forceinline__ Number warp_sum(Number value) {
  for (int by = WARP / 2; by > 0; by /= 2) value += __shfl_xor_sync(ALL, value, by);
  return value;
}

}  // namespace geoad
