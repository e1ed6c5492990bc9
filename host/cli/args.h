/*
 * Options, usage and help of a command, all from one table.
 *
 *     typedef struct options {
 *         bool json;
 *         const char *device;
 *         args_sizes stride;
 *     } options;
 *
 *     static const args_option option_table[] = {
 *         ARGS_OPTION(options, stride, "stride", "S[,S...]", "step of the kernel (default 1)"),
 *         ARGS_OPTION(options, device, "device", "SELECTOR", "where to run"),
 *         ARGS_OPTION(options, json, "json", NULL, "print JSON"),
 *     };
 *
 *     static const args_spec spec = {
 *         .command = "run",
 *         .positional = "PROBLEM...",
 *         .positional_min = 1,
 *         .positional_max = ARGS_ANY,
 *         .description = "Runs problems.\n",
 *         ARGS_TABLE(option_table),
 *     };
 *
 *     options o = {0};
 *     int code = args_parse(&o, &spec, &argc, argv);
 *     if (code >= 0) {
 *         return code;
 *     }
 *
 * Behind it argv[1] to argv[argc - 1] are the positional arguments. An option's type is that of its
 * member, so the two cannot disagree. Every option understands `--name value` and `--name=value`;
 * `--` ends the options; only an args_strings option may be given twice. `--help` is built in.
 */
#ifndef CLCONV_CLI_ARGS_H
#define CLCONV_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARGS_LIST_MAX    8  /* numbers in one list such as "1,1,1,1" */
#define ARGS_STRINGS_MAX 64 /* times that a repeatable option may be given */
#define ARGS_ANY         SIZE_MAX

/** Exit code after a usage error; the message went to stderr. */
#define ARGS_EXIT_USAGE 2

/** What args_parse() returns when the command shall go on. */
#define ARGS_GO_ON (-1)

/** Numbers of a list such as "1,2"; count is 0 where the option was not given. */
typedef struct args_sizes {
    size_t values[ARGS_LIST_MAX];
    size_t count;
} args_sizes;

typedef struct args_ints {
    int32_t values[ARGS_LIST_MAX];
    size_t count;
} args_ints;

/** Values of an option that may be repeated, in order. */
typedef struct args_strings {
    const char *values[ARGS_STRINGS_MAX];
    size_t count;
} args_strings;

typedef enum args_type {
    ARGS_FLAG,    /* bool: set to true, takes no value */
    ARGS_STRING,  /* const char *: points into argv */
    ARGS_STRINGS, /* args_strings: repeatable */
    ARGS_SIZES,   /* args_sizes: "1,2,3" */
    ARGS_INTS,    /* args_ints: "-1,2" */
    ARGS_INT,     /* int */
    ARGS_UINT64,  /* uint64_t: decimal or 0x hexadecimal */
    ARGS_DOUBLE,  /* double: finite or infinite, never NaN */
    ARGS_CHOICE   /* int: index of the value in the list of choices */
} args_type;

typedef struct args_option {
    const char *name;           /* without dashes */
    const char *argument;       /* how help names the value; NULL for flags and choices */
    const char *const *choices; /* ends in NULL; only for ARGS_CHOICE */
    const char *help;           /* lines are separated by \n */
    args_type type;
    size_t offset; /* of the destination in the options structure */
} args_option;

#define ARGS_TYPE_OF(lvalue)                                                                       \
    _Generic((lvalue),                                                                             \
        bool: ARGS_FLAG,                                                                           \
        const char *: ARGS_STRING,                                                                 \
        args_strings: ARGS_STRINGS,                                                                \
        args_sizes: ARGS_SIZES,                                                                    \
        args_ints: ARGS_INTS,                                                                      \
        int: ARGS_INT,                                                                             \
        uint64_t: ARGS_UINT64,                                                                     \
        double: ARGS_DOUBLE)

/** Row of an option; its type follows from the member. */
#define ARGS_OPTION(structure, member, name, argument, help)                                       \
    {                                                                                              \
        name, argument, NULL, help, ARGS_TYPE_OF(((structure *)0)->member),                        \
            offsetof(structure, member)                                                            \
    }

#define ARGS_CHOICE_OF(lvalue) _Generic((lvalue), int : ARGS_CHOICE)

/** Row of an option that takes one of several words; the int member receives its index. */
#define ARGS_ONE_OF(structure, member, name, choices, help)                                        \
    {                                                                                              \
        name, NULL, choices, help, ARGS_CHOICE_OF(((structure *)0)->member),                       \
            offsetof(structure, member)                                                            \
    }

typedef struct args_spec {
    const char *command;     /* "run" */
    const char *positional;  /* how usage names the positional arguments; NULL for none */
    size_t positional_min;   /* fewer are an error; usage puts brackets where it is 0 */
    size_t positional_max;   /* more are an error */
    const char *description; /* paragraphs between usage and options */
    const args_option *options;
    size_t option_count;
    const char *epilogue; /* paragraphs after the options; may be NULL */
} args_spec;

#define ARGS_TABLE(table) .options = (table), .option_count = sizeof(table) / sizeof((table)[0])

/**
 * Parses argv[1..] into the structure at `options`, whose members hold the defaults before.
 * @return ARGS_GO_ON with the positional arguments in argv[1 .. *argc-1]; otherwise the exit code:
 *         0 after --help, which went to stdout, or ARGS_EXIT_USAGE after a message on stderr
 */
int args_parse(void *options, const args_spec *spec, int *argc, char **argv);

/** The best of the candidates so far for a word that was meant; starts as {0}. */
typedef struct args_guess {
    const char *name; /* NULL while no candidate is near */
    size_t distance;
} args_guess;

/** Remembers the candidate if fewer letters than before must change to make it of the word. */
void args_guess_offer(args_guess *guess, const char *word, const char *candidate);

#endif
