/* Candidates of the comparison: clconv on its devices, and other libraries. */
#ifndef CLCONV_BENCH_PEER_H
#define CLCONV_BENCH_PEER_H

#include "clconv.h"

/** The tensors of a layer: CLCONV_INPUT, CLCONV_WEIGHTS and CLCONV_OUTPUT. */
enum { TENSORS = CLCONV_OUTPUT + 1 };

/** One layer with its data in host memory, dense NCHW and OIHW. */
typedef struct layer {
    clconv_problem problem;
    size_t output_extent[CLCONV_SPATIAL_AXES];
    clconv_tensor computed;   /* by the problem's direction */
    size_t elements[TENSORS]; /* 0 for bias and residual, which no layer has */
    float *data[TENSORS];     /* the computed one has any content, and keeps it */
} layer;

/** A way to compute a layer. */
typedef struct peer {
    const char *name;
    /** Prepares everything that is done once: *state stays NULL where it cannot compute the layer.
     */
    void (*setup)(void **state, const layer *l);
    /** Computes the layer once, or has it computed. */
    void (*run)(void *state);
    /** Waits for all runs; NULL where a run has ended when it returns. */
    void (*wait)(void *state);
    /** Copies the last result to dense NCHW or OIHW. */
    void (*fetch)(void *state, float *result);
    void (*teardown)(void *state);
    /** Algorithm of clconv that was chosen; NULL for other libraries. */
    const char *(*algorithm)(void *state);
} peer;

extern const peer clconv_opencl_peer, clconv_host_peer;
extern const peer onednn_peer, onednn_nchw_peer;
extern const peer openblas_peer;
extern const peer clblast_peer;

/** Ends the program with a message unless the condition holds: a bench needs no recovery. */
void bench_require(int condition, const char *what);

#endif
