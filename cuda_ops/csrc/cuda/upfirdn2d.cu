// Zeros after each pixel, padding or cropping, FIR, every down-th pixel: none of the inserted zeros is ever touched.
//
// Any filter: a thread makes one output vector from the taps that meet a pixel. Filters of 4 × 4 taps have three fast paths (blur, up 2,
// down 2), which walk down strips as fir.h says. The taps lie in device memory, where the host must not look (it would have to wait), so each
// thread factors them itself: about 80 instructions against several hundred of a strip. A filter that is not separable is applied tap by tap.
//
// Bytes per number out, least: blur 1 read + 1 write; up 2: 1/4 + 1; down 2: 4 + 1. At 4.8 TB/s in a 16-bit type 1.2, 1.9 and 0.48 · 10¹²
// numbers per second.
#include "fir.h"
#include "ops.h"

namespace cuda_ops {

struct Filter {
  Table table;
  int height, width;
  bool flip;
  float gain;

  // The weight of the (y, x)-th pixel of the window. flip = false is true convolution: the filter is mirrored.
  BOTH float tap(int y, int x) const {
    const int place = flip ? y * width + x : (height - 1 - y) * width + (width - 1 - x);
    return read_one(table, place, 0.f) * gain;
  }
};

// filter = along ⊗ across, if it is: by its sums over rows and columns, f[y, x] = Σ_x f[y, ·] · Σ_y f[·, x] / Σ f.
BOTH bool separate(const Filter& filter, Taps& across, Taps& along) {
  float plane[TAPS][TAPS], total = 0.f, largest = 0.f;
  UNROLL
  for (int k = 0; k < TAPS; ++k) across.weight[k] = along.weight[k] = 0.f;
  UNROLL
  for (int y = 0; y < TAPS; ++y) {
    UNROLL
    for (int x = 0; x < TAPS; ++x) {
      const float weight = plane[y][x] = filter.tap(y, x);
      along.weight[y] += weight;
      across.weight[x] += weight;
      total += weight;
      largest = larger(largest, fabsf(weight));
    }
  }
  bool close = total != 0.f;
  UNROLL
  for (int k = 0; k < TAPS; ++k) across.weight[k] /= total;
  UNROLL
  for (int y = 0; y < TAPS; ++y) {
    UNROLL
    for (int x = 0; x < TAPS; ++x) close = close && fabsf(plane[y][x] - along.weight[y] * across.weight[x]) <= 1e-6f * largest;
  }
  return close;
}

struct Resampling {
  int up, down, left, top;

  // First tap of an output's window that meets a pixel, along an axis with `before` pixels of padding.
  BOTH int first(int out, int before) const {
    const int miss = (out * down - before) % up;
    return miss == 0 ? 0 : miss > 0 ? up - miss : -miss;
  }
};

// One output vector, tap by tap.
template <int N, class T>
BOTH void apply(const Input<T>& in, const Filter& filter, const Resampling& resampling, int row, int column, float (&sum)[N]) {
  const int top = row * resampling.down - resampling.top, left = column * resampling.down - resampling.left;
  UNROLL
  for (int lane = 0; lane < N; ++lane) sum[lane] = 0.f;
  for (int y = resampling.first(row, resampling.top); y < filter.height; y += resampling.up) {
    const int from_row = (top + y) / resampling.up;
    if (top + y < 0 || from_row >= in.height) continue;
    for (int x = resampling.first(column, resampling.left); x < filter.width; x += resampling.up) {
      const int from_column = (left + x) / resampling.up;
      if (left + x < 0 || from_column >= in.width) continue;
      const float weight = filter.tap(y, x);
      float value[N];
      load<N>(in.data + from_row * in.row + from_column * in.column, value);
      UNROLL
      for (int lane = 0; lane < N; ++lane) sum[lane] += weight * value[lane];
    }
  }
}

template <class T>
struct Source {
  const T* data;
  Strides strides;
  int height, width;

  BOTH Input<T> at(uint32_t sample, int channel) const {
    return {data + sample * strides.sample + channel * strides.channel, strides.row, strides.column, height, width};
  }
};

template <class T>
struct Sink {
  T* data;
  Strides strides;
  int height, width;

  BOTH T* at(uint32_t sample, int channel, int row, int column) const {
    return data + sample * strides.sample + channel * strides.channel + row * strides.row + column * strides.column;
  }
};

template <class T, int N>
struct AnyFilter {
  static constexpr uint32_t BLOCKS = 8;
  Source<T> in;
  Sink<T> out;
  Filter filter;
  Resampling resampling;
  Strips strips;  // of one row

  BOTH void operator()(uint32_t sample, uint32_t item) const {
    const Strips::At at = strips.at(item, N);
    float value[N];
    apply<N>(in.at(sample, at.channel), filter, resampling, at.row, at.column, value);
    store<N>(out.at(sample, at.channel, at.row, at.column), value);
  }
};

// 4 × 4 taps, up = 1, down = DOWN (1 or 2).
template <class T, int N, int DOWN>
struct Walk {
  static constexpr uint32_t BLOCKS = N == 8 ? 4 : 5;
  Source<T> in;
  Sink<T> out;
  Filter filter;
  Resampling resampling;
  Strips strips;

  BOTH void operator()(uint32_t sample, uint32_t item) const {
    const Strips::At at = strips.at(item, N);
    const Input<T> from = in.at(sample, at.channel);
    const int left = out.height - at.row, rows = left < strips.rows ? left : strips.rows;
    Taps across, along;
    if (separate(filter, across, along)) {
      T* to = out.at(sample, at.channel, at.row, at.column);
      walk_down<N, DOWN>(from, at.row * DOWN - resampling.top, at.column * DOWN - resampling.left, rows, across, along,
                         [&](int i, float(&value)[N]) { store<N>(to + i * out.strides.row, value); });
    } else {
      for (int i = 0; i < rows; ++i) {
        float value[N];
        apply<N>(from, filter, resampling, at.row + i, at.column, value);
        store<N>(out.at(sample, at.channel, at.row + i, at.column), value);
      }
    }
  }
};

// 4 × 4 taps, up = 2, down = 1: two rows of two outputs come from the same 2 × 2 pixels, the first with taps 1 and 3, the second with taps
// 0 and 2. Pairs therefore begin one output outside where the padding before is even (`early`).
template <class T, int N>
struct WalkUp {
  static constexpr uint32_t BLOCKS = N == 8 ? 5 : 8;
  Source<T> in;
  Sink<T> out;
  Filter filter;
  Resampling resampling;
  Strips strips;  // of pairs

  BOTH static int early(int before) {
    return before % 2 == 0 ? 1 : 0;
  }
  // Pixel that a pair begins with. The numerator is even.
  BOTH static int first(int pair, int before) {
    return pair + (1 - early(before) - before) / 2;
  }
  static int64_t pairs(int64_t size, int before) {
    return (size + early(before) + 1) / 2;
  }

  BOTH void keep(uint32_t sample, int channel, int row, int column, const float (&value)[N]) const {
    if (unsigned(row) < unsigned(out.height) && unsigned(column) < unsigned(out.width)) store<N>(out.at(sample, channel, row, column), value);
  }

  // sum[second] = the pair of outputs that the pixels of one row give
  BOTH static void row_pair(const Input<T>& from, int row, const Across<2>& place, const Taps& across, float (&sum)[2][N]) {
    const T* line = from.data + inside(row, from.height) * from.row;
    const float valid = unsigned(row) < unsigned(from.height) ? 1.f : 0.f;
    const Pack<T, N> left = fetch<N>(line + place.offset[0]), right = fetch<N>(line + place.offset[1]);
    UNROLL
    for (int second = 0; second < 2; ++second) {
      const float near = place.valid[0] ? across.weight[1 - second] * valid : 0.f;
      const float far = place.valid[1] ? across.weight[3 - second] * valid : 0.f;
      UNROLL
      for (int lane = 0; lane < N; ++lane) sum[second][lane] = near * widen(left.lane[lane]) + far * widen(right.lane[lane]);
    }
  }

  BOTH void operator()(uint32_t sample, uint32_t item) const {
    const Strips::At at = strips.at(item, N);
    const Input<T> from = in.at(sample, at.channel);
    const int column = at.column * 2 - early(resampling.left);
    Taps across, along;
    if (!separate(filter, across, along)) {
      for (int i = 0; i < strips.rows * 4; ++i) {
        const int row = (at.row + i / 4) * 2 - early(resampling.top) + i / 2 % 2;
        if (unsigned(row) >= unsigned(out.height) || unsigned(column + i % 2) >= unsigned(out.width)) continue;
        float value[N];
        apply<N>(from, filter, resampling, row, column + i % 2, value);
        keep(sample, at.channel, row, column + i % 2, value);
      }
      return;
    }
    const int begin = first(at.row, resampling.top);
    const Across<2> place(from, first(at.column, resampling.left));
    float above[2][N], below[2][N];
    row_pair(from, begin, place, across, above);
    for (int i = 0; i < strips.rows; ++i) {
      row_pair(from, begin + i + 1, place, across, below);
      const int row = (at.row + i) * 2 - early(resampling.top);
      UNROLL
      for (int lower = 0; lower < 2; ++lower) {
        UNROLL
        for (int second = 0; second < 2; ++second) {
          float value[N];
          UNROLL
          for (int lane = 0; lane < N; ++lane)
            value[lane] = along.weight[1 - lower] * above[second][lane] + along.weight[3 - lower] * below[second][lane];
          keep(sample, at.channel, row + lower, column + second, value);
        }
      }
      UNROLL
      for (int second = 0; second < 2; ++second) {
        UNROLL
        for (int lane = 0; lane < N; ++lane) above[second][lane] = below[second][lane];
      }
    }
  }
};

Tensor upfirdn2d(const Tensor& x, const Tensor& filter, int64_t up, int64_t down, std::vector<int64_t> padding, bool flip, double gain) {
  STD_TORCH_CHECK(x.dim() == 4, "upfirdn2d takes [batch, channels, height, width], got ", x.dim(), " dimensions");
  STD_TORCH_CHECK(filter.dim() == 2 && filter.numel() > 0, "upfirdn2d takes a filter [height, width]");
  STD_TORCH_CHECK(up >= 1 && down >= 1 && padding.size() == 4, "upfirdn2d takes up and down from 1 and 4 paddings (left, right, top, bottom)");
  const Queue queue(x);
  const Picture in = dense(x);
  const int64_t window_height = in.height * up + padding[2] + padding[3] - filter.size(0);
  const int64_t window_width = in.width * up + padding[0] + padding[1] - filter.size(1);
  STD_TORCH_CHECK(window_height >= 0 && window_width >= 0, "upfirdn2d: the padded picture is smaller than the filter");
  const Picture out = empty_picture(in, window_height / down + 1, window_width / down + 1);
  const Operand taps = operand(filter, x, filter.numel(), "filter");
  const Filter kernel{taps.table, int(filter.size(0)), int(filter.size(1)), flip, float(gain)};
  const Resampling resampling{int(up), int(down), int(padding[0]), int(padding[2])};
  const bool four = kernel.height == TAPS && kernel.width == TAPS;
  by_type(in.tensor, in.last && out.last ? in.channels : 1, [&]<class T, int N>() {
    const Source<T> source{read_pointer<T>(in.tensor), strides_of(in), int(in.height), int(in.width)};
    const Sink<T> sink{write_pointer<T>(out.tensor), strides_of(out), int(out.height), int(out.width)};
    const auto start = [&]<class Kernel>(int64_t columns, int64_t rows, int most) {
      const Strips strips(out, N, columns, rows, most);
      launch(queue, out.samples, strips.items(), Kernel{source, sink, kernel, resampling, strips});
    };
    if (four && up == 1 && down == 1)
      start.template operator()<Walk<T, N, 1>>(out.width, out.height, MOST_ROWS);
    else if (four && up == 1 && down == 2)
      start.template operator()<Walk<T, N, 2>>(out.width, out.height, MOST_ROWS);
    else if (four && up == 2 && down == 1)
      start.template operator()<WalkUp<T, N>>(WalkUp<T, N>::pairs(out.width, resampling.left), WalkUp<T, N>::pairs(out.height, resampling.top),
                                              MOST_ROWS);
    else
      start.template operator()<AnyFilter<T, N>>(out.width, out.height, 1);
  });
  return out.tensor;
}

}  // namespace cuda_ops
