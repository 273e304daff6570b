/* Row by row: the two normalisations and the two rotary embeddings. */
#include "kernels.h"

void rms_norm(const float *x, int64_t x_stride, const float *weight, float eps, float *y,
              int64_t num_rows, int64_t width)
{
    const int64_t whole = width / LANES * LANES, rest = width - whole;
    for (int64_t row = 0; row < num_rows; row++, x += x_stride, y += width) {
        vec squares = {0};
        for (int64_t i = 0; i < whole; i += LANES)
            squares = multiply_add(load(x + i), load(x + i), squares);
        const vec tail = load_first(x + whole, rest);
        squares = multiply_add(tail, tail, squares);
        const float factor = 1.0f / sqrtf(sum_lanes(squares) / (float)width + eps);
        for (int64_t i = 0; i < width; i++) y[i] = x[i] * factor * weight[i];
    }
}

static float sum_row(const float *x, int64_t width)
{
    vec sum = {0};
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES) sum += load(x + i);
    return sum_lanes(sum + load_first(x + i, width - i));
}

void layer_norm(const float *x, int64_t x_stride, const float *weight, const float *bias,
                float eps, float *y, int64_t num_rows, int64_t width)
{
    for (int64_t row = 0; row < num_rows; row++, x += x_stride, y += width) {
        const float mean = sum_row(x, width) / (float)width;
        float variance = 0;
        for (int64_t i = 0; i < width; i++) variance += (x[i] - mean) * (x[i] - mean);
        const float factor = 1.0f / sqrtf(variance / (float)width + eps);
        for (int64_t i = 0; i < width; i++) y[i] = (x[i] - mean) * factor * weight[i] + bias[i];
    }
}

/* x [T][H][2 * half], turned by cos and sin [T][half]; rows and heads may be slices. */
void rotary_interleaved(const float *x, int64_t x_stride, int64_t x_head_stride, const float *cos,
                        const float *sin, float *y, int64_t num_rows, int64_t num_heads,
                        int64_t half)
{
    for (int64_t row = 0; row < num_rows; row++, cos += half, sin += half)
        for (int64_t head = 0; head < num_heads; head++, y += 2 * half) {
            const float *from = x + row * x_stride + head * x_head_stride;
            for (int64_t i = 0; i < half; i++) {
                const float real = from[2 * i], imaginary = from[2 * i + 1];
                y[2 * i] = real * cos[i] - imaginary * sin[i];
                y[2 * i + 1] = imaginary * cos[i] + real * sin[i];
            }
        }
}

/* x [T][H][width], of which the first 2 * half are turned and the rest is copied. */
void rotary_half_split(const float *x, int64_t x_stride, int64_t x_head_stride, const float *cos,
                       const float *sin, float *y, int64_t num_rows, int64_t num_heads,
                       int64_t half, int64_t width)
{
    for (int64_t row = 0; row < num_rows; row++, cos += half, sin += half)
        for (int64_t head = 0; head < num_heads; head++, y += width) {
            const float *from = x + row * x_stride + head * x_head_stride;
            for (int64_t i = 0; i < half; i++) {
                const float real = from[i], imaginary = from[i + half];
                y[i] = real * cos[i] - imaginary * sin[i];
                y[i + half] = imaginary * cos[i] + real * sin[i];
            }
            for (int64_t i = 2 * half; i < width; i++) y[i] = from[i];
        }
}
