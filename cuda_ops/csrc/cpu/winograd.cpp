// 3 × 3 convolutions of channels_last pictures by minimal filtering: transform tiles of the input, multiply matrices, transform back.
//
// A block of tiles goes through all three steps in the cache. Where a picture has too few tiles to keep every thread busy (the lowest
// resolutions, whose time is the reading of the weights), the threads share the matrix products instead of the tiles.
#include "tiles.h"

namespace ISA {
namespace {

template <class S, class Number>
void transform_tiles(const Convolution<Number>& job, const Plan<S>& plan, int first, int last, float* v, size_t step) {
  int per_image = plan.rows * plan.columns;
  for (int t = first; t < last; t++) {
    int image = t / per_image, place = t % per_image;
    const Number* x = job.x + size_t(image) * job.height * job.width * job.in_channels;
    const float* style = job.style ? job.style + size_t(image) * job.in_channels : nullptr;
    transform_tile<S>(x, job.height, job.width, job.in_channels, style, place / plan.columns, place % plan.columns,
                      v + size_t(t - first) * plan.in, step);
  }
}

// m[product][tile][out] = v[product][tile][in] · packed[product][in][out], for products and panels `first` ≤ product · panels + panel < `last`.
template <class S>
void multiply_tiles(const Plan<S>& plan, const float* packed, int in_channels, int tiles, const float* v, float* m, int first, int last) {
  for (int k = 0; k < in_channels; k += DEPTH) {
    int depth = least(DEPTH, in_channels - k);
    for (int item = first; item < last; item++) {
      int product = item / plan.panels, panel = item % plan.panels;
      multiply_panel(tiles, depth, v + size_t(product) * tiles * plan.in + k, plan.in, 1, packed + (size_t(item) * in_channels + k) * PANEL, PANEL,
                     m + size_t(product) * tiles * plan.out + size_t(panel) * PANEL, plan.out, k > 0);
    }
  }
}

// What follows the sum: factor, noise, bias, leaky ReLU, clamp.
template <class Number>
struct Finish {
  const Convolution<Number>& job;

  inline void store_at(Number* to, int image, int channel, float noise, Vec value) const {
    int count = job.out_channels - channel;
    if (job.factor) value *= load_some(job.factor + size_t(image) * job.out_channels + channel, count);
    if (job.bias) value += job.gain * load_some(job.bias + channel, count);
    value += splat(noise);
    value = maximum(value, Vec{}) + job.slope * minimum(value, Vec{});
    if (job.clamp >= 0) value = minimum(splat(job.clamp), maximum(splat(-job.clamp), value));
    store_some(to + channel, value, count);
  }
};

template <class S, class Number>
void restore_tiles(const Convolution<Number>& job, const Plan<S>& plan, int first, int last, const float* m, size_t step) {
  Finish<Number> finish{job};
  int per_image = plan.rows * plan.columns;
  for (int t = first; t < last; t++) {
    int image = t / per_image, place = t % per_image;
    int top = place / plan.columns * S::OUTPUTS, left = place % plan.columns * S::OUTPUTS;
    Number* y = job.y + size_t(image) * job.out_height * job.out_width * job.out_channels;
    float noise[S::OUTPUTS][S::OUTPUTS] = {};
    int down = least(S::OUTPUTS, job.out_height - top), across = least(S::OUTPUTS, job.out_width - left);
    if (job.noise)
      for (int i = 0; i < down; i++)
        for (int j = 0; j < across; j++)
          noise[i][j] = job.gain * job.noise[image * job.noise_step + size_t(top + i) * job.out_width + left + j];
    for (int c = 0; c < job.out_channels; c += LANES) {
      Vec values[S::OUTPUTS][S::OUTPUTS];
      restore_tile<S>(m + size_t(t - first) * plan.out + c, step, values);
      for (int i = 0; i < down; i++)
        for (int j = 0; j < across; j++)
          finish.store_at(y + (size_t(top + i) * job.out_width + left + j) * job.out_channels, image, c, noise[i][j], values[i][j]);
    }
  }
}

template <class S, class Number>
void convolve_tiles(const Convolution<Number>& job) {
  Plan<S> plan(job.out_height, job.out_width, job.in_channels, job.out_channels);
  int tiles = job.images * plan.rows * plan.columns, threads = thread_count(), items = Plan<S>::PRODUCTS * plan.panels;
  if (tiles < FEWEST * threads) {
    float* v = scratch(0, Plan<S>::PRODUCTS * size_t(tiles) * plan.in);
    float* m = scratch(1, Plan<S>::PRODUCTS * size_t(tiles) * plan.out);
    parallel(tiles, 1, [&](int a, int b) { transform_tiles<S>(job, plan, a, b, v + a * plan.in, tiles * plan.in); });
    parallel(items, 1, [&](int a, int b) { multiply_tiles<S>(plan, job.packed, job.in_channels, tiles, v, m, a, b); });
    parallel(tiles, 1, [&](int a, int b) { restore_tiles<S>(job, plan, a, b, m + a * plan.out, tiles * plan.out); });
    return;
  }
  int block = plan.block(), blocks = (tiles + block - 1) / block;
  parallel(blocks, 1, [&](int a, int b) {
    float* v = scratch(0, Plan<S>::PRODUCTS * size_t(block) * plan.in);
    float* m = scratch(1, Plan<S>::PRODUCTS * size_t(block) * plan.out);
    for (int i = a; i < b; i++) {
      int first = i * block, last = least(tiles, first + block), count = last - first;
      transform_tiles<S>(job, plan, first, last, v, count * plan.in);
      multiply_tiles<S>(plan, job.packed, job.in_channels, count, v, m, 0, items);
      restore_tiles<S>(job, plan, first, last, m, count * plan.out);
    }
  });
}

// Tiles → rows of the doubled picture before its FIR. u has plan.columns · OUTPUTS columns; `rows` tile rows of it follow each other.
template <class S>
void restore_rows(const Plan<S>& plan, int first, int last, int origin, const float* m, size_t step, float* u) {
  size_t width = size_t(plan.columns) * S::OUTPUTS;
  for (int t = first; t < last; t++) {
    size_t top = size_t(t / plan.columns - origin) * S::OUTPUTS, left = size_t(t % plan.columns) * S::OUTPUTS;
    for (size_t c = 0; c < plan.width; c += LANES) {
      Vec values[S::OUTPUTS][S::OUTPUTS];
      restore_tile<S>(m + size_t(t - first) * plan.out + c, step, values);
      for (int i = 0; i < S::OUTPUTS; i++)
        for (int j = 0; j < S::OUTPUTS; j++) store(u + ((top + i) * width + left + j) * plan.width + c, values[i][j]);
    }
  }
}

// One row of the result from four rows of u: [1, 3, 3, 1] / 4 down, then across.
template <class S, class Number>
void finish_row(const Convolution<Number>& job, const Plan<S>& plan, int image, int row, const float* const u[4]) {
  Finish<Number> finish{job};
  int width = 2 * job.width;
  size_t out = plan.width;
  float* line = scratch(3, (size_t(width) + 3) * out);  // columns −1 … 2 · width + 1 of u
  std::memset(line, 0, out * 4);
  for (size_t i = 0; i < (size_t(width) + 2) * out; i += LANES)
    store(line + out + i, 0.75f * (load(u[1] + i) + load(u[2] + i)) + 0.25f * (load(u[0] + i) + load(u[3] + i)));
  Number* y = job.y + (size_t(image) * 2 * job.height + row) * width * job.out_channels;
  const float* noise = job.noise ? job.noise + image * job.noise_step + size_t(row) * width : nullptr;
  for (int x = 0; x < width; x++) {
    float own = noise ? job.gain * noise[x] : 0.0f;
    for (int c = 0; c < job.out_channels; c += LANES) {
      const float* from = line + x * out + c;
      Vec value = 0.75f * (load(from + out) + load(from + 2 * out)) + 0.25f * (load(from) + load(from + 3 * out));
      finish.store_at(y + size_t(x) * job.out_channels, image, c, own, value);
    }
  }
}

// Rows [first, last) of one picture of the result; u is made tile row by tile row and only what the FIR still needs is kept.
template <class S, class Number>
void convolve_rows(const Convolution<Number>& job, const Plan<S>& plan, int image, int first, int last) {
  constexpr int OUT = S::OUTPUTS, KEPT = 3;
  int band = most(1, (FEWEST + plan.columns - 1) / plan.columns), items = Plan<S>::PRODUCTS * plan.panels;
  size_t row_size = size_t(plan.columns) * OUT * plan.width, largest = size_t(band) * plan.columns;
  float* v = scratch(0, Plan<S>::PRODUCTS * largest * plan.in);
  float* m = scratch(1, Plan<S>::PRODUCTS * largest * plan.out);
  float* u = scratch(2, (KEPT + size_t(band) * OUT) * row_size);
  int tile_row = most(0, first - 1) / OUT, next = first;
  if (tile_row == 0) std::memset(u, 0, KEPT * row_size * 4);
  while (next < last) {
    int rows = least(band, plan.rows - tile_row), count = rows * plan.columns;
    int begin = (image * plan.rows + tile_row) * plan.columns;
    transform_tiles<S>(job, plan, begin, begin + count, v, count * plan.in);
    multiply_tiles<S>(plan, job.packed, job.in_channels, count, v, m, 0, items);
    restore_rows<S>(plan, begin, begin + count, image * plan.rows + tile_row, m, count * plan.out, u + KEPT * row_size);
    int lowest = tile_row * OUT - KEPT;  // the row of u at the buffer's start
    for (int ready = least(last, (tile_row + rows) * OUT - 2); next < ready; next++) {
      const float* above = u + (next - 1 - lowest) * row_size;
      const float* lines[4] = {above, above + row_size, above + 2 * row_size, above + 3 * row_size};
      finish_row<S>(job, plan, image, next, lines);
    }
    std::memmove(u, u + size_t(rows) * OUT * row_size, KEPT * row_size * 4);
    tile_row += rows;
  }
}

template <class S, class Number>
void convolve_up(const Convolution<Number>& job) {
  Plan<S> plan(2 * job.height + 1, 2 * job.width + 1, job.in_channels, job.out_channels);
  int per_image = plan.rows * plan.columns, tiles = job.images * per_image, threads = thread_count(), items = Plan<S>::PRODUCTS * plan.panels;
  int height = 2 * job.height;
  if (per_image >= FEWEST * threads || tiles >= 4 * FEWEST * threads) {
    int parts = job.images >= threads ? 1 : threads, rows = (height + parts - 1) / parts;
    parallel(job.images * parts, 1, [&](int a, int b) {
      for (int i = a; i < b; i++) {
        int first = i % parts * rows;
        convolve_rows<S>(job, plan, i / parts, first, least(height, first + rows));
      }
    });
    return;
  }
  size_t row_size = size_t(plan.columns) * S::OUTPUTS * plan.width, image_size = size_t(plan.rows) * S::OUTPUTS * row_size;
  float* v = scratch(0, Plan<S>::PRODUCTS * size_t(tiles) * plan.in);
  float* m = scratch(1, Plan<S>::PRODUCTS * size_t(tiles) * plan.out);
  float* u = scratch(2, job.images * image_size);
  float* nothing = scratch(4, row_size);
  std::memset(nothing, 0, row_size * 4);
  parallel(tiles, 1, [&](int a, int b) { transform_tiles<S>(job, plan, a, b, v + a * plan.in, tiles * plan.in); });
  parallel(items, 1, [&](int a, int b) { multiply_tiles<S>(plan, job.packed, job.in_channels, tiles, v, m, a, b); });
  parallel(tiles, 1, [&](int a, int b) { restore_rows<S>(plan, a, b, 0, m + a * plan.out, tiles * plan.out, u); });
  parallel(job.images * height, 8, [&](int a, int b) {
    for (int i = a; i < b; i++) {
      int image = i / height, row = i % height;
      const float* first = u + image * image_size + row * row_size;
      const float* lines[4] = {row ? first - row_size : nothing, first, first + row_size, first + 2 * row_size};
      finish_row<S>(job, plan, image, row, lines);
    }
  });
}

// The weight is [out, in, 3, 3], or [in, out, 3, 3] if `transposed`; `mirrored` turns its taps around.
template <class S>
void pack_scheme(const float* weight, int out_channels, int in_channels, bool transposed, bool mirrored, float* packed) {
  Plan<S> plan(1, 1, in_channels, out_channels);
  size_t out_step = transposed ? 9 : size_t(in_channels) * 9, in_step = transposed ? size_t(out_channels) * 9 : 9;
  size_t product_step = size_t(plan.panels) * in_channels * PANEL;
  parallel(plan.panels * in_channels, 16, [&](int a, int b) {
    for (int item = a; item < b; item++)
      for (int half = 0; half < PANEL; half += LANES) {
        int panel = item / in_channels, in = item % in_channels, first = panel * PANEL + half;
        Vec taps[9] = {}, lines[S::PRODUCTS][3];
        for (int o = 0; o < LANES && first + o < out_channels; o++) {
          const float* from = weight + (first + o) * out_step + in * in_step;
          for (int k = 0; k < 9; k++) taps[k][o] = from[mirrored ? 8 - k : k];
        }
        for (int j = 0; j < 3; j++) {
          Vec line[3] = {taps[j], taps[3 + j], taps[6 + j]}, u[S::PRODUCTS];
          S::weight(line, u);
          for (int i = 0; i < S::PRODUCTS; i++) lines[i][j] = u[i];
        }
        float* to = packed + size_t(item) * PANEL + half;
        for (int i = 0; i < S::PRODUCTS; i++) {
          Vec u[S::PRODUCTS];
          S::weight(lines[i], u);
          for (int j = 0; j < S::PRODUCTS; j++) store(to + (i * S::PRODUCTS + j) * product_step, u[j]);
        }
      }
  });
}

template <class S>
size_t packed_size(int out_channels, int in_channels) {
  return Plan<S>::PRODUCTS * padded(out_channels, PANEL) * in_channels;
}

template <class S>
void convolve_doubled(const Convolution<float>& job) {
  job.fir ? convolve_up<S>(job) : convolve_tiles<S>(job);
}

}  // namespace

size_t winograd_size(Scheme scheme, int out_channels, int in_channels) {
  return WITH_SCHEME(scheme, packed_size, out_channels, in_channels);
}

void winograd_pack(Scheme scheme, const float* weight, int out_channels, int in_channels, bool transposed, bool mirrored, float* packed) {
  WITH_SCHEME(scheme, pack_scheme, weight, out_channels, in_channels, transposed, mirrored, packed);
}

void winograd_convolve(Scheme scheme, const Convolution<float>& job) {
  switch (scheme) {
    case DIRECT: return convolve_tiles<Direct>(job);
    case SMALL: return convolve_tiles<Small>(job);
    case LARGE: return convolve_tiles<Large>(job);
    case DIRECT_UP: return convolve_doubled<DirectUp>(job);
    case LARGE_UP: return convolve_doubled<LargeUp>(job);
    case DIRECT_DOWN: return convolve_tiles<DirectDown>(job);
    default: return convolve_tiles<LargeDown>(job);
  }
}

}  // namespace ISA
