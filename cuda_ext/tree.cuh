// A tree of bounding boxes, 32 children a node, over points in an order that keeps near ones together. There are no
// pointers: node i of a level has the children 32 i … 32 i + 31 of the level below, and a leaf has those points.
#pragma once

#include "distance.cuh"
#include "launch.cuh"

namespace geoad {

constexpr int MOST_LEVELS = 7;  // enough for 2 ** 31 points

// A node's box and the lowest index in it; empty boxes are at infinity, with the highest index.
struct Node {
  Box box;
  unsigned index;
};

struct Tree {
  float4* points;  // (count): coordinates, all NaN if one is not finite, and the bits of the index
  int64_t count;
  int levels;
  int64_t size[MOST_LEVELS];  // boxes of each level, the leaves first; the highest has at most 32
  float4* low[MOST_LEVELS];   // and the bits of the lowest index
  float4* high[MOST_LEVELS];

  Tree(Workspace& workspace, int64_t count);

  __device__ __forceinline__ Node node(int level, int64_t number) const {
    const float4 l = low[level][number], h = high[level][number];
    return {{{l.x, l.y, l.z}, {h.x, h.y, h.z}}, __float_as_uint(l.w)};
  }
};

// Fills a tree with points (count, 3) in the order of the rows `order` (count), or their own. Returns an error code.
cudaError_t build_tree(const Tree& tree, const float* points, const uint32_t* order, cudaStream_t stream);

// Writes the tree's points alone.
cudaError_t gather_points(float4* out, const float* points, const uint32_t* order, int64_t count, cudaStream_t stream);

}  // namespace geoad
