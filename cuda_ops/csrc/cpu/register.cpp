// The operators of namespace cuda_ops_cpu, on torch's stable ABI: checks, allocation, then the kernel of the best instruction set.
//
// To add an operator: write its kernel into a new .cpp (compiled per instruction set, see dispatch.h), declare it with FOR_EACH_ISA in a header
// of its own, and write register_<name>.cpp like this file: a function on Tensors that ends in CALL_BEST(kernel, …), then
// STABLE_TORCH_LIBRARY_FRAGMENT(cuda_ops_cpu, library) with library.def(schema) and STABLE_TORCH_LIBRARY_IMPL(cuda_ops_cpu, CPU, library) with
// library.impl(name, TORCH_BOX(&function)). The build picks up every .cpp of this folder by itself.
#include <cstdlib>
#include <cstring>

#include "tensors.h"

namespace {

int detect() {
#if defined(__x86_64__)
  int best = 0;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) best = 1;
  if (best == 1 && BEST_COMPILED == 2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    best = 2;
  const char* wanted = std::getenv("CUDA_OPS_ISA");
  if (wanted && !std::strcmp(wanted, "portable")) return 0;
  if (wanted && !std::strcmp(wanted, "avx2") && best > 1) return 1;
  return best;
#else
  return 0;
#endif
}

}  // namespace

int instruction_set() {
  static const int chosen = detect();
  return chosen;
}

void run_parallel(int64_t count, int64_t grain, void (*work)(int64_t, int64_t, void*), void* context) {
  if (count <= grain)
    work(0, count, context);  // saves the trip to the thread pool, which small tensors feel
  else
    torch::stable::parallel_for(0, count, grain, [&](int64_t begin, int64_t end) { work(begin, end, context); });
}

namespace {

Tensor bias_act(const Tensor& x, const std::optional<Tensor>& bias, double slope, double gain, double clamp) {
  const bool half = is_half(x), last = is_channels_last(x);
  Tensor out = empty(sizes_of(x), x.scalar_type(), last);
  BiasAct a{};
  std::vector<float> values;
  a.count = x.numel();
  a.channels = x.dim() > 1 ? x.size(1) : 1;
  if (bias) {
    values = floats(*bias);
    STD_TORCH_CHECK(int64_t(values.size()) == a.channels, "one bias per channel is needed");
    a.bias = values.data();
  }
  const int64_t samples = x.size(0) * a.channels;
  a.inner = samples ? a.count / samples : 0;
  a.channels_last = last || a.inner == 1;
  a.half = half;
  a.x = x.const_data_ptr();
  a.out = out.mutable_data_ptr();
  a.activation = {float(slope), float(gain), clamp_in(half, clamp)};
  if (a.count) CALL_BEST(bias_act, a);
  return out;
}

Tensor bias_act_backward(const Tensor& gradient, const Tensor& y, double slope, double gain, double clamp) {
  const bool half = is_half(y), last = is_channels_last(y);
  STD_TORCH_CHECK(is_half(gradient) == half && is_channels_last(gradient) == last && gradient.numel() == y.numel(),
                  "gradient and output must have one type, shape and layout");
  Tensor out = empty(sizes_of(y), y.scalar_type(), last);
  BiasActBackward a{};
  a.gradient = gradient.const_data_ptr();
  a.y = y.const_data_ptr();
  a.out = out.mutable_data_ptr();
  a.count = y.numel();
  a.half = half;
  a.activation = {float(slope), float(gain), clamp_in(half, clamp)};
  if (a.count) CALL_BEST(bias_act_backward, a);
  return out;
}

int64_t isa() {
  return instruction_set();
}

void trim(int64_t bytes) {
  Pool::instance().trim(bytes > 0 ? size_t(bytes) : 0);
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(cuda_ops_cpu, library) {
  library.def("isa() -> int");
  library.def("trim(int bytes) -> ()");
  library.def("bias_act(Tensor x, Tensor? bias, float slope, float gain, float clamp) -> Tensor");
  library.def("bias_act_backward(Tensor gradient, Tensor y, float slope, float gain, float clamp) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(cuda_ops_cpu, CompositeExplicitAutograd, library) {
  library.impl("isa", TORCH_BOX(&isa));
  library.impl("trim", TORCH_BOX(&trim));
}

STABLE_TORCH_LIBRARY_IMPL(cuda_ops_cpu, CPU, library) {
  library.impl("bias_act", TORCH_BOX(&bias_act));
  library.impl("bias_act_backward", TORCH_BOX(&bias_act_backward));
}
