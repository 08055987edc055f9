// Memory for large results, kept when a tensor dies and given to the next of about its size.
//
// The first touch of fresh pages costs several times what the kernels themselves need, and an allocator that returns large blocks to the
// system pays it at every call. At most KEPT bytes lie idle; the blocks that were idle longest go first.
#pragma once

#include <cstdlib>
#include <list>
#include <mutex>
#include <unordered_map>

#if defined(__linux__)
#include <sys/mman.h>
#endif

class Pool {
 public:
  static constexpr size_t SMALLEST = size_t(1) << 18;  // what is smaller is left to the allocator
  static constexpr size_t KEPT = size_t(512) << 20;

  // Never destroyed: tensors may outlive everything else at the end of the process.
  static Pool& instance() {
    static Pool* const pool = new Pool;
    return *pool;
  }

  // Null when there is no memory.
  void* take(size_t bytes) {
    const size_t page = bytes < 2 * HUGE_PAGE ? 4096 : HUGE_PAGE, size = (bytes + page - 1) / page * page;
    const std::lock_guard<std::mutex> guard(mutex_);
    auto best = idle_.end();
    for (auto block = idle_.begin(); block != idle_.end(); ++block)
      if (block->size >= size && block->size <= size + size / 4 && (best == idle_.end() || block->size < best->size)) best = block;
    void* data;
    if (best != idle_.end()) {
      data = best->data;
      used_[data] = best->size;
      idle_bytes_ -= best->size;
      idle_.erase(best);
      return data;
    }
    data = std::aligned_alloc(page, size);
    if (!data) return nullptr;
#if defined(__linux__)
    if (page == HUGE_PAGE) madvise(data, size, MADV_HUGEPAGE);
#endif
    used_[data] = size;
    return data;
  }

  void give_back(void* data) {
    const std::lock_guard<std::mutex> guard(mutex_);
    const auto found = used_.find(data);
    idle_.push_back({data, found->second});
    idle_bytes_ += found->second;
    used_.erase(found);
    shrink(KEPT);
  }

  // Free what is idle down to `bytes`.
  void trim(size_t bytes) {
    const std::lock_guard<std::mutex> guard(mutex_);
    shrink(bytes);
  }

 private:
  static constexpr size_t HUGE_PAGE = size_t(2) << 20;

  struct Block {
    void* data;
    size_t size;
  };

  void shrink(size_t bytes) {
    while (idle_bytes_ > bytes) {
      idle_bytes_ -= idle_.front().size;
      std::free(idle_.front().data);
      idle_.pop_front();
    }
  }

  std::mutex mutex_;
  std::list<Block> idle_;  // longest idle first
  std::unordered_map<void*, size_t> used_;
  size_t idle_bytes_ = 0;
};
