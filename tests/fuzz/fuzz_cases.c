/* Files of problems: all of them are valid, or the message names file and reason. */
#include "fuzz.h"

#include "case_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *path = fuzz_file(data, size);
    char message[MESSAGE_SIZE] = "";
    case_list list = {0};
    if (case_list_read(&list, path, message))
        REQUIRE(strstr(message, path));
    for (size_t i = 0; i < list.count; ++i)
        REQUIRE(clconv_problem_validate(&list.problems[i]) == CLCONV_OK);
    case_list_free(&list);
    return 0;
}
