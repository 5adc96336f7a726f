// Squared distances, in the one arithmetic that every backend shares.
#pragma once

#include "launch.cuh"

namespace geoad {

// ((dx * dx) + (dy * dy)) + (dz * dz), rounded after every operation. The intrinsics keep the compiler from contracting
// to fused multiply-adds, whose last bit differs.
__device__ __forceinline__ float sq_length(float dx, float dy, float dz) {
  return __fadd_rn(__fadd_rn(__fmul_rn(dx, dx), __fmul_rn(dy, dy)), __fmul_rn(dz, dz));
}

__device__ __forceinline__ float sq_dist(float ax, float ay, float az, float bx, float by, float bz) {
  return sq_length(__fsub_rn(ax, bx), __fsub_rn(ay, by), __fsub_rn(az, bz));
}

struct Box {
  float low[3], high[3];
};

// Rounding is monotone, so this is never larger than the computed distance to any point inside the box.
__device__ __forceinline__ float sq_dist(const Box& box, float x, float y, float z) {
  const float dx = fmaxf(fmaxf(__fsub_rn(box.low[0], x), __fsub_rn(x, box.high[0])), 0.0f);
  const float dy = fmaxf(fmaxf(__fsub_rn(box.low[1], y), __fsub_rn(y, box.high[1])), 0.0f);
  const float dz = fmaxf(fmaxf(__fsub_rn(box.low[2], z), __fsub_rn(z, box.high[2])), 0.0f);
  return sq_length(dx, dy, dz);
}

// Whole numbers in the order (sq_dist, index): a squared distance is not negative, so its bits sort as it does.
__device__ __forceinline__ uint64_t to_key(float sq, unsigned index) {
  return uint64_t(__float_as_uint(sq)) << 32 | index;
}

__device__ __forceinline__ float key_sq_dist(uint64_t key) { return __uint_as_float(unsigned(key >> 32)); }
__device__ __forceinline__ unsigned key_index(uint64_t key) { return unsigned(key); }

constexpr uint64_t NEVER = ~uint64_t(0);

}  // namespace geoad
