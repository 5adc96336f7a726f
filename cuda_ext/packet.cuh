// 32 queries that lie near each other walk down a tree together, a query a lane.
//
// A node is visited if it is within reach of the queries' common box, and then within reach of some query. Nothing is
// lost: a box is never farther than what it holds, in the very arithmetic of the point distances (distance.cuh), and it
// is left out only if its pair (distance, lowest index) is behind what the query still admits.
#pragma once

#include "tree.cuh"
#include "warp.cuh"

namespace geoad {

constexpr int GROUP = 4;                    // candidates that are looked at between two votes
constexpr unsigned VISITED = 0xffffffffu;  // above the bits of every float

// A warp's share of shared memory.
struct PacketSpace {
  float4 candidates[WARP + GROUP];
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
  const Tree& tree;
  PacketSpace& space;
  const int lane;
  float x, y, z;        // this lane's query
  int64_t first, last;  // the points that are asked for
  Box hull;             // of the queries
  int level;
  int64_t base;   // the first of the nodes among which the walk is
  int64_t own;    // a leaf that is taken before the walk, or -1
  bool at_own;

  __device__ __forceinline__ Packet(const Tree& tree, PacketSpace& space)
      : tree(tree), space(space), lane(int(threadIdx.x) % WARP) {}

  // Sets out for the points first … last - 1, for those lanes that ask; they start from leaf `near`, if it is not -1.
  __device__ __forceinline__ void start(bool asks, int64_t first_point, int64_t last_point, int64_t near) {
    first = first_point;
    last = last_point;
    const float place[3] = {x, y, z};
#pragma unroll
    for (int axis = 0; axis < 3; axis++) {
      hull.low[axis] = warp_min(asks ? place[axis] : INFINITY);
      hull.high[axis] = warp_max(asks ? place[axis] : -INFINITY);
    }
    own = near;
    at_own = near >= 0;
    level = tree.levels - 1;
    expand(0);
  }

  // Measures the nodes base … base + 31 of the present level. A lane reads only its own gaps: no barrier is needed.
  __device__ __forceinline__ void expand(int64_t from) {
    base = from;
    const int64_t node = from + lane;
    const int shift = 5 * (level + 1);  // to the points below a node
    unsigned bits = VISITED;
    if (node < tree.size[level] && node << shift < last && (node + 1) << shift > first)
      bits = __float_as_uint(gap(tree.node(level, node).box, hull));
    space.gaps[level][lane] = bits;
  }

  // The next leaf that some lane needs, -1 after the last. `bound` is the highest key that a lane still admits, `reach`
  // the bits of the largest distance of all lanes.
  __device__ __forceinline__ int64_t next(uint64_t bound, unsigned reach) {
    if (at_own) return at_own = false, own;
    while (true) {
      const unsigned bits = space.gaps[level][lane], nearest = warp_min(bits);
      if (nearest > reach) {
        if (++level == tree.levels) return -1;
        base = base / WARP / WARP * WARP;
        continue;
      }
      const int child = __ffs(int(__ballot_sync(ALL, bits == nearest))) - 1;
      if (lane == child) space.gaps[level][lane] = VISITED;
      const int64_t number = base + child;
      const Node node = tree.node(level, number);
      if (!__any_sync(ALL, to_key(sq_dist(node.box, x, y, z), node.index) <= bound)) continue;
      if (level > 0) {
        level--;
        expand(number * WARP);
      } else if (number != own) {
        return number;
      }
    }
  }

  // Copies the points of a leaf that are within reach of the hull to `space.candidates`, and pads them to whole groups
  // with points that are near to nothing. Returns how many there are.
  __device__ __forceinline__ int collect(int64_t leaf, unsigned reach) {
    const int64_t place = leaf * WARP + lane;
    bool wanted = place >= first && place < last;
    float4 point = make_float4(NAN, NAN, NAN, 0.0f);
    if (wanted) {
      point = tree.points[place];
      const Box box = {{point.x, point.y, point.z}, {point.x, point.y, point.z}};
      wanted = point.x == point.x && __float_as_uint(gap(box, hull)) <= reach;
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

}  // namespace geoad
