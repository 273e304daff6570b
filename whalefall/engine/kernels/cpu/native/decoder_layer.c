/* A whole decoder layer over the pages of the cache: nothing but the other kernels in a row, so its
   bits are theirs. It saves what many small calls cost a decode step. */
#include <stdlib.h>

#include "kernels.h"

struct layer {
    const struct weight *query_down, *query_up; /* query_down is none without query latent */
    const struct weight *key_value_down, *absorb_key, *absorb_value, *output;
    const struct weight *index_query, *index_key, *index_weights; /* none without indexer */
    const float *input_norm, *post_norm, *query_norm, *key_value_norm;
    const float *index_norm_weight, *index_norm_bias;
    const struct mlp *dense; /* none in a mixture of experts */
    const struct weight *router;
    const struct mlp *experts, *shared;
    struct gate gate; /* its rule; rows and addresses are filled in */
    int64_t width, num_heads, nope, rope, rank, query_rank, value_width;
    int64_t num_index_heads, index_width, index_top_k;
    float eps, latent_eps, index_eps, scale, index_scale;
};

struct key_group {
    const int64_t *rows, *slots, *counts; /* [N], [G][S], [N] */
    int64_t num_rows, num_groups, num_slots, is_sparse;
};

struct pass {
    const float *cos, *sin;       /* [T][rope / 2] */
    const int64_t *slot_mapping;  /* [T] */
    const struct key_group *groups;
    int64_t num_rows, num_groups, has_sparse;
};

struct layer_cache {
    float *latent, *rope_key, *index_key;
};

/* Intermediate results of a pass, all from one piece of memory. */
struct arena {
    float *memory;
    int64_t used;
};

static float *take(struct arena *arena, int64_t count)
{
    float *taken = arena->memory ? arena->memory + arena->used : NULL;
    arena->used += (count + LANES - 1) / LANES * LANES;
    return taken;
}

struct scratch {
    float *x, *query_latent, *query, *key_value, *latent, *rope_key, *q_latent, *q_rope;
    float *index_raw, *index_key, *index_query_raw, *index_query, *head_weights;
    float *attended, *values, *out, *shared, *logits, *scores, *expert_weights;
    int64_t *expert_ids;
};

static void lay_out(struct arena *a, const struct layer *l, int64_t T, struct scratch *s)
{
    const int64_t H = l->num_heads, index = l->num_index_heads * l->index_width;
    s->x = take(a, T * l->width);
    s->query_latent = take(a, 2 * T * l->query_rank);
    s->query = take(a, T * H * (l->nope + l->rope));
    s->key_value = take(a, T * (l->rank + l->rope));
    s->latent = take(a, T * l->rank);
    s->rope_key = take(a, T * l->rope);
    s->q_latent = take(a, T * H * l->rank);
    s->q_rope = take(a, T * H * l->rope);
    s->index_raw = take(a, 2 * T * l->index_width);
    s->index_key = take(a, T * l->index_width);
    s->index_query_raw = take(a, T * index);
    s->index_query = take(a, T * index);
    s->head_weights = take(a, T * l->num_index_heads);
    s->attended = take(a, T * H * l->rank);
    s->values = take(a, T * H * l->value_width);
    s->out = take(a, T * l->width);
    s->shared = take(a, T * l->width);
    s->logits = take(a, T * l->gate.num_experts);
    s->scores = take(a, T * l->gate.num_experts);
    s->expert_weights = take(a, T * l->gate.num_chosen);
    s->expert_ids = (int64_t *)take(a, 2 * T * l->gate.num_chosen);
}

static void scatter(const float *from, float *to, const int64_t *places, int64_t count,
                    int64_t width)
{
    for (int64_t i = 0; i < count; i++)
        memcpy(to + places[i] * width, from + i * width, (size_t)width * sizeof(float));
}

static void gather(const float *from, float *to, const int64_t *places, int64_t count,
                   int64_t width)
{
    for (int64_t i = 0; i < count; i++)
        memcpy(to + i * width, from + places[i] * width, (size_t)width * sizeof(float));
}

static void add(float *to, const float *from, int64_t count)
{
    for (int64_t i = 0; i < count; i++) to[i] += from[i];
}

static void write_cache(const struct layer *l, const struct pass *p, const struct layer_cache *c,
                        struct scratch *s)
{
    const int64_t T = p->num_rows, both = l->rank + l->rope;
    linear(l->key_value_down, s->x, l->width, s->key_value, both, T);
    rms_norm(s->key_value, both, l->key_value_norm, l->latent_eps, s->latent, T, l->rank);
    rotary_interleaved(s->key_value + l->rank, both, 0, p->cos, p->sin, s->rope_key, T, 1,
                       l->rope / 2);
    scatter(s->latent, c->latent, p->slot_mapping, T, l->rank);
    scatter(s->rope_key, c->rope_key, p->slot_mapping, T, l->rope);
    if (!l->index_key) return;
    float *normed = s->index_raw + T * l->index_width;
    linear(l->index_key, s->x, l->width, s->index_raw, l->index_width, T);
    layer_norm(s->index_raw, l->index_width, l->index_norm_weight, l->index_norm_bias,
               l->index_eps, normed, T, l->index_width);
    rotary_half_split(normed, l->index_width, 0, p->cos, p->sin, s->index_key, T, 1, l->rope / 2,
                      l->index_width);
    scatter(s->index_key, c->index_key, p->slot_mapping, T, l->index_width);
}

static void make_queries(const struct layer *l, const struct pass *p, struct scratch *s)
{
    const int64_t T = p->num_rows, head = l->nope + l->rope, row = l->num_heads * head;
    const float *source = s->x;
    int64_t source_width = l->width;
    if (l->query_down) {
        float *raw = s->query_latent + T * l->query_rank;
        linear(l->query_down, s->x, l->width, raw, l->query_rank, T);
        rms_norm(raw, l->query_rank, l->query_norm, l->latent_eps, s->query_latent, T,
                 l->query_rank);
        source = s->query_latent;
        source_width = l->query_rank;
    }
    linear(l->query_up, source, source_width, s->query, row, T);
    head_linear(l->absorb_key, l->num_heads, s->query, row, head, s->q_latent, T);
    rotary_interleaved(s->query + l->nope, row, head, p->cos, p->sin, s->q_rope, T, l->num_heads,
                       l->rope / 2);
    if (!l->index_query || !p->has_sparse) return;
    const int64_t index_row = l->num_index_heads * l->index_width;
    linear(l->index_query, source, source_width, s->index_query_raw, index_row, T);
    rotary_half_split(s->index_query_raw, index_row, l->index_width, p->cos, p->sin,
                      s->index_query, T, l->num_index_heads, l->rope / 2, l->index_width);
    linear(l->index_weights, s->x, l->width, s->head_weights, l->num_index_heads, T);
    for (int64_t i = 0; i < T * l->num_index_heads; i++) s->head_weights[i] *= l->index_scale;
}

/* The slots of the keys that the indexer chooses for each query: [N][index_top_k]. */
static int choose_slots(const struct layer *l, const struct key_group *g,
                        const struct layer_cache *c, const struct scratch *s, int64_t *slots,
                        int64_t *counts)
{
    const int64_t N = g->num_rows, k = l->index_top_k, queries = N / g->num_groups;
    const int64_t row = l->num_index_heads * l->index_width;
    struct arena arena = {malloc((size_t)(N * (row + l->num_index_heads + g->num_slots) + 3 * LANES)
                                 * sizeof(float)), 0};
    if (!arena.memory) return 1;
    float *query = take(&arena, N * row), *head_weights = take(&arena, N * l->num_index_heads);
    float *scores = take(&arena, N * g->num_slots);
    gather(s->index_query, query, g->rows, N, row);
    gather(s->head_weights, head_weights, g->rows, N, l->num_index_heads);
    const struct indexer indexer = {query, head_weights, c->index_key, g->slots, g->counts, scores,
                                    g->num_groups, queries, g->num_slots, l->num_index_heads,
                                    l->index_width};
    paged_indexer_scores(&indexer);
    const int status = select_top_k(scores, N, g->num_slots, k, slots);
    for (int64_t n = 0; n < N && !status; n++) {
        counts[n] = 0;
        for (int64_t i = 0; i < k && slots[n * k + i] >= 0; i++, counts[n]++)
            slots[n * k + i] = g->slots[n / queries * g->num_slots + slots[n * k + i]];
    }
    free(arena.memory);
    return status;
}

static int attend_group(const struct layer *l, const struct key_group *g,
                        const struct layer_cache *c, const struct scratch *s)
{
    const int64_t N = g->num_rows, k = g->is_sparse ? l->index_top_k : 0;
    const int64_t wide = l->num_heads * l->rank, narrow = l->num_heads * l->rope;
    struct arena arena = {malloc((size_t)(N * (2 * wide + narrow) + 3 * LANES) * sizeof(float)), 0};
    int64_t *slots = malloc((size_t)(N * (k + 1)) * sizeof(int64_t));
    int status = !arena.memory || !slots;
    if (!status) {
        float *q_latent = take(&arena, N * wide), *q_rope = take(&arena, N * narrow);
        float *out = take(&arena, N * wide);
        gather(s->q_latent, q_latent, g->rows, N, wide);
        gather(s->q_rope, q_rope, g->rows, N, narrow);
        struct attention a = {q_latent, q_rope, c->latent, c->rope_key, g->slots, g->counts, out,
                              g->num_groups, N / g->num_groups, g->num_slots, l->num_heads,
                              l->rank, l->rope, l->scale};
        if (g->is_sparse) {
            status = choose_slots(l, g, c, s, slots, slots + N * k);
            a.slots = slots;
            a.counts = slots + N * k;
            a.num_groups = N;
            a.num_queries = 1;
            a.num_slots = k;
        }
        if (!status) status = paged_mla_attention(&a);
        if (!status) scatter(out, s->attended, g->rows, N, wide);
    }
    free(arena.memory);
    free(slots);
    return status;
}

static int feed_forward(const struct layer *l, int64_t T, struct scratch *s)
{
    if (l->dense) return gated_mlp(l->dense, s->x, l->width, s->out, T);
    struct gate gate = l->gate;
    gate.logits = s->logits;
    gate.expert_ids = s->expert_ids;
    gate.weights = s->expert_weights;
    gate.scores = s->scores;
    gate.num_rows = T;
    linear(l->router, s->x, l->width, s->logits, gate.num_experts, T);
    moe_gate(&gate);
    const struct mixture mixture = {l->experts, s->x, s->expert_ids, s->expert_weights, s->out,
                                    gate.num_experts, l->width, T, gate.num_chosen, l->width};
    if (moe_experts(&mixture)) return 1;
    if (!l->shared) return 0;
    if (gated_mlp(l->shared, s->x, l->width, s->shared, T)) return 1;
    add(s->out, s->shared, T * l->width);
    return 0;
}

/* hidden [T][width], replaced by the layer's output. 0, or 1 when there is no memory. */
int decoder_layer(const struct layer *l, const struct pass *p, const struct layer_cache *c,
                  float *hidden)
{
    const int64_t T = p->num_rows;
    struct arena arena = {NULL, 0};
    struct scratch s;
    lay_out(&arena, l, T, &s);
    arena.memory = malloc((size_t)(arena.used + LANES) * sizeof(float));
    if (!arena.memory) return 1;
    arena.used = 0;
    lay_out(&arena, l, T, &s);
    rms_norm(hidden, l->width, l->input_norm, l->eps, s.x, T, l->width);
    write_cache(l, p, c, &s);
    make_queries(l, p, &s);
    int status = 0;
    for (int64_t i = 0; i < p->num_groups && !status; i++)
        status = attend_group(l, p->groups + i, c, &s);
    if (!status) {
        const int64_t values = l->num_heads * l->value_width;
        head_linear(l->absorb_value, l->num_heads, s.attended, l->num_heads * l->rank, l->rank,
                    s.values, T);
        linear(l->output, s.values, values, s.out, l->width, T);
        add(hidden, s.out, T * l->width);
        rms_norm(hidden, l->width, l->post_norm, l->eps, s.x, T, l->width);
        status = feed_forward(l, T, &s);
        if (!status) add(hidden, s.out, T * l->width);
    }
    free(arena.memory);
    return status;
}
