/* How gemm_tiled's tiles cut a multiplication up: nothing is left out, nothing exceeds a device. */
#include "engine.h"
#include "gemm.h"
#include "support/support.h"

static const clconv__tile *tiles_of(const char *name) {
    const clconv__algo *algo = clconv__find_algo(name);
    if (!algo || !algo->tiles)
        fail_msg("no row with tiles is named %s", name);
    return algo->tiles;
}

/* Facts of a device that never runs anything. */
static clconv_device_info paper_gpu(void) {
    clconv_device_info info = {.kind = CLCONV_KIND_GPU};
    info.compute_units = 100;
    info.max_work_group_size = 1024;
    for (size_t i = 0; i < 3; ++i)
        info.max_work_item_sizes[i] = 1024;
    info.local_memory_size = 64 << 10;
    return info;
}

/* What the kernel takes for granted of a tile when it shares out fetching. */
static void check_tile(const clconv__tile *tile) {
    const unsigned *v = tile->value;
    const size_t items = (size_t)(v[0] / v[3]) * (v[1] / v[3]);
    assert_true(v[3] % 4 == 0);
    assert_true(v[0] % v[3] == 0 && v[1] % v[3] == 0);
    assert_true(items % v[1] == 0);            /* whole rows of columns */
    assert_true(v[2] * v[1] % items == 0);     /* columns */
    assert_true(v[2] * v[0] / 4 % items == 0); /* quads of weights */
}

static void test_gemm_tiles_share_out_evenly(void **state) {
    static const char *const rows[] = {"gemm_tiled", "winograd_gemm_2x2", "winograd_gemm_4x4"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); ++i)
        for (const clconv__tile *tile = tiles_of(rows[i]); tile->value[0]; ++tile)
            check_tile(tile);
}

static const clconv__gemm_size sizes[] = {
    {1, 64, 64, 9, 3136, 1, 0, 0, 0, 0},   {1, 512, 512, 9, 49, 1, 0, 0, 0, 0},
    {1, 1, 1, 1, 1, 0, 0, 0, 0, 0},        {1, 512, 2048, 1, 49, 0, 0, 0, 0, 0},
    {32, 4, 3, 49, 1000, 1, 0, 0, 0, 0},   {1, 64, 3, 49, 12544, 1, 0, 0, 0, 0},
    {36, 17, 33, 1, 15, 0, 0, 0, 0, 0},    {1000, 1, 1, 9, 1, 0, 0, 0, 0, 0},
    {1, 1, 65535, 1, 1, 0, 0, 0, 0, 0},    {1, 129, 7, 25, 129, 1, 0, 0, 0, 0},
    {1, 64, 50176, 1, 576, 0, 0, 0, 0, 1}, {4, 3, 49, 1, 9, 0, 0, 0, 0, 1},
};

/* Every product is in exactly one part, block and tile. */
static void check_shape(const clconv__gemm_size *size, const clconv__tile *tile, unsigned units) {
    const clconv__gemm_shape s = clconv__gemm_shape_of(size, tile, units);
    const size_t k = s.steps * s.tile_k, products = size->in_channels * size->taps;
    assert_true(s.blocks * s.tile_m >= size->out_channels);
    assert_true((s.blocks - 1) * s.tile_m < size->out_channels);
    assert_true(s.tiles * s.tile_n >= size->pixels);
    assert_true((s.tiles - 1) * s.tile_n < size->pixels);
    assert_true(k >= products);
    if (s.is_flat)
        assert_true(k - products < s.tile_k);
    assert_in_range(s.parts, 1, s.steps);
    assert_true(s.parts * s.per_part >= s.steps);
    assert_true((s.parts - 1) * s.per_part < s.steps);
    if (units == 0)
        assert_int_equal(s.parts, 1);
    assert_int_equal(clconv__gemm_packed(&s), s.groups * s.blocks * s.tile_m * k);
}

/* A word of local memory has 32 bits, and a warp multiplies 8 of them at a time. */
static void check_mma_tile(const clconv__tile *tile, size_t packs, const clconv__engine *engine) {
    const unsigned *v = tile->value;
    const size_t items = (size_t)(v[0] / v[3]) * (v[1] / v[3]), rows = v[2] / packs;
    assert_true(v[0] % (engine->lanes[0] * v[3]) == 0 && v[1] % (engine->lanes[1] * v[3]) == 0);
    assert_true(v[2] % packs == 0 && rows % 8 == 0);
    assert_true(items % v[1] == 0);
    assert_true(rows * v[1] % items == 0);
    assert_true(rows * v[0] / 4 % items == 0);
}

static void test_gemm_mma_tiles_share_out_evenly(void **state) {
    static const char *const engines[] = {"ptx_m16n8k16", "ptx_m16n8k8",  "amd_wmma",
                                          "amd_mfma",     "intel_dpas_8", "intel_dpas_16"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(engines); ++i) {
        const clconv__engine *engine = clconv__find_engine(engines[i]);
        for (const clconv__tile *tile = tiles_of("gemm_mma"); tile->value[0]; ++tile)
            check_mma_tile(tile, 2, engine);
        for (const clconv__tile *tile = tiles_of("gemm_mma_tf32"); tile->value[0]; ++tile)
            check_mma_tile(tile, 1, engine);
    }
}

static void test_gemm_shape_covers_the_multiplication(void **state) {
    static const unsigned units[] = {0, 1, 2, 16, 132, 1024};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); ++i)
        for (size_t u = 0; u < COUNT_OF(units); ++u)
            for (const clconv__tile *tile = tiles_of("gemm_tiled"); tile->value[0]; ++tile)
                check_shape(&sizes[i], tile, units[u]);
}

static void test_gemm_shape_splits_where_the_grid_is_small(void **state) {
    const clconv__tile tile = {{64, 64, 16, 4}};
    const clconv__gemm_size small = {1, 64, 512, 9, 49, 1, 0, 0, 0, 0},
                            large = {1, 512, 512, 9, 12544, 1, 0, 0, 0, 0};
    (void)state;
    assert_true(clconv__gemm_shape_of(&small, &tile, 132).parts > 1);
    assert_int_equal(clconv__gemm_shape_of(&large, &tile, 132).parts, 1);
}

static void test_gemm_shape_variants(void **state) {
    const clconv__tile tile = {{64, 64, 8, 8}};
    const clconv__gemm_size point = {1, 64, 64, 1, 100, 0, 0, 0, 0, 0},
                            padded = {1, 64, 64, 1, 100, 1, 0, 0, 0, 0},
                            few = {1, 64, 3, 9, 100, 0, 0, 0, 0, 0},
                            many = {1, 64, 64, 9, 100, 0, 0, 0, 0, 0};
    (void)state;
    assert_true(clconv__gemm_shape_of(&point, &tile, 0).is_point);
    assert_false(clconv__gemm_shape_of(&padded, &tile, 0).is_point);
    assert_true(clconv__gemm_shape_of(&few, &tile, 0).is_flat);
    assert_false(clconv__gemm_shape_of(&few, &tile, 0).is_point);
    assert_false(clconv__gemm_shape_of(&many, &tile, 0).is_flat);
}

static void test_gemm_fits_the_device(void **state) {
    const clconv__tile tile = {{128, 128, 8, 8}}, small = {{64, 64, 16, 4}};
    const clconv__gemm_shape s = clconv__gemm_shape_of(&sizes[0], &tile, 100);
    const clconv__gemm_shape of_small = clconv__gemm_shape_of(&sizes[0], &small, 100);
    const size_t local_bytes = 2 * 8 * (128 + 128) * sizeof(float);
    clconv_device_info info = paper_gpu();
    (void)state;
    assert_true(clconv__gemm_fits(&s, &info));
    info.max_work_group_size = 255;
    assert_false(clconv__gemm_fits(&s, &info));
    info.max_work_group_size = 256;
    info.max_work_item_sizes[0] = 255;
    assert_false(clconv__gemm_fits(&s, &info));
    info.max_work_item_sizes[0] = 256;
    info.local_memory_size = local_bytes - 1;
    assert_false(clconv__gemm_fits(&s, &info));
    info.local_memory_size = local_bytes;
    assert_true(clconv__gemm_fits(&s, &info));
    snprintf(info.vendor, sizeof info.vendor, "Intel(R) Corporation");
    assert_false(clconv__gemm_fits(&s, &info)); /* 64 sums do not fit the registers of a lane */
    assert_true(clconv__gemm_fits(&of_small, &info));
    info.kind = CLCONV_KIND_CPU;
    assert_true(clconv__gemm_fits(&s, &info));
}

/* An engine says itself how many sums its lanes have registers for. */
static void test_gemm_fits_the_engine(void **state) {
    const clconv__tile tile = {{64, 64, 32, 8}};
    const clconv__gemm_size eight = {1, 64, 64, 9, 3136, 1, 2, 0, 8, 0},
                            four = {1, 64, 64, 9, 3136, 1, 2, 0, 4, 0};
    const clconv__gemm_shape of_eight = clconv__gemm_shape_of(&eight, &tile, 100),
                             of_four = clconv__gemm_shape_of(&four, &tile, 100);
    clconv_device_info info = paper_gpu();
    (void)state;
    snprintf(info.vendor, sizeof info.vendor, "Intel(R) Corporation");
    assert_true(clconv__gemm_fits(&of_eight, &info));
    assert_false(clconv__gemm_fits(&of_four, &info));
}

static void test_gemm_fits_with_scratch_memory(void **state) {
    const clconv__tile tile = {{64, 64, 32, 4}};
    const clconv__gemm_size size = {1, 64, 64, 9, 3136, 1, 2, 6, 8, 0};
    const clconv__gemm_shape s = clconv__gemm_shape_of(&size, &tile, 100);
    const size_t factors = 2 * 16 * (64 + 64 + 16), scratch = 6 * 4 * 256;
    clconv_device_info info = paper_gpu();
    (void)state;
    info.local_memory_size = (factors + scratch) * sizeof(float) - 1;
    assert_false(clconv__gemm_fits(&s, &info));
    info.local_memory_size += 1;
    assert_true(clconv__gemm_fits(&s, &info));
}

/* ---- which row a device prefers ---- */

static const char *chosen_on(clconv_device_kind kind, const char *text) {
    clconv_device device = {.info = paper_gpu()};
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    const char *best = NULL;
    double best_seconds = 0;
    device.info.kind = kind;
    device.info.max_allocation_size = UINT32_MAX;
    assert_ok(clconv_problem_parse(&problem, text));
    for (size_t i = 0; i < clconv_algorithm_count(); ++i) {
        double seconds;
        const char *name = clconv_algorithm_name(i);
        if (clconv_algorithm_check(NULL, &seconds, &device, &problem, name))
            continue;
        if (!best || seconds < best_seconds) {
            best = name;
            best_seconds = seconds;
        }
    }
    assert_non_null(best);
    return best;
}

static void test_estimates_prefer_what_suits_the_device(void **state) {
    static const struct {
        const char *problem, *on_gpu, *on_cpu;
    } cases[] = {
        {"mb16_ic256ih56iw56_oc64kh1kw1", "gemm_tiled", "vector"},
        {"mb16_ic128ih56iw56_oc128kh3kw3_sh2sw2_ph1pw1", "gemm_tiled", "vector"},
        {"ic3ih224iw224_oc64kh7kw7_sh2sw2_ph3pw3", "gemm_tiled", "vector"},
        {"ic3ih224iw224_oc64kh3_ph1", "gemm_tiled", "lines"},
        {"mb16_ic256ih28iw28_oc256kh3kw3_ph1pw1", "winograd_gemm_4x4", "winograd_4x4"},
        {"g128_mb16_ic128ih28iw28_oc128kh3kw3_ph1pw1", "depthwise", "lines"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); ++i) {
        assert_string_equal(chosen_on(CLCONV_KIND_GPU, cases[i].problem), cases[i].on_gpu);
        assert_string_equal(chosen_on(CLCONV_KIND_CPU, cases[i].problem), cases[i].on_cpu);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gemm_tiles_share_out_evenly),
        cmocka_unit_test(test_gemm_mma_tiles_share_out_evenly),
        cmocka_unit_test(test_gemm_shape_covers_the_multiplication),
        cmocka_unit_test(test_gemm_shape_splits_where_the_grid_is_small),
        cmocka_unit_test(test_gemm_shape_variants),
        cmocka_unit_test(test_gemm_fits_the_device),
        cmocka_unit_test(test_gemm_fits_the_engine),
        cmocka_unit_test(test_gemm_fits_with_scratch_memory),
        cmocka_unit_test(test_estimates_prefer_what_suits_the_device),
    };
    return run_group(tests);
}
