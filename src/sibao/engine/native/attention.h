// Attention over keys and values in blocks (PagedAttention, arXiv 2309.06180, section 4.1), with the softmax of each query
// carried from block to block (arXiv 1805.02867, algorithm 3).
//
// A query meets the blocks in order of their positions, whoever is computed beside it: its result does not depend on the
// batch, on how a prompt was cut, or on who wrote the blocks.
#pragma once
#include "vectors.h"

constexpr int BLOCK = 32;  // positions of a block
constexpr float NOTHING = -1e30f;

// One layer's keys and values. A block holds, for each key/value head, keys [E, BLOCK] and then values [BLOCK, E].
struct Cache {
    int32_t half, heads, size, unused;  // bfloat16 or float; key/value heads; E rounded up to whole vectors
    uint8_t* data;
    int64_t block_bytes;  // from block to block
};

template <class T> static inline T* head_of(const Cache& c, int block, int head) {
    return (T*)(c.data + block * c.block_bytes) + int64_t(head) * 2 * c.size * BLOCK;
}

template <class T> static inline T kept(float x);
template <> inline float kept<float>(float x) { return x; }
template <> inline uint16_t kept<uint16_t>(float x) { return to_bf16(x); }

template <class T> static inline void keep(const Cache& c, int block, int slot, int head, const float* k, const float* v, int E) {
    T* keys = head_of<T>(c, block, head);
    T* values = keys + c.size * BLOCK + slot * c.size;
    for (int e = 0; e < E; ++e) keys[e * BLOCK + slot] = kept<T>(k[e]), values[e] = kept<T>(v[e]);
    for (int e = E; e < c.size; ++e) values[e] = kept<T>(0.f);
}

// What a tile of queries sees: row r stands at position at[r] and looks back at most `window` positions (0: all).
struct Seen {
    const int32_t* blocks;  // of the sequence, in order
    const int32_t* at;
    int32_t window;
    float scale, cap;  // cap 0: none
};

// R queries of heads that share keys. q: R rows of floats, out likewise [R][size].
template <class T, int R>
static void attend(const Cache& c, int head, const Seen& seen, const float* const* q, int E, float* const* out) {
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
        F low[R]{}, high[R]{};
        for (int e = 0; e < E; ++e) {
            F k0 = widen(keys + e * BLOCK), k1 = widen(keys + e * BLOCK + LANES);
            for (int r = 0; r < R; ++r) low[r] += k0 * q[r][e], high[r] += k1 * q[r][e];
        }
        for (int r = 0; r < R; ++r) {
            low[r] *= seen.scale, high[r] *= seen.scale;
            if (seen.cap != 0) {
                low[r] = hyperbolic_tangent(low[r] / seen.cap) * seen.cap;
                high[r] = hyperbolic_tangent(high[r] / seen.cap) * seen.cap;
            }
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
            store(weights[r], low[r]), store(weights[r] + LANES, high[r]);
        }
        int slots = std::min(BLOCK, last - b * BLOCK + 1);  // beyond them nothing was written, and weights are 0
        for (int e = 0; e < c.size; e += LANES) {
            F y[R];
            for (int r = 0; r < R; ++r) y[r] = load<F>(out[r] + e);
            for (int s = 0; s < slots; ++s) {
                F v = widen(values + s * c.size + e);
                for (int r = 0; r < R; ++r) y[r] += v * weights[r][s];
            }
            for (int r = 0; r < R; ++r) store(out[r] + e, y[r]);
        }
    }
    for (int r = 0; r < R; ++r)
        for (int e = 0; e < c.size; e += LANES) store(out[r] + e, load<F>(out[r] + e) / total[r]);
}

using Attend = void (*)(const Cache&, int, const Seen&, const float* const*, int, float* const*);
template <class T, int... R> static Attend attend_of(int rows, std::integer_sequence<int, R...>) {
    static constexpr Attend table[] = {attend<T, R + 1>...};
    return table[rows - 1];
}
