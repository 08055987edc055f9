// C[rows × NR] (+)= A[rows × depth] · B[depth × NR], the innermost loop of every convolution here.
#pragma once

#include <cstddef>

#include "simd.h"

namespace ISA {

constexpr int PANEL = 2 * LANES;  // columns of a panel of B
constexpr int ROWS = LANES == 16 ? 12 : LANES == 8 ? 6 : 4;  // rows of C that fit into registers beside it

// A(r, k) = a[r · row_step + k · depth_step]; B(k, ·) = b + k · b_step.
template <int COUNT>
inline void multiply_rows(int depth, const float* a, size_t row_step, size_t depth_step, const float* b, size_t b_step, float* c,
                          size_t c_step, bool accumulate) {
  Vec sum[COUNT][2];
#pragma GCC unroll 16
  for (int r = 0; r < COUNT; r++) {
    sum[r][0] = accumulate ? load(c + r * c_step) : Vec{};
    sum[r][1] = accumulate ? load(c + r * c_step + LANES) : Vec{};
  }
  for (int k = 0; k < depth; k++) {
    Vec left = load(b), right = load(b + LANES);
#pragma GCC unroll 16
    for (int r = 0; r < COUNT; r++) {
      Vec value = splat(a[r * row_step]);
      sum[r][0] += value * left;
      sum[r][1] += value * right;
    }
    a += depth_step;
    b += b_step;
  }
#pragma GCC unroll 16
  for (int r = 0; r < COUNT; r++) {
    store(c + r * c_step, sum[r][0]);
    store(c + r * c_step + LANES, sum[r][1]);
  }
}

template <int COUNT>
inline void multiply_rest(int rows, int depth, const float* a, size_t row_step, size_t depth_step, const float* b, size_t b_step, float* c,
                          size_t c_step, bool accumulate) {
  if constexpr (COUNT > 0) {
    if (rows == COUNT)
      multiply_rows<COUNT>(depth, a, row_step, depth_step, b, b_step, c, c_step, accumulate);
    else
      multiply_rest<COUNT - 1>(rows, depth, a, row_step, depth_step, b, b_step, c, c_step, accumulate);
  }
}

// Any number of rows against one panel.
inline void multiply_panel(int rows, int depth, const float* a, size_t row_step, size_t depth_step, const float* b, size_t b_step, float* c,
                           size_t c_step, bool accumulate) {
  int r = 0;
  for (; r + ROWS <= rows; r += ROWS)
    multiply_rows<ROWS>(depth, a + r * row_step, row_step, depth_step, b, b_step, c + r * c_step, c_step, accumulate);
  multiply_rest<ROWS - 1>(rows - r, depth, a + r * row_step, row_step, depth_step, b, b_step, c + r * c_step, c_step, accumulate);
}

}  // namespace ISA
