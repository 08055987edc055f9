// clamp(gain · leaky(x + bias)) and its backward: one pass over memory.
#include "dispatch.h"
#include "rows.h"

namespace ISA {
namespace {

inline float limit_of(const Activation& how) {
  return how.clamp < 0.0f ? __builtin_inff() : how.clamp;
}

// One run of numbers, with a bias each (STRIDE 1) or one for all (STRIDE 0).
template <int STRIDE, class T>
void run(const T* x, const float* bias, T* out, int64_t count, const Activation& how) {
  const float rising = how.gain, falling = how.slope * how.gain, limit = limit_of(how), only = *bias;
  for_each(count, [=]<class V>(int64_t i) {
    V value = read<V>(x + i) + (STRIDE ? read<V>(bias + i) : same<V>(only));
    value *= value < 0.0f ? same<V>(falling) : same<V>(rising);
    write(out + i, most(same<V>(-limit), least(same<V>(limit), value)));  // in this order NaN stays NaN
  });
}

template <class T>
void forward(const BiasAct& a) {
  const T* x = static_cast<const T*>(a.x);
  T* out = static_cast<T*>(a.out);
  const float zero = 0.0f;
  if (!a.bias) {
    parallel_for(a.count, GRAIN, [&](int64_t begin, int64_t end) { run<0>(x + begin, &zero, out + begin, end - begin, a.activation); });
    return;
  }
  const int64_t length = a.channels_last ? a.channels : a.inner;
  parallel_for(a.count / length, GRAIN / length + 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t at = row * length;
      if (a.channels_last)
        run<1>(x + at, a.bias, out + at, length, a.activation);
      else
        run<0>(x + at, a.bias + row % a.channels, out + at, length, a.activation);
    }
  });
}

template <class T>
void backward(const BiasActBackward& a) {
  const float rising = a.activation.gain, falling = a.activation.slope * rising, limit = limit_of(a.activation);
  parallel_for(a.count, GRAIN, [&](int64_t begin, int64_t end) {
    const T *gradient = static_cast<const T*>(a.gradient) + begin, *y = static_cast<const T*>(a.y) + begin;
    T* out = static_cast<T*>(a.out) + begin;
    for_each(end - begin, [=]<class V>(int64_t i) {
      const V value = read<V>(y + i), factor = value < 0.0f ? same<V>(falling) : same<V>(rising);
      write(out + i, read<V>(gradient + i) * (most(value, -value) >= limit ? V{} : factor));
    });
  });
}

}  // namespace

void bias_act(const BiasAct& arguments) {
  arguments.half ? forward<bf16>(arguments) : forward<float>(arguments);
}

void bias_act_backward(const BiasActBackward& arguments) {
  arguments.half ? backward<bf16>(arguments) : backward<float>(arguments);
}

}  // namespace ISA
