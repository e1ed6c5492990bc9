/* Lists of problems: from texts, from files with one problem a line, and the built-in ones. */
#ifndef CLCONV_CLI_CASE_LIST_H
#define CLCONV_CLI_CASE_LIST_H

#include "args.h"
#include "clconv.h"
#include "message.h"

typedef struct case_list {
    clconv_problem *problems; /* owned */
    size_t count, capacity;
} case_list;

/** A text built into the command; the build makes the table from tests/cases/. */
struct embedded_cases {
    const char *name; /* such as "vgg_16.txt" */
    const char *text; /* zero-terminated */
    size_t size;
};
extern const struct embedded_cases embedded_case_files[];
extern const size_t embedded_case_file_count;

/** These append; on failure `message` says what is wrong and where, and the list may have grown. */
clconv_status case_list_add(case_list *list, const clconv_problem *problem);
clconv_status case_list_parse(case_list *list, const char *problem, char message[MESSAGE_SIZE]);
clconv_status case_list_read(case_list *list, const char *path, char message[MESSAGE_SIZE]);
clconv_status case_list_embedded(case_list *list, char message[MESSAGE_SIZE]);

/** What a command line names: argv[1] to argv[argc - 1], then the files. */
clconv_status case_list_collect(case_list *list, int argc, char **argv, const args_strings *files,
                                char message[MESSAGE_SIZE]);
void case_list_free(case_list *list);

#endif
