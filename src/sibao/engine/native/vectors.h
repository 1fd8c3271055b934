// Vectors of sixteen lanes in the compiler's own extension: one source for AVX-512, AVX2, Neon and plain C++.
// Only the two dot products that processors have instructions for are written per instruction set, and what compilers make
// too many instructions of.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

using F = float __attribute__((vector_size(64)));     // 16 floats
using I = int32_t __attribute__((vector_size(64)));   // 16 integers, or 16 groups of four bytes
using H = uint16_t __attribute__((vector_size(32)));  // 16 half floats, as bits
using B = int8_t __attribute__((vector_size(16)));    // 16 bytes
constexpr int LANES = 16;

#if defined(__AVX512F__)
constexpr int ROWS = 12;  // rows of a tile of two vectors: 24 sums in 32 registers
#else
constexpr int ROWS = 3;
#endif

template <class V, class T> static inline V load(const T* p) {
    V v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
template <class V, class T> static inline void store(T* p, V v) { std::memcpy(p, &v, sizeof v); }

static inline F widen(const float* p) { return load<F>(p); }
static inline F widen(const uint16_t* p) {  // bfloat16 is the upper half of a float
#if defined(__AVX512F__)
    return (F)((I)_mm512_cvtepu16_epi32(load<__m256i>(p)) << 16);
#else
    return (F)(__builtin_convertvector(load<H>(p), I) << 16);
#endif
}
static inline F widen(const int8_t* p) {
#if defined(__AVX512F__)
    return (F)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load<__m128i>(p)));
#else
    using S = int16_t __attribute__((vector_size(32)));  // by way of it, for compilers that take the long jump lane by lane
    return __builtin_convertvector(__builtin_convertvector(__builtin_convertvector(load<B>(p), S), I), F);
#endif
}

static inline uint16_t to_bf16(float x) {  // round to nearest, ties to even; NaN stays NaN
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    if ((bits & 0x7fffffff) > 0x7f800000) return uint16_t(bits >> 16 | 64);
    return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
static inline float from_bf16(uint16_t x) {
    uint32_t bits = uint32_t(x) << 16;
    float y;
    std::memcpy(&y, &bits, 4);
    return y;
}

static inline F larger(F a, F b) { return a > b ? a : b; }
static inline F magnitude(F a) { return a < 0 ? -a : a; }
// Sums and maxima of the lanes, always in the same order.
static inline float sum(F v) {
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; ++i) v[i] += v[i + half];
    return v[0];
}
static inline float largest(F v) {
    float best = v[0];
    for (int i = 1; i < LANES; ++i) best = v[i] > best ? v[i] : best;
    return best;
}

// e^x to about one part in 10^7: x = n ln 2 + r with |r| <= ln 2 / 2, a polynomial in r, and 2^n by its bits. 0 below -87.
static inline F exponential(F x) {
    F low = x > 88.f ? F{} + 88.f : x;
    low = low > -87.f ? low : F{} - 87.f;
    F shifted = low * 1.44269504f + 12582912.f;  // the sum rounds n into the last bits
    F n = shifted - 12582912.f;
    F r = low - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    F y = ((((1.9875691500e-4f * r + 1.3981999507e-3f) * r + 8.3334519073e-3f) * r + 4.1665795894e-2f) * r + 1.6666665459e-1f) * r + 5.0000001201e-1f;
    y = y * r * r + r + 1.f;
    I power = (__builtin_convertvector(n, I) + 127) << 23;
    y = y * (F)power;
    return x > -87.f ? y : F{};
}
static inline F hyperbolic_tangent(F x) {
    F e = exponential(magnitude(x) * -2.f);
    F y = (1.f - e) / (1.f + e);
    return x < 0 ? -y : y;
}

// sums + four products of bytes in each lane. `a` is unsigned, `w` signed; exact in 32 bits.
static inline I dot4(I sums, I a, I w) {
#if defined(__AVX512VNNI__)
    return (I)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)a, (__m512i)w);
#elif defined(__AVX2__)
    union { I all; __m256i half[2]; } s{sums}, u{a}, v{w};
    for (int h = 0; h < 2; ++h) {
        __m256i even = _mm256_madd_epi16(_mm256_and_si256(u.half[h], _mm256_set1_epi16(255)), _mm256_srai_epi16(_mm256_slli_epi16(v.half[h], 8), 8));
        __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(u.half[h], 8), _mm256_srai_epi16(v.half[h], 8));
        s.half[h] = _mm256_add_epi32(s.half[h], _mm256_add_epi32(even, odd));
    }
    return s.all;
#else
    using U = uint32_t __attribute__((vector_size(64)));
    for (int byte = 0; byte < 4; ++byte) sums += (I)((U)a >> 8 * byte & 255) * ((w << (24 - 8 * byte)) >> 24);
    return sums;
#endif
}

// sums + two products of bfloat16 in each lane.
static inline F dot2(F sums, I a, I w) {
#if defined(__AVX512BF16__)
    return (F)_mm512_dpbf16_ps((__m512)sums, (__m512bh)a, (__m512bh)w);
#else
    sums += (F)(a << 16) * (F)(w << 16);
    return sums + (F)(a & -65536) * (F)(w & -65536);
#endif
}

// A moment of waiting that leaves the core's resources to others.
static inline void relax() {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}
