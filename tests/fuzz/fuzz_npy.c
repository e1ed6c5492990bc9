/* NumPy's files: what is read is whole, and written again it reads the same. */
#include "fuzz.h"

#include "npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *path = fuzz_file(data, size);
    char message[MESSAGE_SIZE] = "";
    npy_array array = {0}, again = {0};
    if (!npy_read(&array, path, message)) {
        REQUIRE(*message && !array.data);
        return 0;
    }
    const size_t bytes = npy_elements(&array) * npy_type_size(array.type);
    REQUIRE(bytes <= size);
    FILE *stream = fopen(path, "wb");
    REQUIRE(stream);
    npy_write(stream, &array);
    REQUIRE(fclose(stream) == 0);
    REQUIRE(npy_read(&again, path, message));
    REQUIRE(again.rank == array.rank && again.type == array.type);
    REQUIRE(memcmp(again.shape, array.shape, array.rank * sizeof *array.shape) == 0);
    REQUIRE(memcmp(again.data, array.data, bytes) == 0);
    npy_free(&array);
    npy_free(&again);
    return 0;
}
