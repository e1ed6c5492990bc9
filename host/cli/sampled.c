#include "sampled.h"

#include "random.h"

#include <string.h>

/* A block of outputs: its first place, its extents, and the problem that computes it alone. */
typedef struct block {
    size_t place[CLCONV_TENSOR_AXES], extent[CLCONV_TENSOR_AXES];
    clconv_problem problem;
    clconv_host_tensors tensors; /* into those of the whole */
} block;

static const void *behind(const void *data, clconv_type type, size_t elements) {
    return data ? (const unsigned char *)data + elements * clconv_type_size(type) : NULL;
}

/*
 * Cuts the window that `count` outputs see out of an axis; 0 where it lies in padding alone.
 * @param from receives the first element of the input that is left
 */
static int crop_axis(size_t *from, clconv_problem *p, int axis, size_t out, size_t count) {
    const size_t stride = p->stride[axis], extent = p->input[axis], pad = p->pad_begin[axis];
    const size_t span = (count - 1) * stride + p->dilation[axis] * (p->kernel[axis] - 1) + 1;
    const size_t begin = out * stride, end = begin + span; /* both counted from the first pad */
    size_t last = end > pad ? end - pad : 0;
    *from = begin > pad ? begin - pad : 0;
    if (last > extent)
        last = extent;
    if (*from >= last)
        return 0;
    p->input[axis] = last - *from;
    p->pad_begin[axis] = pad > begin ? pad - begin : 0;
    p->pad_end[axis] = span - p->pad_begin[axis] - p->input[axis];
    return 1;
}

/* Unsupported where the block sees padding alone: there is nothing to be proved. */
static clconv_status cut_out(block *b, const case_data *data) {
    const clconv_problem *p = &data->problem;
    const clconv_host_tensors whole = case_data_tensors(data);
    size_t extent[CLCONV_TENSOR_AXES], input[CLCONV_TENSOR_AXES], output[CLCONV_TENSOR_AXES];
    size_t from[CLCONV_TENSOR_AXES] = {b->place[0]};
    clconv_status status;
    if ((status = clconv_tensor_shape(extent, input, p, CLCONV_INPUT)) ||
        (status = clconv_tensor_shape(extent, output, p, CLCONV_OUTPUT)))
        return status;
    b->problem = *p;
    b->problem.batch = b->problem.groups = b->problem.out_channels = 1;
    b->problem.in_channels = p->in_channels / p->groups;
    from[1] = b->place[1] / (p->out_channels / p->groups) * b->problem.in_channels;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
        if (!crop_axis(&from[2 + axis], &b->problem, axis, b->place[2 + axis], b->extent[2 + axis]))
            return CLCONV_UNSUPPORTED;
    memcpy(b->problem.input_strides, input, sizeof input);
    memcpy(b->problem.output_strides, output, sizeof output);
    const size_t taps = (size_t)case_taps(p), at = index_of(b->place, output);
    const clconv_type type = clconv_tensor_type(p, CLCONV_OUTPUT);
    b->tensors = (clconv_host_tensors){
        behind(whole.input, p->type, index_of(from, input)),
        behind(whole.weights, clconv_tensor_type(p, CLCONV_WEIGHTS), b->place[1] * taps),
        behind(whole.bias, type, b->place[1]), behind(whole.residual, type, at), NULL};
    b->tensors.output = (unsigned char *)whole.output + at * clconv_type_size(type);
    return CLCONV_OK;
}

/* An index that is often the first, the last, or beside a multiple of a power of two. */
static size_t draw_index(uint64_t *state, size_t extent) {
    size_t tile = (size_t)1 << (1 + random_below(state, 7));
    size_t index = random_below(state, extent);
    if (random_chance(state, 4))
        return random_chance(state, 2) ? 0 : extent - 1;
    if (random_chance(state, 3))
        index = index / tile * tile + tile - 1 + random_below(state, 2);
    return index < extent ? index : extent - 1;
}

static void draw_block(block *b, uint64_t *state, const size_t extent[CLCONV_TENSOR_AXES]) {
    for (int axis = 0; axis < CLCONV_TENSOR_AXES; ++axis) {
        size_t index = draw_index(state, extent[axis]);
        size_t size = axis > 2 ? SAMPLE_BLOCK : 1;
        b->place[axis] = index / size * size;
        b->extent[axis] = extent[axis] - b->place[axis];
        if (b->extent[axis] > size)
            b->extent[axis] = size;
    }
}

/* Appends the block's outputs. */
static clconv_status expect_block(expected_output *expected, block *b, const case_data *data,
                                  const size_t extent[CLCONV_TENSOR_AXES], const char *algorithm) {
    const size_t count = count_of(b->extent);
    double *values = expected->values + expected->count;
    double *bounds = expected->bounds + expected->count;
    clconv_status status;
    if ((status = cut_out(b, data)) ||
        (status = clconv_reference(values, bounds, &b->problem, &b->tensors)) ||
        (algorithm &&
         (status = clconv_algorithm_bound(bounds, &b->problem, &b->tensors, algorithm))))
        return status;
    for (size_t i = 0; i < count; ++i) {
        size_t place[CLCONV_TENSOR_AXES], dense = 0;
        place_of(place, b->extent, i);
        for (int axis = 0; axis < CLCONV_TENSOR_AXES; ++axis)
            dense = dense * extent[axis] + b->place[axis] + place[axis];
        expected->places[expected->count++] = dense;
        expected->nonzero += values[i] != 0;
    }
    return CLCONV_OK;
}

clconv_status expectation_sample(expected_output *expected, const case_data *data, uint64_t seed,
                                 const char *algorithm) {
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
    uint64_t state = seed;
    block b;
    clconv_status status;
    memset(expected, 0, sizeof *expected);
    if ((status = clconv_tensor_shape(extent, stride, &data->problem, CLCONV_OUTPUT)) ||
        (status = expectation_allocate(expected, SAMPLE_BLOCKS * SAMPLE_BLOCK * SAMPLE_BLOCK, 1)))
        return status;
    expected->count = 0;
    for (size_t i = 0; i < SAMPLE_BLOCKS && !status; ++i) {
        draw_block(&b, &state, extent);
        status = expect_block(expected, &b, data, extent, algorithm);
        if (status == CLCONV_UNSUPPORTED)
            status = CLCONV_OK;
    }
    if (status)
        expectation_free(expected);
    return status;
}
