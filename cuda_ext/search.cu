#include "search.cuh"

namespace geoad {

SearchSpace::SearchSpace(Workspace&& workspace, int64_t points, int64_t queries, int64_t clouds)
    : tree(workspace, points),
      self(queries < 0),
      askers(self ? points : queries),
      queries(self ? tree.points : workspace.take<float4>(queries)),
      point_order(workspace, points, clouds),
      query_order(workspace, self ? 0 : queries, 1) {}

Asked SearchSpace::asked(Clouds clouds, bool include_self, float limit) const {
  return {queries, askers, clouds, self, include_self, limit};
}

cudaError_t prepare(const SearchSpace& space, const float* points, const float* queries, Clouds clouds,
                    int64_t unsorted, cudaStream_t stream) {
  const int64_t count = space.tree.count;
  if (max(count, space.askers) > MOST_KEYS) return cudaErrorInvalidValue;
  const uint32_t* order = nullptr;
  if (count > unsorted) {
    GEOAD_TRY(morton_order(space.point_order, points, count, clouds, stream));
    order = space.point_order.order;
  }
  GEOAD_TRY(build_tree(space.tree, points, order, stream));
  if (space.self) return cudaSuccess;
  order = nullptr;
  if (space.askers > unsorted) {
    GEOAD_TRY(morton_order(space.query_order, queries, space.askers, {nullptr, 1}, stream));
    order = space.query_order.order;
  }
  return gather_points(space.queries, queries, order, space.askers, stream);
}

}  // namespace geoad

using namespace geoad;

// In bytes, for `points` and `queries` (-1: the points ask) in so many clouds.
GEOAD_API int64_t geoad_search_workspace(int64_t points, int64_t queries, int64_t clouds) {
  Workspace sizes(nullptr);
  SearchSpace(static_cast<Workspace&&>(sizes), points, queries, clouds);
  return sizes.used();
}
