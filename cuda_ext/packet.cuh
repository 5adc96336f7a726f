// 32 queries that lie near each other walk down a tree together, a query a lane.
//
// A node is visited if it is within reach of the queries' common box, and then within reach of some query. Nothing is
// lost: a box is never farther than what it holds, in the very arithmetic of the point distances (distance.cuh), and it
// is left out only if its pair (distance, lowest index) is behind what the query still admits.
#pragma once

#include "clouds.cuh"
#include "tree.cuh"
#include "warp.cuh"

namespace geoad {

constexpr int GROUP = 4;                    // candidates that are looked at between two votes
constexpr unsigned VISITED = 0xffffffffu;  // above the bits of every float

// A warp's share of shared memory.
struct PacketSpace {
  float4 candidates[WARP + GROUP];
  Box hull;  // of the queries
  unsigned gaps[MOST_LEVELS][WARP];
};

// Between two boxes, axis by axis; as good a bound as that of a box and a point.
__device__ __forceinline__ float gap(const Box& a, const Box& b) {
  float d[3];
#pragma unroll
  for (int axis = 0; axis < 3; axis++)
    d[axis] = fmaxf(fmaxf(__fsub_rn(a.low[axis], b.high[axis]), __fsub_rn(b.low[axis], a.high[axis])), 0.0f);
  return sq_length(d[0], d[1], d[2]);
}

struct Packet {
  static constexpr int NOWHERE = -4;

  const Tree& tree;
  PacketSpace& space;
  const int lane;
  float x, y, z;    // this lane's query
  int first, last;  // the points that are asked for
  int level;
  int base;  // the first of the nodes among which the walk is
  int home;  // the leaf that is taken first, with its neighbours, or NOWHERE
  int seeds;

  __device__ __forceinline__ Packet(const Tree& tree, PacketSpace& space)
      : tree(tree), space(space), lane(lane_id()) {}

  // Sets out for the points first … last - 1, for those lanes that ask.
  __device__ __forceinline__ void start(bool asks, int first_point, int last_point, int from) {
    first = first_point;
    last = last_point;
    const float place[3] = {x, y, z};
    __syncwarp();
#pragma unroll
    for (int axis = 0; axis < 3; axis++) {
      const float low = warp_min(asks ? place[axis] : INFINITY), high = warp_max(asks ? place[axis] : -INFINITY);
      if (lane == 0) space.hull.low[axis] = low, space.hull.high[axis] = high;
    }
    __syncwarp();
    home = from;
    seeds = from == NOWHERE ? 0 : 3;
    level = tree.levels - 1;
    expand(0);
  }

  // Measures the nodes base … base + 31 of the present level. A lane reads only its own gaps: no barrier is needed.
  __device__ __forceinline__ void expand(int from) {
    base = from;
    const int64_t node = int64_t(from) + lane;
    const int shift = 5 * (level + 1);  // to the points below a node
    unsigned bits = VISITED;
    if (node < tree.size[level] && node << shift < last && (node + 1) << shift > first)
      bits = __float_as_uint(gap(tree.node(level, node).box, space.hull));
    space.gaps[level][lane] = bits;
  }

  // The next leaf that some lane needs, -1 after the last. `bound` is the highest key that a lane still admits, `reach`
  // the bits of the largest distance of all lanes.
  __device__ __forceinline__ int next(uint64_t bound, unsigned reach) {
    while (seeds > 0) {
      const int leaf = home + (--seeds == 2 ? 0 : 2 * seeds - 1);
      if (int64_t(leaf) * WARP < last && int64_t(leaf + 1) * WARP > first) return leaf;
    }
    while (true) {
      const unsigned bits = space.gaps[level][lane], nearest = warp_min(bits);
      if (nearest > reach) {
        if (++level == tree.levels) return -1;
        base = base / WARP / WARP * WARP;
        continue;
      }
      const int child = __ffs(int(__ballot_sync(ALL, bits == nearest))) - 1, number = base + child;
      if (lane == child) space.gaps[level][lane] = VISITED;
      const Node node = tree.node(level, number);
      if (!__any_sync(ALL, to_key(sq_dist(node.box, x, y, z), node.index) <= bound)) continue;
      if (level > 0) {
        level--;
        expand(number * WARP);
      } else if (number < home - 1 || number > home + 1) {
        return number;
      }
    }
  }

  // Copies the points of a leaf that are within reach of the hull to `space.candidates`, and pads them to whole groups
  // with points that are near to nothing. Returns how many there are.
  __device__ __forceinline__ int collect(int leaf, unsigned reach) {
    const int64_t place = int64_t(leaf) * WARP + lane;
    bool wanted = place >= first && place < last;
    float4 point = make_float4(NAN, NAN, NAN, 0.0f);
    if (wanted) {
      point = tree.points[place];
      const Box box = {{point.x, point.y, point.z}, {point.x, point.y, point.z}};
      wanted = point.x == point.x && __float_as_uint(gap(box, space.hull)) <= reach;
    }
    const unsigned chosen = __ballot_sync(ALL, wanted);
    const int count = __popc(chosen);
    __syncwarp();
    if (wanted) space.candidates[__popc(chosen & ((1u << lane) - 1))] = point;
    if (lane < GROUP) space.candidates[count + lane] = make_float4(NAN, NAN, NAN, 0.0f);
    __syncwarp();
    return count;
  }
};

// Who asks for neighbours.
struct Asked {
  const float4* queries;  // (count), like the points of a tree
  int64_t count;
  Clouds clouds;      // of the points; queries that are not the points ask for all
  bool self;          // the queries are the tree's points
  bool include_self;  // or a point is no neighbour of its own
  float limit;        // the largest squared distance of interest
};

// One of them, a thread's; its warp's are a packet.
struct Asker {
  bool asks;        // in the present cloud
  unsigned barred;  // the index that is no neighbour
  int cloud;
  unsigned todo;  // lanes whose cloud has not been searched

  __device__ __forceinline__ Asker(const Asked& asked, Packet& packet) {
    const bool there = place() < asked.count;
    const float4 query = there ? asked.queries[place()] : make_float4(NAN, NAN, NAN, 0.0f);
    packet.x = query.x, packet.y = query.y, packet.z = query.z;
    barred = asked.include_self ? ~0u : __float_as_uint(query.w);
    cloud = there && asked.clouds.number > 1 ? int(asked.clouds.of(place())) : 0;
    todo = __ballot_sync(ALL, query.x == query.x);
  }

  __device__ __forceinline__ static int64_t place() { return int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }

  // The row of this lane's query, -1 if it has none. Read anew: a register less while the walk needs them all.
  __device__ __forceinline__ static int row(const Asked& asked) {
    return place() < asked.count ? __float_as_int(asked.queries[place()].w) : -1;
  }

  // Lets those ask whose cloud is the next one; false after the last.
  __device__ __forceinline__ bool next_cloud(const Asked& asked, Packet& packet) {
    if (todo == 0) return false;
    const int turn = __shfl_sync(ALL, cloud, __ffs(int(todo)) - 1);
    asks = (todo >> packet.lane & 1) && cloud == turn;
    todo &= ~__ballot_sync(ALL, asks);
    const bool ragged = asked.clouds.number > 1;
    packet.start(asks, ragged ? int(asked.clouds.offsets[turn]) : 0,
                 int(ragged ? asked.clouds.offsets[turn + 1] : packet.tree.count),
                 asked.self ? int(place() / WARP) : Packet::NOWHERE);
    return true;
  }
};

}  // namespace geoad
