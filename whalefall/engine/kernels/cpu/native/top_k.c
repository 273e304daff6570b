/* The k largest of each row: the k-th largest value is found by counting digits, then the row is
   read once more in order. Nothing is sorted. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define DIGIT_BITS 8
#define NUM_DIGITS 256

/* Floats in their order as unsigned integers; -0 and +0 are one value. */
static inline uint32_t ordered(float x)
{
    uint32_t bits;
    x += 0.0f;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

/* The k-th largest of the `count` keys, and how many of its equals are among the k largest. */
static uint32_t kth_largest(const float *scores, int64_t count, int64_t k, int64_t *num_equal)
{
    uint32_t prefix = 0, mask = 0;
    for (int shift = 32 - DIGIT_BITS; shift >= 0; shift -= DIGIT_BITS) {
        int32_t counts[4][NUM_DIGITS] = {{0}}; /* four, so that equal digits do not wait */
        for (int64_t i = 0; i < count; i++) {
            const uint32_t key = ordered(scores[i]);
            if ((key & mask) == prefix) counts[i & 3][key >> shift & (NUM_DIGITS - 1)]++;
        }
        int digit = NUM_DIGITS;
        int64_t in_digit = 0;
        do {
            k -= in_digit;
            digit--;
            in_digit = counts[0][digit] + counts[1][digit] + counts[2][digit] + counts[3][digit];
        } while (in_digit < k);
        prefix |= (uint32_t)digit << shift;
        mask |= (uint32_t)(NUM_DIGITS - 1) << shift;
    }
    *num_equal = k;
    return prefix;
}

/* scores [N][S] -> positions [N][k], ascending, -1 behind; -inf is no key. */
void select_top_k(const float *scores, int64_t num_rows, int64_t num_scores, int64_t k,
                  int64_t *positions)
{
    const uint32_t nothing = ordered(-INFINITY);
    for (int64_t row = 0; row < num_rows; row++, scores += num_scores, positions += k) {
        uint32_t threshold = nothing;
        int64_t num_equal = 0, found = 0;
        if (k < num_scores && k > 0) threshold = kth_largest(scores, num_scores, k, &num_equal);
        if (threshold == nothing) num_equal = 0;
        for (int64_t i = 0; i < num_scores && found < k; i++) {
            const uint32_t key = ordered(scores[i]);
            if (key > threshold || (key == threshold && num_equal-- > 0)) positions[found++] = i;
        }
        while (found < k) positions[found++] = -1;
    }
}
