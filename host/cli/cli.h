/*
 * What the commands share: exit codes, messages, devices, JSON.
 */
#ifndef CLCONV_CLI_CLI_H
#define CLCONV_CLI_CLI_H

#include "clconv.h"

#include <cjson/cJSON.h>
#include <stdio.h>

/** Exit codes of every command. */
enum {
    CLI_OK = 0,             /* done; verify: every case passed */
    CLI_WRONG = 1,          /* verify: a result was wrong */
    CLI_BAD_INPUT = 2,      /* bad usage or input, or something failed on the way */
    CLI_NO_DEVICE = 3,      /* the device that was asked for cannot be had */
    CLI_NOTHING_PROVED = 4, /* verify: no case ran */
};

/* One function per command; argv[0] is the command's name. They return an exit code. */
int cmd_devices(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_learn(int argc, char **argv);
int cmd_filter(int argc, char **argv);
int cmd_receptive_field(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_tune(int argc, char **argv);
int cmd_cache(int argc, char **argv);
int cmd_help(int argc, char **argv);
int cmd_version(int argc, char **argv);

/** A row of the command table. */
typedef struct cli_command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary; /* one line, as in `clconv help`; the rest of its help is `NAME --help` */
} cli_command;

/** The command table; its last row has a NULL name. */
extern const cli_command cli_commands[];

/** The row of a name, NULL after a message on stderr when there is none. */
const cli_command *cli_find_command(const char *name);

/** Prints the overview of `clconv help`. */
void cli_print_overview(FILE *stream);

#if defined(__GNUC__)
#define CLI_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define CLI_PRINTF(text, first)
#endif

/** Complains on stderr as "clconv COMMAND: ..." and returns CLI_BAD_INPUT. */
CLI_PRINTF(2, 3) int cli_fail(const char *command, const char *format, ...);

/** Complains with clconv_last_message() and returns the exit code for the status. */
int cli_fail_status(const char *command, clconv_status status);

/** As cli_fail_status(), with what the failure is about, such as a file or a problem, in front. */
int cli_fail_about(const char *command, const char *about, clconv_status status);

/** Prints a JSON value and a line feed on stdout and deletes it; NULL means memory ran out. */
int cli_print_json(const char *command, cJSON *json);

/** "f32", "s8", ...: the word that problem strings use; "?" for a number that is no type. */
const char *cli_type_name(clconv_type type);

/** "host", "cpu", "gpu" or "accelerator". */
const char *cli_kind_name(clconv_device_kind kind);

/** Prints why it is this device, where that is not what one would expect: a fallback. */
void cli_print_note(const clconv_device_info *info);

/** An array of whole numbers for JSON; NULL when memory ran out. */
cJSON *cli_json_sizes(const size_t *values, size_t count);

/**
 * Prints rows of cells below each other; `align` has one 'l' or 'r' per column. The cells lie row
 * by row; the first row is the heading.
 */
void cli_print_table(const char *const *cells, size_t rows, const char *align);

/** Bytes that the texts below need at most. */
#define CLI_TEXT_SIZE 128

/** "1x64x56x56". */
void cli_format_shape(char text[CLI_TEXT_SIZE], const size_t *extents, size_t count);

/** "12.3 ms". */
void cli_format_seconds(char text[CLI_TEXT_SIZE], double seconds);

/** "236 MFLOP". */
void cli_format_flops(char text[CLI_TEXT_SIZE], double flops);

/** "3.9 GiB". */
void cli_format_bytes(char text[CLI_TEXT_SIZE], uint64_t bytes);

/** Spatial axes that people mean: 3 where anything happens along D, else 2, or 1 for W alone. */
size_t cli_spatial_axes(const clconv_problem *problem);

/**
 * Extents of a tensor in the order of its file: as layout and weights layout say, without the
 * spatial axes that `axes` leaves out.
 * @return how many there are; 0 after a failure, with the message at clconv_last_message()
 */
size_t cli_tensor_extents(size_t extents[CLCONV_TENSOR_AXES], const clconv_problem *problem,
                          clconv_tensor tensor, size_t axes);

/* Text of the options that several commands share. */
#define CLI_DEVICE_HELP                                                                            \
    "gpu, cpu, accelerator, host, or PLATFORM:DEVICE as the\n"                                     \
    "command devices numbers them (default: the best there is)"
#define CLI_TF32_HELP "allow that f32 operands are rounded to tf32, 11 bits, for a matrix engine"
#define CLI_ALGO_HELP                                                                              \
    "use this algorithm or fail (default: a tuned one, or the\n"                                   \
    "one with the smallest estimate)"
#define CLI_JSON_HELP "print JSON instead of text"

#endif
