// What the kernels of every instruction set share: which set runs, threads, and the kernels' arguments.
//
// Files called register*.cpp are compiled once; they see torch's headers, check tensors and allocate results. Every other .cpp of this folder
// is a kernel: compiled once per instruction set, in the namespace ISA, without torch's headers and without inline functions or templates
// from outside that namespace (the linker would keep only one copy of those, perhaps with instructions that this machine lacks).
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#if defined(WITHOUT_AVX512)  // a build for one processor leaves out what that does not have
#define BEST_COMPILED 1
#define FOR_AVX512(declaration)
#define CALL_AVX512(kernel, ...)
#else
#define BEST_COMPILED 2
#define FOR_AVX512(declaration) \
  namespace avx512 {            \
  declaration                   \
  }
#define CALL_AVX512(kernel, ...) instruction_set() == 2 ? avx512::kernel(__VA_ARGS__) :
#endif
#define FOR_EACH_ISA(declaration) \
  FOR_AVX512(declaration)         \
  namespace avx2 {                \
  declaration                     \
  }                               \
  namespace portable {            \
  declaration                     \
  }
#define CALL_BEST(kernel, ...) \
  (CALL_AVX512(kernel, __VA_ARGS__) instruction_set() == 1 ? avx2::kernel(__VA_ARGS__) : portable::kernel(__VA_ARGS__))
#else
#define FOR_EACH_ISA(declaration) \
  namespace portable {            \
  declaration                     \
  }
#define CALL_BEST(kernel, ...) portable::kernel(__VA_ARGS__)
#endif

// 0 portable, 1 AVX2 with FMA, 2 AVX-512 (F, BW, DQ, VL): what this processor has, capped by CUDA_OPS_ISA=portable|avx2|avx512.
int instruction_set();

// Torch's own thread pool: work(begin, end, context) on parts of [0, count) of at least `grain` items.
void run_parallel(int64_t count, int64_t grain, void (*work)(int64_t, int64_t, void*), void* context);

namespace {

template <class Work>
inline void parallel_for(int64_t count, int64_t grain, const Work& work) {
  run_parallel(
      count, grain, [](int64_t begin, int64_t end, void* context) { (*static_cast<const Work*>(context))(begin, end); },
      const_cast<void*>(static_cast<const void*>(&work)));
}

}  // namespace

// Below this many elements a second thread costs more than it saves.
constexpr int64_t GRAIN = 16384;

// What follows a sum, in every kernel. Arrays of activations are float or (half) bfloat16; every parameter is float.
struct Activation {
  float slope;  // of negative values; 1 is linear
  float gain;
  float clamp;  // as the array's type holds it; negative: none
};

// channels_last: `inner` numbers per pixel, one bias each. Otherwise `inner` numbers share one bias.
struct BiasAct {
  const void* x;
  const float* bias;  // null: none
  void* out;
  int64_t count, channels, inner;
  bool channels_last, half;
  Activation activation;
};

struct BiasActBackward {
  const void* gradient;
  const void* y;
  void* out;
  int64_t count;
  bool half;
  Activation activation;
};

// upfirdn2d of `images` pictures of pixels of `inner` numbers: samples and their channels when channels_last, otherwise planes and 1.
// Taps are those of a correlation, with the gain. Separable: taps_y along columns, then taps_x along rows; otherwise `plane` [rows, columns].
struct Resample {
  const void* x;
  void* out;
  const float* taps_y;
  const float* taps_x;
  const float* plane;  // null: separable
  int64_t images, inner, height, width, out_height, out_width, rows, columns, up, down, left, top;
  bool half;
};

// clamp(leaky(fir(x) · factor + gain · noise + bias)); factor and bias have the gain already, and factor that of the FIR, whose taps are then
// 1, 3, 3, 1. height and width are the result's; with fir the picture has one row and column more.
struct Epilogue {
  const void* x;
  void* out;
  const float* factor;  // [images, channels]
  const float* bias;    // [channels]
  const float* noise;   // [images or 1, height, width]; null: none
  int64_t noise_step;   // 0 where all images share one
  int64_t images, channels, height, width;
  bool fir, channels_last, half;
  Activation activation;  // 0 ≤ slope ≤ 1
};

// clamp(weight · x + bias) + upsampled image, all pictures planar and float.
struct ToRgb {
  const void* x;
  float* out;
  const float* weight;  // [images, 3, channels], with the style
  const float* bias;    // [3]
  const float* image;   // [images, 3, height / 2, width / 2]; null: none
  int64_t images, channels, height, width;
  bool channels_last, half;
  float clamp;
};

FOR_EACH_ISA(void bias_act(const BiasAct& arguments); void bias_act_backward(const BiasActBackward& arguments);
             void resample(const Resample& arguments); void epilogue(const Epilogue& arguments); void to_rgb(const ToRgb& arguments);)
