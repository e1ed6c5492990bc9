#define _XOPEN_SOURCE 700 /* realpath() */

#include "outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SUFFIX_SIZE = 32 };

static bool fail(char *message, const char *path) {
    snprintf(message, MESSAGE_SIZE, "'%.200s' cannot be written: %s", path, strerror(errno));
    return false;
}

/* Pipes and devices cannot be replaced: /dev/null must stay what it is. */
static bool must_write_directly(const char *path) {
    struct stat status;

    return stat(path, &status) == 0 && !S_ISREG(status.st_mode);
}

static bool open_temporary(outfile *file) {
    size_t size = strlen(file->path) + SUFFIX_SIZE;
    int descriptor;

    file->temporary = malloc(size);
    if (!file->temporary)
        return false;
    snprintf(file->temporary, size, "%s.%ld.tmp", file->path, (long)getpid());
    descriptor = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (descriptor < 0) {
        free(file->temporary);
        file->temporary = NULL;
        return false;
    }
    file->stream = fdopen(descriptor, "wb");
    if (!file->stream)
        close(descriptor);
    return file->stream != NULL;
}

bool outfile_open(outfile *file, const char *path, char message[MESSAGE_SIZE]) {
    bool ok;

    *file = (outfile){0};
    /* The file behind a link is replaced, not the link. */
    file->path = realpath(path, NULL);
    if (!file->path)
        file->path = strdup(path);
    if (!file->path)
        return fail(message, path);
    if (must_write_directly(file->path)) {
        file->stream = fopen(file->path, "wb");
        ok = file->stream != NULL;
    } else {
        ok = open_temporary(file);
    }
    if (!ok) {
        fail(message, path);
        outfile_discard(file);
    }
    return ok;
}

static bool close_stream(outfile *file) {
    bool failed = ferror(file->stream) != 0;

    failed = fclose(file->stream) != 0 || failed;
    file->stream = NULL;
    return !failed;
}

bool outfile_commit(outfile *file, char message[MESSAGE_SIZE]) {
    bool ok = close_stream(file) && (!file->temporary || !rename(file->temporary, file->path));

    if (!ok) {
        fail(message, file->path);
    } else {
        free(file->temporary);
        file->temporary = NULL;
    }
    outfile_discard(file);
    return ok;
}

void outfile_discard(outfile *file) {
    if (file->stream)
        fclose(file->stream);
    if (file->temporary)
        unlink(file->temporary);
    free(file->temporary);
    free(file->path);
    *file = (outfile){0};
}
