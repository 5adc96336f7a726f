// All neighbours within a radius: count the rows, write their keys, sort each row. A packet of queries walks the tree
// as in knn.cu, but what a lane admits does not change.
#include "nearest.cuh"
#include "packet.cuh"
#include "search.cuh"

namespace geoad {
namespace {

constexpr int BLOCK = 128;
constexpr int SHARED_ROW = 256;  // keys of a row that is sorted in shared memory

// Writes counts (askers), or, where that is null, row r to keys + offsets[r], in any order.
__global__ void __launch_bounds__(BLOCK) find_within(Tree tree, Asked asked, int64_t* counts, const int64_t* offsets,
                                                     uint64_t* keys) {
  __shared__ PacketSpace spaces[BLOCK / WARP];
  Packet packet(tree, spaces[warp_id()]);
  Asker asker(asked, packet);
  const int row = Asker::row(asked);
  uint64_t* const out = counts != nullptr || row < 0 ? nullptr : keys + offsets[row];
  int64_t found = 0;
  while (asker.next_cloud(asked, packet)) {
    const float within = asker.asks ? asked.limit : -1.0f;
    const uint64_t bound = asker.asks ? to_key(asked.limit, ~0u) : 0;
    const unsigned reach = __float_as_uint(asked.limit);
    for (int next = packet.next(bound, reach); next >= 0; next = packet.next(bound, reach)) {
      const int count = packet.collect(next, reach);
#pragma unroll 4
      for (int i = 0; i < count; i++) {
        const float4 point = packet.space.candidates[i];
        const float d = sq_dist(packet.x, packet.y, packet.z, point.x, point.y, point.z);
        const unsigned number = __float_as_uint(point.w);
        if (!(d <= within) || number == asker.barred) continue;
        if (counts == nullptr) out[found] = to_key(d, number);
        found++;
      }
    }
  }
  if (counts != nullptr && row >= 0) counts[row] = found;
}

// Sorts by a whole warp: a bitonic network whose comparisons with what is behind the end are left out.
__device__ __forceinline__ void sort_row(uint64_t* keys, int64_t count) {
  for (int64_t size = 2; size < 2 * count; size *= 2) {
    for (int64_t step = size / 2; step > 0; step /= 2) {
      for (int64_t pair = lane_id();; pair += WARP) {
        const int64_t i = 2 * pair - (pair & (step - 1));
        if (i >= count) break;
        const int64_t other = 2 * step == size ? i ^ (size - 1) : i + step;
        if (other >= count || keys[i] <= keys[other]) continue;
        const uint64_t larger = keys[i];
        keys[i] = keys[other];
        keys[other] = larger;
      }
      __syncwarp();
    }
  }
}

// A warp a row: of keys offsets[r] … offsets[r + 1] - 1 the lowest go to results kept[r] … kept[r + 1] - 1.
__global__ void __launch_bounds__(BLOCK) sort_rows(uint64_t* keys, const int64_t* offsets, const int64_t* kept,
                                                   int64_t rows, int64_t* index, float* sq) {
  __shared__ uint64_t spaces[BLOCK / WARP][SHARED_ROW];
  const int lane = lane_id();
  const int64_t row = int64_t(blockIdx.x) * (BLOCK / WARP) + warp_id();
  if (row >= rows) return;
  const int64_t count = offsets[row + 1] - offsets[row];
  uint64_t *const all = keys + offsets[row], *const held = count <= SHARED_ROW ? spaces[warp_id()] : all;
  if (held != all)
    for (int64_t i = lane; i < count; i += WARP) held[i] = all[i];
  __syncwarp();
  sort_row(held, count);
  const int64_t to = kept[row], most = kept[row + 1] - to;
  for (int64_t i = lane; i < most; i += WARP) {
    index[to + i] = key_index(held[i]);
    sq[to + i] = key_sq_dist(held[i]);
  }
}

cudaError_t find(const SearchSpace& space, const Asked& asked, int64_t* counts, const int64_t* offsets, uint64_t* keys,
                 cudaStream_t stream) {
  const unsigned blocks = unsigned(ceil_div<int64_t>(asked.count, BLOCK));
  return launch(stream, dim3(blocks), BLOCK, 0, find_within, space.tree, asked, counts, offsets, keys);
}

}  // namespace
}  // namespace geoad

using namespace geoad;

// As geoad_knn. Writes counts (rows): how many points are within `limit`, a squared distance.
GEOAD_API int64_t geoad_radius_count(const float* points, int64_t n, const float* queries, int64_t m,
                                     const int64_t* offsets, int64_t clouds, int64_t include_self, int64_t unsorted,
                                     float limit, int64_t* counts, void* workspace, cudaStream_t stream) {
  const SearchSpace space(Workspace(workspace), n, m, clouds);
  GEOAD_TRY(prepare(space, points, queries, {offsets, clouds}, unsorted, stream));
  return find(space, space.asked({offsets, clouds}, include_self != 0, limit), counts, nullptr, nullptr, stream);
}

// After geoad_radius_count, with its workspace: writes what `counts` counted to keys, row r from row_offsets[r] on.
GEOAD_API int64_t geoad_radius_fill(int64_t n, int64_t m, const int64_t* offsets, int64_t clouds, int64_t include_self,
                                    float limit, const int64_t* row_offsets, uint64_t* keys, void* workspace,
                                    cudaStream_t stream) {
  const SearchSpace space(Workspace(workspace), n, m, clouds);
  return find(space, space.asked({offsets, clouds}, include_self != 0, limit), nullptr, row_offsets, keys, stream);
}

// Sorts each row's keys, and writes the first of row r to index and sq, kept[r] … kept[r + 1] - 1.
GEOAD_API int64_t geoad_radius_sort(uint64_t* keys, const int64_t* row_offsets, const int64_t* kept, int64_t rows,
                                    int64_t* index, float* sq, cudaStream_t stream) {
  const unsigned blocks = unsigned(ceil_div<int64_t>(rows, BLOCK / WARP));
  return launch(stream, dim3(blocks), BLOCK, 0, sort_rows, keys, row_offsets, kept, rows, index, sq);
}
