// Exact k nearest neighbours: a query a lane, 32 near each other a warp.
//
// Points are sorted along a Morton curve, with a tree of boxes above them, and so are queries. A packet of queries walks
// the tree, the nearest boxes first. A lane puts candidates that are not beyond its k-th into a stack of its own in shared
// memory; when one lane's is full, all lanes take keys from theirs, sort them and merge them into their lists by a network
// without branches. Keys hold the total order (sq_dist, index), so no result depends on the order in which points are met.
#include "nearest.cuh"
#include "packet.cuh"
#include "search.cuh"

namespace geoad {
namespace {

constexpr int BLOCK = 128;

template <int K>
struct Space {
  using List = Nearest<K>;
  static constexpr int PITCH = List::SLOTS + 1;  // rows of results, apart from each other's banks
  static constexpr int HELD = 2 * List::SLOTS;  // keys a lane; lanes that fill faster than others do not hurry all

  PacketSpace packet;
  uint64_t waiting[WARP * HELD];
};

// Writes each lane's list into its row of the result, by rows.
template <int K>
__device__ __forceinline__ void write_rows(const Nearest<K>& nearest, int row, int k, uint64_t* held, int64_t* index,
                                           float* sq) {
  constexpr int SLOTS = Nearest<K>::SLOTS, PITCH = Space<K>::PITCH, TOGETHER = WARP / SLOTS;
  const int lane = lane_id(), slot = lane % SLOTS;
#pragma unroll
  for (int part = 0; part < K; part += SLOTS) {
    __syncwarp();
#pragma unroll
    for (int i = 0; i < SLOTS; i++) held[lane * PITCH + i] = nearest.keys[part + i];
    __syncwarp();
    const int column = part + slot - (K - k);
    for (int i = 0; i < WARP; i += TOGETHER) {
      const int from = i + lane / SLOTS;
      const int to = __shfl_sync(ALL, row, from);
      if (to < 0 || column < 0) continue;
      const uint64_t key = held[from * PITCH + slot];
      index[size_t(to) * k + column] = int(key_index(key));
      sq[size_t(to) * k + column] = key_sq_dist(key);
    }
  }
}

template <int K>
__global__ void __launch_bounds__(BLOCK) find_nearest(Tree tree, Asked asked, int k, int64_t* index, float* sq) {
  constexpr int SLOTS = Nearest<K>::SLOTS, FULL = (Space<K>::HELD - GROUP + 1) * WARP, ENOUGH = (SLOTS - 2) * WARP;
  __shared__ Space<K> spaces[BLOCK / WARP];
  Space<K>& space = spaces[warp_id()];
  Packet packet(tree, space.packet);
  Asker asker(asked, packet);
  const int lane = packet.lane;
  int top = lane;  // where this lane's next key goes
  Nearest<K> nearest;
  nearest.clear(k);
  while (asker.next_cloud(asked, packet)) {
    const bool asks = asker.asks;
    float within = asks ? asked.limit : -1.0f;  // the largest squared distance that this lane admits
    uint64_t bound = asks ? to_key(asked.limit, ~0u) : 0;
    unsigned reach = __float_as_uint(asked.limit);
    bool more = true;
    while (more) {
      const int next = packet.next(bound, reach);
      more = next >= 0;
      const int count = more ? packet.collect(next, reach) : 0;
      int i = 0;
      do {
        if (i < count) {
          float4 point[GROUP];  // all loaded before the first is used
#pragma unroll
          for (int j = 0; j < GROUP; j++) point[j] = packet.space.candidates[i + j];
#pragma unroll
          for (int j = 0; j < GROUP; j++) {
            const float d = sq_dist(packet.x, packet.y, packet.z, point[j].x, point[j].y, point[j].z);
            const unsigned number = __float_as_uint(point[j].w);
            if (d <= within && number != asker.barred) {
              space.waiting[top] = to_key(d, number);
              top += WARP;
            }
          }
          i += GROUP;
        }
        const bool most_full = __popc(__ballot_sync(ALL, top >= ENOUGH)) > WARP / 4;
        if (!most_full && !__any_sync(ALL, top >= FULL) && (more || i < count)) continue;
        nearest.merge(space.waiting, top);
        top = max(top - SLOTS * WARP, lane);
        if (asks && nearest.last() < bound) {
          bound = nearest.last();
          within = key_sq_dist(bound);
        }
        reach = warp_max(asks ? __float_as_uint(within) : 0u);
      } while (i < count || (!more && __any_sync(ALL, top >= WARP)));
    }
  }
  write_rows(nearest, Asker::row(asked), k, space.waiting, index, sq);
}

template <int K>
cudaError_t find(const Tree& tree, const Asked& asked, int k, int64_t* index, float* sq, cudaStream_t stream) {
  const unsigned blocks = unsigned(ceil_div<int64_t>(asked.count, BLOCK));
  return launch(stream, dim3(blocks), BLOCK, 0, find_nearest<K>, tree, asked, k, index, sq);
}

}  // namespace
}  // namespace geoad

using namespace geoad;

// points (n, 3); queries (m, 3), or m = -1: the points ask, each in its own cloud; offsets (clouds + 1), or null: one
// cloud. Up to `unsorted` rows stay in the order they have. Writes index and sq (rows, k), k <= 64; only neighbours with
// a squared distance up to `limit` count. The workspace is that of geoad_search_workspace.
GEOAD_API int64_t geoad_knn(const float* points, int64_t n, const float* queries, int64_t m, const int64_t* offsets,
                            int64_t clouds, int64_t include_self, int64_t unsorted, float limit, int64_t k,
                            int64_t* index, float* sq, void* workspace, cudaStream_t stream) {
  if (k < 1 || k > 64) return cudaErrorInvalidValue;
  const SearchSpace space(Workspace(workspace), n, m, clouds);
  GEOAD_TRY(prepare(space, points, queries, {offsets, clouds}, unsorted, stream));
  const Asked asked = space.asked({offsets, clouds}, include_self != 0, limit);
  return k <= 8    ? find<8>(space.tree, asked, int(k), index, sq, stream)
         : k <= 32 ? find<32>(space.tree, asked, int(k), index, sq, stream)
                   : find<64>(space.tree, asked, int(k), index, sq, stream);
}
