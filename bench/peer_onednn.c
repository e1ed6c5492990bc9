#include "peer.h"

#include <dnnl.h>
#include <stdlib.h>

typedef struct onednn_state {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t convolution;
    dnnl_primitive_desc_t description;
    dnnl_memory_t source, weights, destination;
    dnnl_memory_desc_t plain_destination;
    dnnl_exec_arg_t arguments[3];
} onednn_state;

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
                            const float *data) {
    const dnnl_memory_desc_t *d = dnnl_primitive_desc_query_md(s->description, query, 0);
    dnnl_memory_t memory = new_memory(s, d, DNNL_MEMORY_ALLOCATE);
    if (data) {
        dnnl_memory_t from = new_memory(s, plain, (void *)(uintptr_t)data);
        reorder(s, from, memory);
        dnnl_memory_destroy(from);
    }
    return memory;
}

static void create(onednn_state *s, const layer *l, int is_plain) {
    const clconv_problem *p = &l->problem;
    int grouped = p->groups > 1;
    const int64_t g = (int64_t)p->groups;
    const int64_t x[] = {(int64_t)p->batch, (int64_t)p->in_channels, (int64_t)p->input[1],
                         (int64_t)p->input[2]};
    const int64_t y[] = {(int64_t)p->batch, (int64_t)p->out_channels, (int64_t)l->output_extent[1],
                         (int64_t)l->output_extent[2]};
    const int64_t w[] = {g, (int64_t)p->out_channels / g, (int64_t)p->in_channels / g,
                         (int64_t)p->kernel[1], (int64_t)p->kernel[2]};
    const int64_t strides[] = {(int64_t)p->stride[1], (int64_t)p->stride[2]};
    const int64_t dilation[] = {(int64_t)p->dilation[1] - 1, (int64_t)p->dilation[2] - 1};
    const int64_t begin[] = {(int64_t)p->pad_begin[1], (int64_t)p->pad_begin[2]};
    const int64_t end[] = {(int64_t)p->pad_end[1], (int64_t)p->pad_end[2]};
    dnnl_format_tag_t tag = is_plain ? dnnl_nchw : dnnl_format_tag_any;
    dnnl_memory_desc_t plain_x = describe(4, x, dnnl_nchw);
    dnnl_memory_desc_t plain_w =
        describe(grouped ? 5 : 4, w + !grouped, grouped ? dnnl_goihw : dnnl_oihw);
    dnnl_memory_desc_t any_x = describe(4, x, tag), any_y = describe(4, y, tag);
    dnnl_memory_desc_t any_w = describe(grouped ? 5 : 4, w + !grouped, dnnl_format_tag_any);
    dnnl_convolution_desc_t convolution;
    s->plain_destination = describe(4, y, dnnl_nchw);
    check(dnnl_dilated_convolution_forward_desc_init(&convolution, dnnl_forward_inference,
                                                     dnnl_convolution_auto, &any_x, &any_w, NULL,
                                                     &any_y, strides, dilation, begin, end),
          "oneDNN convolution");
    check(dnnl_primitive_desc_create(&s->description, &convolution, NULL, s->engine, NULL),
          "oneDNN convolution");
    check(dnnl_primitive_create(&s->convolution, s->description), "oneDNN convolution");
    s->source = wanted(s, dnnl_query_src_md, &plain_x, l->input);
    s->weights = wanted(s, dnnl_query_weights_md, &plain_w, l->weights);
    s->destination = wanted(s, dnnl_query_dst_md, &s->plain_destination, NULL);
}

static void setup(void **result, const layer *l, int is_plain) {
    onednn_state *s = calloc(1, sizeof *s);
    bench_require(s != NULL, "memory");
    check(dnnl_engine_create(&s->engine, dnnl_cpu, 0), "oneDNN engine");
    check(dnnl_stream_create(&s->stream, s->engine, dnnl_stream_default_flags), "oneDNN stream");
    create(s, l, is_plain);
    s->arguments[0] = (dnnl_exec_arg_t){DNNL_ARG_SRC, s->source};
    s->arguments[1] = (dnnl_exec_arg_t){DNNL_ARG_WEIGHTS, s->weights};
    s->arguments[2] = (dnnl_exec_arg_t){DNNL_ARG_DST, s->destination};
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
    check(dnnl_primitive_execute(s->convolution, s->stream, 3, s->arguments), "oneDNN execute");
    check(dnnl_stream_wait(s->stream), "oneDNN stream");
}

static void fetch(void *state, float *output) {
    onednn_state *s = state;
    dnnl_memory_t to = new_memory(s, &s->plain_destination, output);
    reorder(s, s->destination, to);
    dnnl_memory_destroy(to);
}

static void teardown(void *state) {
    onednn_state *s = state;
    dnnl_memory_destroy(s->source);
    dnnl_memory_destroy(s->weights);
    dnnl_memory_destroy(s->destination);
    dnnl_primitive_destroy(s->convolution);
    dnnl_primitive_desc_destroy(s->description);
    dnnl_stream_destroy(s->stream);
    dnnl_engine_destroy(s->engine);
    free(s);
}

const peer onednn_peer = {"onednn", setup_blocked, run, fetch, teardown, NULL};
const peer onednn_nchw_peer = {"onednn_nchw", setup_plain, run, fetch, teardown, NULL};
