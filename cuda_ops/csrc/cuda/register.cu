// Schemas and kernels of this library, through torch's stable ABI: one binary for every torch that has it, no ATen headers.
#include <torch/csrc/stable/library.h>

#include "ops.h"

#ifdef HOST_GRID
#define NAMESPACE cuda_ops_host
#define DEVICE CPU
#else
#define NAMESPACE cuda_ops_cuda
#define DEVICE CUDA
#endif

STABLE_TORCH_LIBRARY_FRAGMENT(NAMESPACE, library) {
  library.def("bias_act(Tensor x, Tensor? bias, float slope, float gain, float clamp) -> Tensor");
  library.def("bias_act_backward(Tensor grad, Tensor y, float slope, float gain, float clamp) -> Tensor");
  library.def("upfirdn2d(Tensor x, Tensor filter, int up, int down, int[] padding, bool flip, float gain) -> Tensor");
  library.def("epilogue(Tensor x, Tensor? factor, Tensor? noise, Tensor? bias, bool fir, float slope, float gain, float clamp) -> Tensor");
  library.def(
      "epilogue_styled(Tensor x, Tensor? factor, Tensor? noise, Tensor? bias, Tensor style, bool fir, float slope, float gain, float clamp)"
      " -> Tensor");
  library.def("to_rgb(Tensor x, Tensor weight, Tensor style, Tensor? bias, Tensor? image, float clamp) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(NAMESPACE, DEVICE, library) {
  library.impl("bias_act", TORCH_BOX(&cuda_ops::bias_act));
  library.impl("bias_act_backward", TORCH_BOX(&cuda_ops::bias_act_backward));
  library.impl("upfirdn2d", TORCH_BOX(&cuda_ops::upfirdn2d));
  library.impl("epilogue", TORCH_BOX(&cuda_ops::epilogue));
  library.impl("epilogue_styled", TORCH_BOX(&cuda_ops::epilogue_styled));
  library.impl("to_rgb", TORCH_BOX(&cuda_ops::to_rgb));
}
