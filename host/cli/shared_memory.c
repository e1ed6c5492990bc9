#define _GNU_SOURCE
#include "shared_memory.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A file without a name, in memory where the system has that. */
static int unnamed_file(void) {
#ifdef __linux__
    return memfd_create("clconv", MFD_CLOEXEC);
#else
    FILE *file = tmpfile();
    int descriptor = file ? dup(fileno(file)) : -1;
    if (file)
        fclose(file);
    return descriptor;
#endif
}

bool shared_memory_map(shared_memory *memory, int descriptor, size_t size) {
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    memset(memory, 0, sizeof *memory);
    if (bytes == MAP_FAILED) {
        close(descriptor);
        return false;
    }
    *memory = (shared_memory){descriptor, bytes, size};
    return true;
}

bool shared_memory_make(shared_memory *memory, size_t size) {
    int descriptor = unnamed_file();
    memset(memory, 0, sizeof *memory);
    if (descriptor < 0)
        return false;
    if (!size || size > (size_t)1 << 46 || ftruncate(descriptor, (off_t)size)) {
        close(descriptor);
        return false;
    }
    return shared_memory_map(memory, descriptor, size);
}

void shared_memory_free(shared_memory *memory) {
    if (memory->bytes) {
        munmap(memory->bytes, memory->size);
        close(memory->descriptor);
    }
    memset(memory, 0, sizeof *memory);
}
