/*
 * clconv: convolutions on any OpenCL device, proved against the CPU.
 *
 * The shortest use:
 *
 *     clconv_device *device = NULL;
 *     clconv_plan *plan = NULL;
 *     clconv_problem problem = CLCONV_PROBLEM_INIT;
 *     clconv_problem_parse(&problem, "ic3ih224iw224_oc64kh7kw7_sh2sw2_ph3pw3");
 *     clconv_device_open(&device, NULL);
 *     clconv_plan_create(&plan, device, &problem, NULL);
 *     clconv_plan_run(plan, &(clconv_host_tensors){.input = x, .weights = w, .output = y});
 *     clconv_plan_destroy(plan);
 *     clconv_device_destroy(device);
 *
 * Five nouns: a *problem* says what is to be computed, a *device* where, an *algorithm* how, a
 * *plan* binds the three, and a *status* says how it went.
 *
 * Rules that hold everywhere:
 * - Functions that can fail return a clconv_status: 0 is success, errors are negative, and
 *   clconv_last_message() then holds a sentence that names the argument and its value.
 * - An out-parameter comes first. On failure a handle is set to NULL and other outputs keep their
 *   content, unless a function says otherwise. Every destroy function accepts NULL.
 * - Extents, strides, pads and dilations are counted in elements, and so are offsets. Sizes whose
 *   names end in `_size` or `_bytes` are in bytes.
 * - The library never prints, exits or aborts.
 * - Devices and plans may be shared between threads; creating and destroying one object is done by
 *   one thread, and clconv_plan_pack_weights() must have returned before others use the plan.
 */
#ifndef CLCONV_INCLUDED
#define CLCONV_INCLUDED

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#ifdef __APPLE__
#include <OpenCL/cl.h>
#else
#include <CL/cl.h>
#endif

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define CLCONV_API
#else
#define CLCONV_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define CLCONV_VERSION_MAJOR 0
#define CLCONV_VERSION_MINOR 1
#define CLCONV_VERSION_PATCH 0

/** The version of the library that is linked, such as "0.1.0". Static storage. */
CLCONV_API const char *clconv_version(void);

/* ------------------------------------------------------------------------------------------------
 * Status
 */

/** Every status: name, value, and what it means. */
#define CLCONV_STATUS_LIST(X)                                                                      \
    X(OK, 0, "success")                                                                            \
    X(INVALID_ARGUMENT, -1, "an argument is NULL or outside its range")                            \
    X(INVALID_PROBLEM, -2, "a field of the problem is outside its range or contradicts another")   \
    X(SYNTAX, -3, "a text could not be parsed")                                                    \
    X(SIZE_OVERFLOW, -4, "a size does not fit the integers that must hold it")                     \
    X(UNSUPPORTED, -5, "the problem is valid, but nothing here computes it")                       \
    X(UNKNOWN_ALGORITHM, -6, "no algorithm has this name")                                         \
    X(NO_DEVICE, -7, "the device that was asked for cannot be had")                                \
    X(WRONG_CONTEXT, -8, "an OpenCL object belongs to another context or device")                  \
    X(BUFFER_TOO_SMALL, -9, "a buffer ends before the tensor that it must hold")                   \
    X(OUT_OF_MEMORY, -10, "host or device memory ran out")                                         \
    X(BUILD_FAILED, -11, "the device's compiler refused a kernel")                                 \
    X(OPENCL, -12, "an OpenCL call failed")                                                        \
    X(CLBLAST, -13, "a CLBlast call failed")                                                       \
    X(FILE, -14, "a file could not be read, written or removed")

/** Result of every function that can fail. */
typedef enum clconv_status {
#define CLCONV_STATUS_ENUM(name, value, text) CLCONV_##name = value,
    CLCONV_STATUS_LIST(CLCONV_STATUS_ENUM)
#undef CLCONV_STATUS_ENUM
} clconv_status;

/** Name of a status, such as "CLCONV_NO_DEVICE"; "unknown status" for other numbers. Static. */
CLCONV_API const char *clconv_status_name(clconv_status status);

/** What a status means, in a few words. Static storage. */
CLCONV_API const char *clconv_status_text(clconv_status status);

/**
 * The sentence that belongs to the last failure in the calling thread; "" when none failed yet.
 * It names the argument and its value and, for OpenCL, the failing call and its code. Valid until
 * the next failing call in the same thread.
 */
CLCONV_API const char *clconv_last_message(void);

/* ------------------------------------------------------------------------------------------------
 * Problem: the geometry and meaning of one convolution. Pure data, no OpenCL in it.
 */

/** Spatial axes; a 1-D problem uses W alone, a 2-D one H and W. Unused axes have extent 1. */
enum { CLCONV_D, CLCONV_H, CLCONV_W, CLCONV_SPATIAL_AXES };

/** Axes of an activation tensor, the order of clconv_problem.input_strides. */
enum {
    CLCONV_AXIS_N,
    CLCONV_AXIS_C,
    CLCONV_AXIS_D,
    CLCONV_AXIS_H,
    CLCONV_AXIS_W,
    CLCONV_TENSOR_AXES
};

/** What is computed. */
typedef enum clconv_direction {
    CLCONV_FORWARD,          /**< output from input and weights */
    CLCONV_BACKWARD_DATA,    /**< gradient of the input from gradient of the output and weights */
    CLCONV_BACKWARD_WEIGHTS, /**< gradient of weights (and bias) from input and output gradient */
    CLCONV_TRANSPOSED        /**< transposed convolution as a forward operation */
} clconv_direction;

/** Whether the kernel is flipped. */
typedef enum clconv_mode {
    CLCONV_CROSS_CORRELATION, /**< not flipped: what deep learning calls convolution */
    CLCONV_CONVOLUTION        /**< flipped in every spatial axis: convolution in mathematics */
} clconv_mode;

/**
 * Type of input and weights. The output, bias and residual have the same type, except that the two
 * integer types have signed 8-bit weights and 32-bit signed output and bias.
 */
typedef enum clconv_type {
    CLCONV_F32,  /**< IEEE binary32, accumulated in binary32 */
    CLCONV_F64,  /**< IEEE binary64, where the device has it */
    CLCONV_F16,  /**< IEEE binary16 in memory, accumulated in binary32 */
    CLCONV_BF16, /**< upper half of a binary32 in memory, accumulated in binary32 */
    CLCONV_S8,   /**< signed 8-bit input and weights, 32-bit sums */
    CLCONV_U8,   /**< unsigned 8-bit input, signed 8-bit weights, 32-bit sums */
    CLCONV_S32   /**< output and bias of the 8-bit types; not a type of problem */
} clconv_type;

/** Order of the axes of input, residual and output in memory. */
typedef enum clconv_layout { CLCONV_NCHW, CLCONV_NHWC } clconv_layout;

/**
 * Order of the axes of the weights in memory. Of a transposed convolution O stands for the input
 * channels and I for the output channels of a group: oihw is [in][out/groups][kernel].
 */
typedef enum clconv_weights_layout { CLCONV_OIHW, CLCONV_OHWI } clconv_weights_layout;

/**
 * Function applied to every output, with its parameters a and b.
 * relu max(v,0); clamp min(max(v,a),b); leaky_relu v<0 ? a*v : v; sigmoid 1/(1+exp(-v)); tanh;
 * silu v*sigmoid(v); gelu v*(1+erf(v/sqrt(2)))/2; hard_swish v*min(max(v+3,0),6)/6.
 */
typedef enum clconv_activation {
    CLCONV_ACTIVATION_NONE,
    CLCONV_RELU,
    CLCONV_CLAMP,
    CLCONV_LEAKY_RELU,
    CLCONV_SIGMOID,
    CLCONV_TANH,
    CLCONV_SILU,
    CLCONV_GELU,
    CLCONV_HARD_SWISH
} clconv_activation;

#define CLCONV_PROBLEM_VERSION 1

/** Bytes of clconv_problem.name, its terminating zero included. */
#define CLCONV_NAME_SIZE 64

/**
 * One convolution. Start from CLCONV_PROBLEM_INIT, then set what differs.
 *
 * Forward, with one-based dilation, per spatial axis:
 *
 *     out = floor((in + pad_begin + pad_end - dilation*(kernel-1) - 1) / stride) + 1
 *
 *     acc[n][o][p]    = sum over i, k
 *                       of input[n][i][p*stride - pad_begin + k*dilation] * w[o][i][k]
 *     output[n][o][p] = activation(alpha*acc + bias[o] + residual[n][o][p]
 *                       + beta*output[n][o][p])
 *
 * where i runs over the in_channels/groups channels of o's group, pads read as zero, and in mode
 * CLCONV_CONVOLUTION w is read at kernel-1-k. With beta = 0 the old output is never read. (Dumoulin
 * and Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285, derive the
 * extents; the epilogue is cuDNN's convolution-bias-activation with BLAS's alpha and beta.)
 *
 * The direction says which tensors are computed from the others. Of the first three all tensors
 * have the same shapes, so that a training step uses one problem in three directions:
 *
 *     direction         input     weights   bias      output    residual
 *     forward           x         w         b         computed  read
 *     backward_data     computed  w         -         dy        -
 *     backward_weights  x         computed  computed  dy        -
 *     transposed        x         w         b         computed  read
 *
 * where dy is the gradient of the forward output, and what is computed is the gradient of the
 * tensor in whose place it stands. Terms whose input would lie in the padding are left out:
 *
 *     input[n][i][q]   = alpha * (sum over o, p, k with q = p*stride - pad_begin + k*dilation
 *                        of output[n][o][p] * w[o][i][k]) + beta*input[n][i][q]
 *     weights[o][i][k] = alpha * (sum over n, p of output[n][o][p] *
 *                        input[n][i][p*stride - pad_begin + k*dilation]) + beta*weights[o][i][k]
 *     bias[o]          = alpha * (sum over n, p of output[n][o][p]) + beta*bias[o]
 *
 * The backward directions have no activation and no residual, and are of the floating-point types.
 * beta = 1 adds to gradients that are there. backward_weights computes the bias with has_bias; the
 * bias alone when the call's `weights` is NULL. What is computed must not overlap what is read.
 *
 * Transposed convolution is what takes the output of a convolution back to the extents of its
 * input, as a forward operation: from `input` of in_channels to `output` of out_channels, with
 * weights [in_channels][out_channels/groups][kernel], as in ONNX's ConvTranspose,
 *
 *     acc[n][o][q] = sum over i, p, k with q = p*stride - pad_begin + k*dilation
 *                    of input[n][i][p] * w[i][o][k]
 *
 * and forward's epilogue. Its pads take elements away from the ends of the output, and
 * output_padding adds some to the last.
 */
typedef struct clconv_problem {
    uint32_t version;                           /**< CLCONV_PROBLEM_VERSION */
    clconv_direction direction;                 /**< which tensors are computed */
    clconv_mode mode;                           /**< kernel as it is, or flipped */
    clconv_type type;                           /**< of input and weights */
    clconv_layout layout;                       /**< of input, residual and output */
    clconv_weights_layout weights_layout;       /**< of the weights */
    size_t batch;                               /**< pictures, N */
    size_t groups;                              /**< divides both channel counts */
    size_t in_channels;                         /**< of all groups together */
    size_t out_channels;                        /**< of all groups together */
    size_t input[CLCONV_SPATIAL_AXES];          /**< input extents, D H W */
    size_t kernel[CLCONV_SPATIAL_AXES];         /**< kernel extents */
    size_t stride[CLCONV_SPATIAL_AXES];         /**< at least 1 */
    size_t dilation[CLCONV_SPATIAL_AXES];       /**< one-based: 1 is dense */
    size_t pad_begin[CLCONV_SPATIAL_AXES];      /**< zeros before the first element */
    size_t pad_end[CLCONV_SPATIAL_AXES];        /**< zeros after the last element */
    size_t output_padding[CLCONV_SPATIAL_AXES]; /**< transposed convolution only */
    size_t input_strides[CLCONV_TENSOR_AXES];   /**< view: elements per axis; all 0 = dense */
    size_t output_strides[CLCONV_TENSOR_AXES];  /**< the same for output and residual */
    int has_bias;                               /**< one value per output channel */
    int has_residual;                           /**< a tensor shaped like the output is added */
    clconv_activation activation;               /**< applied last */
    double activation_a;                        /**< its first parameter */
    double activation_b;                        /**< its second parameter */
    double alpha;                               /**< factor of the sum */
    double beta;                                /**< factor of what is there before */
    int32_t input_zero_point;                   /**< subtracted from every 8-bit input element */
    int32_t weights_zero_point;                 /**< subtracted from every 8-bit weight */
    char name[CLCONV_NAME_SIZE];                /**< a label for reports; may be empty */
} clconv_problem;

/** Forward f32 NCHW cross-correlation of one 1x1 picture of one channel with a 1x1 kernel. */
#define CLCONV_PROBLEM_INIT                                                                        \
    {                                                                                              \
        CLCONV_PROBLEM_VERSION, CLCONV_FORWARD, CLCONV_CROSS_CORRELATION, CLCONV_F32, CLCONV_NCHW, \
            CLCONV_OIHW, 1, 1, 1, 1, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0},        \
            {0, 0, 0}, {0, 0, 0}, {0, 0, 0, 0, 0}, {0, 0, 0, 0, 0}, 0, 0, CLCONV_ACTIVATION_NONE,  \
            0.0, 0.0, 1.0, 0.0, 0, 0, ""                                                           \
    }

/**
 * Reads a problem string: oneDNN benchdnn's convolution grammar, so that its shape files can be
 * pasted, with named suffixes for what that has no letters for. `clconv help problem` and
 * clconv(1) describe it. Dilation is zero-based *there* (dh0 is dense), and where `oh` is given the
 * end padding follows from it. The result is validated.
 * @param problem receives the problem; untouched on failure
 * @return CLCONV_SYNTAX with the offending place, or what clconv_problem_validate() returns
 */
CLCONV_API clconv_status clconv_problem_parse(clconv_problem *problem, const char *text);

/**
 * Writes the canonical string of a valid problem; parsing it gives the same problem back.
 * @param text receives the string and its terminating zero; CLCONV_PROBLEM_TEXT_SIZE always
 * suffices
 * @return CLCONV_BUFFER_TOO_SMALL when `size` bytes do not hold it
 */
CLCONV_API clconv_status clconv_problem_format(char *text, size_t size,
                                               const clconv_problem *problem);
#define CLCONV_PROBLEM_TEXT_SIZE 1536

/** Checks every field; the message names the field and its value. */
CLCONV_API clconv_status clconv_problem_validate(const clconv_problem *problem);

/**
 * Output extents, D H W, by the formula at clconv_problem; for transposed convolution
 * `(in-1)*stride - pad_begin - pad_end + dilation*(kernel-1) + 1 + output_padding`.
 * For the backward directions these are the extents of the *forward* output.
 */
CLCONV_API clconv_status clconv_problem_output(size_t output[CLCONV_SPATIAL_AXES],
                                               const clconv_problem *problem);

/** How clconv_problem_pad() chooses the pads. */
typedef enum clconv_padding {
    CLCONV_VALID,      /**< no padding */
    CLCONV_SAME_UPPER, /**< out = ceil(in/stride); an odd total puts the extra zero at the end */
    CLCONV_SAME_LOWER  /**< out = ceil(in/stride); an odd total puts the extra zero at the begin */
} clconv_padding;

/** Sets pad_begin and pad_end of every axis from the extents, strides and dilations. */
CLCONV_API clconv_status clconv_problem_pad(clconv_problem *problem, clconv_padding padding);

/** The tensors of a problem. */
typedef enum clconv_tensor {
    CLCONV_INPUT,
    CLCONV_WEIGHTS,
    CLCONV_BIAS,
    CLCONV_RESIDUAL,
    CLCONV_OUTPUT
} clconv_tensor;

/**
 * Whether the direction computes a tensor: 1, or 0 for those that are only read, and for the bias
 * of a problem without one.
 */
CLCONV_API int clconv_tensor_is_computed(const clconv_problem *problem, clconv_tensor tensor);

/** Element type of one tensor of a problem. */
CLCONV_API clconv_type clconv_tensor_type(const clconv_problem *problem, clconv_tensor tensor);

/**
 * Elements from the first to the last of a tensor, both included: what a buffer must hold behind
 * its offset. For a strided view the gaps count. 0 where the problem lacks the tensor.
 */
CLCONV_API clconv_status clconv_tensor_elements(size_t *elements, const clconv_problem *problem,
                                                clconv_tensor tensor);

/**
 * The axes N C D H W of input, residual or output (O I D H W of the weights, C of the bias): their
 * extents and element strides, dense or as the views of the problem say.
 */
CLCONV_API clconv_status clconv_tensor_shape(size_t extent[CLCONV_TENSOR_AXES],
                                             size_t stride[CLCONV_TENSOR_AXES],
                                             const clconv_problem *problem, clconv_tensor tensor);

/** Bytes of one element; 0 for a number that is no type. */
CLCONV_API size_t clconv_type_size(clconv_type type);

/**
 * Multiply-adds of the problem, pads included, times two: the usual count of floating-point
 * operations. A double, because it exceeds 64 bits for problems that are otherwise valid.
 */
CLCONV_API double clconv_problem_flops(const clconv_problem *problem);

/** The region of the first input that one element of the last output depends on, per axis. */
typedef struct clconv_receptive_field {
    size_t size[CLCONV_SPATIAL_AXES];    /**< elements from the first to the last */
    size_t stride[CLCONV_SPATIAL_AXES];  /**< how far it moves from one output to the next */
    int64_t offset[CLCONV_SPATIAL_AXES]; /**< first element for output 0; negative in padding */
} clconv_receptive_field;

/**
 * Receptive field of a stack of forward convolutions, each consuming the output of the one before:
 * size = 1 + sum of dilation*(kernel-1) * product of earlier strides. (Araujo, Norris and Sim,
 * "Computing Receptive Fields of Convolutional Neural Networks", Distill, 2019.)
 * @return CLCONV_INVALID_PROBLEM where a layer's input differs from the output before it
 */
CLCONV_API clconv_status clconv_receptive_field_of(clconv_receptive_field *field,
                                                   const clconv_problem *layers, size_t count);

/* ------------------------------------------------------------------------------------------------
 * Device: an OpenCL device with its context, queue and compiled programs, or the host CPU.
 */

typedef struct clconv_device clconv_device;

/** Kind of device. */
typedef enum clconv_device_kind {
    CLCONV_KIND_HOST,       /**< the host CPU, without OpenCL */
    CLCONV_KIND_CPU,        /**< OpenCL on a CPU */
    CLCONV_KIND_GPU,        /**< OpenCL on a GPU */
    CLCONV_KIND_ACCELERATOR /**< any other OpenCL device */
} clconv_device_kind;

#define CLCONV_TEXT_SIZE 256

/** Facts about a device. Claims are what the driver says, probes what a tiny kernel showed. */
typedef struct clconv_device_info {
    clconv_device_kind kind;
    char selector[16];               /**< "host" or "platform:device", such as "0:1" */
    char name[CLCONV_TEXT_SIZE];     /**< of the device */
    char vendor[CLCONV_TEXT_SIZE];   /**< of the device */
    char platform[CLCONV_TEXT_SIZE]; /**< name of the OpenCL platform; "" for the host */
    char version[CLCONV_TEXT_SIZE];  /**< OpenCL version of the device; "" for the host */
    char driver[CLCONV_TEXT_SIZE];   /**< driver version; for the host the vector kernel */
    char note[2 * CLCONV_TEXT_SIZE]; /**< why this device: a fallback and its reason */
    unsigned compute_units;          /**< for the host, threads */
    size_t max_work_group_size;      /**< work-items; 1 for the host */
    size_t max_work_item_sizes[3];   /**< work-items per dimension; 1 for the host */
    uint64_t local_memory_size;      /**< bytes; 0 for the host */
    uint64_t global_memory_size;     /**< bytes */
    uint64_t max_allocation_size;    /**< bytes of one buffer */
    int usable;                      /**< a kernel was built, run and read back correctly */
    int f64_claimed, f64_probed;     /**< double precision arithmetic */
} clconv_device_info;

/**
 * Lists the OpenCL devices of this machine and, last, the host. Nothing is built: `usable` and the
 * probes are 0. Without an ICD loader's platform the list has the host alone.
 * @param infos receives at most `capacity` entries; may be NULL when that is 0
 * @param count receives the number of devices there are
 */
CLCONV_API clconv_status clconv_device_list(clconv_device_info *infos, size_t capacity,
                                            size_t *count);

/**
 * Opens a device.
 * @param selector "gpu", "cpu" or "accelerator" for the first usable OpenCL device of that type,
 *        "platform:device" as clconv_device_list() numbers them, "host" for the CPU without OpenCL,
 *        or NULL for the best there is: GPU, accelerator, CPU, then the host, whose info then says
 *        why. A device is usable when a tiny kernel builds on it and computes the right answer.
 * @return CLCONV_NO_DEVICE naming the selector, CLCONV_INVALID_ARGUMENT for one that is malformed
 */
CLCONV_API clconv_status clconv_device_open(clconv_device **device, const char *selector);

/** Wraps the caller's OpenCL objects; both are retained until the device is destroyed. */
CLCONV_API clconv_status clconv_device_from_opencl(clconv_device **device, cl_context context,
                                                   cl_device_id id);

/** Releases a device. Its plans must have been destroyed before. */
CLCONV_API void clconv_device_destroy(clconv_device *device);

/** Facts about an open device, its probes included. */
CLCONV_API clconv_status clconv_device_get_info(clconv_device_info *info, clconv_device *device);

/**
 * The OpenCL objects of a device, still owned by it; the queue is in-order and profiles. Any
 * out-parameter may be NULL. CLCONV_UNSUPPORTED for the host.
 */
CLCONV_API clconv_status clconv_device_opencl(clconv_device *device, cl_context *context,
                                              cl_device_id *id, cl_command_queue *queue);

/* ------------------------------------------------------------------------------------------------
 * Program cache: kernels that were compiled once are kept on disk for all processes of the user.
 *
 * They lie in the folder $CLCONV_CACHE_DIR, or else $XDG_CACHE_HOME/clconv, or else
 * ~/.cache/clconv, one file each; an empty CLCONV_CACHE_DIR, or none of the three, means that
 * nothing is kept. A file holds device, driver, options and source, which must all be equal, and a
 * hash; one that is damaged, of another user, or writable for others is never handed to the driver,
 * and a folder of another user, or one that is writable for all, is not used at all.
 * $CLCONV_CACHE_SIZE is the limit of all files in MiB (256), beyond which those go that were used
 * longest ago. Whatever goes wrong with the folder, kernels are compiled as if there were none.
 */

typedef struct clconv_cache_entry {
    char file[64];                  /**< its name in the folder */
    char device[CLCONV_TEXT_SIZE];  /**< name */
    char driver[CLCONV_TEXT_SIZE];  /**< platform, vendor, version, driver version */
    char program[CLCONV_TEXT_SIZE]; /**< kernel file */
    char options[CLCONV_TEXT_SIZE]; /**< of the build, cut where they do not fit */
    uint64_t bytes;                 /**< of the file */
    int64_t used;                   /**< last use, in seconds since 1970 */
    int is_valid;                   /**< 0: damaged or not trusted, and the texts are empty */
} clconv_cache_entry;

/** Path of the folder, which need not exist; "" where nothing is kept on disk. */
CLCONV_API clconv_status clconv_cache_folder(char *path, size_t size);

/**
 * Lists the entries and checks each, the one used longest ago first.
 * @param entries receives at most `capacity` of them; may be NULL when that is 0
 * @param count receives the number of entries there are
 * @return CLCONV_FILE for a folder that is not used, or cannot be read
 */
CLCONV_API clconv_status clconv_cache_list(clconv_cache_entry *entries, size_t capacity,
                                           size_t *count);

/**
 * Removes all entries; what is in use stays in memory.
 * @param removed may be NULL
 * @return CLCONV_FILE naming one that could not be removed, after all others were, or a folder that
 *         is not used
 */
CLCONV_API clconv_status clconv_cache_clear(size_t *removed);

/* ------------------------------------------------------------------------------------------------
 * Algorithms: rows of one table. A row refuses a problem with a sentence, or it can run it.
 */

/** Number of algorithms; clconv_algorithm_name() takes 0 to one less. */
CLCONV_API size_t clconv_algorithm_count(void);

/** Name of an algorithm, such as "tiled"; NULL outside the range. Static storage. */
CLCONV_API const char *clconv_algorithm_name(size_t index);

/**
 * Whether an algorithm is made for this kind of device: 1, whatever problems it refuses; else 0, as
 * for unknown names. Plans choose among these. Those of OpenCL that are made for another kind
 * compute what they do not refuse, too, slowly, where they are named.
 */
CLCONV_API int clconv_algorithm_is_for(const clconv_device *device, const char *algorithm);

/**
 * Whether an algorithm computes problems of this direction at all: 1, whatever it refuses of them;
 * else 0, as for unknown names and directions.
 */
CLCONV_API int clconv_algorithm_computes(const char *algorithm, clconv_direction direction);

/**
 * Whether an algorithm rounds f32 operands to tf32 before it multiplies them: 1; else 0, as for
 * unknown names. Plans choose it only where clconv_plan_options.allow_tf32 says so.
 */
CLCONV_API int clconv_algorithm_rounds(const char *algorithm);

/** Bytes that a refusal always fits, its terminating zero included. */
#define CLCONV_REFUSAL_SIZE 256

/**
 * Asks one algorithm about a problem on a device, as if it had been named.
 * @param refusal receives "" when the algorithm can run, else a sentence; may be NULL
 * @param seconds receives its estimated time; may be NULL; untouched when it refuses
 * @return CLCONV_OK, CLCONV_UNSUPPORTED when it refuses, or an error of the arguments
 */
CLCONV_API clconv_status clconv_algorithm_check(char refusal[CLCONV_REFUSAL_SIZE], double *seconds,
                                                clconv_device *device,
                                                const clconv_problem *problem,
                                                const char *algorithm);

/* ------------------------------------------------------------------------------------------------
 * Plan: an algorithm bound to a problem and a device. Owns everything that is expensive.
 */

typedef struct clconv_plan clconv_plan;

/** What tuned entries, see clconv_tune(), mean for a plan whose algorithm is not named. */
typedef enum clconv_tuning {
    CLCONV_TUNING_USED,    /**< an entry that holds decides, and where there is none the estimate */
    CLCONV_TUNING_IGNORED, /**< the estimate decides */
    CLCONV_TUNING_MADE     /**< where no entry holds, clconv_tune() makes one first */
} clconv_tuning;

#define CLCONV_PLAN_OPTIONS_VERSION 3

/** How a plan is chosen. Start from CLCONV_PLAN_OPTIONS_INIT. */
typedef struct clconv_plan_options {
    uint32_t version;       /**< CLCONV_PLAN_OPTIONS_VERSION */
    const char *algorithm;  /**< by name; NULL for a tuned one, or that of the smallest estimate */
    size_t workspace_limit; /**< bytes; algorithms that need more refuse */
    clconv_tuning tuning;   /**< whether a tuned entry may choose */
    double tuning_seconds;  /**< budget of CLCONV_TUNING_MADE */
    /**
     * 1: f32 operands may be rounded to tf32, 11 bits, where a matrix engine multiplies these
     * faster. Tuned entries never do so, and are not asked then. An algorithm that does so may be
     * named without it.
     */
    int allow_tf32;
} clconv_plan_options;

#define CLCONV_PLAN_OPTIONS_INIT                                                                   \
    { CLCONV_PLAN_OPTIONS_VERSION, NULL, SIZE_MAX, CLCONV_TUNING_USED, 5.0, 0 }

/**
 * Creates a plan: chooses the algorithm and builds its kernels. A tuned entry that was not measured
 * on this machine is held against the reference at its first use, which takes a moment.
 * @param options may be NULL for the defaults; copied
 * @return CLCONV_UNSUPPORTED with the sentence of a named algorithm that refuses (nothing is ever
 *         substituted), CLCONV_UNKNOWN_ALGORITHM, CLCONV_BUILD_FAILED with the compiler's log, …
 */
CLCONV_API clconv_status clconv_plan_create(clconv_plan **plan, clconv_device *device,
                                            const clconv_problem *problem,
                                            const clconv_plan_options *options);

/** Releases a plan. Work that it enqueued may still be running. */
CLCONV_API void clconv_plan_destroy(clconv_plan *plan);

/** Name of the algorithm that the plan uses. Static storage; NULL for a NULL plan. */
CLCONV_API const char *clconv_plan_algorithm(const clconv_plan *plan);

/**
 * Why it is this algorithm: the tuned entry that chose it, or the estimate and what is wrong with
 * the entry that there is, or that it was asked for. Valid as long as the plan; NULL for a NULL
 * plan.
 */
CLCONV_API const char *clconv_plan_reason(const clconv_plan *plan);

/** Bytes of workspace that clconv_plan_enqueue() needs; 0 for a NULL plan. */
CLCONV_API size_t clconv_plan_workspace_size(const clconv_plan *plan);

/**
 * Text with the chosen algorithm, why, its estimate and workspace, and one line for each other
 * algorithm: its estimate, or why it refuses.
 * @return CLCONV_BUFFER_TOO_SMALL when `size` bytes do not hold it
 */
CLCONV_API clconv_status clconv_plan_explain(char *text, size_t size, const clconv_plan *plan);

/**
 * Copies the weights into the plan, rearranged as its algorithm likes them, so that later calls
 * need not: for inference. After it the `weights` of clconv_plan_enqueue() and clconv_plan_run()
 * are not read and may be absent. Blocks until the copy is done. Calling it again replaces the
 * weights.
 * @param weights host memory in the problem's layout; may be freed afterwards
 * @return CLCONV_UNSUPPORTED in direction backward_weights, which computes them, …
 */
CLCONV_API clconv_status clconv_plan_pack_weights(clconv_plan *plan, const void *weights);

/** A region of an OpenCL buffer: it begins `offset` elements behind the buffer's start. */
typedef struct clconv_buffer {
    cl_mem memory;
    size_t offset; /**< in elements of the tensor; in bytes for the workspace */
} clconv_buffer;

/** Tensors in device memory. Those that the problem lacks are not looked at. */
typedef struct clconv_tensors {
    clconv_buffer input;
    clconv_buffer weights;
    clconv_buffer bias;
    clconv_buffer residual;
    clconv_buffer output;
    clconv_buffer workspace; /**< clconv_plan_workspace_size() bytes; offset divisible by 64 */
} clconv_tensors;

/**
 * Enqueues the convolution on the caller's buffers. Does not block and allocates no device memory,
 * except that the GEMM of im2col_clblast and col2im_clblast is CLBlast's, which builds its programs
 * at its first call and may allocate buffers of its own. What is computed and the workspace must
 * not overlap any other tensor, except that residual and output may be the same.
 * @param queue NULL for the device's own; in-order or out-of-order
 * @param wait,event as in clEnqueueNDRangeKernel; the caller releases the event, which is NULL on
 *        failure
 * @return CLCONV_BUFFER_TOO_SMALL, CLCONV_WRONG_CONTEXT, … ; on failure nothing was computed by
 *         commands of this call unless the status is CLCONV_OPENCL, CLCONV_CLBLAST or
 *         CLCONV_OUT_OF_MEMORY, which an OpenCL call between two commands may give
 */
CLCONV_API clconv_status clconv_plan_enqueue(clconv_plan *plan, cl_command_queue queue,
                                             const clconv_tensors *tensors, cl_uint wait_count,
                                             const cl_event *wait, cl_event *event);

/**
 * Tensors in host memory. Those that the problem lacks are not looked at. Most are only read and
 * therefore const; what the direction computes must be memory that may be written all the same.
 */
typedef struct clconv_host_tensors {
    const void *input;
    const void *weights;
    const void *bias;
    const void *residual;
    void *output;
} clconv_host_tensors;

/**
 * Runs the convolution on host memory and waits for it; manages buffers itself. On the host device
 * nothing is copied. Elements between those of a strided view keep their values. After
 * CLCONV_OUT_OF_MEMORY and the statuses of OpenCL calls the content of what is computed is
 * undefined.
 */
CLCONV_API clconv_status clconv_plan_run(clconv_plan *plan, const clconv_host_tensors *tensors);

/* ------------------------------------------------------------------------------------------------
 * Tuning: choices that were measured instead of estimated.
 *
 * clconv_tune() times the candidates of a problem, which are algorithms and their tiles, and holds
 * the result of each against the reference before it may win. The fastest goes into a text file,
 * and later plans for that problem on that device use it, in all processes.
 *
 * The files lie in the folder $CLCONV_TUNING_DIR, or else $XDG_CONFIG_HOME/clconv/tuning, or else
 * ~/.config/clconv/tuning, one for each device. Where the user's own has no entry for a problem,
 * those in <prefix>/share/clconv/tuning are asked, which come with the library. An empty
 * CLCONV_TUNING_DIR means that neither is read and nothing is kept. docs/tuning.md has the format.
 *
 * An entry of another device, driver or library is not used, and one that is new to this machine is
 * held against the reference at its first use. Whatever is wrong with a file or folder, plans are
 * chosen by their estimates as if there were none, and clconv_plan_reason() says so.
 */

/** Bytes that the text of a tile always fits, its terminating zero included. */
#define CLCONV_TILE_SIZE 48

/** What became of a candidate. */
typedef enum clconv_candidate_state {
    CLCONV_CANDIDATE_TIMED,   /**< right, and timed */
    CLCONV_CANDIDATE_DROPPED, /**< right, but one run took far longer than the best */
    CLCONV_CANDIDATE_SKIPPED, /**< not built: its estimate is many times the best, or time is up */
    CLCONV_CANDIDATE_WRONG,   /**< its result is outside its bound */
    CLCONV_CANDIDATE_FAILED   /**< it could not be built or run */
} clconv_candidate_state;

/** One candidate, and the best so far. */
typedef struct clconv_tune_progress {
    const clconv_problem *problem;
    const char *algorithm;        /**< of the candidate */
    const char *tile;             /**< its tile, such as "2x7"; "-" for algorithms without */
    clconv_candidate_state state; /**< what became of it */
    const char *message;          /**< what is wrong with it, or ""  */
    double seconds;               /**< of its fastest run; 0 where none was timed */
    const char *best_algorithm;   /**< the best so far; NULL for none */
    const char *best_tile;        /**< its tile; NULL for none */
    double best_seconds;          /**< of its fastest run */
    size_t done, count;           /**< candidates looked at, this one included, and all */
} clconv_tune_progress;

#define CLCONV_TUNE_OPTIONS_VERSION 1

/** How much is timed. Start from CLCONV_TUNE_OPTIONS_INIT. */
typedef struct clconv_tune_options {
    uint32_t version; /**< CLCONV_TUNE_OPTIONS_VERSION */
    double seconds;   /**< budget: behind the first candidate, nothing is begun after so many */
    /** Called after each candidate, in the calling thread; may be NULL. */
    void (*progress)(void *context, const clconv_tune_progress *progress);
    void *context; /**< handed to progress */
} clconv_tune_options;

#define CLCONV_TUNE_OPTIONS_INIT                                                                   \
    { CLCONV_TUNE_OPTIONS_VERSION, 10.0, NULL, NULL }

/** What was measured. */
typedef struct clconv_tuned {
    const char *algorithm;                /**< the fastest; static storage */
    char tile[CLCONV_TILE_SIZE];          /**< its tile, such as "2x7"; "-" without */
    double seconds;                       /**< median of its runs */
    const char *estimate_algorithm;       /**< the one of the smallest estimate */
    char estimate_tile[CLCONV_TILE_SIZE]; /**< its tile */
    double estimate_seconds;              /**< median of its runs; 0 where it was not timed */
    size_t candidates;                    /**< in all, of which these: */
    size_t timed, dropped, skipped, wrong, failed;
    char note[4 * CLCONV_TEXT_SIZE]; /**< why the choice could not be kept in the file; or "" */
} clconv_tuned;

/**
 * Times the candidates of a problem, in the order of their estimates, and keeps the fastest.
 * Tensors lie in the device's memory and weights are packed before, as for inference; the figures
 * are medians of runs in turn. Large problems are held against the reference at some channels.
 * @param tuned receives what was measured; may be NULL; untouched on failure
 * @param options may be NULL for the defaults
 * @return CLCONV_UNSUPPORTED where no candidate computes the problem rightly, …; a file that cannot
 *         be written is no failure
 */
CLCONV_API clconv_status clconv_tune(clconv_tuned *tuned, clconv_device *device,
                                     const clconv_problem *problem,
                                     const clconv_tune_options *options);

/** Path of the user's file for a device, which need not exist; "" where nothing is kept. */
CLCONV_API clconv_status clconv_tuning_file(char *path, size_t size, const clconv_device *device);

/* ------------------------------------------------------------------------------------------------
 * Reference: the judge.
 */

/**
 * Computes a problem with plain loops and double-precision sums, independently of every algorithm,
 * and for each element a proven bound on the error of any algorithm that forms the same products
 * and adds them in any order in the type's arithmetic:
 *
 *     bound = L * (gamma(n) * S + subnormal) + activation + storage
 *
 * where S = |alpha| * sum|x*w| + |bias| + |residual| + |beta*output|, n counts the roundings on the
 * longest path, gamma(n) = n*u/(1-n*u) with the unit roundoff u (Higham, "Accuracy and Stability of
 * Numerical Algorithms", 2nd ed., section 3.1), L is the activation's Lipschitz constant, and the
 * last terms cover evaluation of the activation (OpenCL C's ULP table), rounding to the type in
 * memory, and subnormals that are flushed on the way; inputs are taken to be normal numbers or 0.
 * The bound is infinite where a sum may overflow. For the integer types it is 0: results are exact,
 * as long as sum and bias together fit 32 bits.
 *
 * The terms of a bias gradient are the elements of the output's gradient. What the problem computes
 * is read as the old content when beta is not 0, and never written.
 * @param output one double per element of what is computed, dense, in the order N C D H W (O I D H
 * W of the weights, behind which the bias follows)
 * @param bound the same; may be NULL
 */
CLCONV_API clconv_status clconv_reference(double *output, double *bound,
                                          const clconv_problem *problem,
                                          const clconv_host_tensors *tensors);

/**
 * Whether an algorithm sums the products themselves, so that its result is exact wherever all
 * partial sums are representable: 1. An algorithm that transforms them, such as Winograd's, and a
 * name that is unknown give 0.
 */
CLCONV_API int clconv_algorithm_is_exact(const char *algorithm);

/**
 * Raises the bounds that clconv_reference() gave for a problem to those of one algorithm. They stay
 * as they are for an algorithm that is exact, and in directions that it does not compute; one that
 * transforms has error constants of its own.
 * @param bound one double per element as clconv_reference() filled it; changed in place
 */
CLCONV_API clconv_status clconv_algorithm_bound(double *bound, const clconv_problem *problem,
                                                const clconv_host_tensors *tensors,
                                                const char *algorithm);

/** One element of type `type` at `index` of `data`, as a double. */
CLCONV_API double clconv_element_get(const void *data, clconv_type type, size_t index);

/** Stores a double, rounded to nearest even and, for integers, saturated. */
CLCONV_API void clconv_element_set(void *data, clconv_type type, size_t index, double value);

#ifdef __cplusplus
}
#endif

#endif
