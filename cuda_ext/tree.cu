// One warp makes one box.
#include "tree.cuh"

#include "warp.cuh"

namespace geoad {
namespace {

constexpr int BLOCK = 256;

__device__ __forceinline__ float4 gathered(const float* points, const uint32_t* order, int64_t place) {
  const uint32_t row = order == nullptr ? uint32_t(place) : order[place];
  const float x = points[3 * size_t(row)], y = points[3 * size_t(row) + 1], z = points[3 * size_t(row) + 2];
  const bool finite = isfinite(x) && isfinite(y) && isfinite(z);
  return make_float4(finite ? x : NAN, finite ? y : NAN, finite ? z : NAN, __uint_as_float(row));
}

// The box of what the lanes bring, written by the first.
__device__ __forceinline__ void write_box(Node node, float4* low, float4* high) {
#pragma unroll
  for (int axis = 0; axis < 3; axis++) {
    node.box.low[axis] = warp_min(node.box.low[axis]);
    node.box.high[axis] = warp_max(node.box.high[axis]);
  }
  const unsigned index = warp_min(node.index);
  if (threadIdx.x % WARP != 0) return;
  *low = make_float4(node.box.low[0], node.box.low[1], node.box.low[2], __uint_as_float(index));
  *high = make_float4(node.box.high[0], node.box.high[1], node.box.high[2], 0.0f);
}

__device__ __forceinline__ Node no_node() {
  return {{{INFINITY, INFINITY, INFINITY}, {-INFINITY, -INFINITY, -INFINITY}}, ~0u};
}

__device__ __forceinline__ int64_t global_thread() { return int64_t(blockIdx.x) * BLOCK + threadIdx.x; }

__global__ void __launch_bounds__(BLOCK) make_leaves(const float* points, const uint32_t* order, Tree tree) {
  const int64_t place = global_thread(), leaf = place / WARP;
  if (leaf >= tree.size[0]) return;
  Node node = no_node();
  if (place < tree.count) {
    const float4 p = gathered(points, order, place);
    tree.points[place] = p;
    if (p.x == p.x) node = {{{p.x, p.y, p.z}, {p.x, p.y, p.z}}, __float_as_uint(p.w)};
  }
  write_box(node, tree.low[0] + leaf, tree.high[0] + leaf);
}

__global__ void __launch_bounds__(BLOCK) make_level(Tree tree, int level) {
  const int64_t child = global_thread(), parent = child / WARP;
  if (parent >= tree.size[level]) return;
  const Node node = child < tree.size[level - 1] ? tree.node(level - 1, child) : no_node();
  write_box(node, tree.low[level] + parent, tree.high[level] + parent);
}

__global__ void __launch_bounds__(BLOCK) gather(const float* points, const uint32_t* order, int64_t count,
                                                float4* out) {
  const int64_t place = global_thread();
  if (place < count) out[place] = gathered(points, order, place);
}

}  // namespace

Tree::Tree(Workspace& workspace, int64_t count) : points(workspace.take<float4>(count)), count(count), levels(0) {
  for (int64_t boxes = ceil_div<int64_t>(count, WARP);; boxes = ceil_div<int64_t>(boxes, WARP)) {
    size[levels] = boxes;
    low[levels] = workspace.take<float4>(boxes);
    high[levels] = workspace.take<float4>(boxes);
    levels++;
    if (boxes <= WARP) return;
  }
}

cudaError_t build_tree(const Tree& tree, const float* points, const uint32_t* order, cudaStream_t stream) {
  const auto blocks = [](int64_t warps) { return dim3(unsigned(ceil_div<int64_t>(warps, BLOCK / WARP))); };
  GEOAD_TRY(launch(stream, blocks(tree.size[0]), BLOCK, 0, make_leaves, points, order, tree));
  for (int level = 1; level < tree.levels; level++)
    GEOAD_TRY(launch(stream, blocks(tree.size[level]), BLOCK, 0, make_level, tree, level));
  return cudaSuccess;
}

cudaError_t gather_points(float4* out, const float* points, const uint32_t* order, int64_t count, cudaStream_t stream) {
  const unsigned blocks = unsigned(ceil_div<int64_t>(count, BLOCK));
  return launch(stream, dim3(blocks), BLOCK, 0, gather, points, order, count, out);
}

}  // namespace geoad
