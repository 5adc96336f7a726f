// What searches for the neighbours of points have in common: a tree of the points, and sorted queries.
#pragma once

#include "morton_order.cuh"
#include "packet.cuh"

namespace geoad {

// Everything that a search works in.
struct SearchSpace {
  Tree tree;
  bool self;        // the points are the queries
  int64_t askers;
  float4* queries;  // (askers), like the points of a tree
  MortonSpace point_order, query_order;

  // `queries` < 0: the points ask.
  SearchSpace(Workspace&& workspace, int64_t points, int64_t queries, int64_t clouds);

  Asked asked(Clouds clouds, bool include_self, float limit) const;
};

// Sorts points and queries, up to `unsorted` of which stay as they are, and builds the tree. Returns an error code.
cudaError_t prepare(const SearchSpace& space, const float* points, const float* queries, Clouds clouds,
                    int64_t unsorted, cudaStream_t stream);

}  // namespace geoad
