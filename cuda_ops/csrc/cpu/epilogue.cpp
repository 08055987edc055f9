// What follows the convolution, in one pass: (FIR,) demodulation, noise, bias, activation, clamp.
#include "blur.h"
#include "dispatch.h"

namespace ISA {
namespace {

// Everything after the FIR, for vectors and for single numbers.
struct Finish {
  float slope, gain, limit;
  explicit Finish(const Activation& how) : slope(how.slope), gain(how.gain), limit(how.clamp < 0.0f ? __builtin_inff() : how.clamp) {}

  template <class V>
  inline V operator()(V value, V factor, V shift) const {
    value = value * factor + shift;
    value = most(value, value * slope);  // leaky, as 0 ≤ slope ≤ 1
    return most(same<V>(-limit), least(same<V>(limit), value));  // in this order NaN stays NaN
  }
};

// N = 4: of rows that are filtered along themselves; N = 1: of the row itself.
template <int N, class V, class From>
inline V column(const From* const (&rows)[N], int64_t i) {
  if constexpr (N == 1)
    return read<V>(rows[0] + i);
  else
    return filtered(read<V>(rows[0] + i), read<V>(rows[1] + i), read<V>(rows[2] + i), read<V>(rows[3] + i));
}

// Pixels of `channels` numbers. ahead: how far away the next write will be, after a strip.
template <int N, class From, class T>
void finish_pixels(const From* const (&rows)[N], int64_t channels, const float* factor, const float* bias, const float* noise,
                   const Finish& finish, T* out, int64_t pixels, int64_t ahead) {
  const From* from[N];
  for (int k = 0; k < N; ++k) from[k] = rows[k];
  const Finish how = finish;
  for (int64_t pixel = 0; pixel < pixels; ++pixel, out += channels) {
    const float here = noise ? noise[pixel] * how.gain : 0.0f;
    for_each(channels,
             [&]<class V>(int64_t c) {
               if constexpr (N == TAPS) __builtin_prefetch(out + ahead + c, 1);
               write(out + c, how(column<N, V>(from, c), read<V>(factor + c), read<V>(bias + c) + here));
             });
    for (int k = 0; k < N; ++k) from[k] += channels;
  }
}

// Pixels of one channel.
template <int N, class From, class T>
void finish_plane(const From* const (&rows)[N], float factor, float bias, const float* noise, const Finish& finish, T* out, int64_t pixels, int64_t ahead) {
  const From* from[N];
  for (int k = 0; k < N; ++k) from[k] = rows[k];
  const Finish how = finish;
  if (noise)
    for_each(pixels, [&]<class V>(int64_t i) {
      if constexpr (N == TAPS) __builtin_prefetch(out + ahead + i, 1);
      write(out + i, how(column<N, V>(from, i), same<V>(factor), read<V>(noise + i) * how.gain + bias));
    });
  else
    for_each(pixels, [&]<class V>(int64_t i) { write(out + i, how(column<N, V>(from, i), same<V>(factor), same<V>(bias))); });
}

// One picture's part of everything: of a sample (channels_last) or of a plane.
template <class T>
struct Picture {
  const Epilogue& a;
  const Finish finish;
  const T* x;
  T* out;
  const float *factor, *bias, *noise;

  Picture(const Epilogue& a, int64_t index) : a(a), finish(a.activation) {
    const int64_t inner = a.channels_last ? a.channels : 1, image = a.channels_last ? index : index / a.channels, extra = a.fir ? 1 : 0;
    x = static_cast<const T*>(a.x) + index * (a.height + extra) * (a.width + extra) * inner;
    out = static_cast<T*>(a.out) + index * a.height * a.width * inner;
    factor = a.factor + (a.channels_last ? image * a.channels : index);
    bias = a.bias + (a.channels_last ? 0 : index % a.channels);
    noise = a.noise ? a.noise + image * a.noise_step : nullptr;
  }

  template <int N, class From>
  void make(int64_t y, int64_t start, int64_t pixels, const From* const (&rows)[N]) const {
    const int64_t at = y * a.width + start;
    const float* here = noise ? noise + at : nullptr;
    if (a.channels_last)
      finish_pixels<N>(rows, a.channels, factor, bias, here, finish, out + at * a.channels, pixels, a.width * a.channels);
    else
      finish_plane<N>(rows, *factor, *bias, here, finish, out + at, pixels, a.width);
  }
};

template <class T>
void run(const Epilogue& a) {
  const int64_t inner = a.channels_last ? a.channels : 1, pictures = a.images * a.channels / inner;
  const Blur blur{a.height + 1, a.width + 1, a.height, a.width, inner, 1, 1};
  parallel_for(pictures * a.height, GRAIN / (a.width * inner) + 1, [&](int64_t begin, int64_t end) {
    Blurring<T> blurring(blur);
    while (begin < end) {
      const Picture<T> picture(a, begin / a.height);
      const int64_t first = begin % a.height, last = smaller(a.height, first + end - begin);
      if (a.fir) {
        blurring.run(picture.x, first, last, [&](int64_t y, int64_t start, int64_t pixels, const float* const (&rows)[TAPS]) {
          picture.template make<TAPS>(y, start, pixels, rows);
        });
      } else {
        for (int64_t y = first; y < last; ++y) picture.template make<1>(y, 0, a.width, {picture.x + y * a.width * inner});
      }
      begin += last - first;
    }
  });
}

}  // namespace

void epilogue(const Epilogue& arguments) {
  arguments.half ? run<bf16>(arguments) : run<float>(arguments);
}

}  // namespace ISA
