#include "args.h"
#include "cli.h"

#include <string.h>

static const args_spec spec = {
    .command = "help",
    .positional = "COMMAND|problem",
    .positional_max = 1,
    .description = "Explains a command, or with 'problem' how a problem is written as text.\n"
                   "Without an argument it lists the commands.\n",
};

static const char problem_help[] =
    "A problem is written as one word in the grammar of oneDNN's benchdnn, so that its\n"
    "shape files can be pasted, such as\n"
    "\n"
    "  mb1_g1_ic64ih56iw56_oc64oh56ow56_kh3kw3_sh1sw1_ph1pw1_dh0dw0_n\"res2a\"\n"
    "\n"
    "It is a row of letters, each followed by a number; '_' may stand between any two.\n"
    "\n"
    "  g             groups (1)\n"
    "  mb            batch, the number of pictures (1)\n"
    "  ic oc         input and output channels, of all groups together\n"
    "  id ih iw      input extents: depth, height, width\n"
    "  od oh ow      output extents\n"
    "  kd kh kw      kernel extents\n"
    "  sd sh sw      strides (1)\n"
    "  dd dh dw      dilations, zero-based: 0 is dense (0)\n"
    "  pd ph pw      zeros before the first element (0)\n"
    "  rd rh rw      zeros behind the last element\n"
    "  n\"NAME\"       a label for reports, at the end or in between\n"
    "\n"
    "A lone h letter serves for w too, and a lone d letter for all three: ih56 is a square.\n"
    "With w letters alone the problem is 1-D, with d letters it is 3-D.\n"
    "Where oh is given and rh is not, the padding behind the last element is what makes oh\n"
    "come out, and without ph the padding is split; where neither is given the padding is\n"
    "the same on both sides. So for d and w.\n"
    "\n"
    "Everything else is a word behind a '_':\n"
    "\n"
    "  _type=T       f32 f64 f16 bf16 s8 u8, of input and weights (f32)\n"
    "  _dir=D        forward backward_data backward_weights transposed (forward)\n"
    "  _mode=M       cross_correlation, or convolution: the kernel is flipped\n"
    "  _layout=L     nchw or nhwc, of input and output (nchw)\n"
    "  _weights=L    oihw or ohwi (oihw)\n"
    "  _bias         one value per output channel is added\n"
    "  _residual     a tensor shaped like the output is added\n"
    "  _act=A[:a[:b]]  relu clamp:MIN:MAX leaky_relu:SLOPE sigmoid tanh silu gelu\n"
    "                hard_swish\n"
    "  _alpha=X      factor of the sum (1)\n"
    "  _beta=X       factor of the old output (0)\n"
    "  _xzp=N _wzp=N  zero points of the 8-bit input and weights (0)\n"
    "  _xs=N:C:D:H:W  element strides of a view of the input\n"
    "  _ys=N:C:D:H:W  element strides of a view of output and residual\n"
    "  _oph1opw1     output padding of a transposed convolution (also opd)\n"
    "\n"
    "Examples:\n"
    "\n"
    "  ic3ih224_oc64kh7_sh2_ph3                     first layer of ResNet-50\n"
    "  g32ic32ih112_oc32kh3_ph1_act=clamp:0:6       depthwise 3x3, relu6\n"
    "  ic16iw1000_oc16kw9_pw4_bias                  1-D\n"
    "  ic8ih28_oc8kh3_type=u8_xzp=128               8-bit integers\n";

int cmd_help(int argc, char **argv) {
    const cli_command *row;
    int code = args_parse(NULL, &spec, &argc, argv);

    if (code != ARGS_GO_ON)
        return code;
    if (argc == 1) {
        cli_print_overview(stdout);
        return CLI_OK;
    }
    if (!strcmp(argv[1], "problem")) {
        fputs(problem_help, stdout);
        return CLI_OK;
    }
    row = cli_find_command(argv[1]);
    return row ? row->run(2, (char *[]){argv[1], (char[]){"--help"}, NULL}) : CLI_BAD_INPUT;
}
