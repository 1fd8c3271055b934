// The best of a row of scores, in one pass, and the sum of their exponentials in another.
#pragma once
#include <algorithm>
#include "vectors.h"

constexpr int STRETCH = 16;  // vectors that are compared at once: most hold nothing better than what was found before

static inline bool any(I mask) {
#if defined(__AVX512F__)
    return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask);
#else
    int32_t found = 0;
    for (int i = 0; i < LANES; ++i) found |= mask[i];
    return found;
#endif
}

static void rank(const float* scores, int64_t width, int count, float* values, int64_t* places, float* total) {
    int have = 0;
    auto offer = [&](int64_t at) {
        float score = scores[at];
        if (have == count && !(score > values[count - 1])) return;
        int i = have < count ? have++ : count - 1;
        for (; i > 0 && score > values[i - 1]; --i) values[i] = values[i - 1], places[i] = places[i - 1];
        values[i] = score, places[i] = at;
    };
    int64_t at = 0, whole = width / (STRETCH * LANES) * (STRETCH * LANES);
    for (; at < std::min<int64_t>(count, width); ++at) offer(at);
    for (; at < width && at % (STRETCH * LANES); ++at) offer(at);
    for (; at < whole; at += STRETCH * LANES) {
        F most = load<F>(scores + at);
        for (int i = 1; i < STRETCH; ++i) most = larger(load<F>(scores + at + i * LANES), most);
        if (any(most > values[count - 1]))
            for (int64_t i = at; i < at + STRETCH * LANES; ++i) offer(i);
    }
    for (; at < width; ++at) offer(at);
    F sums{};
    I odd{};  // what is no number is not equal to itself
    for (at = 0; at + LANES <= width; at += LANES) {
        F v = load<F>(scores + at);
        odd |= v != v;
        sums += exponential(v - values[0]);
    }
    float all = sum(sums);
    for (; at < width; ++at) odd[0] |= -(scores[at] != scores[at]), all += exponential(F{} + (scores[at] - values[0]))[0];
    *total = any(odd) ? NAN : values[0] + std::log(all);
}
