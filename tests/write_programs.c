/*
 * Writes every program that the library would build on a GPU, without one: the linker hands the
 * calls that build to the functions here (-Wl,--wrap), which only take down file and options. For
 * scripts/gpu-codegen.
 *
 *     write_programs FOLDER [VENDOR [ENGINE]]
 *
 * FOLDER receives the sources; VENDOR is what the device says of itself, for rows that ask; ENGINE
 * is the matrix engine that it has, of the table in host/engine.c.
 * Standard output has a line for each program, parted by tabs: source file, kernel file, standing,
 * algorithm, tile, dynamic local memory in bytes, options. Standings: `chosen` where the plan of
 * some problem below would use it, `best` where it is the first choice of a row that is chosen for
 * some problem, else `candidate`; `cpu` where the row is not made for GPUs.
 */
#include "engine.h"
#include "kernel_source.h"
#include "plan.h"
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What differs in the code that is made: extents, strides, padding, types, epilogue, group size. */
static const char *const problems[] = {
    "mb1_ic64ih56iw56_oc64kh3kw3_ph1pw1",
    "g32_mb1_ic32ih112iw112_oc32kh3kw3_ph1pw1",
    "mb16_ic256ih14iw14_oc256kh3kw3_ph1pw1_bias_act=relu",
    "mb1_ic512ih7iw7_oc512kh3kw3_ph1pw1",
    "mb1_ic128ih56iw56_oc128kh3kw3_sh2sw2_ph1pw1",
    "mb1_ic256ih28iw28_oc256kh3kw3_ph2pw2_dh1dw1",
    "mb1_ic64ih224iw224_oc64kh3kw3_ph1pw1",
    "mb1_ic3ih224iw224_oc64kh7kw7_sh2sw2_ph3pw3",
    "mb1_ic3ih224iw224_oc32kh3kw3_sh2sw2_ph1pw1",
    "mb16_ic256ih56iw56_oc64kh1kw1",
    "mb1_ic1024ih14iw14_oc256kh1kw1",
    "mb1_ic32ih28iw28_oc96kh5kw5_ph2pw2",
    "g64_mb1_ic64ih112iw112_oc64kh3kw3_sh2sw2_ph1pw1",
    "g512_mb1_ic512ih14iw14_oc512kh5kw5_ph2pw2",
    "g1024_mb1_ic1024ih7iw7_oc1024kh3kw3_ph1pw1",
    "mb16_ic128ih28iw28_oc128kh3kw3_ph1pw1_type=f16",
    "mb16_ic512ih28iw28_oc512kh1kw1_type=f16_bias_act=relu",
    "g128_mb16_ic128ih28iw28_oc128kh3kw3_ph1pw1_type=f16",
    "g128_mb16_ic128ih28iw28_oc128kh3kw3_ph1pw1_layout=nhwc",
    "g64_mb16_ic64ih56iw56_oc64kh7kw7_ph3pw3",
    "g64_mb16_ic64ih56iw56_oc128kh3kw3_ph2pw2_dh1dw1",
    "mb16_ic128ih28iw28_oc128kh3kw3_ph1pw1_type=bf16_bias_residual_act=gelu",
    "mb16_ic128ih28iw28_oc128kh3kw3_ph1pw1_layout=nhwc_type=f16",
    "mb16_ic64ih56iw56_oc64kh3kw3_ph1pw1_dir=backward_data",
    "mb16_ic64ih56iw56_oc64kh3kw3_ph1pw1_dir=backward_weights_bias",
    "mb16_ic256ih56iw56_oc256kh3kw3_ph1pw1_dir=backward_weights",
    "mb16_ic128ih28iw28_oc128kh3kw3_ph1pw1_type=f16_dir=backward_weights",
    "mb16_ic512ih28iw28_oc256kh1kw1_type=bf16_dir=backward_weights",
    "g64_mb16_ic64ih112iw112_oc64kh3kw3_sh2sw2_ph1pw1_dir=backward_weights",
    "g64_mb16_ic64ih56iw56_oc64kh7kw7_ph3pw3_dir=backward_weights",
    "mb16_ic128ih56iw56_oc128kh3kw3_sh2sw2_ph1pw1_dir=backward_data_type=f16",
};
enum { PROBLEMS = sizeof problems / sizeof problems[0] };

typedef enum standing { CPU, CANDIDATE, BEST, CHOSEN } standing;
static const char *const standing_names[] = {"cpu", "candidate", "best", "chosen"};

typedef struct entry {
    char file[64], options[512], tile[64];
    const char *algorithm;
    size_t local_bytes;
    standing standing;
} entry;

enum { MOST_ENTRIES = 1000 };
static entry entries[MOST_ENTRIES];
static size_t entry_count;
static entry current; /* of the plan that is created */

static void require(int condition, const char *what) {
    if (condition)
        return;
    fprintf(stderr, "write_programs: %s: %s\n", what, clconv_last_message());
    exit(1);
}

/* ---- instead of building ---- */

clconv_status __wrap_clconv__device_program(cl_program *program, clconv_device *device,
                                            const char *file, const char *options);
clconv_status __wrap_clconv__device_program(cl_program *program, clconv_device *device,
                                            const char *file, const char *options) {
    (void)device;
    *program = NULL;
    for (size_t i = 0; i < entry_count; ++i)
        if (strcmp(entries[i].file, file) == 0 && strcmp(entries[i].options, options) == 0) {
            if (current.standing > entries[i].standing)
                entries[i].standing = current.standing;
            if (current.local_bytes > entries[i].local_bytes)
                entries[i].local_bytes = current.local_bytes;
            return CLCONV_OK;
        }
    require(entry_count < MOST_ENTRIES, "too many programs");
    entry *e = &entries[entry_count++];
    *e = current;
    snprintf(e->file, sizeof e->file, "%s", file);
    snprintf(e->options, sizeof e->options, "%s", options);
    return CLCONV_OK;
}

cl_kernel __wrap_clCreateKernel(cl_program program, const char *name, cl_int *code);
cl_kernel __wrap_clCreateKernel(cl_program program, const char *name, cl_int *code) {
    (void)program, (void)name;
    *code = CL_SUCCESS;
    return NULL;
}

cl_mem __wrap_clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host,
                             cl_int *code);
cl_mem __wrap_clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host,
                             cl_int *code) {
    (void)context, (void)flags, (void)size, (void)host;
    *code = CL_SUCCESS;
    return NULL;
}

/* ---- rows and tiles ---- */

/* Facts of a device that never runs anything: what current GPUs have at least. */
static clconv_device paper_gpu(const char *vendor, const char *engine) {
    clconv_device device = {.info = {.kind = CLCONV_KIND_GPU}, .f64_is_known = 1};
    snprintf(device.info.vendor, sizeof device.info.vendor, "%s", vendor);
    device.info.compute_units = 100;
    device.info.max_work_group_size = 256;
    for (size_t i = 0; i < 3; ++i)
        device.info.max_work_item_sizes[i] = 256;
    device.info.local_memory_size = 48 << 10;
    device.info.global_memory_size = (uint64_t)16 << 30;
    device.info.max_allocation_size = (uint64_t)4 << 30;
    device.info.f64_claimed = device.info.f64_probed = 1;
    const clconv__engine *own = clconv__find_engine(engine);
    require(own || !*engine, engine);
    for (int type = 0; type < CLCONV__TYPES; ++type) {
        device.engines[type].is_known = 1;
        device.engines[type].engine = own && own->types >> type & 1 ? own : NULL;
    }
    return device;
}

static clconv_problem parsed(const char *text) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    require(clconv_problem_parse(&problem, text) == CLCONV_OK, text);
    return problem;
}

static int same_tile(const clconv__tile *a, const clconv__tile *b) {
    return a && b && memcmp(a, b, sizeof *a) == 0;
}

static void describe_tile(const clconv__algo *algo, const clconv__tile *tile) {
    size_t used = 0;
    *current.tile = 0;
    for (int i = 0; tile && i < CLCONV__TILE_VALUES && tile->value[i]; ++i)
        used += (size_t)snprintf(current.tile + used, sizeof current.tile - used, "%s%u",
                                 i ? "x" : "", tile->value[i]);
    if (!used)
        snprintf(current.tile, sizeof current.tile, "-");
    current.algorithm = algo->name;
}

/* Takes down what a plan of the row would build with this tile alone. */
static void plan_with(const clconv__algo *algo, const clconv__tile *tile, clconv_device *device,
                      const clconv_problem *problem) {
    clconv__launch launch = {{0}, {0}, 0, 0, ""};
    clconv__tile tiles[2] = {{{0}}, {{0}}};
    clconv__algo row = *algo;
    clconv_plan plan = {.problem = *problem, .algo = &row, .options = CLCONV_PLAN_OPTIONS_INIT};
    plan.request.problem = &plan.problem;
    plan.request.device = device;
    require(clconv__geometry_of(&plan.request.g, problem) == CLCONV_OK, algo->name);
    if (tile) {
        tiles[0] = *tile;
        row.tiles = tiles;
        if (!algo->launch(&launch, &plan.request, tile))
            return;
    }
    current.local_bytes = launch.local_bytes;
    describe_tile(algo, tile);
    clconv_status status = row.ops->create(&plan);
    require(status == CLCONV_OK || status == CLCONV_UNSUPPORTED, algo->name);
    if (status == CLCONV_OK)
        row.ops->destroy(&plan);
}

/* The tile that the row would use; NULL where it has none. */
static const clconv__tile *own_tile(const clconv__algo *algo, clconv_device *device,
                                    const clconv_problem *problem) {
    clconv__launch launch;
    clconv__request request = {.problem = problem, .device = device};
    require(clconv__geometry_of(&request.g, problem) == CLCONV_OK, algo->name);
    return algo->tiles ? clconv__fitting_tile(&launch, algo, &request) : NULL;
}

/* The row with the smallest estimate. */
static const clconv__algo *chosen_row(clconv_device *device, const clconv_problem *problem,
                                      int allows_tf32) {
    clconv__request request = {.problem = problem, .device = device, .allows_tf32 = allows_tf32};
    char refusal[CLCONV_REFUSAL_SIZE];
    const clconv__algo *best = NULL;
    double best_seconds = 0;
    require(clconv__geometry_of(&request.g, problem) == CLCONV_OK, problem->name);
    for (size_t i = 0; i < clconv__algo_count; ++i) {
        const clconv__algo *algo = clconv__algos[i];
        if (!clconv__algo_is_for(algo, device) || clconv__algo_refuses(refusal, algo, &request))
            continue;
        const double seconds = clconv__algo_seconds(algo, &request);
        if (!best || seconds < best_seconds) {
            best = algo;
            best_seconds = seconds;
        }
    }
    return best;
}

/* Whether plans would use the row, with what some of them allow or without. */
static int is_chosen(const clconv__algo *algo, clconv_device *device,
                     const clconv_problem *problem) {
    return chosen_row(device, problem, 0) == algo || chosen_row(device, problem, 1) == algo;
}

static int is_ever_chosen(const clconv__algo *algo, clconv_device *device) {
    for (size_t i = 0; i < PROBLEMS; ++i) {
        clconv_problem problem = parsed(problems[i]);
        if (is_chosen(algo, device, &problem))
            return 1;
    }
    return 0;
}

/* All tiles for the first problem that the row takes, then the one that it would use. */
static void take_row(const clconv__algo *algo, clconv_device *device) {
    const standing others = clconv__algo_is_for(algo, device) ? CANDIDATE : CPU;
    const standing best = is_ever_chosen(algo, device) ? BEST : others;
    int is_first = 1;
    for (size_t i = 0; i < PROBLEMS; ++i) {
        clconv_problem problem = parsed(problems[i]);
        if (clconv_algorithm_check(NULL, NULL, device, &problem, algo->name))
            continue;
        const clconv__tile *own = own_tile(algo, device, &problem);
        current.standing = is_chosen(algo, device, &problem) ? CHOSEN : best;
        plan_with(algo, own, device, &problem);
        current.standing = others;
        for (const clconv__tile *tile = algo->tiles; is_first && tile && tile->value[0]; ++tile)
            if (!same_tile(tile, own))
                plan_with(algo, tile, device, &problem);
        is_first = 0;
    }
}

/* ---- writing ---- */

static void write_source(const char *folder, size_t number, const entry *e) {
    char path[4096], *source = NULL;
    require(clconv__kernel_source(&source, e->file) == CLCONV_OK, e->file);
    snprintf(path, sizeof path, "%s/%03zu.cl", folder, number);
    FILE *file = fopen(path, "w");
    require(file && fputs(source, file) >= 0 && fclose(file) == 0, path);
    free(source);
    printf("%s\t%s\t%s\t%s\t%s\t%zu\t-cl-std=CL1.2%s\n", path, e->file, standing_names[e->standing],
           e->algorithm, e->tile, e->local_bytes, e->options);
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: write_programs FOLDER [VENDOR [ENGINE]]\n");
        return 2;
    }
    clconv_device device = paper_gpu(argc > 2 ? argv[2] : "", argc > 3 ? argv[3] : "");
    for (size_t i = 0; i < clconv__algo_count; ++i)
        if (!clconv__algos[i]->ops->is_host)
            take_row(clconv__algos[i], &device);
    for (size_t i = 0; i < entry_count; ++i)
        write_source(argv[1], i, &entries[i]);
    return 0;
}
