// StyleGAN2's filter at the same scale: every row is filtered along itself once and kept for the four results that need it.
//
// The taps are 1, 3, 3, 1 on both axes; their sum of 64 is left to whoever multiplies the result anyway.
#pragma once

#include "rows.h"

namespace ISA {
namespace {

constexpr int64_t TAPS = 4;

// Pictures of pixels of `inner` numbers; the filter of result (y, x) begins at pixel (y − top, x − left), and zeros lie outside.
struct Blur {
  int64_t height, width, out_height, out_width, inner, top, left;
};

template <class V>
inline V filtered(V a, V b, V c, V d) {
  return (a + d) + (b + c) * 3.0f;
}

// Pixels of a row that are filtered at a time, so that the rows that are kept stay in the nearer caches.
inline int64_t strip_of(const Blur& blur) {
  const int64_t pixels = 2048 / blur.inner;
  return smaller(larger(pixels, 8), blur.out_width);
}

// Calls finish(y, from, pixels, rows) for every strip of the results [first, last): the four rows are still to be filtered across.
template <class T>
class Blurring {
 public:
  explicit Blurring(const Blur& blur)
      : blur(blur), strip(strip_of(blur)), line((strip + TAPS - 1) * blur.inner), kept(TAPS * strip * blur.inner) {}

  template <class Finish>
  void run(const T* x, int64_t first, int64_t last, const Finish& finish) {
    for (int64_t from = 0; from < blur.out_width; from += strip) {
      const int64_t pixels = smaller(strip, blur.out_width - from);
      for (int64_t row = first - blur.top; row < last - blur.top + TAPS - 1; ++row) {
        filter(x, row, from, pixels);
        const int64_t y = row + blur.top - TAPS + 1;
        if (y < first) continue;
        const float* rows[TAPS];
        for (int64_t k = 0; k < TAPS; ++k) rows[k] = place(row - TAPS + 1 + k);
        finish(y, from, pixels, rows);
      }
    }
  }

 private:
  float* place(int64_t row) const {
    return kept.data + ((row % TAPS + TAPS) % TAPS) * strip * blur.inner;
  }

  void filter(const T* x, int64_t row, int64_t from, int64_t pixels) {
    float* const out = place(row);
    const int64_t inner = blur.inner, count = pixels * inner;
    if (row < 0 || row >= blur.height) {
      std::memset(out, 0, sizeof(float) * count);
      return;
    }
    const int64_t low = from - blur.left, high = low + pixels + TAPS - 1;  // columns under the filter
    const T *source = x + (row * blur.width + low) * inner, *next = source + blur.width * inner;
    if constexpr (sizeof(T) == sizeof(float)) {
      if (low >= 0 && high <= blur.width) return filter_line(source, out, count, next);
    }
    const int64_t inside_low = smaller(larger(low, 0), high), inside_high = larger(smaller(high, blur.width), inside_low);
    std::memset(line.data, 0, sizeof(float) * (inside_low - low) * inner);
    std::memset(line.data + (inside_high - low) * inner, 0, sizeof(float) * (high - inside_high) * inner);
    const T* inside = source + (inside_low - low) * inner;
    float* to = line.data + (inside_low - low) * inner;
    for_each((inside_high - inside_low) * inner, [=]<class V>(int64_t i) { write(to + i, read<V>(inside + i)); });
    filter_line(line.data, out, count, next);
  }

  template <class From>
  void filter_line(const From* x, float* out, int64_t count, const T* next) const {
    const int64_t step = blur.inner;
    for_each(count, [=]<class V>(int64_t i) {
      __builtin_prefetch(next + i);  // the next row's strip lies too far away for the processor to guess
      write(out + i, filtered(read<V>(x + i), read<V>(x + i + step), read<V>(x + i + 2 * step), read<V>(x + i + 3 * step)));
    });
  }

  const Blur& blur;
  const int64_t strip;
  Scratch line, kept;
};

}  // namespace
}  // namespace ISA
