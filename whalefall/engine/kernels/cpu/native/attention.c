/* Absorbed MLA over the pages of the cache: latents and rope keys are read where they lie.

   Each query is computed by itself over its own keys in their order, in tiles of KEY_TILE from the
   first on, so its bits depend neither on other queries nor on how a prompt was cut. */
#include "kernels.h"
#include "products.h"

#define KEY_TILE 64
#define RANK_MAX 1024
#define VALUE_VECTORS 4

/* HEADS heads of one query; absent heads repeat the last one and are not stored. */
struct block {
    const float *q_latent[HEADS], *q_rope[HEADS];
    float scores[HEADS][KEY_TILE]; /* then probabilities */
    float maximum[HEADS], total[HEADS], decay[HEADS];
    float values[HEADS][RANK_MAX];
};

static void score_tile(const struct attention *a, struct block *b, const int64_t *slots,
                       int64_t count)
{
    const vec scale = splat(a->scale);
    for (int64_t first = 0; first < count; first += KEYS) {
        const float *latents[KEYS], *ropes[KEYS];
        for (int j = 0; j < KEYS; j++) {
            const int64_t slot = slots[first + j < count ? first + j : count - 1];
            latents[j] = a->latent + slot * a->rank;
            ropes[j] = a->rope_key + slot * a->rope;
        }
        vec sum[LANES];
        for (int i = 0; i < LANES; i++) sum[i] = (vec){0};
        add_products(sum, b->q_latent, latents, a->rank);
        add_products(sum, b->q_rope, ropes, a->rope);
        const vec scores = sums(sum) * scale;
        for (int h = 0; h < HEADS; h++)
            memcpy(b->scores[h] + first, (const float *)&scores + h * KEYS, KEYS * sizeof(float));
    }
    for (int h = 0; h < HEADS; h++)
        for (int64_t i = count; i < KEY_TILE; i++) b->scores[h][i] = -INFINITY;
}

/* From scores to weights under the running maximum, and what the sums so far shrink by. */
static void soften_tile(struct block *b)
{
    for (int h = 0; h < HEADS; h++) {
        vec largest = load(b->scores[h]), sum = {0};
        for (int i = LANES; i < KEY_TILE; i += LANES) largest = larger(largest, load(b->scores[h] + i));
        const float in_tile = largest_lane(largest), before = b->maximum[h];
        const float maximum = in_tile > before ? in_tile : before;
        for (int i = 0; i < KEY_TILE; i += LANES) {
            const vec weight = exponential(load(b->scores[h] + i) - splat(maximum));
            store(b->scores[h] + i, weight);
            sum += weight;
        }
        b->decay[h] = exponential(splat(before - maximum))[0];
        b->total[h] = b->total[h] * b->decay[h] + sum_lanes(sum);
        b->maximum[h] = maximum;
    }
}

/* values = values * decay + weights . latents, for `vectors` vectors from d on, or for the end of a
   row that fills none; both are constants. */
INLINE void add_values(const int vectors, const int is_whole, const struct attention *a, struct block *b,
                       const int64_t *slots, int64_t count, int64_t d)
{
    vec sum[HEADS][VALUE_VECTORS];
    for (int h = 0; h < HEADS; h++)
        for (int v = 0; v < vectors; v++)
            sum[h][v] = load(b->values[h] + d + v * LANES) * splat(b->decay[h]);
    for (int64_t i = 0; i < count; i++) {
        const float *latent = a->latent + slots[i] * a->rank;
        vec value[VALUE_VECTORS];
        for (int v = 0; v < vectors; v++)
            value[v] = is_whole ? load(latent + d + v * LANES)
                                : load_first(latent + d, a->rank - d);
        for (int h = 0; h < HEADS; h++)
            for (int v = 0; v < vectors; v++)
                sum[h][v] = multiply_add(splat(b->scores[h][i]), value[v], sum[h][v]);
    }
    for (int h = 0; h < HEADS; h++)
        for (int v = 0; v < vectors; v++) store(b->values[h] + d + v * LANES, sum[h][v]);
}

static void value_tile(const struct attention *a, struct block *b, const int64_t *slots,
                       int64_t count)
{
    int64_t d = 0;
    for (; d + VALUE_VECTORS * LANES <= a->rank; d += VALUE_VECTORS * LANES)
        add_values(VALUE_VECTORS, 1, a, b, slots, count, d);
    for (; d + LANES <= a->rank; d += LANES) add_values(1, 1, a, b, slots, count, d);
    if (d < a->rank) add_values(1, 0, a, b, slots, count, d);
}

static void attend(const struct attention *a, int64_t query, int64_t first_head, struct block *b)
{
    const int64_t rest = a->num_heads - first_head, num_heads = rest < HEADS ? rest : HEADS;
    const int64_t *slots = a->slots + query / a->num_queries * a->num_slots;
    for (int h = 0; h < HEADS; h++) {
        const int64_t head = first_head + (h < num_heads ? h : num_heads - 1);
        b->q_latent[h] = a->q_latent + (query * a->num_heads + head) * a->rank;
        b->q_rope[h] = a->q_rope + (query * a->num_heads + head) * a->rope;
        b->maximum[h] = -INFINITY;
        b->total[h] = 0;
        memset(b->values[h], 0, (size_t)a->rank * sizeof(float) + sizeof(vec));
    }
    for (int64_t start = 0; start < a->counts[query]; start += KEY_TILE) {
        const int64_t left = a->counts[query] - start, count = left < KEY_TILE ? left : KEY_TILE;
        score_tile(a, b, slots + start, count);
        soften_tile(b);
        value_tile(a, b, slots + start, count);
    }
    for (int h = 0; h < num_heads; h++) {
        float *out = a->out + (query * a->num_heads + first_head + h) * a->rank;
        for (int64_t d = 0; d < a->rank; d++) out[d] = b->values[h][d] / b->total[h];
    }
}

/* 0, or 1 when the latents are wider than RANK_MAX leaves room for. */
int paged_mla_attention(const struct attention *a)
{
    struct block block;
    if (a->rank > RANK_MAX - LANES) return 1;
    for (int64_t query = 0; query < a->num_groups * a->num_queries; query++)
        for (int64_t head = 0; head < a->num_heads; head += HEADS) attend(a, query, head, &block);
    return 0;
}
