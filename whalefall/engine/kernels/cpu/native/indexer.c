/* The lightning indexer's scores over the pages of the cache. */
#include "kernels.h"
#include "products.h"

#define KEY_TILE 64

typedef float few __attribute__((vector_size(4 * KEYS))); /* one number for each of KEYS keys */

/* Scores of KEYS keys for one query: heads are added in ascending order. */
INLINE few score_keys(const struct indexer *a, int64_t query, const float *const *keys)
{
    few scores = {0};
    for (int64_t first = 0; first < a->num_heads; first += HEADS) {
        const int64_t rest = a->num_heads - first, num_heads = rest < HEADS ? rest : HEADS;
        const float *queries[HEADS];
        for (int h = 0; h < HEADS; h++) {
            const int64_t head = first + (h < num_heads ? h : num_heads - 1);
            queries[h] = a->query + (query * a->num_heads + head) * a->width;
        }
        vec sum[LANES];
        for (int i = 0; i < LANES; i++) sum[i] = (vec){0};
        add_products(sum, queries, keys, a->width);
        const vec positive = larger(sums(sum), (vec){0});
        const float *head_weights = a->head_weights + query * a->num_heads + first;
        for (int h = 0; h < HEADS; h++) {
            few product;
            memcpy(&product, (const char *)&positive + (size_t)h * sizeof product, sizeof product);
            if (h < num_heads) scores += product * head_weights[h];
        }
    }
    return scores;
}

static void score_tile(const struct indexer *a, int64_t query, int64_t start, int64_t end)
{
    const int64_t *slots = a->slots + query / a->num_queries * a->num_slots;
    float *scores = a->scores + query * a->num_slots;
    const int64_t seen = a->counts[query] < end ? a->counts[query] : end;
    for (int64_t first = start; first < seen; first += KEYS) {
        const int64_t count = seen - first;
        const float *keys[KEYS];
        for (int j = 0; j < KEYS; j++)
            keys[j] = a->key + slots[first + (j < count ? j : count - 1)] * a->width;
        const few found = score_keys(a, query, keys);
        if (count >= KEYS)
            memcpy(scores + first, &found, sizeof found);
        else
            for (int64_t j = 0; j < count; j++) scores[first + j] = found[j];
    }
    for (int64_t i = seen > start ? seen : start; i < end; i++) scores[i] = -INFINITY;
}

/* Tile by tile, so that the queries of a group find their keys in the nearest cache. */
void paged_indexer_scores(const struct indexer *a)
{
    for (int64_t group = 0; group < a->num_groups; group++)
        for (int64_t start = 0; start < a->num_slots; start += KEY_TILE) {
            const int64_t left = a->num_slots - start;
            const int64_t end = start + (left < KEY_TILE ? left : KEY_TILE);
            for (int64_t q = 0; q < a->num_queries; q++)
                score_tile(a, group * a->num_queries + q, start, end);
        }
}
