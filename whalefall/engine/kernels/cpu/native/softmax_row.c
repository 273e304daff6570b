/* What the sampler needs of a row of logits, in two readings of it. */
#include "vector.h"

#define CHUNK 128 /* entries per partial sum; a multiple of LANES */

/* The place of the largest entry, the first among equals; of the first NaN if there is one. */
static int64_t largest_place(const float *logits, int64_t count)
{
    const int64_t whole = count / LANES * LANES;
    vec best = splat(-INFINITY);
    ivec is_nan = {0};
    for (int64_t i = 0; i < whole; i += LANES) {
        const vec x = load(logits + i);
        best = larger(x, best);
        is_nan |= x != x;
    }
    float largest = largest_lane(best);
    for (int64_t i = whole; i < count; i++) largest = logits[i] > largest ? logits[i] : largest;
    int has_nan = 0;
    for (int i = 0; i < LANES; i++) has_nan |= is_nan[i];
    for (int64_t i = whole; i < count; i++) has_nan |= logits[i] != logits[i];
    for (int64_t i = 0; i < count; i++)
        if (has_nan ? logits[i] != logits[i] : logits[i] == largest) return i;
    return 0;
}

/* Returns the place of the largest logit. weights[i] = exp((logits[i] - largest) * factor), and
   their sums over chunks of CHUNK; a factor of zero asks for neither. */
int64_t softmax_row(const float *logits, int64_t count, float factor, float *weights,
                    float *chunk_sums)
{
    const int64_t place = largest_place(logits, count);
    if (factor == 0.0f) return place;
    const vec largest = splat(logits[place]), wide_factor = splat(factor);
    for (int64_t start = 0; start < count; start += CHUNK) {
        const int64_t end = count - start < CHUNK ? count : start + CHUNK;
        vec sum = {0};
        for (int64_t i = start; i < end; i += LANES) {
            const int64_t rest = end - i;
            vec x = rest < LANES ? load_first(logits + i, rest) : load(logits + i);
            x = exponential((x - largest) * wide_factor);
            if (rest < LANES) {
                store_first(weights + i, x, rest);
                x = load_first(weights + i, rest);
            } else {
                store(weights + i, x);
            }
            sum += x;
        }
        chunk_sums[start / CHUNK] = sum_lanes(sum);
    }
    return place;
}
