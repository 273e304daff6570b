/* Dot products of a few query heads with a few keys, read where they lie. */
#ifndef WHALEFALL_PRODUCTS_H
#define WHALEFALL_PRODUCTS_H

#include "vector.h"

#define HEADS 4            /* heads that share a load of a key */
#define KEYS (LANES / HEADS) /* keys at once: one vector holds all their products */

INLINE vec load_upto(const float *from, int64_t start, int64_t width)
{
    return width - start >= LANES ? load(from + start) : load_first(from + start, width - start);
}

/* Adds to sum[head * KEYS + key] the lanewise products over `width` dimensions. */
INLINE void add_products(vec *sum, const float *const *queries, const float *const *keys,
                         int64_t width)
{
    for (int64_t d = 0; d < width; d += LANES) {
        vec key[KEYS];
        for (int j = 0; j < KEYS; j++) key[j] = load_upto(keys[j], d, width);
        for (int h = 0; h < HEADS; h++) {
            const vec query = load_upto(queries[h], d, width);
            for (int j = 0; j < KEYS; j++)
                sum[h * KEYS + j] = multiply_add(query, key[j], sum[h * KEYS + j]);
        }
    }
}

#endif
