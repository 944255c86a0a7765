/* What the three kernels share: lanes of channels, exp, sigmoid and softplus that a compiler can vectorise, and the description of a problem.
 *
 * Everything is float32, or float64 where WIDE is defined. Plain C: compilers turn the loops over LANES channels into vector instructions; state
 * and decay stay in registers and first-level cache. An item is a pair (sequence, block of LANES channels); a worker takes the items first..last, so that no two threads write to
 * one place. Built once per machine by nverbench/ssm/compiled.py.
 */
#ifndef NVERBENCH_LANES_H
#define NVERBENCH_LANES_H
#include <stdint.h>
#include <string.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#define LANES 192 /* divides 576, 1152 and 2304, the widths of Audio-Mamba; fewer were slower (64: by half) */
#define MOST_STATES 256
#define CHUNK 64 /* steps between two stored states; the backward pass recomputes what lies between */
#define EACH for (int j = 0; j < LANES; j++)
#define VECTOR _Pragma("omp simd") EACH

#ifdef WIDE /* for one path held against another: the C library's functions, as exact as they come */
#include <math.h>
typedef double real;
#define LOG2E 1.4426950408889634

static inline double power_of_two(double t) { return exp2(t); }
static inline double softplus(double x) { return (x > 0 ? x : 0.0) + log1p(exp(-fabs(x))); }
#else
typedef float real;
#define LOG2E 1.4426950408889634f

/* 2^t. t = r + f with r whole and |f| <= 1/2; 2^f = 1 + f (ln 2 + f q(f)), q fitted for least relative error (3e-9): exact at 0, so that a long
 * product of decays near one does not drift. Outside [-126, 126] the nearest bound. */
static inline float power_of_two(float t)
{
    t = t < -126.0f ? -126.0f : t;
    t = t > 126.0f ? 126.0f : t;
    float r = (t + 12582912.0f) - 12582912.0f; /* 1.5 * 2^23: adding it rounds to the nearest whole number */
    float f = t - r;
    float q = 0.00015324314881581813f;
    q = q * f + 0.0013390958774834871f;
    q = q * f + 0.009618517942726612f;
    q = q * f + 0.05550359562039375f;
    q = q * f + 0.24022647738456726f;
    q = q * f + 0.6931471824645996f;
    q = q * f + 1.0f;
    union { float f; int32_t i; } bits = {q};
    bits.i += (int32_t)r << 23; /* times 2^r */
    return bits.f;
}

/* ln(1 + exp(x)) = max(x, 0) + ln(1 + t), t = exp(-|x|); ln(1 + t) = 2 artanh(s), s = t / (2 + t) <= 1/3, by its series (error 2e-8). */
static inline float softplus(float x)
{
    float t = power_of_two(-(x < 0 ? -x : x) * LOG2E);
    float s = t / (2.0f + t), w = s * s;
    float series = 1.0f / 15;
    series = series * w + 1.0f / 13;
    series = series * w + 1.0f / 11;
    series = series * w + 1.0f / 9;
    series = series * w + 1.0f / 7;
    series = series * w + 1.0f / 5;
    series = series * w + 1.0f / 3;
    series = series * w + 1.0f;
    return (x > 0 ? x : 0.0f) + 2.0f * s * series;
}
#endif

static inline real sigmoid(real x) { return 1.0f / (1.0f + power_of_two(-x * LOG2E)); }

typedef real lanes[LANES] __attribute__((aligned(64)));

/* States that decay for long become denormal numbers, which many processors handle a hundred times more slowly: count them as zero meanwhile. */
static inline unsigned flush_denormals(void)
{
#if defined(__SSE__)
    unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);
    return before;
#else
    return 0;
#endif
}

static inline void restore_denormals(unsigned before)
{
#if defined(__SSE__)
    _mm_setcsr(before);
#endif
    (void)before;
}

static inline void load(real *to, const real *from, int width)
{
    EACH to[j] = 0.0f;
    memcpy(to, from, sizeof(real) * width);
}

/* A tensor (b, l, ...): where it starts, and how many numbers lie between two sequences and between two steps. */
typedef struct { real *at; int64_t b, l; } view;

typedef struct {
    int64_t b, l, e, n;
    view x, delta, z, B, C, y;              /* z.at may be null */
    const real *A;                          /* (n, e) */
    const real *D, *bias;                   /* (e,) or null */
    real *states;                           /* (b, chunks, n, e) or null: the state before every CHUNK-th step */
    int64_t softplus;
    view dy, dx, ddelta, dz;                /* backward only; dz.at may be null */
    real *dB, *dC;                          /* (b, l, n), this worker's own sums, as are the next three */
    real *dA, *dD, *dbias;                  /* (n, e), (e,), (e,) */
} problem;

/* Step sizes as the recurrence uses them, and what they were before softplus. */
static inline void step_sizes(const problem *p, const real *delta, const real *bias, int width, real *raw, real *dt)
{
    load(raw, delta, width);
    VECTOR raw[j] += bias[j];
    if (p->softplus)
        VECTOR dt[j] = softplus(raw[j]);
    else
        VECTOR dt[j] = raw[j];
}

#endif
