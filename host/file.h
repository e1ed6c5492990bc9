/* Folders of a user, and files in them that are written whole or not at all. Knows no OpenCL. */
#ifndef CLCONV__FILE_H
#define CLCONV__FILE_H

#include <limits.h>
#include <stddef.h>

enum { CLCONV__PATH_SIZE = PATH_MAX };

/** Joins three strings; 0 where they do not fit. */
int clconv__join(char path[CLCONV__PATH_SIZE], const char *a, const char *b, const char *c);

/** Where a user's folder of one purpose is named. */
typedef struct clconv__place {
    const char *own;        /* environment variable that holds the path itself; */
    const char *base;       /* one of the XDG Base Directory specification, */
    const char *in_base;    /* and what follows it; */
    const char *under_home; /* or else what follows $HOME */
} clconv__place;

/** The path of a folder, which need not exist; "" for none. */
void clconv__user_folder(char path[CLCONV__PATH_SIZE], const clconv__place *place);

/** Makes the folder and what lacks above it; whether it worked is seen when a file is made in it.
 */
void clconv__make_folder(const char *folder);

/** Read or write all of `size` bytes; 0 for a failure. */
int clconv__read_all(int file, void *data, size_t size);
int clconv__write_all(int file, const void *data, size_t size);

/** How the temporary files begin that a process which is killed may leave behind. */
#define CLCONV__TEMPORARY_PREFIX ".new-"

/**
 * Puts a new file in the place of `path`, which lies in `folder`: readers see the old one or all
 * of the new one, also after a crash. Only the user can write it.
 * @param write writes the content and returns 0 where it could not
 * @return 0 where the old state remains; errno says why
 */
int clconv__replace_file(const char *folder, const char *path,
                         int (*write)(int file, const void *context), const void *context);

#endif
