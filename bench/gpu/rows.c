/*
 * Times every algorithm of one device, and CLBlast's convolution beside them, layer by layer, with
 * the device's own clock.
 *
 *     gpu_rows [--device SELECTOR] [--batch N] [--type TYPE] [--direction DIRECTION] [--runs N]
 *              [--only ALGORITHM,...] [--tiles all] LAYERS...
 *
 * `clconv bench` times single calls as the host sees them; this is for a network's. Weights are
 * packed once, and the calls follow one another in one queue, behind a kernel that keeps the device
 * busy until all are there: so the time from the end of one to the end of the next is what the
 * device needs for a call in the middle of a network, all its kernels included. `wall` is what a
 * call takes without that kernel and without events, when the host may be the slower one.
 * Prints a JSON array: for each layer and algorithm, with --tiles all for each of its tiles, its
 * seconds, one per run, or why there are none. What is right is the verifier's question, not asked
 * here.
 */
#define _POSIX_C_SOURCE 200809L
#include "clblast.h"

#include "algo.h"
#include "plan.h"
#include "tuning.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_RUNS = 1000, WARM_UP = 3 };

typedef struct settings {
    const char *device, *type, *direction, *only;
    int batch, runs, all_tiles;
} settings;

typedef struct bench {
    settings o;
    clconv_device *device;
    cl_context context;
    cl_command_queue queue;
    cl_kernel delay;
    cl_mem delay_result;
    int has_printed;
} bench;

/* A layer with its tensors, those of the backward directions in device memory; a bench needs no
 * recovery, so that failures end the program. */
typedef struct layer {
    clconv_problem problem;
    char text[CLCONV_PROBLEM_TEXT_SIZE], chosen[64], chosen_tile[CLCONV_TILE_SIZE];
    void *weights;
    cl_mem input, weights_memory, output;
} layer;

static void require(int condition, const char *what) {
    if (condition)
        return;
    fprintf(stderr, "gpu_rows: %s\n", what);
    exit(1);
}

static void require_ok(clconv_status status) {
    require(status == CLCONV_OK, clconv_last_message());
}

/* ---- tensors ---- */

/* Random numbers in [-1, 1), because some devices draw less power, and run faster, on zeros. */
static void *random_tensor(const clconv_problem *p, clconv_tensor tensor, size_t *bytes) {
    const clconv_type type = clconv_tensor_type(p, tensor);
    const int is_integer = type == CLCONV_S8 || type == CLCONV_U8 || type == CLCONV_S32;
    unsigned seed = 1 + (unsigned)tensor;
    size_t elements;
    require_ok(clconv_tensor_elements(&elements, p, tensor));
    *bytes = elements * clconv_type_size(type);
    void *data = malloc(*bytes);
    require(data != NULL, "out of memory");
    for (size_t i = 0; i < elements; ++i) {
        seed = seed * 1664525u + 1013904223u;
        double value = (double)(seed >> 8) * 0x1p-23 - 1;
        clconv_element_set(data, type, i, is_integer ? value * 100 : value);
    }
    return data;
}

static cl_mem make_buffer(const bench *b, size_t bytes, void *content) {
    cl_int code;
    cl_mem memory =
        clCreateBuffer(b->context, CL_MEM_READ_WRITE | (content ? CL_MEM_COPY_HOST_PTR : 0), bytes,
                       content, &code);
    require(code == CL_SUCCESS, "clCreateBuffer failed");
    return memory;
}

static void open_layer(layer *l, const bench *b, const char *line) {
    char with_type[CLCONV_PROBLEM_TEXT_SIZE + 64];
    clconv_plan *plan = NULL;
    size_t bytes;
    snprintf(with_type, sizeof with_type, "%s_type=%.8s_dir=%.24s", line, b->o.type,
             b->o.direction);
    l->problem = (clconv_problem)CLCONV_PROBLEM_INIT;
    require_ok(clconv_problem_parse(&l->problem, with_type));
    l->problem.batch = (size_t)b->o.batch;
    require_ok(clconv_problem_format(l->text, sizeof l->text, &l->problem));
    require_ok(clconv_plan_create(&plan, b->device, &l->problem, NULL));
    snprintf(l->chosen, sizeof l->chosen, "%s", clconv_plan_algorithm(plan));
    clconv__launch launch;
    clconv__format_tile(
        l->chosen_tile,
        plan->algo->tiles ? clconv__fitting_tile(&launch, plan->algo, &plan->request) : NULL);
    clconv_plan_destroy(plan);
    void *input = random_tensor(&l->problem, CLCONV_INPUT, &bytes);
    l->input = make_buffer(b, bytes, input);
    free(input);
    l->weights = random_tensor(&l->problem, CLCONV_WEIGHTS, &bytes);
    l->weights_memory = make_buffer(b, bytes, l->weights);
    void *output = random_tensor(&l->problem, CLCONV_OUTPUT, &bytes);
    l->output = make_buffer(b, bytes, output);
    free(output);
}

static void close_layer(layer *l) {
    clReleaseMemObject(l->input);
    clReleaseMemObject(l->weights_memory);
    clReleaseMemObject(l->output);
    free(l->weights);
}

/* ---- timing ---- */

/* Goes around as often as it is told; what it sums cannot be foreseen. */
static const char delay_source[] = "kernel void delay(uint turns, global uint *result) {\n"
                                   "    uint x = turns;\n"
                                   "    for (uint i = 0; i < turns; ++i)\n"
                                   "        x = x * 1664525u + 1013904223u ^ x >> 7;\n"
                                   "    *result = x;\n"
                                   "}\n";

/* Some milliseconds on a GPU for 20 calls, and as much more as there are more calls. */
static const cl_uint delay_turns_of_call = 50000;

static void open_delay(bench *b) {
    const char *source = delay_source;
    const cl_uint turns = delay_turns_of_call * (cl_uint)b->o.runs;
    cl_device_id id;
    cl_int code;
    require_ok(clconv_device_opencl(b->device, &b->context, &id, &b->queue));
    b->delay_result = clCreateBuffer(b->context, CL_MEM_READ_WRITE, sizeof(cl_uint), NULL, &code);
    require(code == CL_SUCCESS, "clCreateBuffer failed");
    cl_program program = clCreateProgramWithSource(b->context, 1, &source, NULL, &code);
    require(code == CL_SUCCESS && clBuildProgram(program, 1, &id, "", NULL, NULL) == CL_SUCCESS,
            "the kernel that waits does not build");
    b->delay = clCreateKernel(program, "delay", &code);
    require(code == CL_SUCCESS && clSetKernelArg(b->delay, 0, sizeof turns, &turns) == CL_SUCCESS &&
                clSetKernelArg(b->delay, 1, sizeof b->delay_result, &b->delay_result) == CL_SUCCESS,
            "clSetKernelArg failed");
    clReleaseProgram(program);
}

static double end_of(cl_event event) {
    cl_ulong time = 0;
    require(clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof time, &time, NULL) ==
                CL_SUCCESS,
            "the device's queue does not profile");
    return 1e-9 * (double)time;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* What is timed: a plan with its tensors, or without one CLBlast. */
typedef struct candidate {
    const char *name;
    char tile[CLCONV_TILE_SIZE];
    clconv_plan *plan;
    clconv_tensors tensors;
} candidate;

static void enqueue(const bench *b, const layer *l, const candidate *c, cl_event *event) {
    if (c->plan)
        require_ok(clconv_plan_enqueue(c->plan, NULL, &c->tensors, 0, NULL, event));
    else
        require(clblast_enqueue(&l->problem, l->input, l->weights_memory, l->output, b->queue,
                                event) == 0,
                "CLBlastSconvgemm failed");
}

/*
 * Seconds of `runs` calls in a row, after some that are not counted; the host's seconds for a call
 * are returned, because the clocks of some devices stand still.
 */
static double time_calls(double *seconds, const bench *b, const layer *l, const candidate *c) {
    static cl_event events[MOST_RUNS + 1];
    for (int i = 0; i < WARM_UP; ++i)
        enqueue(b, l, c, NULL);
    require(clFinish(b->queue) == CL_SUCCESS, "clFinish failed");
    const double begin = now();
    for (int i = 0; i < b->o.runs; ++i)
        enqueue(b, l, c, NULL);
    require(clFinish(b->queue) == CL_SUCCESS, "clFinish failed");
    const double wall = (now() - begin) / b->o.runs;
    const size_t one = 1;
    require(clEnqueueNDRangeKernel(b->queue, b->delay, 1, NULL, &one, &one, 0, NULL, NULL) ==
                CL_SUCCESS,
            "clEnqueueNDRangeKernel failed");
    for (int i = 0; i <= b->o.runs; ++i)
        enqueue(b, l, c, &events[i]);
    require(clFinish(b->queue) == CL_SUCCESS, "clFinish failed");
    for (int i = 0; i < b->o.runs; ++i)
        seconds[i] = end_of(events[i + 1]) - end_of(events[i]);
    for (int i = 0; i <= b->o.runs; ++i)
        clReleaseEvent(events[i]);
    return wall;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* With the tile, where there is one; the tile of a row that is timed once is its own choice. */
static int is_chosen(const layer *l, const char *name, const char *tile) {
    return strcmp(l->chosen, name) == 0 && (!*tile || strcmp(l->chosen_tile, tile) == 0);
}

/* The device's median, or null where its clock stands still. */
static void print_times(const bench *b, const layer *l, const candidate *c, double *seconds,
                        double wall) {
    printf("\"workspace\": %zu, \"wall\": %.9g, \"seconds\": [",
           c->plan ? clconv_plan_workspace_size(c->plan) : 0, wall);
    for (int i = 0; i < b->o.runs; ++i)
        printf("%s%.9g", i ? ", " : "", seconds[i]);
    qsort(seconds, (size_t)b->o.runs, sizeof *seconds, ascending);
    const double median = seconds[b->o.runs / 2];
    fprintf(stderr, "%-28s %-18s %-12s wall %10.1f us", l->problem.name, c->name, c->tile,
            wall * 1e6);
    if (median > 0) {
        const double gflops = clconv_problem_flops(&l->problem) / median * 1e-9;
        printf("], \"median\": %.9g, \"gflops\": %.6g}", median, gflops);
        fprintf(stderr, "  device %10.1f us %9.1f GFLOP/s", median * 1e6, gflops);
    } else {
        printf("], \"median\": null}");
        fprintf(stderr, "  the device's clock stands still");
    }
    fprintf(stderr, "%s\n", is_chosen(l, c->name, c->tile) ? "  chosen" : "");
}

/* A message as a JSON string. */
static void print_message(const char *text) {
    putchar('"');
    for (; *text; ++text)
        putchar(*text == '"' || *text == '\\' || (unsigned char)*text < ' ' ? ' ' : *text);
    putchar('"');
}

static void begin_row(bench *b, const layer *l, const char *name, const char *tile) {
    printf("%s\n {\"layer\": \"%s\", \"batch\": %d, \"type\": \"%s\", \"direction\": \"%s\", "
           "\"algorithm\": \"%s\", \"rounds\": %s, \"chosen\": %s, ",
           b->has_printed ? "," : "", l->problem.name, b->o.batch, b->o.type, b->o.direction, name,
           clconv_algorithm_rounds(name) ? "true" : "false",
           is_chosen(l, name, tile) ? "true" : "false");
    b->has_printed = 1;
}

static void time_candidate(const bench *b, const layer *l, const candidate *c) {
    static double seconds[MOST_RUNS];
    const double wall = time_calls(seconds, b, l, c);
    print_times(b, l, c, seconds, wall);
    fflush(stdout);
}

/* The tile is NULL for the one with the smallest estimate. */
static void run_row(bench *b, const layer *l, const clconv__algo *algo, const clconv__tile *tile) {
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    const clconv__choice choice = {algo, tile, NULL};
    candidate c = {
        algo->name,
        "",
        NULL,
        {.input = {l->input, 0}, .weights = {l->weights_memory, 0}, .output = {l->output, 0}}};
    options.algorithm = algo->name;
    if (tile)
        clconv__format_tile(c.tile, tile);
    begin_row(b, l, algo->name, c.tile);
    if (tile)
        printf("\"tile\": \"%s\", ", c.tile);
    if (clconv__plan_create(&c.plan, b->device, &l->problem, &options, tile ? &choice : NULL)) {
        printf("\"refusal\": ");
        print_message(clconv_last_message());
        putchar('}');
        return;
    }
    printf("\"estimate\": %.6g, ", c.plan->seconds);
    if (!clconv_tensor_is_computed(&l->problem, CLCONV_WEIGHTS))
        require_ok(clconv_plan_pack_weights(c.plan, l->weights));
    size_t workspace = clconv_plan_workspace_size(c.plan);
    if (workspace)
        c.tensors.workspace.memory = make_buffer(b, workspace, NULL);
    time_candidate(b, l, &c);
    if (workspace)
        clReleaseMemObject(c.tensors.workspace.memory);
    clconv_plan_destroy(c.plan);
}

static void run_tiles(bench *b, const layer *l, const clconv__algo *algo) {
    const clconv__tile *tile = b->o.all_tiles ? algo->tiles : NULL;
    if (!tile)
        run_row(b, l, algo, NULL);
    for (; tile && tile->value[0]; ++tile)
        run_row(b, l, algo, tile);
}

/* Whether `only` names the row; NULL names all. */
static int is_asked(const char *only, const char *name) {
    const size_t length = strlen(name);
    for (const char *at = only; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, name, length) == 0 && (!at[length] || at[length] == ','))
            return 1;
    return !only;
}

/* Beside the library's own rows; a peer is not one of those among which a plan chooses. Where it
 * fails it is left out, because the rows behind it are worth more. */
static void run_clblast(bench *b, const layer *l) {
    const candidate c = {.name = "CLBlastSconvgemm"};
    if (!clblast_computes(&l->problem))
        return;
    if (clblast_enqueue(&l->problem, l->input, l->weights_memory, l->output, b->queue, NULL) ||
        clFinish(b->queue) != CL_SUCCESS) {
        fprintf(stderr, "%s fails on %s\n", c.name, l->problem.name);
        return;
    }
    begin_row(b, l, c.name, c.tile);
    printf("\"peer\": \"clblast\", ");
    time_candidate(b, l, &c);
}

static void run_file(bench *b, const char *path) {
    char line[CLCONV_PROBLEM_TEXT_SIZE];
    FILE *file = fopen(path, "r");
    require(file != NULL, path);
    while (fgets(line, sizeof line, file)) {
        layer l;
        line[strcspn(line, "\r\n")] = 0;
        if (!*line || *line == '#')
            continue;
        open_layer(&l, b, line);
        for (size_t i = 0; i < clconv__algo_count; ++i) {
            const clconv__algo *algo = clconv__algos[i];
            if (clconv__algo_is_for(algo, b->device) &&
                clconv__algo_computes(algo, l.problem.direction) && is_asked(b->o.only, algo->name))
                run_tiles(b, &l, algo);
        }
        if (!b->o.only)
            run_clblast(b, &l);
        close_layer(&l);
    }
    fclose(file);
}

/* ---- */

static int read_settings(settings *o, int argc, char **argv) {
    int first = 1;
    for (; first + 1 < argc && strncmp(argv[first], "--", 2) == 0; first += 2) {
        const char *name = argv[first] + 2, *value = argv[first + 1];
        if (strcmp(name, "device") == 0)
            o->device = value;
        else if (strcmp(name, "type") == 0)
            o->type = value;
        else if (strcmp(name, "direction") == 0)
            o->direction = value;
        else if (strcmp(name, "only") == 0)
            o->only = value;
        else if (strcmp(name, "tiles") == 0 && strcmp(value, "all") == 0)
            o->all_tiles = 1;
        else if (strcmp(name, "batch") == 0)
            o->batch = atoi(value);
        else if (strcmp(name, "runs") == 0)
            o->runs = atoi(value);
        else
            require(0, "unknown option");
    }
    require(first < argc && o->batch > 0 && o->runs > 0 && o->runs <= MOST_RUNS,
            "usage: gpu_rows [--device SELECTOR] [--batch N] [--type TYPE] "
            "[--direction DIRECTION] [--runs 1..1000] [--only ALGORITHM,...] [--tiles all] "
            "LAYERS...");
    return first;
}

int main(int argc, char **argv) {
    bench b = {
        .o = {.device = "gpu", .type = "f32", .direction = "forward", .batch = 1, .runs = 20}};
    int first = read_settings(&b.o, argc, argv);
    require_ok(clconv_device_open(&b.device, b.o.device));
    open_delay(&b);
    printf("[");
    for (; first < argc; ++first)
        run_file(&b, argv[first]);
    printf("\n]\n");
    clReleaseKernel(b.delay);
    clReleaseMemObject(b.delay_result);
    clconv_device_destroy(b.device);
    return 0;
}
