/* Which experts a token goes to, and with what weight: row by row, so that a row's choice never
   depends on its neighbours. */
#include "kernels.h"

#define EXPERTS_MAX 1024 /* a multiple of LANES */

static void score_row(const struct gate *g, const float *logits, float *scores)
{
    float padded[EXPERTS_MAX];
    float largest = logits[0], total = 0;
    for (int64_t e = 1; e < g->num_experts; e++) largest = logits[e] > largest ? logits[e] : largest;
    memcpy(padded, logits, (size_t)g->num_experts * sizeof(float));
    for (int64_t e = g->num_experts; e % LANES; e++) padded[e] = 0;
    for (int64_t e = 0; e < g->num_experts; e += LANES) {
        const vec x = load(padded + e);
        store(padded + e, g->is_sigmoid ? splat(1.0f) / (splat(1.0f) + exponential(-x))
                                        : exponential(x - splat(largest)));
    }
    for (int64_t e = 0; e < g->num_experts; e++) total += padded[e];
    for (int64_t e = 0; e < g->num_experts; e++)
        scores[e] = g->is_sigmoid ? padded[e] : padded[e] / total;
}

/* The place of the largest value not yet taken; the first one among equals. */
static int64_t best_left(const float *values, const uint8_t *is_taken, int64_t count)
{
    int64_t best = -1;
    for (int64_t i = 0; i < count; i++)
        if (!is_taken[i] && (best < 0 || values[i] > values[best])) best = i;
    return best < 0 ? 0 : best;
}

/* Bars every expert whose group is not among the strongest. */
static void bar_weak_groups(const struct gate *g, float *biased)
{
    const int64_t size = g->num_experts / g->num_groups;
    float strength[EXPERTS_MAX];
    uint8_t is_kept[EXPERTS_MAX] = {0};
    for (int64_t group = 0; group < g->num_groups; group++) {
        uint8_t is_taken[EXPERTS_MAX] = {0};
        strength[group] = 0;
        for (int64_t i = 0; i < g->num_best; i++) {
            const int64_t best = best_left(biased + group * size, is_taken, size);
            is_taken[best] = 1;
            strength[group] += biased[group * size + best];
        }
    }
    for (int64_t i = 0; i < g->num_kept_groups; i++)
        is_kept[best_left(strength, is_kept, g->num_groups)] = 1;
    for (int64_t e = 0; e < g->num_experts; e++)
        if (!is_kept[e / size]) biased[e] = -INFINITY;
}

static void choose_row(const struct gate *g, const float *scores, int64_t *expert_ids)
{
    float biased[EXPERTS_MAX];
    uint8_t is_taken[EXPERTS_MAX] = {0};
    int64_t found = 0;
    for (int64_t e = 0; e < g->num_experts; e++) biased[e] = scores[e] + (g->bias ? g->bias[e] : 0);
    if (g->num_kept_groups < g->num_groups) bar_weak_groups(g, biased);
    for (int64_t i = 0; i < g->num_chosen; i++)
        is_taken[best_left(biased, is_taken, g->num_experts)] = 1;
    for (int64_t e = 0; e < g->num_experts; e++)
        if (is_taken[e]) expert_ids[found++] = e;
}

void moe_gate(const struct gate *g)
{
    for (int64_t row = 0; row < g->num_rows; row++) {
        float *scores = g->scores + row * g->num_experts;
        float *weights = g->weights + row * g->num_chosen, total = 1e-20f;
        int64_t *expert_ids = g->expert_ids + row * g->num_chosen;
        score_row(g, g->logits + row * g->num_experts, scores);
        if (!g->is_given) choose_row(g, scores, expert_ids);
        for (int64_t i = 0; i < g->num_chosen; i++) total += scores[expert_ids[i]];
        for (int64_t i = 0; i < g->num_chosen; i++)
            weights[i] = scores[expert_ids[i]] / (g->is_normed ? total : 1.0f) * g->factor;
    }
}
