#include "args.h"

#include "support.h"

#include <unistd.h>

typedef struct options {
    bool json;
    const char *device;
    args_strings cases;
    args_sizes stride;
    args_ints zero_points;
    int level;
    uint64_t seed;
    double alpha;
    int mode;
} options;

static const char *const modes[] = {"cross", "flip", NULL};

static const args_option option_table[] = {
    ARGS_OPTION(options, json, "json", NULL, "print JSON"),
    ARGS_OPTION(options, device, "device", "SELECTOR", "where"),
    ARGS_OPTION(options, cases, "cases", "FILE", "may be repeated"),
    ARGS_OPTION(options, stride, "stride", "S[,S...]", "first line\nsecond line"),
    ARGS_OPTION(options, zero_points, "zero-points", "X,W", "numbers"),
    ARGS_OPTION(options, level, "level", "N", "a number"),
    ARGS_OPTION(options, seed, "seed", "S", "a number"),
    ARGS_OPTION(options, alpha, "alpha", "X", "a number"),
    ARGS_ONE_OF(options, mode, "mode", modes, "a word"),
};

static const args_spec spec = {
    .command = "test",
    .positional = "PROBLEM...",
    .positional_max = 2,
    .description = "Describes.\n",
    ARGS_TABLE(option_table),
    .epilogue = "Ends.\n",
};

enum { MAX_ARGUMENTS = 80 };

/* What the last parse() wrote. */
static char output[4096];

/* The stream goes into `output` until restored. */
static int redirect(FILE *stream, FILE *file) {
    int saved = dup(fileno(stream));
    fflush(stream);
    dup2(fileno(file), fileno(stream));
    return saved;
}

static void restore(FILE *stream, FILE *file, int saved) {
    fflush(stream);
    dup2(saved, fileno(stream));
    close(saved);
    rewind(file);
    output[fread(output, 1, sizeof output - 1, file)] = '\0';
    fclose(file);
}

/* Parses arguments that are separated by blanks; they stay in `line`. */
static int parse(options *o, int *argc, char **argv, char *line, FILE *stream) {
    FILE *file = tmpfile();
    int saved, code;

    *argc = 0;
    argv[(*argc)++] = line;
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " "))
        argv[(*argc)++] = word;
    argv[*argc] = NULL;
    assert_non_null(file);
    saved = redirect(stream, file);
    code = args_parse(o, &spec, argc, argv);
    restore(stream, file, saved);
    return code;
}

static void assert_parse_fails(const char *line, const char *message) {
    char copy[1024];
    char *argv[MAX_ARGUMENTS];
    int argc;
    options o = {0};

    snprintf(copy, sizeof copy, "%s", line);
    assert_int_equal(parse(&o, &argc, argv, copy, stderr), ARGS_EXIT_USAGE);
    assert_string_equal(output, message);
}

static void test_args_parse_every_type(void **state) {
    char line[] = "--json --device 0:1 --cases a --cases=b --stride 2,1 --zero-points -3,4 "
                  "--level -7 --seed=0xff --alpha -0.5 --mode flip";
    char *argv[MAX_ARGUMENTS];
    int argc;
    options o = {0};

    (void)state;
    assert_int_equal(parse(&o, &argc, argv, line, stderr), ARGS_GO_ON);
    assert_string_equal(output, "");
    assert_int_equal(argc, 1);
    assert_true(o.json);
    assert_string_equal(o.device, "0:1");
    assert_int_equal(o.cases.count, 2);
    assert_string_equal(o.cases.values[0], "a");
    assert_string_equal(o.cases.values[1], "b");
    assert_int_equal(o.stride.count, 2);
    assert_int_equal(o.stride.values[0], 2);
    assert_int_equal(o.stride.values[1], 1);
    assert_int_equal(o.zero_points.count, 2);
    assert_int_equal(o.zero_points.values[0], -3);
    assert_int_equal(o.zero_points.values[1], 4);
    assert_int_equal(o.level, -7);
    assert_int_equal(o.seed, 255);
    assert_true(o.alpha == -0.5);
    assert_int_equal(o.mode, 1);
}

static void test_args_parse_keeps_defaults(void **state) {
    char line[] = "";
    char *argv[MAX_ARGUMENTS];
    int argc;
    options o = {.level = 3, .alpha = 1, .mode = -1};

    (void)state;
    assert_int_equal(parse(&o, &argc, argv, line, stderr), ARGS_GO_ON);
    assert_int_equal(o.level, 3);
    assert_int_equal(o.mode, -1);
    assert_true(o.alpha == 1);
}

static void test_args_parse_positional_between_options(void **state) {
    char line[] = "first --level 1 - --json";
    char *argv[MAX_ARGUMENTS];
    int argc;
    options o = {0};

    (void)state;
    assert_int_equal(parse(&o, &argc, argv, line, stderr), ARGS_GO_ON);
    assert_int_equal(argc, 3);
    assert_string_equal(argv[1], "first");
    assert_string_equal(argv[2], "-");
    assert_true(o.json);
}

static void test_args_parse_double_dash_ends_options(void **state) {
    char line[] = "--json -- --level";
    char *argv[MAX_ARGUMENTS];
    int argc;
    options o = {0};

    (void)state;
    assert_int_equal(parse(&o, &argc, argv, line, stderr), ARGS_GO_ON);
    assert_int_equal(argc, 2);
    assert_string_equal(argv[1], "--level");
}

static void test_args_parse_limits_of_numbers(void **state) {
    char line[] = "--level=-2147483648 --seed=18446744073709551615 --zero-points=2147483647";
    char *argv[MAX_ARGUMENTS];
    int argc;
    options o = {0};

    (void)state;
    assert_int_equal(parse(&o, &argc, argv, line, stderr), ARGS_GO_ON);
    assert_int_equal(o.level, INT32_MIN);
    assert_true(o.seed == UINT64_MAX);
    assert_int_equal(o.zero_points.values[0], INT32_MAX);
}

typedef struct mistake {
    const char *line;
    const char *message;
} mistake;

static const mistake mistakes[] = {
    {"--foo", "clconv test: unknown option '--foo'; 'clconv help test' lists them\n"},
    {"--strode=1", "clconv test: unknown option '--strode'; did you mean '--stride'?\n"},
    {"-j", "clconv test: unknown option '-j'; 'clconv help test' lists them\n"},
    {"--device", "clconv test: option '--device' needs a value\n"},
    {"--device --json", "clconv test: option '--device' needs a value\n"},
    {"--json=1", "clconv test: option '--json' takes no value\n"},
    {"--json --json", "clconv test: option '--json' is given twice\n"},
    {"--seed 1 --seed=1", "clconv test: option '--seed' is given twice\n"},
    {"a b c", "clconv test: unexpected argument 'c'\n"},
    {"--mode both",
     "clconv test: option '--mode' has the value 'both', expected one of cross, flip\n"},
};

static void test_args_parse_mistakes(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(mistakes); i++)
        assert_parse_fails(mistakes[i].line, mistakes[i].message);
}

static const char *const bad_values[][2] = {
    {"--stride=", "one to eight sizes such as 1,1"},
    {"--stride=1,", "one to eight sizes such as 1,1"},
    {"--stride=,1", "one to eight sizes such as 1,1"},
    {"--stride=1;1", "one to eight sizes such as 1,1"},
    {"--stride=-1", "one to eight sizes such as 1,1"},
    {"--stride=+1", "one to eight sizes such as 1,1"},
    {"--stride=18446744073709551616", "one to eight sizes such as 1,1"},
    {"--stride=1,1,1,1,1,1,1,1,1", "one to eight sizes such as 1,1"},
    {"--zero-points=1,-", "one to eight whole numbers such as 3,-1"},
    {"--zero-points=2147483648", "one to eight whole numbers such as 3,-1"},
    {"--zero-points=1,1,1,1,1,1,1,1,1", "one to eight whole numbers such as 3,-1"},
    {"--level=1.5", "a whole number"},
    {"--level=-2147483649", "a whole number"},
    {"--level=--1", "a whole number"},
    {"--seed=-1", "a whole number that is not negative"},
    {"--seed=0x", "a whole number that is not negative"},
    {"--seed=18446744073709551616", "a whole number that is not negative"},
    {"--alpha=nan", "a number"},
    {"--alpha=", "a number"},
    {"--alpha=1x", "a number"},
};

static void test_args_parse_bad_values(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad_values); i++) {
        char message[256];
        const char *equals = strchr(bad_values[i][0], '=');
        snprintf(message, sizeof message,
                 "clconv test: option '%.*s' has the value '%s', expected %s\n",
                 (int)(equals - bad_values[i][0]), bad_values[i][0], equals + 1, bad_values[i][1]);
        assert_parse_fails(bad_values[i][0], message);
    }
}

static void test_args_parse_too_many_repetitions(void **state) {
    char line[ARGS_STRINGS_MAX * 12 + 32] = "";

    (void)state;
    for (int i = 0; i <= ARGS_STRINGS_MAX; i++)
        strcat(line, " --cases=x");
    assert_parse_fails(line,
                       "clconv test: option '--cases' has the value 'x', expected no more than "
                       "64 of them\n");
}

static void test_args_parse_too_few_positional(void **state) {
    args_spec strict = spec;
    char *argv[] = {(char[]){"test"}, NULL};
    int argc = 1;
    options o = {0};
    FILE *file = tmpfile();
    int saved;

    (void)state;
    strict.positional_min = 1;
    assert_non_null(file);
    saved = redirect(stderr, file);
    assert_int_equal(args_parse(&o, &strict, &argc, argv), ARGS_EXIT_USAGE);
    restore(stderr, file, saved);
    assert_string_equal(output, "clconv test: expected PROBLEM...\n");
}

static void test_args_parse_help(void **state) {
    char line[] = "--help";
    char *argv[MAX_ARGUMENTS];
    int argc;
    options o = {0};

    (void)state;
    assert_int_equal(parse(&o, &argc, argv, line, stdout), 0);
    assert_string_equal(output, "usage: clconv test [OPTION...] [PROBLEM...]\n"
                                "\n"
                                "Describes.\n"
                                "\n"
                                "options:\n"
                                "  --json                  print JSON\n"
                                "  --device SELECTOR       where\n"
                                "  --cases FILE            may be repeated\n"
                                "  --stride S[,S...]       first line\n"
                                "                          second line\n"
                                "  --zero-points X,W       numbers\n"
                                "  --level N               a number\n"
                                "  --seed S                a number\n"
                                "  --alpha X               a number\n"
                                "  --mode cross|flip       a word\n"
                                "\n"
                                "Ends.\n");
}

static void test_args_guess_offer_nearest(void **state) {
    args_guess guess = {0};

    (void)state;
    args_guess_offer(&guess, "verfy", "devices");
    assert_null(guess.name);
    args_guess_offer(&guess, "verfy", "verity");
    args_guess_offer(&guess, "verfy", "verify");
    assert_string_equal(guess.name, "verify");
    args_guess_offer(&guess, "verfy", "verity");
    assert_string_equal(guess.name, "verify");
}

static void test_args_guess_offer_refuses_long_and_tiny_words(void **state) {
    args_guess guess = {0};

    (void)state;
    args_guess_offer(&guess, "a-word-that-is-longer-than-any-name-here", "a-word");
    args_guess_offer(&guess, "x", "y");
    assert_null(guess.name);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_args_parse_every_type),
        cmocka_unit_test(test_args_parse_keeps_defaults),
        cmocka_unit_test(test_args_parse_positional_between_options),
        cmocka_unit_test(test_args_parse_double_dash_ends_options),
        cmocka_unit_test(test_args_parse_limits_of_numbers),
        cmocka_unit_test(test_args_parse_mistakes),
        cmocka_unit_test(test_args_parse_bad_values),
        cmocka_unit_test(test_args_parse_too_many_repetitions),
        cmocka_unit_test(test_args_parse_too_few_positional),
        cmocka_unit_test(test_args_parse_help),
        cmocka_unit_test(test_args_guess_offer_nearest),
        cmocka_unit_test(test_args_guess_offer_refuses_long_and_tiny_words),
    };

    return run_group(tests);
}
