/*
 * Every tile of every row. A device's plans use the tile with the smallest estimate, so that most
 * others would never run on it.
 */
#include "plan.h"
#include "support/generator.h"
#include "support/run.h"

/* Tails of tiles in rows, columns and channels; steps that differ; groups, pictures, planes. */
static const char *const cases[] = {
    "mb2_g2_ic6ih19iw37_oc18kh3kw3_ph1pw1_bias",
    "ic3ih9iw70_oc5kh3kw2_sh2sw3_dh2dw1_ph1pw2",
    "ic2id3ih13iw11_oc33kd2kh1kw3_pd1ph0pw2",
    "ic17ih17iw15_oc16kh3kw3_ph0pw1_mode=convolution_layout=nhwc",
    "g5_ic5ih18iw35_oc5kh3kw3_sh2sw2_ph1pw1",
    "g2_ic2ih13iw11_oc4kh2kw3_sh2sw1_dh0dw1_pw1",
    "mb2_g2_ic10ih12iw14_oc36kh1_bias",
    "g2_ic6ih27iw13_oc40kh1_sh2",
    "ic3ih6iw70_oc50kh3_ph1",
    "mb2_ic5ih5iw38_oc20kh3_sh1sw2_ph1_beta=1",
    "ic4ih3iw47_oc20kh1kw4_sw3_pw2_dw1",
    /* Winograd's areas: columns that fill one and more; rows of several pictures, shares of
       channels */
    "ic2ih5iw131_oc17kh3kw3_ph1pw1",
    "mb3_ic5ih7iw7_oc40kh3kw3_ph1pw1_bias_act=relu",
    "mb2_ic3ih9iw28_oc49kh3kw3_ph1pw1",
    /* one input channel per group: planes below a tile's size, several outputs of it, depth */
    "g3_mb2_ic3ih17iw15_oc6kh5kw5_ph2pw2_bias",
    "g5_mb2_ic5ih9iw10_oc5kh7kw7_sh2sw2_ph3pw3_layout=nhwc_act=relu",
    "g2_ic2id3ih6iw7_oc4kd2kh3kw3_pd1ph1pw1_mode=convolution",
    "g3_mb2_ic3id2ih3iw5_oc3kd1kh3kw3_sd2sh1sw1_pd1ph4pw4",
    "g3_ic3ih9iw8_oc3kh3kw3_ph2pw2_dh1dw1_layout=nhwc_type=f16",
    /* gradients of weights: pictures that end within a step, a step longer than all, rows of taps
     */
    "mb3_g2_ic10ih11iw9_oc34kh3kw3_sh2sw1_ph2pw0_dir=backward_weights_bias",
    "ic130ih3iw2_oc129kh1_dir=backward_weights_mode=convolution",
    "g3_mb2_ic3ih13iw12_oc6kh5kw6_ph2pw3_dh1_dir=backward_weights",
};

/* The plan's row with one tile alone; the plan is created anew with it. */
static clconv_status use_tile(clconv_plan *plan, clconv__algo *row, clconv__tile tiles[2],
                              const clconv__tile *tile) {
    tiles[0] = *tile;
    tiles[1] = (clconv__tile){{0}};
    *row = *plan->algo;
    row->tiles = tiles;
    plan->algo->ops->destroy(plan);
    plan->algo = row;
    plan->workspace = plan->packed_bytes = 0;
    return row->ops->create(plan);
}

/* 0 or 1 run of one tile; `wrong` counts those with a bad result. */
static size_t run_tile(size_t *wrong, size_t device, const clconv_problem *problem,
                       const clconv__algo *algo, const clconv__tile *tile, const tensor_set *set,
                       const expectation *expected) {
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    clconv_plan *plan = NULL;
    clconv__algo row;
    clconv__tile tiles[2];
    clconv__launch launch = {.step = 0};
    char text[CLCONV_PROBLEM_TEXT_SIZE] = "", label[CLCONV_PROBLEM_TEXT_SIZE + 128];
    options.algorithm = algo->name;
    if (clconv_plan_create(&plan, devices()->devices[device], problem, &options))
        return 0;
    if (!algo->launch(&launch, &plan->request, tile)) {
        clconv_plan_destroy(plan);
        return 0;
    }
    (void)clconv_problem_format(text, sizeof text, problem);
    snprintf(label, sizeof label, "device %s, %s with tile %u %u %u %u, %s",
             devices()->infos[device].selector, algo->name, tile->value[0], tile->value[1],
             tile->value[2], tile->value[3], text);
    assert_ok(use_tile(plan, &row, tiles, tile));

    unsigned char *result = malloc(result_bytes(set));
    assert_non_null(result);
    expectation own = expectation_of(algo->name, problem, set, expected);
    bool right = enqueue_moated(plan, devices()->devices[device], set, result, label) &&
                 results_match(set, result, &own, clconv_algorithm_is_exact(algo->name), label);
    *wrong += !right;
    free_expectation(&own);
    free(result);
    clconv_plan_destroy(plan);
    return 1;
}

static size_t run_case(size_t *wrong, const char *text) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    tensor_set set;
    uint64_t random = 9;
    size_t runs = 0;
    if (clconv_problem_parse(&problem, text))
        fail_msg("%s: %s", text, clconv_last_message());
    make_tensors(&set, &problem, &random, SMALL_INTEGERS);
    expectation expected = make_expectation(&problem, &set);
    for (size_t device = 0; device < devices()->count; ++device)
        for (size_t i = 0; i < clconv__algo_count; ++i) {
            const clconv__algo *algo = clconv__algos[i];
            for (const clconv__tile *tile = algo->tiles; tile && tile->value[0]; ++tile)
                runs += run_tile(wrong, device, &problem, algo, tile, &set, &expected);
        }
    free_expectation(&expected);
    free_tensors(&set);
    return runs;
}

static void test_every_tile_computes_the_same(void **state) {
    size_t runs = 0, wrong = 0;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); ++i)
        runs += run_case(&wrong, cases[i]);
    print_message("%zu runs, %zu wrong\n", runs, wrong);
    assert_int_equal(wrong, 0);
    if (runs == 0)
        skip_because("no OpenCL device runs an algorithm with tiles");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_tile_computes_the_same),
    };
    use_optimizer(false);
    return run_group_on_devices(tests);
}
