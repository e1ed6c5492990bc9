/* Pictures: what is read has all its samples, and written again it reads the same. */
#include "fuzz.h"

#include "picture.h"

/* A header may ask for gigabytes, which would only be slow. */
static int is_large(const uint8_t *data, size_t size) {
    return size >= 24 &&
           (data[16] || data[17] || data[18] > 3 || data[20] || data[21] || data[22] > 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char message[MESSAGE_SIZE] = "";
    picture p = {0}, again = {0};
    if (is_large(data, size))
        return -1;
    const char *path = fuzz_file(data, size);
    if (!picture_read(&p, path, message)) {
        REQUIRE(*message && !p.samples);
        return 0;
    }
    REQUIRE(p.width && p.height && p.channels >= 1 && p.channels <= 4);
    FILE *stream = fopen(path, "wb");
    REQUIRE(stream);
    REQUIRE(picture_write(stream, &p, message));
    REQUIRE(fclose(stream) == 0);
    REQUIRE(picture_read(&again, path, message));
    REQUIRE(again.width == p.width && again.height == p.height && again.channels == p.channels);
    REQUIRE(memcmp(again.samples, p.samples, p.width * p.height * p.channels) == 0);
    picture_free(&p);
    picture_free(&again);
    return 0;
}
