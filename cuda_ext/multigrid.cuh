// The V-cycle of geoad/ops/multigrid_numba.py: what each pixel computes. Images have a border of zeros.
#pragma once

#include "launch.cuh"

namespace geoad {

constexpr float LONG_STEP = 1.5f, SHORT_STEP = 0.58f;  // weights of the two sweeps
constexpr float LINK = 0.5f, HELD = 0.8f;              // of what is added up for a coarse pixel
constexpr float MOST = 0.75f, LEAST = 0.25f;           // of linear interpolation
constexpr int GRID_LEVELS = 32;

// One system, its right-hand side and two iterates. `inverse` is 0 where nothing is unknown.
struct Level {
  int height, width;  // without the border
  float *right, *down, *diagonal, *inverse, *source, *x, *y;

  __host__ __device__ int stride() const { return width + 2; }
  __host__ __device__ int cells() const { return (height + 2) * (width + 2); }
  // All rows but the first and the last: a border pixel there computes 0 as everything around it is.
  __host__ __device__ int first() const { return stride(); }
  __host__ __device__ int last() const { return (height + 1) * stride(); }
  __host__ __device__ int pixels() const { return height * width; }
  __device__ int row(int pixel) const { return int(unsigned(pixel) / unsigned(width)) + 1; }
  __device__ int cell(int pixel) const {
    const int i = row(pixel);
    return i * stride() + pixel - (i - 1) * width + 1;
  }
};

struct Hierarchy {
  int count;
  Level level[GRID_LEVELS];
};

// What the four neighbours of cell c bring, x being a function of the cell.
template <typename X>
__device__ __forceinline__ auto from_neighbours(const Level& at, int c, X x) -> decltype(x(c)) {
  const int s = at.stride();
  return (at.right[c] * x(c + 1) + at.right[c - 1] * x(c - 1)) + (at.down[c] * x(c + s) + at.down[c - s] * x(c - s));
}

// Damped Jacobi.
template <typename X>
__device__ __forceinline__ float swept(const Level& at, int c, X x, float weight) {
  return (1.0f - weight) * x(c) + weight * at.inverse[c] * (at.source[c] + from_neighbours(at, c, x));
}

// Both sweeps of the way down, the first from zero.
__device__ __forceinline__ float smoothed(const Level& at, int c) {
  return swept(
      at, c, [&at](int n) { return LONG_STEP * at.source[n] * at.inverse[n]; }, SHORT_STEP);
}

__device__ __forceinline__ float residual(const Level& at, int c) {
  return at.source[c] + from_neighbours(at, c, [&at](int n) { return at.x[n]; }) - at.diagonal[c] * at.x[c];
}

// The weights with which fine rows (or columns) 2 * coarse - 2 … 2 * coarse + 1 give their residuals to a coarse one:
// the border of the image mirrors.
struct Shares {
  float of[4];

  __device__ Shares(int coarse, int coarse_count, int count)
      : of{coarse > 1 ? LEAST : 0.0f, coarse > 1 ? MOST : 1.0f,
           2 * coarse > count ? 0.0f : coarse < coarse_count ? MOST : 1.0f, 2 * coarse < count ? LEAST : 0.0f} {}
};

// The right-hand side of pixel (i, j) of the next level.
__device__ __forceinline__ float restricted(const Level& fine, const Level& coarse, int i, int j) {
  const Shares rows(i, coarse.height, fine.height), columns(j, coarse.width, fine.width);
  float sum = 0.0f;
#pragma unroll
  for (int r = 0; r < 4; r++) {
    float of_row = 0.0f;
#pragma unroll
    for (int c = 0; c < 4; c++)
      if (rows.of[r] * columns.of[c] != 0.0f)
        of_row += columns.of[c] * residual(fine, (2 * i - 2 + r) * fine.stride() + 2 * j - 2 + c);
    sum += rows.of[r] * of_row;
  }
  return sum;
}

// The coarse row or column that holds a fine one, and the next nearest.
struct Parents {
  int near, far;

  __device__ Parents(int fine, int coarse_count) : near((fine + 1) / 2), far(near + 1 - 2 * (fine % 2)) {
    if (far < 1 || far > coarse_count) far = near;
  }
};

// x with the correction of the next level, pixel (i, j).
__device__ __forceinline__ float corrected(const Level& fine, const Level& coarse, int i, int j) {
  const int c = i * fine.stride() + j;
  if (!(fine.inverse[c] > 0.0f)) return fine.x[c];
  const Parents row(i, coarse.height), column(j, coarse.width);
  const float* near = coarse.x + row.near * coarse.stride();
  const float* far = coarse.x + row.far * coarse.stride();
  return fine.x[c] + MOST * (MOST * near[column.near] + LEAST * near[column.far]) +
         LEAST * (MOST * far[column.near] + LEAST * far[column.far]);
}

// The first sweep of the way up.
__device__ __forceinline__ float lifted(const Level& fine, const Level& coarse, int i, int j) {
  const int c = i * fine.stride() + j;
  return swept(
      fine, c,
      [&](int n) {
        const int s = fine.stride(), by = n - c;  // one of 0, ±1, ±s; s is at least 3
        return by == s ? corrected(fine, coarse, i + 1, j) : by == -s ? corrected(fine, coarse, i - 1, j)
                                                                      : corrected(fine, coarse, i, j + by);
      },
      SHORT_STEP);
}

// The second.
__device__ __forceinline__ float finished(const Level& at, int c) {
  return swept(
      at, c, [&at](int n) { return at.y[n]; }, LONG_STEP);
}

}  // namespace geoad
