/* A row of the table of algorithms, and what rows of one kernel share. */
#ifndef CLCONV__ALGO_H
#define CLCONV__ALGO_H

#include "device.h"
#include "problem.h"

/**
 * The weights as a part of another tensor: from its element `first` in steps of elements, which may
 * be negative. Channels of all groups lie `row` apart.
 */
typedef struct clconv__weights_view {
    ptrdiff_t first, row, channel, tap[CLCONV_SPATIAL_AXES];
} clconv__weights_view;

/** A valid problem on a device: what a row is asked about. */
typedef struct clconv__request {
    const clconv_problem *problem;
    clconv__geometry g;
    clconv_device *device;
    const struct clconv__tile *tile;     /* the one that is asked about; NULL for any that fits */
    int allows_tf32;                     /* rows may round f32 operands to tf32 */
    const clconv__weights_view *weights; /* NULL where they lie as the problem says */
} clconv__request;

/** Candidate tile: values of the macros that the row's `macros` names. */
enum { CLCONV__TILE_VALUES = 4 };
typedef struct clconv__tile {
    unsigned value[CLCONV__TILE_VALUES];
} clconv__tile;

/** How to start a kernel for one tile. */
typedef struct clconv__launch {
    size_t global[3], local[3];
    size_t local_bytes; /* of a dynamic local array, the last argument; 0 for none */
    size_t step;        /* geometry.step */
    char options[96];   /* further macros, each as " -DNAME=value" */
} clconv__launch;

struct clconv__algo_ops;
struct clconv__call;

/** Directions that a row serves. */
enum {
    CLCONV__ON_FORWARD = 1 << CLCONV_FORWARD,
    CLCONV__ON_DATA = 1 << CLCONV_BACKWARD_DATA,
    CLCONV__ON_WEIGHTS = 1 << CLCONV_BACKWARD_WEIGHTS,
    CLCONV__ON_TRANSPOSED = 1 << CLCONV_TRANSPOSED,
    CLCONV__ON_GATHERED = CLCONV__ON_DATA | CLCONV__ON_TRANSPOSED,
    CLCONV__ON_ALL = CLCONV__ON_FORWARD | CLCONV__ON_GATHERED | CLCONV__ON_WEIGHTS
};

/** Kinds of device that a row is made for; it may well compute on others, slowly. */
enum {
    CLCONV__FOR_HOST = 1 << CLCONV_KIND_HOST,
    CLCONV__FOR_CPU = 1 << CLCONV_KIND_CPU,
    CLCONV__FOR_GPU = 1 << CLCONV_KIND_GPU | 1 << CLCONV_KIND_ACCELERATOR,
    CLCONV__FOR_OPENCL = CLCONV__FOR_CPU | CLCONV__FOR_GPU,
    /** And no kind: the row rounds its operands, which must be allowed or asked for by name. */
    CLCONV__ROUNDS = 1 << 8
};

typedef struct clconv__algo {
    const char *name;
    unsigned kinds;      /* of CLCONV__FOR_... */
    unsigned directions; /* of CLCONV__ON_... */
    const struct clconv__algo_ops *ops;
    /** Nonzero and a sentence where the row cannot run; the shared refusals were asked before. */
    int (*refuses)(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *request);
    /** Raises the reference's bounds to the row's own; NULL where it sums the products themselves.
     */
    clconv_status (*bound)(double *bound, const clconv_problem *problem,
                           const clconv_host_tensors *tensors);
    /** Estimated time; tile is the one that fits, NULL for rows without tiles. */
    double (*seconds)(const clconv__request *request, const clconv__tile *tile);
    /** Rows of one kernel: file is name.cl, kernel is name. NULL for other rows. */
    const char *const *macros; /* names of the tile's values; NULL-terminated */
    const clconv__tile *tiles; /* ends with a tile of zeros */
    /** Nonzero when the tile fits the device. */
    int (*launch)(clconv__launch *launch, const clconv__request *request, const clconv__tile *tile);
} clconv__algo;

/**
 * What runs a row. Host pointers for rows of the host, device buffers for rows of OpenCL. The
 * buffers are in the places where the geometry has them: for the gradient of the input, `input` is
 * the gradient of the output that is read, and `output` what is computed.
 */
typedef struct clconv__algo_ops {
    int is_host;
    /** Fills plan->state and plan->workspace. */
    clconv_status (*create)(clconv_plan *plan);
    void (*destroy)(clconv_plan *plan);
    /** Commands on the queue; tensors were checked. */
    clconv_status (*enqueue)(clconv_plan *plan, cl_command_queue queue,
                             const clconv_tensors *tensors, cl_uint wait_count,
                             const cl_event *wait, cl_event *event);
    /** The host's counterpart; `packed` is what pack gave, or NULL. */
    clconv_status (*run)(clconv_plan *plan, const clconv_host_tensors *tensors);
    /** Optional, host: keeps rearranged weights in plan->packed_host. */
    clconv_status (*pack)(clconv_plan *plan, const void *weights);
    /** Optional, OpenCL: enqueues the rearrangement of the call's weights into a buffer. */
    clconv_status (*pack_device)(struct clconv__call *call, cl_mem packed, size_t offset);
} clconv__algo_ops;

/** More rows than the table will have. */
#define CLCONV__MOST_ALGOS 64

/** Pointers to the rows, in the order in which they are asked. */
extern const clconv__algo *const clconv__algos[];
extern const size_t clconv__algo_count;

/** Whether the row is made for the device's kind. */
int clconv__algo_is_for(const clconv__algo *algo, const clconv_device *device);

/** Whether the row computes problems of the direction at all. */
int clconv__algo_computes(const clconv__algo *algo, clconv_direction direction);

/** Nonzero and a sentence where the row cannot run; asks what all rows share first. */
int clconv__algo_refuses(char refusal[CLCONV_REFUSAL_SIZE], const clconv__algo *algo,
                         const clconv__request *request);

/** Estimated time of a row that does not refuse. */
double clconv__algo_seconds(const clconv__algo *algo, const clconv__request *request);

/** A row's place in the table; their number where it has none. */
size_t clconv__algo_index(const clconv__algo *algo);

/** The row of a name; NULL for none. */
const clconv__algo *clconv__find_algo(const char *name);

/** Of the tiles that fit, or of the request's alone, the one with the smallest estimate, with its
 * launch; NULL for none. */
const clconv__tile *clconv__fitting_tile(clconv__launch *launch, const clconv__algo *algo,
                                         const clconv__request *request);

extern const clconv__algo_ops clconv__kernel_ops;        /* rows of one kernel */
extern const clconv__algo_ops clconv__gemm_ops;          /* algo_gemm.c */
extern const clconv__algo_ops clconv__gemm_mma_ops;      /* the same with a matrix engine */
extern const clconv__algo_ops clconv__nhwc_mma_ops;      /* algo_nhwc_mma.c */
extern const clconv__algo_ops clconv__host_ops;          /* algo_host.c */
extern const clconv__algo_ops clconv__im2col_ops;        /* algo_im2col.c */
extern const clconv__algo_ops clconv__vector_ops;        /* algo_vector.c */
extern const clconv__algo_ops clconv__winograd_ops;      /* algo_winograd.c */
extern const clconv__algo_ops clconv__winograd_gemm_ops; /* algo_winograd_gemm.c */
extern const clconv__algo_ops clconv__col2im_ops;        /* algo_col2im.c */
extern const clconv__algo_ops clconv__weights_ops;       /* algo_weights.c */
extern const clconv__algo_ops clconv__weights_gemm_ops;  /* algo_weights_gemm.c */
extern const clconv__algo_ops clconv__weights_tiled_ops; /* algo_weights_tiled.c */
extern const clconv__algo_ops clconv__depthwise_weights_ops;

/* Launches and estimates of rows that lie with their operations. */
int clconv__launch_gemm(clconv__launch *launch, const clconv__request *request,
                        const clconv__tile *tile);
double clconv__seconds_gemm(const clconv__request *request, const clconv__tile *tile);
int clconv__launch_gemm_mma(clconv__launch *launch, const clconv__request *request,
                            const clconv__tile *tile);
double clconv__seconds_gemm_mma(const clconv__request *request, const clconv__tile *tile);
/** Refuses where the copy of the input cannot be addressed or made. */
int clconv__refuses_nhwc_copy(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *request);
int clconv__launch_nhwc_mma(clconv__launch *launch, const clconv__request *request,
                            const clconv__tile *tile);
double clconv__seconds_nhwc_mma(const clconv__request *request, const clconv__tile *tile);
int clconv__launch_weights_tiled(clconv__launch *launch, const clconv__request *request,
                                 const clconv__tile *tile);
double clconv__seconds_weights_tiled(const clconv__request *request, const clconv__tile *tile);
int clconv__launch_weights_mma(clconv__launch *launch, const clconv__request *request,
                               const clconv__tile *tile);
double clconv__seconds_weights_mma(const clconv__request *request, const clconv__tile *tile);
int clconv__refuses_depthwise_weights(char refusal[CLCONV_REFUSAL_SIZE],
                                      const clconv__request *request);
int clconv__launch_depthwise_weights(clconv__launch *launch, const clconv__request *request,
                                     const clconv__tile *tile);
double clconv__seconds_depthwise_weights(const clconv__request *request, const clconv__tile *tile);
int clconv__launch_winograd_gemm_2x2(clconv__launch *launch, const clconv__request *request,
                                     const clconv__tile *tile);
int clconv__launch_winograd_gemm_4x4(clconv__launch *launch, const clconv__request *request,
                                     const clconv__tile *tile);
double clconv__seconds_winograd_gemm_2x2(const clconv__request *request, const clconv__tile *tile);
double clconv__seconds_winograd_gemm_4x4(const clconv__request *request, const clconv__tile *tile);

extern const clconv__algo_ops clconv__phases_ops; /* algo_phases.c, and the same with Winograd's */
extern const clconv__algo_ops clconv__phases_winograd_ops;

int clconv__phases_refuses(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *request);
double clconv__phases_seconds(const clconv__request *request, const clconv__tile *tile);
int clconv__phases_winograd_refuses(char refusal[CLCONV_REFUSAL_SIZE],
                                    const clconv__request *request);
double clconv__phases_winograd_seconds(const clconv__request *request, const clconv__tile *tile);
clconv_status clconv__phases_winograd_bound(double *bound, const clconv_problem *problem,
                                            const clconv_host_tensors *tensors);

/** Whether direct_weights sums rows of neighbours in vectors. */
int clconv__weights_have_lanes(const clconv__request *request);

/** Whether the channels of one tap lie side by side in a view of the weights and fill vectors. */
int clconv__vector_reads_in_place(const clconv__request *request);

/** How a tile of the vector row finds what it reads: its third value, SOURCE of vector.cl. */
enum {
    CLCONV__IN_LINE,  /**< where it is: neighbours lie side by side in the input, too */
    CLCONV__IN_PATCH, /**< in local memory, whole rows */
    CLCONV__IN_PANEL  /**< in local memory, for each tap the tile's pixels */
};

/** Output pixels that lie side by side, in the input too. */
typedef struct clconv__line {
    size_t width; /* pixels of a line */
    size_t step;  /* elements between the inputs of two neighbours */
    int is_plane; /* whole planes are one line, because nothing lies between their rows */
} clconv__line;
clconv__line clconv__line_of(const clconv__request *request);

/**
 * Floats of local memory; rows of tiles of a patch, or channels of a panel that are copied at a
 * time (0 where not one fits); tiles or patches of a picture; and blocks of channels that share
 * one.
 */
size_t clconv__vector_piece(const clconv__request *request, const clconv__tile *tile);
double clconv__vector_floats(const clconv__request *request, const clconv__tile *tile);
size_t clconv__vector_items(const clconv__request *request, const clconv__tile *tile);
size_t clconv__vector_share(const clconv__request *request, const clconv__tile *tile);

/** Floats that a padded input row takes in local memory: vectors of tiles of `out` outputs may
 * begin at any of them. */
size_t clconv__winograd_line(const clconv__request *request, size_t out);

/** Rows of tiles of `out` outputs that fill a vector together. */
size_t clconv__winograd_rows(const clconv__request *request, size_t out);

/**
 * What a work-item of the winograd rows transforms, multiplies and transforms back at once, in
 * tiles; how many areas there are for all groups, and how many parts of the output channels share
 * each where they are too few for all processors; the floats between its channels, and of all of
 * it, in local memory. All these are 0 where there are stages. Rows of few tiles that fill a vector
 * together (clconv__winograd_rows) lie in one area: none has fewer columns than a row of those.
 */
typedef struct clconv__winograd_area {
    size_t tiles_w, tiles_h; /* of a row, and rows of all pictures */
    size_t rows, columns, areas, parts, pitch;
    double floats;
} clconv__winograd_area;
clconv__winograd_area clconv__winograd_area_of(const clconv__request *request,
                                               const clconv__tile *tile);

/** Bytes of transformed input that are made and multiplied at a time, given those of the weights.
 */
size_t clconv__winograd_piece(size_t weights);

#endif
