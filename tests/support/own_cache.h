/* A folder of compiled kernels, for the set-up and tear-down of a test or a group of them. */
#ifndef CLCONV_TESTS_OWN_CACHE_H
#define CLCONV_TESTS_OWN_CACHE_H

#include "support.h"
#include "temporary.h"

static char own_cache[TEMPORARY_SIZE];

static inline int make_own_cache(void **state) {
    (void)state;
    return make_temporary_folder(own_cache, "programs") || setenv("CLCONV_CACHE_DIR", own_cache, 1)
               ? -1
               : 0;
}

static inline int remove_own_cache(void **state) {
    (void)state;
    assert_ok(setenv("CLCONV_CACHE_DIR", own_cache, 1));
    assert_ok(clconv_cache_clear(NULL));
    return rmdir(own_cache);
}

#endif
