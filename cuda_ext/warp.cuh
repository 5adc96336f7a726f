// Reductions over a warp, in one instruction where the GPU has it; sums by a fixed tree, the same on every run.
#pragma once

#include "launch.cuh"

namespace geoad {

#if defined(GEOAD_SHIM) || __CUDA_ARCH__ >= 800
__device__ __forceinline__ unsigned warp_min(unsigned value) { return __reduce_min_sync(ALL, value); }
__device__ __forceinline__ unsigned warp_max(unsigned value) { return __reduce_max_sync(ALL, value); }
#else
__device__ __forceinline__ unsigned warp_min(unsigned value) {
  for (int by = WARP / 2; by > 0; by /= 2) value = min(value, __shfl_xor_sync(ALL, value, by));
  return value;
}
__device__ __forceinline__ unsigned warp_max(unsigned value) { return ~warp_min(~value); }
#endif

__device__ __forceinline__ float warp_min(float value) {
#pragma unroll
  for (int by = WARP / 2; by > 0; by /= 2) value = fminf(value, __shfl_xor_sync(ALL, value, by));
  return value;
}
__device__ __forceinline__ float warp_max(float value) { return -warp_min(-value); }

// Signed numbers in the order of unsigned ones.
__device__ __forceinline__ int warp_max(int value) {
  constexpr unsigned sign = 0x80000000u;
  return int(warp_max(unsigned(value) ^ sign) ^ sign);
}

template <typename Number>
__device__ __forceinline__ Number warp_sum(Number value) {
#pragma unroll
  for (int by = WARP / 2; by > 0; by /= 2) value += __shfl_xor_sync(ALL, value, by);
  return value;
}

__device__ __forceinline__ int lane_id() { return int(threadIdx.x) % WARP; }
__device__ __forceinline__ int warp_id() { return int(threadIdx.x) / WARP; }

}  // namespace geoad
