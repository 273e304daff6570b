/* A vector of floats as wide as the machine has, and the few operations the kernels need on it.

   Widths are decided when compiling: AVX-512, AVX2 with FMA, or four lanes anywhere else. Products
   are fused only where `multiply_add` says so (the compiler is told not to contract), so a result
   does not depend on which copy of an inlined function computed it. */
#ifndef WHALEFALL_VECTOR_H
#define WHALEFALL_VECTOR_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__) && defined(__AVX512BW__)
#define LANES 16
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define LANES 8
#else
#define LANES 4
#endif

#define INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));
typedef float loose_vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

INLINE vec load(const float *from) { return *(const loose_vec *)from; }
INLINE void store(float *to, vec x) { *(loose_vec *)to = x; }
INLINE vec splat(float x) { return x - (vec){0}; }

/* The first `count` lanes, fewer than all, and zeros behind: reads nothing past them. */
INLINE vec load_first(const float *from, int64_t count)
{
#if LANES == 16
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), from);
#elif LANES == 8
    const __m256i place = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return (vec)_mm256_maskload_ps(from, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), place));
#else
    vec x = {0};
    memcpy(&x, from, (size_t)count * sizeof(float));
    return x;
#endif
}

INLINE void store_first(float *to, vec x, int64_t count)
{
    memcpy(to, &x, (size_t)count * sizeof(float));
}

INLINE vec multiply_add(vec a, vec b, vec sum)
{
#if LANES == 16
    return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)sum);
#elif LANES == 8
    return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)sum);
#else
    return a * b + sum;
#endif
}

INLINE vec choose(ivec mask, vec yes, vec no)
{
    return (vec)((mask & (ivec)yes) | (~mask & (ivec)no));
}

INLINE vec larger(vec a, vec b) { return choose(a > b, a, b); }

/* Sums of LANES vectors at once: lane i of the result is the sum over a[i]. Each level folds the
   upper half of every group of lanes onto the lower one, two vectors into one, so all sums are
   formed in the same order. */
#define FOLD_PLACE(i, width, half)                                                              \
    (((i) / ((width) / 2)) / (LANES / (width)) * LANES                                          \
     + ((i) / ((width) / 2)) % (LANES / (width)) * (width) + (i) % ((width) / 2)                \
     + (half) * ((width) / 2))
#define FOLD_4(i, w, h)                                                                         \
    FOLD_PLACE(i, w, h), FOLD_PLACE(i + 1, w, h), FOLD_PLACE(i + 2, w, h), FOLD_PLACE(i + 3, w, h)
#if LANES == 16
#define FOLD_MASK(w, h) ((ivec){FOLD_4(0, w, h), FOLD_4(4, w, h), FOLD_4(8, w, h), FOLD_4(12, w, h)})
#elif LANES == 8
#define FOLD_MASK(w, h) ((ivec){FOLD_4(0, w, h), FOLD_4(4, w, h)})
#else
#define FOLD_MASK(w, h) ((ivec){FOLD_4(0, w, h)})
#endif
#define FOLD(a, b, w)                                                                           \
    (__builtin_shuffle(a, b, FOLD_MASK(w, 0)) + __builtin_shuffle(a, b, FOLD_MASK(w, 1)))

INLINE vec sums(vec *a)
{
#if LANES == 16
    for (int i = 0; i < 8; i++) a[i] = FOLD(a[2 * i], a[2 * i + 1], 16);
#endif
#if LANES >= 8
    for (int i = 0; i < 4; i++) a[i] = FOLD(a[2 * i], a[2 * i + 1], 8);
#endif
    for (int i = 0; i < 2; i++) a[i] = FOLD(a[2 * i], a[2 * i + 1], 4);
    return FOLD(a[0], a[1], 2);
}

/* The sum of one vector's lanes, in the same order as `sums`. */
INLINE float sum_lanes(vec a)
{
#if LANES == 16
    a = FOLD(a, a, 16);
#endif
#if LANES >= 8
    a = FOLD(a, a, 8);
#endif
    a = FOLD(a, a, 4);
    return FOLD(a, a, 2)[0];
}

INLINE float largest_lane(vec a)
{
    float best = a[0];
    for (int i = 1; i < LANES; i++) best = a[i] > best ? a[i] : best;
    return best;
}

/* e^x to within two units of the last place; zero below -87, where the result would lose bits. */
INLINE vec exponential(vec x)
{
    const vec log2_e = splat(1.44269504f), ln2_high = splat(0.693359375f);
    const vec ln2_low = splat(-2.12194440e-4f), to_whole = splat(12582912.0f);
    const ivec is_zero = x < splat(-87.0f);
    x = choose(x > splat(88.0f), splat(88.0f), x);
    const vec shifted = multiply_add(x, log2_e, to_whole);
    const vec power = shifted - to_whole;
    vec rest = multiply_add(power, -ln2_high, x);
    rest = multiply_add(power, -ln2_low, rest);
    vec series = splat(1.0f / 5040);
    series = multiply_add(series, rest, splat(1.0f / 720));
    series = multiply_add(series, rest, splat(1.0f / 120));
    series = multiply_add(series, rest, splat(1.0f / 24));
    series = multiply_add(series, rest, splat(1.0f / 6));
    series = multiply_add(series, rest, splat(0.5f));
    series = multiply_add(series, rest, splat(1.0f));
    series = multiply_add(series, rest, splat(1.0f));
    const ivec exponent = (ivec)shifted - (ivec)to_whole;
    return choose(is_zero, splat(0.0f), (vec)((ivec)series + (exponent << 23)));
}

#endif
