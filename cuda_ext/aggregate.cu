// The local feature aggregation of 3D-ST: concat(mean_j LeakyReLU(W g_ij + b), mean_j f_j), forward and backward, with
// nothing of size (m, k, d) in memory.
//
// One warp a row. Its lanes first take a neighbour each and leave the edges' geometry in shared memory, then a channel
// each; where there are fewer channels than lanes, the lanes fall into groups that take different neighbours. Every sum
// has a fixed order: equal bits on every run.
#include "warp.cuh"

namespace geoad {
namespace {

constexpr int WARPS = 8;     // a block
constexpr int ROWS = 64;     // whose shares of the weights' gradient a block adds up before it writes them
constexpr int SUMS = 5;      // of a channel's gradient: four weights and the bias
constexpr int SLICES = 32;   // of the blocks' shares, summed side by side
constexpr int TOGETHER = 4;  // rows that a group of lanes loads before it uses the first

template <typename Number>
struct alignas(4 * sizeof(Number)) Edge {  // W has a column for each
  Number x, y, z, length;
};

// What a lane does where `width` channels are left.
struct Lanes {
  int channel, group, groups, size;

  __device__ explicit Lanes(int width) : size(1) {
    while (size < WARP && size < width) size *= 2;
    channel = lane_id() % size;
    group = lane_id() / size;
    groups = WARP / size;
  }
};

// The sum over the groups, in all of them.
template <typename Number>
__device__ __forceinline__ Number sum_of_groups(Number value, const Lanes& lanes) {
  for (int by = lanes.size; by < WARP; by *= 2) value += __shfl_xor_sync(ALL, value, by);
  return value;
}

template <typename Number>
struct Graph {
  const Number* points;  // (n, 3)
  const int* index;      // (m, k)
  int64_t rows;
  int k;
};

// A warp writes the edges of row `row` to neighbours first … first + 31; returns how many they are.
template <typename Number>
__device__ __forceinline__ int stage_edges(const Graph<Number>& graph, int64_t row, int first, Edge<Number>* edges) {
  const int count = min(WARP, graph.k - first);
  __syncwarp();  // whoever still reads those before
  if (lane_id() < count) {
    const Number* here = graph.points + 3 * row;
    const Number* there = graph.points + 3 * int64_t(graph.index[row * graph.k + first + lane_id()]);
    const Number x = here[0] - there[0], y = here[1] - there[1], z = here[2] - there[2];
    edges[lane_id()] = {x, y, z, sqrt(x * x + y * y + z * z)};
  }
  __syncwarp();
  return count;
}

template <typename Number>
struct Channel {
  Edge<Number> weight;
  Number bias;

  __device__ Channel(const Number* weights, const Number* biases, int c, int width) : weight{0, 0, 0, 0}, bias(0) {
    if (c >= width) return;
    weight = {weights[4 * c], weights[4 * c + 1], weights[4 * c + 2], weights[4 * c + 3]};
    bias = biases[c];
  }

  __device__ __forceinline__ Number embed(const Edge<Number>& g) const {
    return bias + weight.x * g.x + weight.y * g.y + weight.z * g.z + weight.length * g.length;
  }
};

template <typename Number, int VECTOR>
struct alignas(VECTOR * sizeof(Number)) Vector {
  Number at[VECTOR];
};

// A warp writes `scale` times the sum of `count` listed rows of source (·, stride), `width` wide.
template <int VECTOR, typename Number>
__device__ __forceinline__ void sum_rows(const Number* __restrict__ source, int64_t stride, int width, const int* rows,
                                         int64_t count, Number scale, Number* out) {
  using Part = Vector<Number, VECTOR>;
  for (int start = 0; start < width; start += WARP * VECTOR) {
    const Lanes lanes((width - start) / VECTOR);
    const int column = start + lanes.channel * VECTOR;
    Part sum = {};
    for (int64_t first = 0; first < count; first += WARP) {
      const int here = int(min(int64_t(WARP), count - first));
      const int mine = lane_id() < here ? rows[first + lane_id()] : 0;
      for (int j = lanes.group; j - lanes.group < here; j += TOGETHER * lanes.groups) {
        Part part[TOGETHER] = {};
#pragma unroll
        for (int t = 0; t < TOGETHER; t++) {
          const int entry = j + t * lanes.groups;
          const int64_t row = __shfl_sync(ALL, mine, entry % WARP);
          if (entry < here && column < width) part[t] = *reinterpret_cast<const Part*>(source + row * stride + column);
        }
#pragma unroll
        for (int t = 0; t < TOGETHER; t++)
          for (int v = 0; v < VECTOR; v++) sum.at[v] += part[t].at[v];
      }
    }
    for (int v = 0; v < VECTOR; v++) sum.at[v] = scale * sum_of_groups(sum.at[v], lanes);
    if (lanes.group == 0 && column < width) *reinterpret_cast<Part*>(out + column) = sum;
  }
}

// LeakyReLU(z) = slope * z + (1 - slope) * max(z, 0).
template <typename Number, int VECTOR>
__global__ void __launch_bounds__(WARPS* WARP)
    aggregate_forward(Graph<Number> graph, const Number* weight, const Number* bias, int width, const Number* features,
                      int rest, Number slope, Number* out) {
  __shared__ Edge<Number> staged[WARPS][WARP];
  Edge<Number>* edges = staged[warp_id()];
  const int64_t row = int64_t(blockIdx.x) * WARPS + warp_id();
  if (row >= graph.rows) return;
  const Number share = Number(1) / Number(max(graph.k, 1));
  out += row * (width + rest);
  for (int start = 0; start < width; start += WARP) {
    const Lanes lanes(width - start);
    const int c = start + lanes.channel;
    const Channel<Number> channel(weight, bias, c, width);
    Number total = 0, positive = 0;
    for (int first = 0; first < graph.k; first += WARP) {
      const int count = stage_edges(graph, row, first, edges);
#pragma unroll 4
      for (int j = lanes.group; j < count; j += lanes.groups) {
        const Number z = channel.embed(edges[j]);
        total += z;
        positive += max(z, Number(0));
      }
    }
    const Number mean = sum_of_groups(slope * total + (1 - slope) * positive, lanes) * share;
    if (lanes.group == 0 && c < width) out[c] = mean;
  }
  sum_rows<VECTOR>(features, int64_t(rest), rest, graph.index + row * graph.k, graph.k, share, out + width);
}

// partial (blocks, 5, width): the gradients of W's columns and of b by the rows of each block.
template <typename Number>
__global__ void __launch_bounds__(WARPS* WARP)
    weight_partials(Graph<Number> graph, const Number* weight, const Number* bias, int width, const Number* gradient,
                    int64_t stride, Number slope, Number* partial) {
  __shared__ Edge<Number> staged[WARPS][WARP];
  __shared__ Number sums[WARPS][SUMS][WARP];
  Edge<Number>* edges = staged[warp_id()];
  const int start = int(blockIdx.y) * WARP;
  const Lanes lanes(width - start);
  const int c = start + lanes.channel;
  const Channel<Number> channel(weight, bias, c, width);
  Number sum[SUMS] = {};
  for (int r = warp_id(); r < ROWS; r += WARPS) {
    const int64_t row = int64_t(blockIdx.x) * ROWS + r;
    if (row >= graph.rows) break;
    Number of_row[SUMS] = {};
    for (int first = 0; first < graph.k; first += WARP) {
      const int count = stage_edges(graph, row, first, edges);
#pragma unroll 4
      for (int j = lanes.group; j < count; j += lanes.groups) {
        const Edge<Number> g = edges[j];
        const Number steepness = channel.embed(g) > 0 ? Number(1) : slope;
        of_row[0] += steepness * g.x;
        of_row[1] += steepness * g.y;
        of_row[2] += steepness * g.z;
        of_row[3] += steepness * g.length;
        of_row[4] += steepness;
      }
    }
    const Number by = c < width ? gradient[row * stride + c] : Number(0);
    for (int s = 0; s < SUMS; s++) sum[s] += by * of_row[s];
  }
  for (int s = 0; s < SUMS; s++) {
    const Number all = sum_of_groups(sum[s], lanes);
    if (lanes.group == 0) sums[warp_id()][s][lanes.channel] = all;
  }
  __syncthreads();
  const int s = int(threadIdx.x) / WARP;
  if (s >= SUMS || start + lane_id() >= width) return;
  Number all = 0;
  for (int w = 0; w < WARPS; w++) all += sums[w][s][lane_id()];
  partial[(int64_t(blockIdx.x) * SUMS + s) * width + start + lane_id()] = all;
}

template <typename Number>
__global__ void sum_partials(const Number* partial, int64_t blocks, int width, Number share, Number* by_weight,
                             Number* by_bias) {
  __shared__ double sums[SLICES][WARP];
  const int place = int(blockIdx.x) * WARP + lane_id();
  const bool there = place < SUMS * width;
  double sum = 0.0;
  if (there)
    for (int64_t b = warp_id(); b < blocks; b += SLICES) sum += double(partial[b * SUMS * width + place]);
  sums[warp_id()][lane_id()] = sum;
  __syncthreads();
  if (warp_id() != 0 || !there) return;
  for (int slice = 1; slice < SLICES; slice++) sum += sums[slice][lane_id()];
  const int column = place / width, c = place % width;
  (column < 4 ? by_weight[4 * c + column] : by_bias[c]) = Number(sum * double(share));
}

// starts[q], q = 0 … n: where the keys from q on start among the ascending `keys` (count,).
__global__ void find_starts(const int* keys, int64_t count, int64_t n, int64_t* starts) {
  const int64_t q = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (q > n) return;
  int64_t low = 0, high = count;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (keys[middle] < q)
      low = middle + 1;
    else
      high = middle;
  }
  starts[q] = low;
}

// out (n, width): row q is `share` times the sum of the rows of source (·, stride) that are listed at starts[q] …
// starts[q + 1] - 1.
template <typename Number, int VECTOR>
__global__ void __launch_bounds__(WARPS* WARP)
    gather_transposed(const int64_t* starts, const int* rows, int64_t n, const Number* source, int64_t stride,
                      int width, Number share, Number* out) {
  const int64_t q = int64_t(blockIdx.x) * WARPS + warp_id();
  if (q >= n) return;
  const int64_t start = starts[q];
  sum_rows<VECTOR>(source, stride, width, rows + start, starts[q + 1] - start, share, out + q * width);
}

inline bool aligned(const void* place, size_t bytes) { return reinterpret_cast<uintptr_t>(place) % bytes == 0; }

// Channels to load at once: 16 bytes where all that is read and written lies on such borders.
template <typename Number>
constexpr int WIDEST = 16 / sizeof(Number);

template <typename Number>
int64_t forward(const void* points, const int* index, int64_t m, int64_t k, const void* weight, const void* bias,
                int64_t width, const void* features, int64_t rest, double slope, void* out, cudaStream_t stream) {
  const Graph<Number> graph = {static_cast<const Number*>(points), index, m, int(k)};
  constexpr int WIDE = WIDEST<Number>;
  const bool wide = width % WIDE == 0 && rest % WIDE == 0 && aligned(features, 16) && aligned(out, 16);
  return launch(stream, unsigned(ceil_div<int64_t>(m, WARPS)), WARPS * WARP, 0,
                wide ? aggregate_forward<Number, WIDE> : aggregate_forward<Number, 1>, graph,
                static_cast<const Number*>(weight), static_cast<const Number*>(bias), int(width),
                static_cast<const Number*>(features), int(rest), Number(slope), static_cast<Number*>(out));
}

template <typename Number>
int64_t backward_weight(const void* points, const int* index, int64_t m, int64_t k, const void* weight,
                        const void* bias, int64_t width, const void* gradient, int64_t stride, double slope,
                        void* partial, void* by_weight, void* by_bias, cudaStream_t stream) {
  const Graph<Number> graph = {static_cast<const Number*>(points), index, m, int(k)};
  const int64_t blocks = ceil_div<int64_t>(m, ROWS);
  const dim3 grid(unsigned(blocks), unsigned(ceil_div<int64_t>(width, WARP)));
  GEOAD_TRY(launch(stream, grid, WARPS * WARP, 0, weight_partials<Number>, graph, static_cast<const Number*>(weight),
                   static_cast<const Number*>(bias), int(width), static_cast<const Number*>(gradient), stride,
                   Number(slope), static_cast<Number*>(partial)));
  return launch(stream, unsigned(ceil_div<int64_t>(SUMS * width, WARP)), SLICES * WARP, 0, sum_partials<Number>,
                static_cast<const Number*>(partial), blocks, int(width), Number(1) / Number(max(k, int64_t(1))),
                static_cast<Number*>(by_weight), static_cast<Number*>(by_bias));
}

template <typename Number>
int64_t backward_features(const int64_t* starts, const int* rows, int64_t k, int64_t n, const void* gradient,
                          int64_t width, int64_t rest, void* out, cudaStream_t stream) {
  constexpr int WIDE = WIDEST<Number>;
  const bool wide = width % WIDE == 0 && rest % WIDE == 0 && aligned(gradient, 16) && aligned(out, 16);
  return launch(stream, unsigned(ceil_div<int64_t>(n, WARPS)), WARPS * WARP, 0,
                wide ? gather_transposed<Number, WIDE> : gather_transposed<Number, 1>, starts, rows, n,
                static_cast<const Number*>(gradient) + width, width + rest, int(rest),
                Number(1) / Number(max(k, int64_t(1))), static_cast<Number*>(out));
}

}  // namespace
}  // namespace geoad

using namespace geoad;

// The numbers are double if `wide`, else float; the index holds int32 in [0, n). Shapes as in geoad/ops/aggregate.py.
GEOAD_API int64_t geoad_aggregate_forward(int64_t wide, const void* points, const int* index, int64_t m, int64_t k,
                                          const void* weight, const void* bias, int64_t width, const void* features,
                                          int64_t rest, double slope, void* out, cudaStream_t stream) {
  return (wide ? forward<double> : forward<float>)(points, index, m, k, weight, bias, width, features, rest, slope, out,
                                                   stream);
}

// How many numbers `partial` holds.
GEOAD_API int64_t geoad_aggregate_partials(int64_t m, int64_t width) {
  return ceil_div<int64_t>(m, ROWS) * SUMS * width;
}

// gradient (m, stride): its first columns are those of the embedding.
GEOAD_API int64_t geoad_aggregate_backward_weight(int64_t wide, const void* points, const int* index, int64_t m,
                                                  int64_t k, const void* weight, const void* bias, int64_t width,
                                                  const void* gradient, int64_t stride, double slope, void* partial,
                                                  void* by_weight, void* by_bias, cudaStream_t stream) {
  return (wide ? backward_weight<double> : backward_weight<float>)(points, index, m, k, weight, bias, width, gradient,
                                                                   stride, slope, partial, by_weight, by_bias, stream);
}

// starts (n + 1,): where the neighbours from q on start among all neighbours, sorted (count,).
GEOAD_API int64_t geoad_aggregate_starts(const int* keys, int64_t count, int64_t n, int64_t* starts,
                                         cudaStream_t stream) {
  return launch(stream, unsigned(n / 256 + 1), 256, 0, find_starts, keys, count, n, starts);
}

// Point q is a neighbour in rows[starts[q]] … rows[starts[q + 1] - 1]. gradient (·, width + rest), out (n, rest).
GEOAD_API int64_t geoad_aggregate_backward_features(int64_t wide, const void* gradient, const int64_t* starts,
                                                    const int* rows, int64_t k, int64_t n, int64_t width, int64_t rest,
                                                    void* out, cudaStream_t stream) {
  return (wide ? backward_features<double> : backward_features<float>)(starts, rows, k, n, gradient, width, rest, out,
                                                                       stream);
}
