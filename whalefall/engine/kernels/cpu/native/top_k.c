/* The k largest of each row. The k-th largest value is found by halving the range of values and
   counting, a whole vector at a time; then the row is read once more in order. Nothing is sorted. */
#include <stdlib.h>

#include "kernels.h"

typedef uint32_t uvec __attribute__((vector_size(4 * LANES)));

/* Floats in their order as unsigned integers, zero for nothing; -0 and +0 are one value. */
static void to_ordered(const float *from, uint32_t *to, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        const float x = from[i] + 0.0f;
        memcpy(&bits, &x, sizeof bits);
        bits ^= (uint32_t)((int32_t)bits >> 31) | 0x80000000u;
        to[i] = x == -INFINITY ? 0 : bits;
    }
}

static int64_t count_from(const uint32_t *keys, int64_t num_vectors, uint32_t least)
{
    const uvec bound = least - (uvec){0};
    ivec counts = {0};
    int64_t count = 0;
    for (int64_t i = 0; i < num_vectors; i++) {
        uvec key;
        memcpy(&key, keys + i * LANES, sizeof key);
        counts -= (ivec)(key >= bound);
    }
    for (int i = 0; i < LANES; i++) count += counts[i];
    return count;
}

/* The largest value that at least k keys reach; zero when fewer than k exist. */
static uint32_t kth_largest(const uint32_t *keys, int64_t num_vectors, int64_t k)
{
    uint32_t reached = 0;
    for (uint32_t bit = 0x80000000u; bit; bit >>= 1) {
        const int64_t count = count_from(keys, num_vectors, reached | bit);
        if (count >= k) reached |= bit;
        if (count == k) break;
    }
    return reached;
}

static void select_row(const uint32_t *keys, int64_t num_vectors, int64_t k, int64_t *positions)
{
    const int64_t size = num_vectors * LANES;
    const uint32_t threshold = k < size ? kth_largest(keys, num_vectors, k) : 0;
    int64_t num_equal = threshold ? k - count_from(keys, num_vectors, threshold + 1) : 0, found = 0;
    for (int64_t i = 0; i < size && found < k; i++)
        if (keys[i] > threshold || (keys[i] == threshold && num_equal-- > 0)) positions[found++] = i;
    while (found < k) positions[found++] = -1;
}

/* scores [N][S] -> positions [N][k], ascending, -1 behind; -inf is no key. 0, or 1 when there is no
   memory. */
int select_top_k(const float *scores, int64_t num_rows, int64_t num_scores, int64_t k,
                 int64_t *positions)
{
    const int64_t num_vectors = (num_scores + LANES - 1) / LANES;
    uint32_t *keys = calloc((size_t)(num_vectors * LANES + 1), sizeof(uint32_t));
    if (!keys) return 1;
    for (int64_t row = 0; row < num_rows; row++) {
        to_ordered(scores + row * num_scores, keys, num_scores);
        select_row(keys, num_vectors, k, positions + row * k);
    }
    free(keys);
    return 0;
}
