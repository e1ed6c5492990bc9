/*
 * A problem of any direction as loops over sums of products: results of a channel from its source
 * and a factor, which are input and weights, or for the gradient of the weights input and the
 * gradient of the output. What is gathered through strides falls into phases, one for each residue
 * of a result's place; the results of a phase meet the same taps, so that each is a walk of its
 * own.
 */
#ifndef CLCONV__WALK_H
#define CLCONV__WALK_H

#include "problem.h"

/**
 * For each picture and group, `rows` channels of results at the places (outer, d, h, w), each a sum
 * over `channels` and taps. On an axis result i meets with tap j the source's element
 * first + i*out_step + j*tap_step where that is inside its extent. Everything behind is an offset
 * or step in elements of memory; factors and results may be walked backwards.
 */
typedef struct clconv__walk {
    size_t pictures, groups, rows, channels, outer;
    size_t count[CLCONV_SPATIAL_AXES];  /* results; `outer` times as many in all */
    size_t taps[CLCONV_SPATIAL_AXES];   /* 0 where nothing meets this phase */
    size_t extent[CLCONV_SPATIAL_AXES]; /* of the source */
    ptrdiff_t first[CLCONV_SPATIAL_AXES], tap_step[CLCONV_SPATIAL_AXES];
    size_t out_step[CLCONV_SPATIAL_AXES];
    size_t x_picture, x_group, x_channel, x_outer, x[CLCONV_SPATIAL_AXES];
    ptrdiff_t w_first, w_group, w_row, w_channel, w[CLCONV_SPATIAL_AXES];
    ptrdiff_t y_first, y_picture, y_group, y_row, y_outer, y[CLCONV_SPATIAL_AXES];
} clconv__walk;

/** Phases of a problem. */
size_t clconv__walk_count(const clconv_problem *problem, const clconv__geometry *geometry);

/** One of them. */
void clconv__walk_of(clconv__walk *walk, const clconv_problem *problem,
                     const clconv__geometry *geometry, size_t phase);

/** Products of a result at most, and results of a picture and row. */
size_t clconv__walk_products(const clconv__walk *walk);
size_t clconv__walk_places(const clconv__walk *walk);

#endif
