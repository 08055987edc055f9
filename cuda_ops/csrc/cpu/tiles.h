// Tiles of channels_last pictures between memory and a scheme's products; shared by convolutions and the gradient of their weights.
#pragma once

#include <cstdlib>
#include <cstring>

#include "convolution.h"
#include "gemm.h"
#include "schemes.h"

namespace ISA {
namespace {

constexpr int DEPTH = 512;            // input channels that are multiplied at once: a panel of weights stays in the first cache
constexpr size_t BLOCK = 384 * 1024;  // bytes of transformed tiles that a thread works on, where that is enough of them
constexpr int FEWEST = 48;            // tiles of a block, for the reading of the weights to pay
constexpr int SPREAD = 16;            // floats beyond a tile's channels, so that tiles do not compete for the same cache lines

inline int least(int a, int b) {
  return a < b ? a : b;
}
inline int most(int a, int b) {
  return a > b ? a : b;
}

template <class Body>
inline void parallel(int64_t count, int64_t grain, const Body& body) {
  parallel_for(count, grain, [&](int64_t first, int64_t last) { body(int(first), int(last)); });
}

inline size_t padded(int channels, int step) {
  return size_t(channels + step - 1) / step * step;
}

// Memory that a thread keeps from call to call, so that no call pays for fresh pages. `place` tells the uses apart.
float* scratch(int place, size_t count) {
  struct Buffer {
    float* data = nullptr;
    size_t count = 0;
    ~Buffer() { std::free(data); }
  };
  static thread_local Buffer buffers[6];
  Buffer& buffer = buffers[place];
  if (buffer.count < count) {
    std::free(buffer.data);
    buffer.data = static_cast<float*>(std::aligned_alloc(64, (count * 4 + 63) / 64 * 64));
    buffer.count = buffer.data ? count : 0;
  }
  return buffer.data;
}

template <class Number>
inline Vec load_some(const Number* from, int count) {
  if (count >= LANES) return load(from);
  Vec value{};
  for (int i = 0; i < count; i++) value[i] = load_one(from + i);
  return value;
}

template <class Number>
inline void store_some(Number* to, Vec value, int count) {
  if (count >= LANES) return store(to, value);
  for (int i = 0; i < count; i++) store_one(to + i, value[i]);
}

template <class S>
struct Plan {
  static constexpr int PRODUCTS = S::PRODUCTS * S::PRODUCTS;
  int rows, columns, panels;
  size_t width;    // output channels with padding
  size_t in, out;  // floats from tile to tile

  Plan(int out_height, int out_width, int in_channels, int out_channels)
      : rows((out_height + S::OUTPUTS - 1) / S::OUTPUTS),
        columns((out_width + S::OUTPUTS - 1) / S::OUTPUTS),
        panels(int(padded(out_channels, PANEL) / PANEL)),
        width(padded(out_channels, PANEL)),
        in(padded(in_channels, LANES) + SPREAD),
        out(width + SPREAD) {}

  int block() const {
    int fitting = int(BLOCK / (PRODUCTS * 4 * (in + out)));
    return most(FEWEST, least(fitting, 256)) / ROWS * ROWS;
  }
};

// Tile (row, column) of one picture → v[product · step + channel].
template <class S, class Number>
inline void transform_tile(const Number* x, int height, int width, int channels, const float* style, int row, int column, float* v, size_t step) {
  const Number* sample[S::INPUTS][S::INPUTS];
  for (int i = 0; i < S::INPUTS; i++)
    for (int j = 0; j < S::INPUTS; j++) {
      int y = row * S::STEP + S::ORIGIN + i, z = column * S::STEP + S::ORIGIN + j;
      bool inside = y >= 0 && y < height && z >= 0 && z < width;
      sample[i][j] = inside ? x + (size_t(y) * width + z) * channels : nullptr;
    }
  for (int c = 0; c < channels; c += LANES) {
    int count = channels - c;
    Vec scale = style ? load_some(style + c, count) : splat(1.0f);
    Vec half[S::PRODUCTS][S::INPUTS];
#pragma GCC unroll 8
    for (int j = 0; j < S::INPUTS; j++) {
      Vec d[S::INPUTS], u[S::PRODUCTS];
#pragma GCC unroll 8
      for (int i = 0; i < S::INPUTS; i++) d[i] = sample[i][j] ? load_some(sample[i][j] + c, count) * scale : Vec{};
      S::input(d, u);
#pragma GCC unroll 8
      for (int i = 0; i < S::PRODUCTS; i++) half[i][j] = u[i];
    }
#pragma GCC unroll 8
    for (int i = 0; i < S::PRODUCTS; i++) {
      Vec u[S::PRODUCTS];
      S::input(half[i], u);
#pragma GCC unroll 8
      for (int j = 0; j < S::PRODUCTS; j++) store(v + (i * S::PRODUCTS + j) * step + c, u[j]);
    }
  }
}

// m[product · step + channel] of one tile → values[OUTPUTS][OUTPUTS] for one vector of channels.
template <class S>
inline void restore_tile(const float* m, size_t step, Vec values[S::OUTPUTS][S::OUTPUTS]) {
  Vec half[S::PRODUCTS][S::OUTPUTS];
#pragma GCC unroll 8
  for (int i = 0; i < S::PRODUCTS; i++) {
    Vec u[S::PRODUCTS];
#pragma GCC unroll 8
    for (int j = 0; j < S::PRODUCTS; j++) u[j] = load(m + (i * S::PRODUCTS + j) * step);
    S::output(u, half[i]);
  }
#pragma GCC unroll 8
  for (int j = 0; j < S::OUTPUTS; j++) {
    Vec u[S::PRODUCTS], y[S::OUTPUTS];
#pragma GCC unroll 8
    for (int i = 0; i < S::PRODUCTS; i++) u[i] = half[i][j];
    S::output(u, y);
#pragma GCC unroll 8
    for (int i = 0; i < S::OUTPUTS; i++) values[i][j] = y[i];
  }
}

}  // namespace
}  // namespace ISA
