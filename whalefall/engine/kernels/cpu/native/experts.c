/* The feed-forward half of a layer: down(silu(gate(x)) * up(x)), alone or as a mixture. */
#include <stdlib.h>

#include "kernels.h"

#define ROWS_AT_ONCE 48

/* In each row of 2 * width: silu of the first half times the second half, into the first. */
static void gate_rows(float *rows, int64_t num_rows, int64_t width)
{
    const int64_t whole = width / LANES * LANES, rest = width - whole;
    for (int64_t row = 0; row < num_rows; row++, rows += 2 * width) {
        float *gate = rows;
        const float *up = rows + width;
        for (int64_t i = 0; i < whole; i += LANES) {
            const vec x = load(gate + i);
            store(gate + i, x / (splat(1.0f) + exponential(-x)) * load(up + i));
        }
        const vec x = load_first(gate + whole, rest), y = load_first(up + whole, rest);
        store_first(gate + whole, x / (splat(1.0f) + exponential(-x)) * y, rest);
    }
}

static void run_mlp(const struct mlp *mlp, const float *x, int64_t x_stride, float *y,
                    int64_t num_rows, float *scratch)
{
    const int64_t width = mlp->down->num_inputs, out = mlp->down->num_outputs;
    for (int64_t row = 0; row < num_rows; row += ROWS_AT_ONCE) {
        const int64_t rest = num_rows - row, count = rest < ROWS_AT_ONCE ? rest : ROWS_AT_ONCE;
        linear(mlp->gate_up, x + row * x_stride, x_stride, scratch, 2 * width, count);
        gate_rows(scratch, count, width);
        linear(mlp->down, scratch, 2 * width, y + row * out, out, count);
    }
}

static float *floats(int64_t count) { return malloc((size_t)count * sizeof(float)); }

/* x [M][D] -> y [M][D]. 0, or 1 when there is no memory. */
int gated_mlp(const struct mlp *mlp, const float *x, int64_t x_stride, float *y, int64_t num_rows)
{
    float *scratch = floats(ROWS_AT_ONCE * 2 * mlp->down->num_inputs);
    if (!scratch) return 1;
    run_mlp(mlp, x, x_stride, y, num_rows, scratch);
    free(scratch);
    return 0;
}

/* Rows that go to one expert: gathered, computed, and put back at their places of `said`. */
static void run_expert(const struct mixture *m, int64_t expert, float *gathered, float *answers,
                       float *said, float *scratch)
{
    const size_t row_bytes = (size_t)m->width * sizeof(float);
    const int64_t num_slots = m->num_rows * m->num_per_row;
    int64_t count = 0;
    for (int64_t slot = 0; slot < num_slots; slot++)
        if (m->expert_ids[slot] == expert)
            memcpy(gathered + count++ * m->width, m->x + slot / m->num_per_row * m->x_stride,
                   row_bytes);
    if (count == 0) return;
    run_mlp(m->experts + expert, gathered, m->width, answers, count, scratch);
    count = 0;
    for (int64_t slot = 0; slot < num_slots; slot++)
        if (m->expert_ids[slot] == expert)
            memcpy(said + slot * m->width, answers + count++ * m->width, row_bytes);
}

/* A token's answers, weighed and added in the order of its expert ids. */
static void add_answers(const struct mixture *m, const float *said)
{
    for (int64_t row = 0; row < m->num_rows; row++) {
        float *y = m->y + row * m->width;
        const float *weights = m->weights + row * m->num_per_row;
        memset(y, 0, (size_t)m->width * sizeof(float));
        for (int64_t slot = 0; slot < m->num_per_row; slot++, said += m->width)
            for (int64_t d = 0; d < m->width; d++) y[d] += said[d] * weights[slot];
    }
}

/* 0, or 1 when there is no memory. */
int moe_experts(const struct mixture *m)
{
    const int64_t size = m->num_rows * m->num_per_row * m->width;
    float *said = floats(3 * size + ROWS_AT_ONCE * 2 * m->experts->down->num_inputs);
    if (!said) return 1;
    for (int64_t expert = 0; expert < m->num_experts; expert++)
        run_expert(m, expert, said + size, said + 2 * size, said, said + 3 * size);
    add_answers(m, said);
    free(said);
    return 0;
}
