/* A weight laid out for `linear`: panels of PANEL output columns, each [K][PANEL], so that one
   vector holds neighbouring outputs and every output is summed over k in order. */
#ifndef WHALEFALL_WEIGHT_H
#define WHALEFALL_WEIGHT_H

#include "vector.h"

#if LANES == 16
#define PANEL_VECTORS 4
#else
#define PANEL_VECTORS 2
#endif
#define PANEL (PANEL_VECTORS * LANES)
#define SCALE_BLOCK 128

enum storage { FLOAT32 = 0, BFLOAT16 = 1, E4M3 = 2 };

struct weight {
    const void *values;  /* [ceil(N / PANEL)][K][PANEL] in `storage`, zeros past N */
    const float *scales; /* E4M3: [ceil(N / PANEL)][ceil(K / SCALE_BLOCK)], powers of two */
    int64_t storage;
    int64_t num_outputs; /* N */
    int64_t num_inputs;  /* K */
};

/* y[m][n] = sum over k, ascending, of x[m][k] * weight[n][k]. Rows are `x_stride` and `y_stride`
   floats apart. */
void linear(const struct weight *weight, const float *x, int64_t x_stride, float *y,
            int64_t y_stride, int64_t num_rows);

#endif
