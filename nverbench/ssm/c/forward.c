/* The selective scan of Mamba, forward (Gu & Dao 2023, arXiv 2312.00752, section 3.2). */
#include "lanes.h"

void scan_forward(const problem *p, int64_t first, int64_t last)
{
    const int64_t blocks = (p->e + LANES - 1) / LANES, chunks = (p->l + CHUNK - 1) / CHUNK, n = p->n;
    unsigned before = flush_denormals();
    for (int64_t item = first; item < last; item++) {
        const int64_t b = item / blocks, e0 = item % blocks * LANES;
        const int width = p->e - e0 < LANES ? (int)(p->e - e0) : LANES;
        lanes A[MOST_STATES], h[MOST_STATES], D, bias;
        for (int64_t i = 0; i < n; i++) {
            load(A[i], p->A + i * p->e + e0, width);
            VECTOR { A[i][j] *= LOG2E; h[i][j] = 0.0f; }
        }
        EACH D[j] = bias[j] = 0.0f;
        if (p->D) load(D, p->D + e0, width);
        if (p->bias) load(bias, p->bias + e0, width);
        for (int64_t l = 0; l < p->l; l++) {
            lanes x, raw, dt, drive, y, z;
            const real *B = p->B.at + b * p->B.b + l * p->B.l, *C = p->C.at + b * p->C.b + l * p->C.l;
            if (p->states && l % CHUNK == 0)
                for (int64_t i = 0; i < n; i++)
                    memcpy(p->states + ((b * chunks + l / CHUNK) * n + i) * p->e + e0, h[i], sizeof(real) * width);
            load(x, p->x.at + b * p->x.b + l * p->x.l + e0, width);
            step_sizes(p, p->delta.at + b * p->delta.b + l * p->delta.l + e0, bias, width, raw, dt);
            VECTOR { drive[j] = dt[j] * x[j]; y[j] = D[j] * x[j]; }
            for (int64_t i = 0; i < n; i++) {
                const real b_in = B[i], c_out = C[i];
                VECTOR {
                    real state = power_of_two(dt[j] * A[i][j]) * h[i][j] + drive[j] * b_in; /* h_l = exp(delta_l A) h_{l-1} + delta_l B_l x_l */
                    h[i][j] = state;
                    y[j] += c_out * state; /* y_l = C_l h_l + D x_l */
                }
            }
            if (p->z.at) {
                load(z, p->z.at + b * p->z.b + l * p->z.l + e0, width);
                VECTOR y[j] *= z[j] * sigmoid(z[j]);
            }
            memcpy(p->y.at + b * p->y.b + l * p->y.l + e0, y, sizeof(real) * width);
        }
    }
    restore_denormals(before);
}
