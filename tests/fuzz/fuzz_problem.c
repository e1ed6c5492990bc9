/* Problem strings: what parses is valid, and its canonical string gives the same problem back. */
#include "fuzz.h"

#include "clconv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    clconv_problem problem, again;
    char *text = malloc(size + 1), canonical[CLCONV_PROBLEM_TEXT_SIZE];
    REQUIRE(text);
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    memset(&problem, 0, sizeof problem);
    memset(&again, 0, sizeof again);
    if (clconv_problem_parse(&problem, text) == CLCONV_OK) {
        size_t elements;
        REQUIRE(clconv_problem_validate(&problem) == CLCONV_OK);
        REQUIRE(clconv_problem_format(canonical, sizeof canonical, &problem) == CLCONV_OK);
        REQUIRE(clconv_problem_parse(&again, canonical) == CLCONV_OK);
        char second[CLCONV_PROBLEM_TEXT_SIZE];
        REQUIRE(clconv_problem_format(second, sizeof second, &again) == CLCONV_OK);
        REQUIRE(strcmp(canonical, second) == 0);
        for (int tensor = CLCONV_INPUT; tensor <= CLCONV_OUTPUT; ++tensor)
            REQUIRE(clconv_tensor_elements(&elements, &problem, (clconv_tensor)tensor) ==
                    CLCONV_OK);
    } else {
        REQUIRE(*clconv_last_message());
    }
    free(text);
    return 0;
}
