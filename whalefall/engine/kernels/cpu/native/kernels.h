/* What the files of kernels offer one another. Shapes are told where each is defined. */
#ifndef WHALEFALL_KERNELS_H
#define WHALEFALL_KERNELS_H

#include "weight.h"

struct mlp {
    const struct weight *gate_up; /* [2 * I][D]: gate's rows, then up's */
    const struct weight *down;    /* [D][I] */
};

struct mixture {
    const struct mlp *experts;
    const float *x;            /* [T][D], rows x_stride apart */
    const int64_t *expert_ids; /* [T][K], ascending in each row */
    const float *weights;      /* [T][K] */
    float *y;                  /* [T][D] */
    int64_t num_experts, x_stride, num_rows, num_per_row, width;
};

struct gate {
    const float *logits; /* [T][E] */
    const float *bias;   /* [E], or none */
    int64_t *expert_ids; /* [T][K], ascending in each row; read instead where `is_given` */
    float *weights;      /* [T][K] */
    float *scores;       /* [T][E] */
    int64_t num_rows, num_experts, num_chosen /* K */, num_groups, num_kept_groups;
    int64_t num_best /* experts that speak for a group */;
    int64_t is_sigmoid, is_normed, is_given;
    float factor;
};

struct attention {
    const float *q_latent; /* [N][H][rank] */
    const float *q_rope;   /* [N][H][rope] */
    const float *latent;   /* [slots][rank] */
    const float *rope_key; /* [slots][rope] */
    const int64_t *slots;  /* [G][S] */
    const int64_t *counts; /* [N]: how many of its group's slots a query sees, at least one */
    float *out;            /* [N][H][rank] */
    int64_t num_groups, num_queries /* of each group */, num_slots /* S */, num_heads, rank, rope;
    float scale;
};

struct indexer {
    const float *query;        /* [N][H][D] */
    const float *head_weights; /* [N][H] */
    const float *key;          /* [slots][D] */
    const int64_t *slots;      /* [G][S] */
    const int64_t *counts;     /* [N]: how many of its group's slots a query sees */
    float *scores;             /* [N][S], -inf from a query's count on */
    int64_t num_groups, num_queries /* of each group */, num_slots /* S */, num_heads, width;
};

void head_linear(const struct weight *weights, int64_t num_heads, const float *x,
                 int64_t x_stride, int64_t x_head_stride, float *y, int64_t num_rows);
void rms_norm(const float *x, int64_t x_stride, const float *weight, float eps, float *y,
              int64_t num_rows, int64_t width);
void layer_norm(const float *x, int64_t x_stride, const float *weight, const float *bias,
                float eps, float *y, int64_t num_rows, int64_t width);
void rotary_interleaved(const float *x, int64_t x_stride, int64_t x_head_stride, const float *cos,
                        const float *sin, float *y, int64_t num_rows, int64_t num_heads,
                        int64_t half);
void rotary_half_split(const float *x, int64_t x_stride, int64_t x_head_stride, const float *cos,
                       const float *sin, float *y, int64_t num_rows, int64_t num_heads,
                       int64_t half, int64_t width);
int gated_mlp(const struct mlp *mlp, const float *x, int64_t x_stride, float *y, int64_t num_rows);
int moe_experts(const struct mixture *mixture);
void moe_gate(const struct gate *gate);
int paged_mla_attention(const struct attention *attention);
void paged_indexer_scores(const struct indexer *indexer);
int select_top_k(const float *scores, int64_t num_rows, int64_t num_scores, int64_t k,
                 int64_t *positions);

#endif
