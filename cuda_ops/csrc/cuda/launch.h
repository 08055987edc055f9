// How a kernel is written once and run twice: over the threads of a GPU, or over two loops on the host.
//
// A kernel is a small struct of plain values with `operator()(sample, item)`, one independent piece of work. nvcc turns `launch` into a
// __global__ function on the tensor's current stream; with -DHOST_GRID any C++ compiler turns it into loops over a deliberately small grid,
// so that grid-stride loops, tails and index arithmetic are exercised on machines without a GPU. Kernels whose threads cooperate have two
// phases, `stage` and `compute`, with the block's shared memory between them: __syncthreads() on the device, two loops on the host.
//
// Sizes, chosen for an H200 (132 multiprocessors, 2048 resident threads each, 4.8 TB/s). Everything here is bound by memory: to keep
// 4.8 TB/s busy at about 0.7 µs of latency, 3.4 MB must be under way, 25 KB per multiprocessor. Each thread has one to four 16-byte loads
// in flight, so 1,600 down to 400 resident threads do. Blocks of 128 threads fill a multiprocessor as well as larger ones (at most 32 blocks
// are resident) and spread the small pictures, which are bound by latency, over twice as many multiprocessors as blocks of 256.
#pragma once

#include <cstdint>

#ifdef HOST_GRID
#define BOTH inline
#define UNROLL
#define UNROLL_BY(times)
#else
#include <cuda_runtime.h>
#define BOTH __host__ __device__ __forceinline__
#define UNROLL _Pragma("unroll")
#define PRAGMA(text) _Pragma(#text)
#define UNROLL_BY(times) PRAGMA(unroll (times))
#endif

#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/tensor.h>

namespace cuda_ops {

#ifdef HOST_GRID
constexpr uint32_t THREADS = 32;
constexpr uint32_t MOST_BLOCKS = 3;    // grid-stride loops go round
constexpr uint32_t MOST_SAMPLES = 2;
constexpr int64_t ENOUGH_THREADS = 24;  // threads walk down long strips
#else
constexpr uint32_t THREADS = 128;
constexpr uint32_t MOST_BLOCKS = 1u << 20;  // gridDim.x may have 2^31 − 1; enough that no loop goes round in practice
constexpr uint32_t MOST_SAMPLES = 65535;    // the limit of gridDim.y
constexpr int64_t ENOUGH_THREADS = 132 * 1024;
#endif

#ifndef HOST_GRID
// Threads that a multiprocessor can hold: no kernel may promise the compiler more.
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ == 800 || __CUDA_ARCH__ == 900 || __CUDA_ARCH__ == 1000 || __CUDA_ARCH__ == 1030
constexpr uint32_t RESIDENT_THREADS = 2048;
#elif __CUDA_ARCH__ == 750
constexpr uint32_t RESIDENT_THREADS = 1024;
#else
constexpr uint32_t RESIDENT_THREADS = 1536;
#endif

constexpr uint32_t resident(uint32_t blocks) {
  return blocks * THREADS < RESIDENT_THREADS ? blocks : RESIDENT_THREADS / THREADS;
}
#endif

struct Place {
  uint32_t block, blocks;    // of the x axis: pieces of one sample
  uint32_t sample, samples;  // of the y axis
  uint32_t thread;
};

template <class Kernel>
BOTH void walk(const Kernel& kernel, uint32_t samples, uint32_t items, Place place) {
  for (uint32_t sample = place.sample; sample < samples; sample += place.samples)
    for (uint32_t item = place.block * THREADS + place.thread; item < items; item += place.blocks * THREADS) kernel(sample, item);
}

inline uint32_t fewer(int64_t wanted, uint32_t most) {
  return wanted < int64_t(most) ? uint32_t(wanted) : most;
}

inline void check_items(int64_t samples, int64_t items) {
  STD_TORCH_CHECK(
      samples < (int64_t(1) << 31) && items < (int64_t(1) << 31),
      "one sample has ", items, " vectors of work; at most 2^31 - 1 can be counted: use smaller pictures");
}

#ifndef HOST_GRID

// The device and the stream that torch works on. The runtime linked into this library keeps its own idea of the device, hence cudaSetDevice.
class Queue {
 public:
  explicit Queue(const torch::stable::Tensor& tensor)
      : guard_(tensor.get_device_index()),
        stream_(static_cast<cudaStream_t>(torch::stable::accelerator::getCurrentStream(tensor.get_device_index()).nativeHandle())) {
    check(cudaSetDevice(tensor.get_device_index()));
  }
  cudaStream_t stream() const {
    return stream_;
  }
  static void check(cudaError_t error) {
    STD_TORCH_CHECK(error == cudaSuccess, "CUDA: ", cudaGetErrorString(error));
  }

 private:
  torch::stable::accelerator::DeviceGuard guard_;
  cudaStream_t stream_;
};

template <class Kernel>
__global__ void __launch_bounds__(THREADS, resident(Kernel::BLOCKS)) run(const Kernel kernel, uint32_t samples, uint32_t items) {
  walk(kernel, samples, items, {blockIdx.x, gridDim.x, blockIdx.y, gridDim.y, threadIdx.x});
}

template <class Kernel>
__global__ void __launch_bounds__(THREADS, resident(Kernel::BLOCKS)) run_blocks(const Kernel kernel, uint32_t samples, uint32_t blocks) {
  __shared__ typename Kernel::Shared shared;
  for (uint32_t sample = blockIdx.y; sample < samples; sample += gridDim.y)
    for (uint32_t block = blockIdx.x; block < blocks; block += gridDim.x) {
      kernel.stage(sample, block, threadIdx.x, shared);
      __syncthreads();
      kernel.compute(sample, block, threadIdx.x, shared);
      __syncthreads();  // before the next round overwrites what is shared
    }
}

inline dim3 grid_of(int64_t samples, int64_t blocks) {
  return dim3(fewer(blocks, MOST_BLOCKS), fewer(samples, MOST_SAMPLES));
}

#else

class Queue {
 public:
  explicit Queue(const torch::stable::Tensor&) {}
};

#endif

// kernel(sample, item) for every sample and item, in no particular order.
template <class Kernel>
void launch([[maybe_unused]] const Queue& queue, int64_t samples, int64_t items, const Kernel& kernel) {
  if (samples == 0 || items == 0) return;
  check_items(samples, items);
  const int64_t blocks = (items + THREADS - 1) / THREADS;
#ifdef HOST_GRID
  const Place grid{0, fewer(blocks, MOST_BLOCKS), 0, fewer(samples, MOST_SAMPLES), 0};
  for (Place place = grid; place.sample < grid.samples; ++place.sample)
    for (place.block = 0; place.block < grid.blocks; ++place.block)
      for (place.thread = 0; place.thread < THREADS; ++place.thread) walk(kernel, uint32_t(samples), uint32_t(items), place);
#else
  run<<<grid_of(samples, blocks), THREADS, 0, queue.stream()>>>(kernel, uint32_t(samples), uint32_t(items));
  Queue::check(cudaGetLastError());
#endif
}

// kernel.stage, then kernel.compute, by all threads of every block of every sample.
template <class Kernel>
void launch_blocks([[maybe_unused]] const Queue& queue, int64_t samples, int64_t blocks, const Kernel& kernel) {
  if (samples == 0 || blocks == 0) return;
  check_items(samples, blocks);
#ifdef HOST_GRID
  for (int64_t sample = 0; sample < samples; ++sample)
    for (int64_t block = 0; block < blocks; ++block) {
      typename Kernel::Shared shared;
      for (uint32_t thread = 0; thread < THREADS; ++thread) kernel.stage(uint32_t(sample), uint32_t(block), thread, shared);
      for (uint32_t thread = 0; thread < THREADS; ++thread) kernel.compute(uint32_t(sample), uint32_t(block), thread, shared);
    }
#else
  run_blocks<<<grid_of(samples, blocks), THREADS, 0, queue.stream()>>>(kernel, uint32_t(samples), uint32_t(blocks));
  Queue::check(cudaGetLastError());
#endif
}

}  // namespace cuda_ops
