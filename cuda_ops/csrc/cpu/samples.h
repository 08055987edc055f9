// What pictures drawn sample by sample are given; plain data, the same for every instruction set.
//
// Their kernels are compiled without fused multiply-adds (see plan.py), so that every machine draws the same picture.
#pragma once

#include <cstdint>

#include "dispatch.h"

// Segments of one picture, see cuda_ops/strands.py. Ends are three planes (ndc x, ndc y, depth), `plane` numbers apart.
struct Strands {
  const float* starts;
  const float* ends;
  const uint8_t* shown;
  const float* width;
  int64_t segments, plane;
  int resolution;
  float relief, spacing;  // spacing: pixels between samples of a wide lock
  int along_steps, across_steps;
};

// Bits of a key that hold segment, along and across; bits of 1/depth stand above them.
constexpr int PLACE_BITS = 31;

// Enter every segment into the z-buffer of keys, which is zero where nothing has been drawn.
FOR_EACH_ISA(void draw_strands(const Strands& strands, uint64_t* nearest);)
