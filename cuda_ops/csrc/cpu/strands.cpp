// Strands of hair, sample by sample with the arithmetic of cuda_ops/strands.py, so that both see the same pixels.
#include <math.h>
#include <string.h>

#include "samples.h"

namespace ISA {
namespace {

inline float lesser(float a, float b) {
  return a < b ? a : b;
}

inline float greater(float a, float b) {
  return a > b ? a : b;
}

inline bool crosses(float start, float change, float size) {
  return lesser(start, start + change) < size && greater(start, start + change) > -1;
}

inline void draw(const Strands& s, int64_t segment, uint64_t* nearest) {
  const float *start = s.starts + segment, *end = s.ends + segment;
  const float half = float(s.resolution) / 2, size = float(s.resolution);
  const float x = (start[0] + 1) * half - 0.5f, y = (1 - start[s.plane]) * half - 0.5f, depth = start[2 * s.plane];
  const float dx = (end[0] - start[0]) * half, dy = (start[s.plane] - end[s.plane]) * half, away = end[2 * s.plane] - depth;
  const float longest = greater(fabsf(dx), fabsf(dy));
  if (!crosses(x, dx, size) || !crosses(y, dy, size) || !(lesser(depth, depth + away) > 0) || !(longest < 2 * size)) return;
  const float thick = s.width[segment] * half, length = hypotf(dx, dy);
  const bool wide = thick >= 1.5f;
  const float runs = wide ? nearbyintf(thick / s.spacing) : 1.0f;
  const float steps = greater(ceilf(wide ? length / s.spacing : longest), 1.0f), advance = 1 / steps;
  const float reach = wide ? 0.5f * thick : 0.0f, bulge = wide ? s.relief * s.width[segment] : 0.0f;
  const float side_x = -dy / greater(length, 1e-6f) * reach, side_y = dx / greater(length, 1e-6f) * reach;
  for (int stage = 0; stage < int(steps); ++stage) {
    const float along = (float(stage) + 0.5f) * advance;
    const float middle_x = x + along * dx, middle_y = y + along * dy, distance = depth + along * away;
    const uint64_t place = (uint64_t(segment) * s.along_steps + uint64_t(along * s.along_steps)) * s.across_steps;
    for (int run = 0; run < int(runs); ++run) {
      const float across = wide ? (2 * float(run) + 1) / runs - 1 : 0.0f;
      const float column = nearbyintf(middle_x + across * side_x), row = nearbyintf(middle_y + across * side_y);
      if (!(column >= 0 && column < size && row >= 0 && row < size)) continue;
      const float inverse = 1 / (wide ? distance - bulge * sqrtf(1 - across * across) : distance);
      if (inverse < 0) continue;  // bulges through the camera
      uint32_t bits;
      memcpy(&bits, &inverse, 4);
      const uint64_t key = uint64_t(bits) << PLACE_BITS | (place + uint64_t((across + 1) * (s.across_steps / 2)));
      uint64_t* best = nearest + int64_t(row) * s.resolution + int64_t(column);
      *best = key > *best ? key : *best;
    }
  }
}

}  // namespace

void draw_strands(const Strands& strands, uint64_t* nearest) {
  for (int64_t segment = 0; segment < strands.segments; ++segment)
    if (strands.shown[segment]) draw(strands, segment, nearest);
}

}  // namespace ISA
