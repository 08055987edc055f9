// Minimal filtering (Winograd 1980, Toom–Cook interpolation) along one axis: which products a tile of outputs is made of.
//
// A scheme turns INPUTS neighbouring samples into PRODUCTS factors, the three taps of a filter into as many, multiplies them one by one,
// and turns the products into OUTPUTS samples. The first tile starts at sample ORIGIN, the next one STEP samples later.
// In two dimensions a scheme acts on rows, then on columns. Matrix names are the literature's: input B^T, weight G, output A^T.
// Gradients of weights need the transposes of the last two: output_adjoint A and weight_adjoint G^T.
#pragma once

#include "simd.h"

namespace ISA {

// The sum over the taps as it stands: 3 products per output.
struct Direct {
  static constexpr int INPUTS = 3, PRODUCTS = 3, OUTPUTS = 1, STEP = 1, ORIGIN = -1;
  static inline void weight(const Vec* g, Vec* u) {
    u[0] = g[0], u[1] = g[1], u[2] = g[2];
  }
  static inline void input(const Vec* d, Vec* v) {
    v[0] = d[0], v[1] = d[1], v[2] = d[2];
  }
  static inline void output(const Vec* m, Vec* y) {
    y[0] = m[0] + m[1] + m[2];
  }
  static inline void output_adjoint(const Vec* y, Vec* m) {
    m[0] = m[1] = m[2] = y[0];
  }
  static inline void weight_adjoint(const Vec* u, Vec* g) {
    g[0] = u[0], g[1] = u[1], g[2] = u[2];
  }
};

// F(2, 3) at the points 0, 1, −1, ∞: 4 products for 2 outputs. As exact as the direct sum.
struct Small {
  static constexpr int INPUTS = 4, PRODUCTS = 4, OUTPUTS = 2, STEP = 2, ORIGIN = -1;
  static inline void weight(const Vec* g, Vec* u) {
    u[0] = -g[0];
    u[1] = 0.5f * (g[0] + g[1] + g[2]);
    u[2] = 0.5f * (g[0] - g[1] + g[2]);
    u[3] = g[2];
  }
  static inline void input(const Vec* d, Vec* v) {
    v[0] = d[2] - d[0];
    v[1] = d[2] + d[1];
    v[2] = d[2] - d[1];
    v[3] = d[3] - d[1];
  }
  static inline void output(const Vec* m, Vec* y) {
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] + m[3];
  }
  static inline void output_adjoint(const Vec* y, Vec* m) {
    m[0] = y[0];
    m[1] = y[0] + y[1];
    m[2] = y[0] - y[1];
    m[3] = y[1];
  }
  static inline void weight_adjoint(const Vec* u, Vec* g) {
    Vec sum = 0.5f * (u[1] + u[2]);
    g[0] = sum - u[0];
    g[1] = 0.5f * (u[1] - u[2]);
    g[2] = sum + u[3];
  }
};

// F(4, 3) at the points 0, ±a, ±b, ∞: 6 products for 4 outputs. With a = 3/4 and b = 3/2 its rounding error is less than half of that at the
// usual points ±1, ±2: about twice the direct sum's.
struct Large {
  static constexpr int INPUTS = 6, PRODUCTS = 6, OUTPUTS = 4, STEP = 4, ORIGIN = -1;
  static constexpr float a = 0.75f, b = 1.5f, a2 = a * a, b2 = b * b;
  static inline void weight(const Vec* g, Vec* u) {
    const float points[4] = {a, -a, b, -b};
    u[0] = g[0] / (a2 * b2);
    for (int j = 0; j < 4; j++) {
      const float p = points[j], scale = j < 2 ? 2 * a2 * (a2 - b2) : 2 * b2 * (b2 - a2);
      u[1 + j] = (g[0] + p * (g[1] + p * g[2])) / scale;
    }
    u[5] = g[2];
  }
  static inline void input(const Vec* d, Vec* v) {
    Vec inner = d[2] - a2 * d[0], outer = d[3] - a2 * d[1];
    v[0] = (d[4] - a2 * d[2]) - b2 * inner;
    v[5] = (d[5] - a2 * d[3]) - b2 * outer;
    Vec even = d[4] - b2 * d[2], odd = a * (d[3] - b2 * d[1]);
    v[1] = even + odd;
    v[2] = even - odd;
    even = d[4] - a2 * d[2], odd = b * outer;
    v[3] = even + odd;
    v[4] = even - odd;
  }
  static inline void output(const Vec* m, Vec* y) {
    Vec sum = m[1] + m[2], difference = m[1] - m[2], more = m[3] + m[4], farther = m[3] - m[4];
    y[0] = m[0] + sum + more;
    y[1] = a * difference + b * farther;
    y[2] = a2 * sum + b2 * more;
    y[3] = a2 * a * difference + b2 * b * farther + m[5];
  }
  static inline void output_adjoint(const Vec* y, Vec* m) {
    Vec even = y[0] + a2 * y[2], odd = a * (y[1] + a2 * y[3]);
    m[0] = y[0];
    m[1] = even + odd;
    m[2] = even - odd;
    even = y[0] + b2 * y[2], odd = b * (y[1] + b2 * y[3]);
    m[3] = even + odd;
    m[4] = even - odd;
    m[5] = y[3];
  }
  static inline void weight_adjoint(const Vec* u, Vec* g) {
    constexpr float near = 1 / (2 * a2 * (a2 - b2)), far = 1 / (2 * b2 * (b2 - a2));
    Vec inner = near * (u[1] + u[2]), outer = far * (u[3] + u[4]);
    g[0] = (1 / (a2 * b2)) * u[0] + inner + outer;
    g[1] = (a * near) * (u[1] - u[2]) + (b * far) * (u[3] - u[4]);
    g[2] = a2 * inner + b2 * outer + u[5];
  }
};

// Stride-2 transposed convolution, u[2i + k] = Σ x[i] g[k]: even outputs have two taps, x[m − 1] g[2] + x[m] g[0], odd ones have one, x[m] g[1].

// As it stands: 3 products for 2 outputs.
struct DirectUp {
  static constexpr int INPUTS = 2, PRODUCTS = 3, OUTPUTS = 2, STEP = 1, ORIGIN = -1;
  static inline void weight(const Vec* g, Vec* u) {
    u[0] = g[2], u[1] = g[0], u[2] = g[1];
  }
  static inline void input(const Vec* d, Vec* v) {
    v[0] = d[0], v[1] = d[1], v[2] = d[1];
  }
  static inline void output(const Vec* m, Vec* y) {
    y[0] = m[0] + m[1], y[1] = m[2];
  }
  static inline void output_adjoint(const Vec* y, Vec* m) {
    m[0] = m[1] = y[0], m[2] = y[1];
  }
  static inline void weight_adjoint(const Vec* u, Vec* g) {
    g[0] = u[1], g[1] = u[2], g[2] = u[0];
  }
};

// F(3, 2) at 0, 1, −1, ∞ for three even outputs, beside three odd ones: 7 products for 6 outputs.
struct LargeUp {
  static constexpr int INPUTS = 4, PRODUCTS = 7, OUTPUTS = 6, STEP = 3, ORIGIN = -1;
  static inline void weight(const Vec* g, Vec* u) {
    u[0] = -g[2];
    u[1] = 0.5f * (g[2] + g[0]);
    u[2] = 0.5f * (g[2] - g[0]);
    u[3] = g[0];
    u[4] = u[5] = u[6] = g[1];
  }
  static inline void input(const Vec* d, Vec* v) {
    v[0] = d[2] - d[0];
    v[1] = d[2] + d[1];
    v[2] = d[2] - d[1];
    v[3] = d[3] - d[1];
    v[4] = d[1], v[5] = d[2], v[6] = d[3];
  }
  static inline void output(const Vec* m, Vec* y) {
    y[0] = m[0] + m[1] + m[2];
    y[2] = m[1] - m[2];
    y[4] = m[1] + m[2] + m[3];
    y[1] = m[4], y[3] = m[5], y[5] = m[6];
  }
  static inline void output_adjoint(const Vec* y, Vec* m) {
    m[0] = y[0];
    m[1] = y[0] + y[2] + y[4];
    m[2] = y[0] - y[2] + y[4];
    m[3] = y[4];
    m[4] = y[1], m[5] = y[3], m[6] = y[5];
  }
  static inline void weight_adjoint(const Vec* u, Vec* g) {
    g[0] = 0.5f * (u[1] - u[2]) + u[3];
    g[1] = u[4] + u[5] + u[6];
    g[2] = 0.5f * (u[1] + u[2]) - u[0];
  }
};

// Stride-2 convolution without padding, y[m] = Σ x[2m + k] g[k]: the transpose of the above, with the same products.

struct DirectDown {
  static constexpr int INPUTS = 3, PRODUCTS = 3, OUTPUTS = 1, STEP = 2, ORIGIN = 0;
  static inline void weight(const Vec* g, Vec* u) {
    Direct::weight(g, u);
  }
  static inline void input(const Vec* d, Vec* v) {
    Direct::input(d, v);
  }
  static inline void output(const Vec* m, Vec* y) {
    Direct::output(m, y);
  }
};

// Even samples have two taps, F(3, 2); odd ones have one.
struct LargeDown {
  static constexpr int INPUTS = 7, PRODUCTS = 7, OUTPUTS = 3, STEP = 6, ORIGIN = 0;
  static inline void weight(const Vec* g, Vec* u) {
    u[0] = -g[0];
    u[1] = 0.5f * (g[0] + g[2]);
    u[2] = 0.5f * (g[0] - g[2]);
    u[3] = g[2];
    u[4] = u[5] = u[6] = g[1];
  }
  static inline void input(const Vec* d, Vec* v) {
    v[0] = d[4] - d[0];
    v[1] = d[4] + d[2];
    v[2] = d[4] - d[2];
    v[3] = d[6] - d[2];
    v[4] = d[1], v[5] = d[3], v[6] = d[5];
  }
  static inline void output(const Vec* m, Vec* y) {
    y[0] = m[0] + m[1] + m[2] + m[4];
    y[1] = m[1] - m[2] + m[5];
    y[2] = m[1] + m[2] + m[3] + m[6];
  }
};

#define WITH_SCHEME(scheme, function, ...)                          \
  ((scheme) == DIRECT        ? function<Direct>(__VA_ARGS__)        \
   : (scheme) == SMALL       ? function<Small>(__VA_ARGS__)         \
   : (scheme) == LARGE       ? function<Large>(__VA_ARGS__)         \
   : (scheme) == DIRECT_UP   ? function<DirectUp>(__VA_ARGS__)      \
   : (scheme) == LARGE_UP    ? function<LargeUp>(__VA_ARGS__)       \
   : (scheme) == DIRECT_DOWN ? function<DirectDown>(__VA_ARGS__)    \
                             : function<LargeDown>(__VA_ARGS__))

}  // namespace ISA
