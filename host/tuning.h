/* Tuned choices in text files, one for each device. docs/tuning.md has the format. */
#ifndef CLCONV__TUNING_H
#define CLCONV__TUNING_H

#include "file.h"
#include "plan.h"

/** What a file has for a problem. */
typedef struct clconv__entry {
    clconv__choice choice;
    double seconds;
    char path[CLCONV__PATH_SIZE]; /* of the file */
} clconv__entry;

/** Bytes of a sentence about a file, its terminating zero included. */
enum { CLCONV__NOTE_SIZE = 4 * CLCONV_TEXT_SIZE };

/** Folders that entries may lie in, the user's own first; no more than there is room for. */
enum { CLCONV__TUNING_FOLDERS = 2 };
size_t clconv__tuning_folders(const char *folders[CLCONV__TUNING_FOLDERS],
                              char own[CLCONV__PATH_SIZE]);

/**
 * Looks a problem up; the first folder that has a line for it decides. The choice is a row and a
 * tile of the table, but the row may still refuse.
 * @param note receives why there is none, where a file has something to say, else ""
 * @return 1 where there is one, else 0
 */
int clconv__tuning_find(clconv__entry *entry, char note[CLCONV__NOTE_SIZE],
                        const clconv_device *device, const clconv_problem *problem,
                        const char *const folders[], size_t count);

/**
 * Puts a choice into a folder's file, in the place of the one for the same problem; what other
 * processes put there at the same time remains.
 * @param note receives why that failed
 * @return 1 where it is there now, else 0
 */
int clconv__tuning_keep(char note[CLCONV__NOTE_SIZE], const clconv_device *device,
                        const clconv_problem *problem, const clconv__choice *choice, double seconds,
                        const char *folder);

/** Path of a folder's file for a device; 0 where it does not fit. */
int clconv__tuning_path(char path[CLCONV__PATH_SIZE], const clconv_device *device,
                        const char *folder);

/** "2x7"; "-" for NULL. */
void clconv__format_tile(char text[CLCONV_TILE_SIZE], const clconv__tile *tile);

/** The canonical text of a problem without its name: by it entries are found. */
clconv_status clconv__unnamed_text(char text[CLCONV_PROBLEM_TEXT_SIZE],
                                   const clconv_problem *problem);

#endif
