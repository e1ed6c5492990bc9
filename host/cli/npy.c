#include "npy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "npy.c copies little-endian numbers as they are"
#endif

enum {
    PREFIX_SIZE = 8,         /* magic and version */
    HEADER_MAX = 65535,      /* longer ones are only needed for types that are refused anyway */
    FIRST_CHUNK = 1 << 20,   /* bytes asked for before any were seen */
    ALIGNMENT = 64,          /* of the elements in a file, as the format wants it */
    WRITTEN_HEADER_MAX = 512 /* for eight extents of 20 digits with room to spare */
};

static const unsigned char magic[] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

typedef struct type_row {
    const char *name;
    size_t size;
} type_row;

static const type_row types[] = {
#define TYPE_ROW(name, text, size) {text, size},
    NPY_TYPE_LIST(TYPE_ROW)
#undef TYPE_ROW
};

enum { TYPE_COUNT = sizeof types / sizeof types[0] };

const char *npy_type_name(npy_type type) {
    return types[type].name;
}

size_t npy_type_size(npy_type type) {
    return types[type].size;
}

size_t npy_elements(const npy_array *array) {
    size_t elements = 1;

    for (size_t i = 0; i < array->rank; i++)
        elements *= array->shape[i];
    return elements;
}

void npy_free(npy_array *array) {
    free(array->data);
    array->data = NULL;
}

/* A file that is being read. */
typedef struct reader {
    FILE *stream;
    const char *path;
    char *message;
    char *header; /* text of the dictionary, ends in zero */
    const char *next;
    bool fortran_order;
    npy_array array;
} reader;

__attribute__((format(printf, 2, 3))) static bool fail(reader *r, const char *format, ...) {
    va_list list;
    int used = snprintf(r->message, MESSAGE_SIZE, "'%.200s' ", r->path);

    va_start(list, format);
    vsnprintf(r->message + used, MESSAGE_SIZE - (size_t)used, format, list);
    va_end(list);
    return false;
}

/* ---- the header, a Python dictionary --------------------------------------------------------- */

static void skip_spaces(reader *r) {
    r->next += strspn(r->next, " \t\n\r");
}

static bool accept(reader *r, const char *text) {
    size_t length = strlen(text);

    skip_spaces(r);
    if (strncmp(r->next, text, length) != 0)
        return false;
    r->next += length;
    return true;
}

static bool expect(reader *r, const char *text) {
    return accept(r, text) ||
           fail(r, "has a malformed header: expected '%s' at '%.20s'", text, r->next);
}

/* A string without escapes, which no key and no type here needs. */
static bool parse_string(reader *r, const char **text, size_t *length) {
    char quote;

    skip_spaces(r);
    quote = *r->next;
    if (quote != '\'' && quote != '"')
        return fail(r, "has a malformed header: expected a string at '%.20s'", r->next);
    *text = r->next + 1;
    *length = strcspn(*text, "'\"\\\n");
    if ((*text)[*length] != quote)
        return fail(r, "has a malformed header: a string does not end at '%.20s'", r->next);
    r->next = *text + *length + 1;
    return true;
}

static bool parse_descr(reader *r) {
    const char *text = NULL;
    size_t length = 0;

    skip_spaces(r);
    if (*r->next == '[')
        return fail(r, "holds records; only plain numbers can be read");
    if (!parse_string(r, &text, &length))
        return false;
    for (int i = 0; i < TYPE_COUNT; i++) {
        if (length == 3 && strchr("<|=", text[0]) && !strncmp(text + 1, types[i].name, 2)) {
            r->array.type = (npy_type)i;
            return true;
        }
        if (length == 3 && text[0] == '>' && !strncmp(text + 1, types[i].name, 2)) {
            return fail(r, "has big-endian numbers ('%.*s'); convert it with astype('<%s')",
                        (int)length, text, types[i].name);
        }
    }
    return fail(r, "has elements of type '%.*s'; f2, f4, f8, i1, u1 and i4 can be read",
                length < 40 ? (int)length : 40, text);
}

static bool parse_order(reader *r) {
    r->fortran_order = accept(r, "True");
    return r->fortran_order || accept(r, "False") ||
           fail(r, "has a malformed header: expected True or False at '%.20s'", r->next);
}

static bool parse_extent(reader *r) {
    char *end = NULL;
    unsigned long long extent;

    skip_spaces(r);
    if (*r->next < '0' || *r->next > '9')
        return fail(r, "has a malformed header: expected an extent at '%.20s'", r->next);
    if (r->array.rank == NPY_MAX_RANK)
        return fail(r, "has more than %d axes", NPY_MAX_RANK);
    errno = 0;
    extent = strtoull(r->next, &end, 10);
    if (errno || extent > SIZE_MAX) {
        return fail(r, "has an extent that is too large: %.*s", (int)strspn(r->next, "0123456789"),
                    r->next);
    }
    r->array.shape[r->array.rank++] = (size_t)extent;
    r->next = end;
    return true;
}

static bool parse_shape(reader *r) {
    if (!expect(r, "("))
        return false;
    while (!accept(r, ")")) {
        if (!parse_extent(r))
            return false;
        if (!accept(r, ",")) {
            if (r->array.rank == 1)
                return fail(r, "has a malformed header: expected ',' at '%.20s'", r->next);
            return expect(r, ")");
        }
    }
    return true;
}

typedef struct key_row {
    const char *name;
    bool (*parse)(reader *r);
} key_row;

static const key_row keys[] = {
    {"descr", parse_descr},
    {"fortran_order", parse_order},
    {"shape", parse_shape},
};

enum { KEY_COUNT = sizeof keys / sizeof keys[0] };

static bool parse_entry(reader *r, bool seen[KEY_COUNT]) {
    const char *text = NULL;
    size_t length = 0;

    if (!parse_string(r, &text, &length))
        return false;
    for (int i = 0; i < KEY_COUNT; i++) {
        if (strlen(keys[i].name) == length && !strncmp(keys[i].name, text, length)) {
            if (seen[i])
                return fail(r, "has a malformed header: '%s' is there twice", keys[i].name);
            seen[i] = true;
            return expect(r, ":") && keys[i].parse(r);
        }
    }
    return fail(r, "has a malformed header: unknown key '%.*s'", length < 40 ? (int)length : 40,
                text);
}

static bool parse_header(reader *r) {
    bool seen[KEY_COUNT] = {false};

    if (!expect(r, "{"))
        return false;
    while (!accept(r, "}")) {
        if (!parse_entry(r, seen))
            return false;
        if (!accept(r, ",")) {
            if (!expect(r, "}"))
                return false;
            break;
        }
    }
    for (int i = 0; i < KEY_COUNT; i++)
        if (!seen[i])
            return fail(r, "has a malformed header: '%s' is missing", keys[i].name);
    skip_spaces(r);
    return !*r->next || fail(r, "has a malformed header: text behind '}'");
}

/* ---- the file -------------------------------------------------------------------------------- */

static bool read_bytes(reader *r, void *bytes, size_t size) {
    if (fread(bytes, 1, size, r->stream) == size)
        return true;
    if (ferror(r->stream))
        return fail(r, "cannot be read: %s", strerror(errno));
    return fail(r, "is truncated: it ends in the header");
}

static bool read_header_size(reader *r, size_t *size) {
    unsigned char prefix[PREFIX_SIZE];
    unsigned char field[4] = {0};

    if (!read_bytes(r, prefix, sizeof magic))
        return ferror(r->stream) ? false : fail(r, "is not a .npy file: it is too short");
    if (memcmp(prefix, magic, sizeof magic) != 0)
        return fail(r, "is not a .npy file: it does not begin with \\x93NUMPY");
    if (!read_bytes(r, prefix + sizeof magic, sizeof prefix - sizeof magic))
        return false;
    if (prefix[6] < 1 || prefix[6] > 3 || prefix[7] != 0)
        return fail(r, "has .npy format %d.%d; 1.0, 2.0 and 3.0 can be read", prefix[6], prefix[7]);
    if (!read_bytes(r, field, prefix[6] == 1 ? 2 : 4))
        return false;
    *size =
        (size_t)field[0] | (size_t)field[1] << 8 | (size_t)field[2] << 16 | (size_t)field[3] << 24;
    return *size <= HEADER_MAX ||
           fail(r, "has a header of %zu bytes; at most %d can be read", *size, HEADER_MAX);
}

static bool read_header(reader *r) {
    size_t size = 0;

    if (!read_header_size(r, &size))
        return false;
    r->header = malloc(size + 1);
    if (!r->header)
        return fail(r, "cannot be read: out of memory");
    if (!read_bytes(r, r->header, size))
        return false;
    r->header[size] = '\0';
    if (strlen(r->header) != size)
        return fail(r, "has a malformed header: a zero byte");
    r->next = r->header;
    return parse_header(r);
}

static bool data_size(reader *r, size_t *size) {
    *size = npy_type_size(r->array.type);
    for (size_t i = 0; i < r->array.rank; i++) {
        if (r->array.shape[i] && *size > SIZE_MAX / r->array.shape[i])
            return fail(r, "has a shape whose size in bytes overflows");
        *size *= r->array.shape[i];
    }
    return true;
}

/* Grows with what the file really holds, so that a lying header costs no memory. */
static bool read_data(reader *r, size_t size) {
    size_t done = 0;
    size_t capacity = size < FIRST_CHUNK ? size : FIRST_CHUNK;

    for (;;) {
        void *grown = realloc(r->array.data, capacity ? capacity : 1);
        if (!grown)
            return fail(r, "cannot be read: out of memory for %zu bytes", size);
        r->array.data = grown;
        done += fread((char *)grown + done, 1, capacity - done, r->stream);
        if (ferror(r->stream))
            return fail(r, "cannot be read: %s", strerror(errno));
        if (done < capacity)
            return fail(r, "is truncated: its shape needs %zu bytes, it has %zu", size, done);
        if (done == size)
            break;
        capacity = size - done < done ? size : 2 * done;
    }
    return fgetc(r->stream) == EOF ||
           fail(r, "has bytes behind the %zu that its shape needs", size);
}

/* Element i in C order comes from where Fortran order, whose first axis is densest, has it. */
static size_t fortran_index(const npy_array *array, size_t i) {
    size_t stride = npy_elements(array);
    size_t index = 0;

    for (size_t axis = array->rank; axis-- > 0;) {
        stride /= array->shape[axis];
        index += i % array->shape[axis] * stride;
        i /= array->shape[axis];
    }
    return index;
}

static bool to_c_order(reader *r) {
    size_t size = npy_type_size(r->array.type);
    size_t elements = npy_elements(&r->array);
    char *from = r->array.data;
    char *to = malloc(elements ? elements * size : 1);

    if (!to)
        return fail(r, "cannot be read: out of memory for %zu bytes", elements * size);
    for (size_t i = 0; i < elements; i++)
        memcpy(to + i * size, from + fortran_index(&r->array, i) * size, size);
    free(from);
    r->array.data = to;
    return true;
}

static bool read_stream(reader *r) {
    size_t size = 0;

    return read_header(r) && data_size(r, &size) && read_data(r, size) &&
           (!r->fortran_order || to_c_order(r));
}

bool npy_read(npy_array *array, const char *path, char message[MESSAGE_SIZE]) {
    reader r = {.path = path, .message = message};
    bool ok = false;

    r.stream = fopen(path, "rb");
    if (!r.stream)
        return fail(&r, "cannot be opened: %s", strerror(errno));
    ok = read_stream(&r);
    if (ok)
        *array = r.array;
    else
        npy_free(&r.array);
    free(r.header);
    fclose(r.stream);
    return ok;
}

void npy_write(FILE *stream, const npy_array *array) {
    char header[WRITTEN_HEADER_MAX];
    size_t elements = npy_elements(array);
    size_t size = npy_type_size(array->type);
    int used =
        snprintf(header, sizeof header, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                 size == 1 ? '|' : '<', npy_type_name(array->type));
    int padding;

    for (size_t i = 0; i < array->rank; i++) {
        used += snprintf(header + used, sizeof header - (size_t)used, "%zu%s", array->shape[i],
                         array->rank == 1      ? ","
                         : i + 1 < array->rank ? ", "
                                               : "");
    }
    used += snprintf(header + used, sizeof header - (size_t)used, "), }");
    /* Prefix, the two bytes of the length, header and line feed end on a boundary. */
    padding = ALIGNMENT - (PREFIX_SIZE + 2 + used + 1) % ALIGNMENT;
    padding %= ALIGNMENT;
    fwrite(magic, 1, sizeof magic, stream);
    fprintf(stream, "%c%c%c%c%s%*s\n", 1, 0, (used + padding + 1) & 0xff, (used + padding + 1) >> 8,
            header, padding, "");
    fwrite(array->data, size, elements, stream);
}
