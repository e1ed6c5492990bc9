/*
 * Pictures in PNG files: 8 bits per channel, in sRGB. Palettes are expanded, 16 bits are reduced to
 * 8, and other gammas are converted to sRGB's.
 */
#ifndef CLCONV_CLI_PICTURE_H
#define CLCONV_CLI_PICTURE_H

#include "message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/** Rows from the top, pixels from the left, the channels of a pixel side by side. */
typedef struct picture {
    unsigned char *samples; /* from malloc() */
    size_t width;
    size_t height;
    size_t channels; /* 1 gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha */
} picture;

/** Whether the last channel is alpha. */
bool picture_has_alpha(const picture *p);

/**
 * Reads a whole file.
 * @param p receives the picture, to be released with picture_free(); untouched on failure
 * @param message receives on failure a sentence that names the file
 */
bool picture_read(picture *p, const char *path, char message[MESSAGE_SIZE]);

/** Writes the picture to a stream; the message does not name the file, which is unknown here. */
bool picture_write(FILE *stream, const picture *p, char message[MESSAGE_SIZE]);

/** Releases the samples; the picture may be zero. */
void picture_free(picture *p);

#endif
