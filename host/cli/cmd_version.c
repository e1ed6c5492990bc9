#include "args.h"
#include "cli.h"

static const args_spec spec = {
    .command = "version",
    .description = "Prints the version of the library.\n",
};

int cmd_version(int argc, char **argv) {
    int code = args_parse(NULL, &spec, &argc, argv);

    if (code != ARGS_GO_ON)
        return code;
    printf("clconv %s\n", clconv_version());
    return CLI_OK;
}
