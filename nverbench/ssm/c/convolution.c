/* The causal depthwise convolution and SiLU in front of the scan (arXiv 2312.00752, figure 3). */
#include "lanes.h"

/* y = silu(bias + sum_j w_j x_{l - width + 1 + j}), zeros before the first step: the causal depthwise convolution in front of the scan. */
void conv_forward(int64_t l, int64_t e, int64_t width, const view *x, const view *y, const real *w /* (width, e) */, const real *bias,
                  int64_t first, int64_t last)
{
    unsigned before = flush_denormals();
    for (int64_t row = first; row < last; row++) { /* rows (b, l) */
        const int64_t b = row / l, at = row % l;
        real *out = y->at + b * y->b + at * y->l;
        memcpy(out, bias, sizeof(real) * e);
        for (int64_t j = 0; j < width; j++) {
            const int64_t from = at - width + 1 + j;
            if (from < 0) continue;
            const real *in = x->at + b * x->b + from * x->l, *k = w + j * e;
            _Pragma("omp simd") for (int64_t c = 0; c < e; c++) out[c] += k[c] * in[c];
        }
        _Pragma("omp simd") for (int64_t c = 0; c < e; c++) out[c] *= sigmoid(out[c]);
    }
    restore_denormals(before);
}
