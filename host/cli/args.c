#include "args.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HELP_COLUMN = 26,  /* where the help of an option begins */
    WORD_MAX = 32,     /* longer words are not guessed at */
    GUESS_DISTANCE = 3 /* changes from which on a word is another word */
};

/* What a value is converted with: where it goes, its text, and the option it belongs to. */
typedef struct value {
    void *destination;
    const char *text;
    const args_option *option;
} value;

/* ---- guessing -------------------------------------------------------------------------------- */

static size_t smallest(size_t a, size_t b, size_t c) {
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein's distance, one row of the table at a time. */
static size_t distance_between(const char *a, const char *b) {
    size_t row[WORD_MAX + 1];
    size_t length = strlen(b);

    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < length; j++) {
            size_t replaced = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = smallest(replaced, diagonal + 1, row[j] + 1);
        }
    }
    return row[length];
}

void args_guess_offer(args_guess *guess, const char *word, const char *candidate) {
    size_t distance;

    if (strlen(word) > WORD_MAX || strlen(candidate) > WORD_MAX)
        return;
    distance = distance_between(word, candidate);
    if (distance < GUESS_DISTANCE && distance < strlen(candidate) &&
        (!guess->name || distance < guess->distance)) {
        guess->name = candidate;
        guess->distance = distance;
    }
}

/* ---- messages -------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static int fail(const args_spec *spec, const char *format,
                                                      ...) {
    va_list list;

    va_start(list, format);
    fprintf(stderr, "clconv %s: ", spec->command);
    vfprintf(stderr, format, list);
    fprintf(stderr, "\n");
    va_end(list);
    return ARGS_EXIT_USAGE;
}

static int fail_unknown(const args_spec *spec, const char *name, int length) {
    char word[WORD_MAX + 2] = "";
    args_guess guess = {0};

    snprintf(word, sizeof word, "%.*s", length, name);
    for (size_t i = 0; i < spec->option_count; i++)
        args_guess_offer(&guess, word, spec->options[i].name);
    if (guess.name) {
        return fail(spec, "unknown option '--%.*s'; did you mean '--%s'?", length, name,
                    guess.name);
    }
    return fail(spec, "unknown option '--%.*s'; 'clconv help %s' lists them", length, name,
                spec->command);
}

/* ---- help ------------------------------------------------------------------------------------ */

/* Returns the width of "  --name ARGUMENT". */
static int print_option_name(const args_option *option) {
    int width = printf("  --%s", option->name);

    if (option->argument)
        width += printf(" %s", option->argument);
    for (size_t i = 0; option->choices && option->choices[i]; i++)
        width += printf("%c%s", i ? '|' : ' ', option->choices[i]);
    return width;
}

static void print_option(const args_option *option) {
    int width = print_option_name(option);
    const char *line = option->help;

    if (width > HELP_COLUMN - 2) {
        printf("\n");
        width = 0;
    }
    while (line) {
        const char *end = strchr(line, '\n');
        int length = end ? (int)(end - line) : (int)strlen(line);
        printf("%*s%.*s\n", HELP_COLUMN - width, "", length, line);
        line = end ? end + 1 : NULL;
        width = 0;
    }
}

static int print_help(const args_spec *spec) {
    printf("usage: clconv %s%s", spec->command, spec->option_count ? " [OPTION...]" : "");
    if (spec->positional)
        printf(spec->positional_min ? " %s" : " [%s]", spec->positional);
    printf("\n\n%s", spec->description);
    if (spec->option_count)
        printf("\noptions:\n");
    for (size_t i = 0; i < spec->option_count; i++)
        print_option(&spec->options[i]);
    if (spec->epilogue)
        printf("\n%s", spec->epilogue);
    return 0;
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Digits only: strtoull() would take spaces and signs as well. */
static const char *scan_unsigned(uint64_t *number, const char *text, int base) {
    char *end = NULL;
    unsigned long long scanned;

    if (text[0] < '0' || text[0] > '9')
        return NULL;
    errno = 0;
    scanned = strtoull(text, &end, base);
    if (errno)
        return NULL;
    *number = scanned;
    return end;
}

static const char *scan_int32(int32_t *number, const char *text) {
    uint64_t magnitude = 0;
    int negative = text[0] == '-';
    const char *end = scan_unsigned(&magnitude, text + negative, 10);

    if (!end || magnitude > (uint64_t)INT32_MAX + (uint64_t)negative)
        return NULL;
    *number = (int32_t)(negative ? -(int64_t)magnitude : (int64_t)magnitude);
    return end;
}

static const char *set_flag(const value *v) {
    *(bool *)v->destination = true;
    return NULL;
}

static const char *set_string(const value *v) {
    *(const char **)v->destination = v->text;
    return NULL;
}

static const char *set_strings(const value *v) {
    args_strings *list = v->destination;

    if (list->count == ARGS_STRINGS_MAX)
        return "no more than 64 of them";
    list->values[list->count++] = v->text;
    return NULL;
}

static const char *set_sizes(const value *v) {
    static const char expected[] = "one to eight sizes such as 1,1";
    args_sizes list = {.count = 0};
    const char *next = v->text;

    for (;;) {
        uint64_t number = 0;
        if (list.count == ARGS_LIST_MAX || !(next = scan_unsigned(&number, next, 10)) ||
            number > SIZE_MAX)
            return expected;
        list.values[list.count++] = (size_t)number;
        if (*next != ',')
            break;
        next++;
    }
    if (*next)
        return expected;
    *(args_sizes *)v->destination = list;
    return NULL;
}

static const char *set_ints(const value *v) {
    static const char expected[] = "one to eight whole numbers such as 3,-1";
    args_ints list = {.count = 0};
    const char *next = v->text;

    for (;;) {
        if (list.count == ARGS_LIST_MAX || !(next = scan_int32(&list.values[list.count], next)))
            return expected;
        list.count++;
        if (*next != ',')
            break;
        next++;
    }
    if (*next)
        return expected;
    *(args_ints *)v->destination = list;
    return NULL;
}

static const char *set_int(const value *v) {
    int32_t number = 0;
    const char *end = scan_int32(&number, v->text);

    if (!end || *end)
        return "a whole number";
    *(int *)v->destination = (int)number;
    return NULL;
}

static const char *set_uint64(const value *v) {
    uint64_t number = 0;
    int hexadecimal = v->text[0] == '0' && (v->text[1] == 'x' || v->text[1] == 'X');
    const char *end = scan_unsigned(&number, v->text, hexadecimal ? 16 : 10);

    if (!end || *end)
        return "a whole number that is not negative";
    *(uint64_t *)v->destination = number;
    return NULL;
}

static const char *set_double(const value *v) {
    char *end = NULL;
    double number = strtod(v->text, &end);

    if (end == v->text || *end || isnan(number))
        return "a number";
    *(double *)v->destination = number;
    return NULL;
}

static const char *set_choice(const value *v) {
    for (int i = 0; v->option->choices[i]; i++) {
        if (!strcmp(v->option->choices[i], v->text)) {
            *(int *)v->destination = i;
            return NULL;
        }
    }
    return "one of";
}

/* Each stores a value, or returns what it should have been. */
static const char *(*const setters[])(const value *) = {
    [ARGS_FLAG] = set_flag,     [ARGS_STRING] = set_string, [ARGS_STRINGS] = set_strings,
    [ARGS_SIZES] = set_sizes,   [ARGS_INTS] = set_ints,     [ARGS_INT] = set_int,
    [ARGS_UINT64] = set_uint64, [ARGS_DOUBLE] = set_double, [ARGS_CHOICE] = set_choice,
};

static int fail_value(const args_spec *spec, const value *v, const char *expected) {
    char words[256] = "";
    size_t used = 0;

    for (size_t i = 0; v->option->choices && v->option->choices[i] && used < sizeof words; i++) {
        used += (size_t)snprintf(words + used, sizeof words - used, "%s%s", i ? ", " : " ",
                                 v->option->choices[i]);
    }
    return fail(spec, "option '--%s' has the value '%s', expected %s%s", v->option->name, v->text,
                expected, words);
}

/* ---- parsing --------------------------------------------------------------------------------- */

typedef struct parser {
    const args_spec *spec;
    char *options;
    int argc;
    char **argv;
    int next;      /* argument to read */
    int kept;      /* positional arguments, moved to the front, argv[0] included */
    uint64_t seen; /* bit per row of the table */
} parser;

static const args_option *find_option(const args_spec *spec, const char *name, size_t length) {
    for (size_t i = 0; i < spec->option_count; i++)
        if (strlen(spec->options[i].name) == length &&
            !strncmp(spec->options[i].name, name, length))
            return &spec->options[i];
    return NULL;
}

/* The value behind "=", or the next argument unless that is an option itself. */
static const char *take_value(parser *p, const char *equals) {
    if (equals)
        return equals + 1;
    if (p->next >= p->argc || !strncmp(p->argv[p->next], "--", 2))
        return NULL;
    return p->argv[p->next++];
}

static int parse_option(parser *p, const char *name) {
    const char *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const args_option *option = find_option(p->spec, name, length);
    const char *expected;
    uint64_t bit;
    value v = {.option = option};

    if (!option)
        return fail_unknown(p->spec, name, (int)length);
    bit = UINT64_C(1) << (option - p->spec->options);
    if (p->seen & bit && option->type != ARGS_STRINGS)
        return fail(p->spec, "option '--%s' is given twice", option->name);
    p->seen |= bit;
    if (option->type == ARGS_FLAG) {
        if (equals)
            return fail(p->spec, "option '--%s' takes no value", option->name);
    } else if (!(v.text = take_value(p, equals))) {
        return fail(p->spec, "option '--%s' needs a value", option->name);
    }
    v.destination = p->options + option->offset;
    expected = setters[option->type](&v);
    return expected ? fail_value(p->spec, &v, expected) : ARGS_GO_ON;
}

static int parse_argument(parser *p, bool *options_end) {
    char *argument = p->argv[p->next++];

    if (*options_end || argument[0] != '-' || !argument[1]) {
        p->argv[p->kept++] = argument;
        return ARGS_GO_ON;
    }
    if (!strcmp(argument, "--")) {
        *options_end = true;
        return ARGS_GO_ON;
    }
    if (!strcmp(argument, "--help") || !strcmp(argument, "-h"))
        return print_help(p->spec);
    if (argument[1] != '-') {
        return fail(p->spec, "unknown option '%s'; 'clconv help %s' lists them", argument,
                    p->spec->command);
    }
    return parse_option(p, argument + 2);
}

static int check_positional(const args_spec *spec, int argc, char **argv) {
    size_t count = (size_t)argc - 1;

    if (count > spec->positional_max)
        return fail(spec, "unexpected argument '%s'", argv[spec->positional_max + 1]);
    if (count < spec->positional_min)
        return fail(spec, "expected %s", spec->positional);
    return ARGS_GO_ON;
}

int args_parse(void *options, const args_spec *spec, int *argc, char **argv) {
    parser p = {
        .spec = spec, .options = options, .argc = *argc, .argv = argv, .next = 1, .kept = 1};
    bool options_end = false;

    while (p.next < p.argc) {
        int code = parse_argument(&p, &options_end);
        if (code != ARGS_GO_ON)
            return code;
    }
    *argc = p.kept;
    return check_positional(spec, p.kept, argv);
}
