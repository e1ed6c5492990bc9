#include "status.h"

#include <stdarg.h>
#include <stdio.h>

/* Long enough for the end of a compiler's log. */
static _Thread_local char last_message[4096];

static const struct {
    clconv_status status;
    const char *name;
    const char *text;
} statuses[] = {
#define STATUS_ROW(name, value, text) {CLCONV_##name, "CLCONV_" #name, text},
    CLCONV_STATUS_LIST(STATUS_ROW)
#undef STATUS_ROW
};

static size_t find_status(clconv_status status) {
    size_t i = 0;
    while (i < sizeof statuses / sizeof statuses[0] && statuses[i].status != status)
        ++i;
    return i;
}

const char *clconv_status_name(clconv_status status) {
    size_t i = find_status(status);
    return i < sizeof statuses / sizeof statuses[0] ? statuses[i].name : "unknown status";
}

const char *clconv_status_text(clconv_status status) {
    size_t i = find_status(status);
    return i < sizeof statuses / sizeof statuses[0] ? statuses[i].text : "unknown status";
}

const char *clconv_last_message(void) {
    return last_message;
}

clconv_status clconv__fail(clconv_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(last_message, sizeof last_message, format, arguments);
    va_end(arguments);
    return status;
}
