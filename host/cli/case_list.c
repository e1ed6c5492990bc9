#include "case_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

clconv_status case_list_add(case_list *list, const clconv_problem *problem) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 64;
        clconv_problem *grown = realloc(list->problems, capacity * sizeof *grown);
        if (!grown)
            return CLCONV_OUT_OF_MEMORY;
        list->problems = grown;
        list->capacity = capacity;
    }
    list->problems[list->count++] = *problem;
    return CLCONV_OK;
}

void case_list_free(case_list *list) {
    free(list->problems);
    memset(list, 0, sizeof *list);
}

clconv_status case_list_parse(case_list *list, const char *text, char message[MESSAGE_SIZE]) {
    clconv_problem problem;
    clconv_status status = clconv_problem_parse(&problem, text);
    if (status)
        snprintf(message, MESSAGE_SIZE, "%s", clconv_last_message());
    else if ((status = case_list_add(list, &problem)))
        snprintf(message, MESSAGE_SIZE, "out of memory");
    return status;
}

/* One line: blank, a comment behind '#', or a problem. */
static clconv_status parse_line(case_list *list, char *line, const char *file, size_t number,
                                char message[MESSAGE_SIZE]) {
    char reason[MESSAGE_SIZE];
    char *end = line + strlen(line);
    while (*line == ' ' || *line == '\t')
        ++line;
    while (end > line && strchr(" \t\r\n", end[-1]))
        *--end = 0;
    if (!*line || *line == '#')
        return CLCONV_OK;
    clconv_status status = case_list_parse(list, line, reason);
    if (status)
        snprintf(message, MESSAGE_SIZE, "%.200s, line %zu: %.500s", file, number, reason);
    return status;
}

static clconv_status parse_text(case_list *list, char *text, const char *file,
                                char message[MESSAGE_SIZE]) {
    clconv_status status = CLCONV_OK;
    for (size_t number = 1; *text && !status; ++number) {
        size_t length = strcspn(text, "\n");
        char *next = text + length + (text[length] == '\n');
        text[length] = 0;
        status = parse_line(list, text, file, number, message);
        text = next;
    }
    return status;
}

/* Reads to the end, so that pipes work as well. */
static char *read_stream(size_t *length, FILE *file) {
    size_t size = 0, capacity = 1 << 16;
    char *text = malloc(capacity);
    while (text) {
        size_t got = fread(text + size, 1, capacity - size - 1, file);
        size += got;
        if (!got)
            break;
        if (size + 1 == capacity) {
            char *grown = realloc(text, capacity *= 2);
            if (!grown)
                free(text);
            text = grown;
        }
    }
    if (text)
        text[size] = 0;
    *length = size;
    return text;
}

clconv_status case_list_read(case_list *list, const char *path, char message[MESSAGE_SIZE]) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        snprintf(message, MESSAGE_SIZE, "%.500s: %s", path, strerror(errno));
        return CLCONV_INVALID_ARGUMENT;
    }
    size_t length;
    char *text = read_stream(&length, file);
    int failed = ferror(file);
    fclose(file);
    if (!text || failed || strlen(text) != length) {
        snprintf(message, MESSAGE_SIZE, "%.500s: %s", path,
                 failed ? "it cannot be read"
                 : text ? "it has a zero byte"
                        : "out of memory");
        free(text);
        return CLCONV_INVALID_ARGUMENT;
    }
    clconv_status status = parse_text(list, text, path, message);
    free(text);
    return status;
}

clconv_status case_list_collect(case_list *list, int argc, char **argv, const args_strings *files,
                                char message[MESSAGE_SIZE]) {
    clconv_status status = CLCONV_OK;
    for (int i = 1; i < argc && !status; ++i)
        status = case_list_parse(list, argv[i], message);
    for (size_t i = 0; i < files->count && !status; ++i)
        status = case_list_read(list, files->values[i], message);
    return status;
}

clconv_status case_list_embedded(case_list *list, char message[MESSAGE_SIZE]) {
    clconv_status status = CLCONV_OK;
    for (size_t i = 0; i < embedded_case_file_count && !status; ++i) {
        const struct embedded_cases *file = &embedded_case_files[i];
        char *text = malloc(file->size + 1);
        if (!text) {
            snprintf(message, MESSAGE_SIZE, "out of memory");
            return CLCONV_OUT_OF_MEMORY;
        }
        memcpy(text, file->text, file->size + 1);
        status = parse_text(list, text, file->name, message);
        free(text);
    }
    return status;
}
