// y = x Wᵀ for weights in four precisions, packed so that a product reads them once and in order.
//
// A panel is 32 outputs (two vectors); within it the inputs run, a step of 1 (float), 2 (bfloat16) or 4 (bytes) inputs
// of each output at a time. A sum runs over the inputs in their order whatever the number of rows, so a row's result
// does not depend on its neighbours.
#pragma once
#include <algorithm>
#include <utility>
#include "vectors.h"

enum Kind : int32_t { F32, BF16, INT8, INT4 };
constexpr int PANEL = 32, GROUP = 32;  // outputs of a panel; inputs that share a scale in four bits
constexpr int GROUP_BYTES = PANEL * GROUP / 2 + PANEL * 2;
constexpr float LEAST = 1e-36f;  // largest magnitudes below it count as 0: their inverses would overflow

struct Matrix {
    int32_t kind, n, k, flat;  // outputs, inputs; flat: float or bfloat16 rows [n, k] as a checkpoint holds them
    const uint8_t* data;
    const float* scale;     // INT8: of each output
    const int32_t* offset;  // INT8: -128 · the sum of an output's weights, for activations are stored 128 too large
    const float* bias;
};

static inline int up(int n, int to) { return (n + to - 1) / to * to; }
static inline int panels(const Matrix& w) { return up(w.n, PANEL) / PANEL; }
static inline int steps_of(int kind) { return kind == F32 ? 1 : kind == BF16 ? 2 : 4; }
static inline int width_of(int kind, int k) { return up(k, kind == INT4 ? GROUP : steps_of(kind)); }
static inline int64_t panel_bytes(int kind, int k) {
    int64_t width = width_of(kind, k);
    return kind == INT4 ? width / GROUP * GROUP_BYTES : width * PANEL * (kind == F32 ? 4 : kind == BF16 ? 2 : 1);
}

// Rows ready to be multiplied by a weight of some kind: as they are, as bfloat16, or as bytes with a scale for each row.
struct Rows {
    int kind, k;
    int64_t stride;   // bytes from row to row
    uint8_t* data;
    float* scale;     // bytes: what one step stands for
    int32_t* groups;  // INT4: -8 · the sum of each group of inputs (weights are stored 8 too large)
};

static inline void prepare(const Rows& to, int row, const float* x) {
    uint8_t* out = to.data + row * to.stride;
    int k = to.k, width = width_of(to.kind, k);
    if (to.kind == F32) {
        std::memcpy(out, x, k * sizeof(float));
        return;
    }
    if (to.kind == BF16) {
        auto* half = (uint16_t*)out;
        for (int i = 0; i < width; ++i) half[i] = i < k ? to_bf16(x[i]) : 0;
        return;
    }
    F most{};
    int i = 0;
    for (; i + LANES <= k; i += LANES) most = larger(most, magnitude(widen(x + i)));
    float top = largest(most);
    for (; i < k; ++i) top = std::max(top, std::fabs(x[i]));
    float step = top / 127.f, inverse = top > LEAST ? 127.f / top : 0.f;
    to.scale[row] = step;
    int shift = to.kind == INT8 ? 128 : 0;
    for (i = 0; i + LANES <= k; i += LANES) {
        F r = widen(x + i) * inverse + 12582912.f;  // rounds to nearest, ties to even
        B bytes = __builtin_convertvector((I)r - 0x4b400000 + shift, B);
        store(out + i, bytes);
    }
    for (; i < width; ++i) {
        float r = i < k ? x[i] * inverse + 12582912.f : 12582912.f;
        int32_t bits;
        std::memcpy(&bits, &r, 4);
        out[i] = uint8_t(bits - 0x4b400000 + shift);
    }
    if (to.kind == INT4)
        for (int g = 0; g < width / GROUP; ++g) {
            int32_t total = 0;
            for (int j = 0; j < GROUP; ++j) total += (int8_t)out[g * GROUP + j];
            to.groups[row * (width / GROUP) + g] = -8 * total;
        }
}

// One tile: R rows by one panel. Writes or adds 32 sums for each row.
template <int R> struct Sums {
    F low[R], high[R];
};

static inline I four(const uint8_t* p) {
    int32_t x;
    std::memcpy(&x, p, 4);
    return I{} + x;
}

template <int R> static inline Sums<R> tile_f32(const Matrix& w, const uint8_t* data, const Rows& a, int row) {
    Sums<R> s{};
    const uint8_t* x = a.data + row * a.stride;
    for (int k = 0; k < w.k; ++k) {
        F low = load<F>(data + k * 128), high = load<F>(data + k * 128 + 64);
        for (int r = 0; r < R; ++r) {
            float v = ((const float*)(x + r * a.stride))[k];
            s.low[r] += low * v, s.high[r] += high * v;
        }
    }
    return s;
}

template <int R> static inline Sums<R> tile_bf16(const Matrix& w, const uint8_t* data, const Rows& a, int row) {
    Sums<R> s{};
    const uint8_t* x = a.data + row * a.stride;
    for (int k = 0; k < width_of(BF16, w.k) / 2; ++k) {
        I low = load<I>(data + k * 128), high = load<I>(data + k * 128 + 64);
        for (int r = 0; r < R; ++r) {
            I v = four(x + r * a.stride + k * 4);
            s.low[r] = dot2(s.low[r], v, low), s.high[r] = dot2(s.high[r], v, high);
        }
    }
    return s;
}

template <int R> static inline Sums<R> tile_int8(const Matrix& w, const uint8_t* data, const Rows& a, int row, int panel) {
    I low_sums[R], high_sums[R];
    const int32_t* offset = w.offset + panel * PANEL;
    for (int r = 0; r < R; ++r) low_sums[r] = load<I>(offset), high_sums[r] = load<I>(offset + LANES);
    const uint8_t* x = a.data + row * a.stride;
    for (int k = 0; k < width_of(INT8, w.k) / 4; ++k) {
        I low = load<I>(data + k * 128), high = load<I>(data + k * 128 + 64);
        for (int r = 0; r < R; ++r) {
            I v = four(x + r * a.stride + k * 4);
            low_sums[r] = dot4(low_sums[r], v, low), high_sums[r] = dot4(high_sums[r], v, high);
        }
    }
    Sums<R> s;
    const float* scale = w.scale + panel * PANEL;
    for (int r = 0; r < R; ++r) {
        float step = a.scale[row + r];
        s.low[r] = __builtin_convertvector(low_sums[r], F) * (load<F>(scale) * step);
        s.high[r] = __builtin_convertvector(high_sums[r], F) * (load<F>(scale + LANES) * step);
    }
    return s;
}

template <int R> static inline Sums<R> tile_int4(const Matrix& w, const uint8_t* data, const Rows& a, int row) {
    Sums<R> s{};
    int groups = width_of(INT4, w.k) / GROUP;
    const uint8_t* x = a.data + row * a.stride;
    for (int g = 0; g < groups; ++g, data += GROUP_BYTES) {
        I low_sums[R], high_sums[R];
        for (int r = 0; r < R; ++r) low_sums[r] = high_sums[r] = I{} + a.groups[(row + r) * groups + g];
        for (int j = 0; j < 4; ++j) {  // a byte holds inputs j·8 + i (low half) and j·8 + 4 + i (high half)
            I low = load<I>(data + j * 128), high = load<I>(data + j * 128 + 64);
            I low_even = low & 0x0f0f0f0f, low_odd = low >> 4 & 0x0f0f0f0f;
            I high_even = high & 0x0f0f0f0f, high_odd = high >> 4 & 0x0f0f0f0f;
            for (int r = 0; r < R; ++r) {
                const uint8_t* p = x + r * a.stride + g * GROUP + j * 8;
                I even = four(p), odd = four(p + 4);
                low_sums[r] = dot4(dot4(low_sums[r], low_even, even), low_odd, odd);
                high_sums[r] = dot4(dot4(high_sums[r], high_even, even), high_odd, odd);
            }
        }
        const auto* scale = (const uint16_t*)(data + PANEL * GROUP / 2);
        F low = widen(scale), high = widen(scale + LANES);
        for (int r = 0; r < R; ++r) {
            s.low[r] += __builtin_convertvector(low_sums[r], F) * low;
            s.high[r] += __builtin_convertvector(high_sums[r], F) * high;
        }
    }
    for (int r = 0; r < R; ++r) s.low[r] *= a.scale[row + r], s.high[r] *= a.scale[row + r];
    return s;
}

template <int R>
static void tile(const Matrix& w, const uint8_t* data, const Rows& a, int row, int panel, float* y, int64_t width, bool add) {
    Sums<R> s = w.kind == F32    ? tile_f32<R>(w, data, a, row)
                : w.kind == BF16 ? tile_bf16<R>(w, data, a, row)
                : w.kind == INT8 ? tile_int8<R>(w, data, a, row, panel)
                                 : tile_int4<R>(w, data, a, row);
    int n = panel * PANEL, rest = w.n - n;
    for (int r = 0; r < R; ++r) {
        float* out = y + (row + r) * width + n;
        if (w.bias) s.low[r] += load<F>(w.bias + n), s.high[r] += load<F>(w.bias + n + LANES);
        if (rest >= PANEL) {
            store(out, add ? load<F>(out) + s.low[r] : s.low[r]);
            store(out + LANES, add ? load<F>(out + LANES) + s.high[r] : s.high[r]);
        } else {
            float sums[PANEL];
            store(sums, s.low[r]), store(sums + LANES, s.high[r]);
            for (int i = 0; i < rest; ++i) out[i] = add ? out[i] + sums[i] : sums[i];
        }
    }
}

using Tile = void (*)(const Matrix&, const uint8_t*, const Rows&, int, int, float*, int64_t, bool);
template <int... R> static Tile tile_of(int rows, std::integer_sequence<int, R...>) {
    static constexpr Tile table[] = {tile<R + 1>...};
    return table[rows - 1];
}

// Four sums of sixteen lanes each, in the first four lanes; each one's own lanes are always added in the same order.
static inline F sums_of(F a, F b, F c, F d) {
    auto pairs = [](F x, F y) {
        return __builtin_shufflevector(x, y, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30) +
               __builtin_shufflevector(x, y, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
    };
    F x = pairs(a, b), y = pairs(c, d);
    x = __builtin_shufflevector(x, y, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
        __builtin_shufflevector(x, y, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    x += __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    return x + __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
}

constexpr int FLAT = 4;  // outputs of a flat weight that are computed together, along their inputs

// R rows by four outputs of a flat weight, from output n on: what lies in a checkpoint's order is read in that order.
template <bool HALF, int R> static void tile_flat(const Matrix& w, const Rows& a, int row, int n, float* y, int64_t width, bool add) {
    int64_t bytes = int64_t(w.k) * (HALF ? 2 : 4);
    const uint8_t *x = a.data + row * a.stride, *from[FLAT];
    for (int o = 0; o < FLAT; ++o) from[o] = w.data + std::min(n + o, w.n - 1) * bytes;
    F sums[R][FLAT]{};
    auto step = [&](auto take) {
        I v[FLAT];
        for (int o = 0; o < FLAT; ++o) v[o] = take(from[o]);
        for (int r = 0; r < R; ++r) {
            I u = take(x + r * a.stride);
            for (int o = 0; o < FLAT; ++o) sums[r][o] = HALF ? dot2(sums[r][o], u, v[o]) : sums[r][o] + (F)u * (F)v[o];
        }
    };
    int64_t i = 0;
    for (; i + 64 <= bytes; i += 64) step([=](const uint8_t* p) { return load<I>(p + i); });
    if (i < bytes)
        step([=](const uint8_t* p) {
            I part{};
            std::memcpy(&part, p + i, bytes - i);
            return part;
        });
    for (int r = 0; r < R; ++r) {
        float* out = y + (row + r) * width + n;
        F found = sums_of(sums[r][0], sums[r][1], sums[r][2], sums[r][3]);
        for (int o = 0; o < std::min(FLAT, w.n - n); ++o) {
            float sum = found[o] + (w.bias ? w.bias[n + o] : 0.f);
            out[o] = add ? out[o] + sum : sum;
        }
    }
}

using FlatTile = void (*)(const Matrix&, const Rows&, int, int, float*, int64_t, bool);
template <int... R> static FlatTile flat_tile_of(bool half, int rows, std::integer_sequence<int, R...>) {
    static constexpr FlatTile table[][sizeof...(R)] = {{tile_flat<false, R + 1>...}, {tile_flat<true, R + 1>...}};
    return table[half][rows - 1];
}

// Rows `from` to `to` by a panel of a flat weight.
static inline void flat_panel(const Matrix& w, const Rows& a, int from, int to, int panel, float* y, int64_t width, bool add) {
    constexpr int MOST = ROWS >= 12 ? 6 : 2;
    for (int tiles = (to - from + MOST - 1) / MOST, t = 0; t < tiles; ++t) {
        int first = from + (to - from) * t / tiles, last = from + (to - from) * (t + 1) / tiles;
        FlatTile compute = flat_tile_of(w.kind == BF16, last - first, std::make_integer_sequence<int, MOST>{});
        for (int n = panel * PANEL; n < std::min(w.n, (panel + 1) * PANEL); n += FLAT) compute(w, a, first, n, y, width, add);
    }
}

// This thread's panels of y (+)= x Wᵀ + bias, for weights that read the same rows; their outputs stand side by side.
static inline void multiply(const Matrix* ws, int count, const Rows& a, int rows, float* y, int64_t width, bool add, int thread, int threads) {
    int all = 0;
    for (int i = 0; i < count; ++i) all += panels(ws[i]);
    int first = int64_t(all) * thread / threads, last = int64_t(all) * (thread + 1) / threads;
    constexpr int AT_ONCE = 20 * ROWS;  // rows whose bytes stay in the second-level cache while panels pass by
    for (int start = 0; start < rows; start += AT_ONCE) {
        int some = std::min(AT_ONCE, rows - start), tiles = (some + ROWS - 1) / ROWS, before = 0;
        float* out = y;
        for (int i = 0; i < count; out += ws[i].n, before += panels(ws[i]), ++i) {
            const Matrix& w = ws[i];
            for (int panel = std::max(first - before, 0); panel < std::min(last - before, panels(w)); ++panel) {
                if (w.flat) {
                    flat_panel(w, a, start, start + some, panel, out, width, add);
                    continue;
                }
                const uint8_t* data = w.data + panel * panel_bytes(w.kind, w.k);
                for (int t = 0; t < tiles; ++t) {
                    int from = some * t / tiles, to = some * (t + 1) / tiles;
                    tile_of(to - from, std::make_integer_sequence<int, ROWS>{})(w, data, a, start + from, panel, out, width, add);
                }
            }
        }
    }
}

// --- packing ---------------------------------------------------------------------------------------------------------

static inline float at(const void* w, bool half, int64_t i) { return half ? from_bf16(((const uint16_t*)w)[i]) : ((const float*)w)[i]; }

// The step of a group of weights in four bits that loses least: among some near the one that just reaches the largest.
// Losses are compared in double precision, so that rounding on another machine does not choose another step.
static inline float best_step(const float* x) {
    using D = double __attribute__((vector_size(128)));
    float top = 0;
    for (int i = 0; i < GROUP; ++i)
        if (std::fabs(x[i]) > std::fabs(top)) top = x[i];
    float best = 0;
    double least = INFINITY;
    if (std::fabs(top) <= LEAST) return 0;
    for (int c = 0; c < 12; ++c) {
        float step = from_bf16(to_bf16(top / float((2 * c - 88) / 10.)));  // the largest takes the longer, negative side
        if (step == 0) continue;
        D sums{};
        for (int i = 0; i < GROUP; i += LANES) {
            F v = load<F>(x + i), q = v / step;
            q = q > 7.f ? F{} + 7.f : q, q = q < -8.f ? F{} - 8.f : q;
            q = q + 12582912.f - 12582912.f;  // to nearest, ties to even
            D d = __builtin_convertvector(v, D) - double(step) * __builtin_convertvector(q, D);
            sums += d * d;
        }
        double loss = 0;
        for (int i = 0; i < LANES; ++i) loss += sums[i];
        if (loss < least) least = loss, best = step;
    }
    return best;
}

static inline void pack_panel(int kind, const void* w, bool half, int n, int k, int panel, uint8_t* out, float* scale, int32_t* offset) {
    int width = width_of(kind, k), step = steps_of(kind);
    if (kind == F32) {  // a few inputs of all outputs at a time: what is written lies close together
        for (int from = 0; from < k; from += LANES)
            for (int c = 0; c < PANEL; ++c)
                for (int i = from; i < std::min(k, from + LANES); ++i)
                    ((float*)out)[i * PANEL + c] = panel * PANEL + c < n ? at(w, half, (int64_t(panel) * PANEL + c) * k + i) : 0.f;
        return;
    }
    for (int c = 0; c < PANEL; ++c) {
        int64_t row = int64_t(panel) * PANEL + c;
        auto value = [&](int i) { return row < n && i < k ? at(w, half, row * k + i) : 0.f; };
        if (kind == INT4) {
            for (int g = 0; g < width / GROUP; ++g) {
                float x[GROUP];
                for (int i = 0; i < GROUP; ++i) x[i] = value(g * GROUP + i);
                float s = best_step(x), inverse = s ? 1 / s : 0;
                uint8_t* to = out + int64_t(g) * GROUP_BYTES;
                for (int j = 0; j < 4; ++j)
                    for (int i = 0; i < 4; ++i) {
                        auto q = [&](float v) { return uint8_t(8 + std::min(7.f, std::max(-8.f, std::nearbyint(v * inverse)))); };
                        to[j * 128 + c * 4 + i] = uint8_t(q(x[j * 8 + i]) | q(x[j * 8 + 4 + i]) << 4);
                    }
                ((uint16_t*)(to + PANEL * GROUP / 2))[c] = to_bf16(s);
            }
            continue;
        }
        float inverse = 0;
        if (kind == INT8) {
            float top = 0;
            for (int i = 0; i < k; ++i) top = std::max(top, std::fabs(value(i)));
            scale[row] = top / 127.f, inverse = top > LEAST ? 127.f / top : 0.f;
        }
        int32_t total = 0;
        for (int i = 0; i < width; ++i) {
            int64_t place = int64_t(i / step) * step * PANEL + c * step + i % step;
            if (kind == BF16) ((uint16_t*)out)[place] = to_bf16(value(i));
            if (kind == INT8) {
                int q = (int)std::nearbyint(value(i) * inverse);
                out[place] = uint8_t(q), total += q;
            }
        }
        if (kind == INT8) offset[row] = -128 * total;
    }
}
