// Attention over keys and values in blocks (PagedAttention, arXiv 2309.06180, section 4.1), with the softmax of each query
// carried from block to block (arXiv 1805.02867, algorithm 3).
//
// A query meets the blocks in order of their positions, whoever is computed beside it: its result does not depend on the
// batch, on how a prompt was cut, or on who wrote the blocks.
#pragma once
#include <algorithm>
#include <type_traits>
#include "vectors.h"

constexpr int BLOCK = 32;  // positions of a block
constexpr float NOTHING = -1e30f;
constexpr float TINY = 1e-38f;  // a step that has no inverse; what is that small is kept as 0

enum { CACHE_F32, CACHE_BF16, CACHE_INT8 };

// One layer's keys and values. A block holds, for each key/value head, keys [E, BLOCK] and then values [BLOCK, E] (see
// place_of); where they are whole numbers, then the steps of each position's keys and values, floats [2, BLOCK].
struct Cache {
    int32_t kind, heads, size, unused;  // key/value heads; E rounded up to whole vectors
    uint8_t* data;
    int64_t block_bytes;  // from block to block
};

template <class T> constexpr bool WHOLE = sizeof(T) == 1;

template <class T> static inline T* head_of(const Cache& c, int block, int head) {
    int64_t bytes = int64_t(2) * c.size * BLOCK * sizeof(T) + (WHOLE<T> ? 2 * BLOCK * sizeof(float) : 0);
    return (T*)(c.data + block * c.block_bytes + head * bytes);
}
// Of the keys; those of the values follow them.
template <class T> static inline auto* steps_in(T* keys, const Cache& c) {
    using Float = std::conditional_t<std::is_const_v<T>, const float, float>;
    return (Float*)(keys + 2 * c.size * BLOCK);
}

template <class T> static inline T kept(float x);
template <> inline float kept<float>(float x) { return x; }
template <> inline uint16_t kept<uint16_t>(float x) { return to_bf16(x); }
template <> inline int8_t kept<int8_t>(float x) { return int8_t(std::nearbyint(x)); }

// Where the i-th of `size` numbers lies. Bfloat16 takes turns, one of a vector and one of the next: a shift and a mask then
// make two vectors of floats of one load.
template <class T> static inline int place_of(int i, int size) {
    constexpr int PAIR = 2 * LANES;
    return sizeof(T) == 2 && i < size / PAIR * PAIR ? i / PAIR * PAIR + i % LANES * 2 + i % PAIR / LANES : i;
}

static inline float step_of(const float* x, int E) {
    float top = 0;
    for (int e = 0; e < E; ++e) top = std::max(top, std::fabs(x[e]));
    return top / 127.f;
}

// A position's keys and values. Their steps are its own: what is kept of it depends on no other.
template <class T> static inline void keep(const Cache& c, int block, int slot, int head, const float* k, const float* v, int E) {
    T* keys = head_of<T>(c, block, head);
    T* values = keys + c.size * BLOCK + slot * c.size;
    float k_by = 1, v_by = 1;
    if constexpr (WHOLE<T>) {
        float *steps = steps_in(keys, c), k_step = step_of(k, E), v_step = step_of(v, E);
        steps[slot] = k_step, steps[BLOCK + slot] = v_step;
        k_by = k_step > TINY ? 1 / k_step : 0.f, v_by = v_step > TINY ? 1 / v_step : 0.f;
    }
    slot = place_of<T>(slot, BLOCK);
    for (int e = 0; e < E; ++e) keys[e * BLOCK + slot] = kept<T>(k[e] * k_by), values[place_of<T>(e, c.size)] = kept<T>(v[e] * v_by);
    for (int e = E; e < c.size; ++e) values[place_of<T>(e, c.size)] = kept<T>(0.f);
}

// What a tile of queries sees: row r sees keys up to position at[r], and of these at most the last `window` (0: all).
struct Seen {
    const int32_t* blocks;  // of the sequence, in order
    const int32_t* at;
    const float* const* bias;  // [rows]: what is added to the score of each position, or nothing
    int32_t window;
    float scale, cap;  // cap 0: none
};

// A pair of vectors of what is kept.
template <class T> static inline void pair(const T* p, F& one, F& two) { one = widen(p), two = widen(p + LANES); }
static inline void pair(const uint16_t* p, F& one, F& two) {
    I both = load<I>(p);
    one = (F)(both << 16), two = (F)(both & -65536);
}

// out += weights · values, for V vectors of each value: one, or pairs.
template <class T, int R, int V>
static inline void gather(const T* values, int size, const float (*weights)[BLOCK], int slots, int e, float* const* out) {
    F y[R][V], v[V];
    for (int r = 0; r < R; ++r)
        for (int i = 0; i < V; ++i) y[r][i] = load<F>(out[r] + e + i * LANES);
    for (int s = 0; s < slots; ++s) {
        const T* from = values + s * size + e;
        if constexpr (V == 1) v[0] = widen(from);
        else
            for (int i = 0; i < V; i += 2) pair(from + i * LANES, v[i], v[i + 1]);
        for (int r = 0; r < R; ++r)
            for (int i = 0; i < V; ++i) y[r][i] += v[i] * weights[r][s];
    }
    for (int r = 0; r < R; ++r)
        for (int i = 0; i < V; ++i) store(out[r] + e + i * LANES, y[r][i]);
}

// R queries of heads that share keys. q: R rows of floats, out likewise [R][size].
template <class T, int R>
static void attend(const Cache& c, int head, const Seen& seen, const float* const* q, int E, float* const* out) {
    constexpr int VECTORS = R <= ROWS / 4 ? 4 : 2;  // of the sums that stay in registers
    float most[R], total[R];
    alignas(64) float weights[R][BLOCK];
    int first = seen.at[0], last = seen.at[0];
    for (int r = 0; r < R; ++r) {
        most[r] = NOTHING, total[r] = 0;
        std::memset(out[r], 0, c.size * sizeof(float));
        first = std::min(first, (int)seen.at[r]), last = std::max(last, (int)seen.at[r]);
    }
    int begin = seen.window ? std::max(0, first - seen.window + 1) / BLOCK : 0;
    static const I numbers{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    for (int b = begin; b <= last / BLOCK; ++b) {
        const T* keys = head_of<const T>(c, seen.blocks[b], head);
        const T* values = keys + c.size * BLOCK;
        F low[R]{}, high[R]{}, k0 = F{} + seen.scale, k1 = k0, v0, v1;  // what scores and weights are multiplied with
        if constexpr (WHOLE<T>) {
            const float* steps = steps_in(keys, c);
            k0 *= load<F>(steps), k1 *= load<F>(steps + LANES);
            v0 = load<F>(steps + BLOCK), v1 = load<F>(steps + BLOCK + LANES);
        }
#pragma GCC unroll 4
        for (int e = 0; e < E; ++e) {
            F one, two;
            pair(keys + e * BLOCK, one, two);
            for (int r = 0; r < R; ++r) low[r] += one * q[r][e], high[r] += two * q[r][e];
        }
        for (int r = 0; r < R; ++r) {
            low[r] *= k0, high[r] *= k1;
            if (seen.cap != 0) {
                low[r] = hyperbolic_tangent(low[r] / seen.cap) * seen.cap;
                high[r] = hyperbolic_tangent(high[r] / seen.cap) * seen.cap;
            }
            if (seen.bias) low[r] += load<F>(seen.bias[r] + b * BLOCK), high[r] += load<F>(seen.bias[r] + b * BLOCK + LANES);
            int end = seen.at[r] - b * BLOCK, start = seen.window ? end - seen.window + 1 : 0;  // slots start..end are seen
            if (end < BLOCK - 1 || start > 0) {
                F never = F{} - INFINITY;
                low[r] = (numbers <= end) & (numbers >= start) ? low[r] : never;
                high[r] = (numbers + LANES <= end) & (numbers + LANES >= start) ? high[r] : never;
            }
            float peak = std::max(most[r], largest(larger(low[r], high[r])));
            if (peak > most[r]) {
                float fade = exponential(F{} + (most[r] - peak))[0];
                total[r] *= fade, most[r] = peak;
                for (int e = 0; e < c.size; e += LANES) store(out[r] + e, load<F>(out[r] + e) * fade);
            }
            low[r] = exponential(low[r] - peak), high[r] = exponential(high[r] - peak);
            total[r] += sum(low[r] + high[r]);
            if constexpr (WHOLE<T>) low[r] *= v0, high[r] *= v1;
            store(weights[r], low[r]), store(weights[r] + LANES, high[r]);
        }
        int slots = std::min(BLOCK, last - b * BLOCK + 1), e = 0;  // beyond them nothing was written, and weights are 0
        for (; e + VECTORS * LANES <= c.size; e += VECTORS * LANES) gather<T, R, VECTORS>(values, c.size, weights, slots, e, out);
        if constexpr (VECTORS > 2)
            for (; e + 2 * LANES <= c.size; e += 2 * LANES) gather<T, R, 2>(values, c.size, weights, slots, e, out);
        if (e < c.size) gather<T, R, 1>(values, c.size, weights, slots, e, out);
    }
    for (int r = 0; r < R; ++r)
        for (int e = 0; e < c.size; e += LANES) store(out[r] + e, load<F>(out[r] + e) / total[r]);
}

using Attend = void (*)(const Cache&, int, const Seen&, const float* const*, int, float* const*);
template <class T, int... R> static Attend attend_of(int rows, std::integer_sequence<int, R...>) {
    static constexpr Attend table[] = {attend<T, R + 1>...};
    return table[rows - 1];
}
