// upfirdn2d without a single inserted zero. Each row of the result is a weighted sum of the picture's rows (in scratch memory), filtered along itself.
#include "blur.h"
#include "dispatch.h"

namespace ISA {
namespace {

inline int64_t floor_div(int64_t a, int64_t b) {
  return a >= 0 ? a / b : -((-a + b - 1) / b);
}

// The taps that meet pixels, not inserted zeros, when the first tap lies at `position` of the stuffed line: first, first + up, …
inline int64_t first_tap(int64_t position, int64_t up) {
  return position - 1 >= 0 ? up - 1 - (position - 1) % up : -position % up;
}

// One thread's work on a strip of columns: outputs [from, to), for which `line` holds input columns [low, high), zero outside the picture.
template <class T>
class Strip {
 public:
  Strip(const Resample& arguments, int64_t pixels)
      : a(arguments), columns_at_most((pixels * a.down + a.columns) / a.up + 3), lines(columns_at_most * a.inner),
        parts((columns_at_most + pixels + a.down) * a.inner), row(pixels * a.inner + a.inner), pointers(2 * (a.rows + a.columns)),
        weights(larger(a.rows, a.columns)), phase(a.columns + a.up) {}

  void place(int64_t first, int64_t last) {
    from = first;
    to = last;
    low = -floor_div(a.left - from * a.down, a.up);
    high = floor_div((to - 1) * a.down - a.left + a.columns - 1, a.up) + 1;
    std::memset(lines.data, 0, sizeof(float) * larger(high - low, 0) * a.inner);
    inside_low = larger(low, 0);
    inside_high = larger(smaller(high, a.width), inside_low);
  }

  void make(int64_t image, int64_t y) {
    const T* x = static_cast<const T*>(a.x) + image * a.height * a.width * a.inner;
    T* out = static_cast<T*>(a.out) + ((image * a.out_height + y) * a.out_width + from) * a.inner;
    const T** sources = reinterpret_cast<const T**>(pointers.data);
    const int64_t count = (inside_high - inside_low) * a.inner, position = y * a.down - a.top;
    float* inside = lines.data + (inside_low - low) * a.inner;
    int64_t n = 0;
    if (a.plane) std::memset(row.data, 0, sizeof(float) * (to - from) * a.inner);
    for (int64_t k = first_tap(position, a.up); k < a.rows; k += a.up) {
      const int64_t at = floor_div(position + k, a.up);
      if (at < 0 || at >= a.height) continue;
      const T* source = x + (at * a.width + inside_low) * a.inner;
      if (a.plane) {
        const float one = 1.0f;
        weighted_sum(&source, &one, 1, inside, count);
        add_filtered(a.plane + k * a.columns);
      } else {
        sources[n] = source;
        weights.data[n++] = a.taps_y[k];
      }
    }
    if (a.plane) return copy(row.data, out, (to - from) * a.inner);
    if (n == 0) return copy(row.data, out, (to - from) * a.inner, 0.0f);
    weighted_sum(sources, weights.data, n, inside, count);
    if (a.up == 1 && a.down == 1)
      filter(lines.data, a.taps_x, a.columns, out, (to - from) * a.inner);
    else if (a.inner >= LANES)
      pixel_by_pixel(out);
    else if (a.down == 1)
      spread(out);
    else if (a.up == 1)
      gather(out);
    else {
      std::memset(row.data, 0, sizeof(float) * (to - from) * a.inner);
      add_filtered(a.taps_x);
      copy(row.data, out, (to - from) * a.inner);
    }
  }

 private:
  static void copy(const float* from, T* to, int64_t count, float factor = 1.0f) {
    weighted_sum(&from, &factor, 1, to, count);
  }

  // out[j] = Σ_k taps[k] · x[j + k · inner]
  template <class Out>
  void filter(const float* x, const float* taps, int64_t n, Out* out, int64_t count) {
    const float** shifted = reinterpret_cast<const float**>(pointers.data) + a.rows;
    for (int64_t k = 0; k < n; ++k) shifted[k] = x + k * a.inner;
    weighted_sum(shifted, taps, n, out, count);
  }

  // Any factors, plainly: row += this row of taps applied to the line.
  void add_filtered(const float* taps) {
    for (int64_t at = from; at < to; ++at) {
      const int64_t position = at * a.down - a.left;
      for (int64_t k = first_tap(position, a.up); k < a.columns; k += a.up) {
        const float* x = lines.data + (floor_div(position + k, a.up) - low) * a.inner;
        float* out = row.data + (at - from) * a.inner;
        for (int64_t c = 0; c < a.inner; ++c) out[c] += taps[k] * x[c];
      }
    }
  }

  // Many numbers per pixel: vectors along them. Results of one phase share their taps.
  void pixel_by_pixel(T* out) {
    const int64_t total = to - from, inner = a.inner;
    for (int64_t p = 0; p < a.up && p < total; ++p) {
      const int64_t position = (from + p) * a.down - a.left, first = first_tap(position, a.up), count = (total - p + a.up - 1) / a.up;
      const float* x = lines.data + (floor_div(position + first, a.up) - low) * inner;
      int64_t n = 0;
      for (int64_t k = first; k < a.columns; k += a.up) phase.data[n++] = a.taps_x[k];
      T* result = out + p * inner;
      if (n == 2)
        mix<2>(x, result, count);
      else if (n == 4)
        mix<4>(x, result, count);
      else
        for (int64_t i = 0; i < count; ++i) filter(x + i * a.down * inner, phase.data, n, result + i * a.up * inner, inner);
    }
  }

  template <int N>
  void mix(const float* x, T* out, int64_t count) const {
    const int64_t inner = a.inner, down = a.down, up = a.up;
    float taps[N];
    for (int k = 0; k < N; ++k) taps[k] = phase.data[k];
    for (int64_t i = 0; i < count; ++i, x += down * inner, out += up * inner)
      for_each(inner, [&]<class V>(int64_t c) {
        V total = read<V>(x + c) * taps[0];
        for (int k = 1; k < N; ++k) total += read<V>(x + k * inner + c) * taps[k];
        write(out + c, total);
      });
  }

  // Few numbers per pixel, up: each of the `up` phases is a filter of its own, and their results alternate.
  void spread(T* out) {
    const int64_t total = to - from;
    for (int64_t p = 0; p < a.up && p < total; ++p) {
      const int64_t position = from + p - a.left, first = first_tap(position, a.up), pixels = (total - p + a.up - 1) / a.up;
      int64_t n = 0;
      for (int64_t k = first; k < a.columns; k += a.up) phase.data[n++] = a.taps_x[k];
      float* result = parts.data;
      if (n)
        filter(lines.data + (floor_div(position + first, a.up) - low) * a.inner, phase.data, n, result, pixels * a.inner);
      else
        std::memset(result, 0, sizeof(float) * pixels * a.inner);
      place_every(result, row.data + p * a.inner, pixels, a.up);
    }
    copy(row.data, out, total * a.inner);
  }

  void place_every(const float* x, float* out, int64_t pixels, int64_t step) const {
    if (a.inner == 1 && step == 2) {
      for (int64_t i = 0; i < pixels; ++i) out[2 * i] = x[i];
      return;
    }
    for (int64_t i = 0; i < pixels; ++i)
      for (int64_t c = 0; c < a.inner; ++c) out[i * step * a.inner + c] = x[i * a.inner + c];
  }

  // Few numbers per pixel, down: the line is dealt into `down` lines, so that taps meet neighbours.
  void gather(T* out) {
    const int64_t length = (high - low + a.down - 1) / a.down, total = high - low;
    const float** shifted = reinterpret_cast<const float**>(pointers.data) + a.rows;
    for (int64_t p = 0; p < a.down; ++p) {
      float* part = parts.data + p * length * a.inner;
      const float* x = lines.data + p * a.inner;
      const int64_t pixels = (total - p + a.down - 1) / a.down;
      if (a.inner == 1 && a.down == 2)
        for (int64_t i = 0; i < pixels; ++i) part[i] = x[2 * i];
      else
        for (int64_t i = 0; i < pixels; ++i)
          for (int64_t c = 0; c < a.inner; ++c) part[i * a.inner + c] = x[i * a.down * a.inner + c];
    }
    for (int64_t k = 0; k < a.columns; ++k) shifted[k] = parts.data + ((k % a.down) * length + k / a.down) * a.inner;
    weighted_sum(shifted, a.taps_x, a.columns, out, (to - from) * a.inner);
  }

  const Resample& a;
  const int64_t columns_at_most;
  Scratch lines, parts, row, pointers, weights, phase;
  int64_t from = 0, to = 0, low = 0, high = 0, inside_low = 0, inside_high = 0;
};

// taps = scale · (1, 3, 3, 1)
inline bool is_usual(const float* taps, int64_t count, float& scale) {
  if (count != TAPS) return false;
  scale = taps[0];
  return taps[3] == scale && taps[1] == 3.0f * scale && taps[2] == 3.0f * scale;
}

template <class T>
void blur_usual(const Resample& a, float scale) {
  const Blur blur{a.height, a.width, a.out_height, a.out_width, a.inner, a.top, a.left};
  parallel_for(a.images * a.out_height, GRAIN / (a.out_width * a.inner) + 1, [&](int64_t begin, int64_t end) {
    Blurring<T> blurring(blur);
    while (begin < end) {
      const int64_t image = begin / a.out_height, first = begin % a.out_height, last = smaller(a.out_height, first + end - begin);
      const T* x = static_cast<const T*>(a.x) + image * a.height * a.width * a.inner;
      T* out = static_cast<T*>(a.out) + image * a.out_height * a.out_width * a.inner;
      blurring.run(x, first, last, [=, &a](int64_t y, int64_t start, int64_t pixels, const float* const(&rows)[TAPS]) {
        T* to = out + (y * a.out_width + start) * a.inner;
        const float *r0 = rows[0], *r1 = rows[1], *r2 = rows[2], *r3 = rows[3];
        const int64_t ahead = a.out_width * a.inner;
        for_each(pixels * a.inner, [=]<class V>(int64_t i) {
          __builtin_prefetch(to + ahead + i, 1);
          write(to + i, filtered(read<V>(r0 + i), read<V>(r1 + i), read<V>(r2 + i), read<V>(r3 + i)) * scale);
        });
      });
      begin += last - first;
    }
  });
}

template <class T>
void run(const Resample& a) {
  float scale_y, scale_x;
  if (!a.plane && a.up == 1 && a.down == 1 && is_usual(a.taps_y, a.rows, scale_y) && is_usual(a.taps_x, a.columns, scale_x))
    return blur_usual<T>(a, scale_y * scale_x);
  const int64_t pixels = smaller(strip_pixels(a.inner), a.out_width);
  parallel_for(a.images * a.out_height, GRAIN / (a.out_width * a.inner) + 1, [&](int64_t begin, int64_t end) {
    Strip<T> strip(a, pixels);
    while (begin < end) {
      const int64_t image = begin / a.out_height, first = begin % a.out_height, last = smaller(a.out_height, first + end - begin);
      for (int64_t column = 0; column < a.out_width; column += pixels) {
        strip.place(column, smaller(column + pixels, a.out_width));
        for (int64_t y = first; y < last; ++y) strip.make(image, y);
      }
      begin += last - first;
    }
  });
}

}  // namespace

void resample(const Resample& arguments) {
  arguments.half ? run<bf16>(arguments) : run<float>(arguments);
}

}  // namespace ISA
