/*
 * gemm_tiled.cl and weights_tiled.cl as algorithms use them: their shape for a tile, whether it
 * fits, and launches. In the latter the pixels of all pictures are the input channels, and what is
 * said of pixels here goes for an input channel's taps.
 */
#ifndef CLCONV__GEMM_H
#define CLCONV__GEMM_H

#include "call.h"
#include "engine.h"

/** What is multiplied in each group: out channels x (in channels * taps) x pixels of all pictures.
 */
typedef struct clconv__gemm_size {
    size_t groups, out_channels, in_channels, taps, pixels;
    int is_padded;  /* taps may fall beside the input */
    size_t packs;   /* values of k in a word, for a matrix engine; 0 for none */
    size_t scratch; /* words of local memory that the engine needs, see engine.h */
    size_t most;    /* largest ITEM of the engine */
    int along_k;    /* work-items fetch along k, as in weights_tiled.cl */
} clconv__gemm_size;

/** How a tile cuts it up. */
typedef struct clconv__gemm_shape {
    size_t tile_m, tile_n, tile_k, item; /* values of the tile */
    size_t packs, most;                  /* as above */
    size_t rows, skew;                   /* of words in local memory, and words between them */
    size_t items;                        /* work-items of a group */
    size_t local_bytes;                  /* of local memory, of a group */
    size_t groups, blocks, tiles;        /* blocks of channels in a group, tiles of pixels */
    size_t steps;                        /* of tile_k */
    size_t parts, per_part;              /* of the reduction, and steps of each */
    int is_point, is_flat;               /* which variant of the kernel */
} clconv__gemm_shape;

/** Groups of work-items that a unit gets by splitting a reduction. Beyond so many parts, adding
 * them up takes longer than what is won. */
enum { CLCONV__GROUPS_OF_UNIT = 2, CLCONV__MOST_PARTS = 32 };

/**
 * In how many parts a reduction of so many steps is split, so that instead of `groups` of
 * work-items there are about as many as are wanted.
 * @param per_part receives the steps of each
 */
size_t clconv__gemm_parts(size_t *per_part, size_t groups, size_t steps, size_t wanted,
                          size_t most);

/** What an engine means for it, where one multiplies values of a type; NULL for none. */
void clconv__gemm_use_engine(clconv__gemm_size *size, const clconv__engine *engine,
                             clconv_type type);

/** With the reduction split for so many units; 0 of these to never split. */
clconv__gemm_shape clconv__gemm_shape_of(const clconv__gemm_size *size, const clconv__tile *tile,
                                         unsigned units);

/** Work-groups and steps of the launch; its options are the row's. */
void clconv__gemm_launch(clconv__launch *launch, const clconv__gemm_shape *shape);

/** Whether a device can start it. */
int clconv__gemm_fits(const clconv__gemm_shape *shape, const clconv_device_info *info);

/** Bytes per second that a device's units move together, for estimates; an NVIDIA H200's for each.
 */
double clconv__gpu_bandwidth(const clconv_device_info *info);

double clconv__gemm_seconds(const clconv__gemm_shape *shape, const clconv_device_info *info);

/** Words of 32 bits of the packed weights. */
size_t clconv__gemm_packed(const clconv__gemm_shape *shape);

/** Where a multiplication reads and writes; offsets in words of 32 bits. */
typedef struct clconv__gemm_buffers {
    cl_mem x, packed, raw;
    cl_mem taps; /* NULL where the kernel is not flat */
    cl_long x_at, packed_at, raw_at;
} clconv__gemm_buffers;

clconv_status clconv__gemm_multiply(clconv__call *call, cl_kernel kernel,
                                    const clconv__gemm_shape *shape,
                                    const clconv__kernel_geometry *geometry,
                                    const clconv__kernel_scalars *scalars,
                                    const clconv__gemm_buffers *buffers, cl_event *event);

/** sum_parts.cl, which adds the parts of a reduction and finishes what `problem` computes. */
clconv_status clconv__sum_parts_kernel(cl_kernel *kernel, const clconv_plan *plan,
                                       const clconv_problem *problem);

/**
 * Enqueues it for so many pixels of the call's output; the parts lie in the workspace, from its
 * float `raw_at` on.
 */
clconv_status clconv__sum_parts(clconv__call *call, cl_kernel kernel,
                                const clconv__kernel_geometry *geometry,
                                const clconv__kernel_scalars *scalars, size_t pixels, size_t parts,
                                cl_long raw_at, cl_event *event);

#endif
