#include "peer.h"

#include <dnnl.h>
#include <stdlib.h>

enum { X, W, Y, MEMORIES };

typedef struct onednn_state {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t convolution;
    dnnl_primitive_desc_t description;
    dnnl_memory_t memories[MEMORIES];
    dnnl_memory_desc_t plain[MEMORIES];
    dnnl_exec_arg_t arguments[MEMORIES];
    int computed; /* one of the memories */
} onednn_state;

/* What the three are called in each direction of clconv.h. */
static const struct {
    int argument[MEMORIES];
    dnnl_query_t query[MEMORIES];
    int computed;
} roles[] = {
    [CLCONV_FORWARD] = {{DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
                        {dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md},
                        Y},
    [CLCONV_BACKWARD_DATA] = {{DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST},
                              {dnnl_query_diff_src_md, dnnl_query_weights_md,
                               dnnl_query_diff_dst_md},
                              X},
    [CLCONV_BACKWARD_WEIGHTS] = {{DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST},
                                 {dnnl_query_src_md, dnnl_query_diff_weights_md,
                                  dnnl_query_diff_dst_md},
                                 W},
};

static void check(dnnl_status_t status, const char *call) {
    bench_require(status == dnnl_success, call);
}

static dnnl_memory_desc_t describe(int count, const int64_t *dims, dnnl_format_tag_t tag) {
    dnnl_memory_desc_t d;
    check(dnnl_memory_desc_init_by_tag(&d, count, dims, dnnl_f32, tag), "oneDNN description");
    return d;
}

/* Copies between layouts, outside of what is timed. */
static void reorder(onednn_state *s, dnnl_memory_t from, dnnl_memory_t to) {
    const dnnl_memory_desc_t *a, *b;
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    check(dnnl_memory_get_memory_desc(from, &a), "oneDNN memory");
    check(dnnl_memory_get_memory_desc(to, &b), "oneDNN memory");
    check(dnnl_reorder_primitive_desc_create(&description, a, s->engine, b, s->engine, NULL),
          "oneDNN reorder");
    check(dnnl_primitive_create(&primitive, description), "oneDNN reorder");
    check(dnnl_primitive_execute(primitive, s->stream, 2, arguments), "oneDNN reorder");
    check(dnnl_stream_wait(s->stream), "oneDNN stream");
    dnnl_primitive_destroy(primitive);
    dnnl_primitive_desc_destroy(description);
}

static dnnl_memory_t new_memory(onednn_state *s, const dnnl_memory_desc_t *d, void *data) {
    dnnl_memory_t memory;
    check(dnnl_memory_create(&memory, d, s->engine, data), "oneDNN memory");
    return memory;
}

/* Memory in the layout that the convolution wants, filled from a plain tensor. */
static dnnl_memory_t wanted(onednn_state *s, dnnl_query_t query, const dnnl_memory_desc_t *plain,
                            float *data) {
    const dnnl_memory_desc_t *d = dnnl_primitive_desc_query_md(s->description, query, 0);
    dnnl_memory_t memory = new_memory(s, d, DNNL_MEMORY_ALLOCATE);
    dnnl_memory_t from = new_memory(s, plain, data);
    reorder(s, from, memory);
    dnnl_memory_destroy(from);
    return memory;
}

/* Extents of a convolution, as oneDNN wants them. */
typedef struct geometry {
    int64_t strides[2], dilation[2], begin[2], end[2];
} geometry;

static geometry geometry_of(const clconv_problem *p) {
    geometry g;
    for (int i = 0; i < 2; ++i) {
        g.strides[i] = (int64_t)p->stride[i + 1];
        g.dilation[i] = (int64_t)p->dilation[i + 1] - 1;
        g.begin[i] = (int64_t)p->pad_begin[i + 1];
        g.end[i] = (int64_t)p->pad_end[i + 1];
    }
    return g;
}

/* The plain layouts, and those that it may choose. */
static void describe_all(onednn_state *s, dnnl_memory_desc_t any[MEMORIES], const layer *l,
                         int is_plain) {
    const clconv_problem *p = &l->problem;
    const int grouped = p->groups > 1;
    const int64_t g = (int64_t)p->groups;
    const int64_t x[] = {(int64_t)p->batch, (int64_t)p->in_channels, (int64_t)p->input[1],
                         (int64_t)p->input[2]};
    const int64_t y[] = {(int64_t)p->batch, (int64_t)p->out_channels, (int64_t)l->output_extent[1],
                         (int64_t)l->output_extent[2]};
    const int64_t w[] = {g, (int64_t)p->out_channels / g, (int64_t)p->in_channels / g,
                         (int64_t)p->kernel[1], (int64_t)p->kernel[2]};
    const dnnl_format_tag_t tag = is_plain ? dnnl_nchw : dnnl_format_tag_any;
    s->plain[X] = describe(4, x, dnnl_nchw);
    s->plain[W] = describe(grouped ? 5 : 4, w + !grouped, grouped ? dnnl_goihw : dnnl_oihw);
    s->plain[Y] = describe(4, y, dnnl_nchw);
    any[X] = describe(4, x, tag);
    any[W] = describe(grouped ? 5 : 4, w + !grouped, dnnl_format_tag_any);
    any[Y] = describe(4, y, tag);
}

static void choose(dnnl_primitive_desc_t *description, const onednn_state *s,
                   const dnnl_memory_desc_t any[MEMORIES], const clconv_problem *p) {
    const geometry g = geometry_of(p);
    dnnl_primitive_desc_t forward = NULL;
    dnnl_convolution_desc_t c;
    check(dnnl_dilated_convolution_forward_desc_init(
              &c, p->direction == CLCONV_FORWARD ? dnnl_forward_inference : dnnl_forward_training,
              dnnl_convolution_auto, &any[X], &any[W], NULL, &any[Y], g.strides, g.dilation,
              g.begin, g.end),
          "oneDNN convolution");
    check(dnnl_primitive_desc_create(&forward, &c, NULL, s->engine, NULL), "oneDNN convolution");
    if (p->direction == CLCONV_FORWARD) {
        *description = forward;
        return;
    }
    if (p->direction == CLCONV_BACKWARD_DATA)
        check(dnnl_dilated_convolution_backward_data_desc_init(&c, dnnl_convolution_auto, &any[X],
                                                               &any[W], &any[Y], g.strides,
                                                               g.dilation, g.begin, g.end),
              "oneDNN gradient");
    else
        check(dnnl_dilated_convolution_backward_weights_desc_init(
                  &c, dnnl_convolution_auto, &any[X], &any[W], NULL, &any[Y], g.strides, g.dilation,
                  g.begin, g.end),
              "oneDNN gradient");
    check(dnnl_primitive_desc_create(description, &c, NULL, s->engine, forward), "oneDNN gradient");
    dnnl_primitive_desc_destroy(forward);
}

static void create(onednn_state *s, const layer *l, int is_plain) {
    float *const data[MEMORIES] = {l->data[CLCONV_INPUT], l->data[CLCONV_WEIGHTS],
                                   l->data[CLCONV_OUTPUT]};
    const int direction = (int)l->problem.direction;
    dnnl_memory_desc_t any[MEMORIES];
    describe_all(s, any, l, is_plain);
    choose(&s->description, s, any, &l->problem);
    check(dnnl_primitive_create(&s->convolution, s->description), "oneDNN convolution");
    s->computed = roles[direction].computed;
    for (int i = 0; i < MEMORIES; ++i) {
        s->memories[i] = wanted(s, roles[direction].query[i], &s->plain[i], data[i]);
        s->arguments[i] = (dnnl_exec_arg_t){roles[direction].argument[i], s->memories[i]};
    }
}

static void setup(void **result, const layer *l, int is_plain) {
    onednn_state *s = calloc(1, sizeof *s);
    bench_require(s != NULL, "memory");
    check(dnnl_engine_create(&s->engine, dnnl_cpu, 0), "oneDNN engine");
    check(dnnl_stream_create(&s->stream, s->engine, dnnl_stream_default_flags), "oneDNN stream");
    create(s, l, is_plain);
    *result = s;
}

static void setup_blocked(void **state, const layer *l) {
    setup(state, l, 0);
}

static void setup_plain(void **state, const layer *l) {
    setup(state, l, 1);
}

static void run(void *state) {
    onednn_state *s = state;
    check(dnnl_primitive_execute(s->convolution, s->stream, MEMORIES, s->arguments),
          "oneDNN execute");
}

static void wait_for_all(void *state) {
    onednn_state *s = state;
    check(dnnl_stream_wait(s->stream), "oneDNN stream");
}

static void fetch(void *state, float *result) {
    onednn_state *s = state;
    dnnl_memory_t to = new_memory(s, &s->plain[s->computed], result);
    reorder(s, s->memories[s->computed], to);
    dnnl_memory_destroy(to);
}

static void teardown(void *state) {
    onednn_state *s = state;
    for (int i = 0; i < MEMORIES; ++i)
        dnnl_memory_destroy(s->memories[i]);
    dnnl_primitive_destroy(s->convolution);
    dnnl_primitive_desc_destroy(s->description);
    dnnl_stream_destroy(s->stream);
    dnnl_engine_destroy(s->engine);
    free(s);
}

const peer onednn_peer = {"onednn", setup_blocked, run, wait_for_all, fetch, teardown, NULL};
const peer onednn_nchw_peer = {"onednn_nchw", setup_plain, run, wait_for_all,
                               fetch,         teardown,    NULL};
