/* Dot products of a few query heads with a few keys, read where they lie. */
#ifndef WHALEFALL_PRODUCTS_H
#define WHALEFALL_PRODUCTS_H

#include "vector.h"

#define HEADS 4            /* heads that share a load of a key */
#define KEYS (LANES / HEADS) /* keys at once: one vector holds all their products */

/* Adds to sum[head * KEYS + key] the lanewise products over `width` dimensions. The end of a row
   that fills no vector comes apart from the rest, which then needs nothing but registers. */
INLINE void add_products(vec *sum, const float *const *queries, const float *const *keys,
                         int64_t width)
{
    const int64_t whole = width / LANES * LANES, rest = width - whole;
    for (int64_t d = 0; d < whole; d += LANES) {
        vec key[KEYS];
        for (int j = 0; j < KEYS; j++) key[j] = load(keys[j] + d);
        for (int h = 0; h < HEADS; h++) {
            const vec query = load(queries[h] + d);
            for (int j = 0; j < KEYS; j++)
                sum[h * KEYS + j] = multiply_add(query, key[j], sum[h * KEYS + j]);
        }
    }
    if (!rest) return;
    for (int h = 0; h < HEADS; h++)
        for (int j = 0; j < KEYS; j++)
            sum[h * KEYS + j] = multiply_add(load_first(queries[h] + whole, rest),
                                             load_first(keys[j] + whole, rest),
                                             sum[h * KEYS + j]);
}

#endif
