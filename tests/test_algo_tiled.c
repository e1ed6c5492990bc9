/*
 * The local memory that "tiled" asks for. Many drivers forgive a kernel that writes behind its
 * local memory, so that no wrong result shows when it is too small.
 */
#include "algo.h"
#include "support/support.h"

/* What tiled.cl indexes: a patch of the input and the weights of `step` channels. */
static size_t indexed_bytes(const clconv_problem *p, const clconv__tile *tile, size_t step) {
    size_t tile_w = (size_t)tile->value[0] * tile->value[2], tile_h = tile->value[1];
    size_t last_column =
        (tile_w - 1) * p->stride[CLCONV_W] + (p->kernel[CLCONV_W] - 1) * p->dilation[CLCONV_W];
    size_t last_row =
        (tile_h - 1) * p->stride[CLCONV_H] + (p->kernel[CLCONV_H] - 1) * p->dilation[CLCONV_H];
    size_t patch = (last_row + 1) * (last_column + 1);
    size_t weights = p->kernel[CLCONV_H] * p->kernel[CLCONV_W] * tile->value[3];
    return step * (patch + weights) * (p->type == CLCONV_F64 ? sizeof(double) : sizeof(float));
}

static const clconv__algo *find_tiled(void) {
    for (size_t i = 0; i < clconv__algo_count; ++i)
        if (strcmp(clconv__algos[i]->name, "tiled") == 0)
            return clconv__algos[i];
    fail_msg("no row is named tiled");
    return NULL;
}

/* Facts of a device that never runs anything. */
static clconv_device paper_device(size_t local_memory) {
    clconv_device device = {.info = {.kind = CLCONV_KIND_GPU}};
    device.info.compute_units = 1;
    device.info.max_work_group_size = 1024;
    for (size_t i = 0; i < 3; ++i)
        device.info.max_work_item_sizes[i] = 1024;
    device.info.local_memory_size = local_memory;
    return device;
}

static void check_launches(const char *text, size_t local_memory) {
    const clconv__algo *tiled = find_tiled();
    clconv_device device = paper_device(local_memory);
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    clconv__request request = {.problem = &problem, .device = &device};
    assert_ok(clconv_problem_parse(&problem, text));
    assert_ok(clconv__geometry_of(&request.g, &problem));
    for (const clconv__tile *tile = tiled->tiles; tile->value[0]; ++tile) {
        clconv__launch launch = {.step = 0};
        if (!tiled->launch(&launch, &request, tile)) {
            assert_true(indexed_bytes(&problem, tile, 1) > local_memory);
            continue;
        }
        assert_in_range(launch.step, 1, request.g.in_per_group);
        assert_true(launch.local_bytes <= local_memory);
        if (launch.local_bytes != indexed_bytes(&problem, tile, launch.step))
            fail_msg("%s, tile %u %u %u %u: %zu bytes of local memory instead of %zu", text,
                     tile->value[0], tile->value[1], tile->value[2], tile->value[3],
                     launch.local_bytes, indexed_bytes(&problem, tile, launch.step));
    }
}

static void test_tiled_launch_asks_for_the_local_memory_it_indexes(void **state) {
    static const char *const cases[] = {
        "ic1ih1iw1_oc1kh1kw1",
        "ic64ih56iw56_oc64kh3kw3_ph1pw1",
        "ic5ih40iw40_oc4kh3kw5",
        "ic5ih40iw40_oc4kh3kw5_sh2sw3",
        "ic5ih40iw40_oc4kh3kw5_sh3sw1_dh1dw4",
        "ic5ih40iw40_oc4kh5kw3_dh4dw1_mode=convolution",
        "g4_ic64ih40iw40_oc64kh3kw3_dh2dw2_type=f64",
        "ic3id5ih40iw40_oc4kd3kh2kw2_type=f16",
        "ic3ih40iw40_oc4kh7kw7_type=s8",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); ++i)
        for (size_t local_memory = 256; local_memory <= 256 * 1024; local_memory *= 4)
            check_launches(cases[i], local_memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiled_launch_asks_for_the_local_memory_it_indexes),
    };
    return run_group(tests);
}
