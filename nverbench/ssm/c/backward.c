/* The gradients of the selective scan. The forward pass left the state before every CHUNK-th step; a chunk's states are computed again from it, so
 * that memory does not grow with length times states. */
#include <stdlib.h>

#include "lanes.h"

/* One step of the backward recursion. Given dy_l before the gate (gy) and the gradient of the state from the steps after l (gh, updated to that
 * from l on, seen from l - 1):
 *   gh_l = gh + C_l gy;  dC_l = sum_e h_l gy;  dB_l = sum_e gh_l delta x;  ddelta += gh_l a h_{l-1} A + gh_l B x;  dA += gh_l a h_{l-1} delta. */
static inline void step_back(const problem *p, int64_t b, int64_t l, lanes *A, lanes *gh, lanes *gA, lanes *before, lanes *after,
                             const real *dt, const real *drive, const real *gy, real *ddt, real *ddrive)
{
    const real *B = p->B.at + b * p->B.b + l * p->B.l, *C = p->C.at + b * p->C.b + l * p->C.l;
    real *dB = p->dB + (b * p->l + l) * p->n, *dC = p->dC + (b * p->l + l) * p->n;
    for (int64_t i = 0; i < p->n; i++) {
        const real b_in = B[i], c_out = C[i];
        real sum_b = 0.0f, sum_c = 0.0f;
        _Pragma("omp simd reduction(+ : sum_b, sum_c)") EACH {
            real g = gh[i][j] + c_out * gy[j];
            real a = power_of_two(dt[j] * A[i][j] * LOG2E);
            real through = g * a * before[i][j];
            sum_c += after[i][j] * gy[j];
            sum_b += g * drive[j];
            ddrive[j] += g * b_in;
            ddt[j] += through * A[i][j];
            gA[i][j] += through * dt[j];
            gh[i][j] = g * a;
        }
        dB[i] += sum_b;
        dC[i] += sum_c;
    }
}

/* The states before each step of a chunk and after its last, from the stored first one: (count + 1, n, LANES). */
static void states_again(const problem *p, int64_t b, int64_t l0, int count, lanes *A, lanes *states, lanes *dt, lanes *drive)
{
    for (int k = 0; k < count; k++) {
        const real *B = p->B.at + b * p->B.b + (l0 + k) * p->B.l;
        for (int64_t i = 0; i < p->n; i++) {
            const real b_in = B[i], *h = states[k * p->n + i];
            real *next = states[(k + 1) * p->n + i];
            VECTOR next[j] = power_of_two(dt[k][j] * A[i][j] * LOG2E) * h[j] + drive[k][j] * b_in;
        }
    }
}

/* What reaches y before the gate, and the gate's own gradient: out = y silu(z), silu'(z) = s (1 + z (1 - s)), s = sigmoid(z). */
static void gate_back(const problem *p, int64_t b, int64_t l, int64_t e0, int width, const real *D, const real *x, lanes *after, real *gy)
{
    lanes y, z, dz;
    const real *C = p->C.at + b * p->C.b + l * p->C.l;
    load(gy, p->dy.at + b * p->dy.b + l * p->dy.l + e0, width);
    if (!p->z.at) return;
    load(z, p->z.at + b * p->z.b + l * p->z.l + e0, width);
    VECTOR y[j] = D[j] * x[j];
    for (int64_t i = 0; i < p->n; i++) {
        const real c_out = C[i];
        VECTOR y[j] += c_out * after[i][j];
    }
    VECTOR {
        real s = sigmoid(z[j]);
        dz[j] = gy[j] * y[j] * s * (1.0f + z[j] * (1.0f - s));
        gy[j] *= z[j] * s;
    }
    memcpy(p->dz.at + b * p->dz.b + l * p->dz.l + e0, dz, sizeof(real) * width);
}

static void add_to(real *sums, const real *values, int width)
{
    for (int j = 0; j < width; j++) sums[j] += values[j];
}

typedef struct { lanes x[CHUNK], raw[CHUNK], dt[CHUNK], drive[CHUNK], A[MOST_STATES], gh[MOST_STATES], gA[MOST_STATES], states[]; } scratch;

static void item_back(const problem *p, int64_t b, int64_t e0, int width, scratch *s)
{
    const int64_t chunks = (p->l + CHUNK - 1) / CHUNK, n = p->n;
    lanes D, bias, gD, gbias;
    EACH D[j] = bias[j] = gD[j] = gbias[j] = 0.0f;
    if (p->D) load(D, p->D + e0, width);
    if (p->bias) load(bias, p->bias + e0, width);
    for (int64_t i = 0; i < n; i++) {
        load(s->A[i], p->A + i * p->e + e0, width);
        EACH s->gh[i][j] = s->gA[i][j] = 0.0f;
    }
    for (int64_t chunk = chunks - 1; chunk >= 0; chunk--) {
        const int64_t l0 = chunk * CHUNK;
        const int count = p->l - l0 < CHUNK ? (int)(p->l - l0) : CHUNK;
        for (int64_t i = 0; i < n; i++) load(s->states[i], p->states + ((b * chunks + chunk) * n + i) * p->e + e0, width);
        for (int k = 0; k < count; k++) {
            load(s->x[k], p->x.at + b * p->x.b + (l0 + k) * p->x.l + e0, width);
            step_sizes(p, p->delta.at + b * p->delta.b + (l0 + k) * p->delta.l + e0, bias, width, s->raw[k], s->dt[k]);
            VECTOR s->drive[k][j] = s->dt[k][j] * s->x[k][j];
        }
        states_again(p, b, l0, count, s->A, s->states, s->dt, s->drive);
        for (int k = count - 1; k >= 0; k--) {
            lanes gy, ddt, ddrive, dx;
            EACH ddt[j] = ddrive[j] = 0.0f;
            gate_back(p, b, l0 + k, e0, width, D, s->x[k], s->states + (k + 1) * n, gy);
            step_back(p, b, l0 + k, s->A, s->gh, s->gA, s->states + k * n, s->states + (k + 1) * n, s->dt[k], s->drive[k], gy, ddt, ddrive);
            VECTOR {
                gD[j] += gy[j] * s->x[k][j];
                dx[j] = D[j] * gy[j] + ddrive[j] * s->dt[k][j];
                ddt[j] += ddrive[j] * s->x[k][j];
            }
            if (p->softplus)
                VECTOR ddt[j] *= sigmoid(s->raw[k][j]);
            VECTOR gbias[j] += ddt[j];
            memcpy(p->dx.at + b * p->dx.b + (l0 + k) * p->dx.l + e0, dx, sizeof(real) * width);
            memcpy(p->ddelta.at + b * p->ddelta.b + (l0 + k) * p->ddelta.l + e0, ddt, sizeof(real) * width);
        }
    }
    for (int64_t i = 0; i < n; i++) add_to(p->dA + i * p->e + e0, s->gA[i], width);
    add_to(p->dD + e0, gD, width);
    add_to(p->dbias + e0, gbias, width);
}

/* 0, or 1 when there is no memory for the scratch space. */
int scan_backward(const problem *p, int64_t first, int64_t last)
{
    const int64_t blocks = (p->e + LANES - 1) / LANES;
    scratch *s;
    if (posix_memalign((void **)&s, 64, sizeof(scratch) + (CHUNK + 1) * p->n * sizeof(lanes))) return 1;
    unsigned before = flush_denormals();
    for (int64_t item = first; item < last; item++) {
        const int64_t e0 = item % blocks * LANES;
        item_back(p, item / blocks, e0, p->e - e0 < LANES ? (int)(p->e - e0) : LANES, s);
    }
    restore_denormals(before);
    free(s);
    return 0;
}
