/* Matrix products for any number of rows. A row's bits depend on that row and the weight alone:
   each output is one chain of fused multiply-adds over k, whatever the tile it is computed in. */
#include "weight.h"

#define TILE_ROWS 6
#define FEW_ROWS 4 /* up to so many, widening a weight twice costs more than it saves */
#define AHEAD_BYTES 4096 /* the processor's own prefetching ends at every page */
#define CHUNK 32 /* inputs whose weights are widened to fp32 at once; divides SCALE_BLOCK */

/* `rows` (a constant after inlining) rows times one panel over num_inputs inputs. */
INLINE void multiply_tile(const int rows, const float *panel, const float *x, int64_t x_stride,
                          int64_t num_inputs, float *y, int64_t y_stride, int is_first)
{
    vec sum[TILE_ROWS][PANEL_VECTORS];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < PANEL_VECTORS; v++)
            sum[r][v] = is_first ? (vec){0} : load(y + r * y_stride + v * LANES);
    for (int64_t k = 0; k < num_inputs; k++) {
        vec w[PANEL_VECTORS];
        for (int v = 0; v < PANEL_VECTORS; v++) w[v] = load(panel + k * PANEL + v * LANES);
        for (int r = 0; r < rows; r++) {
            const vec input = splat(x[r * x_stride + k]);
            for (int v = 0; v < PANEL_VECTORS; v++)
                sum[r][v] = multiply_add(input, w[v], sum[r][v]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < PANEL_VECTORS; v++) store(y + r * y_stride + v * LANES, sum[r][v]);
}

static void multiply_panel(const float *panel, const float *x, int64_t x_stride,
                           int64_t num_inputs, float *y, int64_t y_stride, int64_t num_rows,
                           int is_first)
{
    int64_t row = 0;
    for (; row + TILE_ROWS <= num_rows; row += TILE_ROWS)
        multiply_tile(TILE_ROWS, panel, x + row * x_stride, x_stride, num_inputs,
                      y + row * y_stride, y_stride, is_first);
    x += row * x_stride;
    y += row * y_stride;
    switch (num_rows - row) {
    case 1: multiply_tile(1, panel, x, x_stride, num_inputs, y, y_stride, is_first); break;
    case 2: multiply_tile(2, panel, x, x_stride, num_inputs, y, y_stride, is_first); break;
    case 3: multiply_tile(3, panel, x, x_stride, num_inputs, y, y_stride, is_first); break;
    case 4: multiply_tile(4, panel, x, x_stride, num_inputs, y, y_stride, is_first); break;
    case 5: multiply_tile(5, panel, x, x_stride, num_inputs, y, y_stride, is_first); break;
    }
}

static void widen_bfloat16(const uint16_t *from, float *to, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        const uint32_t bits = (uint32_t)from[i] << 16;
        memcpy(to + i, &bits, sizeof bits);
    }
}

/* LANES e4m3 values, each times 2^-8: the same bits with the exponent field of fp16, which is one
   bit wider and so holds e4m3's subnormals too. */
INLINE vec e4m3_vector(const uint8_t *from)
{
#if LANES == 16
    const __m256i words = _mm256_slli_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)from)), 7);
    return (vec)_mm512_cvtph_ps(_mm256_and_si256(words, _mm256_set1_epi16((int16_t)0xBFFF)));
#elif LANES == 8
    const __m128i words = _mm_slli_epi16(_mm_cvtepi8_epi16(_mm_loadl_epi64((const __m128i *)from)), 7);
    return (vec)_mm256_cvtph_ps(_mm_and_si128(words, _mm_set1_epi16((int16_t)0xBFFF)));
#else
    vec x;
    for (int i = 0; i < LANES; i++) {
        const int exponent = from[i] >> 3 & 15, mantissa = from[i] & 7;
        const int steps = exponent ? (8 + mantissa) << (exponent - 1) : mantissa; /* of 2^-9 */
        x[i] = (float)(from[i] & 128 ? -steps : steps) * 0x1p-17f;
    }
    return x;
#endif
}

static void widen_e4m3(const uint8_t *from, float *to, int64_t count, float scale)
{
    for (int64_t i = 0; i < count; i += PANEL) {
        __builtin_prefetch(from + i + AHEAD_BYTES);
        for (int64_t j = i; j < i + PANEL; j += LANES)
            store(to + j, e4m3_vector(from + j) * splat(scale));
    }
}

/* The weights of one panel and the inputs from k on, as fp32: in place, or widened to scratch. */
static const float *panel_chunk(const struct weight *weight, int64_t panel, int64_t k,
                                int64_t num_inputs, float *scratch)
{
    const int64_t start = (panel * weight->num_inputs + k) * PANEL;
    if (weight->storage == FLOAT32) return (const float *)weight->values + start;
    if (weight->storage == BFLOAT16) {
        widen_bfloat16((const uint16_t *)weight->values + start, scratch, num_inputs * PANEL);
        return scratch;
    }
    const int64_t num_blocks = (weight->num_inputs + SCALE_BLOCK - 1) / SCALE_BLOCK;
    const float scale = weight->scales[panel * num_blocks + k / SCALE_BLOCK];
    widen_e4m3((const uint8_t *)weight->values + start, scratch, num_inputs * PANEL,
               scale * 256.0f);
    return scratch;
}

/* A few rows against one block of an e4m3 panel, widened in registers. The scale, a power of two,
   multiplies the inputs instead: no bit is different. */
INLINE void multiply_few(const int rows, const uint8_t *panel, float scale, const float *x,
                         int64_t x_stride, int64_t num_inputs, float *y, int64_t y_stride,
                         int is_first)
{
    vec sum[FEW_ROWS][PANEL_VECTORS];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < PANEL_VECTORS; v++)
            sum[r][v] = is_first ? (vec){0} : load(y + r * y_stride + v * LANES);
    for (int64_t k = 0; k < num_inputs; k++) {
        vec w[PANEL_VECTORS];
        __builtin_prefetch(panel + k * PANEL + AHEAD_BYTES);
        for (int v = 0; v < PANEL_VECTORS; v++) w[v] = e4m3_vector(panel + k * PANEL + v * LANES);
        for (int r = 0; r < rows; r++) {
            const vec input = splat(x[r * x_stride + k]) * splat(scale);
            for (int v = 0; v < PANEL_VECTORS; v++)
                sum[r][v] = multiply_add(input, w[v], sum[r][v]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < PANEL_VECTORS; v++) store(y + r * y_stride + v * LANES, sum[r][v]);
}

static void few_rows_panel(const struct weight *weight, int64_t panel, const float *x,
                           int64_t x_stride, float *y, int64_t y_stride, int64_t num_rows)
{
    const int64_t num_inputs = weight->num_inputs;
    const int64_t num_blocks = (num_inputs + SCALE_BLOCK - 1) / SCALE_BLOCK;
    const uint8_t *values = (const uint8_t *)weight->values + panel * num_inputs * PANEL;
    for (int64_t block = 0; block < num_blocks; block++) {
        const int64_t k = block * SCALE_BLOCK, rest = num_inputs - k;
        const int64_t count = rest < SCALE_BLOCK ? rest : SCALE_BLOCK;
        const float scale = weight->scales[panel * num_blocks + block] * 256.0f;
        const uint8_t *from = values + k * PANEL;
        switch (num_rows) {
        case 1: multiply_few(1, from, scale, x + k, x_stride, count, y, y_stride, !k); break;
        case 2: multiply_few(2, from, scale, x + k, x_stride, count, y, y_stride, !k); break;
        case 3: multiply_few(3, from, scale, x + k, x_stride, count, y, y_stride, !k); break;
        case 4: multiply_few(4, from, scale, x + k, x_stride, count, y, y_stride, !k); break;
        }
    }
}

static void whole_panel(const struct weight *weight, int64_t panel, const float *x,
                        int64_t x_stride, float *y, int64_t y_stride, int64_t num_rows)
{
    if (weight->storage == E4M3 && num_rows <= FEW_ROWS) {
        few_rows_panel(weight, panel, x, x_stride, y, y_stride, num_rows);
        return;
    }
    float scratch[CHUNK * PANEL] __attribute__((aligned(64)));
    for (int64_t k = 0; k < weight->num_inputs; k += CHUNK) {
        const int64_t rest = weight->num_inputs - k, count = rest < CHUNK ? rest : CHUNK;
        const float *values = panel_chunk(weight, panel, k, count, scratch);
        multiply_panel(values, x + k, x_stride, count, y, y_stride, num_rows, k == 0);
    }
}

/* The last panel may be wider than what is left of a row of y, so it goes through scratch. */
static void last_panel(const struct weight *weight, int64_t panel, const float *x,
                       int64_t x_stride, float *y, int64_t y_stride, int64_t num_rows)
{
    float out[8 * TILE_ROWS][PANEL];
    const int64_t num_columns = weight->num_outputs - panel * PANEL;
    for (int64_t row = 0; row < num_rows; row += 8 * TILE_ROWS) {
        const int64_t rest = num_rows - row, count = rest < 8 * TILE_ROWS ? rest : 8 * TILE_ROWS;
        whole_panel(weight, panel, x + row * x_stride, x_stride, out[0], PANEL, count);
        for (int64_t r = 0; r < count; r++)
            memcpy(y + (row + r) * y_stride, out[r], (size_t)num_columns * sizeof(float));
    }
}

void linear(const struct weight *weight, const float *x, int64_t x_stride, float *y,
            int64_t y_stride, int64_t num_rows)
{
    const int64_t num_whole = weight->num_outputs / PANEL;
    for (int64_t panel = 0; panel < num_whole; panel++)
        whole_panel(weight, panel, x, x_stride, y + panel * PANEL, y_stride, num_rows);
    if (num_whole * PANEL < weight->num_outputs)
        last_panel(weight, num_whole, x, x_stride, y + num_whole * PANEL, y_stride, num_rows);
}

/* x [M][H][K] times one weight per head -> y [M][H][N]; x may be a slice of wider rows. */
void head_linear(const struct weight *weights, int64_t num_heads, const float *x,
                 int64_t x_stride, int64_t x_head_stride, float *y, int64_t num_rows)
{
    const int64_t width = weights->num_outputs;
    for (int64_t head = 0; head < num_heads; head++)
        linear(weights + head, x + head * x_head_stride, x_stride, y + head * width,
               num_heads * width, num_rows);
}

int64_t panel_width(void) { return PANEL; }
