// Laplace's equation on the pixels without a value: conjugate gradients in double precision, one V-cycle in single
// precision as the preconditioner, as in geoad/ops/harmonic_fill_numba.py, which says why.
//
// Every iteration is the same sequence of launches. Scalars stay on the device: a kernel leaves one number a block, and
// every block of the next adds them up in the same order. Iterations after the last one needed return at once.
#include <limits.h>

#include "multigrid.cuh"
#include "warp.cuh"

namespace geoad {
namespace {

constexpr int THREADS = 256;
constexpr int MOST_BLOCKS = 512;         // the same on every device, and so are the sums
constexpr int COARSE_THREADS = 512;
constexpr int COARSE_CELLS = 4000;       // of all levels that one block keeps in shared memory: 48 kB
constexpr float ENOUGH = 5e-5f;          // of the unit

struct State {
  int last;       // the last iteration that is needed; the caller reads it
  double now[2];  // products of the residual and its preconditioned form, of even and odd iterations
};

// What conjugate gradients work in.
struct Vectors {
  State* state;
  double *by_residual, *by_direction;  // one number a block, as `largest`
  float* largest;
  double *x, *residual, *p, *p_before, *q;  // the search directions take turns
  int blocks;
};

struct Fill {
  Vectors of;
  Hierarchy grid;
  int coarse;  // the first of the levels of one block

  const Level& fine() const { return grid.level[0]; }
};

inline int blocks_for(int items) { return min(ceil_div(items, THREADS), MOST_BLOCKS); }

// Lays out everything, or only adds up the sizes where `workspace` is null.
inline int64_t lay_out(Fill& fill, int height, int width, void* workspace) {
  Workspace arrays(workspace);
  fill.of.state = arrays.take<State>(1);
  fill.of.by_residual = arrays.take<double>(MOST_BLOCKS);
  fill.of.by_direction = arrays.take<double>(MOST_BLOCKS);
  fill.of.largest = arrays.take<float>(MOST_BLOCKS);
  for (double** image : {&fill.of.x, &fill.of.residual, &fill.of.p, &fill.of.p_before, &fill.of.q})
    *image = arrays.take<double>(int64_t(height + 2) * (width + 2));
  fill.grid.count = 0;
  for (bool more = true; more; height = (height + 1) / 2, width = (width + 1) / 2) {
    Level& level = fill.grid.level[fill.grid.count++];
    level.height = height, level.width = width;
    float** const images[] = {&level.right,  &level.down, &level.diagonal, &level.inverse,
                              &level.source, &level.x,    &level.y};
    for (float** image : images) *image = arrays.take<float>(level.cells());
    more = height > 1 || width > 1;
  }
  int cells = 0;
  for (fill.coarse = fill.grid.count; fill.coarse > 1; fill.coarse--)
    if ((cells += fill.grid.level[fill.coarse - 1].cells()) > COARSE_CELLS) break;
  fill.of.blocks = blocks_for(fill.fine().last() - fill.fine().first());
  return arrays.used();
}

__device__ __forceinline__ int thread_number() { return int(blockIdx.x * blockDim.x + threadIdx.x); }
__device__ __forceinline__ int thread_count() { return int(gridDim.x * blockDim.x); }

// The sum over a block, in every thread. `held` is of a number a warp.
__device__ double block_sum(double value, double* held) {
  const double of_warp = warp_sum(value);
  __syncthreads();  // whoever still reads `held`
  if (lane_id() == 0) held[warp_id()] = of_warp;
  __syncthreads();
  double sum = 0.0;
  for (int w = 0; w < THREADS / WARP; w++) sum += held[w];
  return sum;
}

__device__ float block_max(float value, float* held) {
  const float of_warp = warp_max(value);
  __syncthreads();
  if (lane_id() == 0) held[warp_id()] = of_warp;
  __syncthreads();
  float most = 0.0f;
  for (int w = 0; w < THREADS / WARP; w++) most = fmaxf(most, held[w]);
  return most;
}

// The sum of one number a block, the same bits in every block.
__device__ double sum_of_blocks(const double* by_block, int blocks, double* held) {
  double sum = 0.0;
  for (int b = int(threadIdx.x); b < blocks; b += THREADS) sum += by_block[b];
  return block_sum(sum, held);
}

// Links between unknown pixels, those to known ones (in `y` until all levels are made) and what these bring: their
// value in the unit, of which -0.5 is `start` and 0.5 is `end`.
__global__ void assemble(const float* values, const bool* known, float start, float end, Level at, double* residual) {
  const double extent = double(end) - double(start);
  for (int pixel = thread_number(); pixel < at.pixels(); pixel += thread_count()) {
    if (known[pixel]) continue;
    const int i = at.row(pixel), j = pixel - (i - 1) * at.width + 1, c = at.cell(pixel);
    const bool inside[4] = {j < at.width, i < at.height, j > 1, i > 1};
    const int step[4] = {1, at.width, -1, -at.width};
    float links = 0.0f, held = 0.0f, link[4] = {};
    double brought = 0.0;
#pragma unroll
    for (int n = 0; n < 4; n++) {
      if (!inside[n]) continue;
      if (known[pixel + step[n]])
        held += 1.0f, brought += (double(values[pixel + step[n]]) - double(start)) / extent - 0.5;
      else
        link[n] = 1.0f, links += 1.0f;
    }
    at.right[c] = link[0], at.down[c] = link[1], at.y[c] = held;
    at.diagonal[c] = links + held, at.inverse[c] = 1.0f / (links + held);
    residual[c] = brought, at.source[c] = float(brought);
  }
}

// The system of pixels twice as large; `y` of both levels holds the links to known pixels.
__global__ void coarsen(Level fine, Level coarse) {
  for (int pixel = thread_number(); pixel < coarse.pixels(); pixel += thread_count()) {
    const int i = coarse.row(pixel), c = coarse.cell(pixel), j = c - i * coarse.stride(), s = fine.stride();
    const int first = (2 * i - 1) * s + 2 * j - 1;  // the upper left of four pixels
    const float right = LINK * (fine.right[first + 1] + fine.right[first + s + 1]);
    const float left = LINK * (fine.right[first - 1] + fine.right[first + s - 1]);
    const float down = LINK * (fine.down[first + s] + fine.down[first + s + 1]);
    const float up = LINK * (fine.down[first - s] + fine.down[first - s + 1]);
    const float held = HELD * ((fine.y[first] + fine.y[first + 1]) + (fine.y[first + s] + fine.y[first + s + 1]));
    const float total = held + ((right + left) + (down + up));
    coarse.right[c] = right, coarse.down[c] = down, coarse.y[c] = held;
    coarse.diagonal[c] = total, coarse.inverse[c] = total > 0.0f ? 1.0f / total : 0.0f;
  }
}

__global__ void smooth_level(const State* state, int turn, Level at) {
  if (state->last < turn) return;
  for (int c = at.first() + thread_number(); c < at.last(); c += thread_count()) at.x[c] = smoothed(at, c);
}

__global__ void restrict_level(const State* state, int turn, Level fine, Level coarse) {
  if (state->last < turn) return;
  for (int pixel = thread_number(); pixel < coarse.pixels(); pixel += thread_count()) {
    const int i = coarse.row(pixel), c = coarse.cell(pixel);
    coarse.source[c] = restricted(fine, coarse, i, c - i * coarse.stride());
  }
}

__global__ void lift_level(const State* state, int turn, Level fine, Level coarse) {
  if (state->last < turn) return;
  for (int pixel = thread_number(); pixel < fine.pixels(); pixel += thread_count()) {
    const int i = fine.row(pixel), c = fine.cell(pixel);
    fine.y[c] = lifted(fine, coarse, i, c - i * fine.stride());
  }
}

__global__ void finish_level(const State* state, int turn, Level at) {
  if (state->last < turn) return;
  for (int c = at.first() + thread_number(); c < at.last(); c += thread_count()) at.x[c] = finished(at, c);
}

// All levels from `first` on, by one block that keeps what changes in shared memory.
__global__ void __launch_bounds__(COARSE_THREADS)
    coarse_cycle(const State* state, int turn, const __grid_constant__ Hierarchy grid, int first) {
  if (state->last < turn) return;
  float* shared = dynamic_shared<float>();
  for (int n = int(threadIdx.x); n < 3 * COARSE_CELLS; n += COARSE_THREADS) shared[n] = 0.0f;
  const auto place = [&grid](int l, float* memory) {
    Level at = grid.level[l];
    at.source = memory, at.x = memory + at.cells(), at.y = memory + 2 * at.cells();
    return at;
  };
  Level at = place(first, shared);
  __syncthreads();
  for (int c = int(threadIdx.x); c < at.cells(); c += COARSE_THREADS) at.source[c] = grid.level[first].source[c];
  __syncthreads();
  for (int l = first; l + 1 < grid.count; l++) {
    const Level coarse = place(l + 1, at.source + 3 * at.cells());
    for (int c = at.first() + int(threadIdx.x); c < at.last(); c += COARSE_THREADS) at.x[c] = smoothed(at, c);
    __syncthreads();
    for (int pixel = int(threadIdx.x); pixel < coarse.pixels(); pixel += COARSE_THREADS) {
      const int i = coarse.row(pixel), c = coarse.cell(pixel);
      coarse.source[c] = restricted(at, coarse, i, c - i * coarse.stride());
    }
    __syncthreads();
    at = coarse;
  }
  const int only = at.stride() + 1;
  if (threadIdx.x == 0) at.x[only] = at.source[only] * at.inverse[only];
  __syncthreads();
  for (int l = grid.count - 2; l >= first; l--) {
    const Level coarse = at;
    at = place(l, at.source - 3 * grid.level[l].cells());
    for (int pixel = int(threadIdx.x); pixel < at.pixels(); pixel += COARSE_THREADS) {
      const int i = at.row(pixel), c = at.cell(pixel);
      at.y[c] = lifted(at, coarse, i, c - i * at.stride());
    }
    __syncthreads();
    for (int c = at.first() + int(threadIdx.x); c < at.last(); c += COARSE_THREADS) at.x[c] = finished(at, c);
    __syncthreads();
  }
  for (int c = int(threadIdx.x); c < at.cells(); c += COARSE_THREADS) grid.level[first].x[c] = at.x[c];
}

// The last sweep of the finest level, its product with the residual, and its largest value: an estimate of the error.
__global__ void finish_fine(Vectors of, int turn, Level at) {
  __shared__ double held[THREADS / WARP];
  __shared__ float held_most[THREADS / WARP];
  if (of.state->last < turn) return;
  double product = 0.0;
  float most = 0.0f;
  for (int c = at.first() + thread_number(); c < at.last(); c += thread_count()) {
    const float z = finished(at, c);
    at.x[c] = z;
    product += of.residual[c] * double(z);
    most = fmaxf(most, fabsf(z));
  }
  product = block_sum(product, held);
  most = block_max(most, held_most);
  if (threadIdx.x == 0) of.by_residual[blockIdx.x] = product, of.largest[blockIdx.x] = most;
}

// Turns the search direction, applies the system to it, and decides whether this iteration is the last.
__global__ void turn_and_apply(Vectors of, int turn, Level at) {
  __shared__ double held[THREADS / WARP];
  __shared__ float held_most[THREADS / WARP];
  if (of.state->last < turn) return;
  const double now = sum_of_blocks(of.by_residual, of.blocks, held);
  float most = 0.0f;
  for (int b = int(threadIdx.x); b < of.blocks; b += THREADS) most = fmaxf(most, of.largest[b]);
  const float error = block_max(most, held_most);
  const bool leads = blockIdx.x == 0 && threadIdx.x == 0;
  if (error == 0.0f) {  // solved already: this iteration would divide by zero
    if (leads) of.state->last = turn - 1;
    return;
  }
  const double share = turn == 0 ? 0.0 : now / of.state->now[(turn + 1) % 2];
  if (leads) {
    of.state->now[turn % 2] = now;
    if (!(error > ENOUGH)) of.state->last = turn;
  }
  const double* before = of.p_before;
  const auto turned = [&](int c) { return double(at.x[c]) + share * before[c]; };
  double product = 0.0;
  for (int c = at.first() + thread_number(); c < at.last(); c += thread_count()) {
    const double p = turned(c), q = double(at.diagonal[c]) * p - from_neighbours(at, c, turned);
    of.p[c] = p, of.q[c] = q;
    product += p * q;
  }
  product = block_sum(product, held);
  if (threadIdx.x == 0) of.by_direction[blockIdx.x] = product;
}

__global__ void step_along(Vectors of, int turn, Level at) {
  __shared__ double held[THREADS / WARP];
  if (of.state->last < turn) return;
  const double length = of.state->now[turn % 2] / sum_of_blocks(of.by_direction, of.blocks, held);
  for (int c = at.first() + thread_number(); c < at.last(); c += thread_count()) {
    of.x[c] += length * of.p[c];
    const double left = of.residual[c] - length * of.q[c];
    of.residual[c] = left, at.source[c] = float(left);
  }
}

// The known values and, where there are none, the solution in their unit, within their range.
__global__ void merge(const float* values, const bool* known, float start, float end, float low, float high, Level at,
                      const double* x, float* out) {
  const double extent = double(end) - double(start);
  for (int pixel = thread_number(); pixel < at.pixels(); pixel += thread_count()) {
    const float filled = float(double(start) + (x[at.cell(pixel)] + 0.5) * extent);
    out[pixel] = known[pixel] ? values[pixel] : fminf(fmaxf(filled, low), high);
  }
}

__global__ void never_last(State* state) { state->last = INT_MAX; }

inline cudaError_t precondition(const Fill& fill, int turn, cudaStream_t stream) {
  const auto over = [&](int items, auto kernel, auto... arguments) {
    return launch(stream, unsigned(blocks_for(items)), THREADS, 0, kernel, fill.of.state, turn, arguments...);
  };
  const auto* level = fill.grid.level;
  for (int l = 0; l < fill.coarse; l++) {
    GEOAD_TRY(over(level[l].cells(), smooth_level, level[l]));
    GEOAD_TRY(over(level[l + 1].pixels(), restrict_level, level[l], level[l + 1]));
  }
  GEOAD_TRY(launch(stream, 1, COARSE_THREADS, 3 * COARSE_CELLS * sizeof(float), coarse_cycle, fill.of.state, turn,
                   fill.grid, fill.coarse));
  for (int l = fill.coarse - 1; l >= 0; l--) {
    GEOAD_TRY(over(level[l].pixels(), lift_level, level[l], level[l + 1]));
    if (l > 0) GEOAD_TRY(over(level[l].cells(), finish_level, level[l]));
  }
  return cudaSuccess;
}

}  // namespace
}  // namespace geoad

using namespace geoad;

// Of images up to 2^31 pixels with their borders, of two pixels or more.
GEOAD_API int64_t geoad_harmonic_fill_workspace(int64_t height, int64_t width) {
  Fill fill;
  return lay_out(fill, int(height), int(width), nullptr);
}

// Sets the system up, in a unit from `start` to `end`. The workspace's first int is from then on the last iteration
// needed, once that is known.
GEOAD_API int64_t geoad_harmonic_fill_start(const float* values, const bool* known, float start, float end,
                                            int64_t height, int64_t width, void* workspace, cudaStream_t stream) {
  Fill fill;
  const int64_t bytes = lay_out(fill, int(height), int(width), workspace);
  GEOAD_TRY(cudaMemsetAsync(workspace, 0, size_t(bytes), stream));
  GEOAD_TRY(launch(stream, 1, WARP, 0, never_last, fill.of.state));
  const unsigned blocks = unsigned(fill.of.blocks);
  GEOAD_TRY(launch(stream, blocks, THREADS, 0, assemble, values, known, start, end, fill.fine(), fill.of.residual));
  for (int l = 1; l < fill.grid.count; l++) {
    const Level &fine = fill.grid.level[l - 1], &coarse = fill.grid.level[l];
    GEOAD_TRY(launch(stream, unsigned(blocks_for(coarse.pixels())), THREADS, 0, coarsen, fine, coarse));
  }
  return cudaSuccess;
}

// Iterations first … first + count - 1.
GEOAD_API int64_t geoad_harmonic_fill_iterate(int64_t height, int64_t width, int64_t first, int64_t count,
                                              void* workspace, cudaStream_t stream) {
  Fill fill;
  lay_out(fill, int(height), int(width), workspace);
  const Level fine = fill.fine();
  for (int turn = int(first); turn < int(first + count); turn++) {
    Vectors of = fill.of;
    if (turn % 2 == 1) of.p = fill.of.p_before, of.p_before = fill.of.p;
    GEOAD_TRY(precondition(fill, turn, stream));
    for (auto kernel : {finish_fine, turn_and_apply, step_along})
      GEOAD_TRY(launch(stream, unsigned(fill.of.blocks), THREADS, 0, kernel, of, turn, fine));
  }
  return cudaSuccess;
}

// Writes the result, within `low` and `high`; `start` and `end` as before.
GEOAD_API int64_t geoad_harmonic_fill_end(const float* values, const bool* known, float start, float end,
                                          int64_t height, int64_t width, void* workspace, float low, float high,
                                          float* out, cudaStream_t stream) {
  Fill fill;
  lay_out(fill, int(height), int(width), workspace);
  const unsigned blocks = unsigned(fill.of.blocks);
  return launch(stream, blocks, THREADS, 0, merge, values, known, start, end, low, high, fill.fine(),
                fill.of.x, out);
}
