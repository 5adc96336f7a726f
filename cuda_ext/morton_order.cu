// Bounds, codes and their histograms, sort. Codes only choose an order: nothing exact depends on how they are rounded.
#include "morton_order.cuh"

#include "warp.cuh"

namespace geoad {
namespace {

constexpr int BLOCK = 256;
constexpr int LENGTH = 16;  // points a lane, in the reduction
constexpr int MOST_AXIS_BITS = 21;
constexpr int CODE_ROWS = 4;  // points a thread

// Whole numbers in the order of the floats.
__device__ __forceinline__ unsigned to_ordered(float value) {
  const unsigned bits = __float_as_uint(value);
  return bits ^ (bits >> 31 ? ~0u : 1u << 31);
}

__device__ __forceinline__ float from_ordered(unsigned ordered) {
  return __uint_as_float(ordered ^ (ordered >> 31 ? 1u << 31 : ~0u));
}

__device__ __forceinline__ bool load(const float* points, int64_t row, float (&point)[3]) {
  for (int axis = 0; axis < 3; axis++) point[axis] = points[3 * row + axis];
  return isfinite(point[0]) && isfinite(point[1]) && isfinite(point[2]);
}

// bounds: the lowest coordinates and the complements of the highest, so that both are minima, and ~0 where none is.
__global__ void __launch_bounds__(BLOCK) find_bounds(const float* points, int64_t count, Clouds clouds,
                                                     uint32_t* bounds) {
  const int lane = int(threadIdx.x) % WARP;
  const int64_t first = (int64_t(blockIdx.x) * BLOCK + threadIdx.x - lane) * LENGTH;
  if (first >= count) return;
  const int64_t last = min(first + WARP * LENGTH, count), cloud = clouds.of(first);
  const bool together = cloud == clouds.of(last - 1);
  unsigned lowest[6] = {~0u, ~0u, ~0u, ~0u, ~0u, ~0u};
#pragma unroll 4
  for (int64_t row = first + lane; row < last; row += WARP) {
    float point[3];
    if (!load(points, row, point)) continue;
    uint32_t* place = together ? nullptr : bounds + 6 * clouds.of(row);
    for (int axis = 0; axis < 3; axis++) {
      const unsigned ordered = to_ordered(point[axis]);
      lowest[axis] = min(lowest[axis], ordered);
      lowest[axis + 3] = min(lowest[axis + 3], ~ordered);
      if (!together) atomicMin(place + axis, ordered), atomicMin(place + axis + 3, ~ordered);
    }
  }
  if (!together) return;
  for (int side = 0; side < 6; side++) {
    const unsigned least = warp_min(lowest[side]);
    if (lane == side) atomicMin(bounds + 6 * cloud + side, least);
  }
}

// Two zero bits after each of the 21 lowest.
__device__ __forceinline__ uint64_t spread(uint64_t bits) {
  bits = (bits | bits << 32) & 0x001f00000000ffffull;
  bits = (bits | bits << 16) & 0x001f0000ff0000ffull;
  bits = (bits | bits << 8) & 0x100f00f00f00f00full;
  bits = (bits | bits << 4) & 0x10c30c30c30c30c3ull;
  return (bits | bits << 2) & 0x1249249249249249ull;
}

__device__ uint64_t code_of(const float (&point)[3], const uint32_t* bounds, int axis_bits) {
  double low[3], extent = 0;  // in double precision no difference of floats overflows
  for (int axis = 0; axis < 3; axis++) {
    low[axis] = from_ordered(bounds[axis]);
    extent = fmax(extent, from_ordered(~bounds[axis + 3]) - low[axis]);
  }
  const double cells = double((1 << axis_bits) - 1), scale = extent > 0 ? cells / extent : 0;
  uint64_t code = 0;
  for (int axis = 0; axis < 3; axis++) code |= spread(unsigned(fmin((point[axis] - low[axis]) * scale, cells))) << axis;
  return code;
}

__global__ void __launch_bounds__(BLOCK) make_keys(const float* points, int64_t count, Clouds clouds,
                                                   const uint32_t* bounds, int axis_bits, int passes, uint64_t* keys,
                                                   uint32_t* histograms) {
  __shared__ uint32_t held[passes_for(64) * DIGITS];
  for (int i = int(threadIdx.x); i < passes * DIGITS; i += BLOCK) held[i] = 0;
  __syncthreads();
  for (int i = 0; i < CODE_ROWS; i++) {
    const int64_t row = (int64_t(blockIdx.x) * CODE_ROWS + i) * BLOCK + threadIdx.x;
    if (row >= count) break;
    const int64_t cloud = clouds.of(row);
    float point[3];
    const uint64_t last = (uint64_t(1) << 3 * axis_bits) - 1;
    const uint64_t code = load(points, row, point) ? code_of(point, bounds + 6 * cloud, axis_bits) : last;
    const uint64_t key = uint64_t(cloud) << 3 * axis_bits | code;
    keys[row] = key;
    for (int pass = 0; pass < passes; pass++)
      atomicAdd(held + pass * DIGITS + unsigned(key >> pass * DIGIT_BITS) % DIGITS, 1u);
  }
  __syncthreads();
  for (int i = int(threadIdx.x); i < passes * DIGITS; i += BLOCK)
    if (held[i] > 0) atomicAdd(histograms + i, held[i]);
}

int bits_of(int64_t number) {
  int bits = 0;
  while (number >> bits > 0) bits++;
  return bits;
}

}  // namespace

MortonSpace::MortonSpace(Workspace& workspace, int64_t count, int64_t clouds)
    : MortonSpace(workspace, count, clouds, bits_of(clouds - 1)) {}

MortonSpace::MortonSpace(Workspace& workspace, int64_t count, int64_t clouds, int cloud_bits)
    : bounds(workspace.take<uint32_t>(6 * clouds)),
      axis_bits(min(MOST_AXIS_BITS, (64 - cloud_bits) / 3)),
      key_bits(3 * axis_bits + cloud_bits),
      sort(workspace, count, key_bits),
      order(sort.values[passes_for(key_bits) % 2]) {}

cudaError_t morton_order(const MortonSpace& space, const float* points, int64_t count, Clouds clouds,
                         cudaStream_t stream) {
  GEOAD_TRY(cudaMemsetAsync(space.bounds, 0xff, size_t(6 * clouds.number) * sizeof(uint32_t), stream));
  GEOAD_TRY(cudaMemsetAsync(space.sort.histograms, 0, size_t(space.sort.counter_bytes), stream));
  const int64_t warps = ceil_div<int64_t>(count, WARP * LENGTH), blocks = ceil_div<int64_t>(count, BLOCK * CODE_ROWS);
  GEOAD_TRY(launch(stream, dim3(unsigned(ceil_div<int64_t>(warps, BLOCK / WARP))), BLOCK, 0, find_bounds, points, count,
                   clouds, space.bounds));
  GEOAD_TRY(launch(stream, dim3(unsigned(blocks)), BLOCK, 0, make_keys, points, count, clouds, space.bounds,
                   space.axis_bits, passes_for(space.key_bits), space.sort.keys[0], space.sort.histograms));
  return sort_pairs(space.sort, count, space.key_bits, stream);
}

}  // namespace geoad
