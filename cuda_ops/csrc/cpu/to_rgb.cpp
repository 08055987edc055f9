// Colours of a block: three sums over channels per pixel, bias, clamp, and the doubled picture so far. One pass over the activations.
#include "dispatch.h"
#include "rows.h"

namespace ISA {
namespace {

typedef float Four __attribute__((vector_size(16)));

// The sums of three vectors, in the first three places.
inline Four sums_of(Vec red, Vec green, Vec blue) {
  Four r, g, b;
  const float *x = reinterpret_cast<const float*>(&red), *y = reinterpret_cast<const float*>(&green), *z = reinterpret_cast<const float*>(&blue);
  std::memcpy(&r, x, 16), std::memcpy(&g, y, 16), std::memcpy(&b, z, 16);
  for (int part = 4; part < LANES; part += 4) {
    Four more;
    std::memcpy(&more, x + part, 16), r += more;
    std::memcpy(&more, y + part, 16), g += more;
    std::memcpy(&more, z + part, 16), b += more;
  }
  const Four zero{};
  const Four low = __builtin_shufflevector(r, g, 0, 4, 1, 5) + __builtin_shufflevector(r, g, 2, 6, 3, 7);
  const Four high = __builtin_shufflevector(b, zero, 0, 4, 1, 5) + __builtin_shufflevector(b, zero, 2, 6, 3, 7);
  return __builtin_shufflevector(low, high, 0, 1, 4, 5) + __builtin_shufflevector(low, high, 2, 3, 6, 7);
}

// A row of pixels that hold their channels next to each other → three rows of colours.
template <class T>
void mix_pixels(const T* x, const float* weight, int64_t channels, int64_t width, float* red, float* green, float* blue) {
  for (int64_t pixel = 0; pixel < width; ++pixel, x += channels) {
    Vec r{}, g{}, b{};
    int64_t c = 0;
    for (; c + LANES <= channels; c += LANES) {
      const Vec value = read<Vec>(x + c);
      r += value * load(weight + c);
      g += value * load(weight + channels + c);
      b += value * load(weight + 2 * channels + c);
    }
    Four total = sums_of(r, g, b);
    for (; c < channels; ++c) {
      const float value = load_one(x + c);
      total += Four{weight[c], weight[channels + c], weight[2 * channels + c], 0.0f} * value;
    }
    red[pixel] = total[0], green[pixel] = total[1], blue[pixel] = total[2];
  }
}

// The same where every channel is a plane: x is the row in the first.
template <class T>
void mix_planes(const T* x, const float* weight, int64_t channels, int64_t plane, int64_t width, float* red, float* green, float* blue) {
  int64_t i = 0;
  for (; i + LANES <= width; i += LANES) {
    Vec r{}, g{}, b{};
    for (int64_t c = 0; c < channels; ++c) {
      const Vec value = read<Vec>(x + c * plane + i);
      r += value * weight[c], g += value * weight[channels + c], b += value * weight[2 * channels + c];
    }
    store(red + i, r), store(green + i, g), store(blue + i, b);
  }
  for (; i < width; ++i) {
    float r = 0.0f, g = 0.0f, b = 0.0f;
    for (int64_t c = 0; c < channels; ++c) {
      const float value = load_one(x + c * plane + i);
      r += value * weight[c], g += value * weight[channels + c], b += value * weight[2 * channels + c];
    }
    red[i] = r, green[i] = g, blue[i] = b;
  }
}

// Row y of the picture of twice the size: (x[i − 1] + 3 x[i]) / 4 and (3 x[i] + x[i + 1]) / 4 on both axes, zero outside. line: width / 2 + 2 numbers.
void add_doubled(const float* image, int64_t y, int64_t height, int64_t width, float* line, float* even, float* odd, float* out) {
  const int64_t rows = height / 2, half = width / 2, near = y / 2, far = y % 2 ? near + 1 : near - 1;
  const float* sources[2] = {image + near * half, image + far * half};
  const float taps[2] = {0.75f, 0.25f};
  line[0] = line[half + 1] = 0.0f;
  weighted_sum(sources, taps, far < 0 || far >= rows ? 1 : 2, line + 1, half);
  for (int64_t i = 0; i < half; ++i) {
    even[i] = 0.25f * line[i] + 0.75f * line[i + 1];
    odd[i] = 0.75f * line[i + 1] + 0.25f * line[i + 2];
  }
  for (int64_t i = 0; i < half; ++i) {
    out[2 * i] += even[i];
    out[2 * i + 1] += odd[i];
  }
}

template <class T>
void run(const ToRgb& a) {
  const float limit = a.clamp < 0.0f ? __builtin_inff() : a.clamp;
  const int64_t plane = a.height * a.width, half = a.width / 2;
  parallel_for(a.images * a.height, GRAIN / (a.width * a.channels) + 1, [&](int64_t begin, int64_t end) {
    Scratch scratch(3 * half + 2);
    for (int64_t row = begin; row < end; ++row) {
      const int64_t image = row / a.height, y = row % a.height;
      const float* weight = a.weight + image * 3 * a.channels;
      float* out = a.out + image * 3 * plane + y * a.width;
      const T* x = static_cast<const T*>(a.x);
      if (a.channels_last)
        mix_pixels(x + row * a.width * a.channels, weight, a.channels, a.width, out, out + plane, out + 2 * plane);
      else
        mix_planes(x + image * a.channels * plane + y * a.width, weight, a.channels, plane, a.width, out, out + plane, out + 2 * plane);
      for (int64_t colour = 0; colour < 3; ++colour, out += plane) {
        for (int64_t i = 0; i < a.width; ++i) {
          float value = out[i] + a.bias[colour];
          value = limit < value ? limit : value;
          out[i] = -limit > value ? -limit : value;
        }
        if (a.image)
          add_doubled(a.image + (image * 3 + colour) * (a.height / 2) * half, y, a.height, a.width, scratch.data, scratch.data + half + 2,
                      scratch.data + 2 * half + 2, out);
      }
    }
  });
}

}  // namespace

void to_rgb(const ToRgb& arguments) {
  arguments.half ? run<bf16>(arguments) : run<float>(arguments);
}

}  // namespace ISA
