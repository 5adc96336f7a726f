// Least significant digit first, one kernel a digit. A tile ranks its keys by digit, and learns where each of its digits
// starts by looking back at the tiles before it (D. Merrill and M. Garland, "Single-pass parallel prefix scan with
// decoupled look-back", 2016; A. Adinets and D. Merrill, "Onesweep", 2022). Tiles are numbered by a ticket as they
// start, so that those before are running or done, and no tile waits for one that cannot run.
#include "radix_sort.cuh"

namespace geoad {
namespace {

constexpr int THREADS = 512;
constexpr int WARPS = THREADS / WARP;
constexpr int ROWS = 8;  // keys a thread
constexpr int TILE = THREADS * ROWS;

// A state's number and what it counts share a word, so that they are seen together: no fence is needed.
constexpr uint32_t NUMBER = MOST_KEYS, OWN = NUMBER + 1, ALL_BEFORE = 2 * OWN;

// Which lanes of the warp hold the same digit.
__device__ __forceinline__ unsigned peers_of(unsigned digit) {
  unsigned peers = ALL;
#pragma unroll
  for (int bit = 0; bit < DIGIT_BITS; bit++) {
    const unsigned set = __ballot_sync(ALL, digit >> bit & 1);
    peers &= digit >> bit & 1 ? set : ~set;
  }
  return peers;
}

// The sum over the threads before this one, of the first DIGITS threads. Every thread of the block must call it.
__device__ uint32_t sum_before(uint32_t number, uint32_t* sums) {
  const int thread = int(threadIdx.x), lane = thread % WARP;
  uint32_t sum = number;
#pragma unroll
  for (int by = 1; by < WARP; by *= 2) {
    const uint32_t below = __shfl_up_sync(ALL, sum, by);
    if (lane >= by) sum += below;
  }
  if (lane == WARP - 1) sums[thread / WARP] = sum;
  __syncthreads();
  uint32_t before = sum - number;
  for (int warp = 0; warp < thread / WARP; warp++) before += sums[warp];
  return before;
}

// How many keys with this digit lie in the tiles before `tile`; publishes this tile's sum for the ones behind.
__device__ uint32_t look_back(volatile uint32_t* states, int64_t tile, int digit, uint32_t own) {
  uint32_t before = 0;
  states[tile * DIGITS + digit] = own | (tile == 0 ? ALL_BEFORE : OWN);
  for (int64_t other = tile - 1; other >= 0; other--) {
    uint32_t state;
    do state = states[other * DIGITS + digit];
    while (state == 0);
    before += state & NUMBER;
    if (state & ALL_BEFORE) break;
  }
  if (tile > 0) states[tile * DIGITS + digit] = (before + own) | ALL_BEFORE;
  return before;
}

__global__ void __launch_bounds__(THREADS) sort_digit(const uint64_t* keys, const uint32_t* values, uint64_t* keys_out,
                                                      uint32_t* values_out, int64_t count, int shift,
                                                      const uint32_t* histogram, uint32_t* ticket, uint32_t* states) {
  __shared__ uint32_t counts[WARPS][DIGITS];  // of each warp; then where each warp's digits start
  __shared__ uint32_t sums[WARPS];
  __shared__ uint32_t number;
  const int thread = int(threadIdx.x), lane = thread % WARP, warp = thread / WARP;
  if (thread == 0) number = atomicAdd(ticket, 1u);
  for (int i = thread; i < WARPS * DIGITS; i += THREADS) counts[i / DIGITS][i % DIGITS] = 0;
  __syncthreads();
  const int64_t tile = number, first = tile * TILE + warp * WARP * ROWS + lane;

  uint64_t key[ROWS];
#pragma unroll
  for (int row = 0; row < ROWS; row++) {
    const int64_t place = first + row * WARP;
    key[row] = place < count ? keys[place] : ~uint64_t(0);  // behind all others, and never written
  }
  uint32_t rank[ROWS];
#pragma unroll
  for (int row = 0; row < ROWS; row++) {
    const unsigned digit = unsigned(key[row] >> shift) % DIGITS, peers = peers_of(digit);
    const uint32_t before = counts[warp][digit];
    __syncwarp();
    if (lane == __ffs(int(peers)) - 1) counts[warp][digit] = before + __popc(peers);
    __syncwarp();
    rank[row] = before + __popc(peers & ((1u << lane) - 1));
  }
  __syncthreads();

  const uint32_t smaller = sum_before(thread < DIGITS ? histogram[thread] : 0, sums);
  if (thread < DIGITS) {
    uint32_t own = 0;
    for (int w = 0; w < WARPS; w++) own += counts[w][thread];
    uint32_t start = smaller + look_back(states, tile, thread, own);
    for (int w = 0; w < WARPS; w++) {
      const uint32_t length = counts[w][thread];
      counts[w][thread] = start;
      start += length;
    }
  }
  __syncthreads();
#pragma unroll
  for (int row = 0; row < ROWS; row++) {
    const int64_t place = first + row * WARP;
    if (place >= count) break;
    const uint32_t to = counts[warp][unsigned(key[row] >> shift) % DIGITS] + rank[row];
    keys_out[to] = key[row];
    values_out[to] = values == nullptr ? uint32_t(place) : values[place];
  }
}

}  // namespace

SortSpace::SortSpace(Workspace& workspace, int64_t count, int key_bits) {
  const int64_t passes = passes_for(key_bits), tiles = ceil_div<int64_t>(count, TILE);
  for (int side = 0; side < 2; side++) {
    keys[side] = workspace.take<uint64_t>(count);
    values[side] = workspace.take<uint32_t>(count);
  }
  const int64_t before = workspace.used();
  histograms = workspace.take<uint32_t>(passes * DIGITS);
  tickets = workspace.take<uint32_t>(passes);
  states = workspace.take<uint32_t>(passes * tiles * DIGITS);
  counter_bytes = workspace.used() - before;
}

cudaError_t sort_pairs(const SortSpace& space, int64_t count, int key_bits, cudaStream_t stream) {
  const int64_t tiles = ceil_div<int64_t>(count, TILE);
  for (int pass = 0; pass < passes_for(key_bits); pass++) {
    const int from = pass % 2;
    GEOAD_TRY(launch(stream, dim3(unsigned(tiles)), THREADS, 0, sort_digit, space.keys[from],
                     pass == 0 ? nullptr : space.values[from], space.keys[1 - from], space.values[1 - from], count,
                     pass * DIGIT_BITS, space.histograms + pass * DIGITS, space.tickets + pass,
                     space.states + pass * tiles * DIGITS));
  }
  return cudaSuccess;
}

}  // namespace geoad
