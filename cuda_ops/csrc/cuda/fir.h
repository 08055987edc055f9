// Walking down a picture with a separable four-tap filter: the part that blur, downsampling, upsampling and the epilogue share.
//
// A thread owns one column of outputs (and N channels of it) over a strip of rows. Each input row is filtered across once, and kept for the
// up to four output rows that need it, so an output costs 4 vector loads (of which the neighbours' threads share three through the first
// cache) instead of 16. Strips overlap by three rows: 16 rows read 19.
//
// Pixels outside are zeros. They cost no branch: the address is moved to the border, and the tap's weight is 0.
#pragma once

#include "tensors.h"

namespace cuda_ops {

constexpr int TAPS = 4;
constexpr int MOST_ROWS = 16;

struct Taps {
  float weight[TAPS];  // of a correlation: weight[k] belongs to the k-th pixel of the window
};

template <class T>
struct Input {
  const T* data;  // at the sample and channel that the thread works on
  int64_t row, column;
  int height, width;
};

BOTH int inside(int at, int size) {  // the nearest valid place
  return at < 0 ? 0 : at >= size ? size - 1 : at;
}

// What a thread's window needs on the row axis: where its columns are, and how much they weigh.
template <int COLUMNS>
struct Across {
  int64_t offset[COLUMNS];
  bool valid[COLUMNS];

  template <class T>
  BOTH Across(const Input<T>& in, int column) {
    UNROLL
    for (int k = 0; k < COLUMNS; ++k) {
      offset[k] = inside(column + k, in.width) * in.column;
      valid[k] = unsigned(column + k) < unsigned(in.width);
    }
  }
};

// sum = Σ_k taps[k] · x[row, column + k]
template <int N, class T>
BOTH void filter_row(const Input<T>& in, int row, const Across<TAPS>& place, const Taps& taps, float (&sum)[N]) {
  const T* line = in.data + inside(row, in.height) * in.row;
  const float valid = unsigned(row) < unsigned(in.height) ? 1.f : 0.f;
  Pack<T, N> pixel[TAPS];
  UNROLL
  for (int k = 0; k < TAPS; ++k) pixel[k] = fetch<N>(line + place.offset[k]);
  UNROLL
  for (int k = 0; k < TAPS; ++k) {
    const float weight = place.valid[k] ? taps.weight[k] * valid : 0.f;
    UNROLL
    for (int lane = 0; lane < N; ++lane) {
      const float value = widen(pixel[k].lane[lane]);
      sum[lane] = k == 0 ? weight * value : sum[lane] + weight * value;
    }
  }
}

// emit(i, value) for outputs i = 0 … rows − 1, whose windows begin at (row + i · DOWN, column).
template <int N, int DOWN, class T, class Emit>
BOTH void walk_down(const Input<T>& in, int row, int column, int rows, const Taps& across, const Taps& along, const Emit& emit) {
  constexpr int KEPT = TAPS - DOWN;
  const Across<TAPS> place(in, column);
  float line[TAPS][N];
  UNROLL
  for (int k = 0; k < KEPT; ++k) filter_row<N>(in, row + k, place, across, line[k]);
  UNROLL_BY(DOWN == 1 ? 3 : 1)  // after three rounds every kept row is back in its own registers: no moves
  for (int i = 0; i < rows; ++i) {
    UNROLL
    for (int k = KEPT; k < TAPS; ++k) filter_row<N>(in, row + i * DOWN + k, place, across, line[k]);
    float value[N];
    UNROLL
    for (int lane = 0; lane < N; ++lane) {
      float sum = along.weight[0] * line[0][lane];
      UNROLL
      for (int k = 1; k < TAPS; ++k) sum += along.weight[k] * line[k][lane];
      value[lane] = sum;
    }
    emit(i, value);
    UNROLL
    for (int k = 0; k < KEPT; ++k) {
      UNROLL
      for (int lane = 0; lane < N; ++lane) line[k][lane] = line[k + DOWN][lane];
    }
  }
}

// Strips of `rows` outputs, columns, vectors of channels: which of them an item is. Neighbouring threads are neighbours in memory.
struct Strips {
  uint32_t vectors, columns, count;
  int rows;
  bool last;

  struct At {
    int channel, column, row;
  };

  Strips(const Picture& out, int lanes, int64_t columns_, int64_t rows_, int most)
      : vectors(uint32_t(out.channels / lanes)), columns(uint32_t(columns_)), last(out.last) {
    // Long strips read less, short ones occupy more threads: as long as enough threads are left to fill the machine.
    const int64_t outputs = out.samples * vectors * columns_ * rows_;
    const int64_t fitting = outputs / ENOUGH_THREADS;
    rows = int(fitting < 1 ? 1 : fitting > most ? most : fitting);
    count = uint32_t((rows_ + rows - 1) / rows);
  }
  int64_t items() const {
    return int64_t(vectors) * columns * count;
  }
  // channel in numbers, row of the strip's first output
  BOTH At at(uint32_t item, int lanes) const {
    const uint32_t fast = last ? vectors : columns;
    const uint32_t rest = item / fast, place = item % fast;
    if (last) return {int(place) * lanes, int(rest % columns), int(rest / columns) * rows};
    return {int(rest / count) * lanes, int(place), int(rest % count) * rows};
  }
};

}  // namespace cuda_ops
