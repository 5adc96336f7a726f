// Exact k nearest neighbours: a query a lane, 32 near each other a warp.
//
// Points are sorted along a Morton curve, with a tree of boxes above them, and so are queries. A packet of queries walks
// the tree, the nearest boxes first. A lane puts candidates that are not beyond its k-th into a stack of its own in shared
// memory; when one lane's is full, all lanes take keys from theirs, sort them and merge them into their lists by a network
// without branches. Keys hold the total order (sq_dist, index), so no result depends on the order in which points are met.
#include "morton_order.cuh"
#include "nearest.cuh"
#include "packet.cuh"

namespace geoad {
namespace {

constexpr int BLOCK = 128;

struct Asked {
  const float4* queries;  // (count), like the points of a tree
  int64_t count;
  Clouds clouds;  // of the points; queries that are not the points ask for all
  bool self;      // the queries are the points
  bool include_self;
  int k;
  float limit;  // the largest squared distance of interest
};

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
__device__ __forceinline__ void write_rows(const Nearest<K>& nearest, unsigned row, bool asked, int k, uint64_t* held,
                                           int64_t* index, float* sq) {
  constexpr int SLOTS = Nearest<K>::SLOTS, PITCH = Space<K>::PITCH, TOGETHER = WARP / SLOTS;
  const int lane = int(threadIdx.x) % WARP, slot = lane % SLOTS;
#pragma unroll
  for (int part = 0; part < K; part += SLOTS) {
    __syncwarp();
#pragma unroll
    for (int i = 0; i < SLOTS; i++) held[lane * PITCH + i] = nearest.keys[part + i];
    __syncwarp();
    const int column = part + slot - (K - k);
    for (int i = 0; i < WARP; i += TOGETHER) {
      const int from = i + lane / SLOTS;
      const size_t to = size_t(__shfl_sync(ALL, row, from)) * size_t(k);
      const bool there = __shfl_sync(ALL, asked, from);
      if (!there || column < 0) continue;
      const uint64_t key = held[from * PITCH + slot];
      index[to + column] = int(key_index(key));
      sq[to + column] = key_sq_dist(key);
    }
  }
}

template <int K>
__global__ void __launch_bounds__(BLOCK) find_nearest(Tree tree, Asked asked, int64_t* index, float* sq) {
  constexpr int SLOTS = Nearest<K>::SLOTS, FULL = (Space<K>::HELD - GROUP + 1) * WARP, ENOUGH = (SLOTS - 2) * WARP;
  __shared__ Space<K> spaces[BLOCK / WARP];
  Space<K>& space = spaces[threadIdx.x / WARP];
  Packet packet(tree, space.packet);
  const int lane = packet.lane;
  const int64_t place = int64_t(blockIdx.x) * BLOCK + threadIdx.x;
  const bool mine = place < asked.count;
  const float4 query = mine ? asked.queries[place] : make_float4(NAN, NAN, NAN, 0.0f);
  packet.x = query.x, packet.y = query.y, packet.z = query.z;
  const unsigned row = __float_as_uint(query.w), barred = asked.include_self ? ~0u : row;

  int top = lane;  // where this lane's next key goes
  Nearest<K> nearest;
  nearest.clear(asked.k);
  const bool ragged = asked.clouds.number > 1;
  const int cloud = ragged && mine ? int(asked.clouds.of(place)) : 0;
  unsigned todo = __ballot_sync(ALL, mine && query.x == query.x);
  while (todo != 0) {  // a cloud a turn
    const int turn = __shfl_sync(ALL, cloud, __ffs(int(todo)) - 1);
    const bool asks = (todo >> lane & 1) && cloud == turn;
    todo &= ~__ballot_sync(ALL, asks);
    const int64_t first = ragged ? asked.clouds.offsets[turn] : 0;
    const int64_t last = ragged ? asked.clouds.offsets[turn + 1] : tree.count;
    packet.start(asks, int(first), int(last), asked.self ? int(place / WARP) : Packet::NOWHERE);

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
            if (d <= within && number != barred) {
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
  write_rows(nearest, row, mine, asked.k, space.waiting, index, sq);
}

// Everything that a search works in. `queries` < 0: the points ask.
struct KnnSpace {
  Tree tree;
  float4* queries;
  MortonSpace point_order, query_order;

  KnnSpace(Workspace& workspace, int64_t points, int64_t queries, int64_t clouds)
      : tree(workspace, points),
        queries(queries < 0 ? tree.points : workspace.take<float4>(queries)),
        point_order(workspace, points, clouds),
        query_order(workspace, max(queries, int64_t(0)), 1) {}
};

template <int K>
cudaError_t find(const Tree& tree, const Asked& asked, int64_t* index, float* sq, cudaStream_t stream) {
  const unsigned blocks = unsigned(ceil_div<int64_t>(asked.count, BLOCK));
  return launch(stream, dim3(blocks), BLOCK, 0, find_nearest<K>, tree, asked, index, sq);
}

}  // namespace
}  // namespace geoad

using namespace geoad;

GEOAD_API int64_t geoad_knn_workspace(int64_t points, int64_t queries, int64_t clouds) {
  Workspace sizes(nullptr);
  KnnSpace(sizes, points, queries, clouds);
  return sizes.used();
}

// points (n, 3); queries (m, 3), or null and m = -1: the points ask, each in its own cloud; offsets (clouds + 1), or null:
// one cloud. Up to `unsorted` rows stay in the order they have. Writes index and sq (rows, k), k <= 64; only neighbours
// with a squared distance up to `limit` count.
GEOAD_API int64_t geoad_knn(const float* points, int64_t n, const float* queries, int64_t m, const int64_t* offsets,
                            int64_t clouds, int64_t k, int64_t include_self, int64_t unsorted, float limit,
                            int64_t* index, float* sq, void* workspace, cudaStream_t stream) {
  const bool self = queries == nullptr;
  if (k < 1 || k > 64 || max(n, m) > INT_MAX) return cudaErrorInvalidValue;
  Workspace layout(workspace);
  const KnnSpace space(layout, n, m, clouds);
  const uint32_t* order = nullptr;
  if (n > unsorted) {
    GEOAD_TRY(morton_order(space.point_order, points, n, {offsets, clouds}, stream));
    order = space.point_order.order;
  }
  GEOAD_TRY(build_tree(space.tree, points, order, stream));
  if (!self) {
    const bool sorted = m > unsorted;
    if (sorted) GEOAD_TRY(morton_order(space.query_order, queries, m, {nullptr, 1}, stream));
    GEOAD_TRY(gather_points(space.queries, queries, sorted ? space.query_order.order : nullptr, m, stream));
  }
  const Asked asked = {space.queries,      self ? n : m, {offsets, clouds}, self, include_self != 0, int(k), limit};
  return k <= 8    ? find<8>(space.tree, asked, index, sq, stream)
         : k <= 32 ? find<32>(space.tree, asked, index, sq, stream)
                   : find<64>(space.tree, asked, index, sq, stream);
}
