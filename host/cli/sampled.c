#include "sampled.h"

#include "random.h"

#include <stdlib.h>
#include <string.h>

/* A part of a tensor. */
typedef struct region {
    size_t place[CLCONV_TENSOR_AXES], extent[CLCONV_TENSOR_AXES];
} region;

typedef struct sampler {
    const case_data *data;
    const char *algorithm;
    case_side computed;
    size_t extent[SIDES][CLCONV_TENSOR_AXES], stride[SIDES][CLCONV_TENSOR_AXES];
} sampler;

/* A block of what is computed, and the problem that computes it alone from parts of the others. */
typedef struct block {
    region parts[SIDES];
    clconv_problem problem;
    clconv_host_tensors tensors; /* into those of the whole, except the weights */
    void *weights;               /* owned; their part, dense */
} block;

static const void *behind(const void *data, clconv_type type, size_t elements) {
    return data ? (const unsigned char *)data + elements * clconv_type_size(type) : NULL;
}

static void narrow(region *part, int axis, size_t first, size_t count) {
    part->place[axis] = first;
    part->extent[axis] = count;
}

/* ---- what a block depends on ---- */

/* Picture and channels of the parts, from those of what is computed. */
static void cut_channels(block *b, const sampler *s) {
    region *coarse = &b->parts[SIDE_COARSE], *fine = &b->parts[SIDE_FINE];
    region *taps = &b->parts[SIDE_TAP];
    const size_t rows = s->extent[SIDE_COARSE][1] / s->data->problem.groups;
    const size_t columns = s->extent[SIDE_TAP][1];
    size_t group;
    if (s->computed == SIDE_COARSE) {
        group = coarse->place[1] / rows;
        narrow(fine, 0, coarse->place[0], 1);
        narrow(fine, 1, group * columns, columns);
    } else if (s->computed == SIDE_FINE) {
        group = fine->place[1] / columns;
        narrow(coarse, 0, fine->place[0], 1);
        narrow(coarse, 1, group * rows, rows);
    } else {
        group = taps->place[0] / rows;
        narrow(coarse, 1, taps->place[0], 1);
        narrow(fine, 1, group * columns + taps->place[1], 1);
    }
    narrow(taps, 0, coarse->place[1], coarse->extent[1]);
    narrow(taps, 1, fine->place[1] - group * columns, fine->extent[1]);
}

/* The first tap of a part: flipped weights are stored from the last tap to the first. */
static size_t first_tap(const clconv_problem *p, const region *taps, int axis) {
    const size_t first = taps->place[2 + axis], count = taps->extent[2 + axis];
    return p->mode == CLCONV_CONVOLUTION ? p->kernel[axis] - first - count : first;
}

/* Elements of a padded fine axis between the first and the last that the parts make meet. */
static size_t span_of(const block *b, const clconv_problem *p, int axis) {
    return (b->parts[SIDE_COARSE].extent[2 + axis] - 1) * p->stride[axis] +
           (b->parts[SIDE_TAP].extent[2 + axis] - 1) * p->dilation[axis] + 1;
}

/* What coarse part and taps meet of a fine axis; 0 where it is padding alone. */
static int cut_fine(block *b, const sampler *s, int axis) {
    const clconv_problem *p = &s->data->problem;
    const size_t pad = p->pad_begin[axis], extent = s->extent[SIDE_FINE][2 + axis];
    const size_t begin = b->parts[SIDE_COARSE].place[2 + axis] * p->stride[axis] +
                         first_tap(p, &b->parts[SIDE_TAP], axis) * p->dilation[axis];
    const size_t end = begin + span_of(b, p, axis); /* both counted from the first pad */
    const size_t first = begin > pad ? begin - pad : 0, last = end > pad ? end - pad : 0;
    narrow(&b->parts[SIDE_FINE], 2 + axis, first, (last < extent ? last : extent) - first);
    return first < last && first < extent;
}

/* What meets the fine part of a coarse axis through any tap; 0 where nothing does. */
static int cut_coarse(block *b, const sampler *s, int axis) {
    const clconv_problem *p = &s->data->problem;
    const region *fine = &b->parts[SIDE_FINE];
    const size_t begin = fine->place[2 + axis] + p->pad_begin[axis];
    const size_t reach = p->dilation[axis] * (p->kernel[axis] - 1), stride = p->stride[axis];
    const size_t end = (begin + fine->extent[2 + axis] - 1) / stride + 1;
    const size_t extent = s->extent[SIDE_COARSE][2 + axis];
    size_t first = begin > reach ? (begin - reach - 1) / stride + 1 : 0;
    if (first > begin / stride) /* pads cannot be negative */
        first = begin / stride;
    narrow(&b->parts[SIDE_COARSE], 2 + axis, first, (end < extent ? end : extent) - first);
    return first < extent;
}

/* The pads with which the parts meet as they do in the whole. */
static void set_pads(block *b, const sampler *s, int axis) {
    clconv_problem *p = &b->problem;
    const size_t span = span_of(b, p, axis), extent = b->parts[SIDE_FINE].extent[2 + axis];
    const size_t begin =
        b->parts[SIDE_FINE].place[2 + axis] + p->pad_begin[axis] -
        b->parts[SIDE_COARSE].place[2 + axis] * p->stride[axis] -
        first_tap(&s->data->problem, &b->parts[SIDE_TAP], axis) * p->dilation[axis];
    p->pad_begin[axis] = begin;
    p->pad_end[axis] = span > begin + extent ? span - begin - extent : 0;
    if (p->direction == CLCONV_TRANSPOSED)
        p->output_padding[axis] = span < begin + extent ? begin + extent - span : 0;
}

/* Unsupported where the block meets padding alone: there is nothing to be proved. */
static clconv_status cut_axes(block *b, const sampler *s) {
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        if (!(s->computed == SIDE_FINE ? cut_coarse(b, s, axis) : cut_fine(b, s, axis)))
            return CLCONV_UNSUPPORTED;
        set_pads(b, s, axis);
    }
    return CLCONV_OK;
}

/* ---- the problem of a block ---- */

typedef struct weights_copy {
    void *to;
    const void *from;
    clconv_type type;
} weights_copy;

static void copy_weight(void *context, size_t dense, size_t in_memory) {
    const weights_copy *c = context;
    clconv_element_set(c->to, c->type, dense, clconv_element_get(c->from, c->type, in_memory));
}

/* No view can say which columns and taps they are. */
static clconv_status copy_weights(block *b, const sampler *s) {
    const region *part = &b->parts[SIDE_TAP];
    const clconv_type type = clconv_tensor_type(&s->data->problem, CLCONV_WEIGHTS);
    weights_copy copy = {malloc(count_of(part->extent) * clconv_type_size(type)),
                         behind(case_data_tensors(s->data).weights, type,
                                index_of(part->place, s->stride[SIDE_TAP])),
                         type};
    if (!(b->weights = copy.to))
        return CLCONV_OUT_OF_MEMORY;
    visit_elements(part->extent, s->stride[SIDE_TAP], copy_weight, &copy);
    return CLCONV_OK;
}

static case_side side_of(const clconv_problem *p, clconv_tensor tensor) {
    return case_tensor(p, SIDE_COARSE) == tensor ? SIDE_COARSE : SIDE_FINE;
}

static void describe(block *b, const sampler *s) {
    clconv_problem *p = &b->problem;
    const case_side input = side_of(p, CLCONV_INPUT), output = side_of(p, CLCONV_OUTPUT);
    const region *x = &b->parts[input], *y = &b->parts[output];
    const clconv_host_tensors whole = case_data_tensors(s->data);
    const clconv_type type = clconv_tensor_type(p, CLCONV_OUTPUT);
    const size_t at = index_of(y->place, s->stride[output]);
    p->batch = x->extent[0];
    p->groups = 1;
    p->in_channels = x->extent[1];
    p->out_channels = y->extent[1];
    p->weights_layout = CLCONV_OIHW;
    memcpy(p->input, x->extent + 2, sizeof p->input);
    memcpy(p->kernel, b->parts[SIDE_TAP].extent + 2, sizeof p->kernel);
    memcpy(p->input_strides, s->stride[input], sizeof p->input_strides);
    memcpy(p->output_strides, s->stride[output], sizeof p->output_strides);
    b->tensors = (clconv_host_tensors){
        behind(whole.input, p->type, index_of(x->place, s->stride[input])), b->weights,
        behind(whole.bias, type, y->place[1]), behind(whole.residual, type, at), NULL};
    b->tensors.output = (unsigned char *)whole.output + at * clconv_type_size(type);
}

/* Completes a block of which the part that is computed has been drawn. */
static clconv_status cut_out(block *b, const sampler *s) {
    clconv_status status;
    b->problem = s->data->problem;
    cut_channels(b, s);
    if ((status = cut_axes(b, s)) || (status = copy_weights(b, s)))
        return status;
    describe(b, s);
    return CLCONV_OK;
}

/* ---- drawing ---- */

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

static void draw_block(block *b, uint64_t *state, const sampler *s) {
    memset(b, 0, sizeof *b);
    for (int i = 0; i < SIDES; ++i)
        memcpy(b->parts[i].extent, s->extent[i], sizeof s->extent[i]);
    for (int axis = 0; axis < CLCONV_TENSOR_AXES; ++axis) {
        const size_t extent = s->extent[s->computed][axis], index = draw_index(state, extent);
        const size_t size = axis > 2 ? SAMPLE_BLOCK : 1, first = index / size * size;
        narrow(&b->parts[s->computed], axis, first, extent - first < size ? extent - first : size);
    }
}

static void append_place(expected_output *expected, size_t place) {
    expected->nonzero += expected->values[expected->count] != 0;
    expected->places[expected->count++] = place;
}

/* Appends the block's elements. */
static clconv_status expect_block(expected_output *expected, const block *b, const sampler *s) {
    const region *part = &b->parts[s->computed];
    const size_t *extent = s->extent[s->computed], count = count_of(part->extent);
    double *values = expected->values + expected->count;
    double *bounds = expected->bounds + expected->count;
    clconv_status status;
    if ((status = clconv_reference(values, bounds, &b->problem, &b->tensors)) ||
        (s->algorithm &&
         (status = clconv_algorithm_bound(bounds, &b->problem, &b->tensors, s->algorithm))))
        return status;
    for (size_t i = 0; i < count; ++i) {
        size_t place[CLCONV_TENSOR_AXES], dense = 0;
        place_of(place, part->extent, i);
        for (int axis = 0; axis < CLCONV_TENSOR_AXES; ++axis)
            dense = dense * extent[axis] + part->place[axis] + place[axis];
        append_place(expected, dense);
    }
    if (clconv_tensor_is_computed(&b->problem, CLCONV_BIAS))
        append_place(expected, count_of(extent) + part->place[0]);
    return CLCONV_OK;
}

static clconv_status begin(sampler *s, const case_data *data, const char *algorithm) {
    const clconv_problem *p = &data->problem;
    clconv_status status = CLCONV_OK;
    *s = (sampler){.data = data, .algorithm = algorithm, .computed = case_computed_side(p)};
    for (int i = 0; i < SIDES && !status; ++i)
        status = clconv_tensor_shape(s->extent[i], s->stride[i], p, case_tensor(p, (case_side)i));
    return status;
}

clconv_status expectation_sample(expected_output *expected, const case_data *data, uint64_t seed,
                                 const char *algorithm) {
    const size_t most = SAMPLE_BLOCKS * (SAMPLE_BLOCK * SAMPLE_BLOCK + 1); /* 1 for a bias */
    uint64_t state = seed;
    sampler s;
    clconv_status status;
    memset(expected, 0, sizeof *expected);
    if ((status = begin(&s, data, algorithm)) || (status = expectation_allocate(expected, most, 1)))
        return status;
    expected->count = 0;
    for (size_t i = 0; i < SAMPLE_BLOCKS && !status; ++i) {
        block b;
        draw_block(&b, &state, &s);
        if (!(status = cut_out(&b, &s)))
            status = expect_block(expected, &b, &s);
        else if (status == CLCONV_UNSUPPORTED)
            status = CLCONV_OK;
        free(b.weights);
    }
    if (status)
        expectation_free(expected);
    return status;
}
