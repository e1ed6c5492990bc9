#include "picture.h"

#include <errno.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

/* Far beyond any camera; keeps a lying header from asking for all memory. */
static const size_t pixels_max = (size_t)1 << 28;

bool picture_has_alpha(const picture *p) {
    return p->channels % 2 == 0;
}

void picture_free(picture *p) {
    free(p->samples);
    p->samples = NULL;
}

static bool fail(char *message, const char *path, const char *text) {
    snprintf(message, MESSAGE_SIZE, "'%.200s' %s", path, text);
    return false;
}

static bool fail_image(char *message, const char *path, const png_image *image) {
    snprintf(message, MESSAGE_SIZE, "'%.200s' is no readable .png file: %s", path, image->message);
    return false;
}

static bool read_samples(picture *p, png_image *image, const char *path, char *message) {
    picture result = {.width = image->width, .height = image->height};

    /* Only colour and alpha of the file are kept: no palette, no 16 bits, no other order. */
    image->format &= PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_ALPHA;
    result.channels = PNG_IMAGE_SAMPLE_CHANNELS(image->format);
    if (result.width > pixels_max / result.height)
        return fail(message, path, "has more than 2^28 pixels");
    result.samples = malloc(result.width * result.height * result.channels);
    if (!result.samples)
        return fail(message, path, "cannot be read: out of memory");
    if (!png_image_finish_read(image, NULL, result.samples, 0, NULL) || PNG_IMAGE_FAILED(*image)) {
        picture_free(&result);
        return fail_image(message, path, image);
    }
    *p = result;
    return true;
}

bool picture_read(picture *p, const char *path, char message[MESSAGE_SIZE]) {
    png_image image = {.version = PNG_IMAGE_VERSION};
    FILE *stream = fopen(path, "rb");
    bool ok = false;

    if (!stream) {
        snprintf(message, MESSAGE_SIZE, "'%.200s' cannot be opened: %s", path, strerror(errno));
        return false;
    }
    if (!png_image_begin_read_from_stdio(&image, stream)) {
        fail_image(message, path, &image);
        goto done;
    }
    ok = read_samples(p, &image, path, message);
done:
    png_image_free(&image);
    fclose(stream);
    return ok;
}

bool picture_write(FILE *stream, const picture *p, char message[MESSAGE_SIZE]) {
    static const png_uint_32 formats[] = {PNG_FORMAT_GRAY, PNG_FORMAT_GA, PNG_FORMAT_RGB,
                                          PNG_FORMAT_RGBA};
    png_image image = {.version = PNG_IMAGE_VERSION};
    bool ok;

    image.width = (png_uint_32)p->width;
    image.height = (png_uint_32)p->height;
    image.format = formats[p->channels - 1];
    ok = png_image_write_to_stdio(&image, stream, 0, p->samples, 0, NULL);
    if (!ok)
        snprintf(message, MESSAGE_SIZE, "%s", image.message);
    png_image_free(&image);
    return ok;
}
