// Exact farthest point sampling by one block.
//
// The picks are a chain: each depends on the one before, so the time of a pick is a sum of latencies, and a barrier of
// the whole device in every pick would cost more than the work. One block of up to 32 warps needs one barrier a pick.
//
// Points are sorted along a Hilbert curve and cut into buckets. A new pick lowers the distance of a point only if it is
// nearer than that distance: a bucket whose box lies at least as far as its farthest point is skipped, as in
// geoad/ops/farthest_point_sample_numba.py. Each lane owns up to SLOTS buckets, boxes in registers. Neighbouring
// buckets belong to different warps, so the few that a pick changes are read at the same time.
#include <limits.h>

#include "distance.cuh"
#include "warp.cuh"

namespace geoad {
namespace {

constexpr int SLOTS = 3;         // buckets a lane, at most: with more, registers spill
constexpr int TOGETHER = 4;      // points of a bucket that a lane loads before it uses the first
constexpr int THREADS = 256;     // a block of the kernels that prepare
constexpr int BITS = 21;         // of each axis in a code
constexpr int NOBODY = INT_MIN;  // less than the bits of any distance, and of -1.0f, which marks a picked point

__device__ __forceinline__ float infinite() { return __int_as_float(0x7f800000); }

// The place along the Hilbert curve of a cell in the cube of 2^BITS cells a side (Skilling, "Programming the Hilbert
// curve", 2004: turn back the rotations from the coarsest bit on, then undo the Gray code).
__device__ uint64_t hilbert_code(unsigned x, unsigned y, unsigned z) {
  unsigned axis[3] = {x, y, z};
  for (unsigned bit = 1u << (BITS - 1); bit > 1; bit >>= 1) {
    const unsigned below = bit - 1;
#pragma unroll
    for (int a = 0; a < 3; a++) {
      const unsigned swapped = (axis[0] ^ axis[a]) & below;
      axis[0] ^= axis[a] & bit ? below : swapped;
      if (a > 0) axis[a] ^= axis[a] & bit ? 0 : swapped;
    }
  }
  axis[1] ^= axis[0];
  axis[2] ^= axis[1];
  unsigned gray = 0;
  for (unsigned bit = 1u << (BITS - 1); bit > 1; bit >>= 1) gray ^= axis[2] & bit ? bit - 1 : 0;
  uint64_t code = 0;
  for (int b = BITS - 1; b >= 0; b--)
#pragma unroll
    for (int a = 0; a < 3; a++) code = code << 1 | ((axis[a] ^ gray) >> b & 1);
  return code;
}

// Codes in the smallest cube that holds all points, low to high.
__global__ void hilbert_codes(const float* points, const float* low, const float* high, int64_t count, int64_t* codes) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= count) return;
  double extent = 0.0;  // double: that of finite points may exceed float
  for (int a = 0; a < 3; a++) extent = fmax(extent, double(high[a]) - double(low[a]));
  const double scale = extent > 0.0 ? double((1 << BITS) - 1) / extent : 0.0;
  unsigned cell[3];
  for (int a = 0; a < 3; a++) cell[a] = unsigned((double(points[3 * i + a]) - double(low[a])) * scale);
  codes[i] = int64_t(hilbert_code(cell[0], cell[1], cell[2]));
}

__global__ void gather_points(const float* points, const int64_t* order, int64_t count, float4* sorted,
                              float* distance) {
  const int64_t t = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (t >= count) return;
  const int64_t i = order[t];
  sorted[t] = make_float4(points[3 * i], points[3 * i + 1], points[3 * i + 2], __int_as_float(int(i)));
  distance[t] = infinite();
}

struct Cloud {
  const float4* points;  // x, y, z and the bits of the index, in the order of the curve
  float* distance;       // to the nearest pick; -1 for a pick
  int count, size;       // size: points a bucket
};

__device__ __forceinline__ unsigned index_of(const float4& point) { return __float_as_uint(point.w); }

__device__ __forceinline__ bool beats(int far, unsigned index, int other_far, unsigned other_index) {
  return far > other_far || (far == other_far && index < other_index);
}

// The lane with the largest (far, lowest index), the same answer in every lane.
__device__ __forceinline__ int best_lane(int far, unsigned index) {
  const int most = warp_max(far);
  const unsigned lowest = warp_min(far == most ? index : UINT_MAX);
  return __ffs(int(__ballot_sync(ALL, far == most && index == lowest))) - 1;
}

// A warp finds the box of one bucket.
__global__ void bucket_boxes(Cloud cloud, int buckets, Box* boxes) {
  const int bucket = int(blockIdx.x) * (int(blockDim.x) / WARP) + warp_id();
  if (bucket >= buckets) return;
  const int first = bucket * cloud.size, last = min(first + cloud.size, cloud.count);
  Box box;
  for (int a = 0; a < 3; a++) box.low[a] = infinite(), box.high[a] = -infinite();
  for (int t = first + lane_id(); t < last; t += WARP) {
    const float4 p = __ldg(cloud.points + t);
    const float at[3] = {p.x, p.y, p.z};
#pragma unroll
    for (int a = 0; a < 3; a++) box.low[a] = fminf(box.low[a], at[a]), box.high[a] = fmaxf(box.high[a], at[a]);
  }
#pragma unroll
  for (int a = 0; a < 3; a++) {
    box.low[a] = -warp_max(-box.low[a]);
    box.high[a] = warp_max(box.high[a]);
  }
  if (lane_id() == 0) boxes[bucket] = box;
}

// A warp lowers the distances of one bucket to those from `pick`. Returns the bits of the largest left, and writes the
// point that has it, the lowest index of several.
__device__ __forceinline__ int lower(const Cloud& cloud, int bucket, const float4& pick, float4* who) {
  const int first = bucket * cloud.size, last = min(first + cloud.size, cloud.count);
  int far = NOBODY, place = first;
  unsigned index = UINT_MAX;
  for (int block = first; block < last; block += TOGETHER * WARP) {
    float4 point[TOGETHER];
    float held[TOGETHER];
#pragma unroll
    for (int r = 0; r < TOGETHER; r++) {
      const int t = block + r * WARP + lane_id();
      if (t < last) point[r] = __ldg(cloud.points + t), held[r] = cloud.distance[t];
    }
#pragma unroll
    for (int r = 0; r < TOGETHER; r++) {
      const int t = block + r * WARP + lane_id();
      if (t >= last) continue;
      float d = fminf(held[r], sq_dist(point[r].x, point[r].y, point[r].z, pick.x, pick.y, pick.z));
      if (index_of(point[r]) == index_of(pick)) d = -1.0f;  // never again
      if (d != held[r]) cloud.distance[t] = d;
      if (beats(__float_as_int(d), index_of(point[r]), far, index))
        far = __float_as_int(d), index = index_of(point[r]), place = t;
    }
  }
  const int most = warp_max(far);
  if (lane_id() == best_lane(far, index)) *who = __ldg(cloud.points + place);
  __syncwarp();
  return most;
}

// Bucket (slot, warp, lane) is number (slot * 32 + lane) * warps + warp. The farthest point of a bucket is kept in
// shared memory, at the same place for the same thread.
template <int S>
__global__ void __launch_bounds__(1024, 1)
    pick_farthest(Cloud cloud, const Box* boxes, int n, const float* start, int start_index, int64_t* picks) {
  __shared__ float4 warp_who[2][WARP];
  __shared__ int warp_far[2][WARP], warp_bucket[2][WARP];
  const int warps = int(blockDim.x) / WARP, warp = warp_id(), lane = lane_id();
  const int buckets = ceil_div(cloud.count, cloud.size);
  float4* who = dynamic_shared<float4>() + warp * WARP;
  Box box[S];
  int far[S];
#pragma unroll
  for (int s = 0; s < S; s++) {
    far[s] = NOBODY;
    who[s * blockDim.x + lane].w = __int_as_float(-1);
    const int own = (s * WARP + lane) * warps + warp;
    if (own < buckets) box[s] = boxes[own], far[s] = __float_as_int(infinite());
  }
  float4 pick = make_float4(start[0], start[1], start[2], __int_as_float(start_index));
  int home = -1;  // the bucket of the pick; -1: the first pick changes them all
  for (int i = 0;; i++) {
    if (threadIdx.x == 0) picks[i] = index_of(pick);
    if (i + 1 == n) return;
    int best = NOBODY, slot = 0;
    unsigned index = UINT_MAX;
#pragma unroll
    for (int s = 0; s < S; s++) {
      const bool nearer = far[s] != NOBODY && sq_dist(box[s], pick.x, pick.y, pick.z) < __int_as_float(far[s]);
      const bool own = home < 0 ? far[s] != NOBODY : (s * WARP + lane) * warps + warp == home;
      for (unsigned changed = __ballot_sync(ALL, nearer || own); changed != 0; changed &= changed - 1) {
        const int l = __ffs(int(changed)) - 1;
        const int found = lower(cloud, (s * WARP + l) * warps + warp, pick, who + s * blockDim.x + l);
        if (l == lane) far[s] = found;
      }
      const unsigned here = index_of(who[s * blockDim.x + lane]);
      if (beats(far[s], here, best, index)) best = far[s], index = here, slot = s;
    }
    const int turn = i & 1;  // of two buffers, so that one barrier a pick is enough
    if (lane == best_lane(best, index)) {
      warp_far[turn][warp] = best;
      warp_who[turn][warp] = who[slot * blockDim.x + lane];
      warp_bucket[turn][warp] = (slot * WARP + lane) * warps + warp;
    }
    __syncthreads();
    const int theirs = lane < warps ? warp_far[turn][lane] : NOBODY;
    const int winner = best_lane(theirs, lane < warps ? index_of(warp_who[turn][lane]) : UINT_MAX);
    pick = warp_who[turn][winner];
    home = warp_bucket[turn][winner];
  }
}

template <int S>
cudaError_t launch_pick(cudaStream_t stream, int warps, Cloud cloud, const Box* boxes, int n, const float* start,
                        int index, int64_t* picks) {
  const size_t shared = size_t(S) * warps * WARP * sizeof(float4);
  GEOAD_TRY(cudaFuncSetAttribute(pick_farthest<S>, cudaFuncAttributeMaxDynamicSharedMemorySize, int(shared)));
  return launch(stream, 1, warps * WARP, shared, pick_farthest<S>, cloud, boxes, n, start, index, picks);
}

struct Arrays {
  float4* points;
  float* distance;
  Box* boxes;
  int64_t bytes;

  Arrays(int64_t count, int64_t buckets, void* workspace) {
    Workspace arrays(workspace);
    points = arrays.take<float4>(count);
    distance = arrays.take<float>(count);
    boxes = arrays.take<Box>(buckets);
    bytes = arrays.used();
  }
};

unsigned blocks_of(int64_t threads) { return unsigned(ceil_div<int64_t>(threads, THREADS)); }

}  // namespace
}  // namespace geoad

using namespace geoad;

// codes (count,) of points (count, 3), whose smallest and largest coordinates are low (3,) and high (3,).
GEOAD_API int64_t geoad_hilbert_codes(const float* points, const float* low, const float* high, int64_t count,
                                      int64_t* codes, cudaStream_t stream) {
  return launch(stream, blocks_of(count), THREADS, 0, hilbert_codes, points, low, high, count, codes);
}

GEOAD_API int64_t geoad_farthest_point_sample_workspace(int64_t count, int64_t rounds) {
  return Arrays(count, ceil_div(count, rounds * WARP), nullptr).bytes;
}

// picks (n,) of finite points (count, 3), n <= count < 2^30; `order` (count,) sorts them by their codes. Buckets hold
// 32 * rounds points; there may be 96 * warps of them, 1 <= warps <= 32.
GEOAD_API int64_t geoad_farthest_point_sample(const float* points, const int64_t* order, int64_t count, int64_t rounds,
                                              int64_t warps, int64_t n, int64_t start, void* workspace, int64_t* picks,
                                              cudaStream_t stream) {
  const int64_t buckets = ceil_div(count, rounds * WARP), slots = ceil_div(buckets, warps * WARP);
  if (slots > SLOTS) return cudaErrorInvalidValue;
  const Arrays at(count, buckets, workspace);
  const Cloud cloud = {at.points, at.distance, int(count), int(rounds) * WARP};
  GEOAD_TRY(launch(stream, blocks_of(count), THREADS, 0, gather_points, points, order, count, at.points, at.distance));
  GEOAD_TRY(launch(stream, blocks_of(buckets * WARP), THREADS, 0, bucket_boxes, cloud, int(buckets), at.boxes));
  auto run = slots == 1 ? launch_pick<1> : slots == 2 ? launch_pick<2> : launch_pick<SLOTS>;
  return run(stream, int(warps), cloud, at.boxes, int(n), points + 3 * start, int(start), picks);
}
