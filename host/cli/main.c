#include "args.h"
#include "cli.h"

#include <signal.h>
#include <string.h>

const cli_command cli_commands[] = {
    {"devices", cmd_devices, "list the OpenCL devices and the host, and try each"},
    {"verify", cmd_verify, "prove results of every algorithm against the reference"},
    {"explain", cmd_explain, "say which algorithm a problem gets, and why not the others"},
    {"run", cmd_run, "convolve arrays in .npy files"},
    {"learn", cmd_learn, "learn a kernel from an input and a target"},
    {"filter", cmd_filter, "filter a picture in a .png file"},
    {"receptive-field", cmd_receptive_field, "what one output of a stack of layers sees"},
    {"bench", cmd_bench, "time algorithms on a device"},
    {"tune", cmd_tune, "find the fastest algorithm by timing, for all plans to come"},
    {"cache", cmd_cache, "show, verify or clear the compiled kernels on disk"},
    {"help", cmd_help, "explain a command, or the text form of problems"},
    {"version", cmd_version, "print the version"},
    {NULL, NULL, NULL},
};

void cli_print_overview(FILE *stream) {
    fprintf(stream, "usage: clconv COMMAND [OPTION...] [ARGUMENT...]\n\n"
                    "Convolutions on any OpenCL device, proved against the CPU.\n\n"
                    "commands:\n");
    for (const cli_command *row = cli_commands; row->name; row++)
        fprintf(stream, "  %-16s %s\n", row->name, row->summary);
    fprintf(stream,
            "\n'clconv help COMMAND' says more about a command, 'clconv help problem' how a\n"
            "problem is written.\n");
}

const cli_command *cli_find_command(const char *name) {
    args_guess guess = {0};

    for (const cli_command *row = cli_commands; row->name; row++) {
        if (!strcmp(row->name, name))
            return row;
        args_guess_offer(&guess, name, row->name);
    }
    if (guess.name)
        fprintf(stderr, "clconv: unknown command '%s'; did you mean '%s'?\n", name, guess.name);
    else
        fprintf(stderr, "clconv: unknown command '%s'; 'clconv help' lists them\n", name);
    return NULL;
}

/* Spellings from other programs. */
static const char *command_of(const char *word) {
    if (!strcmp(word, "--help") || !strcmp(word, "-h"))
        return "help";
    return strcmp(word, "--version") ? word : "version";
}

static int run_command(int argc, char **argv) {
    const cli_command *row;

    if (argc < 2) {
        cli_print_overview(stderr);
        return CLI_BAD_INPUT;
    }
    row = cli_find_command(command_of(argv[1]));
    return row ? row->run(argc - 1, argv + 1) : CLI_BAD_INPUT;
}

int main(int argc, char **argv) {
    /* Beyond a limit on the size of files, writing shall fail as on a full disk, and be reported.
     */
    signal(SIGXFSZ, SIG_IGN);
    int code = run_command(argc, argv);

    /* A full disk behind stdout must not look like success. */
    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "clconv: cannot write to the standard output\n");
        return CLI_BAD_INPUT;
    }
    return code;
}
