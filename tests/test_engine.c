/* also: no-device */
/*
 * Matrix engines, and the rows that multiply with them. No machine of the tests has one, so that
 * the emulated one stands in: all but the instruction itself is what runs on a GPU.
 */
#include "engine.h"
#include "gemm.h"
#include "plan.h"
#include "program.h"
#include "support/run.h"
#include "support/temporary.h"

static int use_engine(const char *name) {
    return name ? setenv("CLCONV_MATRIX_ENGINE", name, 1) : unsetenv("CLCONV_MATRIX_ENGINE");
}

/* The engines that stand in for the instructions of one kind of device each. */
static const char *const emulations[] = {"emulated", "emulated_wmma", "emulated_mfma",
                                         "emulated_dpas_8", "emulated_dpas_16"};

static int forget_engine(void **state) {
    (void)state;
    return use_engine(NULL);
}

/* A device of its own, because what was found stays with it. The caller destroys it. */
static clconv_device *open_cpu(void) {
    clconv_device *device = NULL;
    if (clconv_device_open(&device, "cpu"))
        skip_because("there is no OpenCL CPU");
    return device;
}

static const char *engine_name(clconv_device *device, clconv_type type, char *note) {
    const clconv__engine *engine = clconv__device_engine(device, type, note);
    return engine ? engine->name : "none";
}

/* The rows that multiply with an engine: those that gather pixels, and those that copy them first.
 */
typedef struct family {
    const char *name, *name_of_tf32; /* the latter NULL where there is none */
    clconv_direction direction;
} family;
static const family gathered = {"gemm_mma", "gemm_mma_tf32", CLCONV_FORWARD};
static const family copied = {"nhwc_mma", "nhwc_mma_tf32", CLCONV_FORWARD};
static const family of_weights = {"weights_mma", NULL, CLCONV_BACKWARD_WEIGHTS};

static const char *row_of(const family *f, clconv_type type) {
    return type == CLCONV_F32 ? f->name_of_tf32 : f->name;
}

/* ---- engines ---- */

static void test_find_engine(void **state) {
    (void)state;
    assert_string_equal(clconv__find_engine("emulated")->name, "emulated");
    assert_null(clconv__find_engine(""));
    assert_null(clconv__find_engine("emulate"));
}

static void test_device_engine_only_on_demand(void **state) {
    clconv_device *device = open_cpu();
    char note[CLCONV_TEXT_SIZE] = "old";
    (void)state;
    assert_null(clconv__device_engine(device, CLCONV_F16, note));
    assert_string_equal(note, "");
    assert_int_equal(use_engine("emulated"), 0); /* which was asked for too late */
    assert_null(clconv__device_engine(device, CLCONV_F16, note));
    assert_string_equal(engine_name(device, CLCONV_BF16, NULL), "emulated");
    assert_string_equal(engine_name(device, CLCONV_F32, note), "emulated");
    assert_null(clconv__device_engine(device, CLCONV_F64, note));
    clconv_device_destroy(device);
}

static void test_device_engine_of_every_layout(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(emulations); ++i) {
        clconv_device *device = open_cpu();
        assert_int_equal(use_engine(emulations[i]), 0);
        for (clconv_type type = CLCONV_F16; type <= CLCONV_BF16; ++type)
            assert_string_equal(engine_name(device, type, NULL), emulations[i]);
        clconv_device_destroy(device);
    }
}

/* Instructions that a device has not got fail to build, and the plain rows remain. */
static void test_device_engine_of_other_devices(void **state) {
    static const char *const names[] = {"amd_wmma", "amd_mfma", "intel_dpas_8", "intel_dpas_16"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); ++i) {
        clconv_device *device = open_cpu();
        char note[CLCONV_TEXT_SIZE];
        assert_int_equal(use_engine(names[i]), 0);
        assert_null(clconv__device_engine(device, CLCONV_BF16, note));
        assert_string_not_equal(note, "");
        clconv_device_destroy(device);
    }
}

/* What the probe says of an emulated engine with a change of cl_kernels/mma.h, for sed. */
static void check_changed_engine(const char *name, const char *change, const char *expected) {
    clconv_device *device = open_cpu();
    const char *before = getenv("CLCONV_KERNEL_DIR");
    char *kernels = before ? strdup(before) : NULL;
    char folder[TEMPORARY_SIZE], note[CLCONV_TEXT_SIZE], command[1024];
    assert_int_equal(make_temporary_folder(folder, "engine"), 0);
    snprintf(
        command, sizeof command,
        "cp %s/cl_kernels/* %s && sed -i '%s' %s/mma.h && ! cmp -s %s/mma.h %s/cl_kernels/mma.h",
        CLCONV_SOURCE_DIR, folder, change, folder, folder, CLCONV_SOURCE_DIR);
    assert_int_equal(system(command), 0);
    assert_int_equal(setenv("CLCONV_KERNEL_DIR", folder, 1), 0);
    assert_int_equal(use_engine(name), 0);
    assert_null(clconv__device_engine(device, CLCONV_F16, note));
    assert_string_equal(note, expected);
    assert_int_equal(
        kernels ? setenv("CLCONV_KERNEL_DIR", kernels, 1) : unsetenv("CLCONV_KERNEL_DIR"), 0);
    free(kernels);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    clconv_device_destroy(device);
}

/* The probe must not believe what multiplies wrongly; here, an engine without the last words. */
static void test_device_engine_that_is_wrong(void **state) {
    (void)state;
    check_changed_engine("emulated", "s/word < MMA_WORDS/word < MMA_WORDS - 1/",
                         ": emulated multiplies wrongly");
}

static void test_device_engine_that_flushes_halves(void **state) {
    (void)state;
    check_changed_engine("emulated_mfma",
                         "s/^#define HALF_OF(.*) \\(vload_half.*\\)$/#define HALF_OF(word, i) "
                         "(fabs(\\1) < 0x1p-14f ? 0 : \\1)/",
                         ": emulated_mfma multiplies wrongly");
}

/* ---- refusals and permission ---- */

static void test_gemm_mma_refuses_without_engine(void **state) {
    clconv_device *device = open_cpu();
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    char refusal[CLCONV_REFUSAL_SIZE];
    (void)state;
    assert_fails(clconv_algorithm_check(refusal, NULL, device, &problem, "gemm_mma"),
                 CLCONV_UNSUPPORTED, "type f32 is not f16 or bf16");
    assert_fails(clconv_algorithm_check(refusal, NULL, device, &problem, "gemm_mma_tf32"),
                 CLCONV_UNSUPPORTED, "the device has no matrix engine that OpenCL C can use");
    problem.type = CLCONV_F16;
    assert_fails(clconv_algorithm_check(refusal, NULL, device, &problem, "gemm_mma_tf32"),
                 CLCONV_UNSUPPORTED, "type f16 is not f32");
    assert_fails(clconv_algorithm_check(refusal, NULL, device, &problem, "nhwc_mma"),
                 CLCONV_UNSUPPORTED, "the device has no matrix engine that OpenCL C can use");
    clconv_device_destroy(device);
}

/* The size of the copy must not wrap around, and some devices count few groups. */
static void test_nhwc_mma_refuses_copies(void **state) {
    clconv_device *device = open_cpu();
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    char refusal[CLCONV_REFUSAL_SIZE];
    (void)state;
    assert_int_equal(use_engine("emulated"), 0);
    assert_ok(clconv_problem_parse(&problem, "ic1ih1iw1_oc1kh2kw2_dh8589934590dw2147483646_"
                                             "ph8589934591pw2147483647_rh0rw0"));
    assert_fails(clconv_algorithm_check(refusal, NULL, device, &problem, "nhwc_mma_tf32"),
                 CLCONV_UNSUPPORTED, "a copy of the input with its padding takes 2.95e+20 bytes");
    assert_ok(clconv_problem_parse(&problem, "g512_mb128_ic512oc512kh1"));
    assert_fails(clconv_algorithm_check(refusal, NULL, device, &problem, "nhwc_mma_tf32"),
                 CLCONV_UNSUPPORTED, "512 groups of 128 pictures are more than 65535");
    assert_fails(clconv_algorithm_check(refusal, NULL, device, &problem, "gemm_mma"),
                 CLCONV_UNSUPPORTED, "type f32 is not f16 or bf16");
    assert_ok(clconv_problem_parse(&problem, "g2_mb65536_ic2oc2kh1"));
    assert_fails(clconv_algorithm_check(refusal, NULL, device, &problem, "depthwise"),
                 CLCONV_UNSUPPORTED, "65536 pictures");
    clconv_device_destroy(device);
}

/* A device of a kind that would choose the row: nothing is built on it. */
static const char *why_not(int allows_tf32) {
    static char text[16384];
    clconv_device *device = open_cpu();
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    clconv_plan *plan = NULL;
    assert_int_equal(use_engine("emulated"), 0);
    options.allow_tf32 = allows_tf32;
    assert_ok(clconv_plan_create(&plan, device, &problem, &options));
    assert_ok(clconv_plan_explain(text, sizeof text, plan));
    clconv_plan_destroy(plan);
    clconv_device_destroy(device);
    return strstr(text, "gemm_mma_tf32");
}

static void test_plan_allow_tf32(void **state) {
    static const char refusal[] = "it rounds its operands to tf32, which was not allowed";
    (void)state;
    assert_non_null(strstr(why_not(0), refusal));
    assert_null(strstr(why_not(1), refusal));
}

/* ---- results ---- */

/* Tails of fragments, warps and tiles; few and many channels; one tap; a reduction in parts. */
static const char *const cases[] = {
    "ic1ih1_oc1kh1",
    "ic16ih4iw4_oc16kh1_bias",
    "ic15ih5iw3_oc17kh1kw1_sh2sw1",
    "mb2_ic33ih7iw9_oc15kh3kw3_ph1pw1",
    "ic3ih9iw17_oc33kh3kw3_sh2sw2_ph2pw0",
    "mb2_g2_ic34ih6iw5_oc66kh2kw3_dh1dw0_ph1pw4rh0rw3_bias",
    "ic32id3ih4iw4_oc16kd2kh1kw3_pd1ph0pw1_layout=nhwc_weights=ohwi_mode=convolution",
    "mb3_ic65ih3iw31_oc31kh1kw1",
};
static const clconv_type types[] = {CLCONV_F32, CLCONV_F16, CLCONV_BF16};

/* A plan with one tile, or with NULL the row's own choice, run between guards. */
static bool is_right(size_t device, const clconv_problem *problem, const clconv__algo *algo,
                     const clconv__tile *tile, const tensor_set *set, const expectation *expected,
                     bool exact) {
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    const clconv__choice choice = {.algo = algo, .tile = tile};
    clconv_plan *plan = NULL;
    char text[CLCONV_PROBLEM_TEXT_SIZE], label[CLCONV_PROBLEM_TEXT_SIZE + 128];
    options.algorithm = algo->name;
    assert_ok(clconv__plan_create(&plan, devices()->devices[device], problem, &options,
                                  tile ? &choice : NULL));
    assert_ok(clconv_problem_format(text, sizeof text, problem));
    snprintf(label, sizeof label, "%s with tile %u %u, %s", algo->name, tile ? tile->value[0] : 0,
             tile ? tile->value[1] : 0, text);
    unsigned char *result = malloc(result_bytes(set));
    assert_non_null(result);
    expectation own = expectation_of(algo->name, problem, set, expected);
    const bool right = enqueue_moated(plan, devices()->devices[device], set, result, label) &&
                       results_match(set, result, &own, exact, label);
    free_expectation(&own);
    free(result);
    clconv_plan_destroy(plan);
    return right;
}

/*
 * With the row's tiles of some numbers of sums, or for none with its own choice. Small integers
 * have no bits that tf32 would drop, so that all rows are exact.
 */
static void check_case(const char *text, const family *f, clconv_type type, filling fill,
                       unsigned least, unsigned most) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    const clconv__algo *algo = clconv__find_algo(row_of(f, type));
    const bool exact = fill == SMALL_INTEGERS;
    tensor_set set;
    uint64_t random = 11;
    size_t runs = 0, tried = 0;
    assert_ok(clconv_problem_parse(&problem, text));
    problem.type = type;
    problem.direction = f->direction;
    make_tensors(&set, &problem, &random, fill);
    expectation expected = make_expectation(&problem, &set);
    for (size_t device = 0; device < devices()->count; ++device) {
        if (devices()->infos[device].kind == CLCONV_KIND_HOST)
            continue;
        ++runs;
        if (most == 0)
            assert_true(is_right(device, &problem, algo, NULL, &set, &expected, exact));
        for (const clconv__tile *t = algo->tiles; most > 0 && t->value[0]; ++t)
            if (t->value[0] * t->value[1] >= least && t->value[0] * t->value[1] <= most) {
                assert_true(is_right(device, &problem, algo, t, &set, &expected, exact));
                ++tried;
            }
        assert_true(most == 0 || tried > 0);
    }
    free_expectation(&expected);
    free_tensors(&set);
    if (runs == 0)
        skip_because("there is no OpenCL device");
}

/* On devices that may have been asked before. */
static void emulate(const char *name) {
    assert_int_equal(use_engine(name), 0);
    for (size_t i = 0; i < devices()->count; ++i)
        memset(devices()->devices[i]->engines, 0, sizeof devices()->devices[i]->engines);
}

static void test_gemm_mma_of_every_type(void **state) {
    (void)state;
    emulate("emulated");
    for (size_t type = 0; type < COUNT_OF(types); ++type)
        for (size_t i = 0; i < COUNT_OF(cases); ++i) {
            check_case(cases[i], &gathered, types[type], SMALL_INTEGERS, 0, 0);
            check_case(cases[i], &gathered, types[type], REALS, 0, 0);
        }
}

/* What fetches and stores is the same for all. */
static void test_gemm_mma_of_every_layout(void **state) {
    (void)state;
    for (size_t e = 1; e < COUNT_OF(emulations); ++e) {
        emulate(emulations[e]);
        check_case("mb2_g2_ic34ih6iw5_oc66kh2kw3_dh1dw0_ph1pw4rh0rw3_bias", &gathered,
                   e % 2 ? CLCONV_F16 : CLCONV_BF16, SMALL_INTEGERS, 0, 0);
    }
}

static void test_nhwc_mma_of_every_type(void **state) {
    (void)state;
    emulate("emulated");
    for (size_t type = 0; type < COUNT_OF(types); ++type)
        for (size_t i = 0; i < COUNT_OF(cases); ++i)
            check_case(cases[i], &copied, types[type], i % 2 ? REALS : SMALL_INTEGERS, 0, 0);
}

/* Whose fragments are loaded from local memory word by word. */
static void test_nhwc_mma_of_every_layout(void **state) {
    (void)state;
    for (size_t e = 1; e < COUNT_OF(emulations); ++e) {
        emulate(emulations[e]);
        check_case("mb2_ic33ih7iw9_oc15kh3kw3_ph1pw1", &copied, e % 2 ? CLCONV_F16 : CLCONV_BF16,
                   SMALL_INTEGERS, 0, 0);
    }
}

static void test_weights_mma_of_every_type_and_layout(void **state) {
    (void)state;
    emulate("emulated");
    for (size_t i = 0; i < COUNT_OF(cases); ++i) {
        check_case(cases[i], &of_weights, CLCONV_F16, i % 2 ? SMALL_INTEGERS : REALS, 0, 0);
        check_case(cases[i], &of_weights, CLCONV_BF16, i % 2 ? REALS : SMALL_INTEGERS, 0, 0);
    }
    for (size_t e = 1; e < COUNT_OF(emulations); ++e) {
        emulate(emulations[e]);
        check_case("mb2_g2_ic34ih6iw5_oc66kh2kw3_dh1dw0_ph1pw4rh0rw3_bias", &of_weights,
                   e % 2 ? CLCONV_F16 : CLCONV_BF16, SMALL_INTEGERS, 0, 0);
    }
}

static const char large_case[] = "mb2_ic33ih17iw15_oc130kh1kw3_pw1_bias";

/* Larger ones have more of the same, and compilers for CPUs take long. */
static void test_gemm_mma_with_every_tile_of_few_warps(void **state) {
    (void)state;
    emulate("emulated");
    check_case(large_case, &gathered, CLCONV_F32, SMALL_INTEGERS, 0, 64 * 64);
}

static void test_weights_mma_with_every_small_tile(void **state) {
    (void)state;
    emulate("emulated");
    check_case(large_case, &of_weights, CLCONV_F16, SMALL_INTEGERS, 0, 64 * 64);
}

static void test_nhwc_mma_with_every_small_tile(void **state) {
    (void)state;
    emulate("emulated");
    check_case(large_case, &copied, CLCONV_F16, SMALL_INTEGERS, 0, 64 * 64);
}

static void test_nhwc_mma_of_large_tiles(void **state) {
    (void)state;
    emulate("emulated");
    check_case(large_case, &copied, CLCONV_F16, SMALL_INTEGERS, 64 * 256, 64 * 256);
}

/* A step that is longer than the reduction multiplies zeros only, not what infinities make of them.
 */
static void test_nhwc_mma_of_infinity(void **state) {
    clconv_device *device = open_cpu();
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    clconv_plan *plan = NULL;
    float input[3] = {1, INFINITY, -2}, weight = 2, output[3] = {0};
    const clconv_host_tensors tensors = {.input = input, .weights = &weight, .output = output};
    (void)state;
    assert_int_equal(use_engine("emulated"), 0);
    problem.input[2] = 3;
    options.algorithm = "nhwc_mma_tf32";
    assert_ok(clconv_plan_create(&plan, device, &problem, &options));
    assert_ok(clconv_plan_run(plan, &tensors));
    assert_true(output[0] == 2 && output[1] == INFINITY && output[2] == -4);
    clconv_plan_destroy(plan);
    clconv_device_destroy(device);
}

/* Those whose warps fill the small tiles that a CPU chooses; here, several in both directions. */
static void test_gemm_mma_of_large_warps(void **state) {
    static const char *const names[] = {"emulated_wmma", "emulated_mfma"};
    (void)state;
    for (size_t e = 0; e < COUNT_OF(names); ++e) {
        emulate(names[e]);
        check_case(large_case, &gathered, CLCONV_BF16, SMALL_INTEGERS, 128 * 128, 128 * 128);
    }
}

/* What the kernel of a tile takes of local memory, as the device sees it, with wide indices. */
static cl_ulong local_memory_of(clconv_device *device, const char *name, const clconv__tile *tile,
                                const clconv__engine *engine) {
    const unsigned *v = tile->value;
    char of_engine[CLCONV__ENGINE_OPTIONS_SIZE], options[256], file[64];
    cl_program program;
    cl_ulong bytes = 0;
    cl_int code;
    clconv__engine_options(of_engine, engine);
    snprintf(options, sizeof options,
             " -DTYPE=%d -DINDEX=long -DTILE_M=%u -DTILE_N=%u -DTILE_K=%u -DITEM=%u%s", CLCONV_F16,
             v[0], v[1], v[2], v[3], of_engine);
    snprintf(file, sizeof file, "%s.cl", name);
    assert_ok(clconv__device_program(&program, device, file, options));
    cl_kernel kernel = clCreateKernel(program, name, &code);
    assert_int_equal(code, CL_SUCCESS);
    assert_int_equal(clGetKernelWorkGroupInfo(kernel, device->id, CL_KERNEL_LOCAL_MEM_SIZE,
                                              sizeof bytes, &bytes, NULL),
                     CL_SUCCESS);
    clReleaseKernel(kernel);
    return bytes;
}

/*
 * A tile whose fragments do not fit beside its factors must not be taken for one that fits. The one
 * that is compiled fastest will do, because the size is a multiple of ITEM.
 */
static void test_gemm_mma_counts_the_scratch_memory(void **state) {
    const clconv__tile tile = {{32, 32, 32, 4}};
    clconv_device *device = open_cpu();
    (void)state;
    for (size_t e = 0; e < COUNT_OF(emulations); ++e) {
        const clconv__engine *engine = clconv__find_engine(emulations[e]);
        clconv__gemm_size size = {1, 64, 64, 9, 100, 1, 2, engine->scratch, 8, 0};
        assert_int_equal(local_memory_of(device, "gemm_tiled", &tile, engine),
                         clconv__gemm_shape_of(&size, &tile, 0).local_bytes);
        size.along_k = 1;
        assert_int_equal(local_memory_of(device, "weights_tiled", &tile, engine),
                         clconv__gemm_shape_of(&size, &tile, 0).local_bytes);
    }
    clconv_device_destroy(device);
}

/* ---- the bound of rounded operands ---- */

/* One product of operands half a unit in the last place of tf32 away from it. */
static void test_tf32_bound_covers_the_rounding(void **state) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    const float x = 1 + 0x1p-11f, w = 1 + 3 * 0x1p-11f;
    const clconv_host_tensors tensors = {.input = &x, .weights = &w};
    const double rounded = (1 + 0x1p-10) * (1 + 0x1p-9);
    double value, plain, bound;
    (void)state;
    assert_ok(clconv_reference(&value, &plain, &problem, &tensors));
    bound = plain;
    assert_ok(clconv_algorithm_bound(&bound, &problem, &tensors, "gemm_mma_tf32"));
    assert_true(rounded - value > 1000 * plain);
    assert_true(rounded - value <= bound);
    assert_true(bound < 1.01 * (0x1p-10 + 0x1p-22) * value + plain);
}

static void test_tf32_bound_where_an_operand_overflows(void **state) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    const float x = 0x1.ffffp127f, w = 0.25f;
    const clconv_host_tensors tensors = {.input = &x, .weights = &w};
    double value, bound;
    (void)state;
    assert_ok(clconv_reference(&value, &bound, &problem, &tensors));
    assert_true(isfinite(bound));
    assert_ok(clconv_algorithm_bound(&bound, &problem, &tensors, "gemm_mma_tf32"));
    assert_true(isinf(bound));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_engine),
        cmocka_unit_test_teardown(test_device_engine_only_on_demand, forget_engine),
        cmocka_unit_test_teardown(test_device_engine_of_every_layout, forget_engine),
        cmocka_unit_test_teardown(test_device_engine_of_other_devices, forget_engine),
        cmocka_unit_test_teardown(test_device_engine_that_is_wrong, forget_engine),
        cmocka_unit_test_teardown(test_device_engine_that_flushes_halves, forget_engine),
        cmocka_unit_test(test_gemm_mma_refuses_without_engine),
        cmocka_unit_test_teardown(test_nhwc_mma_refuses_copies, forget_engine),
        cmocka_unit_test_teardown(test_plan_allow_tf32, forget_engine),
        cmocka_unit_test(test_gemm_mma_counts_the_scratch_memory),
        cmocka_unit_test_teardown(test_gemm_mma_of_every_type, forget_engine),
        cmocka_unit_test_teardown(test_gemm_mma_of_every_layout, forget_engine),
        cmocka_unit_test_teardown(test_gemm_mma_with_every_tile_of_few_warps, forget_engine),
        cmocka_unit_test_teardown(test_gemm_mma_of_large_warps, forget_engine),
        cmocka_unit_test_teardown(test_nhwc_mma_of_every_type, forget_engine),
        cmocka_unit_test_teardown(test_nhwc_mma_of_every_layout, forget_engine),
        cmocka_unit_test_teardown(test_weights_mma_of_every_type_and_layout, forget_engine),
        cmocka_unit_test_teardown(test_weights_mma_with_every_small_tile, forget_engine),
        cmocka_unit_test_teardown(test_nhwc_mma_with_every_small_tile, forget_engine),
        cmocka_unit_test_teardown(test_nhwc_mma_of_large_tiles, forget_engine),
        cmocka_unit_test_teardown(test_nhwc_mma_of_infinity, forget_engine),
        cmocka_unit_test(test_tf32_bound_covers_the_rounding),
        cmocka_unit_test(test_tf32_bound_where_an_operand_overflows),
    };
    use_optimizer(false);
    return run_group_on_devices(tests);
}
