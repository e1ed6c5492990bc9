/*
 * A file that appears under its name only when it is complete.
 */
#ifndef CLCONV_CLI_OUTFILE_H
#define CLCONV_CLI_OUTFILE_H

#include "message.h"

#include <stdbool.h>
#include <stdio.h>

/** An output that is being written; zero when there is none. */
typedef struct outfile {
    FILE *stream;
    char *path;      /* where it shall appear, links resolved */
    char *temporary; /* beside it; NULL where it is written directly, as a pipe must be */
} outfile;

/**
 * Begins a file.
 * @param message receives on failure a sentence that names the file
 */
bool outfile_open(outfile *file, const char *path, char message[MESSAGE_SIZE]);

/** Ends the file and gives it its name; on failure nothing remains but what was there before. */
bool outfile_commit(outfile *file, char message[MESSAGE_SIZE]);

/** Gives up a file that was begun; does nothing after outfile_commit(). */
void outfile_discard(outfile *file);

#endif
